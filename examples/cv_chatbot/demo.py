"""The whole pipeline on one machine: `python -m examples.cv_chatbot.demo`.

The chatbot runs twice against a queue that takes 100 ms: once awaiting it, once with fireforget. Clients ask
all questions over HTTP. Then every event that was accepted must be in the store, once.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import httpx
import msgspec
import numpy as np

from examples.cv_chatbot import options
from examples.cv_chatbot.clients import Asked, ServerError, ask_all, server
from examples.cv_chatbot.matching import Matcher
from examples.cv_chatbot.questions import questions_for
from examples.cv_chatbot.settling import Settled, SettlingError, settle, write_report
from examples.cv_chatbot.skills import SKILLS_FILE, DataFileError, load_skills
from examples.cv_chatbot.slow_queue import LATENCY
from examples.cv_chatbot.tables import show
from fireforget import FireForgetError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from examples.cv_chatbot.questions import Question
    from fireforget.reporting import Health

POPULAR = 4
"""Of so many questions one is asked again, of so many of these one is asked once more, and so on."""
EVENTS = 2
"""Events that each question makes."""
PERCENTILES = (50, 95, 99)


class Run(msgspec.Struct, frozen=True):
    """One way of recording, measured."""

    name: str
    asked: list[Asked]
    settled: Settled

    @property
    def accepted(self) -> list[str]:
        """The ids of the events that the server accepted."""
        return [event_id for asked in self.asked for event_id in asked.answer.events]

    def losses(self) -> tuple[set[str], set[str]]:
        """Return the accepted events missing from the store, and those that it has more than once."""
        stored = Counter(self.settled.stored)
        return set(self.accepted) - stored.keys(), {event_id for event_id in stored if stored[event_id] > 1}


def popular(questions: Sequence[str]) -> list[str]:
    """Return the questions as visitors ask them: each once, and some again."""
    texts = list(questions)
    step = POPULAR
    while step < len(questions):
        texts += questions[::step]
        step *= POPULAR
    return texts


async def measure(mode: str, name: str, texts: Sequence[str], arguments: argparse.Namespace) -> Run:
    """Ask everything of a server in `mode`, stop it, and see what reached the store."""
    directory = arguments.directory / mode
    files = ["--skills", str(arguments.skills)]
    if arguments.questions is not None:
        files += ["--questions", str(arguments.questions)]
    latency = ["--queue-latency", str(round(LATENCY * 1000))]
    print(f"Asking {len(texts)} questions, {name} ...", flush=True)
    async with server("--mode", mode, "--directory", str(directory), *files, *latency) as url:
        asked = await ask_all(url, texts, arguments.clients)
    return Run(name=name, asked=asked, settled=await settle(directory))


def show_latency(runs: Sequence[Run]) -> None:
    """Print what the clients measured, side by side."""
    rows = []
    for run in runs:
        times = [asked.milliseconds for asked in run.asked]
        figures = (f"{np.percentile(times, percentile):.1f} ms" for percentile in PERCENTILES)
        rows.append((run.name, f"{len(times)}", *figures))
    head = ("", "answers", *(f"p{percentile}" for percentile in PERCENTILES))
    show(
        f"Latency of an answer over HTTP, each event at a queue that takes {LATENCY * 1000:.0f} ms",
        head,
        rows,
    )


def show_events(runs: Sequence[Run]) -> bool:
    """Print where the events are; tell whether all were accepted and are in the store, once."""
    rows = []
    complete = True
    for run in runs:
        missing, repeated = run.losses()
        emitted, accepted = EVENTS * len(run.asked), len(run.accepted)
        complete = complete and emitted == accepted and not missing and not repeated
        counts = (emitted, accepted, accepted - len(missing), len(missing), len(repeated))
        rows.append((run.name, *(f"{count}" for count in counts)))
    show("Events", ("", "emitted", "accepted", "in the store", "missing", "repeated"), rows)
    return complete


def show_counts(counts: Health) -> None:
    """Print fireforget's own counts, which outlive the server."""
    fates = ("accepted", "delivered", "pending", "dead_lettered", "dropped", "corrupt")
    title = "fireforget's law: accepted = delivered + pending + dead-lettered + dropped + corrupt"
    heads = [fate.replace("_", "-") for fate in fates]
    show(title, heads, [[f"{getattr(counts, fate)}" for fate in fates]])


def show_quality(run: Run, questions: Sequence[Question]) -> None:
    """Print how many answers named what the question's label expects."""
    expected = {question.question: question.expected for question in questions}
    labelled = {asked.question: asked.answer for asked in run.asked if expected[asked.question] is not None}
    right = sum(
        answer.matched_skills[0] in (expected[text] or ()) if answer.matched_skills else not expected[text]
        for text, answer in labelled.items()
    )
    if labelled:
        print(f"{right} of {len(labelled)} labelled questions were answered or refused as expected.\n")


async def demonstrate(arguments: argparse.Namespace) -> bool:
    """Run the demonstration; tell whether every event is in the store, once."""
    start = time.perf_counter()
    cv = load_skills(arguments.skills)
    questions = questions_for(cv, arguments.questions, arguments.skills)
    calibration = Matcher.open(cv, questions, arguments.directory / "index.db").calibration
    print(f"{cv.person.name}: {len(cv.skills)} skills, {len(questions)} questions, {arguments.clients} clients")
    print(f'"No match" is a similarity below {calibration.thresholds.partial:.3f}: {calibration.source}.')
    print(f"Cross-validated, {calibration.held_out}.\n")
    texts = popular([question.question for question in questions])
    runs = [
        await measure("awaited", "awaiting the queue", texts, arguments),
        await measure("fireforget", "with fireforget", texts, arguments),
    ]
    print()
    show_latency(runs)
    complete = show_events(runs)
    show_counts(runs[-1].settled.counts)
    show_quality(runs[-1], questions)
    report = await write_report(arguments.directory / "fireforget", runs[-1].settled.counts)
    print(report.text)
    print(f"The same report as HTML: {report.page}")
    print(f"Done in {time.perf_counter() - start:.1f} seconds.")
    return complete


def parse(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m examples.cv_chatbot.demo", description=__doc__)
    parser.add_argument("--skills", type=Path, default=SKILLS_FILE, metavar="FILE", help="another CV's skills")
    parser.add_argument("--questions", type=Path, metavar="FILE", help="the questions to ask of it")
    parser.add_argument("--clients", type=options.clients, default=8, metavar="N", help="side by side, default 8")
    parser.add_argument("--directory", type=Path, help="where the files go; default: a new temporary directory")
    arguments = parser.parse_args(argv)
    arguments.skills = arguments.skills.resolve()
    if arguments.questions is not None:
        arguments.questions = arguments.questions.resolve()
    return arguments


def main(argv: Sequence[str] | None = None) -> int:
    """Run the demonstration; 0 where nothing was lost, 1 where something was, 2 if it could not run, 130 if stopped."""
    arguments = parse(argv)
    if arguments.directory is None:
        arguments.directory = Path(tempfile.mkdtemp(prefix="cv-chatbot-"))
    arguments.directory = arguments.directory.resolve()
    status = 2
    try:
        arguments.directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=arguments.directory):
            pass
    except OSError as error:
        print(f"{arguments.directory}: {error.strerror}; name another --directory", file=sys.stderr)
        return status
    try:
        if anyio.run(demonstrate, arguments):
            status = 0
        else:
            print(
                "Not every event was accepted and is in the store exactly once: the table above says where they are.",
                file=sys.stderr,
            )
            status = 1
    except* (DataFileError, ServerError, SettlingError, FireForgetError, httpx.HTTPError, OSError) as failures:
        print(_first(failures), file=sys.stderr)
    except* KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        status = 130
    return status


def _first(failures: BaseExceptionGroup[Exception]) -> str:
    failure: BaseException = failures
    while isinstance(failure, BaseExceptionGroup):
        failure = failure.exceptions[0]
    return str(failure) or type(failure).__name__


if __name__ == "__main__":
    sys.exit(main())
