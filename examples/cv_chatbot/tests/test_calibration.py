from __future__ import annotations

from pathlib import Path

import pytest

from examples.cv_chatbot.calibration import FULL_SCORE, PARTIAL_SCORE, Thresholds, calibrate
from examples.cv_chatbot.embedding import embedder_for, wordllama_installed
from examples.cv_chatbot.index import SkillIndex
from examples.cv_chatbot.matching import Matcher
from examples.cv_chatbot.questions import QUESTIONS_FILE, Question, load_questions
from examples.cv_chatbot.skills import load_skills

OTHERS = Path(__file__).parent / "data"
WORDS = pytest.mark.skipif(not wordllama_installed(), reason="WordLlama has no wheel for this Python")


@pytest.mark.parametrize(
    ("dense", "right", "first"), [(False, 0.87, 0.92), pytest.param(True, 0.95, 0.96, marks=WORDS)]
)
def test_our_own_cv_is_judged_well_on_questions_not_learned_from(
    tmp_path: Path,
    dense: bool,  # noqa: FBT001 - a parameter of the test
    right: float,
    first: float,
) -> None:
    cv = load_skills()
    embedder = embedder_for(cv, dense=dense)
    index = SkillIndex(tmp_path / "index.db", cv, embedder)
    accuracy = calibrate(cv, load_questions(QUESTIONS_FILE, cv), index, embedder).held_out
    assert accuracy.right >= right
    assert accuracy.first >= first
    assert min(accuracy.answered, accuracy.refused) >= 0.85


@WORDS
def test_another_cv_is_judged_well_too(tmp_path: Path) -> None:
    cv = load_skills(OTHERS / "chef_skills.json")
    questions = load_questions(OTHERS / "chef_questions.json", cv)
    calibration = Matcher.open(cv, questions, tmp_path / "index.db").calibration
    assert calibration.source == "calibrated on 20 given questions with an answer and 10 given questions without one"
    assert calibration.held_out.right >= 0.8


def test_a_score_is_on_one_scale_whatever_the_embedder() -> None:
    for thresholds in (Thresholds(partial=0.2, full=0.4), Thresholds(partial=0.5, full=0.5)):
        similarities = [place / 50 for place in range(51)]
        scores = [thresholds.score(similarity) for similarity in similarities]
        assert scores == sorted(scores)
        assert scores[0] == 0
        assert scores[-1] == 100
        for similarity, score in zip(similarities, scores, strict=True):
            match = thresholds.judge(similarity)
            assert (match == "none") == (similarity < thresholds.partial)
            assert (match == "full") == (similarity >= thresholds.full)
            assert match != "none" or score <= PARTIAL_SCORE
            assert match != "full" or score >= FULL_SCORE


def test_it_is_learned_once_and_again_when_the_questions_change(tmp_path: Path) -> None:
    cv = load_skills()
    embedder = embedder_for(cv, dense=False)
    index = SkillIndex(tmp_path / "index.db", cv, embedder)
    questions = load_questions(QUESTIONS_FILE, cv)
    learned = calibrate(cv, questions, index, embedder)
    assert index.note("calibration") is not None
    assert calibrate(cv, questions, index, embedder) == learned
    assert calibrate(cv, questions[:100], index, embedder) != learned


def test_derived_questions_stand_in_for_the_kind_that_is_missing(tmp_path: Path) -> None:
    cv = load_skills(OTHERS / "chef_skills.json")
    asked = [q for q in load_questions(OTHERS / "chef_questions.json", cv) if q.expected]
    unlabelled = [Question(question="What would he cook?")]
    matcher = Matcher.open(cv, asked + unlabelled, tmp_path / "index.db")
    assert "20 given questions with an answer and 16 derived questions without one" in matcher.calibration.source
    assert matcher.match("What is the tallest building of Chile?").match_type == "none"
    bare = Matcher.open(cv, (), tmp_path / "index.db")
    assert "12 derived questions with an answer" in bare.calibration.source
    assert bare.match("Pastry?").match_type == "full"


def test_a_match_names_the_nearest_skills(tmp_path: Path) -> None:
    cv = load_skills()
    matcher = Matcher.open(cv, load_questions(QUESTIONS_FILE, cv), tmp_path / "index.db")
    match = matcher.match("Which databases has Ines used?")
    assert match.match_type == "full"
    assert {hit.skill.category for hit in match.hits} == {"Databases"}
    assert len(match.hits) > 1
    assert match.embed_ms > 0
    nothing = matcher.match("How do I bake sourdough bread?")
    assert (nothing.match_type, nothing.hits) == ("none", ())
