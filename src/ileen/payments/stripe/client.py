"""The client of one Stripe account, and the translation of everything that can go wrong with a call.

Owns: key and mode, timeouts, retries, errors. Refuses to know: what is called.
"""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

import stripe

from ileen.base.errors import CardDeclined, LocationInvalid, StripeRefused, StripeUnavailable
from ileen.payments.stripe.decline import decline_of

API_VERSION: Final = "2026-10-28.endive"
"""The version every request and every webhook endpoint is pinned to."""

_RETRIES: Final = 2
"""What the SDK repeats by itself, with the same key: lost connections, 409 and 5xx, within about two seconds.

A `StripeClient` that is not told repeats nothing. 429 is never repeated; whoever asked comes back later.
"""
_TIMEOUT_S: Final = 15
"""Longer than Stripe needs for a card payment; three tries of it stay within a job's lease of 60 seconds."""
_LOCATION_CODES: Final = frozenset({"customer_tax_location_invalid", "invalid_tax_location"})
_ACTION_CODES: Final = frozenset({"invoice_payment_intent_requires_action", "authentication_required"})
_ACTION_MESSAGE: Final = "additional user action"


class Stripe:
    """One Stripe account in one mode, spoken to with one secret key. Thread-safe."""

    def __init__(
        self,
        secret_key: str,
        *,
        base_url: str | None = None,
        retries: int = _RETRIES,
        timeout_s: int = _TIMEOUT_S,
        transport: stripe.HTTPClient | None = None,
    ) -> None:
        """`base_url` is the sandbox's; None is Stripe itself. `transport` replaces the network. Makes no call."""
        self.live = secret_key.startswith(("sk_live_", "rk_live_"))
        self.client = stripe.StripeClient(
            secret_key,
            stripe_version=API_VERSION,
            base_addresses={"api": base_url} if base_url else None,
            max_network_retries=retries,
            http_client=transport or stripe.RequestsClient(timeout=timeout_s),
        )


@contextmanager
def answered() -> Generator[None]:
    """Wrap one call and turn the SDK's errors into ours.

    Raises: CardDeclined (the payer's bank, or authentication wanted), LocationInvalid, StripeRefused (understood and
    refused: nothing happened), StripeUnavailable (not executed, or outcome unknown).
    """
    try:
        yield
    except stripe.CardError as error:
        raise _declined(error) from error
    except stripe.RateLimitError as error:
        raise StripeUnavailable from error
    except stripe.InvalidRequestError as error:
        raise _refused(error) from error
    except stripe.IdempotencyError as error:
        raise StripeRefused(reason=_reason(error), stripe_code="idempotency_error") from error
    except (stripe.AuthenticationError, stripe.PermissionError) as error:
        raise StripeUnavailable("Stripe does not accept the secret key this server was given.") from error
    except stripe.StripeError as error:  # 409, 5xx, no answer, an answer that is not Stripe's
        raise StripeUnavailable from error


def _declined(error: stripe.CardError) -> CardDeclined:
    detail = error.error
    code = (detail.decline_code if detail else None) or error.code or "generic_decline"
    if error.code in _ACTION_CODES or _ACTION_MESSAGE in str(error.user_message):
        code = str(error.code or code)
    decline = decline_of(code)
    return CardDeclined(decline.sentence, kind=decline.kind.value, decline_code=code)


def _refused(error: stripe.InvalidRequestError) -> CardDeclined | LocationInvalid | StripeRefused:
    if error.code in _LOCATION_CODES:
        return LocationInvalid()
    # Which of the two shapes an invoice's wish for authentication has is not documented: code, message or both.
    if error.code in _ACTION_CODES or _ACTION_MESSAGE in str(error.user_message):
        decline = decline_of("invoice_payment_intent_requires_action")
        return CardDeclined(decline.sentence, kind=decline.kind.value, decline_code=decline.code)
    return StripeRefused(reason=_reason(error), stripe_code=error.code or "", status_at_stripe=error.http_status)


def _reason(error: stripe.StripeError) -> str:
    return str(error.user_message or "it gave no reason")[:500]
