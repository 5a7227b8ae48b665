"""The application comes first: what the background takes of the interpreter, and when it gives way no more."""

import os
import sys
import threading
import time
from pathlib import Path

import pytest

from fireforget._pace import LEAST_SHARE, LOOK_SECONDS, MOST_PAUSE_SECONDS, Pace, wanted


class Machine:
    """A processor that a background thread shares with an application that is busy for a part of the time it is left.

    Args:
        busy: That part, from 0 to 1.
    """

    def __init__(self, busy: float = 0.0) -> None:
        self.busy = busy
        self.now = self.own = self.whole = 0.0
        self.pace = Pace(lambda: self.now, lambda: self.own, lambda: self.whole)
        self.paused = 0.0
        self.longest = 0.0

    def work(self, seconds: float) -> None:
        """The background takes a step."""
        self.now += seconds
        self.own += seconds
        self.whole += seconds

    def rest(self, seconds: float) -> None:
        """The background sleeps or waits, and the application has the processor."""
        self.now += seconds
        self.whole += seconds * self.busy

    def turn(self, seconds: float = 0.001) -> float:
        """A step of the background and the pause after it, with a breath at least; how long it paused."""
        self.work(seconds)
        pause = self.pace.pause()
        self.paused += pause
        self.longest = max(self.longest, pause)
        self.rest(max(pause, 50e-6))
        return pause

    def share(self, seconds: float = 30.0, step: float = 0.001) -> float:
        """What part of a while the background works, if it has always something to do."""
        for _ in range(100):
            self.turn(step)
        began, worked = self.now, self.own
        while self.now < began + seconds:
            self.turn(step)
        return (self.own - worked) / (self.now - began)


def test_where_the_application_is_idle_the_background_need_not_pause() -> None:
    machine = Machine(busy=0.0)

    assert machine.share() > 0.9
    assert machine.paused == 0.0


def test_a_saturating_application_leaves_it_the_least_share_and_delivery_never_starves() -> None:
    assert Machine(busy=1.0).share() == pytest.approx(LEAST_SHARE, rel=0.05)


@pytest.mark.parametrize("busy", [0.25, 0.5, 0.75])
def test_it_takes_what_the_application_leaves(busy: float) -> None:
    assert Machine(busy).share() == pytest.approx(1 - busy, rel=0.1)


@pytest.mark.parametrize("busy", [1.5, 8.0])
def test_an_application_on_many_processors_counts_as_one_that_needs_all(busy: float) -> None:
    assert Machine(busy).share() == pytest.approx(LEAST_SHARE, rel=0.05)


def test_the_share_holds_for_steps_of_any_length_and_no_pause_is_long() -> None:
    for step in (0.00002, 0.0002, 0.0009):
        machine = Machine(busy=1.0)

        assert machine.share(step=step) == pytest.approx(LEAST_SHARE, rel=0.2)
        assert machine.longest <= MOST_PAUSE_SECONDS


def test_time_that_it_has_nothing_to_do_counts_as_a_pause() -> None:
    machine = Machine(busy=1.0)
    machine.share(1.0)
    machine.work(0.001)
    machine.rest(1.0)
    machine.pace.pause()

    assert machine.pace.pause() == 0.0


def test_one_long_step_is_not_made_up_for_without_end() -> None:
    machine = Machine(busy=1.0)
    machine.share(1.0)
    machine.turn(5.0)
    before = machine.paused
    while machine.turn(0.0):
        pass

    assert machine.paused - before < 0.5


def test_a_load_that_ends_frees_it_soon() -> None:
    machine = Machine(busy=1.0)
    machine.share(1.0)
    machine.turn(0.1)
    machine.busy = 0.0
    until = machine.now + 3 * LOOK_SECONDS
    while machine.now < until:
        machine.turn()

    assert machine.turn() == 0.0
    assert machine.share() > 0.9


def test_for_who_waits_it_gives_way_to_nobody_from_the_next_step_on() -> None:
    machine = Machine(busy=1.0)
    machine.share(1.0)
    one, other = object(), object()
    machine.pace.hurry(one)
    machine.pace.hurry(other)

    assert machine.turn() == 0.0
    assert machine.share(1.0) > 0.9
    machine.pace.relax(one)
    assert machine.share(1.0) > 0.9
    machine.pace.relax(other)
    machine.pace.relax(other)
    assert machine.share() == pytest.approx(LEAST_SHARE, rel=0.05)


def test_what_presses_lifts_the_limit_as_long_as_it_does() -> None:
    machine = Machine(busy=1.0)
    pressed = False
    machine.pace.pressed += [lambda: False, lambda: pressed]
    machine.share(1.0)

    pressed = True
    machine.turn(LOOK_SECONDS)
    machine.turn(LOOK_SECONDS)
    assert machine.share(1.0) > 0.9
    pressed = False
    assert machine.share() == pytest.approx(LEAST_SHARE, rel=0.05)


def test_clocks_that_are_not_exact_do_no_harm() -> None:
    machine = Machine(busy=-0.01)  # less of the process than of the thread alone

    assert machine.share() > 0.9
    assert machine.paused == 0.0


def test_who_cannot_tell_is_not_made_to_wait() -> None:
    machine = Machine(busy=1.0)

    def fail() -> bool:
        raise LookupError

    machine.pace.pressed.append(fail)

    assert machine.share(1.0) > 0.9


def burn(seconds: float) -> None:
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass


def test_what_the_process_wants_includes_what_it_has() -> None:
    before = wanted()
    burn(0.05)

    assert wanted() - before >= 0.05


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel does not tell of threads")
@pytest.mark.parametrize(("name", "counts"), [("fireforget-writer", False), ("the application's", True)])
def test_the_work_of_our_other_threads_is_not_the_applications(
    monkeypatch: pytest.MonkeyPatch, name: str, counts: bool
) -> None:
    done, told = threading.Event(), threading.Event()

    def work() -> None:
        burn(0.2)
        done.set()
        told.wait()

    monkeypatch.setattr(os, "getpid", lambda: 0)  # there is no such thread: what the main one waits for is left out
    before = wanted() - time.process_time()
    thread = threading.Thread(target=work, name=name)
    thread.start()
    done.wait()
    after = wanted() - time.process_time()
    told.set()
    thread.join()

    assert (after - before > -0.1) if counts else (after - before <= -0.2)


def test_where_the_kernel_tells_of_no_thread_what_the_process_has_counts(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("fireforget._pace._TASKS", tmp_path)
    assert wanted() == pytest.approx(time.process_time(), abs=1.0)

    path = tmp_path / str(os.getpid()) / "schedstat"
    path.parent.mkdir()
    for text, waited in (("", 0.0), ("no numbers at all", 0.0), ("5 7000000000 9", 7.0)):
        path.write_text(text)

        assert wanted() - time.process_time() == pytest.approx(waited, abs=1.0)
