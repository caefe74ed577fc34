"""The page that explains what one call cost: tokens by class, prices, exchange rate, markup, rounding.

Owns: the path /usage/calls/{id}. Refuses to know: prices; the calculation comes from the tariff that was pinned with
the call, and is the same that the API gives.
"""

from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from ileen import catalogue
from ileen.base.money import write
from ileen.ledger.reads import Call
from ileen.web import views, wording
from ileen.web.pages.desk import Pages
from ileen.web.pages.needs import Needs
from ileen.web.pages.usage import cost
from ileen.web.pages.visit import Visit

pages = Pages()


@pages.get("/usage/calls/{id}", needs=Needs.MEMBER)
def show_call(visit: Visit) -> Response:
    """Explain a call: what was used, and each step from the provider's price to what was taken."""
    call = visit.house.ledger.call(visit.caller.wallet, views.hold_id(visit.part("id"), what="call"))
    explanation: Mapping[str, Any] | None = visit.house.quotes.explain(call)
    return visit.render(
        "call.html",
        title=_title(visit, call),
        call=views.call(call),
        facts=_facts(visit, call),
        state=call.hold.state.value,
        reserved=catalogue.cost(visit.locale, write(call.hold.amount)),
        charge=cost(visit.locale, call),
        lines=[] if explanation is None else _lines(visit, explanation),
        steps=[] if explanation is None else _steps(visit, explanation),
        tier=_tier(visit, explanation),
    )


def _title(visit: Visit, call: Call) -> str:
    if call.charge is not None:
        return visit.text("call.title", amount=catalogue.cost(visit.locale, write(call.charge)))
    return visit.text("call.title.running" if call.hold.state.value == "open" else "call.title.free")


def _facts(visit: Visit, call: Call) -> list[tuple[str, str]]:
    of = call.hold.attribution
    return [
        (visit.text("usage.when"), visit.moment(call.hold.created_at)),
        (visit.text("usage.mode"), wording.group(visit.locale, of.mode or "")),
        (visit.text("usage.activity"), wording.group(visit.locale, of.activity or "")),
        (visit.text("usage.model"), of.model or "–"),
        (visit.text("call.run"), of.run or "–"),
        ("ID", views.call_id(call.hold.id)),
    ]


def _tier(visit: Visit, explanation: Mapping[str, Any] | None) -> str | None:
    above = 0 if explanation is None else explanation["context_tier_above"]
    return catalogue.number(visit.locale, above) if above else None


def _lines(visit: Visit, explanation: Mapping[str, Any]) -> list[dict[str, str]]:
    return [
        {
            "class": visit.text(f"call.class.{line['class']}"),
            "tokens": catalogue.number(visit.locale, line["tokens"]),
            "price": _dollars(visit.locale, line["usd_per_mtok"]),
            "usd": _dollars(visit.locale, line["usd"]),
        }
        for line in explanation["lines"]
    ]


def _steps(visit: Visit, of: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the calculation, a line for each step, from the provider's dollars to the credits taken."""
    locale, exchange = visit.locale, of["exchange"]
    listed = visit.text("call.list", source=of["price_source"], date=catalogue.day(locale, of["price_date"]))
    day = catalogue.day(locale, exchange["date"])
    steps = [(f"{visit.text('call.provider')}. {listed}", _dollars(locale, of["usd"]))]
    if of["usd_per_request"] != "0":
        steps.insert(0, (visit.text("call.request"), _dollars(locale, of["usd_per_request"])))
    if "usd_per_eur" in exchange:
        rate = visit.text("call.exchange.usd", rate=_plain(locale, exchange["usd_per_eur"]))
    else:
        rate = visit.text("call.exchange.eur", rate=_plain(locale, exchange["eur_per_usd"]))
    steps.append((visit.text("call.exchange", source=exchange["source"], date=day), rate))
    name = wording.group(locale, of["activity"] or of["mode"] or "")
    tariff = visit.text("call.markup", name=name, card=of["rate_card"], tier=of["complexity"])
    steps.append((tariff, f"× {_plain(locale, of['markup'])}"))
    if of["fee"] != "0":
        steps.append((visit.text("call.fee"), catalogue.cost(locale, of["fee"])))
    charge = f"{visit.text('call.charge')}. {visit.text('call.rounding')}"
    return [*steps, (charge, catalogue.cost(locale, of["charge"]))]


def _dollars(locale: str, amount: str) -> str:
    return catalogue.cost(locale, amount, "USD")


def _plain(locale: str, amount: str) -> str:
    return catalogue.decimal(locale, amount)
