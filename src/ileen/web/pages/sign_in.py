"""Pages of signing in and out: password, mailed link, reset, identity provider.

Owns: their forms. Refuses to know: who may come in (`accounts.sign_in`, `accounts.oidc`).
"""

from starlette.responses import Response

from ileen.accounts.oidc import Oidc
from ileen.accounts.passwords import LENGTH_MIN
from ileen.accounts.sign_in import LinkKind
from ileen.base.errors import (
    IdentityProviderFailed,
    IdentityRefused,
    IdentityUnconnected,
    NotFound,
    Refused,
    RequestInvalid,
    SignInFailed,
    TooManyAttempts,
)
from ileen.web.pages.desk import Pages
from ileen.web.pages.forms import errors_of
from ileen.web.pages.needs import Needs
from ileen.web.pages.visit import Visit

pages = Pages()


@pages.get("/sign-in", needs=Needs.ANYONE)
def show_sign_in(visit: Visit) -> Response:
    """Show the form."""
    if visit.signed is not None:
        return visit.redirect(visit.return_path())
    return _form(visit, {}, status=200)


@pages.post("/sign-in", needs=Needs.ANYONE)
def sign_in(visit: Visit) -> Response:
    """Sign in with a password."""
    try:
        session = visit.house.people.sign_ins.with_password(
            visit.field("email"),
            visit.secret_field("password"),
            visitor=visit.visitor,
            replaces=visit.session_token,
        )
    except SignInFailed:
        return _form(visit, {"email": visit.text("sign_in.wrong")}, status=422)
    except TooManyAttempts as error:
        return _form(visit, errors_of(visit, error, at="email"), status=429)
    visit.keep_session(session)
    return visit.redirect(visit.return_path())


@pages.post("/sign-out", needs=Needs.PERSON)
def sign_out(visit: Visit) -> Response:
    """End this browser's session."""
    visit.house.people.sign_ins.sign_out(visit.person)
    visit.keep_session(None)
    return visit.redirect("/sign-in", flash="sign_in.signed_out")


# Links -----------------------------------------------------------------------------------------------------------


@pages.get("/sign-in/link", needs=Needs.ANYONE)
def show_link_request(visit: Visit) -> Response:
    """Show the form that asks for a sign-in link."""
    return _link_form(visit, {}, kind="sign_in", status=200)


@pages.post("/sign-in/link", needs=Needs.ANYONE)
def request_link(visit: Visit) -> Response:
    """Mail a sign-in link to whoever has the address."""
    return _send(visit, kind="sign_in")


@pages.get("/sign-in/link/{token}", needs=Needs.ANYONE)
def show_link(visit: Visit) -> Response:
    """Show the button that signs in: opening the link alone does nothing."""
    person = visit.house.people.sign_ins.look(visit.part("token"), kind="sign_in")
    return visit.render("link.html", person=person)


@pages.post("/sign-in/link/{token}", needs=Needs.ANYONE)
def use_link(visit: Visit) -> Response:
    """Sign in with a mailed link."""
    session = visit.house.people.sign_ins.with_link(
        visit.part("token"), visitor=visit.visitor, replaces=visit.session_token
    )
    visit.keep_session(session)
    return visit.redirect("/")


@pages.get("/reset", needs=Needs.ANYONE)
def show_reset_request(visit: Visit) -> Response:
    """Show the form that asks for a link to choose a new password."""
    return _link_form(visit, {}, kind="reset", status=200)


@pages.post("/reset", needs=Needs.ANYONE)
def request_reset(visit: Visit) -> Response:
    """Mail a link to choose a new password to whoever has the address."""
    return _send(visit, kind="reset")


@pages.get("/reset/{token}", needs=Needs.ANYONE)
def show_reset(visit: Visit) -> Response:
    """Show the form for a new password."""
    return _reset_form(visit, {}, status=200)


@pages.post("/reset/{token}", needs=Needs.ANYONE)
def reset(visit: Visit) -> Response:
    """Set a new password and sign in."""
    try:
        session = visit.house.people.sign_ins.reset(
            visit.part("token"),
            visit.secret_field("password"),
            visitor=visit.visitor,
            replaces=visit.session_token,
        )
    except RequestInvalid as error:
        return _reset_form(visit, errors_of(visit, error), status=422)
    visit.keep_session(session)
    return visit.redirect("/", flash="reset.done")


# Identity provider -----------------------------------------------------------------------------------------------


@pages.post("/sign-in/provider", needs=Needs.ANYONE)
def begin_provider(visit: Visit) -> Response:
    """Lead to the identity provider; who is signed in connects their identity."""
    oidc = _oidc(visit)
    back = "/account/profile" if visit.signed else visit.return_path()
    try:
        way = oidc.begin(
            redirect_uri=_redirect_uri(visit), return_path=back, visitor=visit.visitor, signed=visit.signed
        )
    except IdentityProviderFailed:
        return _provider_away(visit, oidc)
    return visit.leave(way)


@pages.get("/sign-in/provider/callback", needs=Needs.ANYONE)
def finish_provider(visit: Visit) -> Response:
    """Take the identity provider's answer."""
    oidc = _oidc(visit)
    try:
        done = oidc.finish(
            state=visit.query("state"),
            code=visit.query("code"),
            redirect_uri=_redirect_uri(visit),
            visitor=visit.visitor,
            signed=visit.signed,
            replaces=visit.session_token,
        )
    except IdentityUnconnected:
        sentence = visit.text("sign_in.provider.unconnected", provider=oidc.name)
        return _form(visit, {"provider": sentence}, status=409)
    except IdentityRefused:
        return _provider_failed(visit, visit.text("sign_in.provider.failed", provider=oidc.name), status=403)
    except IdentityProviderFailed:
        return _provider_away(visit, oidc)
    if done.session is not None:
        visit.keep_session(done.session)
    return visit.redirect(done.return_path)


def _oidc(visit: Visit) -> Oidc:
    oidc = visit.house.people.oidc
    if oidc is None:
        raise NotFound("No identity provider is configured.", what="path", id=visit.request.url.path)
    return oidc


def _redirect_uri(visit: Visit) -> str:
    return f"{visit.house.public_url}/sign-in/provider/callback"


def _provider_away(visit: Visit, oidc: Oidc) -> Response:
    """Answer that the provider does not, which is nobody's mistake and passes."""
    return _provider_failed(visit, visit.text("sign_in.provider.away", provider=oidc.name), status=503)


def _provider_failed(visit: Visit, sentence: str, *, status: int) -> Response:
    if visit.signed is not None:
        return visit.render("error.html", status=status, sentence=sentence)
    return _form(visit, {"provider": sentence}, status=status)


# Forms -----------------------------------------------------------------------------------------------------------


def _form(visit: Visit, errors: dict[str, str], *, status: int) -> Response:
    oidc = visit.house.people.oidc
    return visit.render(
        "sign_in.html",
        status=status,
        errors=errors,
        values={"email": visit.field("email")},
        provider=oidc.name if oidc else None,
        back=visit.return_path(""),
    )


def _link_form(visit: Visit, errors: dict[str, str], *, kind: LinkKind, status: int) -> Response:
    template = "link_request.html" if kind == "sign_in" else "reset_request.html"
    return visit.render(template, status=status, errors=errors, values={"email": visit.field("email")})


def _send(visit: Visit, *, kind: LinkKind) -> Response:
    email = visit.field("email")
    try:
        visit.house.people.sign_ins.ask_for_link(email, kind=kind, visitor=visit.visitor)
    except Refused as error:
        status = 429 if isinstance(error, TooManyAttempts) else 422
        return _link_form(visit, errors_of(visit, error, at="email"), kind=kind, status=status)
    again = "/sign-in/link" if kind == "sign_in" else "/reset"
    return visit.render("sent.html", sentence=visit.text("sign_in.link.sent", email=email), again=again)


def _reset_form(visit: Visit, errors: dict[str, str], *, status: int) -> Response:
    person = visit.house.people.sign_ins.look(visit.part("token"), kind="reset")
    return visit.render("reset.html", status=status, errors=errors, person=person, length_min=LENGTH_MIN)
