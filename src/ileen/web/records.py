"""What is kept of a measured call beside its charge: enough to calculate the charge again, and its timing.

Owns: the reading of records, the gateway's and the API's own, and the writing of the latter.
Refuses to know: prices. A record names its token classes under `tokens`; calls whose amount the application gave
itself have none. Members that this version does not know are passed over.
"""

import msgspec

from ileen.pricing import TokenUsage


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """A record, as far as answers show it. Instants are RFC 3339 in UTC."""

    tokens: TokenUsage | None = None
    surface: str | None = None
    answered_model: str | None = None
    streamed: bool | None = None
    started_at: str | None = None
    first_chunk_at: str | None = None
    ended_at: str | None = None


_decode = msgspec.json.Decoder(Record).decode


def read_record(text: str | None) -> Record:
    """Read the record of a call; one that has not completed has an empty one."""
    return Record() if text is None else _decode(text)


def write_record(surface: str, usage: TokenUsage) -> str:
    """Write the record of a call that an application reported."""
    return msgspec.json.encode({"surface": surface, "tokens": usage.classes()}).decode()
