"""Commands about host keys and staff: what is made here only, by who has the machine."""

from typing import Annotated

import typer

from ileen.accounts.who import HostKey, Staff, StaffRole
from ileen.base.clock import to_text
from ileen.cli.show import Json, opened, show, show_one

host_keys = typer.Typer(help="Keys of host applications, which Ileen stands behind.", no_args_is_help=True)
staff = typer.Typer(help="Your own people: support and admin.", no_args_is_help=True)


@host_keys.command("create")
def create_host_key(
    name: Annotated[str, typer.Option(help="Which application it is for.")],
    as_json: Json = False,  # noqa: FBT002  # a flag of the command line
) -> None:
    """Create a host key. Its secret is shown this once."""
    with opened() as app:
        key, secret = app.people.hosts.create_key(name)
        shown = {**_host_key(key), "secret": secret}
        show_one(shown, as_json=as_json, title="Host key created; the secret is not shown again")


@host_keys.command("list")
def list_host_keys(as_json: Json = False) -> None:  # noqa: FBT002  # a flag of the command line
    """List host keys."""
    with opened() as app:
        show([_host_key(key) for key in app.people.hosts.list_keys()], as_json=as_json, title="Host keys")


@host_keys.command("revoke")
def revoke_host_key(key: str, as_json: Json = False) -> None:  # noqa: FBT002  # a flag of the command line
    """Revoke a host key and its UI sessions, at once and for good."""
    with opened() as app:
        show_one(_host_key(app.people.hosts.revoke_key(key)), as_json=as_json, title="Host key revoked")


@staff.command("create")
def create_staff(
    email: str,
    name: Annotated[str, typer.Option(help="What they are called.")],
    role: Annotated[StaffRole, typer.Option(help="What they may do.")] = StaffRole.SUPPORT,
    as_json: Json = False,  # noqa: FBT002  # a flag of the command line
) -> None:
    """Make somebody staff, or give them another role. Prints the link where they set a password."""
    with opened() as app:
        made, path = app.people.staff.create(email, name=name, role=role)
        shown = {**_staff(made), "link": app.settings.public_url + path}
        show_one(shown, as_json=as_json, title="Staff; the link works once, for half an hour")


@staff.command("list")
def list_staff(as_json: Json = False) -> None:  # noqa: FBT002  # a flag of the command line
    """List staff."""
    with opened() as app:
        show([_staff(each) for each in app.people.staff.list()], as_json=as_json, title="Staff")


@staff.command("revoke")
def revoke_staff(id_: Annotated[str, typer.Argument(metavar="STAFF")], as_json: Json = False) -> None:  # noqa: FBT002
    """Take a staff role away, at once."""
    with opened() as app:
        show_one(_staff(app.people.staff.revoke(id_)), as_json=as_json, title="Staff role taken away")


def _host_key(key: HostKey) -> dict[str, object]:
    return {
        "id": key.id,
        "name": key.name,
        "hint": key.hint + "…",
        "created_at": to_text(key.created_at),
        "revoked_at": None if key.revoked_at is None else to_text(key.revoked_at),
    }


def _staff(each: Staff) -> dict[str, object]:
    return {
        "id": each.id,
        "email": each.email,
        "name": each.name,
        "role": each.role.value,
        "created_at": to_text(each.created_at),
        "revoked_at": None if each.revoked_at is None else to_text(each.revoked_at),
    }
