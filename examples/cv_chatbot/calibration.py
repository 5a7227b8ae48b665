"""Where "no match" ends and "full match" begins: two similarities, learned from labelled questions."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from examples.cv_chatbot.questions import derive_questions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from examples.cv_chatbot.embedding import Embedder
    from examples.cv_chatbot.index import SkillIndex
    from examples.cv_chatbot.questions import Question
    from examples.cv_chatbot.skills import CV

MatchType = Literal["full", "partial", "none"]

FOLDS = 5
"""Parts the questions are cut in: each part is judged by thresholds learned from the others."""
FULL_PRECISION = 0.99
"""The share of full matches that must be right."""
FEWEST = 5
"""So many labelled questions of each kind, with and without an answer, are needed to learn from."""
MARGIN = 0.05
"""A threshold stands at most this far above the highest similarity that it refuses: where the questions leave
a wide gap, those that nobody has written down yet lie in its lower part."""
PARTIAL_SCORE, FULL_SCORE = 40.0, 75.0
"""The match scores, 0 to 100, at which a partial and a full match begin, whatever the embedder."""


class Thresholds(msgspec.Struct, frozen=True):
    """The similarities at which a partial and a full match begin."""

    partial: float
    full: float

    def judge(self, similarity: float) -> MatchType:
        """Return the kind of match that a similarity is."""
        if similarity < self.partial:
            return "none"
        return "full" if similarity >= self.full else "partial"

    def score(self, similarity: float) -> float:
        """Return a similarity as a match score from 0 to 100, the same scale for every embedder."""
        places = (0.0, self.partial, self.full, max(1.0, self.full))
        return round(float(np.interp(similarity, places, (0.0, PARTIAL_SCORE, FULL_SCORE, 100.0))), 1)


class Accuracy(msgspec.Struct, frozen=True):
    """How often the matcher is right about labelled questions. Each figure is a share from 0 to 1."""

    questions: int
    right: float
    """Answered with an expected skill first, or rightly refused."""
    first: float
    """Of the questions with an answer: an expected skill is the nearest, whatever its similarity."""
    answered: float
    """Of the questions with an answer: not refused."""
    refused: float
    """Of the questions without an answer: refused."""

    def __str__(self) -> str:
        """Return the figures in a line of text."""
        return (
            f"{self.right:.1%} of {self.questions} questions judged right: of those with an answer, "
            f"{self.answered:.1%} answered and the nearest skill right for {self.first:.1%}; "
            f"of those without, {self.refused:.1%} refused"
        )


class Calibration(msgspec.Struct, frozen=True):
    """What was learned, from which questions, and how good it is."""

    thresholds: Thresholds
    held_out: Accuracy
    """Measured on questions that the thresholds were not learned from, by cross-validation."""
    source: str


class _Sample(msgspec.Struct, frozen=True):
    """Questions after the search: the best similarity, whether its skill is right, whether one exists."""

    similarity: NDArray[np.float64]
    hit: NDArray[np.bool_]
    answerable: NDArray[np.bool_]

    def take(self, places: NDArray[np.bool_]) -> _Sample:
        return _Sample(self.similarity[places], self.hit[places], self.answerable[places])


def calibrate(cv: CV, questions: Sequence[Question], index: SkillIndex, embedder: Embedder) -> Calibration:
    """Learn the thresholds from `questions` and keep them in the index; reuse them while nothing has changed.

    Where `questions` has too few labels of a kind, questions derived from the skills take that kind's place.
    """
    learned_from = msgspec.json.encode((FOLDS, FULL_PRECISION, FEWEST, MARGIN, list(questions)))
    digest = hashlib.sha256(learned_from).hexdigest()
    kept = index.note("calibration")
    if kept is not None and index.note("calibrated on") == digest:
        return msgspec.json.decode(kept, type=Calibration)
    labelled, source = _labelled(cv, questions)
    sample = _sample(cv, labelled, index, embedder)
    calibration = Calibration(thresholds=_learn(sample), held_out=_cross_validate(sample), source=source)
    index.keep("calibration", msgspec.json.encode(calibration).decode())
    index.keep("calibrated on", digest)
    return calibration


def _labelled(cv: CV, questions: Sequence[Question]) -> tuple[list[Question], str]:
    chosen: list[Question] = []
    sources: list[str] = []
    derived = derive_questions(cv)
    for kind, wanted in (("with an answer", True), ("without one", False)):
        given = [q for q in questions if q.expected is not None and bool(q.expected) is wanted]
        made = [q for q in derived if bool(q.expected) is wanted]
        taken = given if len(given) >= FEWEST else made
        origin = "derived" if taken == made else "given"
        chosen += taken
        sources.append(f"{len(taken)} {origin} questions {kind}")
    return chosen, f"calibrated on {' and '.join(sources)}"


def _sample(cv: CV, questions: Sequence[Question], index: SkillIndex, embedder: Embedder) -> _Sample:
    vectors = embedder.embed([question.question for question in questions])
    similarities = np.stack([index.similarities(vector) for vector in vectors])
    nearest = similarities.argmax(axis=1)
    expected = [frozenset(question.expected or ()) for question in questions]
    found = zip((cv.skills[place].name for place in nearest), expected, strict=True)
    return _Sample(
        similarity=similarities.max(axis=1).astype(np.float64),
        hit=np.array([name in names for name, names in found]),
        answerable=np.array([bool(names) for names in expected]),
    )


def _learn(sample: _Sample) -> Thresholds:
    """Choose the partial threshold by balanced accuracy, then the full one by precision above it."""
    cuts = _cuts(sample.similarity)
    answered = np.array([(sample.hit & (sample.similarity >= cut)).sum() for cut in cuts])
    refused = np.array([(~sample.answerable & (sample.similarity < cut)).sum() for cut in cuts])
    balanced = answered / max(1, sample.answerable.sum()) + refused / max(1, (~sample.answerable).sum())
    best = np.flatnonzero(balanced >= balanced.max() - 1e-9)
    partial = float(cuts[best[len(best) // 2]])
    for cut in cuts[cuts >= partial]:
        above = sample.similarity >= cut
        if above.any() and sample.hit[above].mean() >= FULL_PRECISION:
            return Thresholds(partial=partial, full=float(cut))
    return Thresholds(partial=partial, full=float(cuts[-1]))


def _cuts(similarity: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return where a threshold makes a difference: between each similarity and the next."""
    values = np.unique(similarity)
    return values + np.minimum(np.diff(values, append=values[-1] + MARGIN) / 2, MARGIN)


def _cross_validate(sample: _Sample) -> Accuracy:
    accepted = np.zeros(len(sample.similarity), dtype=np.bool_)
    # Each kind is dealt out evenly, so that every part has both.
    turn = np.where(sample.answerable, np.cumsum(sample.answerable), np.cumsum(~sample.answerable)) % FOLDS
    for fold in range(FOLDS):
        thresholds = _learn(sample.take(turn != fold))
        part = turn == fold
        accepted[part] = sample.similarity[part] >= thresholds.partial
    answerable = sample.answerable
    return Accuracy(
        questions=len(accepted),
        right=float(np.where(answerable, accepted & sample.hit, ~accepted).mean()),
        first=float(sample.hit[answerable].mean()),
        answered=float(accepted[answerable].mean()),
        refused=float((~accepted[~answerable]).mean()),
    )
