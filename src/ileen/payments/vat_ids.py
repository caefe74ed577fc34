"""VAT ids: checked at Stripe away from the customer that is invoiced, and put there only when they may be.

Owns: the table `tax_id`. Refuses to know: rates, purchases, HTTP.
Stripe takes VAT off as soon as an id is at the invoiced customer, before anybody has verified it (`tax`, T2), and
verifies an id only once, when it is added. So each id is first added to a customer at Stripe that exists for this check
alone and is never invoiced. Only when the policy is met does it move to the payer; the other customer is deleted.
V1  an id at the payer met the policy when it was put there; one that no longer does is taken off before an invoice.
V2  an account has at most one id that is not removed. A removed one is off the payer before the next invoice.
V3  each step at Stripe has a key from the id and its attempt, so a crash between two steps repeats, never doubles.
"""

from enum import StrEnum
from typing import Final

from msgspec import Struct
from sqlalchemy import Connection, Row, and_, or_, select, update

from ileen import jobs
from ileen.accounts.audit import SYSTEM
from ileen.accounts.means import Means
from ileen.base import crash
from ileen.base.clock import SECOND, Clock, Instant
from ileen.base.errors import BillingIncomplete, NotFound, StripeUnavailable, TaxIdInvalid, TaxIdPresent
from ileen.base.ids import AccountId, Ids
from ileen.payments import tax
from ileen.payments.customers import Customers
from ileen.payments.stripe import Stripe, payer
from ileen.payments.stripe.payer import AlreadyAtStripe, NotAtStripe, TaxIdFacts
from ileen.payments.tax import TaxPolicy, VatId, VatIdKind
from ileen.store.bulk import insert_new
from ileen.store.engine import Database
from ileen.store.schema import tax_id as table

JOB: Final = "payments.tax_id"
"""The kind of the jobs that carry a check on."""
PURPOSE: Final = "tax_id_check"
"""What the customers that exist for a check alone are marked with at Stripe."""

_PAUSES_S: Final = (30, 120, 600, 3600, 6 * 3600, 24 * 3600)
"""When a check that is still under way is looked at again; the last pause repeats. The webhook is usually first."""
_LOOKS_MAX: Final = 40
"""After this many looks (five weeks) nobody is waiting any more; the id can be checked again by hand."""


class TaxIdState(StrEnum):
    """How the check went: still under way, found, not found, or the member state's register did not answer."""

    CHECKING = "checking"
    VERIFIED = "verified"
    NOT_FOUND = "not_found"
    UNAVAILABLE = "unavailable"


_STATES: Final = {
    "pending": TaxIdState.CHECKING,
    "verified": TaxIdState.VERIFIED,
    "unverified": TaxIdState.NOT_FOUND,
    "unavailable": TaxIdState.UNAVAILABLE,
}


class TaxId(Struct, frozen=True, kw_only=True):
    """An account's VAT id. `reverse_charge` tells whether it takes VAT off the next invoice."""

    id: str
    account: AccountId
    kind: str
    value: str
    country: str
    state: TaxIdState
    reverse_charge: bool
    verified_name: str | None
    verified_address: str | None
    checked_at: Instant | None
    created_at: Instant


class VatIds:
    """All VAT ids. Thread-safe; calls block on short transactions and on Stripe."""

    def __init__(
        self, database: Database, customers: Customers, *, stripe: Stripe, policy: TaxPolicy, clock: Clock, ids: Ids
    ) -> None:
        self._database = database
        self._customers = customers
        self._stripe = stripe
        self._policy = policy
        self._clock = clock
        self._ids = ids
        self._means = Means(database=database, clock=clock, ids=ids)

    def get(self, account: AccountId) -> TaxId | None:
        """Return the account's VAT id, None if it has none. Asks nobody."""
        with self._database.read() as connection:
            row = connection.execute(_open_of(account)).first()
        return None if row is None else self._tax_id(row)

    def add(self, account: AccountId, text: str, *, by: str = SYSTEM) -> TaxId:
        """Take a VAT id and have it checked; the same one again returns it as it stands. `by` is who gave it.

        Raises: BillingIncomplete (no country yet), TaxIdInvalid, TaxIdPresent.
        """
        country = self._customers.get(account).country
        if country is None:
            raise BillingIncomplete(missing="country")
        read = tax.read_vat_id(text, country=country, test_mode=not self._stripe.live)
        now = self._clock.now()
        soon = Instant(now + _PAUSES_S[0] * SECOND)
        id_ = self._ids.mint("taxid")
        values = {"id": id_, "account_id": account, "kind": read.kind.value, "value": read.value, "country": country}
        values |= {"state": TaxIdState.CHECKING.value, "attempt": 1, "created_at": now}
        with self._database.write() as connection:
            if not insert_new(connection, table, values):
                present = connection.execute(_open_of(account)).one()
                if present.value != read.value:
                    raise TaxIdPresent(value=present.value)
                return self._tax_id(present)
            self._look_again(connection, id_, look=0, at=soon)
            detail = {"value": read.value}
            self._means.note(connection, "tax_id.given", id_, by=by, account=account, detail=detail)
        crash.point("tax_id.added")
        self._advance_quietly(id_)
        found = self.get(account)
        return found if found is not None else self._tax_id(self._row(id_))

    def check_again(self, account: AccountId) -> TaxId:
        """Have the id checked afresh, after the register did not answer or did not know it yet. Raises: NotFound."""
        now = self._clock.now()
        failed = table.c.state.in_((TaxIdState.NOT_FOUND.value, TaxIdState.UNAVAILABLE.value))
        with self._database.write() as connection:
            row = connection.execute(_open_of(account)).first()
            if row is None:
                raise NotFound(what="VAT id", id="")
            values = {"state": TaxIdState.CHECKING.value, "attempt": row.attempt + 1, "checker_id": None}
            again = connection.execute(
                update(table).where(table.c.id == row.id, failed).values(**values, check_id=None)
            )
            if again.rowcount:
                self._look_again(connection, row.id, look=0, at=Instant(now + _PAUSES_S[0] * SECOND))
        self._advance_quietly(row.id)
        return self._tax_id(self._row(row.id))

    def remove(self, account: AccountId, tax_id: str, *, by: str = SYSTEM) -> None:
        """Remove a VAT id, from Stripe too; removing it again changes nothing. `by` is who did it. Raises: NotFound."""
        now = self._clock.now()
        with self._database.write() as connection:
            mine = (table.c.id == tax_id) & (table.c.account_id == account)
            if connection.execute(select(table.c.id).where(mine)).first() is None:
                raise NotFound(what="VAT id", id=tax_id)
            gone = connection.execute(update(table).where(mine, table.c.removed_at.is_(None)).values(removed_at=now))
            if gone.rowcount:
                self._look_again(connection, tax_id, look=0, at=Instant(now + _PAUSES_S[0] * SECOND))
                self._means.note(connection, "tax_id.removed", tax_id, by=by, account=account)
        crash.point("tax_id.removed")
        self._advance_quietly(tax_id)

    def settle_before_invoice(self, account: AccountId, stripe_id: str) -> None:
        """See to it that the ids at the payer are those that may be there (V1, V2); asks Stripe only for a change.

        Raises: StripeUnavailable.
        """
        country = self._customers.get(account).country
        with self._database.read() as connection:
            live = or_(table.c.removed_at.is_(None), table.c.stripe_id.is_not(None))
            rows = connection.execute(select(table).where(table.c.account_id == account, live)).all()
        for row in rows:
            wanted = row.removed_at is None and self._allowed(row, country=country)
            if wanted and row.holder_id != stripe_id:
                self._place(row)
            elif row.stripe_id is not None and not wanted:
                self._take_off(row)

    def drop_foreign(self, account: AccountId, *, by: str = SYSTEM) -> None:
        """Remove an id of another country than the billing address, after `by` has changed that."""
        present, country = self.get(account), self._customers.get(account).country
        if present is not None and present.country != country:
            self.remove(account, present.id, by=by)

    def take_off_strangers(self, account: AccountId, stripe_id: str) -> list[str]:
        """Take ids off the payer that we did not put there (an operator did, by hand); return their values.

        Called when Stripe takes VAT off an invoice without our having allowed it. Raises: StripeUnavailable.
        """
        with self._database.read() as connection:
            ours = table.c.account_id == account, table.c.removed_at.is_(None)
            known = set(connection.execute(select(table.c.stripe_id).where(*ours)).scalars())
        strangers = [each for each in payer.list_tax_ids(self._stripe, stripe_id) if each.id not in known]
        for each in strangers:
            payer.delete_tax_id(self._stripe, stripe_id, each.id)
        return [each.value for each in strangers]

    def heard(self, stripe_tax_id: str) -> None:
        """Look at an id because Stripe said that something about it changed; ids that are not ours are left alone."""
        with self._database.read() as connection:
            either = or_(table.c.check_id == stripe_tax_id, table.c.stripe_id == stripe_tax_id)
            found = connection.execute(select(table.c.id).where(either)).scalars().all()
        for id_ in found:
            self.advance(id_)

    def handle(self, job: jobs.Job) -> None:
        """Carry a check on, as a job; come back later if it is still under way."""
        id_, look = job.payload["tax_id"], int(job.payload["look"])
        row = self.advance(id_)
        unfinished = row.removed_at is None and row.state == TaxIdState.CHECKING.value
        if unfinished and look < _LOOKS_MAX:
            pause = _PAUSES_S[min(look + 1, len(_PAUSES_S) - 1)]
            with self._database.write() as connection:
                self._look_again(connection, id_, look=look + 1, at=Instant(self._clock.now() + pause * SECOND))

    def advance(self, id_: str) -> Row[tuple[object, ...]]:
        """Do whatever is next for an id, as far as it goes now; return its row. Safe to repeat at any time (V3).

        Raises: StripeUnavailable.
        """
        row = self._row(id_)
        if row.removed_at is not None:
            return self._clear_away(row)
        if row.state == TaxIdState.CHECKING.value:
            row = self._check(row)
        allowed = self._allowed(row, country=self._customers.get(AccountId(row.account_id)).country)
        if allowed and row.stripe_id is None:
            row = self._place(row)
        elif row.stripe_id is not None and not allowed:
            self._take_off(row)
        if row.state != TaxIdState.CHECKING.value:
            self._dismiss_checker(row)
        return self._row(id_)

    # The steps -----------------------------------------------------------------------------------------------

    def _check(self, row: Row[tuple[object, ...]]) -> Row[tuple[object, ...]]:
        """Have the id verified at a customer of its own; note what is known so far."""
        checker = row.checker_id
        if checker is None:
            key = f"taxid:{row.id}:{row.attempt}:checker"
            checker = payer.create_customer(self._stripe, account_id=row.account_id, purpose=PURPOSE, key=key)
            self._note(row, checker_id=checker)
            crash.point("tax_id.checker_made")
        try:
            facts = self._checked(row, checker)
        except TaxIdInvalid:
            # Right by our own check and still wrong for Stripe: as good as not found.
            self._note(row, state=TaxIdState.NOT_FOUND.value, checked_at=self._clock.now())
            return self._row(row.id)
        except NotAtStripe:
            self._begin_again(row)
            return self._row(row.id)
        state = _STATES.get(facts.status, TaxIdState.CHECKING)
        values: dict[str, object] = {"check_id": facts.id, "state": state.value}
        if state is not TaxIdState.CHECKING:
            values |= {"verified_name": facts.verified_name, "verified_address": facts.verified_address}
            values |= {"checked_at": self._clock.now()}
        self._note(row, **values)
        return self._row(row.id)

    def _checked(self, row: Row[tuple[object, ...]], checker: str) -> TaxIdFacts:
        if row.check_id is not None:
            return payer.read_tax_id(self._stripe, checker, row.check_id)
        key = f"taxid:{row.id}:{row.attempt}:check"
        try:
            made = payer.create_tax_id(self._stripe, checker, kind=row.kind, value=row.value, key=key)
        except AlreadyAtStripe:
            made = payer.list_tax_ids(self._stripe, checker)[0]
        self._note(row, check_id=made.id)
        crash.point("tax_id.check_begun")
        return payer.read_tax_id(self._stripe, checker, made.id)

    def _place(self, row: Row[tuple[object, ...]]) -> Row[tuple[object, ...]]:
        """Put the id at the payer, where it is printed on invoices and may take VAT off."""
        account = AccountId(row.account_id)

        def place(stripe_id: str) -> tuple[str, str]:
            key = f"taxid:{row.id}:{row.attempt}:{stripe_id}"
            try:
                made = payer.create_tax_id(self._stripe, stripe_id, kind=row.kind, value=row.value, key=key)
            except AlreadyAtStripe:
                there = payer.list_tax_ids(self._stripe, stripe_id)
                made = next(each for each in there if each.value == row.value)
            return stripe_id, made.id

        holder, placed = self._customers.with_customer(account, place)
        crash.point("tax_id.placed")
        self._note(row, stripe_id=placed, holder_id=holder)
        return self._row(row.id)

    def _take_off(self, row: Row[tuple[object, ...]]) -> None:
        payer.delete_tax_id(self._stripe, row.holder_id, row.stripe_id)
        crash.point("tax_id.taken_off")
        # A new attempt, should the id come back: Stripe would replay the answer to the old key.
        self._note(row, stripe_id=None, holder_id=None, attempt=row.attempt + 1)

    def _begin_again(self, row: Row[tuple[object, ...]]) -> None:
        """Start a new attempt: somebody deleted the checker at Stripe. Unless another thread has just finished."""
        same = (table.c.id == row.id) & (table.c.attempt == row.attempt)
        checking = same & (table.c.state == TaxIdState.CHECKING.value)
        with self._database.write() as connection:
            values = {"checker_id": None, "check_id": None, "attempt": row.attempt + 1}
            connection.execute(update(table).where(checking).values(**values))

    def _clear_away(self, row: Row[tuple[object, ...]]) -> Row[tuple[object, ...]]:
        if row.stripe_id is not None:
            self._take_off(row)
        self._dismiss_checker(row)
        return self._row(row.id)

    def _dismiss_checker(self, row: Row[tuple[object, ...]]) -> None:
        if row.checker_id is not None:
            payer.delete_customer(self._stripe, row.checker_id)
            self._note(row, checker_id=None)

    def _advance_quietly(self, id_: str) -> None:
        """Go as far as it goes now; if Stripe is away, the job that was enqueued carries on."""
        try:
            self.advance(id_)
        except StripeUnavailable:
            return

    def _look_again(self, connection: Connection, id_: str, *, look: int, at: Instant) -> None:
        payload = {"tax_id": id_, "look": str(look)}
        now = self._clock.now()
        jobs.enqueue(connection, ids=self._ids, kind=JOB, payload=payload, now=now, key=f"{id_}:{look}", run_at=at)

    # Rows ----------------------------------------------------------------------------------------------------

    def _allowed(self, row: Row[tuple[object, ...]], *, country: str | None) -> bool:
        verified = row.state == TaxIdState.VERIFIED.value
        return country is not None and tax.may_be_invoiced(
            self._policy, _vat_id(row), country=country, verified=verified
        )

    def _tax_id(self, row: Row[tuple[object, ...]]) -> TaxId:
        country = self._customers.get(AccountId(row.account_id)).country or ""
        verified = row.state == TaxIdState.VERIFIED.value
        return TaxId(
            id=row.id,
            account=AccountId(row.account_id),
            kind=row.kind,
            value=row.value,
            country=row.country,
            state=TaxIdState(row.state),
            reverse_charge=tax.may_reverse(self._policy, _vat_id(row), country=country, verified=verified),
            verified_name=row.verified_name,
            verified_address=row.verified_address,
            checked_at=row.checked_at,
            created_at=row.created_at,
        )

    def _row(self, id_: str) -> Row[tuple[object, ...]]:
        with self._database.read() as connection:
            return connection.execute(select(table).where(table.c.id == id_)).one()

    def _note(self, row: Row[tuple[object, ...]], **values: object) -> None:
        """Write what became known about an attempt; if another attempt has begun, it is not about that one."""
        same = and_(table.c.id == row.id, table.c.attempt == row.attempt)
        with self._database.write() as connection:
            connection.execute(update(table).where(same).values(**values))


def _open_of(account: AccountId):  # SQLAlchemy's own generic type
    return select(table).where(table.c.account_id == account, table.c.removed_at.is_(None))


def _vat_id(row: Row[tuple[object, ...]]) -> VatId:
    return VatId(kind=VatIdKind(row.kind), value=row.value, country=row.country)
