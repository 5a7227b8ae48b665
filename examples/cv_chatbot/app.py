"""The chatbot as an ASGI app: a page, and a JSON interface of one method."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated, Any
from uuid import uuid4

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from examples.cv_chatbot.page import render
from examples.cv_chatbot.questions import LONGEST
from examples.cv_chatbot.recording import new_visit

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

    from starlette.requests import Request

    from examples.cv_chatbot.chatbot import Answer, Chatbot

LARGEST_BODY = 16_384
_COOKIE = "session"
_COOKIE_SECONDS = 1800
_HEADERS = {
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
}
_HOW = 'send JSON such as {"question": "Does she know Python?"}'

SessionId = Annotated[str, msgspec.Meta(min_length=1, max_length=128, pattern=r"^[\x21-\x7e]+$")]


class Ask(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of `POST /ask`."""

    question: str
    session: SessionId | None = None


def create_app(
    chatbot: Chatbot,
    stats: Callable[[], Any] | None = None,
    at_end: Callable[[], Awaitable[None]] | None = None,
) -> Starlette:
    """Return the app around `chatbot`: `GET /stats` shows what `stats` returns, shutdown awaits `at_end`."""
    site = _Site(chatbot, stats)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        yield
        if at_end is not None:
            await at_end()

    return Starlette(
        routes=[
            Route("/", site.page),
            Route("/ask", site.ask, methods=["GET", "POST"]),
            Route("/stats", site.stats),
        ],
        lifespan=lifespan,
        exception_handlers={HTTPException: _problem, Exception: _failure},
    )


class _Site:
    def __init__(self, chatbot: Chatbot, stats: Callable[[], Any] | None) -> None:
        self._chatbot = chatbot
        self._stats = stats

    async def page(self, request: Request) -> Response:
        text = request.query_params.get("q", "")
        session = _session(request.cookies.get(_COOKIE))
        answer, problem = None, ""
        if text:
            try:
                answer = await self._answer(text, session, request, "page")
            except HTTPException as error:
                problem = error.detail
        content = render(self._chatbot.cv, text, answer, problem)
        response = HTMLResponse(content, 400 if problem else 200, headers=_HEADERS)
        response.set_cookie(_COOKIE, session, max_age=_COOKIE_SECONDS, httponly=True, samesite="lax")
        return response

    async def ask(self, request: Request) -> Response:
        if request.method != "POST":
            session = _session(request.query_params.get("session") or request.cookies.get(_COOKIE))
            return _json(await self._answer(request.query_params.get("q", ""), session, request, "link"))
        try:
            body = msgspec.json.decode(await _body(request), type=Ask)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise HTTPException(400, f"{error}; {_HOW}") from error
        return _json(await self._answer(body.question, _session(body.session), request, "api"))

    async def stats(self, _request: Request) -> Response:
        if self._stats is None:
            raise HTTPException(404, "this server keeps no statistics; start it with --mode fireforget")
        return _json(self._stats())

    async def _answer(self, text: str, session: str, request: Request, source: str) -> Answer:
        question = text.strip()
        if not question:
            raise HTTPException(400, f"the question is empty; ask as /ask?q=..., or {_HOW}")
        if len(question) > LONGEST:
            raise HTTPException(400, f"the question has {len(question)} characters; ask in {LONGEST} at most")
        metadata = {"source": request.headers.get("x-source", source)[:64]}
        if "user-agent" in request.headers:
            metadata["user_agent"] = request.headers["user-agent"][:512]
        return await self._chatbot.ask(question, new_visit(session), metadata)


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_BODY:
            raise HTTPException(413, f"the body has more than {LARGEST_BODY} bytes; {_HOW}")
    return bytes(body)


def _session(given: str | None) -> str:
    """Return the session id that the visitor brought, where it can be one, else a new one."""
    try:
        return msgspec.convert(given, SessionId)
    except msgspec.ValidationError:
        return uuid4().hex


async def _problem(_request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    return _json({"error": error.detail}, error.status_code, error.headers)


async def _failure(_request: Request, _error: Exception) -> Response:
    return _json({"error": "the answer failed on our side; the server's log says why"}, 500)


def _json(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(msgspec.json.encode(content), status, headers=headers, media_type="application/json")
