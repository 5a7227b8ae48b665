"""The skills of a CV as vectors: BLOBs in an SQLite file, searched by cosine in NumPy."""

from __future__ import annotations

import hashlib
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from examples.cv_chatbot.embedding import facets
from examples.cv_chatbot.skills import Skill

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from examples.cv_chatbot.embedding import Embedder
    from examples.cv_chatbot.skills import CV

FORMAT = 1
"""Raised whenever the file's layout or the facets change, so that an older file is built anew."""

_SCHEMA = """
    DROP TABLE IF EXISTS vectors;
    DROP TABLE IF EXISTS notes;
    CREATE TABLE vectors (skill INTEGER NOT NULL, facet TEXT NOT NULL, vector BLOB NOT NULL);
    CREATE TABLE notes (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""
_STORED = np.dtype("<f4")


class Hit(msgspec.Struct, frozen=True):
    """A skill and how near the question is to it: the cosine, 0 to 1."""

    skill: Skill
    similarity: float


class SkillIndex:
    """Finds the skills nearest to a vector. The file is built when it is missing or of other skills."""

    def __init__(self, path: Path, cv: CV, embedder: Embedder) -> None:
        self._path = path
        self._skills = cv.skills
        self.digest = _digest(cv, embedder)
        path.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(path)) as connection:
            if _note(connection, "digest") != self.digest:
                self._build(connection, embedder)
            rows = connection.execute("SELECT skill, vector FROM vectors ORDER BY skill, rowid").fetchall()
        self._vectors = np.stack([np.frombuffer(blob, dtype=_STORED) for _, blob in rows]).astype(np.float32)
        owners = np.array([skill for skill, _ in rows])
        self._starts = np.flatnonzero(np.diff(owners, prepend=-1))

    def similarities(self, vector: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return, for each skill in the CV's order, the cosine of its nearest facet."""
        # Row by row: for a whole product BLAS would start threads, which take the server's cores from it.
        cosines = np.vecdot(self._vectors, vector)
        return np.maximum.reduceat(cosines, self._starts)

    def search(self, vector: NDArray[np.float32], limit: int = 5) -> list[Hit]:
        """Return the `limit` nearest skills, the nearest first."""
        scores = self.similarities(vector)
        nearest = np.argsort(-scores, kind="stable")[:limit]
        return [Hit(skill=self._skills[place], similarity=float(scores[place])) for place in nearest]

    def note(self, name: str) -> str | None:
        """Return the text kept under `name`, or None."""
        with closing(sqlite3.connect(self._path)) as connection:
            return _note(connection, name)

    def keep(self, name: str, value: str) -> None:
        """Keep a text in the file, beside the vectors, until they are built anew."""
        with closing(sqlite3.connect(self._path)) as connection, connection:
            connection.execute("INSERT OR REPLACE INTO notes VALUES (?, ?)", (name, value))

    def _build(self, connection: sqlite3.Connection, embedder: Embedder) -> None:
        texts = [(place, facet) for place, skill in enumerate(self._skills) for facet in facets(skill)]
        vectors = embedder.embed([facet for _, facet in texts]).astype(_STORED)
        rows = [(*text, vector.tobytes()) for text, vector in zip(texts, vectors, strict=True)]
        connection.executescript(_SCHEMA)
        with connection:
            connection.executemany("INSERT INTO vectors VALUES (?, ?, ?)", rows)
            connection.execute("INSERT INTO notes VALUES ('digest', ?)", (self.digest,))


def _digest(cv: CV, embedder: Embedder) -> str:
    content = msgspec.json.encode((FORMAT, embedder.identity, cv))
    return hashlib.sha256(content).hexdigest()


def _note(connection: sqlite3.Connection, name: str) -> str | None:
    if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'notes'").fetchone() is None:
        return None
    row = connection.execute("SELECT value FROM notes WHERE name = ?", (name,)).fetchone()
    return None if row is None else str(row[0])
