"""Charts drawn on the server: shapes in a box of 1000 by 300, which the page stretches to its own size. Pure.

Owns: scales and coordinates. Refuses to know: languages, colours, HTML. Text stands beside a drawing, never in it: it
would be stretched too. A drawing is decoration for those who see it; the table beside it says the same to everybody.
"""

from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from ileen.base.money import NANO

WIDTH: Final = 1000
HEIGHT: Final = 300
_GAP: Final = 5
"""What a column leaves free for its neighbour, as a part of its slot: a fifth."""
_CENT: Final = NANO // 100


class Box(Struct, frozen=True):
    """A rectangle of the series `series`."""

    x: int
    y: int
    width: int
    height: int
    series: int


class Columns(Struct, frozen=True):
    """Stacked columns, one list of boxes for each day. `top` is the amount at the upper edge."""

    top: int
    days: list[list[Box]]


class Dot(Struct, frozen=True):
    """A mark on the line of a balance."""

    x: int
    y: int
    index: int


class Line(Struct, frozen=True):
    """A line of steps with the area below it, as SVG paths, and marks. `top` and `bottom` are amounts."""

    top: int
    bottom: int
    line: str
    area: str
    dots: list[Dot]


def ceiling(amount: int) -> int:
    """Return the nearest 1, 2, 4 or 5 times a power of ten that is not below an amount, at least two cents."""
    step = _CENT
    while True:
        for factor in (2, 4, 5, 10):
            if step * factor >= amount:
                return step * factor
        step *= 10


def columns(series: Sequence[Sequence[int]]) -> Columns:
    """Draw amounts by day, the first series at the bottom."""
    totals = [sum(day) for day in zip(*series, strict=True)]
    top = ceiling(max(totals, default=0))
    slot = WIDTH // max(len(totals), 1)
    days: list[list[Box]] = []
    for day in range(len(totals)):
        boxes: list[Box] = []
        below = 0
        for index, amounts in enumerate(series):
            lower, upper = _up(below, top), _up(below + amounts[day], top)
            below += amounts[day]
            if upper > lower:
                width = slot - slot // _GAP
                boxes.append(Box(day * slot + slot // _GAP // 2, HEIGHT - upper, width, upper - lower, index))
        days.append(boxes)
    return Columns(top, days)


def line(balances: Sequence[int], marks: Sequence[int]) -> Line:
    """Draw the balance at the end of each day as steps; `marks` are the days with a dot, in their order."""
    top, bottom = ceiling(max([*balances, 0])), min([*balances, 0])
    bottom = -ceiling(-bottom) if bottom < 0 else 0
    slot = WIDTH // max(len(balances), 1)
    heights = [_height(amount, top, bottom) for amount in balances]
    steps = [f"{'M' if index == 0 else 'L'}{index * slot} {y}H{(index + 1) * slot}" for index, y in enumerate(heights)]
    path = "".join(steps)
    zero = _height(0, top, bottom)
    area = f"{path}V{zero}H0Z" if path else ""
    dots = [Dot(day * slot + slot // 2, heights[day], index) for index, day in enumerate(marks)]
    return Line(top, bottom, path, area, dots)


def _up(amount: int, top: int) -> int:
    return amount * HEIGHT // top


def _height(amount: int, top: int, bottom: int) -> int:
    return HEIGHT - (amount - bottom) * HEIGHT // (top - bottom)
