"""The studio as people use it: every agent with real calls through the gateway, stopping, running out, other people."""

import io
import sqlite3
import zipfile
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx2
import pytest

from running import up
from studio_guest import StudioGuest

FAST, CLAUDE, SLOW = "gpt-4o-mini#pace-0", "claude-haiku-4-5#pace-0", "gpt-4o-mini#slow-first-2000"
CODE = {
    "app/wallet.py": "class Wallet:\n    def debit(self):\n        pass\n",
    "app/mail.py": "def send_mail(to): ...\n",
}
LOG = "abc1234 Add refunds\nbcd2345 Merge branch 'next'\ncde3456 Fix rounding of totals"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("studio")


@pytest.fixture(scope="module")
def product(data: Path) -> Iterator[dict[str, Any]]:
    with up(data, ILEEN_STUDIO_MODELS=f"{FAST},{CLAUDE},{SLOW}") as (facts, _):
        yield facts


@pytest.fixture(scope="module")
def ada(product: dict[str, Any]) -> Iterator[StudioGuest]:
    with StudioGuest.at(product) as guest:
        guest.pass_gate()
        yield guest


@pytest.fixture
def eve(product: dict[str, Any]) -> Iterator[StudioGuest]:
    with StudioGuest.at(product) as guest:
        guest.pass_gate()
        yield guest


def packed() -> tuple[str, bytes]:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for path, text in CODE.items():
            archive.writestr(path, text)
        archive.writestr(".git/config", "not to be read")
    return "code.zip", content.getvalue()


def api(data: Path, guest: StudioGuest) -> httpx2.Client:
    """A client with the studio's key of the account that used the studio last."""
    with closing(sqlite3.connect(data / "studio.sqlite3")) as file:
        (secret,) = file.execute("SELECT secret FROM account_key ORDER BY rowid DESC LIMIT 1").fetchone()
    return httpx2.Client(base_url=guest.url, headers={"Authorization": f"Bearer {secret}"}, trust_env=False)


@pytest.mark.parametrize(
    ("agent", "typed", "shown"),
    [
        ("design/architect_chat", {"message": "Where do invoices go?"}, "Where do invoices go?"),
        ("design/plan_generation", {"goal": "Launch a beta"}, "3. "),
        ("design/tech_leader_architecture", {"requirements": "A queue"}, "Risks"),
        ("design/milestone_and_task_generation", {"plan": "Build it"}, "Done when:"),
        ("develop/prompt_engineer", {"goal": "short", "prompt": "Answer."}, "A better prompt"),
        ("develop/task_queue_execution", {"tasks": "Name it\n- Draw it\n\nSell it"}, "Sell it Done"),
        ("content/social_post", {"platform": "X", "topic": "Launch"}, "of at most 280 characters"),
        ("content/general_content", {"kind": "email", "topic": "Launch"}, "You asked: “Launch”"),
        ("content/content_review", {"text": "We does good."}, "change"),
        ("content/changelog", {"log": LOG}, "2 commits were read. You asked: “- Add refunds - Fix rounding"),
        ("deploy/deploy_agent", {"message": "deploy 1.4.2 to staging"}, "Deployed 1.4.2 to staging."),
        ("deploy/deployment_gate", {"version": "1.4.2", "evidence": "All pass"}, "Somebody would notice a failure"),
    ],
)
def test_an_agent_answers_and_tells_what_it_cost(
    ada: StudioGuest, agent: str, typed: dict[str, str], shown: str
) -> None:
    page = ada.ended(ada.run(agent, **typed))

    assert shown in page.text
    assert "Credits so far €0.0" in page.text and "/usage/calls/call_" in " ".join(page.links.values())


@pytest.mark.parametrize(
    ("agent", "typed", "shown"),
    [
        ("design/architect_chat", {"message": "Where do invoices go?"}, "Where do invoices go?"),
        ("design/milestone_and_task_generation", {"plan": "Build it"}, "Done when:"),
        ("deploy/deploy_agent", {"message": "deploy 2.0.1 to staging"}, "The tool answered: “Deployed 2.0.1"),
    ],
)
def test_the_other_protocol_does_the_same(ada: StudioGuest, agent: str, typed: dict[str, str], shown: str) -> None:
    page = ada.ended(ada.run(agent, model=CLAUDE, **typed))

    assert shown in page.text and "claude-haiku-4-5" in page.text


def test_a_question_is_answered_from_the_files_that_were_indexed_and_names_them(
    ada: StudioGuest, eve: StudioGuest
) -> None:
    """The index is the account's own: nobody else can even choose the project."""
    indexed = ada.ended(ada.run("develop/codebase_indexing", project="shop", upload=packed()))
    answered = ada.ended(ada.run("develop/code_query", project="shop", question="Who can send mail?"))

    assert "2 of 2 pieces of 2 files are indexed." in indexed.text
    assert "From these files app/mail.py:1-1 app/wallet.py:1-3" in answered.text
    assert "No project is indexed yet." in eve.open("/studio/develop/code_query").text


def test_a_conversation_is_sent_as_a_whole_and_each_turn_is_a_run(ada: StudioGuest) -> None:
    first = ada.ended(ada.run("design/architect_chat", message="We sell boats."))

    second = ada.ended(ada.browser.press(first, "Send", message="And in winter?"))

    sent = httpx2.get(f"{ada.facts['sandbox_llm_url']}/_sandbox/state").json()["last_body"]["messages"]
    assert [each["role"] for each in sent] == ["system", "user", "assistant", "user"]
    assert sent[1]["content"] == "We sell boats." and sent[3]["content"] == "And in winter?"
    assert second.url != first.url and "We sell boats." in second.text


def test_each_call_names_its_mode_activity_and_run_and_ileen_keeps_no_words(data: Path, ada: StudioGuest) -> None:
    page = ada.ended(ada.run("develop/task_queue_execution", tasks="Say zanzibarine\nSay quixotine"))
    run = page.url.rsplit("/", 1)[1]

    with closing(sqlite3.connect(data / "ileen.sqlite3")) as books:
        rows = books.execute("SELECT mode, activity, run, parent_run FROM hold WHERE parent_run = ?", (run,)).fetchall()
    assert sorted(rows) == [("develop", "task_queue_execution", f"{run}.{part}", run) for part in (1, 2)]
    for file in data.glob("ileen.sqlite3*"):
        assert b"zanzibarine" not in file.read_bytes()
    assert (data / "studio.sqlite3").stat().st_mode & 0o777 == 0o600


def test_a_run_of_somebody_else_does_not_exist(ada: StudioGuest, eve: StudioGuest) -> None:
    mine = ada.ended(ada.run("content/general_content", kind="article", topic="Secret plans"))
    path = mine.url.removeprefix(ada.url)

    assert [eve.open(path + end).status for end in ("", "/events")] == [404, 404]
    assert "Secret plans" not in eve.open("/studio").text + eve.open(path).text
    csrf = eve.open("/studio").forms[0].fields["csrf"]
    for action in ("stop", "resume", "reply"):
        answer = eve.browser._client.post(f"{mine.url}/{action}", data={"csrf": csrf, "message": "Hello"})
        assert answer.status_code == 404


def test_nobody_gets_in_without_a_session_or_before_the_gate_and_no_form_without_its_token(
    product: dict[str, Any], ada: StudioGuest
) -> None:
    with StudioGuest.at(product) as stranger:
        assert "/sign-in" in stranger.open("/studio/design").url
        stranger.sign_up()
        assert stranger.open("/studio/design").url.endswith("/gate")
    forged = ada.browser._client.post(f"{ada.url}/studio/design/architect_chat", data={"message": "Hi", "model": FAST})
    assert forged.status_code == 403


def test_a_form_that_is_not_filled_in_starts_nothing(ada: StudioGuest) -> None:
    page = ada.run("design/plan_generation", goal=" ")

    assert page.status == 422 and page.errors["goal"] == "Please fill this in."


def test_a_stopped_run_pays_for_the_call_under_way_and_can_go_on(ada: StudioGuest) -> None:
    page = ada.run("develop/task_queue_execution", model=SLOW, tasks="One\nTwo\nThree")
    ada.working(page)
    ada.browser.press(ada.browser.open(page.url), "Stop")

    stopped = ada.ended(page, state="Stopped")
    resumed = ada.ended(ada.browser.press(stopped, "Go on"))

    assert "You stopped this run." in stopped.text and "Calls of models 2" in stopped.text
    assert "Three Done" in resumed.text


def test_a_run_out_of_credits_pauses_and_goes_on_by_itself_once_there_are_some(data: Path, eve: StudioGuest) -> None:
    """What was done before is kept: after the purchase only the task that was refused is called for."""
    page = eve.run("develop/task_queue_execution", model=SLOW, tasks="One\nTwo\nThree")
    with api(data, eve) as http:
        eve.working(page)
        spent = http.post("/v1/charges", json={"amount": http.get("/v1/wallet").json()["settled"]})
        assert spent.status_code == 201, spent.text

        paused = eve.ended(page, state="Paused")
        bought = eve.buy("5")
        done = eve.ended_after_pause(page)

        calls = http.get("/v1/calls", params={"activity": "task_queue_execution"}).json()["data"]
    assert "This run is paused: you’re out of credits" in paused.text and paused.links["Buy credits"] == "/billing"
    assert "One Done" in paused.text and "Three Waiting" in paused.text
    assert "credits were added" in bought.text and "Three Done" in done.text
    assert [call["state"] for call in calls] == ["captured"] * 3
    assert all(Decimal(call["charge"]) > 0 for call in calls)


def test_an_answer_streams_as_it_comes(ada: StudioGuest) -> None:
    """The events: the block, its words one by one, the meter, and that it is over."""
    page = ada.run("design/architect_chat", model=SLOW, message="How do boats float?")
    names: list[str] = []
    with ada.browser._client.stream("GET", f"{page.url}/events") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        for line in answer.iter_lines():
            if line.startswith("event: "):
                names.append(line.removeprefix("event: "))

    assert names.count("text") > 5 and {"block", "meter"} <= set(names) and names[-1] == "over"


def test_an_estimate_is_made_of_the_accounts_own_runs(ada: StudioGuest, eve: StudioGuest) -> None:
    ada.ended(ada.run("content/general_content", kind="article", topic="Boats"))

    assert "A run has cost about €0.0" in ada.open("/studio/content/general_content").text
    assert "There is no run to go by yet." in eve.open("/studio/content/general_content").text


def test_a_revoked_key_of_the_studio_is_replaced_when_somebody_enters(data: Path, eve: StudioGuest) -> None:
    eve.open("/studio")
    with api(data, eve) as http:
        with closing(sqlite3.connect(data / "ileen.sqlite3")) as books:
            (key,) = books.execute("SELECT id FROM api_key WHERE name = 'Studio' ORDER BY id DESC LIMIT 1").fetchone()
        asked = eve.open(f"/account/keys/{key}/revoke")
        (button,) = [text for form in asked.forms for text, _, _ in form.buttons if text != "Sign out"]
        eve.browser.press(asked, button)

        assert http.get("/v1/wallet").status_code == 401
    again = eve.ended(eve.run("content/general_content", kind="article", topic="Boats"))

    assert "You asked: “Boats”" in again.text
