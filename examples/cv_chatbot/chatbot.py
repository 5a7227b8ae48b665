"""The chatbot itself: a question in, an answer out, and what happened on record."""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import TYPE_CHECKING

import anyio
import msgspec

from examples.cv_chatbot.answer import Reply
from examples.cv_chatbot.calibration import MatchType
from examples.cv_chatbot.matching import Match

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from examples.cv_chatbot.answer import LanguageModel
    from examples.cv_chatbot.matching import Matcher
    from examples.cv_chatbot.recording import Recorder, Visit
    from examples.cv_chatbot.skills import CV

REMEMBERED = 1024
"""So many answers are kept for those who ask the same again."""


class Answer(msgspec.Struct, frozen=True):
    """What the visitor gets."""

    answer: str
    match_type: MatchType
    match_score: float
    matched_skills: tuple[str, ...]
    processing_ms: float
    cache_hit: bool
    model: str
    events: tuple[str, ...]
    """The ids of the events accepted for this request."""


class _Thought(msgspec.Struct, frozen=True):
    match: Match
    reply: Reply


class Chatbot:
    """Answers questions about one CV."""

    def __init__(self, cv: CV, matcher: Matcher, model: LanguageModel, recorder: Recorder, unanswered: Path) -> None:
        self.cv = cv
        self._matcher = matcher
        self._model = model
        self._recorder = recorder
        self._unanswered = anyio.Path(unanswered)
        self._remembered: OrderedDict[str, _Thought] = OrderedDict()

    async def ask(self, question: str, visit: Visit, metadata: Mapping[str, str]) -> Answer:
        """Answer a question; record it as a `query` and the answer as a `response`."""
        asked = await self._recorder.record("query", {"query": question, "metadata": dict(metadata)}, visit)
        start = time.perf_counter()
        key = " ".join(question.casefold().split()).rstrip("?!. ")
        thought = self._recall(key)
        cache_hit = thought is not None
        parts: dict[str, float] = {}
        if thought is None:
            thought, parts = await self._think(question)
            self._remember(key, thought)
        match, reply = thought.match, thought.reply
        processing_ms = round(_milliseconds_since(start), 3)
        skills = tuple(hit.skill.name for hit in match.hits)
        response = {
            "match_type": match.match_type,
            "match_score": match.match_score,
            "reasoning": reply.text,
            "matched_skills": skills,
            "processing_ms": processing_ms,
            "processing_parts": parts,
            "cache_hit": cache_hit,
            "model": self._model.name,
            "input_tokens": 0 if cache_hit else reply.input_tokens,
            "output_tokens": 0 if cache_hit else reply.output_tokens,
        }
        answered = await self._recorder.record("response", response, visit)
        if match.match_type == "none" and not cache_hit:
            await self._recorder.afterwards(self._note_unanswered(question))
        return Answer(
            answer=reply.text,
            match_type=match.match_type,
            match_score=match.match_score,
            matched_skills=skills,
            processing_ms=processing_ms,
            cache_hit=cache_hit,
            model=self._model.name,
            events=tuple(event_id for event_id in (asked, answered) if event_id is not None),
        )

    async def _think(self, question: str) -> tuple[_Thought, dict[str, float]]:
        match = self._matcher.match(question)
        start = time.perf_counter()
        reply = await self._model.answer(self.cv.person, question, match)
        parts = {"embed": match.embed_ms, "search": match.search_ms, "answer": _milliseconds_since(start)}
        return _Thought(match, reply), {part: round(value, 3) for part, value in parts.items()}

    async def _note_unanswered(self, question: str) -> None:
        """Add a question to the list of those that the CV's owner may want to answer one day."""
        async with await self._unanswered.open("a", encoding="utf-8") as file:
            await file.write(" ".join(question.split()) + "\n")

    def _recall(self, key: str) -> _Thought | None:
        if key in self._remembered:
            self._remembered.move_to_end(key)
        return self._remembered.get(key)

    def _remember(self, key: str, thought: _Thought) -> None:
        self._remembered[key] = thought
        if len(self._remembered) > REMEMBERED:
            self._remembered.popitem(last=False)


def _milliseconds_since(start: float) -> float:
    return (time.perf_counter() - start) * 1000
