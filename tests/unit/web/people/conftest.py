"""The pages about people, on both databases, without an identity provider."""

import pytest

from ileen.web.pages import site
from people_site import Site


@pytest.fixture
def ours(world) -> Site:
    return Site(site.build(world.house), world.house.public_url, world.people, world.database)
