from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from examples.cv_chatbot.questions import QUESTIONS_FILE, derive_questions, load_questions, questions_for
from examples.cv_chatbot.skills import SKILLS_FILE, DataFileError, load_skills

if TYPE_CHECKING:
    from pathlib import Path


def written(folder: Path, content: Any) -> Path:
    file = folder / "file.json"
    file.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return file


def test_our_own_cv_is_large_enough_to_be_worth_searching() -> None:
    cv = load_skills()
    questions = load_questions(QUESTIONS_FILE, cv)
    assert len(cv.skills) >= 60
    assert len(questions) >= 200
    assert sum(not question.expected for question in questions) >= 20
    assert {name for question in questions for name in question.expected or ()} == {s.name for s in cv.skills}
    assert len({question.question.casefold() for question in questions}) == len(questions)


def test_a_name_is_all_that_a_skill_needs(tmp_path: Path) -> None:
    cv = load_skills(written(tmp_path, "\ufeff" + json.dumps({"skills": [{"name": "Juggling"}]})))
    assert [skill.name for skill in cv.skills] == ["Juggling"]
    assert cv.person.name == "the candidate"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{", "not JSON"),
        ({"skills": []}, "length >= 1"),
        ({"skills": [{"name": " "}]}, "$.skills[0].name"),
        ({"skills": [{"name": "Go", "years": "two"}]}, "$.skills[0].years"),
        ({"skills": [{"name": "Go", "years": -1}]}, ">= 0"),
        ({"skills": [{"name": "Go", "yeers": 1}]}, "yeers"),
        ({"skills": [{"name": "Go"}, {"name": "GO"}]}, '"Go" is there more than once'),
        ([{"name": "Go"}], "Expected `object`"),
    ],
)
def test_a_wrong_skills_file_is_explained_in_one_line(tmp_path: Path, content: Any, says: str) -> None:
    file = written(tmp_path, content)
    with pytest.raises(DataFileError) as caught:
        load_skills(file)
    message = str(caught.value)
    assert message.startswith(str(file))
    assert says in message
    assert "\n" not in message


def test_a_missing_file_names_the_option(tmp_path: Path) -> None:
    with pytest.raises(DataFileError, match=r"cannot be read .* give --skills the path"):
        load_skills(tmp_path / "none.json")
    with pytest.raises(DataFileError, match="give --questions the path"):
        load_questions(tmp_path, load_skills())


def test_a_label_must_name_a_skill_of_the_cv(tmp_path: Path) -> None:
    cv = load_skills(written(tmp_path, {"skills": [{"name": "Go"}]}))
    file = written(tmp_path, {"questions": [{"question": "Go?", "expected": ["go"]}, {"question": "Why?"}]})
    first, second = load_questions(file, cv)
    assert first.expected == ("Go",)
    assert second.expected is None
    wrong = written(tmp_path, {"questions": [{"question": "Rust?", "expected": ["Rust"]}]})
    with pytest.raises(DataFileError, match=r'question 1 \("Rust\?"\) expects the skill "Rust"'):
        load_questions(wrong, cv)


def test_a_cv_without_questions_gets_questions_of_both_kinds(tmp_path: Path) -> None:
    file = written(tmp_path, {"skills": [{"name": "Juggling"}, {"name": "Fire eating"}]})
    cv = load_skills(file)
    questions = questions_for(cv, None, file)
    assert questions == derive_questions(cv)
    assert {name for question in questions for name in question.expected or ()} == {"Juggling", "Fire eating"}
    assert any(question.expected == () for question in questions)
    assert questions_for(load_skills(), None, SKILLS_FILE) == load_questions(QUESTIONS_FILE, load_skills())
