"""The rules of a purchase, as a table: what is recorded, what Stripe says, what comes next."""

from typing import Any

import pytest

from ileen.base.clock import SECOND, Instant
from ileen.base.ids import AccountId, LotId, PurchaseId
from ileen.payments.model import Policy, PurchaseState
from ileen.payments.rules import Record, Step, decide, differences, is_covered
from ileen.payments.stripe import Intent, Invoice, Line, PaidBy, Tax
from ileen.payments.stripe.decline import decline_of

POLICY = Policy()
START = Instant(1_800_000_000 * SECOND)
YOUNG = Instant(START + 60 * SECOND)
OLD = Instant(START + POLICY.resume_us)


def record(state: str, **values: Any) -> Record:
    plain: dict[str, Any] = {
        "id": PurchaseId("pur_1"),
        "account_id": AccountId("acct_1"),
        "version": 3,
        "net": 5000,
        "vat": 950,
        "total": 5950,
        "rate": "19",
        "reason": "standard_rated",
        "country": "DE",
        "customer": "cus_1",
        "card": "pm_1",
        "card_name": "Visa •••• 4242",
        "email": "ada@example.com",
        "locale": "en",
        "by": None,
        "evidence": "{}",
        "leased_until": Instant(0),
        "look_at": START,
        "created_at": START,
        "invoice_id": None if state == "quoted" else "in_1",
    }
    return Record(state=PurchaseState(state), **(plain | values))


def invoice(status: str, **values: Any) -> Invoice:
    paid = status == "paid"
    plain: dict[str, Any] = {
        "id": "in_1",
        "live": False,
        "customer": "cus_1",
        "purchase_id": "pur_1",
        "number": None if status == "draft" else "AB-1",
        "currency": "eur",
        "subtotal": 5000,
        "total": 5950,
        "amount_due": 5950,
        "amount_paid": 5950 if paid else 0,
        "amount_remaining": 0 if paid else 5950,
        "taxes": (Tax(amount=950, taxable=5000, reason="standard_rated", rate_id="txr_1"),),
        "tax_status": "complete",
        "country": "DE",
        "auto_advance": False,
        "lines": (Line(id="il_1", amount=5000, description="50.00 credits"),),
        "lines_more": False,
        "payments": (PaidBy(id="inpay_1", status="paid", amount=5950, intent_id="pi_1"),) if paid else (),
        "intent": None,
        "hosted_url": None,
        "pdf_url": None,
        "created_s": 1_800_000_000,
        "paid_s": 1_800_000_060 if paid else None,
    }
    return Invoice(status=status, **(plain | values))


def intent(status: str, code: str | None = None) -> Intent:
    return Intent(id="pi_1", status=status, decline=decline_of(code) if code else None)


DRAFT, EMPTY, OPEN = invoice("draft"), invoice("draft", lines=()), invoice("open")
PAID, GONE, VOID = invoice("paid"), None, invoice("void")


def opened(status: str, code: str | None = None) -> Invoice:
    return invoice("open", intent=intent(status, code))


# What is recorded · what Stripe says · next step · state it leads to.
TABLE: list[tuple[Record, Invoice | None, str, str | None]] = [
    (record("quoted", version=1), GONE, "create", None),
    (record("quoted"), EMPTY, "know", None),
    (record("quoted"), DRAFT, "know", None),
    (record("quoted"), OPEN, "know", None),
    (record("created"), EMPTY, "item", None),
    (record("created"), DRAFT, "note", "invoiced"),
    (record("created"), OPEN, "note", "finalized"),
    (record("created"), GONE, "end", "void"),
    (record("invoiced"), EMPTY, "item", None),
    (record("invoiced"), DRAFT, "finalize", None),
    (record("invoiced"), OPEN, "note", "finalized"),
    (record("finalized"), OPEN, "pay", None),
    (record("finalized"), opened("requires_payment_method"), "pay", None),
    (record("finalized"), VOID, "end", "void"),
    (record("finalized"), invoice("uncollectible"), "close", "void"),
    (record("paying", attempt=1, attempted_at=START), OPEN, "pay_again", None),
    (record("paying", attempt=1, attempted_at=Instant(YOUNG - POLICY.same_key_us)), OPEN, "pay", None),
    (record("paying", attempt=1, attempted_at=START), opened("processing"), "note", "processing"),
    (record("paying", attempt=1, attempted_at=START), opened("succeeded"), "note", "processing"),
    (record("paying", attempt=1, attempted_at=START), opened("requires_action"), "note", "action_required"),
    (record("paying", attempt=1, attempted_at=START, decline_code="authentication_required"), OPEN, "note",
     "action_required"),
    (record("paying", attempt=1, attempted_at=START), opened("requires_payment_method", "insufficient_funds"), "close",
     "failed"),
    (record("paying", attempt=1, attempted_at=START, decline_code="generic_decline"), OPEN, "close", "failed"),
    (record("paying", attempt=1, attempted_at=START), VOID, "end", "void"),
    (record("action_required", action_until=OLD), opened("requires_action"), "wait", None),
    (record("action_required", action_until=YOUNG), opened("requires_action"), "close", "failed"),
    (record("action_required", action_until=OLD), opened("requires_payment_method"), "wait", None),
    (record("action_required", action_until=OLD),
     opened("requires_payment_method", "payment_intent_authentication_failure"), "close", "failed"),
    (record("action_required", action_until=OLD), opened("processing"), "note", "processing"),
    (record("processing"), opened("processing"), "wait", None),
    (record("processing"), opened("requires_payment_method", "generic_decline"), "close", "failed"),
    (record("processing"), OPEN, "close", "failed"),
    (record("quoted", closing=PurchaseState.VOID), GONE, "end", "void"),
    (record("created", closing=PurchaseState.VOID), EMPTY, "delete", None),
    (record("finalized", closing=PurchaseState.VOID), OPEN, "void", None),
    (record("paying", closing=PurchaseState.FAILED), OPEN, "void", None),
    (record("paying", closing=PurchaseState.FAILED), invoice("uncollectible"), "void", None),
    (record("paying", closing=PurchaseState.FAILED), VOID, "end", "failed"),
    (record("paying", closing=PurchaseState.FAILED), GONE, "end", "failed"),
    (record("paid"), PAID, "settle", None),
    (record("paid"), OPEN, "wait", None),
    (record("settled"), PAID, "nothing", None),
    (record("settled"), GONE, "nothing", None),
    (record("failed"), VOID, "nothing", None),
    (record("failed"), OPEN, "void", None),
    (record("void"), DRAFT, "delete", None),
    (record("void", invoice_id=None), DRAFT, "know", None),
    (record("void"), GONE, "nothing", None),
]  # fmt: skip


@pytest.mark.parametrize(("held", "seen", "step", "state"), TABLE)
def test_each_state_has_its_next_step(held: Record, seen: Invoice | None, step: str, state: str | None) -> None:
    decision = decide(held, seen, now=YOUNG, policy=POLICY)

    assert (decision.step.value, decision.state and decision.state.value) == (step, state)


@pytest.mark.parametrize("state", [each for each in PurchaseState if each not in {"paid", "settled"}])
def test_money_first_a_paid_invoice_is_taken_in_every_state(state: PurchaseState) -> None:
    """Also after we gave up, and while we were about to void it."""
    assert decide(record(state), PAID, now=YOUNG, policy=POLICY).step is Step.TAKE
    closing = record(state, closing=PurchaseState.VOID, decline_code="generic_decline")
    assert decide(closing, PAID, now=OLD, policy=POLICY).step is Step.TAKE


@pytest.mark.parametrize(
    ("name", "seen"),
    [
        ("purchase", {"purchase_id": "pur_2"}),
        ("customer", {"customer": "cus_2"}),
        ("currency", {"currency": "usd"}),
        ("tax calculation", {"tax_status": None}),
        ("tax calculation", {"tax_status": "requires_location_inputs"}),
        ("subtotal", {"subtotal": 4999}),
        ("tax", {"taxes": ()}),
        ("total", {"total": 5951}),
        ("amount due", {"amount_due": 0}),
        ("automatic collection", {"auto_advance": True}),
        ("lines", {"lines": ()}),
        ("lines", {"lines": (Line(id="il_1", amount=2500, description=""),) * 2}),
        ("lines", {"lines_more": True}),
        ("line", {"lines": (Line(id="il_1", amount=4000, description=""),)}),
    ],
)
def test_an_open_invoice_that_differs_is_closed_with_an_alarm_and_never_paid(name: str, seen: dict[str, Any]) -> None:
    odd = invoice("open", **seen)

    assert any(name in each for each in differences(record("invoiced"), odd))
    for state in ("created", "invoiced", "finalized", "paying"):
        decision = decide(record(state, attempted_at=START), odd, now=YOUNG, policy=POLICY)
        assert (decision.step, decision.because) == (Step.CLOSE, "invoice_differs")
        assert decision.alarm is not None and name in decision.alarm


def test_an_invoice_as_agreed_has_no_differences() -> None:
    assert differences(record("invoiced"), OPEN) == [] == differences(record("paying"), PAID)


@pytest.mark.parametrize(
    "seen",
    [
        {"payments": ()},
        {"payments": (PaidBy(id="inpay_1", status="open", amount=0, intent_id="pi_1"),)},
        {"payments": (PaidBy(id="inpay_1", status="paid", amount=5949, intent_id="pi_1"),)},
        {"payments": (PaidBy(id="inpay_1", status="paid", amount=5950, intent_id=None),)},
        {"amount_remaining": 1},
    ],
)
def test_paid_without_a_payment_that_covers_it_is_an_alarm_and_no_credits(seen: dict[str, Any]) -> None:
    """By a balance, by hand, below Stripe's minimum: an invoice can be paid though no money came in."""
    odd = invoice("paid", **seen)

    decision = decide(record("finalized"), odd, now=YOUNG, policy=POLICY)

    assert not is_covered(odd)
    assert (decision.step, decision.state, decision.because) == (Step.END, PurchaseState.FAILED, "paid_otherwise")
    assert decision.alarm is not None
    told = record("failed", alarm=decision.alarm, because="paid_otherwise")
    assert decide(told, odd, now=YOUNG, policy=POLICY).step is Step.NOTHING
    assert decide(told, PAID, now=YOUNG, policy=POLICY).step is Step.TAKE


@pytest.mark.parametrize("state", ["quoted", "created", "invoiced", "finalized", "paying"])
def test_what_was_interrupted_long_ago_is_never_paid_for(state: str) -> None:
    """Far beyond any key's life at Stripe too: no key is sent again after that."""
    for now in (OLD, Instant(START + 30 * 3600 * SECOND)):
        for seen in (GONE, EMPTY, DRAFT, OPEN):
            held = record(state, attempted_at=START, attempt=1)
            for _ in range(3):
                decision = decide(held, seen, now=now, policy=POLICY)
                assert decision.step not in {Step.CREATE, Step.ADD_LINE, Step.FINALIZE, Step.PAY, Step.PAY_AGAIN}
                if decision.step is not Step.NOTE:
                    break
                held = record(str(decision.state), attempted_at=START, attempt=1)


def test_a_settled_purchase_is_left_alone_whatever_stripe_says() -> None:
    held = record("settled", lot_id=LotId("lot_1"))
    for seen in (GONE, EMPTY, DRAFT, OPEN, PAID, VOID):
        assert decide(held, seen, now=OLD, policy=POLICY).step is Step.NOTHING
