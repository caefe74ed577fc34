"""Cards: the saved cards of each account, as Stripe has them.

Owns: the table `card` and the customer's `default_card`. Refuses to know: card numbers, purchases, HTTP.
Cards are added, and the default is changed, in Stripe's portal alone; we hear of it by webhook, and look again whenever
someone comes back from there, because coming back proves nothing.
K1  the table is a copy. A reading that began earlier than the one last kept is not kept: it is older news.
K2  the default card cannot be removed here. Who removes a card is noted first, then it is detached, then forgotten.
K3  after a card is detached, a default that names it is cleared at Stripe too: whether Stripe clears it by itself is
    reported both ways.
K4  if Stripe names no default, the card that is charged then is the default here: whether a first card becomes the
    default by itself is not documented, and what is shown, kept and charged must not depend on it.
"""

from typing import Final

from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy import Connection, Row, or_, select, update

from ileen import jobs
from ileen.accounts.audit import SYSTEM, actor_of
from ileen.accounts.means import Means
from ileen.base import crash
from ileen.base.clock import SECOND, Clock, Instant, to_datetime
from ileen.base.errors import CardIsDefault, NotFound, StripeUnavailable
from ileen.base.ids import AccountId, Ids
from ileen.payments.customers import Customers
from ileen.payments.stripe import Stripe, payer
from ileen.payments.stripe.payer import CardFacts, NotAtStripe
from ileen.store.bulk import insert_new
from ileen.store.engine import Database
from ileen.store.schema import card as table
from ileen.store.schema import customer as customers_table

CHANGED: Final = "cards.changed"
"""The kind of job that tells, with the `account`, of a card that came or became the default."""
_FRESH_US: Final = 60 * SECOND
"""How old a copy may be before it is read again: webhooks usually bring changes within seconds."""
_RENEWAL_SHOWN_US: Final = 30 * 24 * 3600 * SECOND
"""How long a card that its network replaced is shown as such."""
_WISH: Final = "card.removal_asked"
"""The audit event of someone who wants a card removed; `card.removed` follows once it is gone."""


class Card(Struct, frozen=True, kw_only=True):
    """A saved card. `is_default`: charged if none is named (K4). `is_renewed`: its bank replaced it lately."""

    id: str
    brand: str
    last4: str
    exp_month: int
    exp_year: int
    country: str | None
    is_default: bool
    is_expired: bool
    is_renewed: bool

    @property
    def is_removable(self) -> bool:
        """Whether it can be removed here: every card but the default."""
        return not self.is_default


class Cards:
    """All cards. Thread-safe; calls block on short transactions and on Stripe."""

    def __init__(self, database: Database, customers: Customers, *, stripe: Stripe, clock: Clock, ids: Ids) -> None:
        self._database = database
        self._customers = customers
        self._stripe = stripe
        self._clock, self._ids = clock, ids
        self._means = Means(database=database, clock=clock, ids=ids)

    def saved(self, account: AccountId) -> list[Card]:
        """Return the saved cards, the default first, then the newest. Reads Stripe if our copy is older than a minute.

        If Stripe cannot be reached, the copy is returned as it is.
        """
        with self._database.read() as connection:
            read_at = connection.execute(_read_at(account)).scalar() or 0
        if self._clock.now() - read_at >= _FRESH_US:
            try:
                return self.refresh(account)
            except StripeUnavailable:
                pass
        return self.known(account)

    def known(self, account: AccountId) -> list[Card]:
        """Return our copy; asks nobody."""
        with self._database.read() as connection:
            rows = connection.execute(_rows_of(account)).all()
            default = connection.execute(_default_of(account)).scalar()
        now = self._clock.now()
        cards = [_card(row, default=default, now=now) for row in rows]
        if default is None and cards:
            charged = _charged(cards)
            cards = [replace(card, is_default=card is charged) for card in cards]
        return sorted(cards, key=lambda card: not card.is_default)

    def refresh(self, account: AccountId) -> list[Card]:
        """Read the cards at Stripe and return them. Raises: StripeUnavailable."""
        began = self._clock.now()
        customer = self._customers.take_over(account)
        if customer.stripe_id is None:
            self._keep(account, [], default=None, began=began)
            return []
        try:
            found = payer.list_cards(self._stripe, customer.stripe_id)
        except NotAtStripe:
            self._customers.forget(customer.stripe_id)
            found = []
        default = customer.default_card
        if default is not None and all(each.id != default for each in found):
            # Detached without being cleared as the default (K3): an invoice would be charged to nothing.
            payer.clear_default_card(self._stripe, customer.stripe_id)
            default = None
        self._keep(account, found, default=default, began=began)
        return self.known(account)

    def chosen(self, account: AccountId, wanted: str | None = None) -> Card | None:
        """Return the card to charge: the one wanted, else the default, else the newest that has not expired.

        None if there is none at all. Raises: NotFound for a wanted card that is not the account's.
        """
        cards = self.saved(account)
        if wanted is not None:
            for card in cards:
                if card.id == wanted:
                    return card
            raise NotFound(what="card", id=wanted[:64])
        return _charged(cards) if cards else None

    def account_of(self, card_id: str) -> AccountId | None:
        """Return the account a card is or was saved for: a card that was detached no longer names its customer."""
        with self._database.read() as connection:
            found = connection.execute(select(table.c.account_id).where(table.c.id == card_id)).scalar()
        return None if found is None else AccountId(found)

    def remove(self, account: AccountId, card_id: str, *, by: str = SYSTEM) -> None:
        """Remove a card that is not the default, for good; removing it again changes nothing. `by` is who does it.

        Raises: NotFound (also for another account's card), CardIsDefault, StripeUnavailable.
        """
        with self._database.read() as connection:
            mine = (table.c.id == card_id) & (table.c.account_id == account)
            row = connection.execute(select(table).where(mine)).first()
        if row is None:
            raise NotFound(what="card", id=card_id[:64])
        if row.removed_at is not None:
            return
        if any(card.id == card_id and card.is_default for card in self.refresh(account)):
            raise CardIsDefault
        self._note_wish(account, card_id, by=by)
        payer.detach_card(self._stripe, card_id, key=f"card:{card_id}:detach")
        crash.point("card.detached")
        self.refresh(account)

    def _keep(self, account: AccountId, found: list[CardFacts], *, default: str | None, began: Instant) -> None:
        """Make our copy what was read, unless a later reading is there already (K1). Locks: the customer's row."""
        with self._database.write() as connection:
            newer = (customers_table.c.account_id == account) & (customers_table.c.cards_read_at <= began)
            values = {"cards_read_at": began, "default_card": default}
            before = connection.execute(_default_of(account)).scalar()
            if not connection.execute(update(customers_table).where(newer).values(**values)).rowcount:
                return
            came = [self._keep_one(connection, account, each) for each in found]
            self._drop_others(connection, account, [each.id for each in found])
            if any(came) or default not in {before, None}:
                payload, now = {"account": str(account)}, self._clock.now()
                jobs.enqueue(connection, ids=self._ids, kind=CHANGED, payload=payload, now=now, key=account)

    def _drop_others(self, connection: Connection, account: AccountId, present: list[str]) -> None:
        """Note cards as removed: by whoever asked for it here, else at Stripe."""
        gone = (table.c.account_id == account) & table.c.removed_at.is_(None) & table.c.id.not_in(present)
        for card_id, last4 in connection.execute(select(table.c.id, table.c.last4).where(gone)).all():
            connection.execute(update(table).where(table.c.id == card_id).values(removed_at=self._clock.now()))
            by = actor_of(connection, account_id=account, action=_WISH, subject=card_id) or SYSTEM
            self._means.note(connection, "card.removed", card_id, by=by, account=account, detail={"last4": last4})

    def _note_wish(self, account: AccountId, card_id: str, *, by: str) -> None:
        """Note who wants a card removed before Stripe is told, whose webhook may be faster than our own next step."""
        with self._database.write() as connection:
            if actor_of(connection, account_id=account, action=_WISH, subject=card_id) != by:
                self._means.note(connection, _WISH, card_id, by=by, account=account)

    def _keep_one(self, connection: Connection, account: AccountId, facts: CardFacts) -> bool:
        """Keep one card as it was read; tell whether it is new."""
        values = {
            "brand": facts.brand,
            "last4": facts.last4,
            "exp_month": facts.exp_month,
            "exp_year": facts.exp_year,
            "country": facts.country,
            "fingerprint": facts.fingerprint,
        }
        row = {"id": facts.id, "account_id": account, "created_at": facts.created * SECOND, **values}
        if insert_new(connection, table, row):
            detail = {"last4": facts.last4}
            self._means.note(connection, "card.added", facts.id, by=SYSTEM, account=account, detail=detail)
            return True
        mine = (table.c.id == facts.id) & (table.c.account_id == account)
        other = [table.c.last4 != facts.last4, table.c.exp_month != facts.exp_month, table.c.exp_year != facts.exp_year]
        renewed = mine & or_(*other)
        connection.execute(update(table).where(renewed).values(renewed_at=self._clock.now()))
        connection.execute(update(table).where(mine).values(**values, removed_at=None))
        return False


def _charged(cards: list[Card]) -> Card:
    """Return the first card that has not expired; the first if all have."""
    return next((card for card in cards if not card.is_expired), cards[0])


def _rows_of(account: AccountId):  # SQLAlchemy's own generic type
    mine = (table.c.account_id == account) & table.c.removed_at.is_(None)
    return select(table).where(mine).order_by(table.c.created_at.desc(), table.c.id.desc())


def _default_of(account: AccountId):  # SQLAlchemy's own generic type
    return select(customers_table.c.default_card).where(customers_table.c.account_id == account)


def _read_at(account: AccountId):  # SQLAlchemy's own generic type
    return select(customers_table.c.cards_read_at).where(customers_table.c.account_id == account)


def _card(row: Row[tuple[object, ...]], *, default: str | None, now: Instant) -> Card:
    today = to_datetime(now)
    return Card(
        id=row.id,
        brand=row.brand,
        last4=row.last4,
        exp_month=row.exp_month,
        exp_year=row.exp_year,
        country=row.country,
        is_default=row.id == default,
        # A card is good to the end of the month it names.
        is_expired=(row.exp_year, row.exp_month) < (today.year, today.month),
        is_renewed=row.renewed_at is not None and now - row.renewed_at < _RENEWAL_SHOWN_US,
    )
