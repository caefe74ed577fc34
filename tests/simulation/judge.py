"""The judge: what must hold at every step of a world, and what when it has come to rest.

Looks at our tables and at the offline Stripe's own books; believes neither our answers nor our events.
"""

from collections import Counter
from typing import Any

from sqlalchemy import func, select

from ileen.base.clock import SECOND, Instant
from ileen.base.ids import wallet_of
from ileen.ledger.audit import audit
from ileen.ledger.model import Source
from ileen.store import schema
from simulation.model import NANO_PER_CENT
from simulation.world import START_S, World

PURCHASE = "ileen_purchase"


def at_every_step(world: World) -> None:
    """Credits never run ahead of money: no wallet holds more than the nets of its invoices paid at Stripe."""
    with world.database.read() as connection:
        purchased = int(connection.execute(select(func.sum(schema.wallet.c.purchased))).scalar_one() or 0)
    if purchased == world.purchased:  # no credits have come since it was looked at last
        return
    world.purchased = purchased
    paid = _paid_purchases(world)
    for buyer in world.buyers:
        wallet = world.houses[0].ledger.wallet(wallet_of(buyer.account))
        nets = [net for account, net in paid.values() if account == buyer.account]
        funded = wallet.settled + world.model.captured[buyer.account] - wallet.absorbed
        assert funded <= sum(nets) * NANO_PER_CENT, f"{buyer.name} has credits that nobody paid for"
        assert wallet.purchased <= sum(nets) * NANO_PER_CENT


def at_rest(world: World) -> None:
    """All that must hold whatever was slow, lost, repeated or killed."""
    purchases = _rows(world, schema.purchase)
    invoices = [each for each in _invoices(world) if PURCHASE in each["metadata"]]
    _money(world, purchases, invoices)
    _nothing_forgotten(world, purchases, invoices)
    _credits(world, purchases, invoices)
    _told_once(world, purchases)
    _inbox(world)
    breaches = audit(world.database, clock=world.clock).breaches
    assert breaches == [], breaches
    _reconciled(world)


def _money(world: World, purchases: list[Any], invoices: list[dict[str, Any]]) -> None:
    charges = world.rig.look(lambda tx: [each for each in tx.select("charge") if each["paid"]])
    intents = {pay["invoice"]: pay["payment"]["payment_intent"] for pay in _payments(world) if pay["status"] == "paid"}
    paid = [each for each in invoices if each["status"] == "paid"]
    ours = {intents[each["id"]] for each in paid}
    taken = [each["amount"] for each in charges if each["payment_intent"] in ours]
    assert sum(taken) == sum(each["amount_paid"] for each in paid), "money taken is not what invoices say"
    assert len(taken) == len(paid), "an invoice was charged more than once"
    settled = [each for each in purchases if each.state == "settled"]
    assert sorted(each.invoice_id for each in settled) == sorted(each["id"] for each in paid), (
        "paid invoices are not the settled purchases"
    )
    assert sum(each.total for each in settled) == sum(taken), "a purchase was charged another total than was shown"
    per_purchase = Counter(each["metadata"][PURCHASE] for each in paid)
    assert not [each for each, count in per_purchase.items() if count > 1], "a purchase was charged twice"


def _nothing_forgotten(world: World, purchases: list[Any], invoices: list[dict[str, Any]]) -> None:
    assert {each.state for each in purchases} <= {"settled", "failed", "void"}, "a purchase stays open"
    loose = [each["id"] for each in invoices if each["status"] not in {"paid", "void"}]
    assert loose == [], "an invoice is left that somebody may still pay"
    dead = [(each.kind, each.error) for each in _rows(world, schema.job) if each.state == "dead"]
    assert dead == [], "a job was given up"


def _credits(world: World, purchases: list[Any], invoices: list[dict[str, Any]]) -> None:
    net_of = {each["metadata"][PURCHASE]: world.model.net(each) for each in invoices if each["status"] == "paid"}
    ledger = world.houses[0].ledger
    for buyer in world.buyers:
        mine = {
            each.id: net_of[each.id] for each in purchases if each.account_id == buyer.account and each.id in net_of
        }
        lots = [each for each in ledger.lots(wallet_of(buyer.account)) if each.source is Source.PURCHASE]
        expected = {id_: net * NANO_PER_CENT for id_, net in mine.items()}
        assert sorted((each.reference or "", each.amount) for each in lots) == sorted(expected.items()), (
            "credits are not the net of the paid invoices, one lot each"
        )
        wallet = ledger.wallet(wallet_of(buyer.account))
        balance = world.model.balance(buyer.account, list(mine.values()))
        assert wallet.settled == balance + wallet.absorbed, f"{buyer.name} should have {balance}"
        assert wallet.held == 0


def _told_once(world: World, purchases: list[Any]) -> None:
    owed = Counter(each.key for each in _rows(world, schema.notice) if each.kind == "receipt")
    settled = {f"receipt:{each.id}": 1 for each in purchases if each.state == "settled"}
    assert owed == settled, "one receipt for each settled purchase"
    noted = Counter(each.subject for each in _rows(world, schema.audit_event) if each.action == "purchase.settled")
    assert noted == {each.id: 1 for each in purchases if each.state == "settled"}, "one audit event each"


def _inbox(world: World) -> None:
    waiting = [each.type for each in _rows(world, schema.inbox_event) if each.applied_at is None]
    assert waiting == [], "an event was stored and never applied"


def _reconciled(world: World) -> None:
    reconcile = getattr(world.houses[0].payments, "reconcile", None)
    if reconcile is None:
        return
    found = reconcile(Instant((START_S - 3600) * SECOND), Instant(world.clock.now() + 3600 * SECOND))
    assert list(found) == [], f"reconcile: {found}"


def _paid_purchases(world: World) -> dict[str, tuple[str, int]]:
    """Purchases whose invoice is paid at Stripe: account and net, by purchase."""
    paid = {
        each["metadata"][PURCHASE]: each["subtotal"]
        for each in world.rig.look(lambda tx: tx.select("invoice", status="paid"))
        if PURCHASE in each["metadata"]
    }
    accounts = {each.id: each.account_id for each in _rows(world, schema.purchase)}
    return {id_: (accounts[id_], net) for id_, net in paid.items()}


def _invoices(world: World) -> list[dict[str, Any]]:
    return world.rig.look(lambda tx: tx.select("invoice"))


def _payments(world: World) -> list[dict[str, Any]]:
    return world.rig.look(lambda tx: tx.select("invoice_payment"))


def _rows(world: World, table: Any) -> list[Any]:
    with world.database.read() as connection:
        return list(connection.execute(select(table)))
