"""Many processes on one file: none loses, duplicates or reorders anything, and a killed one harms nobody."""

import os
import signal
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

from fireforget.abc import Query, Record
from fireforget.local.sqlite import SQLiteQueue, SQLiteStore
from fireforget.testing.events import NOON, event, scan

CONSUME = """
import asyncio, os, sys
from fireforget.local.sqlite import SQLiteQueue

async def main(path):
    queue = SQLiteQueue(path)
    while True:
        finished = os.path.exists(path + ".finished")
        deliveries = await queue.receive(3, wait=0.1, lease=60)
        for delivery in deliveries:
            print(delivery.attempt, delivery.message.key, delivery.message.body, flush=True)
        await queue.ack(deliveries)
        if finished and not deliveries:
            return await queue.aclose()

asyncio.run(main(*sys.argv[1:]))
"""

PUBLISH = """
import asyncio, sys
from fireforget.abc import Message
from fireforget.local.sqlite import SQLiteQueue

async def main(path, name):
    queue = SQLiteQueue(path)
    for n in range(40):
        await queue.publish([Message(f"{name}-{key}-{n}", f"{name}-{key}", f"{n}") for key in range(4)])
    await queue.aclose()

asyncio.run(main(*sys.argv[1:]))
"""

PUBLISH_AND_DIE = """
import asyncio, os, signal, sys
from fireforget.abc import Message
from fireforget.local.sqlite import SQLiteQueue

async def main(path):
    queue = SQLiteQueue(path)
    n = 0
    while True:
        await queue.publish([Message(f"{n}", f"{n % 3}", "{}")])
        print(n, flush=True)
        n += 1

asyncio.run(main(sys.argv[1]))
"""

LEAVE_OPEN = """
import asyncio, sys
from fireforget.abc import Message
from fireforget.local.sqlite import SQLiteQueue

asyncio.run(SQLiteQueue(sys.argv[1]).publish([Message("a", "k", "{}")]))
"""

START_TOGETHER = """
import asyncio, sys
from fireforget.local.sqlite import SQLiteStore

async def main(path, holder):
    store = SQLiteStore(path)
    sys.stdin.readline()
    print(await store.claim("report", 60, holder=holder))
    await store.aclose()

asyncio.run(main(*sys.argv[1:]))
"""


def start(script: str, *arguments: object) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", script, *map(str, arguments)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def output(process: "subprocess.Popen[str]") -> list[str]:
    out, _ = process.communicate()
    assert process.returncode == 0
    return out.splitlines()


def test_processes_share_a_queue(tmp_path: Path) -> None:
    path = tmp_path / "fireforget.db"
    publishers = [start(PUBLISH, path, name) for name in "pq"]
    consumers = [start(CONSUME, path) for _ in range(3)]
    for publisher in publishers:
        output(publisher)
    Path(f"{path}.finished").touch()
    got: dict[str, list[int]] = defaultdict(list)
    for consumer in consumers:
        mine: dict[str, list[int]] = defaultdict(list)
        for line in output(consumer):
            attempt, key, body = line.split()
            assert attempt == "1"
            mine[key].append(int(body))
        for key, numbers in mine.items():
            assert numbers == sorted(numbers), "each consumer sees a key in its order"
            got[key] += numbers
    assert {key: sorted(numbers) for key, numbers in got.items()} == {
        f"{name}-{key}": list(range(40)) for name in "pq" for key in range(4)
    }


def test_processes_that_start_at_once_make_one_file(tmp_path: Path) -> None:
    processes = [start(START_TOGETHER, tmp_path / "new" / "fireforget.db", n) for n in range(8)]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    answers = [output(process) for process in processes]
    assert sorted(answers) == [["False"]] * 7 + [["True"]]


@pytest.mark.asyncio
async def test_what_was_delivered_survives_the_death_of_its_process(tmp_path: Path) -> None:
    path = tmp_path / "fireforget.db"
    process = start(PUBLISH_AND_DIE, path)
    assert process.stdout is not None
    last = max(int(process.stdout.readline()) for _ in range(50))
    process.send_signal(signal.SIGKILL)
    process.communicate()
    queue = SQLiteQueue(path)
    seen: list[int] = []
    while deliveries := await queue.receive(100, wait=0, lease=60):
        seen += [int(delivery.message.id) for delivery in deliveries]
        await queue.ack(deliveries)
    assert sorted(seen) == list(range(len(seen)))
    assert len(seen) > last
    await queue.aclose()


def test_an_adapter_that_nobody_closed_does_not_hold_up_the_exit(tmp_path: Path) -> None:
    process = start(LEAVE_OPEN, tmp_path / "fireforget.db")
    process.communicate(timeout=20)
    assert process.returncode == 0


FORK = """
import asyncio, os, sys, warnings
from fireforget.abc import Message
from fireforget.local.sqlite import SQLiteQueue, SQLiteDeadLetters

warnings.simplefilter("ignore", DeprecationWarning)  # forking beside threads is what is tested
queue = SQLiteQueue(sys.argv[1])
dead = SQLiteDeadLetters(sys.argv[1])

async def publish(*names):
    outcomes = await queue.publish([Message(name, name, "{}") for name in names])
    assert [outcome.status for outcome in outcomes] == ["delivered"] * len(names)

async def parent():
    await publish("before")
    assert (await queue.depth()).visible == 1
    publishing = [asyncio.ensure_future(publish(f"during-{n}")) for n in range(20)]
    await asyncio.sleep(0)
    child = os.fork()
    if child == 0:
        links = [f"/proc/self/fd/{fd}" for fd in os.listdir("/proc/self/fd")]
        os._exit(sum("fireforget.db" in os.readlink(link) for link in links if os.path.lexists(link)))
    await asyncio.gather(*publishing)
    await publish("after")
    assert os.waitpid(child, 0)[1] == 0, "the child inherited an open file"

asyncio.run(parent())
child = os.fork()
if child == 0:
    async def use():
        await publish("child")
        await dead.put(Message("dead", "k", "{}"), "because")
        await queue.aclose()
        await dead.aclose()
    asyncio.run(use())
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0, "the child failed"

async def count():
    depth = await queue.depth()
    print(depth.visible, depth.dead)
    await queue.aclose()
    await dead.aclose()

asyncio.run(count())
"""


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="looks at /proc")
def test_a_fork_takes_no_open_file_along(tmp_path: Path) -> None:
    assert output(start(FORK, tmp_path / "fireforget.db")) == ["23 1"]


FORK_WHILE_LOCKED = """
import asyncio, os, sys, warnings
from fireforget.abc import Message
from fireforget.local.sqlite import SQLiteQueue, _sql_thread
from fireforget.local.sqlite._connection import connect

warnings.simplefilter("ignore", DeprecationWarning)  # forking beside threads is what is tested
_sql_thread.BUSY_SECONDS = 3600.0

async def main():
    queue = SQLiteQueue(sys.argv[1])
    writer = queue._database._file.writer
    await queue.publish([Message("before", "k", "{}")])
    other = connect(queue._database.path, "normal")
    other.execute("BEGIN IMMEDIATE")
    publishing = asyncio.ensure_future(queue.publish([Message("during", "k", "{}")]))
    await asyncio.sleep(0)
    while not writer._jobs.empty():
        await asyncio.sleep(0)
    for _ in range(5):
        child = os.fork()
        if child == 0:
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
    assert not publishing.done()
    other.execute("ROLLBACK")
    (outcome,) = await publishing
    other.close()
    await queue.aclose()
    print(outcome.status)

asyncio.run(main())
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_fork_does_not_wait_for_another_process_s_lock(tmp_path: Path) -> None:
    """The writer would wait for an hour."""
    process = start(FORK_WHILE_LOCKED, tmp_path / "fireforget.db")
    try:
        out, _ = process.communicate(timeout=60)
    finally:
        process.kill()
    assert out.splitlines() == ["delivered"]


@pytest.mark.asyncio
async def test_a_scan_and_writers_of_two_processes_do_not_disturb_each_other(tmp_path: Path) -> None:
    store = SQLiteStore(tmp_path / "fireforget.db")
    events = [event(NOON) for _ in range(450)]
    await store.put([Record(each) for each in events])
    publisher = start(PUBLISH, tmp_path / "fireforget.db", "p")
    while publisher.poll() is None:
        assert len(await scan(store, Query(start=NOON))) == 450
    assert output(publisher) == []
    await store.aclose()
