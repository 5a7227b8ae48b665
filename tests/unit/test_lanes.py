"""Lanes: the window through which a journal is seen, and the packs cut from it."""

import itertools
import json
import mmap
from collections import Counter
from zlib import crc32

import pytest

from fireforget._event import split_batch
from fireforget._journal import reading
from fireforget._lanes import STEP, WINDOW_PACKS, Lane, Lanes
from fireforget._pack import ENVELOPE_BYTES, Pack
from tests.emitting import Pen, correlated

LANES = 4


@pytest.fixture
def pen() -> Pen:
    return Pen()


def lanes_of(pen: Pen, pack_bytes: int = 2000, count: int = LANES) -> Lanes:
    return Lanes(pen.open_journal(), count, pack_bytes)


def emit(pen: Pen, count: int, *, session: str | None = None, size: int = 0, first: int = 0) -> None:
    for n in range(first, first + count):
        with correlated(n, session or f"s{n}"):
            pen.emit("query", {"n": n, "text": "x" * size})


def fill(lanes: Lanes) -> int:
    """Read until there is no more; how many steps it took."""
    steps = 1
    while lanes.fill():
        steps += 1
        assert steps < 1000
    return steps


def numbers(pack: Pack) -> list[int]:
    return [json.loads(bytes(raw))["data"]["n"] for raw in split_batch(pack.message.body)]


def take(lanes: Lanes, lane: Lane) -> list[int]:
    """Deliver the next pack of a lane; its events' numbers."""
    pack = lanes.next_pack(lane)
    if pack is None:
        return []
    lane.packs.popleft()
    lanes.journal.settle(pack.entries, "delivered")
    return numbers(pack)


def test_the_lane_of_an_event_follows_from_its_session(pen: Pen) -> None:
    emit(pen, 40)
    lanes = lanes_of(pen, 100_000)
    fill(lanes)

    for lane in lanes:
        mine = [n for n in range(40) if (crc32(f"s{n}".encode()) & 0xFFFF) % LANES == lane.number]
        assert take(lanes, lane) == mine


def test_without_a_session_it_follows_from_the_correlation(pen: Pen) -> None:
    for number in range(40):
        with correlated(number):
            pen.emit("query", {"n": number})
            pen.emit("response", {"n": number})
    lanes = lanes_of(pen, 100_000)
    fill(lanes)

    counted = Counter(n for lane in lanes for n in take(lanes, lane))
    used = [lane for lane in lanes if lane.empty]

    assert counted == Counter(dict.fromkeys(range(40), 2))
    assert len(used) == LANES


def test_events_outside_of_requests_share_a_lane_in_runs_so_that_they_pack_well(pen: Pen) -> None:
    for n in range(640):
        pen.emit("query", {"n": n})
    lanes = lanes_of(pen, 1_000_000)
    fill(lanes)

    taken = [take(lanes, lane) for lane in lanes]

    assert sorted(n for each in taken for n in each) == list(range(640))
    runs = sum(1 for each in taken for earlier, later in itertools.pairwise(each) if later != earlier + 1)
    assert runs < 12


def test_attributes_of_one_event_move_it_to_their_lane(pen: Pen) -> None:
    for n in range(20):
        pen.emit("query", {"n": n}, {"sessionid": "s1"})
    lanes = lanes_of(pen, 100_000)
    fill(lanes)

    assert [take(lanes, lane) for lane in lanes if not lane.empty] == [list(range(20))]


def test_the_key_of_a_lane_is_the_same_in_every_process() -> None:
    assert [Lane(number).key for number in (0, 15, 1023)] == ["lane-000", "lane-015", "lane-1023"]


def test_one_step_is_bounded(pen: Pen) -> None:
    emit(pen, 10 * STEP, session="s1")
    lanes = lanes_of(pen, 10_000_000)

    assert lanes.fill() is True
    assert sum(len(lane.entries) for lane in lanes) == STEP
    assert fill(lanes) == 10


def test_what_does_not_fit_the_window_stays_in_the_journal_and_comes_later_in_order(pen: Pen) -> None:
    emit(pen, 1000, session="s1", size=50)
    lanes = lanes_of(pen)
    taken: list[int] = []
    most = 0
    while len(taken) < 1000:
        fill(lanes)
        most = max(most, *(lane.bytes for lane in lanes))
        found = [n for lane in lanes for n in take(lanes, lane)]
        assert found
        taken += found

    assert taken == list(range(1000))
    assert most <= WINDOW_PACKS * 2000 + STEP * (ENVELOPE_BYTES + 70)


def test_a_full_lane_is_passed_over_and_the_others_go_on(pen: Pen) -> None:
    emit(pen, 500, session="s1", size=50)
    emit(pen, 100, session="s2", first=500)
    lanes = lanes_of(pen)
    taken: list[int] = []
    for _ in range(100):
        fill(lanes)
        taken += [n for lane in lanes if lane.number != number_of("s1") for n in take(lanes, lane)]

    assert taken == list(range(500, 600))
    assert sum(len(lane.entries) for lane in lanes) < 100


def number_of(session: str) -> int:
    return (crc32(session.encode()) & 0xFFFF) % LANES


@pytest.mark.parametrize("count", [2_000, 20_000])
def test_lanes_that_take_turns_are_read_twice_at_most(pen: Pen, monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    for number in range(16):
        with correlated(number, f"s{number}"):
            for n in range(count // 16):
                pen.emit("query", {"n": n})
    lanes = lanes_of(pen, count=16)
    looked = 0
    unpack = reading._unpack

    def looking(mapping: mmap.mmap, at: int) -> tuple[int, ...]:
        nonlocal looked
        looked += 1
        return unpack(mapping, at)

    monkeypatch.setattr(reading, "_unpack", looking)
    taken = 0
    while taken < count:
        lanes.fill()
        taken += sum(len(take(lanes, lane)) for lane in lanes)

    assert looked < 3 * count


def test_where_all_lanes_have_a_pack_reading_stops_before_any_is_passed_over(pen: Pen) -> None:
    emit(pen, 4000, size=50)
    lanes = lanes_of(pen)
    fill(lanes)

    assert all(lane.bytes >= 2000 and lane.behind is None for lane in lanes)
    assert sum(len(lane.entries) for lane in lanes) <= STEP


@pytest.mark.parametrize("busy", [0, 900])
def test_many_full_lanes_lose_and_double_nothing(pen: Pen, busy: int) -> None:
    for first in range(0, 3000, 1000):
        emit(pen, busy, session="s1", first=first, size=20)
        emit(pen, 1000 - busy, first=first + busy, size=20)
    lanes = lanes_of(pen, 1000)
    taken: list[int] = []
    turn = 0
    while len(taken) < 3000:
        turn += 1
        if turn == 5:
            emit(pen, 100, first=3000)
        fill(lanes)
        for lane in lanes:
            if (turn + lane.number) % 3:
                taken += take(lanes, lane)
        assert turn < 5000
    while found := [n for lane in lanes for n in (fill(lanes), *take(lanes, lane))[1:]]:
        taken += found

    assert sorted(taken) == list(range(3100))
    for number in range(LANES):
        sessions = {n: "s1" if n < 3000 and n % 1000 < busy else f"s{n}" for n in taken}
        mine = [n for n in taken if number_of(sessions[n]) == number]
        assert mine == sorted(mine)
    assert pen.counts.pending == 0


def test_a_pack_once_cut_stays_as_it_is(pen: Pen) -> None:
    emit(pen, 3, session="s1")
    lanes = lanes_of(pen)
    fill(lanes)
    (lane,) = [lane for lane in lanes if not lane.empty]
    pack = lanes.next_pack(lane)
    emit(pen, 3, session="s1", first=3)
    fill(lanes)

    again = lanes.next_pack(lane)

    assert pack is again
    assert pack is not None
    assert numbers(pack) == [0, 1, 2]


def test_the_id_of_a_message_follows_from_its_events(pen: Pen) -> None:
    emit(pen, 6, session="s1")
    first, second = lanes_of(pen), Lanes(pen.open_journal(), LANES, 2000)
    fill(first)
    lane = next(lane for lane in first if not lane.empty)
    entries = list(lane.entries)
    one = first.next_pack(lane)
    other = next(iter(second))
    other.entries.extend(entries)
    same = second.next_pack(other)
    assert one is not None
    assert same is not None

    assert one.message.id == same.message.id
    assert one.message.body == same.message.body
    assert len({first._packer.pack(type(lane.entries)([entry]), "k", 1).message.id for entry in entries}) == 6  # type: ignore[union-attr]


@pytest.mark.parametrize("text", ["", "ascii", "grüße 🎉", "\ufffe\uffff"])
def test_the_size_of_a_pack_is_that_of_its_body(pen: Pen, text: str) -> None:
    for n in range(3):
        with correlated(n, "s1"):
            pen.emit("query", {"n": n, "text": text})
    lanes = lanes_of(pen)
    fill(lanes)

    (pack,) = [pack for lane in lanes if (pack := lanes.next_pack(lane)) is not None]

    assert pack.size == len(pack.message.body.encode())
    assert pack.message.count == len(pack.entries) == 3


def test_a_pack_is_as_large_as_it_may_be_and_no_larger(pen: Pen) -> None:
    emit(pen, 20, session="s1")
    lanes = lanes_of(pen, 100_000)
    fill(lanes)
    lane = next(lane for lane in lanes if not lane.empty)
    entries = list(lane.entries)
    whole = lanes.next_pack(lane)
    assert whole is not None

    exact = lanes._packer.pack(type(lane.entries)(entries), "k", whole.size)
    less = lanes._packer.pack(type(lane.entries)(entries), "k", whole.size - 1)

    assert exact is not None
    assert less is not None
    assert (exact.message.count, less.message.count) == (20, 19)


def test_splitting_puts_single_events_in_the_place_of_a_pack(pen: Pen) -> None:
    emit(pen, 10, session="s1", size=200)
    lanes = lanes_of(pen)
    fill(lanes)
    lane = next(lane for lane in lanes if not lane.empty)
    pack = lanes.next_pack(lane)
    assert pack is not None
    count = pack.message.count

    lanes.split(lane, pack)

    assert [numbers(single) for single in lane.packs] == [[n] for n in range(count)]
    assert {single.message.key for single in lane.packs} == {pack.message.key}
    assert pack.message.id not in {single.message.id for single in lane.packs}
    assert [n for _ in range(11) for n in take(lanes, lane)] == list(range(10))


def test_damage_found_while_packing_leaves_the_rest(pen: Pen) -> None:
    emit(pen, 3, session="s1")
    lanes = lanes_of(pen)
    fill(lanes)
    lane = next(lane for lane in lanes if not lane.empty)
    mapping = lanes.journal.tail.file.mapping
    mapping[mapping.find(b'{"n":0,', 0) + 1] = 0

    pack = lanes.next_pack(lane)

    assert pack is not None
    assert numbers(pack) == [1, 2]
    assert pen.counts.corrupt == 1


def test_damage_of_all_that_is_left_leaves_nothing(pen: Pen) -> None:
    emit(pen, 1, session="s1")
    lanes = lanes_of(pen)
    fill(lanes)
    lane = next(lane for lane in lanes if not lane.empty)
    mapping = lanes.journal.tail.file.mapping
    mapping[mapping.find(b'{"n":0,', 0) + 1] = 0

    assert lanes.next_pack(lane) is None
    assert lane.empty
    assert lanes.pending == 0
