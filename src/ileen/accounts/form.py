"""The form of what people type about accounts and keys, checked before anything is written.

Owns: what a name, an e-mail address, a time zone and a set of scopes may look like. Refuses to know: the database.
"""

import re
from collections.abc import Callable, Iterable
from typing import Final
from zoneinfo import ZoneInfo

from ileen.accounts.model import KEY_SCOPES
from ileen.base.errors import AmountInvalid, RequestInvalid
from ileen.base.money import AMOUNT_NANO_MAX

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_EMAIL: Final = re.compile(r"[^@\s]{1,64}@[^@\s.]+(?:\.[^@\s.]+)*")


def check_text(text: str, *, field: str, length_max: int = 120) -> str:
    """Return `text` without the space around it. Raises: RequestInvalid."""
    text = text.strip()
    if not text:
        raise invalid(field, "it must not be empty")
    if len(text) > length_max:
        raise invalid(field, f"it may have at most {length_max} characters")
    if _CONTROL.search(text):
        raise invalid(field, "it must not contain control characters")
    return text


def check_email(email: str) -> str:
    """Return an address that has a chance of being one. Raises: RequestInvalid."""
    email = check_text(email, field="email", length_max=254)
    if not _EMAIL.fullmatch(email):
        raise invalid("email", "write an address such as ada@example.com")
    return email


def check_time_zone(name: str) -> str:
    """Return the name of a time zone that this machine knows. Raises: RequestInvalid."""
    try:
        return ZoneInfo(name).key
    except (OSError, ValueError, KeyError) as error:  # unknown name, forbidden path, a directory of names
        raise invalid("time_zone", "write an IANA name such as Europe/Berlin") from error


def check_scopes(scopes: Iterable[str]) -> frozenset[str]:
    """Return the scopes as a set. Raises: RequestInvalid if empty or unknown."""
    wanted = frozenset(scopes)
    if not wanted or wanted - KEY_SCOPES:
        raise invalid("scopes", f"choose from {', '.join(sorted(KEY_SCOPES))}")
    return wanted


def check_cap(cap: int | None, *, field: str) -> int | None:
    """Return a cap in nano-credits; None is no cap. Raises: AmountInvalid."""
    if cap is not None and not 0 <= cap <= AMOUNT_NANO_MAX:
        raise AmountInvalid(field=field, reason="it must be between 0 and what a wallet can hold")
    return cap


def check_calls_max(calls_max: int | None) -> int | None:
    """Return a bound on simultaneous calls; None is the server's default. Raises: RequestInvalid."""
    if calls_max is not None and not 1 <= calls_max <= 1_000_000:
        raise invalid("calls_max", "it must be between 1 and 1000000")
    return calls_max


def check_all(*checks: Callable[[], object]) -> None:
    """Run all checks, so that a form tells everything that is wrong at once. Raises: RequestInvalid, of all fields."""
    wrong: list[object] = []
    for check in checks:
        try:
            check()
        except RequestInvalid as error:
            fields = error.fields["fields"]
            assert isinstance(fields, list), "every check of this room names its field"
            wrong += fields
    if wrong:
        raise RequestInvalid("The request is not valid.", fields=wrong)


def invalid(field: str, reason: str) -> RequestInvalid:
    """Compose the refusal of one field, to be raised."""
    return RequestInvalid(f"The field '{field}' is not valid: {reason}.", fields=[{"field": field, "reason": reason}])
