"""The rules of a purchase against a model of Stripe: crashes, lost answers, banks, hosted pages and time, in any order.

The model carries out orders as Stripe does; the rules alone decide. Whatever happens, an invoice is paid at most once,
credits follow from it alone, and when everything rests nothing is left that somebody could still pay.
"""

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from msgspec.structs import replace

from ileen.base.clock import SECOND, Instant
from ileen.base.ids import AccountId, PurchaseId
from ileen.payments.model import ENDED, Policy, PurchaseState
from ileen.payments.rules import Decision, Record, Step, decide
from ileen.payments.stripe import Intent, Invoice, Line, PaidBy, Tax
from ileen.payments.stripe.decline import decline_of

POLICY = Policy()
START = Instant(1_800_000_000 * SECOND)
TAX = (Tax(amount=950, taxable=5000, reason="standard_rated", rate_id="txr_1"),)


class Purchase(RuleBasedStateMachine):
    """One purchase, one invoice at Stripe, and everybody who may touch them."""

    def __init__(self) -> None:
        super().__init__()
        self.now = START
        self.invoice: Invoice | None = None
        self.keys: set[str] = set()
        self.charges = self.lots = 0
        self.record = Record(
            id=PurchaseId("pur_1"), account_id=AccountId("acct_1"), state=PurchaseState.QUOTED, version=1,
            net=5000, vat=950, total=5950, rate="19", reason="standard_rated", country="DE", customer="cus_1",
            card="pm_1", card_name="Visa", email="a@example.com", locale="en", by=None, evidence="{}",
            leased_until=Instant(0), look_at=START, created_at=START,
        )  # fmt: skip

    # The world -----------------------------------------------------------------------------------------------------

    @rule(
        bank=st.sampled_from(["pays", "declines", "asks", "ponders"]), lost=st.sampled_from(["no", "order", "answer"])
    )
    def carry_on(self, bank: str, lost: str) -> None:
        """One step: decided, recorded, ordered; the order or its answer may be lost with the process."""
        decision = decide(self.record, self.invoice, now=self.now, policy=POLICY)
        key = self.write_down(decision)
        if lost == "order" or decision.step in {Step.NOTHING, Step.WAIT}:
            return
        self.carry_out(decision.step, key, bank, answered=lost == "no")

    @precondition(lambda self: self.invoice is not None and self.invoice.status == "open")
    @rule(outcome=st.sampled_from(["confirmed", "rejected", "decided", "page", "void", "uncollectible"]))
    def somebody_acts_at_stripe(self, outcome: str) -> None:
        assert self.invoice is not None
        status = self.invoice.intent.status if self.invoice.intent else ""
        if (
            outcome == "page"
            or (outcome == "confirmed" and status == "requires_action")
            or (outcome == "decided" and status == "processing")
        ):
            self.pay()
        elif outcome == "rejected" and status in {"requires_action", "processing"}:
            self.intent("requires_payment_method", "payment_intent_authentication_failure")
        elif outcome == "uncollectible":
            self.invoice = replace(self.invoice, status=outcome)
        elif outcome == "void":
            self.void()

    @rule(seconds=st.sampled_from([1, 60, 600, 3600, 90_000]))
    def time_passes(self, seconds: int) -> None:
        self.now = Instant(self.now + seconds * SECOND)

    # What must hold ------------------------------------------------------------------------------------------------

    @invariant()
    def an_invoice_is_paid_and_credited_at_most_once(self) -> None:
        paid = self.invoice is not None and self.invoice.status == "paid"
        assert self.charges == int(paid)
        assert self.lots <= self.charges

    @invariant()
    def what_has_ended_without_credits_cannot_be_paid(self) -> None:
        if self.record.state in {PurchaseState.FAILED, PurchaseState.VOID}:
            assert self.invoice is None or self.invoice.status == "void"

    def teardown(self) -> None:
        """Let it come to rest: the bank decides, time passes, the poller looks."""
        for _ in range(60):
            if self.invoice is not None and self.invoice.intent and self.invoice.intent.status == "processing":
                self.pay()
            self.now = Instant(self.now + 600 * SECOND)
            decision = decide(self.record, self.invoice, now=self.now, policy=POLICY)
            self.carry_out(decision.step, self.write_down(decision), "pays", answered=True)
            if self.record.state in ENDED:
                break
        assert self.record.state in ENDED
        assert (self.record.state is PurchaseState.SETTLED) == (self.charges == 1 == self.lots)
        self.what_has_ended_without_credits_cannot_be_paid()

    # Our side ------------------------------------------------------------------------------------------------------

    def write_down(self, decision: Decision) -> str:
        values: dict[str, Any] = {}
        match decision.step:
            case Step.KNOW:
                assert self.invoice is not None
                values = {"invoice_id": self.invoice.id, "state": PurchaseState.CREATED}
            case Step.NOTE:
                values = {"state": decision.state}
                if decision.state is PurchaseState.ACTION_REQUIRED:
                    values["action_until"] = Instant(self.now + POLICY.action_us)
            case Step.PAY:
                attempt = self.record.attempt + 1
                values = {"state": PurchaseState.PAYING, "attempt": attempt, "attempted_at": self.now}
            case Step.CLOSE:
                values = {"closing": decision.state, "because": decision.because}
            case Step.END:
                values = {"state": decision.state, "closing": None}
            case Step.TAKE:
                values = {"state": PurchaseState.PAID}
            case _:
                pass
        self.record = replace(self.record, version=self.record.version + 1, **values)
        return f"{decision.step.value}:{self.record.attempt if 'pay' in decision.step.value else 0}"

    def carry_out(self, step: Step, key: str, bank: str, *, answered: bool) -> None:
        match step:
            case Step.CREATE if key not in self.keys:
                assert self.invoice is None, "a purchase has one invoice"
                self.keys.add(key)
                self.invoice = blank()
                if answered:
                    self.record = replace(self.record, invoice_id="in_1", state=PurchaseState.CREATED)
            case Step.ADD_LINE if key not in self.keys:
                assert self.invoice is not None
                self.keys.add(key)
                line = Line(id="il_1", amount=5000, description="")
                self.invoice = replace(self.invoice, lines=(*self.invoice.lines, line))
            case Step.FINALIZE:
                assert self.invoice is not None
                if self.invoice.status == "draft":
                    self.invoice = replace(self.invoice, status="open", taxes=TAX, tax_status="complete", number="A-1")
            case Step.PAY | Step.PAY_AGAIN:
                self.order(f"pay:{self.record.attempt}", bank, answered=answered)
            case Step.VOID:
                self.void()
            case Step.DELETE:
                assert self.invoice is not None and self.invoice.status == "draft"
                self.invoice = None
            case Step.SETTLE:
                self.lots = 1  # the ledger's command has one key
                if answered:
                    self.record = replace(self.record, state=PurchaseState.SETTLED)
            case _:
                pass

    # Stripe's side -------------------------------------------------------------------------------------------------

    def order(self, key: str, bank: str, *, answered: bool) -> None:
        assert self.invoice is not None
        assert self.now - START < POLICY.resume_us, "no order to pay after its time"
        if key in self.keys or self.invoice.status != "open":
            return
        self.keys.add(key)
        match bank:
            case "pays":
                self.pay()
            case "declines":
                self.intent("requires_payment_method", "insufficient_funds")
            case "asks":
                self.intent("requires_action", None)
            case _:
                self.intent("processing", None)
        if answered and bank in {"declines", "asks"}:
            code = "insufficient_funds" if bank == "declines" else "invoice_payment_intent_requires_action"
            self.record = replace(self.record, decline_code=code)

    def void(self) -> None:
        """Void an invoice, and its payment with it; refused while the bank is still deciding."""
        assert self.invoice is not None
        pondering = self.invoice.intent is not None and self.invoice.intent.status == "processing"
        if self.invoice.status in {"open", "uncollectible"} and not pondering:
            self.invoice = replace(self.invoice, status="void", intent=None)

    def pay(self) -> None:
        assert self.invoice is not None and self.invoice.status in {"open", "uncollectible"}
        self.charges += 1
        paid = (PaidBy(id="inpay_1", status="paid", amount=5950, intent_id="pi_1"),)
        self.invoice = replace(self.invoice, status="paid", payments=paid, intent=None, amount_remaining=0)

    def intent(self, status: str, code: str | None) -> None:
        assert self.invoice is not None
        made = Intent(id="pi_1", status=status, decline=decline_of(code) if code else None)
        self.invoice = replace(self.invoice, intent=made)


def blank() -> Invoice:
    return Invoice(
        id="in_1", status="draft", live=False, customer="cus_1", purchase_id="pur_1", number=None, currency="eur",
        subtotal=5000, total=5950, amount_due=5950, amount_paid=0, amount_remaining=5950, taxes=(), tax_status=None,
        country="DE", auto_advance=False, lines=(), lines_more=False, payments=(), intent=None, hosted_url=None,
        pdf_url=None, created_s=1_800_000_000, paid_s=None,
    )  # fmt: skip


Purchase.TestCase.settings = settings(max_examples=300, stateful_step_count=30, deadline=None)
TestPurchase = Purchase.TestCase
