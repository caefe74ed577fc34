"""Pages of signing up: the form, the link in the mail, the first session.

Owns: their forms. Refuses to know: how a sign-up is kept and completed (`accounts.sign_up`).
"""

from typing import Final

from starlette.responses import Response

from ileen.accounts.passwords import LENGTH_MIN
from ileen.base.errors import RequestInvalid, SignInFailed, TooManyAttempts
from ileen.web.pages.desk import Pages
from ileen.web.pages.forms import errors_of
from ileen.web.pages.needs import Needs
from ileen.web.pages.visit import Visit

pages = Pages()

ZONES: Final = {"de": "Europe/Berlin", "fr": "Europe/Paris", "es": "Europe/Madrid", "it": "Europe/Rome"}
"""The time zone guessed from the reader's language, until they choose one in their profile."""


@pages.get("/sign-up", needs=Needs.ANYONE)
def show_sign_up(visit: Visit) -> Response:
    """Show the form."""
    if visit.signed is not None:
        return visit.redirect(visit.return_path())
    return _form(visit, {}, status=200)


@pages.post("/sign-up", needs=Needs.ANYONE)
def sign_up(visit: Visit) -> Response:
    """Take the form; the answer is the same whether or not somebody has the address."""
    try:
        email = visit.house.people.sign_ups.ask(
            name=visit.field("name"),
            email=visit.field("email"),
            password=visit.secret_field("password"),
            locale=visit.locale,
            time_zone=ZONES.get(visit.locale, "UTC"),
            visitor=visit.visitor,
        )
    except TooManyAttempts as error:
        return _form(visit, errors_of(visit, error, at="email"), status=429)
    except RequestInvalid as error:
        return _form(visit, errors_of(visit, error), status=422)
    return visit.render("sent.html", sentence=visit.text("sign_up.email_sent", email=email), again="/sign-up")


@pages.get("/sign-up/{token}", needs=Needs.ANYONE)
def show_confirm(visit: Visit) -> Response:
    """Show the button that confirms the address: opening the link alone does nothing."""
    return _confirm_form(visit, {}, status=200)


@pages.post("/sign-up/{token}", needs=Needs.ANYONE)
def confirm(visit: Visit) -> Response:
    """Make the account and sign in."""
    try:
        session = visit.house.people.sign_ups.confirm(
            visit.part("token"),
            password=visit.secret_field("password") or None,
            visitor=visit.visitor,
            replaces=visit.session_token,
        )
    except SignInFailed:
        return _confirm_form(visit, {"password": visit.text("field.password.wrong")}, status=422)
    except TooManyAttempts as error:
        return _confirm_form(visit, errors_of(visit, error, at="password"), status=429)
    visit.keep_session(session)
    return visit.redirect("/", flash="confirm.done")


def _form(visit: Visit, errors: dict[str, str], *, status: int) -> Response:
    values = {"name": visit.field("name"), "email": visit.field("email")}
    return visit.render("sign_up.html", status=status, errors=errors, values=values, length_min=LENGTH_MIN)


def _confirm_form(visit: Visit, errors: dict[str, str], *, status: int) -> Response:
    pending = visit.house.people.sign_ups.look(visit.part("token"), visit.visitor)
    return visit.render("confirm.html", status=status, errors=errors, pending=pending)
