"""The index of files: cut into chunks, found again by the likeness of their vectors. Pure.

Owns: the size of chunks, and what counts as alike. Refuses to know: models, and where chunks are kept.
"""

from collections.abc import Sequence
from math import sqrt
from operator import mul
from typing import Final

from msgspec import Struct

from ileen.studio.model import File
from ileen.studio.store import Chunk

LINES: Final = 40
"""Lines of a chunk: about a function with what stands around it."""
OVERLAP: Final = 8
"""Lines that a chunk shares with the one before, so that nothing is cut in two without a whole of it somewhere."""
CHARACTERS_MAX: Final = 6_000
"""A longer chunk (minified code, data) is cut: models embed a few thousand tokens at most."""


class Piece(Struct, frozen=True, kw_only=True):
    """A chunk before it has a vector; lines are counted from 1."""

    path: str
    first: int
    last: int
    text: str

    @property
    def shown(self) -> str:
        """The piece as models are shown it: its place first."""
        return f"{self.path}, lines {self.first} to {self.last}:\n{self.text}"


def cut(file: File) -> list[Piece]:
    """Cut a file into overlapping pieces; one without a word yields none."""
    lines = file.text.splitlines()
    found: list[Piece] = []
    for start in range(0, max(len(lines) - OVERLAP, 1), LINES - OVERLAP):
        some = lines[start : start + LINES]
        text = "\n".join(some)[:CHARACTERS_MAX]
        if text.strip():
            found.append(Piece(path=file.path, first=start + 1, last=start + len(some), text=text))
    return found


def nearest(chunks: Sequence[Chunk], to: Sequence[float], *, count: int) -> list[Chunk]:
    """Return the chunks most alike to a vector, the most alike first."""
    return sorted(chunks, key=lambda chunk: _likeness(chunk.vector, to), reverse=True)[:count]


def _likeness(one: Sequence[float], other: Sequence[float]) -> float:
    """Return the cosine of two vectors; vectors of different models (other lengths) have nothing in common."""
    if len(one) != len(other):
        return -1.0
    lengths = sqrt(sum(map(mul, one, one)) * sum(map(mul, other, other)))
    return sum(map(mul, one, other)) / lengths if lengths else -1.0
