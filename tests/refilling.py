"""What tests of auto-refill need: accounts with credits and a rule, calls that spend them, time that passes.

All of it on a `Shop`: a real database, a real ledger, the offline Stripe.
"""

from typing import Any

from ileen.base.clock import SECOND
from ileen.base.errors import BillingIncomplete
from ileen.base.ids import AccountId, LotId, wallet_of
from ileen.base.money import parse
from ileen.ledger.model import Authorize, Capture, Fund, Source
from ileen.notices.kinds import check
from ileen.payments.model import Payer
from ileen.payments.refills.model import CONSENT_VERSION, Consent, Setting, Terms
from shop import Shop

CONSENT = Consent(version=CONSENT_VERSION, text="By saving you allow us to charge your default card.")
LIFETIME_US = 900 * SECOND
TERMS = Terms(enabled=True, threshold=2000, amount=5000)


def give(shop: Shop, account: AccountId, amount: str) -> None:
    lot = LotId(shop.ids.mint("lot"))
    shop.ledger.run(Fund(wallet=wallet_of(account), key=lot, lot=lot, amount=parse(amount), source=Source.BONUS))


def spend(shop: Shop, account: AccountId, amount: str) -> str:
    wallet, hold = wallet_of(account), shop.ids.mint("hold")
    shop.ledger.run(
        Authorize(wallet=wallet, key=f"a:{hold}", hold=hold, amount=parse(amount), lifetime_us=900 * SECOND)
    )
    shop.ledger.run(Capture(wallet=wallet, key=f"c:{hold}", hold=hold, amount=parse(amount)))
    return hold


def ready(shop: Shop, *, card: str = "pm_card_visa", credits_: str = "21.00", **terms: Any) -> AccountId:
    """An account with credits and a saved rule."""
    account = shop.account(card)
    give(shop, account, credits_)
    save(shop, account, **terms)
    return account


def save(shop: Shop, account: AccountId, *, charge_now: bool = False, **terms: Any) -> Setting:
    wanted = Terms(**{"enabled": True, "threshold": 2000, "amount": 5000, **terms})
    return shop.payments.refills.save(
        account, wanted, consent=CONSENT, by="mem_1", locale="en", charge_now=charge_now, accept_chain=True
    )


def balance(shop: Shop, account: AccountId) -> int:
    return shop.ledger.wallet(wallet_of(account)).settled


def setting(shop: Shop, account: AccountId) -> Setting:
    found = shop.payments.refills.setting(account)
    assert found is not None
    return found


def mails(shop: Shop, kind: str) -> list[dict[str, Any]]:
    found = [each for each in shop.told if each["kind"] == kind]
    for each in found:
        check(kind, each["values"])  # it can be rendered
    return found


def again(shop: Shop, seconds: int) -> None:
    """Let time pass, then have everything that waited look again."""
    shop.pass_time(seconds)
    shop.payments.handlers()["refills.sweep"](shop.job())
    shop.work()


def no_card(account: AccountId, *, card: str | None) -> Payer:
    raise BillingIncomplete(missing="card")


def replace_card(shop: Shop, account: AccountId) -> None:
    payer = shop.payers.payers[account]
    method = shop.sandbox.client.v1.payment_methods.attach("pm_card_visa", {"customer": payer.customer})
    shop.payers.payers[account] = Payer(
        customer=payer.customer,
        card=method.id,
        card_name="Visa •••• 4242",
        card_country="DE",
        email=payer.email,
        locale="en",
        country="DE",
    )
