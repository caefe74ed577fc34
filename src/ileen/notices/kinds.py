"""The kinds of mail, each declared once: what it must be told, and which sentences and figures it shows.

To add a mail: declare it here and write its sentences `mail.<kind>.subject`, `.preheader`, `.heading`, the
paragraphs named here, and `.button` if it has a link, in every language. Tests render each kind in each language.
"""

from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from ileen.notices.fields import Field, clean


class ValuesWrong(ValueError):
    """A mail was owed with a value missing, unknown or of the wrong type: a mistake in the program."""


class Kind(Struct, frozen=True, kw_only=True):
    """A kind of mail. Every sentence may name any field, and `brand`, `seller`, `support` and `to`."""

    fields: Mapping[str, Field]
    optional: frozenset[str] = frozenset()
    before: tuple[str, ...]
    """Keys of the paragraphs above the figures; a leading dot stands for `mail.<kind>`."""
    figures: tuple[str, ...] = ()
    """Fields shown as a table, labelled `mail.label.<field>`; one without a value is left out."""
    notes: tuple[str, ...] = ()
    """Fields of type choice shown as sentences under the figures; one without a value is left out."""
    after: tuple[str, ...] = ()
    """Keys of the paragraphs under the notes."""
    link: str | None = None
    """The field the one button leads to."""

    @property
    def secrets(self) -> frozenset[str]:
        """The fields that carry a token."""
        return frozenset(name for name, field in self.fields.items() if field is Field.SECRET_LINK)


_RECEIPT: Final[Mapping[str, Field]] = {
    "credits": Field.MONEY,
    "net": Field.MONEY,
    "vat": Field.MONEY,
    "vat_rate": Field.PERCENT,
    "tax": Field.CHOICE,
    "total": Field.MONEY,
    "card": Field.LINE,
    "invoice_number": Field.LINE,
    "invoice": Field.LINK,
    "balance": Field.BALANCE,
    "refundable_until": Field.MOMENT,
    "time_zone": Field.ZONE,
}

_REFUND: Final[Mapping[str, Field]] = {"credits": Field.MONEY, "refunded": Field.MONEY, "link": Field.LINK}
_REFUND_RECEIVED: Final = Kind(
    fields={
        **_REFUND,
        "vat": Field.MONEY,
        "card": Field.LINE,
        "invoice_number": Field.LINE,
        "bought_at": Field.MOMENT,
        "at": Field.MOMENT,
        "time_zone": Field.ZONE,
        "refund_stage": Field.CHOICE,
    },
    before=(".body",),
    figures=("at", "invoice_number", "bought_at", "credits", "vat", "refunded", "card"),
    notes=("refund_stage",),
    link="link",
)

KINDS: Final[Mapping[str, Kind]] = {
    "receipt": Kind(
        fields=_RECEIPT,
        optional=frozenset({"vat_rate", "tax"}),
        before=(".body",),
        figures=("net", "vat_rate", "vat", "total", "card", "invoice_number", "balance"),
        notes=("tax",),
        after=(".refund",),
        link="invoice",
    ),
    "action_required": Kind(
        fields={
            "credits": Field.MONEY,
            "total": Field.MONEY,
            "card": Field.LINE,
            "expires_at": Field.MOMENT,
            "time_zone": Field.ZONE,
            "link": Field.LINK,
        },
        before=(".body", ".until"),
        link="link",
    ),
    "purchase_failed": Kind(
        fields={
            "credits": Field.MONEY,
            "total": Field.MONEY,
            "card": Field.LINE,
            "decline": Field.CHOICE,
            "link": Field.LINK,
        },
        before=(".body",),
        notes=("decline",),
        link="link",
    ),
    "refill_receipt": Kind(
        fields={**_RECEIPT, "threshold": Field.MONEY, "month": Field.MONEY, "settings": Field.LINK},
        optional=frozenset({"vat_rate", "tax"}),
        before=(".body",),
        figures=("net", "vat_rate", "vat", "total", "card", "invoice_number", "balance"),
        notes=("tax",),
        after=(".month", ".refund"),
        link="invoice",
    ),
    "refill_on": Kind(
        fields={"threshold": Field.MONEY, "credits": Field.MONEY, "link": Field.LINK},
        before=(".body", ".not_you"),
        link="link",
    ),
    "refill_off": Kind(fields={"link": Field.LINK}, before=(".body",), link="link"),
    "refill_failed": Kind(
        fields={
            "credits": Field.MONEY,
            "total": Field.MONEY,
            "card": Field.LINE,
            "decline": Field.CHOICE,
            "refill_next": Field.CHOICE,
            "link": Field.LINK,
        },
        optional=frozenset({"decline"}),
        before=(".body",),
        notes=("decline", "refill_next"),
        link="link",
    ),
    "refill_paused": Kind(
        fields={"refill_pause": Field.CHOICE, "link": Field.LINK},
        before=(".body",),
        notes=("refill_pause",),
        link="link",
    ),
    "low_balance": Kind(
        fields={"balance": Field.BALANCE, "runway": Field.CHOICE, "link": Field.LINK, "settings": Field.LINK},
        optional=frozenset({"runway"}),
        before=(".body",),
        notes=("runway",),
        after=("mail.alerts",),
        link="link",
    ),
    "out_of_credits": Kind(
        fields={"balance": Field.BALANCE, "link": Field.LINK, "settings": Field.LINK},
        before=(".body", ".saved"),
        after=("mail.alerts",),
        link="link",
    ),
    "card_expiring": Kind(
        fields={"card": Field.LINE, "expires_on": Field.DAY, "link": Field.LINK},
        before=(".body",),
        link="link",
    ),
    "withdrawal_received": _REFUND_RECEIVED,
    "refund_received": _REFUND_RECEIVED,
    "refund_done": Kind(
        fields={**_REFUND, "vat": Field.MONEY, "card": Field.LINE, "note_number": Field.LINE, "balance": Field.BALANCE},
        before=(".body",),
        figures=("credits", "vat", "refunded", "card", "note_number", "balance"),
        link="link",
    ),
    "refund_failed": Kind(fields=_REFUND, before=(".body",), link="link"),
    "refund_declined": Kind(fields={**_REFUND, "because": Field.LINE}, before=(".body", ".answer"), link="link"),
    "confirm_email": Kind(
        fields={"expires_at": Field.MOMENT, "time_zone": Field.ZONE, "link": Field.SECRET_LINK},
        before=(".body", "mail.until", "mail.not_you"),
        link="link",
    ),
    "sign_in_link": Kind(
        fields={"expires_at": Field.MOMENT, "time_zone": Field.ZONE, "link": Field.SECRET_LINK},
        before=(".body", "mail.until", "mail.not_you"),
        link="link",
    ),
    "reset_password": Kind(
        fields={"expires_at": Field.MOMENT, "time_zone": Field.ZONE, "link": Field.SECRET_LINK},
        before=(".body", "mail.until", "mail.not_you"),
        link="link",
    ),
    "invitation": Kind(
        fields={
            "inviter": Field.LINE,
            "account": Field.LINE,
            "role": Field.CHOICE,
            "expires_at": Field.MOMENT,
            "time_zone": Field.ZONE,
            "link": Field.SECRET_LINK,
        },
        before=(".body", "mail.until"),
        link="link",
    ),
    "new_sign_in": Kind(
        fields={
            "at": Field.MOMENT,
            "time_zone": Field.ZONE,
            "device": Field.LINE,
            "place": Field.LINE,
            "link": Field.LINK,
        },
        optional=frozenset({"place"}),
        before=(".body",),
        figures=("at", "device", "place"),
        after=(".advice",),
        link="link",
    ),
    "alarm": Kind(
        fields={
            "summary": Field.LINE,
            "detail": Field.PROSE,
            "at": Field.MOMENT,
            "time_zone": Field.ZONE,
            "link": Field.LINK,
        },
        before=(".body",),
        figures=("at",),
        link="link",
    ),
}
"""Every kind of mail."""


def check(kind: str, values: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """Return the values to keep and, apart, those to blank once sent. Raises: ValuesWrong."""
    declared = KINDS.get(kind)
    if declared is None:
        raise ValuesWrong(f"There is no kind of notice '{kind}'.")
    required = set(declared.fields) - declared.optional
    if not required <= set(values) <= set(declared.fields):
        odd = ", ".join(sorted(required - set(values) | set(values) - set(declared.fields)))
        raise ValuesWrong(f"A notice of kind '{kind}' has values missing or unknown: {odd}.")
    try:
        kept = {name: clean(name, declared.fields[name], value) for name, value in values.items()}
    except ValueError as error:
        raise ValuesWrong(f"A notice of kind '{kind}' has a wrong value: {error}.") from error
    secrets = {name: kept.pop(name) for name in declared.secrets}
    return kept, secrets
