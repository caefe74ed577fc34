"""The reference pages and the code say the same."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from ileen.base import errors
from ileen.catalogue import LOCALES, sentences
from ileen.cli import app
from ileen.notices import KINDS
from ileen.payments.disputes.model import DisputeState
from ileen.payments.refunds.model import RefundState
from ileen.settings import Settings

ROOT = Path(__file__).parents[2]


def page(name: str) -> str:
    return (ROOT / "docs" / "reference" / name).read_text(encoding="utf-8")


def rows(text: str) -> list[list[str]]:
    lines = [line for line in text.splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def commands(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    if hasattr(command, "commands"):
        for name, child in command.commands.items():
            yield from commands(child, f"{path} {name}")
    else:
        yield path, command


def test_the_settings_reference_has_every_setting_with_its_default() -> None:
    plain = Settings.read({})
    expected = {}
    for field in Settings.__struct_fields__:
        value = getattr(plain, field)
        expected[f"`ILEEN_{field.upper()}`"] = "none" if value in (None, "", ()) else f"`{value}`"
    assert {row[0]: row[1] for row in rows(page("settings.md"))} == expected


def test_the_errors_reference_has_every_error_with_its_status_and_title() -> None:
    classes = [c for c in vars(errors).values() if isinstance(c, type) and issubclass(c, errors.IleenError)]
    expected = [[f"`{c.code}`", str(c.status), c.title] for c in classes]
    assert [row[:3] for row in rows(page("errors.md"))] == expected


def test_the_command_line_reference_has_every_command_with_its_options() -> None:
    sections = dict(re.findall(r"^## `([^`]+)`\n(.*?)(?=^## |\Z)", page("cli.md"), re.MULTILINE | re.DOTALL))
    found = dict(commands(typer.main.get_command(app), "ileen"))
    assert set(sections) == set(found)
    for path, command in found.items():
        options = {option for p in command.params if p.param_type_name == "option" for option in p.opts} - {"--help"}
        assert set(re.findall(r"`(--?[a-z-]+)`", sections[path])) == options, path


def test_the_mails_reference_has_every_kind_with_its_facts() -> None:
    expected = {
        f"`{name}`": [(fact, field.value.replace("_", " ")) for fact, field in kind.fields.items()]
        for name, kind in KINDS.items()
    }
    assert {row[0]: re.findall(r"`(\w+)` ([a-z ]+\b)", row[1]) for row in rows(page("notices.md"))} == expected


def test_every_link_between_pages_leads_somewhere() -> None:
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    assert pages
    broken = [
        f"{source.relative_to(ROOT)}: {target}"
        for source in pages
        for target in re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", source.read_text(encoding="utf-8"))
        if not (source.parent / target).exists()
    ]
    assert broken == []


_WITHOUT_ACCOUNT = {
    "host_key.created", "host_key.revoked", "identity.connected", "password.changed", "password.reset",
    "person.changed", "sign_in.failed", "staff.created", "staff.revoked",
}  # fmt: skip


def test_every_audit_event_of_an_account_is_in_the_reference_and_has_a_sentence_for_its_owner() -> None:
    section = page("people.md").partition("## Audit events")[2]
    named = {action for row in rows(section) for action in re.findall(r"`([a-z_]+\.[a-z_]+)`", row[0])}

    assert {f"refund.{state}" for state in RefundState} <= named
    assert {f"dispute.{state}" for state in DisputeState} <= named
    for locale in LOCALES:
        assert {action for action in named if f"activity.{action}" not in sentences(locale)} == _WITHOUT_ACCOUNT
