"""Backoff and breaker: when the queue is tried again."""

import logging

import pytest

from fireforget._breaker import Backoff, Breaker
from fireforget._settings import DispatchSettings
from fireforget.testing.clock import ManualClock

SETTINGS = DispatchSettings(backoff_seconds=0.5, max_backoff_seconds=10.0, breaker_failures=3)


class LuckyClock(ManualClock):
    """Its chance is what a test says."""

    chance = 1.0

    def random(self) -> float:
        return self.chance


@pytest.fixture
def clock() -> LuckyClock:
    return LuckyClock()


@pytest.fixture
def backoff(clock: LuckyClock) -> Backoff:
    return Backoff(SETTINGS, clock)


@pytest.fixture
def breaker(clock: LuckyClock, backoff: Backoff) -> Breaker:
    return Breaker(SETTINGS, clock, backoff)


def test_the_bound_of_the_backoff_doubles_up_to_its_maximum(backoff: Backoff) -> None:
    assert [backoff.seconds(attempts) for attempts in range(1, 9)] == [0.5, 1.0, 2.0, 4.0, 8.0, 10.0, 10.0, 10.0]


@pytest.mark.parametrize("attempts", [0, 1_000_000])
def test_no_number_of_attempts_is_too_small_or_too_large(backoff: Backoff, attempts: int) -> None:
    assert 0.0 < backoff.seconds(attempts) <= 10.0


def test_the_jitter_takes_any_share_of_the_bound(backoff: Backoff, clock: LuckyClock) -> None:
    seconds = []
    for clock.chance in (0.0, 0.25, 0.75):
        seconds.append(backoff.seconds(4))

    assert seconds == [0.0, 1.0, 3.0]


def test_the_hint_of_the_service_is_the_least(backoff: Backoff, clock: LuckyClock) -> None:
    clock.chance = 0.5

    assert backoff.seconds(1, hint=7.0) == 7.0
    assert backoff.seconds(1, hint=60.0) == 60.0
    assert backoff.seconds(8, hint=1.0) == 5.0


def test_jitter_spreads_evenly() -> None:
    backoff = Backoff(SETTINGS, ManualClock())

    drawn = [backoff.seconds(6) for _ in range(2000)]

    assert 4.7 < sum(drawn) / len(drawn) < 5.3
    assert min(drawn) < 0.1
    assert max(drawn) > 9.9


def test_a_closed_breaker_lets_every_call_through(breaker: Breaker) -> None:
    breaker.failed("down")
    breaker.failed("down")

    assert (breaker.state, breaker.seconds_until_call()) == ("closed", 0.0)


def test_it_opens_after_so_many_failures_in_a_row(breaker: Breaker) -> None:
    for _ in range(3):
        breaker.failed("down")

    assert breaker.state == "open"
    assert breaker.seconds_until_call() == 4.0


def test_a_success_in_between_counts_anew(breaker: Breaker) -> None:
    for _ in range(2):
        breaker.failed("down")
        breaker.failed("down")
        breaker.succeeded()

    assert breaker.state == "closed"


def open_up(breaker: Breaker, clock: ManualClock) -> None:
    for _ in range(3):
        breaker.failed("down")
    clock.advance(breaker.seconds_until_call())


def test_half_open_it_lets_one_probe_through_and_no_more(breaker: Breaker, clock: LuckyClock) -> None:
    open_up(breaker, clock)

    before = breaker.seconds_until_call()
    breaker.begin()

    assert before == 0.0
    assert (breaker.state, breaker.seconds_until_call()) == ("half-open", float("inf"))


def test_a_probe_that_succeeds_closes_it(breaker: Breaker, clock: LuckyClock) -> None:
    open_up(breaker, clock)
    breaker.begin()

    breaker.succeeded()

    assert (breaker.state, breaker.seconds_until_call()) == ("closed", 0.0)


def test_each_probe_that_fails_keeps_it_open_for_longer(breaker: Breaker, clock: LuckyClock) -> None:
    open_up(breaker, clock)
    waits = []
    for _ in range(3):
        breaker.begin()
        breaker.failed("down")
        waits.append(breaker.seconds_until_call())
        clock.advance(waits[-1])

    assert waits == [8.0, 10.0, 10.0]


def test_calls_that_were_under_way_when_it_opened_do_not_keep_it_open_for_longer(
    breaker: Breaker, clock: LuckyClock
) -> None:
    for _ in range(10):
        breaker.failed("down")

    assert breaker.seconds_until_call() == 4.0


def test_the_hint_of_the_service_keeps_it_open(breaker: Breaker) -> None:
    breaker.failed("down")
    breaker.failed("down")
    breaker.failed("throttled", 30.0)

    assert breaker.seconds_until_call() == 30.0


def test_a_probe_that_told_nothing_is_made_again(breaker: Breaker, clock: LuckyClock) -> None:
    open_up(breaker, clock)
    breaker.begin()

    breaker.abandoned()

    assert (breaker.state, breaker.seconds_until_call()) == ("open", 0.0)


def test_an_abandoned_call_leaves_a_closed_breaker_closed(breaker: Breaker) -> None:
    breaker.abandoned()

    assert breaker.state == "closed"


def test_the_log_has_one_line_for_an_outage_and_one_for_its_end(
    breaker: Breaker, clock: LuckyClock, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG, "fireforget"):
        breaker.succeeded()
        open_up(breaker, clock)
        for _ in range(5):
            breaker.begin()
            breaker.failed("still down")
            clock.advance(60.0)
        breaker.begin()
        breaker.succeeded()
        breaker.succeeded()

    assert [record.getMessage() for record in caplog.records] == [
        "the queue does not take messages (down): events wait in the journal",
        "the queue answers again: publishing goes on",
    ]


def test_held_it_lets_no_call_through_until_it_is_resumed(breaker: Breaker) -> None:
    breaker.held = True
    assert breaker.seconds_until_call() == float("inf")

    breaker.resume()
    assert breaker.seconds_until_call() == 0.0


def test_resumed_it_is_closed_and_opens_with_the_next_failure(breaker: Breaker) -> None:
    for _ in range(3):
        breaker.failed("down")
    assert breaker.state == "open"

    breaker.resume()
    assert (breaker.state, breaker.seconds_until_call()) == ("closed", 0.0)
    breaker.begin()
    breaker.failed("still down")
    assert breaker.state == "open"


def test_resumed_after_a_success_it_has_forgotten_nothing(breaker: Breaker) -> None:
    breaker.failed("down")
    breaker.resume()
    breaker.failed("down")

    assert breaker.state == "closed"
