"""The payer's side of payments as one value: customer, VAT id, cards, portal and gate of each account.

Owns: how these parts work together, and what of Stripe's events concerns them. Refuses to know: purchases, HTTP.
It is who `purchases` asks for the payer of an account, and whether what Stripe calculated may be sold.
"""

from collections.abc import Callable, Mapping
from typing import Final

import structlog

from ileen import jobs
from ileen.accounts import Accounts
from ileen.accounts.audit import SYSTEM
from ileen.accounts.means import Means
from ileen.base.clock import Clock
from ileen.base.errors import BillingIncomplete, InsufficientCredits
from ileen.base.ids import AccountId, Ids
from ileen.ledger import Ledger
from ileen.payments import tax, vat_ids
from ileen.payments.cards import Card, Cards
from ileen.payments.customers import BillingDetails, Customer, Customers
from ileen.payments.disputes.locks import Locks
from ileen.payments.gate import Gate, GateRule, Gates, SpendingGate
from ileen.payments.model import Payer
from ileen.payments.portal import Flow, Portal
from ileen.payments.stripe import Stripe
from ileen.payments.tax import TaxPolicy
from ileen.payments.vat_ids import TaxId, VatIds
from ileen.store.engine import Database

BRANDS: Final = {
    "amex": "American Express",
    "cartes_bancaires": "Cartes Bancaires",
    "diners": "Diners Club",
    "discover": "Discover",
    "eftpos_au": "Eftpos",
    "jcb": "JCB",
    "mastercard": "Mastercard",
    "unionpay": "UnionPay",
    "visa": "Visa",
}

_log = structlog.get_logger()


class Billing:
    """Everything about the payer. Thread-safe; calls block on short transactions and on Stripe."""

    def __init__(
        self,
        database: Database,
        ledger: Ledger,
        accounts: Accounts,
        *,
        stripe: Stripe,
        policy: TaxPolicy,
        clock: Clock,
        ids: Ids,
        public_url: str,
    ) -> None:
        self._means = Means(database=database, clock=clock, ids=ids)
        self._accounts = accounts
        self._policy = policy
        self._customers = Customers(database, accounts, stripe=stripe, policy=policy, clock=clock, ids=ids)
        self._vat_ids = VatIds(database, self._customers, stripe=stripe, policy=policy, clock=clock, ids=ids)
        self._cards = Cards(database, self._customers, stripe=stripe, clock=clock, ids=ids)
        self._portal = Portal(self._customers, stripe=stripe, public_url=public_url)
        self._gates = Gates(ledger, self._cards)
        self._gate_url = f"{public_url}/gate"

    # The customer --------------------------------------------------------------------------------------------

    def customer(self, account: AccountId) -> Customer:
        """Return the account's customer as we know it. Raises: NotFound."""
        return self._customers.get(account)

    def set_billing(self, account: AccountId, details: BillingDetails, *, by: str = SYSTEM) -> Customer:
        """Keep new billing details, here and at Stripe; a VAT id of another country goes. `by` is who did it.

        Raises: as `Customers.set_details`.
        """
        customer = self._customers.set_details(account, details, by=by)
        self._vat_ids.drop_foreign(account, by=by)
        return customer

    def tax_id(self, account: AccountId) -> TaxId | None:
        """Return the account's VAT id, if it has one."""
        return self._vat_ids.get(account)

    def add_tax_id(self, account: AccountId, text: str, *, by: str = SYSTEM) -> TaxId:
        """Take a VAT id and have it checked. Raises: BillingIncomplete, TaxIdInvalid, TaxIdPresent."""
        return self._vat_ids.add(account, text, by=by)

    def check_tax_id_again(self, account: AccountId) -> TaxId:
        """Have the VAT id checked afresh. Raises: NotFound."""
        return self._vat_ids.check_again(account)

    def remove_tax_id(self, account: AccountId, tax_id: str, *, by: str = SYSTEM) -> None:
        """Remove a VAT id. Raises: NotFound."""
        self._vat_ids.remove(account, tax_id, by=by)

    # Cards, portal, gate -------------------------------------------------------------------------------------

    def cards(self, account: AccountId) -> list[Card]:
        """Return the saved cards, the default first."""
        return self._cards.saved(account)

    def refreshed_cards(self, account: AccountId) -> list[Card]:
        """Return the saved cards, read at Stripe just now: for someone who comes back from there.

        Raises: StripeUnavailable.
        """
        return self._cards.refresh(account)

    def chosen_card(self, account: AccountId) -> Card | None:
        """Return the card that a purchase charges if none is named; None if there is none."""
        return self._cards.chosen(account)

    def remove_card(self, account: AccountId, card_id: str, *, by: str = SYSTEM) -> None:
        """Remove a card that is not the default. Raises: NotFound, CardIsDefault, StripeUnavailable."""
        self._cards.remove(account, card_id, by=by)

    def portal(self, account: AccountId, *, return_path: str, flow: Flow, by: str = SYSTEM) -> str:
        """Return the address of a new portal session, for `by`. Raises: RequestInvalid, StripeUnavailable.

        The event is noted before anybody has the address, which alone opens the portal.
        """
        url = self._portal.open(account, return_path=return_path, flow=flow)
        with self._means.database.write() as connection:
            detail = {"flow": flow.value}
            self._means.note(connection, "portal.opened", account, by=by, account=account, detail=detail)
        return url

    def gate(self, account: AccountId) -> Gate:
        """Return where an account stands at the billing gate."""
        return self._gates.gate(account)

    def spending_gate(
        self, rule: GateRule, *, explain: Callable[[AccountId, InsufficientCredits], None] | None = None
    ) -> SpendingGate:
        """Return the gate in front of everything that spends credits; a process has one, since it remembers."""
        locks = Locks(self._means.database, clock=self._means.clock)
        return SpendingGate(self._gates, rule, url=self._gate_url, locks=locks, explain=explain)

    # For purchases -------------------------------------------------------------------------------------------

    def customer_of(self, account: AccountId) -> str:
        """Return the id of the customer to invoice, with the right address and VAT id.

        Raises: BillingIncomplete, LocationInvalid, CountryNotSold, TerritoryNotSold, StripeUnavailable.
        """
        customer = self._customers.ready(account)
        assert customer.stripe_id is not None, "a ready customer is at Stripe"
        self._vat_ids.settle_before_invoice(account, customer.stripe_id)
        return customer.stripe_id

    def payer(self, account: AccountId, *, card: str | None) -> Payer:
        """Return who is invoiced and which card is charged. Raises: as `customer_of`; NotFound for the card."""
        stripe_id = self.customer_of(account)
        chosen = self._cards.chosen(account, card)
        if chosen is None:
            raise BillingIncomplete(missing="card")
        customer = self._customers.get(account)
        return Payer(
            customer=stripe_id,
            card=chosen.id,
            card_name=card_name(chosen),
            card_country=chosen.country,
            email=customer.email or self._accounts.get(account).email or "",
            locale=customer.language or "en",
            country=customer.country,
        )

    def accept(self, account: AccountId, reason: str) -> bool:
        """Judge what Stripe calculated; False if it must be asked again, because something was put right at Stripe.

        Raises: CountryNotSold, TerritoryNotSold.
        """
        customer = self._customers.get(account)
        tax.admit_reason(self._policy, reason, country=customer.country or "")
        if reason != "reverse_charge" or customer.stripe_id is None:
            return True
        present = self._vat_ids.get(account)
        if present is not None and present.reverse_charge:
            return True
        taken = self._vat_ids.take_off_strangers(account, customer.stripe_id)
        _log.warning("payments.tax_id.taken_off", account=account, ids=len(taken))
        return False

    # What Stripe tells ---------------------------------------------------------------------------------------

    def hooks(self) -> Mapping[str, Callable[[str, str | None], None]]:
        """Return what to do on which type of event, with the object's id and its customer's id at Stripe.

        Each reads at Stripe what is so now; order and repetition of events do not matter. Raise: StripeUnavailable.
        """
        return {
            "customer.updated": self._customer_changed,
            "customer.deleted": self._customer_changed,
            "payment_method.attached": self._card_changed,
            "payment_method.detached": self._card_changed,
            "payment_method.updated": self._card_changed,
            "payment_method.automatically_updated": self._card_changed,
            "customer.tax_id.created": self._tax_id_changed,
            "customer.tax_id.updated": self._tax_id_changed,
            "customer.tax_id.deleted": self._tax_id_changed,
        }

    def handlers(self) -> Mapping[str, Callable[[jobs.Job], None]]:
        """Return the handlers of this part's jobs, by kind."""
        return {vat_ids.JOB: self._vat_ids.handle}

    def _customer_changed(self, object_id: str, customer: str | None) -> None:  # noqa: ARG002  # one form for all
        account = self._customers.account_of(object_id)
        if account is not None:
            self._cards.refresh(account)
            self._vat_ids.drop_foreign(account)

    def _card_changed(self, object_id: str, customer: str | None) -> None:
        account = self._customers.account_of(customer) if customer else self._cards.account_of(object_id)
        if account is not None:
            self._cards.refresh(account)

    def _tax_id_changed(self, object_id: str, customer: str | None) -> None:  # noqa: ARG002  # one form for all
        self._vat_ids.heard(object_id)


def card_name(card: Card) -> str:
    """Return what people call a card: "Visa •••• 4242"."""
    return f"{BRANDS.get(card.brand, 'Card')} •••• {card.last4}"
