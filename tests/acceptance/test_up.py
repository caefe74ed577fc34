"""`ileen up` as a newcomer meets it: one command, real clients, real sockets, real signals."""

import itertools
import json
import os
import subprocess
from decimal import Decimal
from pathlib import Path
from typing import Any

import anthropic
import httpx2
import openai

from running import ILEEN, breaches, calls, run, up, wallet


def test_up_holds_meters_and_captures_a_call_and_finds_its_data_again(tmp_path: Path) -> None:
    with up(tmp_path) as (facts, child):
        assert Decimal(wallet(facts)["settled"]) == 20
        client = openai.OpenAI(base_url=facts["openai_base_url"], api_key=facts["api_key"], max_retries=0)
        raw = client.chat.completions.with_raw_response.create(
            model="gpt-4o-mini",
            messages=[{"role": "user", "content": "What is a wallet?"}],
            extra_headers={"Ileen-Activity": "code_query", "Ileen-Run": "run-1"},
        )
        answer = raw.parse()
        assert "What is a wallet?" in str(answer.choices[0].message.content)
        charge = Decimal(raw.headers["Ileen-Charge"])
        assert charge > 0
        assert Decimal(wallet(facts)["settled"]) == 20 - charge == Decimal(raw.headers["Ileen-Balance"])
        call = raw.headers["Ileen-Call-Id"]
    assert child.returncode == 0

    with up(tmp_path) as (again, _):
        assert (again["api_key"], again["account_id"]) == (facts["api_key"], facts["account_id"])
        assert Decimal(wallet(again)["settled"]) == 20 - charge

    shown = json.loads(run(tmp_path, "wallet", "--json"))
    assert Decimal(shown["spent"]) == charge
    [listed] = json.loads(run(tmp_path, "calls", "--json"))
    assert (listed["call"], Decimal(listed["charge"]), listed["activity"]) == (call, charge, "code_query")
    assert [e["kind"] for e in json.loads(run(tmp_path, "journal", "--json"))][-1] == "fund"
    explained = json.loads(run(tmp_path, "prices", "explain", call, "--json"))
    assert Decimal(explained["charge"]) == charge
    assert json.loads(run(tmp_path, "audit", "--json"))["breaches"] == []


def test_every_surface_of_the_official_clients_is_charged_exactly(tmp_path: Path) -> None:
    with up(tmp_path) as (facts, _):
        client = openai.OpenAI(base_url=facts["openai_base_url"], api_key=facts["api_key"], max_retries=0)
        claude = anthropic.Anthropic(base_url=facts["anthropic_base_url"], api_key=facts["api_key"], max_retries=0)
        hello: Any = [{"role": "user", "content": "Hello"}]
        picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
        tool = {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}
        cached: Any = [{"type": "text", "text": "Rules. " * 300, "cache_control": {"type": "ephemeral"}}]

        def chat_stream() -> None:
            chunks = list(client.chat.completions.create(model="gpt-4o-mini", messages=hello, stream=True))
            assert all(chunk.usage is None for chunk in chunks), "usage that was not asked for is not shown"
            assert all(chunk.choices for chunk in chunks)

        def claude_stream() -> None:
            with claude.messages.stream(model="claude-haiku-4-5", max_tokens=200, messages=hello) as stream:
                assert "Hello" in stream.get_final_text()

        def responses_stream() -> None:
            events = list(client.responses.create(model="gpt-5-mini", input="Hello", stream=True))
            assert events[-1].type == "response.completed"

        surfaces = {
            "chat": lambda: client.chat.completions.create(model="gpt-4o-mini", messages=hello),
            "chat stream": chat_stream,
            "chat tools": lambda: client.chat.completions.create(
                model="gpt-4o-mini", messages=[{"role": "user", "content": "Please call a tool"}], tools=[tool]
            ),
            "chat image": lambda: client.chat.completions.create(
                model="gpt-4o-mini",
                messages=[{"role": "user", "content": [{"type": "text", "text": "What is it?"}, picture]}],
            ),
            "responses": lambda: client.responses.create(model="gpt-5-mini", input="Hello"),
            "responses stream": responses_stream,
            "embeddings": lambda: client.embeddings.create(model="text-embedding-3-small", input=["a", "b"]),
            "messages": lambda: claude.messages.create(model="claude-haiku-4-5", max_tokens=100, messages=hello),
            "messages stream": claude_stream,
            "messages cached": lambda: claude.messages.create(
                model="claude-haiku-4-5", max_tokens=100, messages=hello, system=cached
            ),
        }
        before = Decimal(wallet(facts)["settled"])
        for name, call in surfaces.items():
            call()
            after = Decimal(wallet(facts)["settled"])
            newest = calls(facts)[0]
            assert newest["state"] == "captured", name
            assert before - after == Decimal(newest["charge"]) > 0, name
            before = after

        assert client.models.list().data and claude.models.list().data
        count = claude.messages.count_tokens(model="claude-haiku-4-5", messages=hello)
        assert count.input_tokens > 0
        assert Decimal(wallet(facts)["settled"]) == before, "asking about models and counting tokens is free"
        assert Decimal(wallet(facts)["held"]) == 0
    assert breaches(tmp_path) == []


def test_a_call_that_fails_costs_nothing(tmp_path: Path) -> None:
    faults = ("status-500", "status-429-retry-2", "no-usage", "wrong-usage", "cut-2")
    with up(tmp_path) as (facts, _):
        client = openai.OpenAI(base_url=facts["openai_base_url"], api_key=facts["api_key"], max_retries=0)
        for fault, stream in itertools.product(faults, (False, True)):
            try:
                answer = client.chat.completions.create(
                    model="gpt-4o-mini",
                    messages=[{"role": "user", "content": "Hello"}],
                    stream=stream,
                    extra_headers={"Ileen-Sandbox-Fault": fault},
                )
                if stream:
                    list(answer)
            except (openai.APIError, httpx2.HTTPError, httpx2.TransportError):
                pass
        shown = wallet(facts)
        assert (Decimal(shown["settled"]), Decimal(shown["held"])) == (20, 0)
        assert [call["state"] for call in calls(facts)] == ["voided"] * 2 * len(faults)


def test_a_wrong_setting_stops_the_start_with_one_sentence(tmp_path: Path) -> None:
    environment = {**os.environ, "ILEEN_DATA_DIR": str(tmp_path), "ILEEN_PORT": "eighty"}
    done = subprocess.run([*ILEEN, "up"], env=environment, capture_output=True, text=True, timeout=60)

    assert done.returncode == 1
    assert done.stderr.strip() == "ILEEN_PORT must be a whole number from 0 to 65535."


def test_a_killed_server_takes_its_sandbox_along_and_starts_again(tmp_path: Path) -> None:
    child = subprocess.Popen(
        [*ILEEN, "up", "--json", "--port", "0"],
        env={**os.environ, "ILEEN_DATA_DIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert child.stdout is not None
    facts = json.loads(child.stdout.readline())
    child.kill()
    child.wait()
    child.stdout.close()
    for _ in range(100):
        try:
            httpx2.get(f"{facts['sandbox_llm_url']}/_sandbox/state")
        except httpx2.TransportError:
            break
    else:
        raise AssertionError("the sandbox outlived its parent")

    with up(tmp_path) as (again, _):
        assert again["account_id"] == facts["account_id"]
        assert Decimal(wallet(again)["settled"]) == 20
