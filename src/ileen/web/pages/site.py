"""The site: which rooms of pages there are, and what stands in the navigation.

Owns: the list of rooms, what is served. Refuses to know: the pages themselves.
"""

from typing import Final

from starlette.applications import Starlette

from ileen.web.house import House
from ileen.web.pages import desk
from ileen.web.pages.desk import Pages

ROOMS: Final[tuple[Pages, ...]] = ()
"""Every room of pages; a path belongs to one room only."""


def build(house: House) -> Starlette:
    """Build the application that serves all pages."""
    return desk.build(house, ROOMS)
