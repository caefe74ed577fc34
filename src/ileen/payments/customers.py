"""Customers: the payer behind each account, in our database and at Stripe.

Owns: the table `customer`; when a customer is made at Stripe, what it is told, and what is taken over from there.
Refuses to know: cards, VAT ids and purchases. No transaction is open while Stripe is asked.
C1  an account has at most one living customer at Stripe: it is made with a key from the account's id and the number of
    the try, carrying nothing that may change. A minute after an answer was lost the customer is looked for; only if it
    is not there is it made under a new key, since Stripe may keep a failed answer under the old one for a day.
C2  what Stripe has of the billing details is revision `revision_sent`; if it is behind `revision`, the next use sends
    it. Two senders at once end with the later details at Stripe: whoever finds itself overtaken sends again.
C3  a customer is `ready` only if Stripe can place its address for tax, and our policy sells there.
"""

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Final, TypeVar

from msgspec import Struct
from sqlalchemy import Connection, Row, RowMapping, select, update

from ileen.accounts import Accounts
from ileen.accounts.audit import SYSTEM
from ileen.accounts.means import Means
from ileen.base import crash
from ileen.base.clock import SECOND, Clock, Instant
from ileen.base.errors import BillingIncomplete, LocationInvalid, RequestInvalid
from ileen.base.ids import AccountId, Ids
from ileen.payments import tax
from ileen.payments.stripe import Stripe, payer
from ileen.payments.stripe.payer import Address, CustomerFacts, NotAtStripe
from ileen.payments.territories import COUNTRIES
from ileen.store.bulk import insert_new
from ileen.store.engine import Database
from ileen.store.schema import customer as table

T = TypeVar("T")

PURPOSE: Final = "payer"
"""What the customers of this module are marked with at Stripe, apart from those made to check a VAT id."""

_LOST_US: Final = 60 * SECOND
"""After this long without an answer a request to make a customer has ended: it outlives the longest try."""
_SENDS_MAX: Final = 5
"""How often details are sent again because others overtook them; each time somebody else got through."""
_LENGTHS: Final = {"name": 150, "line1": 200, "line2": 200, "city": 100, "postal_code": 20, "region": 100}


class CustomerState(StrEnum):
    """Where a customer stands: nothing at Stripe yet, usable, not placeable for tax, or deleted at Stripe."""

    NEW = "new"
    READY = "ready"
    UNPLACED = "unplaced"
    DELETED = "deleted"


class BillingDetails(Struct, frozen=True, kw_only=True):
    """What goes on invoices. `language` is one of our five; `business` says that a company buys."""

    name: str
    address: Address
    email: str | None = None
    language: str | None = None
    business: bool = False


class Customer(Struct, frozen=True, kw_only=True):
    """The payer behind an account. `location` is Stripe's word for its tax location, "unknown" before it was asked."""

    account: AccountId
    stripe_id: str | None
    state: CustomerState
    name: str | None
    email: str | None
    address: Address
    language: str | None
    business: bool
    location: str
    default_card: str | None

    @property
    def country(self) -> str | None:
        """The country of the billing address."""
        return self.address.country


class Customers:
    """All customers. Thread-safe; calls block on short transactions and on Stripe."""

    def __init__(
        self, database: Database, accounts: Accounts, *, stripe: Stripe, policy: tax.TaxPolicy, clock: Clock, ids: Ids
    ) -> None:
        self._database = database
        self._accounts = accounts
        self._stripe = stripe
        self._policy = policy
        self._clock = clock
        self._means = Means(database=database, clock=clock, ids=ids)

    def get(self, account: AccountId) -> Customer:
        """Return the account's customer as we know it; asks nobody. Raises: NotFound (no such account)."""
        with self._database.read() as connection:
            row = connection.execute(_row_of(account)).first()
        if row is None:
            self._begin(account)
            with self._database.read() as connection:
                row = connection.execute(_row_of(account)).one()
        return _customer(row)

    def set_details(self, account: AccountId, details: BillingDetails, *, by: str = SYSTEM) -> Customer:
        """Keep new billing details and tell Stripe; return the customer. `by` is the actor of the audit event.

        The same details again are sent again, and are no event. Locks: the customer's row.
        Raises: RequestInvalid, CountryNotSold, TerritoryNotSold (nothing was kept); LocationInvalid (they are kept, and
        nothing can be bought until they are corrected); StripeUnavailable (kept, and sent at the next use).
        """
        details = check_details(details)
        country = details.address.country
        assert country is not None, "checked above"
        tax.admit(self._policy, country, details.address.postal_code)
        self.get(account)
        columns = _columns(details)
        with self._database.write() as connection:
            before = connection.execute(_row_of(account).with_for_update()).mappings().one()
            connection.execute(
                update(table)
                .where(table.c.account_id == account)
                .values(**columns, revision=table.c.revision + 1, updated_at=self._clock.now())
            )
            self._note_change(connection, before, columns, by=by)
        return self._settled(account)

    def known(self, account: AccountId) -> Customer:
        """Return the customer, made at Stripe if it is not there yet; its address may still be missing.

        Raises: StripeUnavailable.
        """
        customer = self.get(account)
        if customer.stripe_id is None:
            self._make(account)
            customer = self.get(account)
        return customer

    def ready(self, account: AccountId) -> Customer:
        """Return a customer that can be invoiced: at Stripe, with the latest details, placed for tax, sold to.

        Raises: BillingIncomplete, CountryNotSold, TerritoryNotSold, LocationInvalid, StripeUnavailable.
        """
        customer = self.get(account)
        if customer.name is None or customer.country is None:
            raise BillingIncomplete(missing="name" if customer.country else "country")
        tax.admit(self._policy, customer.country, customer.address.postal_code)
        customer = self._settled(account)
        if customer.state is not CustomerState.READY:
            raise LocationInvalid
        assert customer.stripe_id is not None, "a ready customer is at Stripe (C1)"
        return customer

    def with_customer(self, account: AccountId, call: Callable[[str], T]) -> T:
        """Run a call that needs the customer at Stripe; if it was deleted there, make a new one and run it again."""
        customer = self.known(account)
        assert customer.stripe_id is not None, "made above"
        try:
            return call(customer.stripe_id)
        except NotAtStripe:
            self.forget(customer.stripe_id)
        customer = self._settled(account)
        assert customer.stripe_id is not None, "made again"
        return call(customer.stripe_id)

    def account_of(self, stripe_id: str) -> AccountId | None:
        """Return the account whose living customer has this id at Stripe, None if it is nobody's."""
        with self._database.read() as connection:
            found = connection.execute(select(table.c.account_id).where(table.c.stripe_id == stripe_id)).scalar()
        return None if found is None else AccountId(found)

    def take_over(self, account: AccountId) -> Customer:
        """Read the customer at Stripe and keep what was changed there, by the payer in the portal or by the operator.

        Details of ours that Stripe does not have yet are not overwritten (C2). Raises: StripeUnavailable.
        """
        before = self.get(account)
        if before.stripe_id is None:
            return before
        try:
            facts = payer.read_customer(self._stripe, before.stripe_id)
        except NotAtStripe:
            facts = CustomerFacts(id=before.stripe_id, deleted=True)
        if facts.deleted:
            self.forget(before.stripe_id)
        else:
            self._keep(account, facts)
        return self.get(account)

    def forget(self, stripe_id: str) -> None:
        """Note that a customer was deleted at Stripe, with its cards; the next use makes a new one."""
        with self._database.write() as connection:
            connection.execute(
                update(table)
                .where(table.c.stripe_id == stripe_id)
                .values(
                    stripe_id=None,
                    asked_at=None,
                    generation=table.c.generation + 1,
                    deleted_at=self._clock.now(),
                    revision_sent=0,
                    location="unknown",
                    default_card=None,
                )
            )

    # The steps -----------------------------------------------------------------------------------------------

    def _begin(self, account: AccountId) -> None:
        """Add the row, with what sign-up told us. Several at once add one. Raises: NotFound."""
        owner = self._accounts.get(account)
        now = self._clock.now()
        row = {
            "account_id": account,
            "generation": 1,
            "name": owner.name,
            "email": owner.email,
            "business": False,
            "revision": 0,
            "revision_sent": 0,
            "location": "unknown",
            "cards_read_at": 0,
            "created_at": now,
            "updated_at": now,
        }
        with self._database.write() as connection:
            insert_new(connection, table, row)

    def _make(self, account: AccountId) -> None:
        """Make the customer at Stripe, or find the one whose answer was lost (C1)."""
        now = self._clock.now()
        with self._database.write() as connection:
            unasked = (table.c.account_id == account) & table.c.asked_at.is_(None)
            connection.execute(update(table).where(unasked).values(asked_at=now))
            row = connection.execute(_row_of(account)).one()
        if row.stripe_id is not None:
            return
        crash.point("customers.asked")
        made = None
        if now - row.asked_at > _LOST_US:
            since = row.asked_at // SECOND - 60
            made = payer.find_customer(self._stripe, account_id=account, purpose=PURPOSE, since=since)
            row = row if made else self._ask_afresh(row, now)
        if made is None:
            key = f"customer:{account}:{row.generation}"
            made = payer.create_customer(self._stripe, account_id=account, purpose=PURPOSE, key=key)
        crash.point("customers.made")
        with self._database.write() as connection:
            unmade = (table.c.account_id == account) & table.c.stripe_id.is_(None)
            same = unmade & (table.c.generation == row.generation)
            connection.execute(update(table).where(same).values(stripe_id=made, deleted_at=None))

    def _ask_afresh(self, row: Row[tuple[object, ...]], now: Instant) -> Row[tuple[object, ...]]:
        """Count one try more; of several at once the first counts, and the others use its number."""
        mine = table.c.account_id == row.account_id
        same = mine & (table.c.generation == row.generation) & table.c.stripe_id.is_(None)
        with self._database.write() as connection:
            connection.execute(update(table).where(same).values(generation=row.generation + 1, asked_at=now))
            return connection.execute(select(table).where(mine)).one()

    def _settled(self, account: AccountId) -> Customer:
        """Bring Stripe up to our latest details (C2); a deleted customer is made again, once."""
        self.known(account)
        for _ in range(_SENDS_MAX):
            with self._database.read() as connection:
                row = connection.execute(_row_of(account)).one()
            if row.country is None or (row.revision_sent == row.revision and row.stripe_id is not None):
                break
            if row.stripe_id is None:
                self._make(account)
                continue
            self._send(row)
        return self.get(account)

    def _send(self, row: Row[tuple[object, ...]]) -> None:
        """Send one revision of the details and note the outcome."""
        try:
            facts = payer.send_details(
                self._stripe,
                row.stripe_id,
                name=row.name,
                email=row.email,
                address=_address(row),
                language=row.language,
                key=f"customer:{row.stripe_id}:details:{row.revision}",
            )
        except NotAtStripe:
            self.forget(row.stripe_id)
            return
        except LocationInvalid:
            # Stripe kept the details before these; ours stay unsent, so that theirs do not come back over them.
            self._refused(row)
            raise
        crash.point("customers.details_sent")
        self._sent(row, {"location": facts.location, "default_card": facts.default_card})

    def _sent(self, row: Row[tuple[object, ...]], values: dict[str, object]) -> None:
        """Note that a revision is at Stripe; if it was overtaken meanwhile, have the latest sent once more."""
        mine = table.c.account_id == row.account_id
        with self._database.write() as connection:
            unchanged = mine & (table.c.revision == row.revision)
            noted = connection.execute(update(table).where(unchanged).values(**values, revision_sent=row.revision))
            if not noted.rowcount:
                # Our slow request may have landed after a quicker, later one. A new revision has a new key at Stripe.
                connection.execute(update(table).where(mine).values(revision=table.c.revision + 1))

    def _note_change(
        self, connection: Connection, before: RowMapping, columns: Mapping[str, object], *, by: str
    ) -> None:
        """Note in a change's transaction which details it changed: their names alone, as events stay for good."""
        changed = [name for name, value in columns.items() if before[name] != value]
        if changed:
            account = AccountId(str(before["account_id"]))
            detail = {"changed": " ".join(changed), "country": str(columns["country"] or "")}
            self._means.note(connection, "billing.changed", account, by=by, account=account, detail=detail)

    def _refused(self, row: Row[tuple[object, ...]]) -> None:
        same = (table.c.account_id == row.account_id) & (table.c.revision == row.revision)
        with self._database.write() as connection:
            connection.execute(update(table).where(same).values(location="unrecognized_location"))

    def _keep(self, account: AccountId, facts: CustomerFacts) -> None:
        """Take over what Stripe has, unless our own details are still on their way there."""
        now = self._clock.now()
        mine = (table.c.account_id == account) & (table.c.stripe_id == facts.id)
        details: dict[str, object] = {"location": facts.location, "updated_at": now}
        told: dict[str, object] = {}
        if facts.address.country is not None:
            told = {"name": facts.name, "email": facts.email, **_address_columns(facts.address)}
        in_step = mine & (table.c.revision == table.c.revision_sent)
        with self._database.write() as connection:
            before = connection.execute(_row_of(account).with_for_update()).mappings().one()
            connection.execute(update(table).where(mine).values(default_card=facts.default_card))
            if connection.execute(update(table).where(in_step).values(**details, **told)).rowcount and told:
                self._note_change(connection, before, told, by=SYSTEM)


def check_details(details: BillingDetails) -> BillingDetails:
    """Return tidy billing details. Raises: RequestInvalid, naming the field."""
    address = details.address
    country = (address.country or "").strip().upper()
    if country not in COUNTRIES:
        raise _invalid("country", "choose a country; write its two letters, such as DE")
    if details.language not in (None, "en", "de", "fr", "es", "it"):
        raise _invalid("language", "choose one of en, de, fr, es, it")
    name = _tidy("name", details.name)
    if name is None:
        raise _invalid("name", "write the name that goes on the invoice")
    email = _tidy("email", details.email, length_max=254)
    if email is not None and ("@" not in email or " " in email):
        raise _invalid("email", "write an address such as ada@example.com")
    parts = {field: _tidy(field, getattr(address, field)) for field in _LENGTHS if field != "name"}
    return BillingDetails(
        name=name,
        email=email,
        address=Address(country=country, **parts),
        language=details.language,
        business=details.business,
    )


def _tidy(field: str, text: str | None, *, length_max: int | None = None) -> str | None:
    text = " ".join((text or "").split())
    limit = length_max or _LENGTHS[field]
    if len(text) > limit:
        raise _invalid(field, f"it may have at most {limit} characters")
    if not text.isprintable():
        raise _invalid(field, "it must not contain control characters")
    return text or None


def _invalid(field: str, reason: str) -> RequestInvalid:
    return RequestInvalid(f"The field '{field}' is not valid: {reason}.", fields=[{"field": field, "reason": reason}])


def _row_of(account: AccountId):  # SQLAlchemy's own generic type
    return select(table).where(table.c.account_id == account)


def _columns(details: BillingDetails) -> dict[str, object]:
    return {
        "name": details.name,
        "email": details.email,
        "language": details.language,
        "business": details.business,
        **_address_columns(details.address),
    }


def _address_columns(address: Address) -> dict[str, object]:
    return {
        "line1": address.line1,
        "line2": address.line2,
        "city": address.city,
        "postal_code": address.postal_code,
        "region": address.region,
        "country": address.country,
    }


def _address(row: Row[tuple[object, ...]]) -> Address:
    return Address(
        line1=row.line1,
        line2=row.line2,
        city=row.city,
        postal_code=row.postal_code,
        region=row.region,
        country=row.country,
    )


def _customer(row: Row[tuple[object, ...]]) -> Customer:
    return Customer(
        account=AccountId(row.account_id),
        stripe_id=row.stripe_id,
        state=_state(row),
        name=row.name,
        email=row.email,
        address=_address(row),
        language=row.language,
        business=row.business,
        location=row.location,
        default_card=row.default_card,
    )


def _state(row: Row[tuple[object, ...]]) -> CustomerState:
    if row.stripe_id is None:
        return CustomerState.DELETED if row.deleted_at is not None else CustomerState.NEW
    if row.location in ("supported", "not_collecting"):
        return CustomerState.READY if row.revision_sent == row.revision else CustomerState.NEW
    return CustomerState.NEW if row.location == "unknown" else CustomerState.UNPLACED
