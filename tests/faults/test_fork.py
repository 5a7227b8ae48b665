"""Across `fork`: each process has a journal of its own, and no child sends what its parent has to send."""

import signal
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.programs import Site, check_once, need


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path, drain_seconds=30, journal_adopt_seconds=0.1)


def test_a_child_never_sends_what_its_parent_has_to_send(site: Site) -> None:
    printed = site.run("""
        import os
        from fireforget import FireForget, Settings
        from fireforget._settings import DispatchSettings
        ff = FireForget(Settings(dispatch=DispatchSettings(linger_seconds=3600)))
        for n in range(10):
            print("parent", ff.emit("parent", {"n": n}), flush=True)
        child = os.fork()
        if child == 0:
            print("before", ff.stats().accepted, flush=True)
            for n in range(5):
                print("child", ff.emit("child", {"n": n}), flush=True)
            print("sent", ff.drain_blocking(), ff.stats().delivered, flush=True)
            os._exit(0)
        os.waitpid(child, 0)
        print("counted", ff.stats().accepted, ff.stats().delivered, flush=True)
        print("more", ff.emit("parent", {"n": 10}), flush=True)
    """)
    lines = [line.split() for line in printed.splitlines()]
    told = {line[0]: line[1:] for line in lines}

    assert told["before"] == ["0"]
    assert told["sent"] == ["0", "5"]
    assert told["counted"] == ["10", "0"]
    events = site.stored()
    check_once(events, [line[1] for line in lines if line[0] in {"parent", "child", "more"}])
    assert Counter(event.type for event in events) == {"parent": 11, "child": 5}


@pytest.mark.parametrize("end", ["os._exit(0)", "os.kill(os.getpid(), signal.SIGKILL)"])
def test_what_a_child_could_not_deliver_is_adopted(site: Site, end: str) -> None:
    printed = site.run(f"""
        import os, signal
        from fireforget import FireForget
        from tests.waiting import wait_for
        ff = FireForget()
        print(ff.emit("parent", {{}}), flush=True)
        child = os.fork()
        if child == 0:
            print(*(ff.emit("child", {{"n": n}}) for n in range(10)), flush=True)
            {end}
        os.waitpid(child, 0)
        directory = ff.settings.journal_directory
        wait_for(lambda: sum(path.is_dir() for path in directory.iterdir()) == 1)
    """)

    check_once(site.stored(), printed.split())
    assert len(site.stored()) == 11


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_a_child_of_multiprocessing_is_drained_at_its_end(site: Site, method: str) -> None:
    (site.path / "jobs.py").write_text("""if True:
        import os
        from fireforget import FireForget
        ff = FireForget()

        def work(number):
            os.write(1, f"{ff.emit('child', {'number': number})}\\n".encode())  # one line in one piece
    """)
    printed = site.run(f"""
        import multiprocessing
        from jobs import ff, work

        print(ff.emit("parent", {{}}), flush=True)
        ff.drain_blocking()  # so that its clients are warm
        context = multiprocessing.get_context({method!r})
        children = [context.Process(target=work, args=(number,)) for number in range(3)]
        for child in children:
            child.start()
        for child in children:
            child.join()
        with context.Pool(2) as pool:
            pool.map(work, range(3, 13))
            pool.close()
            pool.join()
    """)

    check_once(site.stored(), printed.split())
    assert len(site.stored()) == 14
    assert site.journals() == []


def test_gunicorn_may_preload_an_application_that_has_emitted_and_delivered(site: Site) -> None:
    need("gunicorn", "uvicorn_worker")
    (site.path / "served.py").write_text("""if True:
        from tests.faults.shop import ff, staged_app as app
        ff.emit("preloaded")
        ff.drain_blocking()
        ff.emit("preloaded")
    """)
    gunicorn = sys.executable, "-m", "gunicorn", "--bind", "127.0.0.1:{port}", "--preload", "--workers", "3"
    with site.serving(*gunicorn, "--worker-class", "uvicorn_worker.UvicornWorker", "served:app") as server:
        ids = [server.get("/order").split()[1] for _ in range(50)]
        server.stop(signal.SIGTERM)

    check_once(site.stored(), ids)
    types = Counter(event.type for event in site.stored())
    assert types == {"preloaded": 2, "order": 50, "startup": 3, "shutdown": 3}
    assert site.journals() == []


def test_a_preloading_server_may_emit_before_it_forks_its_workers(site: Site) -> None:
    printed = site.run("""
        import os, signal, sys
        from fireforget import FireForget
        ff = FireForget()
        print(ff.emit("preloaded", {}), flush=True)
        children = []
        readable, writable = os.pipe()
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})  # it waits until somebody waits for it
        for number in range(3):
            child = os.fork()
            if child == 0:
                print(*(ff.emit("served", {"n": n}) for n in range(20)), flush=True)
                os.write(writable, b".")
                signal.sigwait({signal.SIGTERM})
                sys.exit(0)
            children.append(child)
        for _ in children:
            os.read(readable, 1)
        ff.emit("last", {})
        for child in children:
            os.kill(child, signal.SIGTERM)
        for child in children:
            os.waitpid(child, 0)
    """)

    check_once(site.stored(), printed.split())
    assert Counter(event.type for event in site.stored()) == {"preloaded": 1, "served": 60, "last": 1}


def test_a_fork_in_the_middle_of_everything_harms_neither_side(site: Site) -> None:
    printed = site.run("""
        import asyncio, os, threading
        from fireforget import FireForget, current_context
        from tests.waiting import wait_for
        ff = FireForget()
        ids, ends, stop = [], [], threading.Event()

        def emit_all_the_time():
            while not stop.is_set():
                ids.append(str(ff.emit("parent", {"n": len(ids)})))
                stop.wait(0.0001)

        async def endless():
            ends.append((asyncio.get_running_loop(), asyncio.Event()))
            await ends[0][1].wait()

        current_context().wait_until(endless())
        wait_for(lambda: ends)
        thread = threading.Thread(target=emit_all_the_time)
        thread.start()
        children = []
        for number in range(5):
            child = os.fork()
            if child == 0:
                event_id = str(ff.emit("child", {"number": number}))
                pending = ff.drain_blocking(30)
                os.write(1, f"{event_id} {pending}\\n".encode())
                os._exit(0)
            children.append(child)
        for child in children:
            os.waitpid(child, 0)
        stop.set()
        thread.join()
        loop, end = ends[0]
        loop.call_soon_threadsafe(end.set)
        print(ff.drain_blocking(30), *ids, flush=True)
        os._exit(0)
    """)
    *children, parent = printed.splitlines()
    left, *ids = parent.split()

    assert [line.split()[1] for line in children] == ["0"] * 5
    assert left == "0"
    assert len(ids) > 5
    check_once(site.stored(), [*ids, *(line.split()[0] for line in children)])


def test_a_child_does_not_wait_for_the_work_of_its_parent(site: Site) -> None:
    printed = site.run(
        """
        import asyncio, os, time
        from fireforget import FireForget, current_context
        ff = FireForget()
        go = asyncio.Event()

        async def work():
            await go.wait()

        current_context().wait_until(work())
        ff.emit("parent", {})
        child = os.fork()
        if child == 0:
            ff.emit("child", {})
            began = time.monotonic()
            ff.drain_blocking(20)
            print(time.monotonic() - began < 10, flush=True)
            os._exit(0)
        os.waitpid(child, 0)
        os.kill(os.getpid(), 9)
    """,
        code=-signal.SIGKILL,
    )

    assert printed == "True\n"


def test_a_child_lets_go_of_journals_that_its_parent_has_adopted(site: Site) -> None:
    """As long as the child lived, nobody else could adopt them."""
    printed = site.run("""
        import os
        from msgspec.structs import replace
        from fireforget import DispatchSettings, FireForget, TransientError, load_settings
        from fireforget._backends import Adapters
        from fireforget.local.memory import MemoryQueue
        from tests.waiting import wait_for

        class Down(MemoryQueue):
            identity = Adapters(load_settings()).identity
            async def publish(self, messages):
                raise TransientError("down")

        dead = os.fork()
        if dead == 0:
            slow = FireForget(replace(load_settings(), dispatch=DispatchSettings(linger_seconds=3600)))
            print(*(slow.emit("dead", {"n": n}) for n in range(7)), flush=True)
            os._exit(0)
        os.waitpid(dead, 0)
        ff = FireForget(replace(load_settings(), drain_seconds=0.1), queue=Down("down"))
        ff.start()
        wait_for(lambda: ff.stats().recovered == 7)
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(writing)
            os.read(reading, 1)
            os._exit(0)
        ff.close()
        with FireForget() as ff:
            wait_for(lambda: ff.stats().recovered == 7)
        print("done", flush=True)
        os.write(writing, b".")
        os.waitpid(child, 0)
    """)
    ids, done = printed.splitlines()

    assert done == "done"
    check_once(site.stored(), ids.split())
    assert len(site.stored()) == 7
