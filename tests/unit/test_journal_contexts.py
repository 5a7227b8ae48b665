"""Where contexts stand in a segment file: noted while it is written, found again after it was out of memory."""

from pathlib import Path

import pytest

from fireforget._journal import Entry, Journal
from fireforget._journal.contexts import Contexts
from fireforget._journal.record import HEADER
from tests.journals import context, everything, fill, numbers, opened

CONTEXTS = 5


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    """Several segments full of events of a few requests."""
    journal = opened(tmp_path)
    fill(journal, range(300), [context(number) for number in range(1, CONTEXTS + 1)])
    return journal


def contexts_of(entries: list[Entry]) -> list[bytes]:
    return [entry.context for entry in entries]


def test_a_file_that_was_out_of_memory_knows_its_contexts_as_before(journal: Journal) -> None:
    before = everything(journal)
    file = before[0].segment.file
    known = file.contexts.items()
    file.unmap()

    again = everything(journal.cursor())

    assert len(known) == CONTEXTS
    assert file.contexts.items() == known
    assert contexts_of(again) == contexts_of(before)
    assert numbers(journal, again) == list(range(300))


@pytest.mark.parametrize("field", [0, 4], ids=["magic", "size"])
def test_damage_hides_no_context_that_stands_after_it(journal: Journal, field: int) -> None:
    before = everything(journal)
    file = before[0].segment.file
    known = file.contexts.items()
    first_event = before[0].offset
    file.mapping[first_event + field] ^= 0x0F

    found = Contexts.find(file.mapping, file.magic)

    assert HEADER.unpack_from(file.mapping, known[0][1])[0] == file.magic
    assert found.items() == known


def test_numbers_may_come_in_any_order() -> None:
    contexts = Contexts()
    contexts.place(3, 30)
    contexts.place(1, 10)

    assert contexts.items() == [(1, 10), (3, 30)]
    assert [contexts.at(number) for number in range(6)] == [0, 10, 0, 30, 0, 0]
