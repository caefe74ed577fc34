"""Dossiers: everything kept about a purchase, for the operator, the tax authorities and the bank.

Owns: what is in a dossier, and how the pieces of location evidence stand to the country that was taxed.
Refuses to know: how it is shown, and what Stripe says now: this is what we kept.
E1  a piece supports the taxed country if it names it and contradicts it if it names another; one that is not known
    does neither. Two that support suffice. Regulation (EU) 282/2011, articles 24b(d) and 24f.
"""

from typing import Final

import msgspec
from msgspec import Struct
from sqlalchemy import Connection

from ileen.base.clock import Instant
from ileen.base.ids import AccountId, PurchaseId
from ileen.payments import records
from ileen.payments.model import Evidence, PurchaseState
from ileen.payments.rules import Record

PIECES: Final = ("billing_country", "ip_country", "card_country")
"""The pieces of evidence that name a country."""


class StepTaken(Struct, frozen=True, kw_only=True):
    """One thing that was decided about a purchase, the state it left it in, and when."""

    at: Instant
    step: str
    state: PurchaseState
    detail: str | None


class Dossier(Struct, frozen=True, kw_only=True):
    """A purchase as recorded, with its evidence; `steps`, oldest first, only where one dossier was asked for."""

    record: Record
    evidence: Evidence
    steps: tuple[StepTaken, ...] = ()

    @property
    def supports(self) -> tuple[str, ...]:
        """The pieces of evidence that name the country that was taxed."""
        return tuple(name for name in PIECES if getattr(self.evidence, name) == self.record.country is not None)

    @property
    def contradicts(self) -> tuple[str, ...]:
        """The pieces of evidence that name another country."""
        return tuple(name for name in PIECES if getattr(self.evidence, name) not in {self.record.country, None})


def find(
    connection: Connection, *, account: AccountId | None = None, state: PurchaseState | None = None, limit: int
) -> list[Dossier]:
    """Return the newest purchases, of all accounts or of one, without their steps."""
    return [_dossier(record) for record in records.newest(connection, account=account, state=state, limit=limit)]


def get(connection: Connection, id_: PurchaseId) -> Dossier:
    """Return one purchase with everything that was decided about it. Raises: NotFound."""
    found = _dossier(records.get(connection, id_))
    steps = (
        StepTaken(at=row.at, step=row.step, state=PurchaseState(row.state), detail=row.detail)
        for row in records.steps_of(connection, id_)
    )
    return msgspec.structs.replace(found, steps=tuple(steps))


def _dossier(record: Record) -> Dossier:
    return Dossier(record=record, evidence=msgspec.json.decode(record.evidence, type=Evidence))
