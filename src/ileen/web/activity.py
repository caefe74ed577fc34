"""The endpoint of an account's audit events.

Owns: its path and its page size. Refuses to know: what the events mean (docs/reference/people.md lists them).
"""

from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field

from ileen.accounts.audit import AuditEvent
from ileen.accounts.model import AUDIT_READ
from ileen.base.clock import to_text
from ileen.base.errors import RequestInvalid
from ileen.base.ids import is_id
from ileen.web.house import Caller, InHouse, needs
from ileen.web.models import Moment
from ileen.web.problems import responses
from ileen.web.reading import Cursor, Limit

router = APIRouter(prefix="/v1", tags=["audit"])

Auditor = Annotated[Caller, Depends(needs(AUDIT_READ))]


class AuditEventView(BaseModel):
    """One thing that was done, by whom, to what."""

    id: str = Field(examples=["evt_01KB2Z8M6T0000000000000000"])
    at: Moment
    actor: str = Field(description="mem_…, per_…, key_…, hk_…, uis_…, operator or system.", examples=["operator"])
    action: str = Field(description="thing.verb, in the past tense.", examples=["key.created"])
    subject: str = Field(description="The id of what it was done to.")
    detail: dict[str, str]


class AuditEventPage(BaseModel):
    """Audit events, newest first."""

    data: list[AuditEventView]
    next_cursor: str | None = Field(description="Pass it as `cursor` for the next page; None at the end.")


@router.get("/audit-events", responses=responses())
def read_audit_events(house: InHouse, caller: Auditor, limit: Limit = 50, cursor: Cursor = None) -> AuditEventPage:
    """Return what was done in the account and by whom: sign-ins, members, keys, cards, purchases."""
    if cursor is not None and not is_id(cursor, "evt"):
        reason = "pass the next_cursor of the page before"
        raise RequestInvalid(f"cursor: {reason}.", fields=[{"field": "cursor", "reason": reason}])
    found = house.people.activity.events(caller.account, limit=limit + 1, before=cursor)
    page = [_view(each) for each in found[:limit]]
    return AuditEventPage(data=page, next_cursor=page[-1].id if len(found) > limit else None)


def _view(of: AuditEvent) -> AuditEventView:
    return AuditEventView(
        id=of.id, at=to_text(of.at), actor=of.actor, action=of.action, subject=of.subject, detail=of.detail
    )
