"""The server is killed between every two steps of a call, and of its first start; nothing is lost or done twice."""

import contextlib
import shutil
import time
from decimal import Decimal
from pathlib import Path
from subprocess import Popen
from typing import Any

import httpx2
import pytest

from running import account_names, breaches, calls, start, up, wallet

SHORT = {"ILEEN_CALL_TIMEOUT_S": "2", "ILEEN_HOLD_LIFETIME_S": "3"}
BODY: dict[str, Any] = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hello"}]}
# A start of a known wallet runs one command (the demo's grant, replayed), so that a call's authorize is the second
# batch and its capture the third.
STEPS = [
    "ledger.lane.loaded:2",
    "ledger.lane.written:2",
    "ledger.lane.committed:2",
    "gateway.call.held",
    "gateway.call.answered",
    "ledger.lane.loaded:3",
    "ledger.lane.written:3",
    "ledger.lane.committed:3",
    "gateway.call.captured",
]


@pytest.fixture(scope="module")
def started_before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data of a server that was started and stopped once, to be copied."""
    data = tmp_path_factory.mktemp("started")
    with up(data, **SHORT):
        pass
    return data


def call_until_killed(data: Path, point: str, *, stream: bool) -> None:
    child: Popen[str]
    child, facts = start(data, ILEEN_CRASH_AT=point, **SHORT)
    with contextlib.suppress(httpx2.TransportError):
        httpx2.post(
            f"{facts['openai_base_url']}/chat/completions",
            json={**BODY, "stream": stream},
            headers={"Authorization": f"Bearer {facts['api_key']}"},
            timeout=30,
        )
    assert child.wait(timeout=30) == -9, "the process was to be killed at this point"
    assert child.stdout is not None
    child.stdout.close()


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
@pytest.mark.parametrize("point", STEPS)
def test_a_call_killed_at_any_step_leaves_no_hold_and_no_double_charge(
    tmp_path: Path, started_before: Path, point: str, stream: bool
) -> None:
    shutil.copytree(started_before, tmp_path, dirs_exist_ok=True)
    call_until_killed(tmp_path, point, stream=stream)

    with up(tmp_path, **SHORT) as (facts, _):
        deadline = time.monotonic() + 30
        while Decimal(wallet(facts)["held"]) and time.monotonic() < deadline:
            time.sleep(0.2)
        shown, made = wallet(facts), calls(facts)

    assert Decimal(shown["held"]) == 0
    captured = point in {"ledger.lane.committed:3", "gateway.call.captured"}
    states = [] if point in STEPS[:2] else ["captured" if captured else "expired"]
    assert [call["state"] for call in made] == states
    charged = sum(Decimal(call["charge"] or 0) for call in made)
    assert (charged > 0) == captured
    assert Decimal(shown["settled"]) == 20 - charged
    assert breaches(tmp_path) == []


@pytest.mark.parametrize("batch", [1, 2, 3, 4])
@pytest.mark.parametrize("step", ["loaded", "written", "committed"])
def test_a_first_start_killed_at_any_step_grants_the_demo_credits_once(tmp_path: Path, step: str, batch: int) -> None:
    child, facts = start(tmp_path, ILEEN_CRASH_AT=f"ledger.lane.{step}:{batch}")
    assert facts == {}
    assert child.wait(timeout=30) == -9

    with up(tmp_path) as (again, _):
        assert Decimal(wallet(again)["settled"]) == 20
    assert breaches(tmp_path) == []
    assert account_names(tmp_path) == ["Demo"]
