"""Which renewed delivery belongs to which."""

import msgspec

from fireforget.abc import Delivery
from fireforget.processing.leases import _newest
from tests.pipeline import delivery, event, message

A = delivery(message(event(1), id_="a"))
B = delivery(message(event(2), id_="b"))


def named(of: Delivery, receipt: str) -> Delivery:
    return msgspec.structs.replace(of, receipt=receipt)


def test_what_keeps_its_receipt_is_known_by_it() -> None:
    assert _newest([A, B], [B, A]) == {A.receipt: A, B.receipt: B}


def test_what_gets_a_new_receipt_is_known_by_its_message() -> None:
    assert _newest([A, B], [named(A, "new"), B]) == {A.receipt: named(A, "new"), B.receipt: B}


def test_two_copies_of_a_message_keep_apart() -> None:
    copy = named(A, "copy")

    assert _newest([A, copy], [A, copy]) == {A.receipt: A, "copy": copy}


def test_a_lost_copy_does_not_take_the_lease_of_the_other() -> None:
    copy = named(A, "copy")

    assert _newest([A, copy], [copy]) == {"copy": copy}


def test_what_is_not_renewed_is_lost() -> None:
    assert _newest([A, B], [B]) == {B.receipt: B}
