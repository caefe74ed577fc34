"""Whatever the OpenAPI document allows or forbids, the server answers in its documented way and never with a 5xx."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.schemas import BaseSchema
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance

from ileen.accounts import Accounts
from ileen.accounts.model import KEY_SCOPES
from ileen.accounts.people import People
from ileen.base.clock import SystemClock
from ileen.base.ids import RandomIds, wallet_of
from ileen.base.money import parse
from ileen.ledger import Ledger
from ileen.ledger.audit import audit
from ileen.ledger.model import Fund, Source
from ileen.payments import Payments, Policy
from ileen.payments.billing import Billing
from ileen.payments.stripe import Stripe
from ileen.payments.tax import TaxPolicy
from ileen.pricing import Prices
from ileen.settings import Settings
from ileen.store.engine import Database
from ileen.web import build
from stripe_sandbox import running


@dataclass(frozen=True)
class Fuzzed:
    app: object
    secret: str


async def no_gateway(_scope, _receive, _send) -> None:
    raise AssertionError("the document names no gateway paths")


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fuzzed]:
    """One world for all examples: a wallet that stays full enough, and books that must balance at the end."""
    directory: Path = tmp_path_factory.mktemp("fuzzed")
    database = Database.open(f"sqlite:///{directory}/ileen.sqlite3")
    database.migrate()
    clock = SystemClock()
    ids = RandomIds(clock)
    ledger = Ledger(database, clock=clock)
    ledger.start()
    accounts = Accounts(database, ledger, clock=clock, ids=ids)
    account = accounts.create("Ada", debt_max=parse("1.00"))
    _, secret = accounts.create_key(account.id, name="fuzz", scopes=KEY_SCOPES)
    lot = ids.mint("lot")
    ledger.run(Fund(wallet=wallet_of(account.id), key=lot, lot=lot, amount=parse("4000000"), source=Source.BONUS))
    with running(directory / "stripe.sqlite3") as sandbox:
        given = Settings(stripe_secret_key=sandbox.secret_key, stripe_base_url=sandbox.url, public_url="http://ileen")
        yield Fuzzed(_app(given, database, ledger, accounts, clock, ids), secret)
    accounts.close()
    ledger.sweep()
    ledger.stop()
    assert audit(database).breaches == []
    database.close()


def _app(
    given: Settings, database: Database, ledger: Ledger, accounts: Accounts, clock: SystemClock, ids: RandomIds
) -> object:
    assert given.stripe_secret_key is not None
    rooms = {"stripe": Stripe(given.stripe_secret_key, base_url=given.stripe_base_url), "clock": clock, "ids": ids}
    billing = Billing(database, ledger, accounts, policy=TaxPolicy(), public_url=given.public_url, **rooms)
    payments = Payments(
        database,
        ledger,
        accounts,
        payers=billing,
        policy=Policy(),
        notify=lambda *_, **__: None,
        alarm=lambda *_, **__: None,
        **rooms,
    )
    return build(
        ledger=ledger,
        accounts=accounts,
        people=People(database, accounts, clock=clock, ids=ids),
        prices=Prices.load(fx_rate="0.90"),
        gateway=no_gateway,
        settings=given,
        clock=clock,
        ids=ids,
        database=database,
        payments=payments,
        billing=billing,
    )


OPERATIONS = [
    "open_account",
    "open_ui_session",
    "end_ui_session",
    "create_hold",
    "capture_hold",
    "void_hold",
    "create_charge",
    "read_wallet",
    "read_hold",
    "read_calls",
    "read_call",
    "explain_call",
    "read_entries",
    "read_usage",
    "read_rates",
    "read_audit_events",
    "read_health",
    "read_gate",
    "read_billing",
    "write_billing",
    "create_tax_id",
    "delete_tax_id",
    "read_cards",
    "delete_card",
    "create_portal_session",
    "create_quote",
    "create_purchase",
    "read_purchases",
    "read_purchase",
    "cancel_purchase",
    "read_invoices",
    "read_invoice_pdf",
    "read_auto_refill",
    "write_auto_refill",
    "resume_auto_refill",
    "read_refills",
    "read_refundable",
    "create_refund_quote",
    "create_refund",
    "read_refunds",
    "read_refund",
    "read_credit_note",
    "read_alerts",
    "write_alerts",
    "create_webhook",
    "read_webhooks",
    "delete_webhook",
    "read_deliveries",
]
TAKES_NOTHING = {
    "read_health",
    "read_gate",
    "read_billing",
    "read_cards",
    "read_auto_refill",
    "resume_auto_refill",
    "read_refundable",
    "read_alerts",
    "read_webhooks",
}
"""Operations that take nothing that could be wrong."""


@pytest.fixture(scope="module")
def document(fuzzed: Fuzzed) -> BaseSchema:
    return schemathesis.openapi.from_asgi("/openapi.json", fuzzed.app)


def test_every_operation_of_the_document_is_fuzzed(document: BaseSchema) -> None:
    found = [result.ok().definition.raw["operationId"] for result in document.get_all_operations()]

    assert sorted(found) == sorted(OPERATIONS)


CASES = [
    (operation_id, mode)
    for operation_id in OPERATIONS
    for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
    if mode is GenerationMode.POSITIVE or operation_id not in TAKES_NOTHING
]


@pytest.mark.parametrize(("operation_id", "mode"), CASES)
def test_every_answer_is_as_documented(
    document: BaseSchema, fuzzed: Fuzzed, operation_id: str, mode: GenerationMode
) -> None:
    operation = document.find_operation_by_id(operation_id)

    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(
        max_examples=25,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def ask(case: schemathesis.Case) -> None:
        answer = case.call(headers={"Authorization": f"Bearer {fuzzed.secret}"})
        case.validate_response(
            answer, checks=[not_a_server_error, response_schema_conformance, content_type_conformance]
        )

    ask()
