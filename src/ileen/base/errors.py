"""Every error Ileen tells anyone about: one class per code, each with its HTTP status and a safe sentence.

Owns: the codes (documented in docs/reference/errors.md, compared by a test) and their problem+json form (RFC 9457).
Refuses to know: HTTP frameworks. `Refused` is an expected answer and changes nothing; `Conflict` a refusal because
of what already happened; `Upstream` somebody else's failure; `Corrupt` a breach of our own invariants: stop.
"""

from typing import ClassVar

type_base = "https://ileen.dev/errors/"


class IleenError(Exception):
    """Base of all errors that carry a code. `fields` are safe to show: ids, amounts as decimal strings, limits."""

    code: ClassVar[str] = "internal"
    status: ClassVar[int] = 500
    title: ClassVar[str] = "Something went wrong on our side"
    sentence: ClassVar[str] = "The request could not be served. Nothing was charged."

    def __init__(self, detail: str | None = None, **fields: object) -> None:
        self.detail = detail if detail is not None else self.sentence.format(**fields)
        self.fields = fields
        super().__init__(self.detail)

    def problem(self) -> dict[str, object]:
        """Return the RFC 9457 document: type, title, status, code, detail and the error's own fields."""
        document: dict[str, object] = dict(self.fields)
        document |= {
            "type": type_base + self.code,
            "title": self.title,
            "status": self.status,
            "code": self.code,
            "detail": self.detail,
        }
        return document


class Refused(IleenError):
    """An expected refusal: the request was understood and changes nothing."""

    code, status, title = "refused", 400, "Refused"


class Conflict(Refused):
    """Refused because of something that already happened."""

    code, status, title = "conflict", 409, "Conflict"


class Upstream(IleenError):
    """Somebody else failed: a model provider, Stripe, the database's host."""

    code, status, title = "upstream", 502, "Upstream failure"
    retryable: ClassVar[bool] = True


class Corrupt(IleenError):
    """An invariant of our own is broken. Nothing may be written on top of it."""

    code, status, title = "corrupt", 500, "Books do not balance"


# Input ------------------------------------------------------------------------------------------------------


class AmountInvalid(Refused):
    """An amount that is not a decimal string within bounds."""

    code, status, title = "amount_invalid", 422, "Amount not valid"
    sentence = "The amount in '{field}' is not valid: {reason}."


class RequestInvalid(Refused):
    """A body, parameter or header that does not have the documented form."""

    code, status, title = "request_invalid", 422, "Request not valid"
    sentence = "The request is not valid."


class RequestMalformed(Refused):
    """A body that cannot be read at all: not JSON, not UTF-8, nested too deep, or numbers beyond reason."""

    code, status, title = "request_malformed", 400, "Request cannot be read"
    sentence = "The request body cannot be read as JSON."


class MethodNotAllowed(Refused):
    """A path that exists, asked with a method it does not have."""

    code, status, title = "method_not_allowed", 405, "Method not allowed"
    sentence = "The path '{path}' does not accept {method}."


class UsageInvalid(Refused):
    """Token counts that are missing, negative, contradictory or absurd."""

    code, status, title = "usage_invalid", 422, "Usage not valid"
    sentence = "The usage is not valid: {reason}."


class ActivityUnknown(Refused):
    """A mode or activity that is not on the rate card."""

    code, status, title = "activity_unknown", 400, "Activity not known"
    sentence = "The activity '{activity}' is not on the rate card. Known activities: {known}."


class ModelNotPriced(Refused):
    """A model for which no price is known: refused before the call, never charged zero."""

    code, status, title = "model_not_priced", 400, "Model has no price"
    sentence = "No price is known for the model '{model}'. Add it to the price file to allow it."


class ExtraNotPriced(Refused):
    """A tool the provider runs for a fee, or a dearer service tier: refused before the call, never given away."""

    code, status, title = "extra_not_priced", 400, "Extra has no price"
    sentence = "The request asks for {extra}, which costs more than its tokens and has no price here. Leave it out."


class TooLarge(Refused):
    """A body over the limit."""

    code, status, title = "too_large", 413, "Request too large"
    sentence = "The request body is larger than {limit_bytes} bytes."


class TooManyCalls(Refused):
    """More calls under way at once than the key may have."""

    code, status, title = "too_many_calls", 429, "Too many calls at once"
    sentence = "This key already has {limit} calls under way. Try again when one has ended."


# Who ---------------------------------------------------------------------------------------------------------


class KeyInvalid(Refused):
    """No API key, an unknown one, or a revoked one: not told apart, so that keys cannot be guessed at."""

    code, status, title = "key_invalid", 401, "API key not valid"
    sentence = "The API key is missing, unknown or revoked."


class Forbidden(Refused):
    """A valid key, token or session without the scope or role for this."""

    code, status, title = "forbidden", 403, "Not allowed"
    sentence = "This API key or session lacks the scope '{scope}'."


class SessionInvalid(Refused):
    """A browser session or a UI session's token that is unknown, expired or ended: not told apart."""

    code, status, title = "session_invalid", 401, "Session not valid"
    sentence = "The session is missing, unknown, expired or ended. Sign in again."


class RequestForged(Refused):
    """A writing request of a browser session that does not prove to come from a page of ours."""

    code, status, title = "request_forged", 403, "Request not from our page"
    sentence = "The request does not come from a page of ours. Open the page again and retry."


class OriginRefused(Refused):
    """A UI session's token used from a web origin it was not made for."""

    code, status, title = "origin_refused", 403, "Origin not allowed"
    sentence = "This token may not be used from the origin '{origin}'."


class SignInFailed(Refused):
    """An e-mail address and a password that do not belong together: not told which of them is wrong."""

    code, status, title = "sign_in_failed", 401, "Sign-in failed"
    sentence = "E-mail address and password do not match."


class TooManyAttempts(Refused):
    """Attempts that come faster than they may; waiting helps, nothing is locked."""

    code, status, title = "too_many_attempts", 429, "Too many attempts"
    sentence = "Too many attempts. Try again in {retry_after_s} seconds."


class LinkInvalid(Refused):
    """A link from a mail that is unknown, expired or used: not told apart."""

    code, status, title = "link_invalid", 410, "Link not valid"
    sentence = "This link has expired or was used already. Ask for a new one."


class IdentityRefused(Refused):
    """A sign-in with an identity provider that ended without an identity we may accept."""

    code, status, title = "identity_refused", 403, "Identity not accepted"
    sentence = "The identity provider's answer cannot be accepted: {reason}."


class NotFound(Refused):
    """Nothing of that id in this account. Another account's ids answer the same."""

    code, status, title = "not_found", 404, "Not found"
    sentence = "There is no {what} '{id}' in this account."


# Ledger ------------------------------------------------------------------------------------------------------


class InsufficientCredits(Refused):
    """The wallet's available credits do not cover what was asked for."""

    code, status, title = "insufficient_credits", 402, "Not enough credits"
    sentence = "This needs {needed} credits; {available} are available."


class CapReached(Refused):
    """A spending cap of the account or of the API key would be passed."""

    code, status, title = "cap_reached", 402, "Spending cap reached"
    sentence = "This needs {needed} credits; the {period} cap of the {spender} leaves {available}."


class DebtLimitReached(Refused):
    """Usage reported after the fact that would push the wallet's debt over its bound."""

    code, status, title = "debt_limit_reached", 402, "Debt limit reached"
    sentence = "Booking {needed} credits would push the debt of this wallet over {debt_max} credits."


class HoldClosed(Conflict):
    """The hold was already captured, voided or expired."""

    code, title = "hold_closed", "Hold already closed"
    sentence = "The hold '{hold}' is already {state}."


class KeyReused(Conflict):
    """An idempotency key that was used before with other content."""

    code, title = "idempotency_key_reused", "Idempotency key reused"
    sentence = "The idempotency key was already used for a request with other content."


class IdentityUnconnected(Conflict):
    """An identity whose confirmed address belongs to a person of ours, who has not connected it."""

    code, title = "identity_unconnected", "Identity not connected"
    sentence = "There is an account with this address. Sign in another way, then connect the identity in your profile."


class LastOwner(Conflict):
    """Removing or changing the only owner would leave an account that nobody can manage."""

    code, title = "last_owner", "Last owner"
    sentence = "An account needs at least one owner. Make somebody else an owner first."


class AlreadyMember(Conflict):
    """An invitation to somebody who is a member already."""

    code, title = "already_member", "Already a member"
    sentence = "This person is already a member of the account."


class LotShort(Conflict):
    """A lot has less to freeze, unfreeze or remove than asked for."""

    code, title = "lot_short", "Not enough left in the lot"
    sentence = "The lot '{lot}' has only {available} credits left for this."


# Customers ---------------------------------------------------------------------------------------------------


class BillingIncomplete(Refused):
    """Billing details without what an invoice and its tax need; nothing can be bought yet."""

    code, status, title = "billing_incomplete", 409, "Billing details incomplete"
    sentence = "Tell us your {missing} first: the tax on an invoice depends on it."


class CountryNotSold(Refused):
    """A country in which the operator has no tax registration and does not sell without one."""

    code, status, title = "country_not_sold", 422, "Not sold in this country"
    sentence = "We cannot sell to customers in '{country}' at present. Nothing was charged."


class TerritoryNotSold(Refused):
    """A territory with tax rules of its own, where the operator does not sell."""

    code, status, title = "territory_not_sold", 422, "Not sold in this territory"
    sentence = "We cannot sell to customers in {territory} at present: it has its own tax rules. Nothing was charged."


class TaxIdInvalid(Refused):
    """A VAT id that cannot be one of this customer's: wrong form, wrong check digit, another country."""

    code, status, title = "tax_id_invalid", 422, "VAT id not valid"
    sentence = "This VAT id cannot be used: {reason}."


class TaxIdPresent(Conflict):
    """A second VAT id; an account has one."""

    code, title = "tax_id_present", "VAT id already given"
    sentence = "This account already has the VAT id {value}. Remove it first."


class CardIsDefault(Conflict):
    """The default card cannot be removed while it is the default."""

    code, title = "card_is_default", "Card is the default"
    sentence = "This card is the default. To remove it, make another card the default in Stripe."


class GateClosed(Refused):
    """The billing gate is not passed yet: `step` (`payment_method` or `credits`) is missing, `gate_url` is the page."""

    code, status, title = "gate_closed", 402, "Billing is not set up"
    sentence = "Billing is not set up yet. Missing: {step}."


class AccountOnHold(Refused):
    """A payment of the account is disputed with the payer's bank: nothing is bought or spent until that is settled."""

    code, status, title = "account_on_hold", 403, "Account on hold"
    sentence = (
        "A payment of {amount} EUR is being disputed with your bank. Buying and using credits is paused until it is "
        "settled; please contact us."
    )


# Purchases ---------------------------------------------------------------------------------------------------


class QuoteChanged(Conflict):
    """The total has changed since it was shown; `quote` is what it is now. Nothing was charged."""

    code, title = "quote_changed", "The total has changed"
    sentence = "The total is now {total} EUR. Look at it again before you pay."


class PurchaseClosed(Conflict):
    """A purchase that can no longer be cancelled: it has ended, or the bank is deciding on it."""

    code, title = "purchase_closed", "Purchase cannot be cancelled"
    sentence = "The purchase '{purchase}' is {state} and can no longer be cancelled."


class RefundChanged(Conflict):
    """Something has changed since the refund was quoted; `quote` is what it is now. Nothing happened."""

    code, title = "refund_changed", "The refund has changed"
    sentence = "The refund would now be {total} EUR. Look at it again before you ask for it."


class RefundImpossible(Conflict):
    """Nothing of this purchase can be refunded: unpaid, disputed, used up, refunded already, or out of time."""

    code, title = "refund_impossible", "Nothing to refund"
    sentence = "This purchase cannot be refunded: {reason}."


class RefundDecided(Conflict):
    """A refund that does not wait for this approval, or no longer."""

    code, title = "refund_decided", "Refund already decided"
    sentence = "The refund '{refund}' is {state}."


class CardDeclined(Refused):
    """The card was not charged; `kind` is funds, card_data, bank, try_later or authentication."""

    code, status, title = "card_declined", 402, "Card declined"
    sentence = "The card was declined."


class LocationInvalid(Refused):
    """An address whose tax location cannot be found."""

    code, status, title = "location_invalid", 422, "Address not recognised"
    sentence = "This address cannot be placed for tax. Check the country, the postal code and the city."


class RefillNotSet(Conflict):
    """Auto-refill is off, or was never set up: there is nothing to resume."""

    code, title = "refill_not_set", "Auto-refill is off"
    sentence = "Auto-refill is off. Save its settings first."


class RefillChargesNow(Conflict):
    """The balance is at or below the threshold already: saving would charge `amount` at once. Say so to do it."""

    code, title = "refill_charges_now", "Saving charges now"
    sentence = "The balance is already at or below the threshold: saving charges {amount} EUR before tax now."


class RefillChains(Conflict):
    """One refill may not lift the balance above the threshold, and no cap is set. Say so, set one, or refill more."""

    code, title = "refill_chains", "Many refills in a row"
    sentence = "One refill of {amount} EUR may not be enough: it can take {refills} in a row, {total} EUR before tax."


class ConsentOutdated(Conflict):
    """The consent names another wording than the present one, `version`: show that one and ask again."""

    code, title = "consent_outdated", "Consent is out of date"
    sentence = "Show the present wording, version {version}, and ask for consent to it."


class PaymentsDisabled(Refused):
    """This server has no Stripe key, or no webhook secret: nothing can be bought, no webhook taken."""

    code, status, title = "payments_disabled", 404, "Payments are not set up"
    sentence = "Payments are not set up on this server."


class WebhookInvalid(Refused):
    """A webhook that is not signed by Stripe with our secret, is too old or from the future, or of the other mode."""

    code, status, title = "webhook_invalid", 400, "Webhook refused"
    sentence = "The webhook was refused: {reason}."


# Not us ------------------------------------------------------------------------------------------------------


class Unavailable(Upstream):
    """Our database cannot be reached or stays busy; nothing was written, or the same key will tell."""

    code, status, title = "unavailable", 503, "Temporarily unavailable"
    sentence = "The ledger is temporarily unavailable. Nothing was lost; try again with the same idempotency key."


class IdentityProviderFailed(Upstream):
    """The identity provider could not be reached or answered nonsense."""

    code, status, title = "identity_provider_failed", 502, "Identity provider failed"
    sentence = "The identity provider failed: {reason}. Try again, or sign in another way."


class ProviderFailed(Upstream):
    """The model provider could not be reached, stalled or broke off."""

    code, status, title = "provider_failed", 502, "Model provider failed"
    sentence = "The model provider failed: {reason}. Nothing was charged."


class StripeUnavailable(Upstream):
    """Stripe could not be reached or failed; what was asked may have happened, and the same key will tell."""

    code, status, title = "stripe_unavailable", 503, "Stripe cannot be reached"
    sentence = "Stripe cannot be reached at the moment. You were not charged twice: try again in a minute."


class StripeRefused(Upstream):
    """Stripe understood and refused; most often something is not set up there."""

    code, status, title = "stripe_refused", 502, "Stripe refused"
    sentence = "Stripe refused this: {reason}"
    retryable = False
