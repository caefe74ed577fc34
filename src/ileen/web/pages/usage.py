"""The usage page: where credits went by mode, agent, model and day, how long they last, and the list of calls.

Owns: the paths /usage, /usage/days.csv and /usage/calls.csv, what is chosen in the address. Refuses to know: sums
(`figures`) and shapes (`charts`). The address holds the whole choice, so it can be kept, sent and gone back to.
"""

import csv
import io
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any, Final
from urllib.parse import urlencode

from starlette.responses import Response

from ileen import catalogue
from ileen.base.ids import HoldId, body, is_id
from ileen.base.money import write
from ileen.ledger.reads import Call
from ileen.web import views, wording
from ileen.web.figures import BYS, SPANS, Choice, Figures, look, per_mille
from ileen.web.pages import charts
from ileen.web.pages.desk import Pages
from ileen.web.pages.gate import behind_gate
from ileen.web.pages.needs import Needs
from ileen.web.pages.visit import Visit

pages = Pages()
pages.in_menu("/usage", key="usage.title", needs=Needs.MEMBER, place=20)

_CALLS_SHOWN: Final = 20
_NAME_MAX: Final = 128
_YEAR_DAYS: Final = 365


@pages.get("/usage", needs=Needs.MEMBER)
@behind_gate
def show_usage(visit: Visit) -> Response:
    """Show the figures of a choice and its newest calls."""
    figures = look(visit.house.ledger, visit.caller.wallet, choice_of(visit), clock=visit.house.clock)
    calls = _calls(visit, figures.choice)
    return visit.render(
        "usage.html",
        figures=figures,
        said=Said(visit.locale, figures),
        summary=summary(visit.locale, figures),
        pace=pace(visit.locale, figures),
        columns=charts.columns([each.by_day for each in figures.series]),
        line=charts.line(figures.balances, [each.day - figures.first for each in figures.acquired]),
        days=[catalogue.day(visit.locale, _iso(day)) for day in range(figures.first, figures.last + 1)],
        options=_options(visit, figures),
        query=_query(figures.choice),
        calls=[call_row(visit, each) for each in calls[:_CALLS_SHOWN]],
        older=views.call_id(calls[_CALLS_SHOWN - 1].hold.id) if len(calls) > _CALLS_SHOWN else None,
        cursor=visit.query("before"),
    )


@pages.get("/usage/days.csv", needs=Needs.MEMBER)
def download_days(visit: Visit) -> Response:
    """Answer with the figures as CSV: a line for each day and name with what it came to, exactly."""
    figures = look(visit.house.ledger, visit.caller.wallet, choice_of(visit), clock=visit.house.clock)
    lines = [
        [_iso(figures.first + day), each.name, write(charge)]
        for day in range(figures.choice.days)
        for each in figures.names
        if (charge := each.by_day[day])
    ]
    return _csv(visit, "usage", ["day", figures.choice.by, "credits"], lines)


@pages.get("/usage/calls.csv", needs=Needs.MEMBER)
def download_calls(visit: Visit) -> Response:
    """Answer with the calls that the page shows as CSV."""
    header = ["call", "at", "state", "mode", "activity", "model", "run", "input_tokens", "output_tokens", "credits"]
    shown = [views.call(each) for each in _calls(visit, choice_of(visit))[:_CALLS_SHOWN]]
    lines = [
        [
            each.id,
            each.created_at,
            each.state,
            *(getattr(each.attribution, name) or "" for name in ("mode", "activity", "model", "run")),
            str(each.input_tokens),
            str(each.output_tokens),
            each.charge or "",
        ]
        for each in shown
    ]
    return _csv(visit, "calls", header, lines)


class Said:
    """How the figures are written on the page."""

    def __init__(self, locale: str, figures: Figures) -> None:
        self._locale = locale
        self._figures = figures

    def name(self, name: str) -> str:
        """Write the name of a series."""
        return wording.group(self._locale, name)

    def amount(self, nano: int) -> str:
        """Write a sum of nano-credits."""
        return catalogue.sum_of(self._locale, write(nano))

    def share(self, nano: int) -> str:
        """Write which part of everything shown a sum is."""
        return _percent(self._locale, per_mille(nano, self._figures.total))

    def whole(self, count: int) -> str:
        """Write a number of things."""
        return catalogue.number(self._locale, count)

    def width(self, nano: int) -> int:
        """Return how long the bar of a sum is, in thousandths of the longest."""
        return per_mille(nano, self._figures.names[0].charge)

    def narrowed(self, name: str) -> str:
        """Return the query that shows only what one name stands for."""
        return _query(self._figures.choice, **{self._figures.choice.by: name})


def choice_of(visit: Visit) -> Choice:
    """Read what is looked at from the address; what makes no sense there is as if it were not."""
    days, by = visit.query("days"), visit.query("by")
    named = {name: visit.query(name)[:_NAME_MAX] or None for name in BYS}
    return Choice(
        days=int(days) if days in {str(each) for each in SPANS} else Choice().days,
        by=by if by in BYS else Choice().by,
        **named,
    )


def summary(locale: str, figures: Figures) -> str:
    """Say in a few words what was spent, against the days before, and what cost most."""
    days = figures.choice.days
    if not figures.names:
        return catalogue.text(locale, "usage.none" if not figures.before else "usage.none_here")
    said = [catalogue.text(locale, "usage.summary", amount=catalogue.sum_of(locale, write(figures.total)), count=days)]
    if figures.before:
        change = per_mille(abs(figures.total - figures.before), figures.before)
        key = "usage.more" if figures.total >= figures.before else "usage.less"
        said.append(catalogue.text(locale, key, percent=_percent(locale, change)))
    largest = figures.names[0]
    share = _percent(locale, per_mille(largest.charge, figures.total))
    said.append(catalogue.text(locale, "usage.most", name=wording.group(locale, largest.name), share=share))
    return " ".join(said)


def pace(locale: str, figures: Figures) -> str:
    """Say how long the balance lasts, as a range: one exact day would be a pretence."""
    found = figures.pace
    if found is None:
        return catalogue.text(locale, "usage.pace.none")
    if found.days > _YEAR_DAYS:
        return catalogue.text(locale, "usage.pace.long")
    high = min(found.high, _YEAR_DAYS)
    days = catalogue.text(locale, "usage.pace.days", count=found.days)
    low, most = (catalogue.number(locale, count) for count in (found.low, high))
    return catalogue.text(locale, "usage.pace", days=days, low=low, high=most)


def call_row(visit: Visit, call: Call) -> dict[str, Any]:
    """Return what a row of the calls says."""
    hold = call.hold
    return {
        "id": views.call_id(hold.id),
        "at": visit.moment(hold.created_at),
        "activity": wording.group(visit.locale, hold.attribution.activity or ""),
        "model": hold.attribution.model,
        "input": catalogue.number(visit.locale, call.input_tokens),
        "output": catalogue.number(visit.locale, call.output_tokens),
        "cost": cost(visit.locale, call),
    }


def cost(locale: str, call: Call) -> str:
    """Say what a call cost, or that it was free, or that it is still running."""
    if call.charge is not None:
        return catalogue.cost(locale, write(call.charge))
    if call.hold.state.value == "open":
        return catalogue.text(locale, "usage.running", amount=catalogue.cost(locale, write(call.hold.amount)))
    return catalogue.text(locale, "usage.free")


def _calls(visit: Visit, choice: Choice) -> list[Call]:
    """Return the calls of a page and one more, which tells that there is a next page."""
    cursor = visit.query("before")
    return visit.house.ledger.calls(
        visit.caller.wallet,
        limit=_CALLS_SHOWN + 1,
        before=HoldId("hold_" + body(cursor)) if is_id(cursor, "call") else None,
        mode=choice.mode,
        activity=choice.activity,
        model=choice.model,
    )


def _options(visit: Visit, figures: Figures) -> dict[str, list[tuple[str, str]]]:
    """Return what the form offers: spans, groupings, and the names that were used."""
    everything = [("", visit.text("usage.all"))]
    named = {
        name: everything + [(each, wording.group(visit.locale, each)) for each in _offered(figures, name)]
        for name in BYS
    }
    return {
        "days": [(str(days), visit.text("usage.days", count=days)) for days in SPANS],
        "by": [(by, visit.text(f"usage.{by}")) for by in BYS],
        **named,
    }


def _offered(figures: Figures, name: str) -> Sequence[str]:
    chosen = getattr(figures.choice, name)
    known = figures.choices[name]
    return known if chosen is None or chosen in known else [chosen, *known]


def _query(choice: Choice, **other: str) -> str:
    """Return a choice, or a narrower one, as the query of an address."""
    named = {name: getattr(choice, name) for name in BYS} | other
    return urlencode({"days": choice.days, "by": choice.by, **{name: value for name, value in named.items() if value}})


def _percent(locale: str, tenths: int) -> str:
    return catalogue.percent(locale, f"{tenths // 10}.{tenths % 10}")


def _iso(day: int) -> str:
    return date.fromordinal(day).isoformat()


def _csv(visit: Visit, name: str, header: Sequence[str], lines: Iterable[Sequence[str]]) -> Response:
    """Answer with a file. A cell that a spreadsheet would calculate is kept from it by an apostrophe."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(header)
    writer.writerows([f"'{cell}" if cell[:1] in {"=", "+", "-", "@", "\t"} else cell for cell in row] for row in lines)
    answer = Response(text.getvalue(), media_type="text/csv; charset=utf-8")
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    return visit.finish(answer)
