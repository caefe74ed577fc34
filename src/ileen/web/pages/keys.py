"""Pages about an account's API keys: list, create, revoke.

Owns: their forms. Refuses to know: what keys can do (`accounts.register`).
"""

from starlette.responses import Response

from ileen.accounts.model import PURCHASE, READ, SPEND
from ileen.base.errors import AmountInvalid, NotFound, RequestInvalid
from ileen.base.ids import KeyId
from ileen.base.money import parse
from ileen.web.pages.desk import Pages
from ileen.web.pages.forms import errors_of
from ileen.web.pages.needs import Needs
from ileen.web.pages.visit import Visit

pages = Pages()
pages.in_menu("/account/keys", key="nav.keys", needs=Needs.OWNER, place=50)


@pages.get("/account/keys", needs=Needs.OWNER)
def show_keys(visit: Visit) -> Response:
    """Show the keys, never their secrets."""
    keys = sorted(visit.house.accounts.keys(visit.caller.account), key=lambda key: (key.revoked_at is not None, key.id))
    return visit.render("keys.html", keys=keys)


@pages.get("/account/keys/new", needs=Needs.OWNER)
def show_new_key(visit: Visit) -> Response:
    """Show the form for a new key."""
    return _form(visit, {}, status=200)


@pages.post("/account/keys/new", needs=Needs.OWNER)
def create_key(visit: Visit) -> Response:
    """Create a key and show its secret, this once, on the answer itself: it is never stored to be shown later."""
    caller = visit.caller
    cap = visit.field("cap_month")
    try:
        key, secret = visit.house.accounts.create_key(
            caller.account,
            name=visit.field("name"),
            scopes=[scope for scope in (SPEND, READ, PURCHASE) if visit.field(f"scope_{scope}")],
            cap_month=parse(cap, field="cap_month") if cap else None,
            by=caller.actor,
        )
    except (RequestInvalid, AmountInvalid) as error:
        return _form(visit, errors_of(visit, error), status=422)
    return visit.render("key_made.html", key=key, secret=secret)


@pages.get("/account/keys/{id}/revoke", needs=Needs.OWNER)
def show_revoke(visit: Visit) -> Response:
    """Ask before revoking a key."""
    found = [key for key in visit.house.accounts.keys(visit.caller.account) if key.id == visit.part("id")]
    if not found:
        raise NotFound(what="API key", id=visit.part("id")[:64])
    return visit.render("key_revoke.html", key=found[0])


@pages.post("/account/keys/{id}/revoke", needs=Needs.OWNER)
def revoke_key(visit: Visit) -> Response:
    """Revoke a key for good."""
    caller = visit.caller
    visit.house.accounts.revoke_key(caller.account, KeyId(visit.part("id")), by=caller.actor)
    return visit.redirect("/account/keys", flash="keys.revoked")


def _form(visit: Visit, errors: dict[str, str], *, status: int) -> Response:
    filled = visit.request.method == "POST"
    chosen = {scope for scope in (SPEND, READ, PURCHASE) if visit.field(f"scope_{scope}")} if filled else {SPEND, READ}
    values = {"name": visit.field("name"), "cap_month": visit.field("cap_month")}
    return visit.render(
        "key_new.html", status=status, errors=errors, values=values, scopes=(SPEND, READ, PURCHASE), chosen=chosen
    )
