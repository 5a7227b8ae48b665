"""Serve the chatbot: `python -m examples.cv_chatbot.serve`."""

from __future__ import annotations

import argparse
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import uvicorn

from examples.cv_chatbot import options
from examples.cv_chatbot.answer import TemplateModel
from examples.cv_chatbot.app import create_app
from examples.cv_chatbot.chatbot import Chatbot
from examples.cv_chatbot.matching import Matcher
from examples.cv_chatbot.questions import questions_for
from examples.cv_chatbot.recording import Awaiting, Forgetting
from examples.cv_chatbot.skills import SKILLS_FILE, DataFileError, load_skills
from examples.cv_chatbot.slow_queue import SlowQueue
from fireforget import FireForget, FireForgetError, Settings, load_settings
from fireforget.local import backend

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from fireforget.abc import Queue


class PortError(OSError):
    """The port cannot be listened on."""


CONFIG = Path(__file__).parent / "fireforget.toml"


def settings_for(directory: Path | None, environ: Mapping[str, str] | None = None) -> Settings:
    """Read the example's configuration, then the variables; `directory` is where the files go instead."""
    settings = load_settings(CONFIG, environ)
    return settings if directory is None else msgspec.structs.replace(settings, directory=str(directory))


def local_queue(settings: Settings) -> Queue:
    """Return the SQLite queue that the settings name."""
    return backend.queue(settings.queue or backend.url("queue", name=settings.name, directory=settings.directory))


def build(arguments: argparse.Namespace) -> Any:
    """Return the ASGI app that the command line asks for."""
    settings = settings_for(arguments.directory)
    directory = Path(settings.directory)
    cv = load_skills(arguments.skills)
    questions = questions_for(cv, arguments.questions, arguments.skills)
    matcher = Matcher.open(cv, questions, directory / "index.db")
    slow = SlowQueue(local_queue(settings), arguments.queue_latency / 1000) if arguments.queue_latency else None
    unanswered = directory / "unanswered.txt"
    if arguments.mode == "awaited":
        queue = slow or local_queue(settings)
        awaiting = Awaiting(queue, source=settings.name)
        return create_app(Chatbot(cv, matcher, TemplateModel(), awaiting, unanswered), at_end=queue.aclose)
    ff = FireForget(settings, queue=slow)
    forgetting = Forgetting(ff)
    return ff.wrap(create_app(Chatbot(cv, matcher, TemplateModel(), forgetting, unanswered), stats=ff.stats))


def listen(port: int) -> socket.socket:
    """Return a listening socket of this machine; port 0 stands for any free one."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
    except OSError as error:
        listener.close()
        raise PortError(f"port {port} cannot be used ({error.strerror}); give another --port") from error
    listener.listen()
    return listener


def parse(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m examples.cv_chatbot.serve", description=__doc__)
    parser.add_argument("--skills", type=Path, default=SKILLS_FILE, metavar="FILE", help="the CV's skills")
    parser.add_argument("--questions", type=Path, metavar="FILE", help="labelled questions to calibrate on")
    parser.add_argument("--directory", type=Path, metavar="DIR", help="where the files go")
    parser.add_argument("--port", type=options.port, default=0, help="default: any free one")
    parser.add_argument("--mode", choices=("fireforget", "awaited"), default="fireforget", help="who records")
    latency = "added to each publish to the queue"
    parser.add_argument("--queue-latency", type=options.milliseconds, default=0, metavar="MS", help=latency)
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT."""
    arguments = parse(argv)
    try:
        app = build(arguments)
        listener = listen(arguments.port)
    except (DataFileError, FireForgetError, PortError) as error:
        print(error, file=sys.stderr)
        return 2
    except OSError as error:
        print(f"{error}; give another --directory", file=sys.stderr)
        return 2
    print(f"listening on http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="on")).run(sockets=[listener])
    return 0


if __name__ == "__main__":
    sys.exit(main())
