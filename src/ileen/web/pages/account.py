"""Pages about oneself: sessions, profile, password, and which account one works in.

Owns: their forms. Refuses to know: the rules.
"""

from typing import Final
from zoneinfo import available_timezones

from starlette.responses import Response

from ileen import catalogue
from ileen.accounts.passwords import LENGTH_MIN
from ileen.base.errors import RequestInvalid, SignInFailed, TooManyAttempts
from ileen.base.ids import AccountId
from ileen.web.pages.desk import Pages
from ileen.web.pages.forms import errors_of
from ileen.web.pages.needs import Needs
from ileen.web.pages.visit import LANGUAGES, Visit

pages = Pages()
pages.in_menu("/account/sessions", key="nav.sessions", needs=Needs.PERSON, place=80)
pages.in_menu("/account/profile", key="nav.profile", needs=Needs.PERSON, place=90)

_REGIONS: Final = (
    "Africa/",
    "America/",
    "Antarctica/",
    "Asia/",
    "Atlantic/",
    "Australia/",
    "Europe/",
    "Indian/",
    "Pacific/",
)


@pages.get("/account/sessions", needs=Needs.PERSON)
def show_sessions(visit: Visit) -> Response:
    """Show the browsers that are signed in."""
    signed = visit.person
    sessions = visit.house.people.sessions.list(signed.person.id)
    return visit.render("sessions.html", sessions=sessions, current=signed.session.id, browser=browser_name)


@pages.post("/account/sessions/{id}/end", needs=Needs.PERSON)
def end_session(visit: Visit) -> Response:
    """End one session."""
    visit.house.people.sessions.end(visit.person, visit.part("id"))
    return visit.redirect("/account/sessions", flash="sessions.ended")


@pages.post("/account/sessions/end-others", needs=Needs.PERSON)
def end_other_sessions(visit: Visit) -> Response:
    """End all sessions but this one."""
    visit.house.people.sessions.end_others(visit.person)
    return visit.redirect("/account/sessions", flash="sessions.ended")


@pages.get("/account/profile", needs=Needs.PERSON)
def show_profile(visit: Visit) -> Response:
    """Show name, language, time zone, password, identities and accounts."""
    return _profile(visit, {}, status=200)


@pages.post("/account/profile", needs=Needs.PERSON)
def change_profile(visit: Visit) -> Response:
    """Change name, language and time zone."""
    try:
        visit.house.people.change_profile(
            visit.person,
            name=visit.field("name"),
            locale=visit.field("locale"),
            time_zone=visit.field("time_zone"),
        )
    except RequestInvalid as error:
        return _profile(visit, errors_of(visit, error), status=422)
    return visit.redirect("/account/profile", flash="common.saved")


@pages.post("/account/password", needs=Needs.PERSON)
def change_password(visit: Visit) -> Response:
    """Set a new password; all other sessions end."""
    assert visit.session_token is not None, "a person is signed in by a session"
    try:
        session = visit.house.people.sign_ins.change_password(
            visit.person,
            current=visit.secret_field("current"),
            new=visit.secret_field("password"),
            visitor=visit.visitor,
            token=visit.session_token,
        )
    except SignInFailed:
        return _profile(visit, {"current": visit.text("field.password.wrong")}, status=422)
    except (RequestInvalid, TooManyAttempts) as error:
        asked = "current" if visit.person.person.has_password else "password"  # the field that the form has
        return _profile(visit, errors_of(visit, error, at=asked), status=error.status)
    visit.keep_session(session)
    return visit.redirect("/account/profile", flash="reset.done")


@pages.post("/account/enter", needs=Needs.PERSON)
def enter_account(visit: Visit) -> Response:
    """Work in another account."""
    visit.house.people.sessions.enter(visit.person, AccountId(visit.field("account")))
    return visit.redirect("/")


def browser_name(agent: str) -> str | None:
    """Return what people call the browser and system of a user agent, such as "Firefox, macOS"; None if unknown."""
    browsers = (
        ("Edg/", "Edge"),
        ("OPR/", "Opera"),
        ("Firefox/", "Firefox"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
    )
    systems = (
        ("Android", "Android"),
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Windows", "Windows"),
        ("Mac OS X", "macOS"),
        ("Linux", "Linux"),
    )
    found = [next((name for mark, name in marks if mark in agent), None) for marks in (browsers, systems)]
    return ", ".join(name for name in found if name) or None


def _profile(visit: Visit, errors: dict[str, str], *, status: int) -> Response:
    signed, people = visit.person, visit.house.people
    person = signed.person
    filled = "name" in visit.form
    return visit.render(
        "profile.html",
        status=status,
        errors=errors,
        values={"name": visit.field("name") if filled else person.name},
        person=person,
        languages=[(locale, LANGUAGES[locale]) for locale in catalogue.LOCALES],
        language=visit.field("locale") if filled else person.locale,
        zones=_zones(),
        zone=visit.field("time_zone") if filled else person.time_zone,
        accounts=people.members.memberships(person.id),
        here=signed.session.account,
        provider=people.oidc.name if people.oidc else None,
        connected=people.oidc.is_connected(person.id) if people.oidc else False,
        length_min=LENGTH_MIN,
    )


def _zones() -> list[tuple[str, str]]:
    names = sorted(name for name in available_timezones() if name.startswith(_REGIONS))
    return [(name, name.replace("_", " ")) for name in ["UTC", *names]]
