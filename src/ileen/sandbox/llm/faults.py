"""Fault levers: what a developer can make the provider do wrong, by a header or a suffix of the model's name.

`Ileen-Sandbox-Fault: <fault>`, or `model#<fault>`; several are joined by commas.
status-500 (any 4xx or 5xx) · status-429-retry-2 · stall · cut-N · no-usage · wrong-usage · slow-first-MS · latency-MS
· pace-MS
"""

import re
from typing import Self

from msgspec import Struct


class Faults(Struct, frozen=True, kw_only=True):
    """The levers of one call. `cut` breaks the connection after that many chunks."""

    status: int | None = None
    retry_after_s: int | None = None
    stall: bool = False
    cut: int | None = None
    no_usage: bool = False
    wrong_usage: bool = False
    slow_first_ms: int = 0
    latency_ms: int = 0
    pace_ms: int = 0

    @classmethod
    def read(cls, text: str) -> Self:
        """Read the levers; a word that is none is passed over."""
        values: dict[str, object] = {}
        for word in text.replace(" ", "").split(","):
            if match := re.fullmatch(r"status-([45]\d\d)(?:-retry-(\d{1,4}))?", word):
                values["status"] = int(match[1])
                values["retry_after_s"] = int(match[2]) if match[2] else None
            elif match := re.fullmatch(r"cut-(\d{1,5})", word):
                values["cut"] = int(match[1])
            elif match := re.fullmatch(r"(slow-first|latency|pace)-(\d{1,6})", word):
                values[match[1].replace("-", "_") + "_ms"] = int(match[2])
            elif word in {"stall", "no-usage", "wrong-usage"}:
                values[word.replace("-", "_")] = True
        return cls(**values)  # pyright: ignore[reportArgumentType]  # each value was made for its field
