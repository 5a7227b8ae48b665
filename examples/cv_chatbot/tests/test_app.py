from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest
import pytest_asyncio

from examples.cv_chatbot.answer import TemplateModel
from examples.cv_chatbot.app import LARGEST_BODY, create_app
from examples.cv_chatbot.chatbot import Chatbot
from examples.cv_chatbot.matching import Matcher
from examples.cv_chatbot.questions import QUESTIONS_FILE, load_questions
from examples.cv_chatbot.skills import load_skills

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine, Mapping
    from pathlib import Path

    from examples.cv_chatbot.recording import Visit

pytestmark = pytest.mark.asyncio


class Notebook:
    """A recorder that only remembers."""

    def __init__(self) -> None:
        self.events: list[tuple[str, dict[str, Any], Visit]] = []
        self.refusing = False

    async def record(self, kind: str, data: Mapping[str, Any], visit: Visit) -> str | None:
        self.events.append((kind, dict(data), visit))
        return None if self.refusing else f"event-{len(self.events)}"

    async def afterwards(self, work: Coroutine[Any, Any, None]) -> None:
        await work


@pytest.fixture(scope="module")
def matcher(tmp_path_factory: pytest.TempPathFactory) -> Matcher:
    cv = load_skills()
    return Matcher.open(cv, load_questions(QUESTIONS_FILE, cv), tmp_path_factory.mktemp("index") / "index.db")


@pytest.fixture
def notebook() -> Notebook:
    return Notebook()


@pytest_asyncio.fixture
async def client(matcher: Matcher, notebook: Notebook, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    chatbot = Chatbot(load_skills(), matcher, TemplateModel(), notebook, tmp_path / "unanswered.txt")
    transport = httpx.ASGITransport(create_app(chatbot))
    async with httpx.AsyncClient(transport=transport, base_url="http://chatbot") as client:
        yield client


async def test_an_answer_and_its_two_events(client: httpx.AsyncClient, notebook: Notebook) -> None:
    response = await client.post("/ask", json={"question": " Does she know Kafka? ", "session": "s-1"})
    answer = response.json()
    assert response.status_code == 200
    assert answer["match_type"] == "full"
    assert answer["matched_skills"][0] == "Apache Kafka"
    assert answer["answer"].startswith("Apache Kafka (advanced, 6 years).")
    assert answer["events"] == ["event-1", "event-2"]
    (first, query, visit), (second, data, same_visit) = notebook.events
    assert (first, second) == ("query", "response")
    assert visit == same_visit
    assert visit.session == "s-1"
    assert query["query"] == "Does she know Kafka?"
    assert query["metadata"] == {"source": "api", "user_agent": client.headers["user-agent"]}
    assert set(data["processing_parts"]) == {"embed", "search", "answer"}
    assert 0 < sum(data["processing_parts"].values()) <= data["processing_ms"] + 0.01
    assert data["match_score"] == answer["match_score"] >= 75
    assert data["reasoning"] == answer["answer"]
    assert (data["cache_hit"], data["model"]) == (False, "template-1")
    assert data["input_tokens"] > data["output_tokens"] > 0


async def test_the_same_question_is_answered_from_memory(client: httpx.AsyncClient, notebook: Notebook) -> None:
    first = (await client.get("/ask", params={"q": "Any Rust?"})).json()
    again = (await client.get("/ask", params={"q": "  any   RUST "})).json()
    assert (first["cache_hit"], again["cache_hit"]) == (False, True)
    assert again["answer"] == first["answer"]
    data = notebook.events[-1][1]
    assert (data["cache_hit"], data["processing_parts"]) == (True, {})
    assert (data["input_tokens"], data["output_tokens"]) == (0, 0)


async def test_what_the_cv_does_not_say_is_refused_and_noted(client: httpx.AsyncClient, tmp_path: Path) -> None:
    for _ in range(2):
        answer = (await client.post("/ask", json={"question": "Does she\nknow COBOL?"})).json()
    assert answer["match_type"] == "none"
    assert answer["match_score"] < 40
    assert answer["matched_skills"] == []
    assert answer["answer"] == "The CV of Ines Halvorsen says nothing about that."
    assert (tmp_path / "unanswered.txt").read_text(encoding="utf-8") == "Does she know COBOL?\n"


async def test_an_event_that_is_not_accepted_does_not_change_the_answer(
    client: httpx.AsyncClient, notebook: Notebook
) -> None:
    notebook.refusing = True
    response = await client.post("/ask", json={"question": "Docker?"})
    assert response.status_code == 200
    assert response.json()["events"] == []


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        (b"", 400, "send JSON such as"),
        (b"{", 400, "send JSON such as"),
        (b'{"question": 5}', 400, "$.question"),
        (b'{"question": " "}', 400, "the question is empty"),
        (b'{"question": "x", "sesion": "y"}', 400, "sesion"),
        (b'{"question": "x", "session": "a b"}', 400, "$.session"),
        (b'{"question": "' + b"x" * 1001 + b'"}', 400, "1001 characters; ask in 1000 at most"),
        (b" " * (LARGEST_BODY + 1), 413, "more than 16384 bytes"),
        (b'{"question": "\xff"}', 400, "send JSON such as"),
    ],
)
async def test_a_wrong_request_is_explained_as_json(
    client: httpx.AsyncClient, notebook: Notebook, body: bytes, status: int, says: str
) -> None:
    response = await client.post("/ask", content=body)
    assert response.status_code == status
    assert says in response.json()["error"]
    assert not notebook.events


async def test_other_errors_are_json_too(client: httpx.AsyncClient) -> None:
    assert (await client.get("/nowhere")).json() == {"error": "Not Found"}
    wrong_method = await client.put("/ask")
    assert wrong_method.status_code == 405
    assert "GET" in wrong_method.headers["allow"]
    assert "keeps no statistics" in (await client.get("/stats")).json()["error"]


async def test_the_page_answers_without_a_script(client: httpx.AsyncClient, notebook: Notebook) -> None:
    empty = await client.get("/")
    assert '<form action="/" method="get"' in empty.text
    assert "Ines Halvorsen" in empty.text
    assert not notebook.events
    answered = await client.get("/", params={"q": "Does she know Terraform?"})
    assert "Terraform (advanced, 6 years)" in answered.text
    assert notebook.events[0][1]["metadata"]["source"] == "page"
    assert notebook.events[0][2].session == empty.cookies["session"] == client.cookies["session"]


async def test_the_page_escapes_what_it_shows(client: httpx.AsyncClient) -> None:
    page = await client.get("/", params={"q": '"><script>alert(1)</script>'})
    assert "<script" not in page.text
    assert "&lt;script&gt;" in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]
    too_long = await client.get("/", params={"q": "x" * 1001})
    assert too_long.status_code == 400
    assert "ask in 1000 at most" in too_long.text
