from __future__ import annotations

import importlib.util
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from examples.cv_chatbot import embedding
from examples.cv_chatbot.embedding import MixedEmbedder, TfidfEmbedder, embedder_for, facets
from examples.cv_chatbot.skills import CV, Person, Skill, load_skills

ROOT = Path(__file__).parents[3]

if TYPE_CHECKING:
    from collections.abc import Callable

TEXTS = ["What about PostgreSQL?", "Kubernetes and helm", "", "tell me about her", "zxcvb qwert"]
KINDS = [
    False,
    pytest.param(True, marks=pytest.mark.skipif(not embedding.wordllama_installed(), reason="no wheel")),
]


@pytest.mark.parametrize("dense", KINDS)
def test_vectors_are_deterministic_and_of_length_one(dense: bool) -> None:  # noqa: FBT001 - a parameter of the test
    cv = load_skills()
    vectors = embedder_for(cv, dense=dense).embed(TEXTS)
    again = embedder_for(cv, dense=dense)
    assert vectors.shape == (len(TEXTS), again.dimensions)
    assert vectors.dtype == np.float32
    assert np.array_equal(vectors, again.embed(TEXTS))
    lengths = np.linalg.norm(vectors, axis=1)
    assert lengths[[0, 1, 4]] == pytest.approx(1, abs=1e-5)
    assert lengths[[2, 3]] == pytest.approx(0)


@pytest.mark.parametrize("dense", KINDS)
def test_nothing_is_fetched(dense: bool, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: FBT001
    def refuse(*_args: object, **_options: object) -> None:
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    assert embedder_for(load_skills(), dense=dense).embed(["Python"]).any()


def test_tfidf_takes_over_where_wordllama_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    find: Callable[[str], object] = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "wordllama" else find(name))
    assert isinstance(embedder_for(load_skills()), TfidfEmbedder)


@pytest.mark.skipif(not embedding.wordllama_installed(), reason="no wheel")
def test_word_embeddings_are_used_where_they_can_be() -> None:
    assert isinstance(embedder_for(load_skills()), MixedEmbedder)


def test_a_rare_word_weighs_more_than_a_common_one() -> None:
    embedder = TfidfEmbedder(["green tea", "black tea", "oolong tea"])
    question, green, black = embedder.embed(["black tea", "green tea", "black"])
    assert question @ black > question @ green > 0


def test_a_word_that_no_skill_has_draws_away() -> None:
    embedder = TfidfEmbedder(["green tea", "black tea"])
    known, with_stranger, tea = embedder.embed(["green tea", "green tea pots", "green tea"])
    assert known @ tea == pytest.approx(1, abs=1e-6)
    assert with_stranger @ tea < 0.9


def test_the_persons_name_says_nothing_unless_a_skill_has_it() -> None:
    cv = CV(skills=(Skill(name="Cooking"), Skill(name="Rust")), person=Person(name="Rust Cohle"))
    embedder = embedder_for(cv, dense=False)
    assert not embedder.embed(["What about Cohle?"]).any()
    assert embedder.embed(["What about Rust?"]).any()


def test_each_phrase_of_a_skill_has_a_vector_of_its_own() -> None:
    skill = Skill(name="Go", category="Languages", description="Golang: channels, static binaries.", projects=("Moss",))
    assert facets(skill) == [
        "Go",
        "Go Languages",
        "Go Golang: channels, static binaries.",
        "Golang",
        "channels",
        "static binaries",
        "Go Moss",
    ]
    assert facets(Skill(name="Go")) == ["Go"]


@pytest.mark.skipif(not embedding.wordllama_installed(), reason="no wheel")
def test_the_applications_logging_stays_as_it_is() -> None:
    program = (
        "import logging; from examples.cv_chatbot.embedding import WordLlamaEmbedder; WordLlamaEmbedder();"
        "root = logging.getLogger(); print(root.handlers, root.level == logging.WARNING)"
    )
    said = subprocess.run(  # noqa: S603 - a program of our own
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert said.stdout == "[] True\n"
