"""Questions to ask of a CV, each with the skills that answer it, and questions made from the skills alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import msgspec

from examples.cv_chatbot.skills import CV, DATA, SKILLS_FILE, DataFileError, Text, read_json

if TYPE_CHECKING:
    from pathlib import Path

LONGEST = 1000
"""A question's most characters."""
QUESTIONS_FILE = DATA / "questions.json"

PHRASINGS = (
    "What is your experience with {}?",
    "{}?",
    "How well do you know {}?",
    "Tell me about {}",
    "Could you help us with {}?",
)
"""How a visitor asks about a skill by its name."""

OFF_TOPIC = (
    "What is the weather like today?",
    "Who won the world cup in 1998?",
    "What is the capital of Australia?",
    "Tell me a joke",
    "How tall is Mount Everest?",
    "What is your favourite colour?",
    "Write a poem about autumn leaves",
    "When does the next train leave?",
    "Do you like pineapple on pizza?",
    "Is it going to rain tomorrow?",
    "What is the best film of all time?",
    "My cat refuses to eat, what should I do?",
    "Where can I buy cheap shoes?",
    "How many moons has Jupiter?",
    "What star sign are you?",
    "How do I remove a wine stain from a carpet?",
)
"""Questions that hardly any CV answers."""


class Question(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A question; `expected` holds the skills any of which answers it, and is None where nobody said."""

    question: Annotated[Text, msgspec.Meta(max_length=LONGEST)]
    expected: tuple[str, ...] | None = None


class QuestionsFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The documented form of a questions file."""

    questions: Annotated[tuple[Question, ...], msgspec.Meta(min_length=1)]


def load_questions(path: Path, cv: CV) -> tuple[Question, ...]:
    """Read a questions file and check its labels against the skills they name."""
    names = {skill.name.casefold(): skill.name for skill in cv.skills}
    checked = []
    for number, question in enumerate(read_json(path, QuestionsFile, "--questions").questions, start=1):
        if question.expected is None:
            checked.append(question)
            continue
        unknown = next((name for name in question.expected if name.casefold() not in names), None)
        if unknown is not None:
            message = (
                f'{path}: question {number} ("{question.question}") expects the skill "{unknown}", which the '
                f"skills file does not have; correct the name, or pass the skills file it belongs to"
            )
            raise DataFileError(message)
        expected = tuple(names[name.casefold()] for name in question.expected)
        checked.append(Question(question=question.question, expected=expected))
    return tuple(checked)


def questions_for(cv: CV, path: Path | None, skills_file: Path) -> tuple[Question, ...]:
    """Return the questions in `path`; without it, those of our own CV, or ones made from the skills."""
    if path is None and skills_file.resolve() != SKILLS_FILE.resolve():
        return derive_questions(cv)
    return load_questions(path or QUESTIONS_FILE, cv)


def derive_questions(cv: CV) -> tuple[Question, ...]:
    """Make labelled questions from the skills alone, for a CV that comes without a questions file."""
    asked = [
        Question(question=PHRASINGS[number % len(PHRASINGS)].format(skill.name), expected=(skill.name,))
        for number, skill in enumerate(cv.skills)
    ]
    return (*asked, *(Question(question=text, expected=()) for text in OFF_TOPIC))
