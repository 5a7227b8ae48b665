"""The journal against a simple model of it, and against damage."""

import shutil
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from fireforget._journal import Binding, Cursor, Entry, Journal, Options, Position, Wanted, adopt, totals, verify
from fireforget._journal.mapping import PAGE
from fireforget._journal.record import CONTEXT, EVENT, HEADER, HEADER_SIZE, MOST, PENDING, SETTLED, TYPE
from tests.journals import (
    PROCESS,
    QUEUE,
    abandon,
    assert_law,
    body,
    compact,
    context,
    emit,
    everything,
    number_of,
    opened,
)

LANES = 4
STATES_ON_DISK = SETTLED | {PENDING}
STATES = {"delivered": "delivered", "dead": "dead_lettered"}
sizes = st.sampled_from([0, 10, 100, 1000, 20_000])


class JournalMachine(RuleBasedStateMachine):
    """Appends, reads, settles, rotates, compacts, dies and is adopted; every event is accounted for."""

    @initialize(
        segment_pages=st.sampled_from([2, 4, 8]), durability=st.sampled_from(["process", "process", "power", "none"])
    )
    def begin(self, segment_pages: int, durability: Any) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="journal-"))
        size = segment_pages * PAGE
        self.options = Options(segment_bytes=size, max_bytes=64 * size, durability=durability)
        self.journal = opened(self.root, self.options)
        self.contexts = [PROCESS, *(context(number) for number in range(1, LANES))]
        self.appended: list[int] = []
        self.context_of: dict[int, bytes] = {}
        self.outcome_of: dict[int, str] = {}
        self.finished: dict[str, int] = {}
        self.held: list[Entry] = []
        self.cursors: list[tuple[Cursor, int]] = []
        self.walked = 0
        self.living = True

    def teardown(self) -> None:
        if hasattr(self, "root"):
            self.journal.close()
            shutil.rmtree(self.root)

    @precondition(lambda self: self.living)
    @rule(lane=st.integers(0, LANES - 1), size=sizes, count=st.integers(1, 60))
    def append(self, lane: int, size: int, count: int) -> None:
        for _ in range(count if size < 1000 else 1):
            number = len(self.context_of)
            if emit(self.journal, self.contexts[lane], f"t{number % 3}", body(number, size)):
                self.appended.append(number)
            self.context_of[number] = self.contexts[lane].fragment

    @rule(limit=st.integers(0, 100))
    def walk(self, limit: int) -> None:
        entries = self.journal.walk(limit)
        self.check(entries)
        unwalked = [number for number in self.appended[self.walked :] if number not in self.outcome_of]
        assert [self.number(entry) for entry in entries] == unwalked[:limit]
        if entries:
            self.walked = self.appended.index(self.number(entries[-1])) + 1
        self.held += entries

    @precondition(lambda self: self.held)
    @rule(data=st.data(), outcome=st.sampled_from(sorted(STATES)))
    def settle(self, data: st.DataObject, outcome: Any) -> None:
        keep = data.draw(st.integers(1, 12), label="keep one in")
        chosen = [entry for i, entry in enumerate(self.held) if keep == 1 or i % keep]
        for entry in chosen:
            self.outcome_of[self.number(entry)] = outcome
        kept = set(map(id, chosen))
        self.held = [entry for entry in self.held if id(entry) not in kept]
        self.journal.settle(chosen, outcome)
        self.journal.settle(chosen[:3], "delivered")

    @precondition(lambda self: self.held)
    @rule(data=st.data(), lane=st.integers(0, LANES - 1), knowing=st.booleans())
    def read_again(self, data: st.DataObject, lane: int, knowing: bool) -> None:
        start = data.draw(st.sampled_from(self.held), label="start")
        key_hash = lane
        expected = [entry for entry in self.held if entry.position >= start.position and entry.key_hash == key_hash]
        cursor = self.journal.cursor(start.position)
        for entry, after in pairwise(self.held) if knowing else ():
            if entry.position >= start.position and entry.key_hash != key_hash:
                cursor.skip(entry.position, after.position)
        found = []
        while not cursor.at_end:
            found += cursor.take(9, Wanted((key_hash,), 1 << 16))
        assert [self.number(entry) for entry in found] == [self.number(entry) for entry in expected]

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def keep_a_cursor(self, data: st.DataObject) -> None:
        start = data.draw(st.sampled_from(self.held), label="start")
        self.cursors.append((self.journal.cursor(start.position), self.number(start)))

    @precondition(lambda self: self.cursors)
    @rule()
    def use_a_cursor(self) -> None:
        cursor, first = self.cursors.pop()
        found = [self.number(entry) for entry in everything(cursor)]
        assert found == [number for number in map(self.number, self.held) if number >= first]

    @rule(step=st.sampled_from(["compact", "prepare", "sync", "seal"]))
    def keep_house(self, step: str) -> None:
        getattr(self.journal, step)()

    @precondition(lambda self: self.options.durability != "none")
    @rule()
    def die(self) -> None:
        pending = self.journal.pending
        self.journal.prepare()
        abandon(self.journal)
        (self.journal,) = adopt(self.root, QUEUE, self.options)
        self.living, self.held, self.cursors, self.walked = False, [], [], 0
        assert self.journal.counts.recovered >= pending

    @precondition(lambda self: not self.living and len(self.outcome_of) == len(self.appended))
    @rule()
    def begin_anew(self) -> None:
        self.journal.close()
        assert not (self.root / self.journal.id).exists()
        for outcome in self.outcome_of.values():
            self.finished[outcome] = self.finished.get(outcome, 0) + 1
        self.journal = opened(self.root, self.options)
        self.living, self.walked = True, 0
        self.held, self.cursors, self.appended, self.outcome_of = [], [], [], {}

    @invariant()
    def the_law_holds(self) -> None:
        if not hasattr(self, "journal"):
            return
        expected = {field: list(self.outcome_of.values()).count(outcome) for outcome, field in STATES.items()}
        pending = len(self.appended) - len(self.outcome_of)
        assert_law(self.journal.counts, accepted=len(self.appended), pending=pending, corrupt=0, **expected)
        assert self.journal.bytes_used <= self.options.max_bytes
        if self.options.durability != "none":
            expected = {field: expected[field] + self.finished.get(outcome, 0) for outcome, field in STATES.items()}
            assert_law(totals(self.root).counts, pending=pending, corrupt=0, **expected)

    def number(self, entry: Entry) -> int:
        return number_of(self.journal.payload(entry))

    def check(self, entries: list[Entry]) -> None:
        for entry in entries:
            number = self.number(entry)
            assert entry.context == self.context_of[number]
            assert entry.type == b'"type":"t%d"' % (number % 3)
            assert isinstance(entry.position, Position)


TestJournal = JournalMachine.TestCase
TestJournal.settings = settings(max_examples=40, stateful_step_count=25)


def spans(path: Path, magic: int) -> list[tuple[int, int, int, int, bytes]]:
    """Begin, end, word, sequence and payload of all records of a sealed segment file."""
    data, at, found = path.read_bytes(), PAGE, []
    while at + HEADER_SIZE <= len(data):
        mark, size, _, sequence, word, _ = HEADER.unpack_from(data, at)
        if mark != magic:
            break
        found.append((at, at + HEADER_SIZE + size, word, sequence, data[at + HEADER_SIZE : at + HEADER_SIZE + size]))
        at += HEADER_SIZE + size
    return found


class Harm:
    """What is done to one segment file."""

    def __init__(self, data: st.DataObject, path: Path) -> None:
        size = path.stat().st_size
        self.begin = data.draw(st.integers(0, size - 1), label="begin")
        self.bytes = data.draw(
            st.one_of(
                st.none(),
                st.binary(min_size=1, max_size=60),
                st.builds(lambda byte, count: bytes([byte]) * count, st.integers(0, 255), st.integers(1, 6000)),
            ),
            label="bytes; none truncates",
        )
        with path.open("r+b") as file:
            if self.bytes is None:
                file.truncate(self.begin)
                self.end = size
            else:
                file.seek(self.begin)
                file.write(self.bytes[: size - self.begin])
                self.end = self.begin + len(self.bytes)

    def spares(self, begin: int, end: int) -> bool:
        return end <= self.begin or self.end <= begin


def filled(root: Path, data: st.DataObject) -> tuple[Journal, dict[int, tuple[bytes, bytes]], set[int]]:
    """A journal with some events, some of them settled, perhaps compacted."""
    journal = opened(root, Options(segment_bytes=16384, max_bytes=1 << 20))
    written: dict[int, tuple[bytes, bytes]] = {}
    bindings = [Binding(b"", 0), *(context(number) for number in range(1, LANES))]
    count = data.draw(st.integers(1, 250), label="events")
    pad = data.draw(st.sampled_from([0, 40, 300]), label="pad")
    for number in range(count):
        binding = bindings[number % LANES]
        assert emit(journal, binding, f"t{number % 3}", body(number, pad))
        written[number] = (binding.fragment, body(number, pad))
    settle = data.draw(st.sampled_from(["none", "half", "most"]), label="settle")
    entries = everything(journal)
    step = {"none": 1, "half": 2, "most": 11}[settle]
    journal.settle([entry for i, entry in enumerate(entries) if i % step], "delivered")
    if data.draw(st.booleans(), label="compact"):
        compact(journal)
    pending = {number_of(journal.payload(entry)) for entry in everything(journal.cursor())}
    return journal, written, pending


@settings(max_examples=120)
@given(data=st.data())
def test_damage_costs_what_it_touches_and_nothing_wrong_is_read(data: st.DataObject) -> None:
    root = Path(tempfile.mkdtemp(prefix="journal-"))
    try:
        journal, written, pending = filled(root, data)
        files = {file.path: file.magic for file in journal._chain.files() if file.path}
        records = {path: spans(path, magic) for path, magic in files.items()}
        folder = journal._folder
        assert folder is not None
        abandon(journal)
        harmed = data.draw(st.lists(st.sampled_from(sorted(files)), min_size=1, max_size=3, unique=True), label="files")
        harms = {path: Harm(data, path) for path in harmed}
        intact = pending - lost(records, harms)

        looked = verify(folder)
        (heir,) = adopt(root, QUEUE)

        assert looked.counts.accepted == heir.counts.accepted
        assert looked.counts.corrupt == heir.counts.corrupt
        found = []
        for entry in everything(heir):
            payload = heir.payload(entry)
            number = number_of(payload)
            assert (entry.context, payload) == written[number]
            assert entry.type == b'"type":"t%d"' % (number % 3)
            found.append(number)
        assert found == sorted(set(found))
        assert intact <= set(found)
        assert_law(heir.counts)
        heir.settle(everything(heir.cursor()), "delivered")
        heir.close()
        assert not folder.exists()
        assert_law(totals(root).counts, pending=0)
    finally:
        shutil.rmtree(root)


def lost(records: dict[Path, list[tuple[int, int, int, int, bytes]]], harms: dict[Path, Harm]) -> set[int]:
    """The events whose own bytes, or those of their type or context, were touched."""
    numbers: set[int] = set()
    for path, harm in harms.items():
        kept = [record for record in records[path] if harm.spares(record[0], record[1])]
        types = {word >> 32 & MOST for _, _, word, _, _ in kept if word >> 8 & 0xFF == TYPE}
        contexts = {word >> 48 for _, _, word, _, _ in kept if word >> 8 & 0xFF == CONTEXT} | {0}
        for record in records[path]:
            _, _, word, _, payload = record
            if word >> 8 & 0xFF == EVENT and not (
                record in kept and word >> 32 & MOST in types and word >> 48 in contexts
            ):
                numbers.add(number_of(payload))
    return numbers


@settings(max_examples=60)
@given(data=st.data())
def test_damage_under_a_living_journal_never_gives_a_wrong_payload(data: st.DataObject) -> None:
    root = Path(tempfile.mkdtemp(prefix="journal-"))
    try:
        journal, written, _ = filled(root, data)
        entries = everything(journal.cursor())
        for file in journal._chain.files():
            assert file.path
            at = data.draw(st.integers(PAGE, file.size - 1), label="at")
            harm = data.draw(st.binary(min_size=1, max_size=200), label="bytes")[: file.size - at]
            with file.path.open("r+b") as harmed:
                harmed.seek(at)
                harmed.write(harm)
        for entry in [*entries, *everything(journal.cursor())]:
            payload = journal.payload(entry)
            if payload is not None:
                assert payload == written[number_of(payload)][1]
        journal.settle(entries, "delivered")
        assert_law(journal.counts)
        journal.close()
    finally:
        shutil.rmtree(root)


@pytest.mark.parametrize("state", sorted(STATES_ON_DISK))
def test_no_flipped_bit_turns_one_state_into_another(state: int) -> None:
    others = STATES_ON_DISK - {state}

    assert not others & {state ^ 1 << first ^ 1 << second for first in range(8) for second in range(8)}
