"""A shop for tests: the payments room on a real database, a real ledger and the offline Stripe as a process.

Nothing of ours is replaced. Time is the machine's, moved on by `Shop.pass_time` for us and the sandbox alike.
"""

import hashlib
import hmac
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx2
import msgspec
from sqlalchemy import select

from ileen.accounts import Accounts
from ileen.base.clock import SECOND, Instant, SystemClock
from ileen.base.ids import AccountId, PurchaseId, RandomIds, WalletId, wallet_of
from ileen.jobs import Job, Worker
from ileen.ledger import Ledger
from ileen.ledger.audit import audit
from ileen.ledger.model import Lot, Source
from ileen.payments.door import Payments
from ileen.payments.model import Evidence, Payer, Policy, Purchase
from ileen.payments.reconcile import books
from ileen.payments.records import steps_of
from ileen.payments.refills.model import RefillPolicy
from ileen.payments.refunds.model import RefundPolicy
from ileen.payments.stripe import Stripe
from ileen.store import schema
from ileen.store.engine import Database
from stripe_sandbox import StripeSandbox

SECRET = "whsec_of_the_tests"
EVIDENCE = Evidence(billing_country="DE", ip_address="192.0.2.1", ip_country="DE")


POLICY = Policy()


class MovedClock:
    """The machine's clock, moved on by hand."""

    def __init__(self) -> None:
        self._system, self._moved = SystemClock(), 0

    def now(self) -> Instant:
        return Instant(self._system.now() + self._moved)

    def advance(self, seconds: int) -> None:
        self._moved += seconds * SECOND


class OnePayer:
    """Knows the one customer at Stripe of each account, as a test set them up."""

    def __init__(self) -> None:
        self.payers: dict[AccountId, Payer] = {}

    def customer_of(self, account: AccountId) -> str:
        return self.payers[account].customer

    def payer(self, account: AccountId, *, card: str | None) -> Payer:
        known = self.payers[account]
        return known if card is None else msgspec.structs.replace(known, card=card)

    def accept(self, account: AccountId, reason: str) -> bool:
        return True


class Shop:
    """The room, put together. `told` collects what it owes the outside."""

    def __init__(self, database: Database, ledger: Ledger, sandbox: StripeSandbox, *, policy: Policy = POLICY) -> None:
        self.database, self.ledger, self.sandbox = database, ledger, sandbox
        self.clock = MovedClock()
        self.ids = RandomIds(self.clock)
        self.payers: Any = OnePayer()
        self.hooks: dict[str, Any] = {}
        self.accounts = Accounts(database, ledger, clock=self.clock, ids=self.ids)
        self.told: list[dict[str, Any]] = []
        self.alarms: list[str] = []
        self.events_told: list[tuple[str, str]] = []
        self.secrets = [SECRET]
        self.hidden_invoice: str | None = None
        self.payments = self.server(policy)

    def server(
        self, policy: Policy = POLICY, *, refills: RefillPolicy | None = None, refunds: RefundPolicy | None = None
    ) -> Payments:
        """Another server process's room, on the same database and the same Stripe."""
        return Payments(
            self.database,
            self.ledger,
            self.accounts,
            stripe=Stripe(self.sandbox.secret_key, base_url=self.sandbox.url, retries=0),
            payers=self.payers,
            policy=policy,
            clock=self.clock,
            ids=self.ids,
            notify=self._notify,
            alarm=self._alarm,
            webhook_secrets=self.secrets,
            hooks=self.hooks,
            refills=refills,
            tell=self._tell,
            refunds=refunds,
        )

    def account(self, card: str = "pm_card_visa", **customer: Any) -> AccountId:
        """Open an account with a customer in Berlin and a card."""
        account = self.accounts.create("Ada", email="ada@example.com").id
        client = self.sandbox.client
        made = self.sandbox.customer(card=None, **customer)
        method = client.v1.payment_methods.attach(card, {"customer": made.id})
        self.payers.payers[account] = Payer(
            customer=made.id,
            card=method.id,
            card_name="Visa •••• 4242",
            card_country="DE",
            email="ada@example.com",
            locale="en",
            country="DE",
        )
        return account

    def buy(self, account: AccountId, cents: int = 5000, *, key: str = "key-1", **given: Any) -> Purchase:
        """Ask for the total, then buy."""
        quoted = given.pop("quoted_total", None) or self.payments.quote(account, cents).total
        given.setdefault("evidence", EVIDENCE)
        return self.payments.buy(account, cents, quoted_total=quoted, key=key, by=None, **given)

    def arm(self, kind: str, method: str, path: str, *, count: int = 1, **more: Any) -> None:
        """Have Stripe fail. The room's own client repeats nothing in tests, so that no fault is hidden."""
        fault = {"kind": kind, "method": method, "path": path, "count": count, **more}
        answer = httpx2.post(f"{self.sandbox.control_url}/faults", json=fault, trust_env=False)
        assert answer.status_code == 200, answer.text

    def disarm(self) -> None:
        """Have Stripe work again."""
        answer = httpx2.request("DELETE", f"{self.sandbox.control_url}/faults", json={}, trust_env=False)
        assert answer.status_code == 200, answer.text

    def pay_by_hand(self, invoice: str) -> int:
        """Pay on Stripe's page with a good card; return the status of the answer."""
        url = f"{self.sandbox.control_url}/dashboard/invoices/{invoice}/pay"
        return httpx2.post(url, json={"number": "4242424242424242"}, trust_env=False).status_code

    def authenticate(self, invoice: str) -> int:
        """Confirm on the bank's page; return the status of the answer."""
        url = f"{self.sandbox.control_url}/dashboard/invoices/{invoice}/authenticate"
        return httpx2.post(url, json={"outcome": "pass"}, trust_env=False).status_code

    def job(self) -> Job:
        """A job to hand to a handler."""
        return _JOB

    def wallet(self, account: AccountId) -> WalletId:
        return wallet_of(account)

    def pass_time(self, seconds: int) -> None:
        """Move our clock and Stripe's."""
        self.clock.advance(seconds)
        self.sandbox.advance(seconds)

    def work(self, *, sweep: bool = True) -> None:
        """Run everything that is due: the poller's round, then jobs until none is left."""
        if sweep:
            self.payments.handlers()["payments.sweep"](_JOB)
        self.work_of(self.payments)

    def work_of(self, room: Payments) -> None:
        """Have one server process run the jobs that are due, until none is left."""
        worker = Worker(self.database, room.handlers(), clock=self.clock, ids=self.ids)
        while worker.run_due():
            pass

    def settle_down(self) -> None:
        """Let time pass, in growing steps, until no purchase is open."""
        for step_s in (6, 10, 20, 40, 60, 60, 60, 120, 240, 480, 480, 900, 1800, 1800):
            self.work()
            if all(state in {"settled", "failed", "void"} for state in self.states()):
                return
            self.pass_time(step_s)
        raise AssertionError(f"purchases stay open: {self.states()}")

    # What there is -----------------------------------------------------------------------------------------------

    def states(self) -> list[str]:
        with self.database.read() as connection:
            query = select(schema.purchase.c.state).order_by(schema.purchase.c.id)
            return list(connection.execute(query).scalars())

    def steps(self, purchase: PurchaseId) -> list[str]:
        with self.database.read() as connection:
            return [row.step for row in steps_of(connection, purchase)]

    def lots(self, account: AccountId) -> list[Lot]:
        return [lot for lot in self.ledger.lots(wallet_of(account)) if lot.source in {Source.PURCHASE, Source.REFILL}]

    def invoices(self) -> list[Any]:
        page = self.sandbox.client.v1.invoices.list({"limit": 100, "expand": ["data.payments"]})
        return list(page.auto_paging_iter())

    def charges(self) -> list[Any]:
        page = self.sandbox.client.v1.charges.list({"limit": 100})
        return [each for each in page.auto_paging_iter() if each.paid]

    def rows(self, table: Any) -> list[Any]:
        with self.database.read() as connection:
            return list(connection.execute(select(table)))

    def check(self) -> None:
        """What must hold whenever everything has come to rest, whatever was slow, lost, repeated or killed."""
        purchases = self.rows(schema.purchase)
        settled = [each for each in purchases if each.state == "settled"]
        assert {each.state for each in purchases} <= {"settled", "failed", "void"}
        paid = [each for each in self.invoices() if each.status == "paid" and "ileen_purchase" in each.metadata]
        assert sorted(each.invoice_id for each in settled) == sorted(each.id for each in paid), "paid = settled"
        assert sum(each.total for each in settled) == sum(each.amount for each in self.charges()), "charged once"
        assert [each.status for each in self.invoices() if each.status in {"open", "draft"}] == [], "nothing forgotten"
        for account in {each.account_id for each in purchases}:
            mine = sorted((each.id, each.net * 10_000_000) for each in settled if each.account_id == account)
            assert sorted((lot.reference, lot.amount) for lot in self.lots(account)) == mine, "one lot each, net only"
        receipts = [each["key"] for each in self.told if each["kind"] in {"receipt", "refill_receipt"}]
        assert sorted(receipts) == sorted(f"receipt:{each.id}" for each in settled), "one receipt each"
        assert audit(self.database).breaches == []
        assert books(self.database) == []

    # Webhooks ----------------------------------------------------------------------------------------------------

    def events(self, *types: str) -> list[dict[str, Any]]:
        """What Stripe has to tell, oldest first, as it tells it."""
        found: list[dict[str, Any]] = []
        after = ""
        while True:
            page = self.sandbox.raw("GET", f"/v1/events?limit=100{after}").json()
            found += page["data"]
            if not page["has_more"]:
                break
            after = f"&starting_after={found[-1]['id']}"
        return [each for each in reversed(found) if not types or each["type"] in types]

    def deliver(self, *events: dict[str, Any]) -> None:
        """Hand events to the inbox, signed."""
        for event in events:
            raw = json.dumps(event).encode()
            self.payments.receive(raw, self.sign(raw))

    def sign(self, raw: bytes, *, secret: str = SECRET, at_s: int | None = None) -> str:
        moment = self.clock.now() // SECOND if at_s is None else at_s
        digest = hmac.new(secret.encode(), f"{moment}.".encode() + raw, hashlib.sha256).hexdigest()
        return f"t={moment},v1={digest}"

    def _notify(self, connection: Any, **told: Any) -> None:
        self.told.append(told)

    def _alarm(self, connection: Any, *, summary: str, detail: str, key: str) -> None:
        self.alarms.append(detail)

    def _tell(self, connection: Any, *, account: AccountId, type_: str, data: Any, key: str) -> None:
        self.events_told.append((type_, key))

    def close(self) -> None:
        self.accounts.close()


def at_once(count: int, work: Callable[[int], Any]) -> list[Any]:
    """Do something many times at the same moment; return the answers, exceptions among them."""
    ready, answers = threading.Barrier(count), [None] * count

    def run(number: int) -> None:
        ready.wait()
        try:
            answers[number] = work(number)
        except Exception as error:
            answers[number] = error  # type: ignore[call-overload]

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


@contextmanager
def open_shop(database: Database, ledger: Ledger, sandbox: StripeSandbox, **given: Any) -> Iterator[Shop]:
    shop = Shop(database, ledger, sandbox, **given)
    try:
        yield shop
    finally:
        shop.close()


_JOB = Job(
    id="job_0", kind="payments.sweep", key=None, payload={}, state="running", run_at=Instant(0), attempts=1,  # type: ignore[arg-type]
    lease=None, error=None,
)  # fmt: skip
