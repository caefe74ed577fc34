"""The live balance: told at once, told when it changes, not told twice; and nobody can listen without end."""

import asyncio

import pytest

from ileen.base.errors import TooManyAttempts
from ileen.base.ids import wallet_of
from ileen.ledger.model import Wallet
from ileen.web.live import Watch


async def news(following) -> Wallet:
    """The next change; a second is what the reader of a screen is promised."""
    async with asyncio.timeout(1):
        async for wallet in following:
            if wallet is not None:
                return wallet
    raise AssertionError("the stream ended")


async def test_a_change_is_told_within_a_second_and_only_once(world) -> None:
    """It is not who writes that tells: another process could have."""
    mine = wallet_of(world.account.id)
    following = Watch(world.ledger).follow(mine, after=None)
    first = await news(following)
    await world.http.post("/v1/charges", json={"amount": "1.00"})
    second = await news(following)

    assert (first.settled, second.settled) == (5_000_000_000, 4_000_000_000)
    await following.aclose()


async def test_who_comes_back_is_told_only_what_is_new(world) -> None:
    mine = wallet_of(world.account.id)
    watch = Watch(world.ledger)
    following = watch.follow(mine, after=world.ledger.wallet(mine).seq)
    seen = [await anext(following) for _ in range(2)]
    world.fund(world.account, "1.00")
    told = await news(following)

    assert seen == [None, None]
    assert told.settled == 6_000_000_000
    await following.aclose()


async def test_one_account_cannot_take_every_place(world) -> None:
    mine = wallet_of(world.account.id)
    watch = Watch(world.ledger)
    listening = [watch.follow(mine, after=None) for _ in range(20)]
    for each in listening:
        await anext(each)

    with pytest.raises(TooManyAttempts):
        watch.check_room(mine)
    await listening.pop().aclose()
    watch.check_room(mine)
    for each in listening:
        await each.aclose()


async def test_the_stream_is_for_who_may_see_the_balance(world) -> None:
    _, spending = world.accounts.create_key(world.account.id, name="agent", scopes={"spend"})
    refused = await world.http.get("/v1/events/stream", headers={"Authorization": f"Bearer {spending}"})

    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
