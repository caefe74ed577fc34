"""What can happen in a world, and how often. Each act draws all it needs from the world's chance."""

from collections.abc import Callable
from typing import Any

from ileen.base.clock import SECOND
from ileen.base.errors import KeyReused, WebhookInvalid
from ileen.base.ids import AccountId, HoldId, PurchaseId, wallet_of
from ileen.ledger.model import Authorize, Capture, Void
from ileen.payments.customers import BillingDetails
from ileen.payments.model import Evidence, Purchase
from ileen.payments.stripe.payer import Address
from simulation.world import Buyer, Fault, House, World

ADDRESSES = {
    "DE": Address(line1="Torstr. 1", city="Berlin", postal_code="10119", country="DE"),
    "FR": Address(line1="1 rue de Rivoli", city="Paris", postal_code="75001", country="FR"),
    "AT": Address(line1="Ring 1", city="Wien", postal_code="1010", country="AT"),
    "FI": Address(line1="Mannerheimintie 1", city="Helsinki", postal_code="00100", country="FI"),
    "HU": Address(line1="Fő utca 1", city="Budapest", postal_code="1011", country="HU"),
    "US": Address(line1="1 Main St", city="Austin", postal_code="78701", region="TX", country="US"),
    "CH": Address(line1="Bundesplatz 1", city="Bern", postal_code="3003", country="CH"),
}
VAT_IDS = {"DE": "DE136695976", "FR": "FR40303265045", "AT": "ATU13585627"}
GOOD = ["4242424242424242", "5555555555554444", "4000002500000003"]
CARDS = [
    *GOOD, *GOOD,
    "4000000000000341",  # attaches, then is declined
    "4000002760003184", "4000002760003184",  # asks for the payer, always
    "4000008260003178",  # asks, then has no money
    "4000008400001280",  # asking fails
    "4000002500003155", "4000003800000446",
]  # fmt: skip
PATHS = [
    "*", "/v1/invoices*", "/v1/invoices", "/v1/invoices/*/pay", "/v1/invoices/*/finalize", "/v1/invoiceitems",
    "/v1/invoices/*/void", "/v1/payment_intents/*", "/v1/customers*", "/v1/invoices/create_preview",
]  # fmt: skip
FAULTS = [
    "timeout_after", "timeout_after", "timeout_before", "error_before", "error_during", "error_after", "rate_limit",
    "lock_timeout", "key_in_use", "bad_gateway",
]  # fmt: skip
MODES = [
    "normal", "in_order", "reversed", "duplicated", "duplicated_new_id", "delayed", "dropped", "held",
    "before_response", "before_response",
]  # fmt: skip
TELLING = ["invoice.paid", "invoice.payment_succeeded", "invoice_payment.paid"]


def settle_in(world: World) -> None:
    """Open the world's accounts, each with its billing details and, mostly, a card. Nothing goes wrong yet."""
    house = world.houses[0]
    for number in range(world.chance.randint(1, 3)):
        name = "ABC"[number]
        account = house.accounts.create(name, email=f"{name.lower()}@example.com").id
        world.names[account] = name
        buyer = Buyer(name, AccountId(account))
        world.buyers.append(buyer)
        _move(world, buyer, world.chance.choice(list(ADDRESSES)))
        if world.chance.random() < 0.9:
            add_card(world, buyer)
    world.pass_time(61)


def act(world: World) -> None:
    """Let one thing happen."""
    doable = [each for each in ACTS if not (world.hearing and each[0] in OF_PEOPLE_AT_STRIPE)]
    chosen = world.chance.choices([each[0] for each in doable], [each[1] for each in doable])[0]
    buyer = world.chance.choice(world.buyers)
    if chosen in FOR_A_BUYER:
        chosen(world, buyer)
    else:
        chosen(world)


# Buyers ----------------------------------------------------------------------------------------------------------


def buy(world: World, buyer: Buyer) -> None:
    """Look at the price and buy, with a key of one's own."""
    cents = world.chance.choice([500, 1000, 2500, 5000, 10000, 50000, world.chance.randint(500, 50000)])
    quote = world.attempt(
        f"{buyer.name} asks for {cents}", lambda house: house.payments.quote(buyer.account, cents).total
    )
    if quote is None:
        return
    asked = {"cents": cents, "quoted_total": quote, "key": f"{buyer.name}-{len(buyer.asked)}"}
    buyer.asked.append(asked)
    _ask(world, buyer, asked)


def click_again(world: World, buyer: Buyer) -> None:
    """Send a request a second time, as an impatient person or a browser does."""
    if buyer.asked:
        _ask(world, buyer, world.chance.choice(buyer.asked[-3:]))


def reuse_key(world: World, buyer: Buyer) -> None:
    """Send another request under a key that was used: refused, if the first one was ever recorded."""
    if buyer.answers:
        key = world.chance.choice(list(buyer.answers))
        asked = next(each for each in buyer.asked if each["key"] == key)
        other = {**asked, "cents": asked["cents"] + 1}

        def refused(house: House) -> str:
            try:
                house.payments.buy(buyer.account, by=None, evidence=EVIDENCE, **other)
            except KeyReused:
                return "refused"
            raise Fault(f"the key {key} was taken for another amount")

        world.attempt(f"{buyer.name} uses {key} for another amount", refused)


def look(world: World, buyer: Buyer) -> None:
    if buyer.seen:
        id_ = world.chance.choice(buyer.seen)
        _seen(
            buyer,
            world.attempt(f"{buyer.name} looks at {id_}", lambda house: house.payments.purchase(buyer.account, id_)),
        )


def cancel(world: World, buyer: Buyer) -> None:
    if buyer.seen:
        id_ = buyer.seen[-1]
        world.attempt(f"{buyer.name} cancels {id_}", lambda house: house.payments.cancel(buyer.account, id_))


def confirm(world: World, buyer: Buyer) -> None:
    """Answer one's bank, if it waits; not doing so is abandoning."""
    invoice = _newest(world, buyer, "open")
    if invoice:
        outcome = world.chance.choice(["pass", "pass", "fail"])
        world.control(
            f"{buyer.name} answers the bank: {outcome}", f"dashboard/invoices/{invoice}/authenticate", outcome=outcome
        )


def pay_on_page(world: World, buyer: Buyer) -> None:
    """Pay an invoice on Stripe's own page, whatever we do with it."""
    invoice = _newest(world, buyer, "open")
    if invoice:
        number = world.chance.choice([None, *GOOD, "4000000000000341", "4000002760003184"])
        world.control(f"{buyer.name} pays on Stripe's page", f"dashboard/invoices/{invoice}/pay", number=number)


def add_card(world: World, buyer: Buyer) -> None:
    customer = _customer(world, buyer)
    if customer:
        number = world.chance.choice(CARDS)
        default = world.chance.random() < 0.7
        world.control(
            f"{buyer.name} adds {number[-4:]}", f"dashboard/customers/{customer}/cards", number=number, default=default
        )


def remove_card(world: World, buyer: Buyer) -> None:
    cards = _cards(world, buyer)
    if cards:
        card = world.chance.choice(cards)
        world.attempt(f"{buyer.name} removes a card", lambda house: house.billing.remove_card(buyer.account, card))


def move(world: World, buyer: Buyer) -> None:
    _move(world, buyer, world.chance.choice(list(ADDRESSES)))


def add_vat_id(world: World, buyer: Buyer) -> None:
    text = world.chance.choice(list(VAT_IDS.values()))
    world.attempt(f"{buyer.name} gives a VAT id", lambda house: house.billing.add_tax_id(buyer.account, text).state)


# Agents ----------------------------------------------------------------------------------------------------------


def authorize(world: World, buyer: Buyer) -> None:
    """Begin a call: held exactly if there is enough."""
    wallet = world.houses[0].ledger.wallet(wallet_of(buyer.account))
    amount = world.chance.choice([1, 10**6, world.chance.randint(1, 10**10), max(1, wallet.settled // 2)])
    hold = HoldId(world.ids.mint("hold"))
    free = wallet.settled - wallet.held
    command = Authorize(
        wallet=wallet.id, key=hold, hold=hold, amount=amount, lifetime_us=world.chance.choice([60, 3600]) * SECOND
    )
    granted = world.attempt(
        f"{buyer.name}'s agent begins a call of {amount}", lambda house: house.ledger.run(command).ref
    )
    if (granted is not None) != (amount <= free):
        raise Fault(f"a call of {amount} with {free} free: {'held' if granted else 'refused'}")
    if granted is not None:
        buyer.holds[hold] = amount


def capture(world: World, buyer: Buyer) -> None:
    """End a call that was measured."""
    if buyer.holds:
        hold = world.chance.choice(list(buyer.holds))
        amount = world.chance.randint(0, buyer.holds.pop(hold))
        command = Capture(wallet=wallet_of(buyer.account), key=f"{hold}:end", hold=hold, amount=amount)
        if (
            world.attempt(f"{buyer.name}'s call costs {amount}", lambda house: house.ledger.run(command).ref)
            is not None
        ):
            world.model.captured[buyer.account] += amount


def give_up(world: World, buyer: Buyer) -> None:
    if buyer.holds:
        void(world, buyer, world.chance.choice(list(buyer.holds)))


def void(world: World, buyer: Buyer, hold: HoldId) -> None:
    """End a call that failed; its time may be over already."""
    del buyer.holds[hold]
    command = Void(wallet=wallet_of(buyer.account), key=f"{hold}:end", hold=hold, reason="failed")
    world.attempt(f"{buyer.name}'s call fails", lambda house: house.ledger.run(command).ref)


# Stripe's side ---------------------------------------------------------------------------------------------------


def arm(world: World) -> None:
    """Make some of the next calls fail."""
    kind, path = world.chance.choice(FAULTS), world.chance.choice(PATHS)
    count, skip = world.chance.choice([1, 1, 2, 5, 20]), world.chance.choice([0, 0, 1, 2, 4])
    world.control(
        f"fault {kind} on {path} {count}x after {skip}", "faults", kind=kind, path=path, count=count, skip=skip,
        should_retry=world.chance.choice([None, None, True, False]),
    )  # fmt: skip


def repair(world: World) -> None:
    world.control("the API works again", "faults", method="DELETE")


def webhooks(world: World) -> None:
    mode, types = world.chance.choice(MODES), world.chance.choice([[], [], TELLING])
    world.control(
        f"webhooks {mode} {len(types)}", "webhooks", mode=mode, types=types, delay_s=world.chance.choice([5, 90, 700])
    )


def release(world: World) -> None:
    world.control("held webhooks go out", "webhooks/release")


def resend(world: World) -> None:
    """Send an old event again by hand."""
    events = world.rig.look(lambda tx: [each["id"] for each in tx.select("event")])
    if events:
        event = world.chance.choice(events[:30])
        world.control("an event is sent again", f"events/{event}/resend")


def void_in_dashboard(world: World, buyer: Buyer) -> None:
    invoice = _newest(world, buyer, "open")
    if invoice:
        world.control(f"{buyer.name}'s invoice is voided in the dashboard", f"dashboard/invoices/{invoice}/void")


def detach_in_dashboard(world: World, buyer: Buyer) -> None:
    cards = _cards(world, buyer)
    if cards:
        card = world.chance.choice(cards)
        world.control(f"{buyer.name}'s card is detached", f"dashboard/payment_methods/{card}/detach")


def delete_customer(world: World, buyer: Buyer) -> None:
    customer = _customer(world, buyer)
    if customer:
        world.control(f"{buyer.name}'s customer is deleted", f"dashboard/customers/{customer}/delete")


def forge(world: World) -> None:
    """Send a webhook that Stripe did not sign."""

    def refused(house: House) -> str:
        try:
            house.payments.receive(b'{"id":"evt_forged","type":"invoice.paid"}', "t=1,v1=00")
        except WebhookInvalid:
            return "refused"
        raise Fault("a forged webhook was taken")

    world.attempt("somebody forges a webhook", refused)


# Time and servers ------------------------------------------------------------------------------------------------


def wait(world: World) -> None:
    seconds = world.chance.choice([1, 5, 30, 61, 130, 300])
    world.tell(f"{seconds} s pass")
    world.pass_time(seconds)


def wait_long(world: World) -> None:
    seconds = world.chance.choice([901, 3700, 12_000, 90_000])
    world.tell(f"{seconds} s pass")
    world.pass_time(seconds)


def work(world: World) -> None:
    """A server's worker looks for jobs, or the ledger's sweeper for calls whose time is over."""

    def worked(house: House) -> int:
        house.worker.tick()
        house.ledger.sweep()
        return house.worker.run_due()

    world.attempt("a worker works", worked)


EVIDENCE = Evidence(ip_address="192.0.2.1", ip_country="DE")
FOR_A_BUYER: set[Callable[..., None]] = {
    buy, click_again, reuse_key, look, cancel, confirm, pay_on_page, add_card, remove_card, move, add_vat_id, authorize,
    capture, give_up, void_in_dashboard, detach_in_dashboard, delete_customer,
}  # fmt: skip
OF_PEOPLE_AT_STRIPE: set[Callable[..., None]] = {
    confirm, pay_on_page, add_card, arm, repair, webhooks, release, resend, void_in_dashboard, detach_in_dashboard,
    delete_customer,
}  # fmt: skip
"""Not possible while a webhook is being taken: the offline Stripe delivers one after the other."""
ACTS: list[tuple[Callable[..., None], int]] = [
    (buy, 30), (click_again, 10), (reuse_key, 2), (look, 8), (cancel, 5), (confirm, 10), (pay_on_page, 5),
    (add_card, 7), (remove_card, 2), (move, 2), (add_vat_id, 2), (authorize, 8), (capture, 6), (give_up, 2), (arm, 12),
    (repair, 4), (webhooks, 6), (release, 3), (resend, 3), (void_in_dashboard, 3), (detach_in_dashboard, 3),
    (delete_customer, 1), (forge, 1), (wait, 15), (wait_long, 2), (work, 25),
]  # fmt: skip


# Leaves ----------------------------------------------------------------------------------------------------------


def _ask(world: World, buyer: Buyer, asked: dict[str, Any]) -> None:
    what = f"{buyer.name} buys {asked['cents']} by {asked['key']}"
    bought = world.attempt(what, lambda house: house.payments.buy(buyer.account, by=None, evidence=EVIDENCE, **asked))
    if isinstance(bought, Purchase):
        world.name(bought.id, "purchase-")
        first = buyer.answers.setdefault(asked["key"], bought.id)
        if first != bought.id:
            raise Fault(f"the key {asked['key']} was answered with {first}, then with {bought.id}")
        _seen(buyer, bought)


def _seen(buyer: Buyer, bought: Purchase | None) -> None:
    if bought is not None and bought.id not in buyer.seen:
        buyer.seen.append(PurchaseId(bought.id))


def _move(world: World, buyer: Buyer, country: str) -> None:
    details = BillingDetails(
        name=buyer.name, email=f"{buyer.name.lower()}@example.com", language="en", address=ADDRESSES[country],
        business=world.chance.random() < 0.5,
    )  # fmt: skip
    world.attempt(
        f"{buyer.name} lives in {country}", lambda house: house.billing.set_billing(buyer.account, details).state
    )


def _customer(world: World, buyer: Buyer) -> str | None:
    return world.houses[0].billing.customer(buyer.account).stripe_id


def _cards(world: World, buyer: Buyer) -> list[str]:
    customer = _customer(world, buyer)
    if customer is None:
        return []
    return world.rig.look(lambda tx: [each["id"] for each in tx.select("payment_method", customer=customer)])


def _newest(world: World, buyer: Buyer, status: str) -> str | None:
    customer = _customer(world, buyer)
    found = world.rig.look(
        lambda tx: [each["id"] for each in tx.select("invoice", status=status) if each["customer"] == customer]
    )
    return found[0] if found else None
