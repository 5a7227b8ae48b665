from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import numpy as np
import pytest

from examples.cv_chatbot.embedding import TfidfEmbedder, embedder_for, facets
from examples.cv_chatbot.index import SkillIndex
from examples.cv_chatbot.skills import CV, Skill, load_skills

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray


class CountingEmbedder:
    identity = "counting"

    def __init__(self, cv: CV) -> None:
        self._embedder = TfidfEmbedder(skill.name for skill in cv.skills)
        self.dimensions = self._embedder.dimensions
        self.calls = 0

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.calls += 1
        return self._embedder.embed(texts)


def test_the_search_is_the_cosine_of_the_nearest_facet(tmp_path: Path) -> None:
    cv = load_skills()
    embedder = embedder_for(cv, dense=False)
    index = SkillIndex(tmp_path / "index.db", cv, embedder)
    question = embedder.embed(["How does she tune indexes of a relational database?"])[0]
    expected = [float((embedder.embed(facets(skill)) @ question).max()) for skill in cv.skills]
    assert index.similarities(question) == pytest.approx(expected, abs=1e-5)
    hits = index.search(question, limit=3)
    assert [hit.similarity for hit in hits] == pytest.approx(sorted(expected, reverse=True)[:3], abs=1e-5)
    assert hits[0].skill.name == "PostgreSQL"


def test_the_vectors_are_blobs_of_floats(tmp_path: Path) -> None:
    cv = CV(skills=(Skill(name="Green tea"), Skill(name="Coffee")))
    embedder = embedder_for(cv, dense=False)
    SkillIndex(tmp_path / "index.db", cv, embedder)
    with closing(sqlite3.connect(tmp_path / "index.db")) as connection:
        rows = connection.execute("SELECT skill, facet, vector FROM vectors").fetchall()
    assert [row[:2] for row in rows] == [(0, "Green tea"), (1, "Coffee")]
    vectors = np.stack([np.frombuffer(row[2], dtype="<f4") for row in rows])
    assert np.array_equal(vectors, embedder.embed(["Green tea", "Coffee"]))


def test_it_is_built_once_and_again_when_the_skills_change(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "index.db"
    cv = CV(skills=(Skill(name="Tea"), Skill(name="Coffee")))
    embedder = CountingEmbedder(cv)
    index = SkillIndex(file, cv, embedder)
    index.keep("calibration", "kept")
    assert SkillIndex(file, cv, embedder).note("calibration") == "kept"
    assert embedder.calls == 1
    other = CV(skills=(Skill(name="Tea"), Skill(name="Water")))
    changed = SkillIndex(file, other, CountingEmbedder(other))
    assert changed.note("calibration") is None
