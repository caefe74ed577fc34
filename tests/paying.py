"""What tests of the payer's side need: an account with its billing, on both databases, against the offline Stripe.

Import the fixtures by name: `paying`, and what it is made of (`stripe_process`, `stripe_sandbox`).
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx2
import pytest
from msgspec.structs import replace

from ileen import jobs
from ileen.accounts import Account, Accounts
from ileen.base.clock import SECOND, Instant, ManualClock
from ileen.base.ids import RandomIds, wallet_of
from ileen.base.money import parse
from ileen.jobs import Worker
from ileen.ledger import Ledger
from ileen.ledger.model import Fund, Source
from ileen.payments.billing import Billing
from ileen.payments.customers import BillingDetails
from ileen.payments.stripe import Stripe
from ileen.payments.stripe.payer import Address
from ileen.payments.tax import TaxPolicy
from ileen.store.engine import Database
from stripe_sandbox import StripeSandbox

PUBLIC_URL = "https://credits.example.com"
BERLIN = Address(line1="Torstr. 1", city="Berlin", postal_code="10119", country="DE")
PARIS = Address(line1="1 rue de Rivoli", city="Paris", postal_code="75001", country="FR")
HELSINKI = Address(line1="Mannerheimintie 1", city="Helsinki", postal_code="00100", country="FI")
POLICY = TaxPolicy()


@dataclass
class Paying:
    """One account, Ada's, and everything around it. `sandbox` shows what Stripe knows."""

    database: Database
    ledger: Ledger
    accounts: Accounts
    sandbox: StripeSandbox
    stripe: Stripe
    clock: ManualClock
    ids: RandomIds
    account: Account
    billing: Billing
    policy: TaxPolicy = field(default_factory=TaxPolicy)

    def with_policy(self, **changes: Any) -> Billing:
        """Another server with another policy, on the same database and the same Stripe."""
        self.policy = replace(self.policy, **changes)
        self.billing = self._server()
        return self.billing

    def server(self, stripe: Stripe | None = None) -> Billing:
        """Another server with the same policy."""
        return self._server(stripe)

    def _server(self, stripe: Stripe | None = None) -> Billing:
        return make_billing(self, stripe or self.stripe)

    def details(self, address: Address = BERLIN, **more: Any) -> BillingDetails:
        given = {"name": "Ada Lovelace", "email": "ada@example.com", "language": "de", **more}
        return BillingDetails(address=address, **given)

    def at_stripe(self, **query: Any) -> list[Any]:
        """The customers at Stripe."""
        return list(self.sandbox.client.v1.customers.list({"limit": 100, **query}).auto_paging_iter())

    def payers(self) -> list[Any]:
        """The customers at Stripe that are made to be invoiced."""
        return [each for each in self.at_stripe() if each.metadata["purpose"] == "payer"]

    def stripe_id(self) -> str:
        found = self.billing.customer(self.account.id).stripe_id
        assert found is not None
        return found

    def tax_ids_at_payer(self) -> list[str]:
        """The ids that Stripe would print on the next invoice."""
        return [each.value for each in self.sandbox.client.v1.customers.tax_ids.list(self.stripe_id()).data]

    def add_card(self, number: str = "4242424242424242", *, default: bool = True) -> str:
        """Save a card as the payer does in the portal."""
        path = f"dashboard/customers/{self.stripe_id()}/cards"
        card = str(self.sandbox.control(path, number=number, default=default)["id"])
        self.pass_time(61)
        return card

    def pass_time(self, seconds: int) -> None:
        """Move our clock and Stripe's."""
        self.clock.advance(seconds)
        self.sandbox.advance(seconds)

    def fault(self, kind: str, path: str, *, count: int = 3) -> None:
        """Arm a fault; the SDK's own two repetitions meet it as well."""
        given = {"kind": kind, "path": path, "count": count}
        answer = httpx2.post(f"{self.sandbox.control_url}/faults", json=given, trust_env=False)
        assert answer.status_code == 200, answer.text

    def calm(self) -> None:
        """Disarm all faults."""
        answer = httpx2.request("DELETE", f"{self.sandbox.control_url}/faults", json={}, trust_env=False)
        assert answer.status_code == 200, answer.text

    def work(self) -> int:
        """Run the jobs that are due, and those they bring."""
        worker = Worker(self.database, self.billing.handlers(), clock=self.clock, ids=self.ids)
        total = 0
        while done := worker.run_due():
            total += done
        return total

    def fund(self, amount: str, source: Source = Source.PURCHASE) -> None:
        """Credit the wallet, as a settled purchase does."""
        key = self.ids.mint("pur")
        reason = {"reference": key} if source is Source.PURCHASE else {"reason": "test"}
        lot = self.ids.mint("lot")
        wallet = wallet_of(self.account.id)
        self.ledger.run(Fund(wallet=wallet, key=key, lot=lot, amount=parse(amount), source=source, **reason))

    def tax(self, cents: int = 2500) -> tuple[int, str]:
        """What Stripe would put on an invoice now: the tax in cents and its reason."""
        preview = self.sandbox.client.v1.invoices.create_preview(
            {
                "customer": self.billing.customer_of(self.account.id),
                "currency": "eur",
                "automatic_tax": {"enabled": True},
                "invoice_items": [{"amount": cents, "currency": "eur", "tax_behavior": "exclusive"}],
            }
        )
        taxes = preview.total_taxes or []
        return sum(each.amount for each in taxes), taxes[0].taxability_reason if taxes else "none"


def make_billing(paying: Paying, stripe: Stripe) -> Billing:
    return Billing(
        paying.database,
        paying.ledger,
        paying.accounts,
        stripe=stripe,
        policy=paying.policy,
        clock=paying.clock,
        ids=paying.ids,
        public_url=PUBLIC_URL,
    )


@pytest.fixture
def paying(
    database: Database, ledger: Ledger, clock: ManualClock, ids: RandomIds, stripe_sandbox: StripeSandbox
) -> Iterator[Paying]:
    accounts = Accounts(database, ledger, clock=clock, ids=ids)
    account = accounts.create("Ada", email="ada@example.com")
    stripe = Stripe(stripe_sandbox.secret_key, base_url=stripe_sandbox.url)
    # One time for both: cards expire and idempotency keys are forgotten by Stripe's clock.
    clock.advance(
        (httpx2.get(stripe_sandbox.control_url, trust_env=False).json()["now"] * SECOND - clock.now()) // SECOND
    )
    made = Paying(database, ledger, accounts, stripe_sandbox, stripe, clock, ids, account, billing=None)  # type: ignore[arg-type]
    made.billing = make_billing(made, stripe)
    yield made
    accounts.close()


def due_jobs(paying: Paying, now: Instant) -> list[str]:
    """The kinds of the jobs that would run by `now`."""
    with paying.database.write() as connection:
        return [job.kind for job in jobs.queue.claim(connection, ids=paying.ids, now=now, limit=100)]
