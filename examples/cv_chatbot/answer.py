"""The language model as a port, and a default that needs none: the CV's own words, put together."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Protocol

import msgspec

if TYPE_CHECKING:
    from examples.cv_chatbot.matching import Match
    from examples.cv_chatbot.skills import Person, Skill

_TOKEN = re.compile(r"\w+|[^\w\s]")


class Reply(msgspec.Struct, frozen=True):
    """What a language model said, and the tokens it counted."""

    text: str
    input_tokens: int
    output_tokens: int


class LanguageModel(Protocol):
    """Words an answer. An adapter of a hosted model implements these two and is given to `create_app`."""

    @property
    def name(self) -> str:
        """The model's name, as the report shall show it."""

    async def answer(self, person: Person, question: str, match: Match) -> Reply:
        """Answer `question` from what was found about it."""


class TemplateModel:
    """A deterministic stand-in for a language model; its tokens are words and punctuation marks."""

    name = "template-1"

    async def answer(self, person: Person, question: str, match: Match) -> Reply:
        """Put an answer together from the matched skills."""
        prompt = prompt_for(person, question, match)
        text = _answer(person, match)
        return Reply(text=text, input_tokens=_count(prompt), output_tokens=_count(text))


def prompt_for(person: Person, question: str, match: Match) -> str:
    """Return the prompt for a question: the facts the answer may use, then the question."""
    facts = "\n".join(f"- {_facts(hit.skill)}" for hit in match.hits) or "- nothing in the CV fits"
    task = f"You answer questions about the CV of {person.name}. Use these facts only:"
    return f"{task}\n{facts}\nQuestion: {question}"


def _answer(person: Person, match: Match) -> str:
    if not match.hits:
        return f"The CV of {person.name} says nothing about that."
    nearest = match.hits[0].skill
    opening = "" if match.match_type == "full" else "Not quite, but near it: "
    others = [hit.skill.name for hit in match.hits[1:]]
    related = f" Related: {', '.join(others)}." if others else ""
    return f"{opening}{_facts(nearest)}{related}"


def _facts(skill: Skill) -> str:
    details = [skill.level]
    if skill.years is not None:
        details.append(f"{skill.years:g} {'year' if skill.years == 1 else 'years'}")
    known = ", ".join(detail for detail in details if detail)
    parts = [f"{skill.name} ({known})" if known else skill.name]
    if skill.description:
        parts.append(skill.description.rstrip("."))
    if skill.projects:
        parts.append(f"Projects: {', '.join(skill.projects)}")
    return ". ".join(parts) + "."


def _count(text: str) -> int:
    return len(_TOKEN.findall(text))
