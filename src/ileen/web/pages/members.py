"""Pages about an account's members: list, roles, removing, invitations and accepting one.

Owns: their forms. Refuses to know: the rules (`accounts.members`).
"""

from starlette.responses import Response

from ileen.accounts.passwords import LENGTH_MIN
from ileen.accounts.who import Member, Role
from ileen.base.errors import AlreadyMember, LastOwner, NotFound, Refused, RequestInvalid, TooManyAttempts
from ileen.web.pages.desk import Pages
from ileen.web.pages.forms import errors_of
from ileen.web.pages.needs import Needs
from ileen.web.pages.sign_up import ZONES
from ileen.web.pages.visit import Visit

pages = Pages()
pages.in_menu("/account/members", key="nav.members", needs=Needs.MEMBER, place=60)


@pages.get("/account/members", needs=Needs.MEMBER)
def show_members(visit: Visit) -> Response:
    """Show the members, and to owners the invitations."""
    return _list(visit, {}, status=200)


@pages.post("/account/members/invite", needs=Needs.OWNER)
def invite(visit: Visit) -> Response:
    """Invite somebody by mail."""
    caller = visit.caller
    try:
        visit.house.people.members.invite(
            caller.account, email=visit.field("email"), role=_role(visit), inviter=visit.person
        )
    except AlreadyMember:
        return _list(visit, {"email": visit.text("members.already")}, status=409)
    except (RequestInvalid, TooManyAttempts) as error:
        return _list(visit, errors_of(visit, error, at="email"), status=error.status)
    return visit.redirect("/account/members", flash="members.invited")


@pages.post("/account/members/invitations/{id}/revoke", needs=Needs.OWNER)
def revoke_invitation(visit: Visit) -> Response:
    """Take an invitation back."""
    caller = visit.caller
    visit.house.people.members.revoke(caller.account, visit.part("id"), by=caller.actor)
    return visit.redirect("/account/members", flash="members.revoked")


@pages.post("/account/members/{id}/role", needs=Needs.OWNER)
def change_role(visit: Visit) -> Response:
    """Give a member another role."""
    caller = visit.caller
    try:
        visit.house.people.members.change_role(caller.account, visit.part("id"), _role(visit), by=caller.actor)
    except LastOwner:
        return _list(visit, {f"role-{visit.part('id')}": visit.text("members.last_owner")}, status=409)
    return visit.redirect("/account/members", flash="members.changed")


@pages.get("/account/members/{id}/remove", needs=Needs.MEMBER)
def show_remove(visit: Visit) -> Response:
    """Ask before removing a member; anybody may leave by themselves."""
    return _remove_form(visit, _removable(visit), {}, status=200)


@pages.post("/account/members/{id}/remove", needs=Needs.MEMBER)
def remove(visit: Visit) -> Response:
    """Remove a member, or leave."""
    caller, member = visit.caller, _removable(visit)
    try:
        visit.house.people.members.remove(caller.account, member.id, by=caller.actor)
    except LastOwner:
        return _remove_form(visit, member, {"remove": visit.text("members.last_owner")}, status=409)
    if member.id == caller.actor:
        visit.keep_session(None)
        return visit.redirect("/sign-in", flash="sign_in.signed_out")
    return visit.redirect("/account/members", flash="members.removed")


# Accepting -------------------------------------------------------------------------------------------------------


@pages.get("/invitation/{token}", needs=Needs.ANYONE)
def show_invitation(visit: Visit) -> Response:
    """Show what the invitation is about, and how to accept it."""
    return _invitation_form(visit, {}, status=200)


@pages.post("/invitation/{token}", needs=Needs.ANYONE)
def accept(visit: Visit) -> Response:
    """Accept an invitation, as the person who is signed in or as a new one."""
    members, token = visit.house.people.members, visit.part("token")
    if visit.signed is not None:
        account = members.accept(token, visit.signed)
        visit.house.people.sessions.enter(visit.signed, account)
        return visit.redirect("/", flash="invite.joined")
    try:
        session = members.accept_as_new(
            token,
            name=visit.field("name"),
            password=visit.secret_field("password"),
            locale=visit.locale,
            time_zone=ZONES.get(visit.locale, "UTC"),
            visitor=visit.visitor,
        )
    except (RequestInvalid, TooManyAttempts) as error:
        return _invitation_form(visit, errors_of(visit, error, at="password"), status=error.status)
    visit.keep_session(session)
    return visit.redirect("/", flash="invite.joined")


def _list(visit: Visit, errors: dict[str, str], *, status: int) -> Response:
    caller, members = visit.caller, visit.house.people.members
    owner = visit.person.role is Role.OWNER
    return visit.render(
        "members.html",
        status=status,
        errors=errors,
        values={"email": visit.field("email")},
        account=visit.house.accounts.get(caller.account),
        members=members.of(caller.account),
        invitations=members.invitations(caller.account) if owner else [],
        owner=owner,
        me=caller.actor,
        roles=_roles(visit),
        chosen=visit.field("role") or Role.MEMBER.value,
    )


def _remove_form(visit: Visit, member: Member, errors: dict[str, str], *, status: int) -> Response:
    account = visit.house.accounts.get(visit.caller.account)
    return visit.render(
        "member_remove.html",
        status=status,
        errors=errors,
        member=member,
        account=account,
        leaving=member.id == visit.caller.actor,
    )


def _removable(visit: Visit) -> Member:
    """Return the member the path names, if the reader may remove them. Raises: NotFound."""
    caller = visit.caller
    for member in visit.house.people.members.of(caller.account):
        if member.id == visit.part("id") and (member.id == caller.actor or visit.person.role is Role.OWNER):
            return member
    raise NotFound(what="member", id=visit.part("id")[:64])


def _invitation_form(visit: Visit, errors: dict[str, str], *, status: int) -> Response:
    invited = visit.house.people.members.look(visit.part("token"))
    return visit.render(
        "invitation.html",
        status=status,
        errors=errors,
        values={"name": visit.field("name")},
        invited=invited,
        role=visit.text(f"role.{invited.role.value}"),
        mine=visit.signed is not None and visit.signed.person.email.casefold() == invited.email.casefold(),
        length_min=LENGTH_MIN,
    )


def _role(visit: Visit) -> Role:
    try:
        return Role(visit.field("role"))
    except ValueError as error:
        raise Refused("There is no such role.") from error


def _roles(visit: Visit) -> list[tuple[str, str]]:
    return [(role.value, visit.text(f"role.{role.value}")) for role in reversed(Role)]
