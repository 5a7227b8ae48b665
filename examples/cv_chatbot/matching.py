"""From a question to a verdict: embed, search, judge."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import msgspec

from examples.cv_chatbot.calibration import Calibration, MatchType, calibrate
from examples.cv_chatbot.embedding import embedder_for
from examples.cv_chatbot.index import Hit, SkillIndex

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from examples.cv_chatbot.embedding import Embedder
    from examples.cv_chatbot.questions import Question
    from examples.cv_chatbot.skills import CV

LIMIT = 5
"""So many skills are named in an answer at most."""
KINSHIP = 0.8
"""A further skill is named where its similarity is at least this share of the nearest one's."""


class Match(msgspec.Struct, frozen=True):
    """What the CV has on a question; `hits` is empty where that is nothing."""

    match_type: MatchType
    match_score: float
    hits: tuple[Hit, ...]
    embed_ms: float
    search_ms: float


class Matcher:
    """Judges questions against the skills of one CV."""

    def __init__(self, embedder: Embedder, index: SkillIndex, calibration: Calibration) -> None:
        self._embedder = embedder
        self._index = index
        self.calibration = calibration

    @classmethod
    def open(cls, cv: CV, questions: Sequence[Question], index_file: Path) -> Matcher:
        """Return the matcher of `cv`, calibrated on `questions`; what it learns is kept in `index_file`."""
        embedder = embedder_for(cv)
        index = SkillIndex(index_file, cv, embedder)
        return cls(embedder, index, calibrate(cv, questions, index, embedder))

    def match(self, question: str) -> Match:
        """Find the skills that answer `question`."""
        start = time.perf_counter()
        vector = self._embedder.embed([question])[0]
        embedded = time.perf_counter()
        hits = self._index.search(vector, LIMIT)
        nearest = hits[0].similarity
        thresholds = self.calibration.thresholds
        least = max(thresholds.partial, KINSHIP * nearest)
        return Match(
            match_type=thresholds.judge(nearest),
            match_score=thresholds.score(nearest),
            hits=tuple(hit for hit in hits if hit.similarity >= least),
            embed_ms=(embedded - start) * 1000,
            search_ms=(time.perf_counter() - embedded) * 1000,
        )
