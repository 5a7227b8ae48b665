"""Visitors of the chatbot: they start its server, ask over HTTP side by side, and stop it with SIGTERM."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import deque
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import httpx
import msgspec
from anyio.streams.text import TextReceiveStream

from examples.cv_chatbot.chatbot import Answer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from anyio.abc import Process

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 60
STOP_SECONDS = 30
ANSWER_SECONDS = 30
PAUSE_SECONDS = 0.05
"""From an answer to the same visitor's next question."""
SOURCES = ("search", "direct", "newsletter", "profile")


class ServerError(RuntimeError):
    """The server did not start, answer or stop as it should."""


class Asked(msgspec.Struct, frozen=True):
    """One question and how it went; times are as the client saw them."""

    question: str
    answer: Answer
    milliseconds: float


@asynccontextmanager
async def server(*options: str) -> AsyncIterator[str]:
    """Run the server in a process of its own, yield its address, and stop it with SIGTERM at the end."""
    command = [sys.executable, "-m", "examples.cv_chatbot.serve", *options]
    # Settings of the environment's would make of the demonstration something else.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FIREFORGET_")}
    async with await anyio.open_process(
        command, cwd=ROOT, env=environment, stderr=None, stdin=subprocess.DEVNULL
    ) as process:
        try:
            yield await _address(process)
        finally:
            with anyio.CancelScope(shield=True):
                await _stop(process)


async def ask_all(url: str, questions: Sequence[str], clients: int) -> list[Asked]:
    """Ask every question, with so many clients side by side; each is a visitor with a session of its own."""
    waiting = deque(questions)
    done: list[Asked] = []

    async def visitor(number: int) -> None:
        session = f"visitor-{number}"
        headers = {"user-agent": "cv-chatbot-demo", "x-source": SOURCES[number % len(SOURCES)]}
        # The server is on this machine: no proxy of the environment's stands between.
        async with httpx.AsyncClient(base_url=url, headers=headers, timeout=ANSWER_SECONDS, trust_env=False) as client:
            (await client.get("/")).raise_for_status()  # the connection is open before the clock starts
            await anyio.sleep(PAUSE_SECONDS * number / clients)  # visitors do not come in step
            while waiting:
                question = waiting.popleft()
                start = time.perf_counter()
                response = await client.post("/ask", json={"question": question, "session": session})
                milliseconds = (time.perf_counter() - start) * 1000
                if response.status_code != httpx.codes.OK:
                    raise ServerError(f"{question!r} was answered with {response.status_code}: {response.text}")
                answer = msgspec.json.decode(response.content, type=Answer)
                done.append(Asked(question=question, answer=answer, milliseconds=milliseconds))
                await anyio.sleep(PAUSE_SECONDS)

    async with anyio.create_task_group() as visitors:
        for number in range(clients):
            visitors.start_soon(visitor, number)
    return done


async def _stop(process: Process) -> None:
    """Send SIGTERM and wait for the end."""
    if process.returncode is None:
        process.send_signal(signal.SIGTERM)
        with anyio.move_on_after(STOP_SECONDS):
            await process.wait()
    if process.returncode is None:
        process.kill()
        raise ServerError(f"the server ran on for {STOP_SECONDS} seconds after SIGTERM, and was killed")
    if process.returncode not in {0, -signal.SIGTERM}:
        raise ServerError(f"the server ended with status {process.returncode}; its messages stand above")


async def _address(process: Process) -> str:
    """Wait for the line in which the server tells its address."""
    output = ""
    if process.stdout is not None:
        with anyio.move_on_after(START_SECONDS):
            async for text in TextReceiveStream(process.stdout):
                output += text
                if "\n" in output:
                    break
    line = output.partition("\n")[0]
    if not line.startswith("listening on "):
        raise ServerError(f"the server did not start in {START_SECONDS} seconds; its messages stand above")
    return line.removeprefix("listening on ")
