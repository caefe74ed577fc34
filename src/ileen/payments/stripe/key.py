"""The secret key before it is used: Stripe is asked whether it takes it, and in which mode.

Owns: what each answer means for the start. Refuses to know: who starts.
K1  only an answer of Stripe's stops a start; silence, a rate limit or an outage never does.
"""

import stripe as sdk

from ileen.payments.stripe.client import Stripe
from ileen.settings import SettingInvalid


def check_key(at: Stripe) -> str | None:
    """Ask Stripe about the key, once; return a warning if it could not tell, None if all is well.

    The balance is asked for because it is always there and always names its mode (docs.stripe.com/api/balance).
    Raises: SettingInvalid (the key is not accepted, or is of the other mode than its name says).
    """
    try:
        live = at.client.v1.balance.retrieve().livemode
    except sdk.AuthenticationError as error:
        raise SettingInvalid("Stripe does not accept ILEEN_STRIPE_SECRET_KEY: copy it again, or make a new one.") from (
            error
        )
    except sdk.PermissionError:
        return "The restricted key may not read the balance (Balance: Read), so its mode could not be checked."
    except sdk.StripeError as error:
        return f"Stripe could not be asked about the secret key ({type(error).__name__}); payments are tried anyway."
    if live is not at.live:
        raise SettingInvalid(
            f"ILEEN_STRIPE_SECRET_KEY is named a {_mode(at.live)} key, but Stripe answers in {_mode(live)} mode."
        )
    return None


def _mode(live: bool) -> str:  # noqa: FBT001  # it is what the word stands for
    return "live" if live else "test"
