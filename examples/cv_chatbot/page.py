"""The chatbot's page: a form and its answer, readable without a line of JavaScript."""

from __future__ import annotations

from html import escape
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING
from urllib.parse import urlencode

if TYPE_CHECKING:
    from examples.cv_chatbot.chatbot import Answer
    from examples.cv_chatbot.skills import CV

_PAGE = Template((Path(__file__).parent / "page.html").read_text(encoding="utf-8"))
_VERDICTS = {"full": "Match", "partial": "Near match", "none": "No match"}
_SUGGESTIONS = 5


def render(cv: CV, question: str = "", answer: Answer | None = None, problem: str = "") -> str:
    """Return the page as HTML, with an answer or a problem where there is one; every value is escaped."""
    person = cv.person
    return _PAGE.substitute(
        name=escape(person.name),
        title=escape(person.title),
        summary=escape(person.summary),
        question=escape(question),
        outcome=_problem(problem) if problem else _answer(question, answer) if answer else "",
        suggestions="\n".join(_suggestion(cv, place) for place in range(min(_SUGGESTIONS, len(cv.skills)))),
        count=len(cv.skills),
    )


def _suggestion(cv: CV, place: int) -> str:
    skill = cv.skills[place * len(cv.skills) // _SUGGESTIONS if len(cv.skills) > _SUGGESTIONS else place]
    address = f"/?{urlencode({'q': f'What about {skill.name}?'})}"
    return f'<a href="{escape(address)}">{escape(skill.name)}</a>'


def _problem(problem: str) -> str:
    return f'<section class="answer none"><p>{escape(problem)}</p></section>'


def _answer(question: str, answer: Answer) -> str:
    skills = "".join(f"<li>{escape(skill)}</li>" for skill in answer.matched_skills)
    remembered = ", from memory" if answer.cache_hit else ""
    return (
        f'<section class="answer {answer.match_type}">'
        f'<p class="asked">{escape(question)}</p><p>{escape(answer.answer)}</p>'
        f"{f'<ul>{skills}</ul>' if skills else ''}"
        f'<p class="facts"><strong>{_VERDICTS[answer.match_type]}</strong> '
        f"with a score of {answer.match_score:g}, in {answer.processing_ms:.2f} ms{remembered}</p></section>"
    )
