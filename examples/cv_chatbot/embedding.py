"""Text as vectors: the `Embedder` port, word embeddings from WordLlama, and TF-IDF that needs only NumPy.

All of them are deterministic and offline: WordLlama's model comes inside its package, and nothing is fetched.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.metadata
import importlib.util
import logging
import math
import os
import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from examples.cv_chatbot.skills import DATA

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from examples.cv_chatbot.skills import CV, Skill

DENSE_SHARE = 0.5
"""How much of a `MixedEmbedder`'s cosine comes from the word embeddings; the rest is TF-IDF."""

_WORD = re.compile(r"[^\W_]+[+#]*")
_SUFFIXES = ("ing", "ers", "ies", "ed", "es", "er", "s")
_SHORTEST_STEM = 3

# Words that nearly every question about a CV has, and that say nothing of what it is about.
FILLERS = frozenset((DATA / "fillers.txt").read_text(encoding="utf-8").split())


class Embedder(Protocol):
    """Turns texts into rows of length one (zero where a text says nothing), so that cosine is a product."""

    @property
    def identity(self) -> str:
        """Changes whenever the vectors of the same texts would."""

    @property
    def dimensions(self) -> int:
        """The length of a vector."""

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return one row per text."""


def facets(skill: Skill) -> list[str]:
    """Return the texts that stand for a skill, each kept as a vector: a question need only be near one."""
    phrases = [phrase.strip() for phrase in re.split(r"[,;:.]\s", f"{skill.description} ")]
    texts = [
        skill.name,
        f"{skill.name} {skill.category}",
        f"{skill.name} {skill.description}",
        *phrases,
        *(f"{skill.name} {project}" for project in skill.projects),
    ]
    return list(dict.fromkeys(text.strip() for text in texts if text.strip()))


def content_words(text: str, fillers: frozenset[str]) -> list[str]:
    """Return what a text is about: its words without the fillers, in lower case."""
    return [word for word in _WORD.findall(text.casefold()) if word not in fillers]


def _stem(word: str) -> str:
    for suffix in _SUFFIXES:
        if word.endswith(suffix) and len(word) - len(suffix) >= _SHORTEST_STEM:
            return word.removesuffix(suffix)
    return word


def _fillers(cv: CV) -> frozenset[str]:
    """Return the fillers and the person's own names: every question may have them, and none is about them."""
    skills = {word for skill in cv.skills for word in _WORD.findall(skill.name.casefold())}
    names = set(_WORD.findall(cv.person.name.casefold()))
    return frozenset((FILLERS | names) - skills)


class TfidfEmbedder:
    """Words weighed by how few skills have them. One more dimension holds the words that no skill has."""

    def __init__(self, documents: Iterable[str], fillers: frozenset[str] = FILLERS) -> None:
        self._fillers = fillers
        counts: Counter[str] = Counter()
        total = 0
        for document in documents:
            counts.update(set(self._terms(document)))
            total += 1
        self._column = {term: column for column, term in enumerate(sorted(counts))}
        self._weight = {term: math.log((1 + total) / (1 + count)) + 1 for term, count in counts.items()}
        self._unseen = math.log(1 + total) + 1
        fingerprint = repr((sorted(self._weight.items()), sorted(fillers))).encode()
        self.identity = f"tfidf-{hashlib.sha256(fingerprint).hexdigest()[:16]}"
        self.dimensions = len(self._column) + 1

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return the TF-IDF rows of `texts`."""
        rows = np.zeros((len(texts), self.dimensions), dtype=np.float32)
        for row, text in zip(rows, texts, strict=True):
            unseen = 0.0
            for term, count in Counter(self._terms(text)).items():
                column = self._column.get(term)
                if column is None:
                    unseen += (count * self._unseen) ** 2
                else:
                    row[column] = count * self._weight[term]
            row[-1] = math.sqrt(unseen)
        return _normed(rows)

    def _terms(self, text: str) -> list[str]:
        return [_stem(word) for word in content_words(text, self._fillers)]


class WordLlamaEmbedder:
    """Averages of word embeddings that WordLlama distilled from a large language model's."""

    def __init__(self, fillers: frozenset[str] = FILLERS) -> None:
        package = _wordllama()
        folder = Path(package.__file__).parent
        self._model: Any = package.WordLlama.load(cache_dir=folder, disable_download=True)
        self._fillers = fillers
        fingerprint = repr(sorted(fillers)).encode()
        version = importlib.metadata.version("wordllama")
        self.identity = f"wordllama-{version}-{hashlib.sha256(fingerprint).hexdigest()[:16]}"
        self.dimensions = int(self._model.embed(["dimensions"]).shape[1])

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return the averaged embeddings of the content words of `texts`."""
        contents = [" ".join(content_words(text, self._fillers)) for text in texts]
        rows = np.zeros((len(texts), self.dimensions), dtype=np.float32)
        saying = [number for number, content in enumerate(contents) if content]
        if saying:
            rows[saying] = self._model.embed([contents[number] for number in saying])
        return _normed(rows)


class MixedEmbedder:
    """Two embedders side by side in one vector; its cosine is the weighted mean of theirs.

    Word embeddings find what is meant in other words; TF-IDF knows a name that is there from a similar one
    that is not. Together they do better than either.
    """

    def __init__(self, dense: Embedder, sparse: Embedder, share: float = DENSE_SHARE) -> None:
        self._parts = ((dense, math.sqrt(share)), (sparse, math.sqrt(1 - share)))
        self.identity = f"mixed-{share}-{dense.identity}-{sparse.identity}"
        self.dimensions = dense.dimensions + sparse.dimensions

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return the rows of both embedders, joined."""
        return np.hstack([part.embed(texts) * np.float32(weight) for part, weight in self._parts])


def _wordllama() -> Any:
    """Import the package; without threads for a single text, and without what its import does to logging."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    root = logging.getLogger()
    level, handlers = root.level, root.handlers[:]
    try:
        return importlib.import_module("wordllama")
    finally:
        root.setLevel(level)
        root.handlers[:] = handlers


def wordllama_installed() -> bool:
    """Tell whether the word embeddings can be used here; WordLlama has no wheel for every Python."""
    return importlib.util.find_spec("wordllama") is not None


def embedder_for(cv: CV, *, dense: bool | None = None) -> Embedder:
    """Return an embedder for `cv`: mixed if `dense`, else TF-IDF; None is whether WordLlama is installed."""
    fillers = _fillers(cv)
    sparse = TfidfEmbedder((" ".join(facets(skill)) for skill in cv.skills), fillers)
    if wordllama_installed() if dense is None else dense:
        return MixedEmbedder(WordLlamaEmbedder(fillers), sparse)
    return sparse


def _normed(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    unit: NDArray[np.float32] = np.divide(rows, lengths, out=np.zeros_like(rows), where=lengths > 0)
    return unit
