"""SQS keeps the promises: on ministack and, as the second opinion, on moto, whose clocks the tests move."""

from collections.abc import Iterator

import pytest

from fireforget.abc import Queue
from fireforget.testing import DeadLettersConformance, Place, QueueConformance
from tests.counterparts import sqs
from tests.counterparts.aws import Counterpart


class OnSQS:
    tolerance = 0.5  # seconds: the clock goes on, and the machine is busy; delays are whole seconds with it
    consumers = 5
    examples = 3
    ending = ".fifo"


class OnMinistack(OnSQS):
    @pytest.fixture
    def place(self, ministack: Counterpart) -> Iterator[Place]:
        with sqs.queues(ministack, self.ending) as name:
            yield sqs.place(ministack, name)


class OnMoto(OnSQS):
    @pytest.fixture
    def place(self, moto: Counterpart) -> Iterator[Place]:
        with sqs.queues(moto, self.ending) as name:
            yield sqs.place(moto, name)


class FifoConformance(QueueConformance):
    @pytest.mark.xfail(reason="SQS hands out nothing of a group while one of its messages is invisible")
    async def test_what_is_delayed_holds_back_what_is_later_only(self, place: Place, queue: Queue) -> None:
        await super().test_what_is_delayed_holds_back_what_is_later_only(place, queue)


class TestFifoQueue(OnMinistack, FifoConformance):
    column = "SQSQueue, FIFO"


class TestStandardQueue(OnMinistack, QueueConformance):
    ending = ""
    column = "SQSQueue, standard"


class TestFifoDeadLetters(OnMinistack, DeadLettersConformance):
    column = "SQSDeadLetters, FIFO"


class TestStandardDeadLetters(OnMinistack, DeadLettersConformance):
    ending = ""
    column = "SQSDeadLetters, standard"


class TestFifoQueueOnMoto(OnMoto, FifoConformance):
    @pytest.mark.xfail(reason="moto forgets the id of a message that was deleted, which SQS does not")
    async def test_a_second_message_with_an_id_is_dropped_for_a_while(self, place: Place, queue: Queue) -> None:
        await super().test_a_second_message_with_an_id_is_dropped_for_a_while(place, queue)

    @pytest.mark.xfail(reason="moto breaks the order where receives come at the same time, now and then", strict=False)
    async def test_a_key_keeps_its_order_under_concurrency(self, place: Place, queue: Queue) -> None:
        await super().test_a_key_keeps_its_order_under_concurrency(place, queue)


class TestStandardQueueOnMoto(OnMoto, QueueConformance):
    ending = ""


class TestFifoDeadLettersOnMoto(OnMoto, DeadLettersConformance): ...


class TestStandardDeadLettersOnMoto(OnMoto, DeadLettersConformance):
    ending = ""
