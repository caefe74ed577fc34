"""What is wrong with a form, said in the reader's language beside the field it is about.

Owns: which sentence belongs to which refusal. Refuses to know: the rules (the rooms below refuse).
"""

from typing import Final

import msgspec

from ileen.accounts.passwords import LENGTH_MIN
from ileen.base.errors import AmountInvalid, Refused, RequestInvalid, TooManyAttempts
from ileen.web.pages.visit import Visit

_FIELDS: Final = {
    "email": "sign_in.email.invalid",
    "name": "field.name.invalid",
    "time_zone": "profile.time_zone.invalid",
}


def errors_of(visit: Visit, error: Refused, *, at: str = "form") -> dict[str, str]:
    """Return the sentences for a refusal by field; one that is about no field of its own stands at `at`."""
    if isinstance(error, TooManyAttempts):
        seconds = error.fields["retry_after_s"]
        assert isinstance(seconds, int)
        return {at: visit.text("sign_in.too_many", count=-(-seconds // 60))}
    if isinstance(error, AmountInvalid):
        return {str(error.fields["field"]): visit.text("field.amount.invalid")}
    if isinstance(error, RequestInvalid):
        return _by_field(visit, error) or {at: visit.text("field.invalid")}
    raise error


def _by_field(visit: Visit, error: RequestInvalid) -> dict[str, str]:
    named = msgspec.convert(error.fields.get("fields", []), type=list[dict[str, str]])
    return {each["field"]: _sentence(visit, each["field"], each["reason"]) for each in named}


def _sentence(visit: Visit, field: str, reason: str) -> str:
    if field == "password":
        if reason == "length":
            return visit.text("field.password.short", count=LENGTH_MIN)
        return visit.text("sign_in.password.common")
    return visit.text(_FIELDS.get(field, "field.invalid"))
