"""What the tests of the journal have in common: small journals, an emitter, a look at what is left."""

import os
import signal
import traceback
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec

from fireforget._journal import PACK, Binding, Counts, Cursor, Entry, Journal, Options, adopt

QUEUE = "digest"
TINY = Options(segment_bytes=8192, max_bytes=64 * 8192)
NOTHING = Options(segment_bytes=8192, max_bytes=64 * 8192, durability="none")
POWER = Options(segment_bytes=8192, max_bytes=64 * 8192, durability="power")
NOW = 1_790_000_000_000_000_000

PROCESS = Binding(b"", 0)


def opened(root: Path, options: Options = TINY) -> Journal:
    return Journal.open(root, QUEUE, options)


def body(number: int, size: int = 0) -> bytes:
    return b'{"n":%d,"pad":"%s"}' % (number, b"x" * size)


def number_of(payload: bytes | None) -> int:
    assert payload is not None
    number = msgspec.json.decode(payload)["n"]
    assert isinstance(number, int)
    return number


def emit(journal: Journal, binding: Binding, type_name: str, payload: bytes) -> bool:
    """Append as `FireForget.emit` does: one write where the binding knows the way, else the slow path."""
    sequence = journal.next_sequence()
    tail = journal.tail
    bound, word = binding.place
    if bound is tail and (number := tail.type_numbers.get(type_name)):
        try:
            word |= number << 32
            tail.write(PACK(tail.magic, len(payload), 0, sequence, word, NOW) + payload)
            return True
        except ValueError:
            pass
    return journal.append(binding, type_name, NOW, sequence, payload)


def fill(journal: Journal, numbers: Iterable[int], bindings: Iterable[Binding] = (PROCESS,), size: int = 50) -> None:
    """Append events, the bindings taking turns."""
    turns = list(bindings)
    for number in numbers:
        assert emit(journal, turns[number % len(turns)], "query", body(number, size))


def context(number: int) -> Binding:
    """A request of its own; its key hash is its number."""
    return Binding(b'"correlationid":"%d"' % number, number)


def everything(source: Journal | Cursor, limit: int = 7) -> list[Entry]:
    take = source.walk if isinstance(source, Journal) else source.take
    entries: list[Entry] = []
    while found := take(limit):
        entries += found
    return entries


def numbers(journal: Journal, entries: Iterable[Entry]) -> list[int]:
    return [number_of(journal.payload(entry)) for entry in entries]


def deliver(journal: Journal, entries: Iterable[Entry]) -> None:
    journal.settle(entries, "delivered")


def compact(journal: Journal) -> None:
    """Rewrite all that is worth it."""
    while journal.compact():
        pass


def segments(journal: Journal) -> list[str]:
    folder = journal._folder
    assert folder is not None
    return sorted(path.name for path in folder.glob("*.seg"))


def assert_law(counts: Counts, **expected: int) -> None:
    settled = counts.delivered + counts.dead_lettered + sum(counts.dropped.values()) + counts.corrupt
    assert counts.accepted == settled + counts.pending
    for name, number in expected.items():
        assert (name, getattr(counts, name)) == (name, number)


def abandon(journal: Journal) -> None:
    """Leave a journal as death leaves it: nothing is written any more, and its lock is free."""
    journal._chain.last.close()
    journal.after_fork_in_child()


def adopted(root: Path, options: Options = TINY) -> Journal:
    """The one journal that is there to adopt."""
    (journal,) = adopt(root, QUEUE, options)
    return journal


def in_child(work: Callable[[int], None]) -> tuple[int, list[bytes]]:
    """Run some work in a forked child that may be killed at it; its end status, and the lines it wrote to its pipe."""
    read, write = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # threads of other tests do not live on in the child
        child = os.fork()
    if not child:
        os.close(read)
        try:
            work(write)
        except BaseException:  # noqa: BLE001 - handed to the test, which judges it
            os.write(write, traceback.format_exc().replace("\n", " | ").encode() + b"\n")
            os._exit(1)
        os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        lines = pipe.read().splitlines()
    return os.waitpid(child, 0)[1], lines


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
