"""The page of what was done in an account and by whom, for its owners.

Owns: the path /account/activity. Refuses to know: how events come about. An action without a sentence of its own is
shown by its name, so that no event is hidden because nobody has put it into words yet.
"""

from collections.abc import Mapping
from typing import Any, Final

from starlette.responses import Response

from ileen import catalogue
from ileen.accounts import audit
from ileen.base.ids import is_id
from ileen.web.pages.desk import Pages
from ileen.web.pages.needs import Needs
from ileen.web.pages.visit import Visit

pages = Pages()
pages.in_menu("/account/activity", key="nav.activity", needs=Needs.OWNER, place=70)

_SHOWN: Final = 50


@pages.get("/account/activity", needs=Needs.OWNER)
def show_activity(visit: Visit) -> Response:
    """Show the events, newest first; `before` is the last one of the page before."""
    activity, account = visit.house.people.activity, visit.caller.account
    before = visit.query("before")
    found = activity.events(account, limit=_SHOWN + 1, before=before if is_id(before, "evt") else None)
    names = {
        **activity.people(account),
        **{id_: visit.text("activity.key", name=name) for id_, name in activity.keys(account).items()},
        audit.OPERATOR: visit.text("activity.operator"),
        audit.SYSTEM: visit.text("activity.system"),
    }
    return visit.render(
        "activity.html",
        events=[_row(visit, event, names) for event in found[:_SHOWN]],
        older=found[_SHOWN - 1].id if len(found) > _SHOWN else None,
    )


def _row(visit: Visit, event: audit.AuditEvent, names: Mapping[str, str]) -> dict[str, Any]:
    key = f"activity.{event.action}"
    said = visit.text(key) if key in catalogue.sentences(visit.locale) else event.action
    by_host = event.actor.startswith(("hk_", "uis_"))
    return {
        "id": event.id,
        "said": said,
        "moment": visit.moment(event.at),
        "actor": visit.text("activity.host") if by_host else names.get(event.actor, event.actor),
        "subject": names.get(event.subject, event.subject),
        "details": [text for text in event.detail.values() if text],
    }
