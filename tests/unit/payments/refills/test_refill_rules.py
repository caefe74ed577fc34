"""The decision to refill, exactly at each of its limits."""

from typing import Any

import pytest

from ileen.base.clock import Instant
from ileen.base.errors import AmountInvalid
from ileen.base.ids import AccountId
from ileen.base.money import parse
from ileen.payments.refills.book import month_start, next_month_start
from ileen.payments.refills.model import Pause, RefillPolicy, Setting, Terms, chain_of
from ileen.payments.refills.rules import Facts, Verdict, after_failure, decide

POLICY = RefillPolicy(hour_max=5, day_max=20)
SETTING = {
    "account_id": AccountId("acct_1"), "version": 1, "enabled": True, "threshold": 2000, "amount": 5000, "cap": 25000,
    "updated_at": Instant(0),
}  # fmt: skip
FACTS = {"balance": parse("19.80"), "waits": False, "busy": False, "month": 0, "hour": 0, "day": 0}


@pytest.mark.parametrize(
    ("facts", "setting", "expected"),
    [
        ({}, {}, "charge"),
        ({"balance": parse("20")}, {}, "charge"),
        ({"balance": parse("20") + 1}, {}, "above"),
        ({"balance": -parse("3")}, {}, "charge"),
        ({"month": 20000}, {}, "charge"),
        ({"month": 20001}, {}, "capped"),
        ({"month": 10**9}, {"cap": None}, "charge"),
        ({"hour": 4, "day": 19}, {}, "charge"),
        ({"hour": 5}, {}, "too_often"),
        ({"day": 20}, {}, "too_often"),
        ({"busy": True}, {}, "busy"),
        ({"waits": True}, {}, "waiting"),
        ({}, {"enabled": False}, "off"),
        ({}, {"paused": Pause.DECLINED}, "paused"),
        # More than one reason: the first in order is named.
        ({"busy": True, "month": 10**9, "hour": 9}, {"paused": Pause.DECLINED, "enabled": False}, "off"),
        ({"waits": True, "balance": parse("21")}, {"paused": Pause.DECLINED}, "paused"),
        ({"busy": True, "balance": parse("21")}, {}, "above"),
        ({"busy": True, "month": 10**9, "hour": 9}, {}, "busy"),
        ({"month": 10**9, "hour": 9}, {}, "capped"),
    ],
)
def test_each_reason_not_to_charge_counts_from_its_limit_on(
    facts: dict[str, Any], setting: dict[str, Any], expected: str
) -> None:
    assert expected == decide(Facts(setting=Setting(**(SETTING | setting)), **(FACTS | facts)), POLICY)


def test_an_account_that_never_saved_a_rule_is_never_charged() -> None:
    assert Verdict.OFF is decide(Facts(setting=None, **FACTS), POLICY)


def test_while_all_refills_are_stopped_none_is_charged() -> None:
    assert Verdict.STOPPED is decide(Facts(setting=Setting(**SETTING), **FACTS), RefillPolicy(stopped=True))


@pytest.mark.parametrize(
    ("because", "code", "failures", "pause"),
    [
        ("declined", "insufficient_funds", 1, None),
        ("declined", "insufficient_funds", 2, "declined"),
        ("declined", "processing_error", 1, None),
        ("declined", "generic_decline", 1, "declined"),
        ("declined", "lost_card", 1, "declined"),
        ("declined", "stolen_card", 1, "declined"),
        ("declined", "expired_card", 1, "declined"),
        ("declined", "fraudulent", 1, "declined"),
        ("declined", "a_code_of_tomorrow", 1, "declined"),
        ("not_confirmed", "payment_intent_authentication_failure", 1, "not_confirmed"),
        ("cancelled", None, 1, "cancelled"),
        ("took_too_long", None, 1, None),
        ("took_too_long", None, 2, "unavailable"),
        ("refused: no such customer", None, 1, "refused"),
        ("invoice_differs", None, 1, "refused"),
        ("voided_at_stripe", None, 1, "refused"),
    ],
)
def test_only_what_may_pass_by_itself_is_tried_again_and_once(
    because: str, code: str | None, failures: int, pause: str | None
) -> None:
    after = after_failure(because, code, failures=failures, policy=POLICY)
    assert (pause, pause is None) == (after.pause, after.retry_us is not None)


@pytest.mark.parametrize(
    ("terms", "refused"),
    [
        ({"threshold": 1000, "amount": 500}, None),
        ({"threshold": 500_000, "amount": 50_000}, None),
        ({"threshold": 999}, "threshold"),
        ({"threshold": 500_001}, "threshold"),
        ({"amount": 499}, "amount"),
        ({"amount": 50_001}, "amount"),
        ({"cap": 5000}, None),
        ({"cap": 4999}, "cap"),
        ({"cap": 5_000_000}, None),
        ({"cap": 5_000_001}, "cap"),
    ],
)
def test_terms_are_refused_from_their_limits_on(terms: dict[str, Any], refused: str | None) -> None:
    wanted = Terms(**{"enabled": True, "threshold": 2000, "amount": 5000, **terms})
    if refused is None:
        assert wanted == wanted.check()
        return
    with pytest.raises(AmountInvalid) as error:
        wanted.check()
    assert refused == error.value.fields["field"]


@pytest.mark.parametrize(
    ("threshold", "amount", "refills", "enough"),
    [
        (2000, 2001, None, None),
        (2000, 2000, 2, 2500),
        (2000, 5000, None, None),
        (2000, 1999, 2, 2500),
        (50_000, 500, 101, None),
        (500_000, 500, 1001, None),
        (49_999, 10_000, 5, 50_000),
    ],
)
def test_a_chain_is_what_lifts_an_empty_wallet_above_the_threshold(
    threshold: int, amount: int, refills: int | None, enough: int | None
) -> None:
    chain = chain_of(threshold, amount)

    assert (None if chain is None else chain.refills, None if chain is None else chain.enough) == (refills, enough)
    if chain is not None:
        assert (chain.refills - 1) * amount <= threshold < chain.total == chain.refills * amount
        assert enough is None or chain_of(threshold, enough) is None


def test_a_month_is_the_accounts_own() -> None:
    """31 December, 23:30 UTC is January in Berlin already."""
    at = Instant(1_798_759_800_000_000)
    assert month_start(at, "Europe/Berlin") == 1_798_758_000_000_000
    assert month_start(at, "UTC") == 1_796_083_200_000_000
    assert next_month_start(at, "UTC") == 1_798_761_600_000_000
