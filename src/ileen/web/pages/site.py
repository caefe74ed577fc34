"""The site: which rooms of pages there are, and the way in at `/`.

Owns: the list of rooms, what is served. Refuses to know: the pages themselves.
"""

from typing import Final

from starlette.applications import Starlette
from starlette.responses import Response

from ileen.web.house import House
from ileen.web.pages import (
    account,
    activity,
    alerts,
    billing,
    buy,
    desk,
    explained,
    gate,
    keys,
    members,
    payer,
    refill,
    refund,
    sign_in,
    sign_up,
    usage,
)
from ileen.web.pages.desk import Pages
from ileen.web.pages.needs import Needs
from ileen.web.pages.visit import Visit

pages = Pages()
ROOMS: Final[tuple[Pages, ...]] = (
    pages,
    sign_up.pages,
    sign_in.pages,
    members.pages,
    keys.pages,
    activity.pages,
    usage.pages,
    explained.pages,
    account.pages,
)
"""Every room of pages; a path belongs to one room only."""
SELLING: Final[tuple[Pages, ...]] = (
    gate.pages,
    billing.pages,
    buy.pages,
    refill.pages,
    refund.pages,
    alerts.pages,
    payer.pages,
)
"""Rooms that are there only where something can be bought."""


def build(house: House) -> Starlette:
    """Build the application that serves all pages."""
    rooms = ROOMS if house.billing is None else (*ROOMS, *SELLING)
    return desk.build(house, (*rooms, _lodging(house.lodging)) if house.lodging else rooms)


def _lodging(path: str) -> Pages:
    """Return the entry of the navigation that leads to the application beside us, first of all."""
    entry = Pages()
    entry.in_menu(path, key="nav.studio", needs=Needs.MEMBER, place=0)
    return entry


@pages.get("/", needs=Needs.ANYONE)
def show_way_in(visit: Visit) -> Response:
    """Lead to where the reader belongs: strangers to the sign-up, people to the first page of their navigation."""
    if visit.signed is None:
        return visit.redirect("/sign-up", flash=visit.flash)
    menu = visit.navigation
    return visit.redirect(menu[0]["path"] if menu else "/account/profile", flash=visit.flash)
