"""Figures about usage: what went where on which day, against the days before, and how long the balance may last.

Owns: the sums that the usage page, its CSV and the elements show. Refuses to know: languages, HTML, who asks.
F1  every figure is a sum of the same daily sums: charts, tables, the sentence and the CSV cannot disagree.
F2  amounts are whole nano-credits; shares and changes are whole per mille, floored.
"""

from collections.abc import Sequence
from typing import Final, Literal

from msgspec import Struct

from ileen.base.clock import Clock, Instant
from ileen.base.ids import WalletId
from ileen.ledger import Ledger
from ileen.ledger.calendar import day_start, windows
from ileen.ledger.days import Spent
from ileen.ledger.model import Source

By = Literal["mode", "activity", "model"]
BYS: Final[tuple[By, ...]] = ("mode", "activity", "model")
SPANS: Final = (7, 30, 90)
"""How many days can be looked at, today included."""
SERIES_MAX: Final = 6
"""Names with a colour of their own; what is left is one more series, `OTHER`."""
OTHER: Final = "*"
"""The series of everything that is not among the largest. No mode, activity or model has this name."""
_PACE_DAYS: Final = 14
_WEEK: Final = 7
_ACTIVE_DAYS_MIN: Final = 3


class Choice(Struct, frozen=True, kw_only=True):
    """What is looked at: how many days, grouped by what, and only calls of these, if named."""

    days: int = 30
    by: By = "mode"
    mode: str | None = None
    activity: str | None = None
    model: str | None = None

    def takes(self, each: Spent) -> bool:
        """Tell whether a sum belongs to what is looked at."""
        return all(wanted in {None, getattr(each, name)} for name in BYS for wanted in [getattr(self, name)])


class Series(Struct, frozen=True, kw_only=True):
    """One name with what it came to, in all and by day."""

    name: str
    calls: int
    charge: int
    input_tokens: int
    output_tokens: int
    by_day: list[int]


class Acquired(Struct, frozen=True, kw_only=True):
    """Credits that came in on a day."""

    day: int
    source: Source
    amount: int


class Pace(Struct, frozen=True, kw_only=True):
    """How many days the balance lasts: at the median pace, at a fast one and at a slow one."""

    days: int
    low: int
    high: int


class Figures(Struct, frozen=True, kw_only=True):
    """Everything that is shown about one choice. Days run from `first` to `last`, ordinals in `time_zone`.

    `series` is what charts show, largest first; `names` is every name, for the table. `balances` has the balance at
    the end of each day, of today's the present one. `before` is what the same number of days before came to.
    """

    choice: Choice
    first: int
    last: int
    time_zone: str
    series: list[Series]
    names: list[Series]
    total: int
    before: int
    balances: list[int]
    acquired: list[Acquired]
    pace: Pace | None
    choices: dict[str, list[str]]


def look(ledger: Ledger, wallet_id: WalletId, choice: Choice, *, clock: Clock) -> Figures:
    """Read and add up what a choice shows. Blocking. Raises: NotFound."""
    wallet = ledger.wallet(wallet_id)
    last, _ = windows(clock.now(), wallet.time_zone)
    first = last - choice.days + 1
    known = ledger.spent(wallet_id, first=min(first - choice.days, last - _PACE_DAYS), last=last)
    shown = [each for each in known if first <= each.day <= last and choice.takes(each)]
    before = [each for each in known if first - choice.days <= each.day < first and choice.takes(each)]
    ends = [day_start(day + 1, wallet.time_zone) for day in range(first, last)]
    names = _series(shown, choice.by, first=first, days=choice.days)
    return Figures(
        choice=choice,
        first=first,
        last=last,
        time_zone=wallet.time_zone,
        series=_largest(names),
        names=names,
        total=sum(each.charge for each in shown),
        before=sum(each.charge for each in before),
        balances=[*ledger.balances(wallet_id, ends), wallet.settled],
        acquired=_acquired(ledger, wallet_id, first=first, time_zone=wallet.time_zone),
        pace=pace(_by_day(known, first=last - _PACE_DAYS, days=_PACE_DAYS), wallet.settled),
        choices={name: sorted({getattr(each, name) for each in known} - {""}) for name in BYS},
    )


def pace(days: Sequence[int], balance: int) -> Pace | None:
    """Return how long a balance lasts at the pace of some whole days; None with fewer than three days of use.

    Each stretch of seven days has every weekday once, so weekends weigh what they do. The median stretch is the pace,
    the stretches at a fifth and at four fifths are the slow and the fast one.
    """
    if sum(1 for charge in days if charge > 0) < _ACTIVE_DAYS_MIN or balance <= 0:
        return None
    weeks = sorted(sum(days[start : start + _WEEK]) for start in range(len(days) - _WEEK + 1))
    slow, median, fast = (max(weeks[(len(weeks) - 1) * tenths // 10], 1) for tenths in (2, 5, 8))
    return Pace(days=balance * _WEEK // median, low=balance * _WEEK // fast, high=balance * _WEEK // slow)


def per_mille(part: int, whole: int) -> int:
    """Return how many thousandths of `whole` a part is, floored; 0 of nothing."""
    return part * 1000 // whole if whole else 0


def _series(shown: list[Spent], by: By, *, first: int, days: int) -> list[Series]:
    grouped: dict[str, list[Spent]] = {}
    for each in shown:
        grouped.setdefault(getattr(each, by), []).append(each)
    made = [
        Series(
            name=name,
            calls=sum(each.calls for each in group),
            charge=sum(each.charge for each in group),
            input_tokens=sum(each.input_tokens for each in group),
            output_tokens=sum(each.output_tokens for each in group),
            by_day=_by_day(group, first=first, days=days),
        )
        for name, group in grouped.items()
    ]
    return sorted(made, key=lambda each: (-each.charge, each.name))


def _by_day(group: list[Spent], *, first: int, days: int) -> list[int]:
    sums = [0] * days
    for each in group:
        if first <= each.day < first + days:
            sums[each.day - first] += each.charge
    return sums


def _largest(names: list[Series]) -> list[Series]:
    """Keep the largest series and add the others up into one."""
    if len(names) <= SERIES_MAX:
        return names
    rest = names[SERIES_MAX:]
    other = Series(
        name=OTHER,
        calls=sum(each.calls for each in rest),
        charge=sum(each.charge for each in rest),
        input_tokens=sum(each.input_tokens for each in rest),
        output_tokens=sum(each.output_tokens for each in rest),
        by_day=[sum(column) for column in zip(*(each.by_day for each in rest), strict=True)],
    )
    return [*names[:SERIES_MAX], other]


def _acquired(ledger: Ledger, wallet: WalletId, *, first: int, time_zone: str) -> list[Acquired]:
    since: Instant = day_start(first, time_zone)
    found = sorted((each for each in ledger.lots(wallet) if each.created_at >= since), key=lambda lot: lot.created_at)
    return [
        Acquired(day=windows(each.created_at, time_zone)[0], source=each.source, amount=each.amount) for each in found
    ]
