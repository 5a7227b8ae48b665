"""The application comes first: what the background takes of the interpreter, and when it gives way no more."""

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
    for step in (0.00002, 0.0002, 0.0019):
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
    machine.busy = 0.0
    until = machine.now + 0.5
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


def test_who_cannot_tell_is_not_made_to_wait() -> None:
    machine = Machine(busy=1.0)

    def fail() -> bool:
        raise LookupError

    machine.pace.pressed.append(fail)

    assert machine.share(1.0) > 0.9


def test_what_the_process_wants_includes_what_it_has() -> None:
    before = wanted()
    for _ in range(200_000):
        pass

    assert wanted() > before > 0.0


def test_where_the_kernel_tells_no_waiting_what_the_process_has_counts(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    for text in (None, "", "no number"):
        path = tmp_path_factory.mktemp("proc") / "schedstat"
        if text is not None:
            path.write_text(text)
        monkeypatch.setattr("fireforget._pace._WAITED", path)

        assert wanted() > 0.0
