"""The secret key is checked with Stripe at the start: a wrong one stops it, an outage does not."""

from pathlib import Path

import pytest

from answering import BALANCE, Answering, answering
from ileen.app import App
from ileen.payments.stripe import Stripe, check_key
from ileen.settings import SettingInvalid, Settings
from stripe_sandbox import StripeSandbox

__all__ = ["answering"]


def asked(key: str, url: str) -> str | None:
    return check_key(Stripe(key, base_url=url, retries=0, timeout_s=2))


def test_the_offline_stripe_takes_its_own_key_and_no_other(stripe_sandbox: StripeSandbox) -> None:
    assert asked(stripe_sandbox.secret_key, stripe_sandbox.url) is None
    with pytest.raises(SettingInvalid, match="does not accept ILEEN_STRIPE_SECRET_KEY"):
        asked("sk_test_another", stripe_sandbox.url)


@pytest.mark.parametrize("kind", ["sk", "rk"])
def test_a_key_of_the_other_mode_than_its_name_stops_the_start(answering: Answering, kind: str) -> None:
    for named, livemode in (("test", True), ("live", False)):
        answering.body = {**BALANCE, "livemode": livemode}
        with pytest.raises(SettingInvalid, match=f"is named a {named} key"):
            asked(f"{kind}_{named}_123", answering.url)

        answering.body = {**BALANCE, "livemode": not livemode}
        assert asked(f"{kind}_{named}_123", answering.url) is None


def test_a_restricted_key_without_the_permission_is_a_warning(answering: Answering) -> None:
    answering.refuse(403)

    assert "may not read the balance" in str(asked("rk_live_123", answering.url))


@pytest.mark.parametrize("status", [400, 409, 429, 500, 503])
def test_whatever_else_stripe_answers_stops_no_start(answering: Answering, status: int) -> None:
    answering.refuse(status)

    assert "could not be asked" in str(asked("sk_live_123", answering.url))


def test_an_app_with_a_key_asks_and_starts_when_nobody_answers(tmp_path: Path, stripe_sandbox: StripeSandbox) -> None:
    def check(**changed: str) -> None:
        stripe = {"secret_key": stripe_sandbox.secret_key, "base_url": stripe_sandbox.url} | changed
        given = {"ILEEN_DATA_DIR": str(tmp_path)} | {f"ILEEN_STRIPE_{name.upper()}": at for name, at in stripe.items()}
        with App.open(Settings.read(given)) as app:
            assert app.payments is not None and app.billing is not None
            app.check_stripe()

    check()
    check(base_url="http://127.0.0.1:9")
    with pytest.raises(SettingInvalid, match="does not accept"):
        check(secret_key="sk_test_another")
