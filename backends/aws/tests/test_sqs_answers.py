"""What SQS answers, and what the adapters make of it: a client plays the answers back."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest

from fireforget.abc import Delivery, Message, Outcome
from fireforget.errors import PermanentError, TransientError
from fireforget.testing import ManualClock
from fireforget_aws._limits import MESSAGE_BYTES
from fireforget_aws.access import Access
from fireforget_aws.dead_letters import SQSDeadLetters
from fireforget_aws.queue import SQSQueue

pytestmark = pytest.mark.anyio

Answer = dict[str, Any] | Exception


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def told(answer: Any, entries: Sequence[dict[str, Any]]) -> Any:
    """The answer to a batch, which speaks of each entry: what has not failed was done."""
    if isinstance(answer, Exception) or "Successful" in answer:
        return answer
    others = {entry["Id"] for entry in answer.get("Failed", ())}
    return {"Successful": [{"Id": entry["Id"]} for entry in entries if entry["Id"] not in others], **answer}


class Recorded:
    """Answers calls by what a test says, the first one each time unless there are several, and keeps them."""

    def __init__(self, **answers: Any) -> None:
        self.answers = {"get_queue_url": {"QueueUrl": "http://sqs/q"}} | answers
        self.calls: list[tuple[str, dict[str, Any]]] = []

    def __getattr__(self, name: str) -> Callable[..., Any]:
        async def call(**arguments: Any) -> Any:
            self.calls.append((name, arguments))
            answer = self.answers.get(name, {})
            if callable(answer):
                answer = answer(**arguments)
            elif isinstance(answer, list):
                answer = answer.pop(0)
            answer = told(answer, arguments.get("Entries", ()))
            if isinstance(answer, Exception):
                raise answer
            return answer

        return call

    def sent(self, name: str) -> list[dict[str, Any]]:
        return [arguments for called, arguments in self.calls if called == name]


def queue(client: Recorded, name: str = "q.fifo", clock: ManualClock | None = None) -> SQSQueue:
    made = SQSQueue(name, Access(region="eu-west-2"), clock=clock or ManualClock())
    made._client = client  # type: ignore[assignment]
    return made


def error(code: str, status: int = 400) -> Exception:
    from botocore.exceptions import ClientError

    answer: Any = {"Error": {"Code": code, "Message": "said so"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, "SendMessageBatch")


def failed(code: str, *, ours: bool, id_: str = "0") -> dict[str, Any]:
    return {"Failed": [{"Id": id_, "Code": code, "Message": "said so", "SenderFault": ours}]}


def messages(*names: str, key: str = "", body: str = "{}") -> list[Message]:
    return [Message(name, key or f"key-{name}", body) for name in names]


def statuses(outcomes: Sequence[Outcome]) -> list[str]:
    return [outcome.status for outcome in outcomes]


@pytest.mark.parametrize(
    ("code", "ours", "status"),
    [
        ("InvalidMessageContents", True, "refused"),
        ("InvalidParameterValue", True, "refused"),
        ("SomethingNew", True, "refused"),
        ("SomethingNew", False, "retry"),
        ("InternalError", False, "retry"),
        ("RequestThrottled", True, "retry"),
        ("ThrottlingException", True, "retry"),
        ("OverLimit", True, "retry"),
        ("AccessDenied", True, "retry"),
        ("AWS.SimpleQueueService.NonExistentQueue", True, "retry"),
        ("KmsDisabled", True, "retry"),
        ("KmsThrottled", True, "retry"),
        ("KMS.AccessDeniedException", True, "retry"),
    ],
)
async def test_what_nobody_can_mend_is_refused(code: str, ours: bool, status: str) -> None:
    outcomes = await queue(Recorded(send_message_batch=failed(code, ours=ours, id_="1"))).publish(messages("a", "b"))
    assert statuses(outcomes) == ["delivered", status]
    assert code in outcomes[1].reason
    assert "said so" in outcomes[1].reason


NOTHING: Any = {"Successful": []}
"""What the SDK makes of an answer that is none of SQS: a page of a proxy, or an empty body."""


async def test_only_what_sqs_says_it_has_is_delivered() -> None:
    outcomes = await queue(Recorded(send_message_batch={"Successful": [{"Id": "1"}]})).publish(messages(*"abc"))
    assert statuses(outcomes) == ["retry", "delivered", "retry"]
    assert statuses(await queue(Recorded(send_message_batch=NOTHING)).publish(messages("a"))) == ["retry"]


async def test_an_entry_that_is_not_permitted_says_the_mend() -> None:
    (outcome,) = await queue(Recorded(send_message_batch=failed("AccessDenied", ours=True))).publish(messages("a"))
    assert "give this role or user the permission" in outcome.reason


@pytest.mark.parametrize("code", ["InvalidParameterValue", "AWS.SimpleQueueService.BatchRequestTooLong"])
async def test_what_is_over_the_limit_of_the_queue_itself_is_refused_alone(code: str) -> None:
    def answer(Entries: list[dict[str, Any]], **_: Any) -> Answer:  # noqa: N803 - the SDK calls it so
        return error(code) if any(len(entry["MessageBody"]) > 1024 for entry in Entries) else {}

    client = Recorded(send_message_batch=answer)
    batch = [*messages("a"), *messages("b", body="x" * 1025), *messages("c")]
    assert statuses(await queue(client).publish(batch)) == ["delivered", "refused", "delivered"]


@pytest.mark.parametrize("status", [400, 500])
async def test_an_answer_that_tells_of_no_message_is_raised(status: int) -> None:
    with pytest.raises(TransientError if status == 500 else PermanentError):
        await queue(Recorded(send_message_batch=error("AccessDenied", status))).publish(messages("a", "b"))


async def test_what_is_too_much_for_one_call_goes_in_several() -> None:
    client = Recorded()
    batch = messages(*"abc", body="é" * 200_000)
    assert statuses(await queue(client).publish(batch)) == ["delivered"] * 3
    assert [len(call["Entries"]) for call in client.sent("send_message_batch")] == [2, 1]


async def test_when_a_later_call_fails_what_was_sent_is_known() -> None:
    throttled = error("ThrottlingException")
    client = Recorded(send_message_batch=[{}, throttled])
    batch = messages(*"abc", body="x" * 400_000)
    outcomes = await queue(client).publish(batch)
    assert statuses(outcomes) == ["delivered", "delivered", "retry"]
    assert "ThrottlingException" in outcomes[2].reason


async def test_nothing_overtakes_an_earlier_message_of_its_key() -> None:
    client = Recorded(send_message_batch=[failed("InternalError", ours=False), {}])
    body = "x" * 400_000
    batch = [*messages("a", "b", key="held", body=body), *messages("c", key="held", body=body), *messages("d")]
    assert statuses(await queue(client).publish(batch)) == ["retry", "delivered", "retry", "delivered"]
    assert [len(call["Entries"]) for call in client.sent("send_message_batch")] == [2, 1]


async def test_what_grows_over_the_limit_on_its_way_is_refused_without_a_call() -> None:
    client = Recorded()
    (outcome,) = await queue(client).publish([Message("a", "k" * MESSAGE_BYTES, "{}")])
    assert outcome.status == "refused"
    assert str(MESSAGE_BYTES) in outcome.reason
    assert client.calls == []


def answered(*receipts: str) -> dict[str, Any]:
    system = {"ApproximateReceiveCount": "2", "MessageGroupId": "k", "MessageDeduplicationId": "d"}
    return {
        "Messages": [
            {"MessageId": receipt, "ReceiptHandle": receipt, "Body": "{}", "Attributes": system} for receipt in receipts
        ]
    }


async def test_sqs_is_asked_in_whole_seconds() -> None:
    client, clock = Recorded(receive_message=answered("r")), ManualClock()
    (delivery,) = await queue(client, clock=clock).receive(100, wait=1.9, lease=10.1)
    (asked,) = client.sent("receive_message")
    assert (asked["MaxNumberOfMessages"], asked["WaitTimeSeconds"], asked["VisibilityTimeout"]) == (10, 1, 11)
    assert (delivery.attempt, delivery.receipt) == (2, "r")
    assert delivery.expires_at == clock.now() + timedelta(seconds=11)


async def test_a_long_wait_is_several_calls() -> None:
    client = Recorded()
    assert await queue(client).receive(1, wait=47, lease=30) == []
    assert [call["WaitTimeSeconds"] for call in client.sent("receive_message")] == [20, 20, 7]


@pytest.mark.parametrize(("passed", "left"), [(0.0, 30.0), (0.5, 29.5), (1.0, 29.0), (20.0, 29.0)])
async def test_a_lease_is_counted_from_before_the_answer(passed: float, left: float) -> None:
    clock = ManualClock()

    def answer(**_: Any) -> Answer:
        clock.advance(passed)
        return answered("r")

    (delivery,) = await queue(Recorded(receive_message=answer), clock=clock).receive(1, wait=20, lease=30)
    assert delivery.expires_at - clock.now() == timedelta(seconds=left)


def deliveries(clock: ManualClock, count: int, lease: float = 30.0) -> list[Delivery]:
    end = clock.now() + timedelta(seconds=lease)
    return [Delivery(message, 1, f"r-{message.id}", end) for message in messages(*map(str, range(count)))]


CALLS = {"ack": "delete_message_batch", "nack": "change_message_visibility_batch"}


@pytest.mark.parametrize(("call", "asked"), CALLS.items())
async def test_settling_goes_in_batches_of_ten(call: str, asked: str) -> None:
    client, clock = Recorded(), ManualClock()
    await getattr(queue(client, clock=clock), call)(deliveries(clock, 23))
    entries = [entry for arguments in client.sent(asked) for entry in arguments["Entries"]]
    assert [len(arguments["Entries"]) for arguments in client.sent(asked)] == [10, 10, 3]
    assert [entry["ReceiptHandle"] for entry in entries] == [f"r-{n}" for n in range(23)]


@pytest.mark.parametrize("code", ["ReceiptHandleIsInvalid", "InvalidParameterValue", "MessageNotInflight"])
@pytest.mark.parametrize(("call", "asked"), CALLS.items())
async def test_settling_what_is_lost_does_no_harm(call: str, asked: str, code: str) -> None:
    clock = ManualClock()
    client = Recorded(**{asked: failed(code, ours=True)})
    await getattr(queue(client, clock=clock), call)(deliveries(clock, 2))
    assert len(client.sent(asked)) == 1


@pytest.mark.parametrize(
    ("code", "ours", "kind"), [("InternalError", False, TransientError), ("KmsDisabled", True, PermanentError)]
)
@pytest.mark.parametrize(("call", "asked"), CALLS.items())
async def test_settling_that_failed_is_said_after_the_rest_was_done(
    call: str, asked: str, code: str, ours: bool, kind: type[Exception]
) -> None:
    clock = ManualClock()
    client = Recorded(**{asked: [failed(code, ours=ours), {}]})
    with pytest.raises(kind, match=code):
        await getattr(queue(client, clock=clock), call)(deliveries(clock, 11))
    assert len(client.sent(asked)) == 2


@pytest.mark.parametrize(("call", "asked"), CALLS.items())
async def test_what_sqs_does_not_say_is_settled_is_not(call: str, asked: str) -> None:
    clock = ManualClock()
    client = Recorded(**{asked: [NOTHING, {}]})
    with pytest.raises(TransientError, match="does not say"):
        await getattr(queue(client, clock=clock), call)(deliveries(clock, 11))
    assert len(client.sent(asked)) == 2


async def test_a_lease_that_sqs_does_not_say_is_renewed_is_not() -> None:
    clock = ManualClock()
    with pytest.raises(TransientError, match="does not say"):
        await queue(Recorded(change_message_visibility_batch=NOTHING), clock=clock).extend(deliveries(clock, 1), 60)


async def test_only_renewed_leases_are_returned() -> None:
    clock = ManualClock()
    held = deliveries(clock, 12)
    client = Recorded(change_message_visibility_batch=[failed("InvalidParameterValue", ours=True, id_="3"), {}])
    renewed = await queue(client, clock=clock).extend(held, 59.5)
    assert [each.receipt for each in renewed] == [each.receipt for each in held if each.message.id != "3"]
    assert {each.expires_at for each in renewed} == {clock.now() + timedelta(seconds=60)}
    (first, _) = client.sent("change_message_visibility_batch")
    assert {entry["VisibilityTimeout"] for entry in first["Entries"]} == {60}


async def test_who_has_lost_a_lease_does_not_touch_it() -> None:
    clock = ManualClock()
    (ended,) = deliveries(clock, 1, lease=5)
    held, given_back = deliveries(clock, 2)
    client = Recorded()
    ours = queue(client, clock=clock)
    await ours.nack([given_back], delay=20)
    clock.advance(5)
    assert [each.receipt for each in await ours.extend([ended, held, given_back], 30)] == [held.receipt]
    await ours.nack([ended, given_back])
    hidden = client.sent("change_message_visibility_batch")
    assert [[entry["ReceiptHandle"] for entry in call["Entries"]] for call in hidden] == [["r-1"], ["r-0"]]


async def test_what_was_given_back_is_remembered_as_long_as_its_lease() -> None:
    clock = ManualClock()
    ours = queue(Recorded(), clock=clock)
    for _ in range(5):
        await ours.nack(deliveries(clock, 10), delay=1)
        clock.advance(31)
    assert len(ours._given_back) == 10


async def test_a_nack_that_failed_can_be_made_again() -> None:
    clock = ManualClock()
    held = deliveries(clock, 1)
    client = Recorded(change_message_visibility_batch=[error("ServiceUnavailable", 503), {}])
    ours = queue(client, clock=clock)
    with pytest.raises(TransientError):
        await ours.nack(held)
    await ours.nack(held)
    assert len(client.sent("change_message_visibility_batch")) == 2


async def test_nobody_is_delayed_for_longer_than_sqs_knows() -> None:
    clock, client = ManualClock(), Recorded()
    await queue(client, clock=clock).nack(deliveries(clock, 1), delay=10**6)
    (call,) = client.sent("change_message_visibility_batch")
    assert call["Entries"][0]["VisibilityTimeout"] == 12 * 3600


async def test_the_address_of_a_queue_is_asked_once() -> None:
    client = Recorded()
    ours = SQSQueue("q", Access(), account="123456789012")
    ours._client = client  # type: ignore[assignment]
    for _ in range(3):
        await ours.publish(messages("a"))
    assert client.sent("get_queue_url") == [{"QueueName": "q", "QueueOwnerAWSAccountId": "123456789012"}]


async def test_a_queue_that_is_gone_says_the_mend() -> None:
    gone = error("AWS.SimpleQueueService.NonExistentQueue")
    for client in (Recorded(get_queue_url=gone), Recorded(send_message_batch=gone)):
        with pytest.raises(PermanentError, match="fireforget provision"):
            await queue(client).publish(messages("a"))


async def test_depth_is_known_without_the_dead_letters() -> None:
    counts = {
        "ApproximateNumberOfMessages": "3",
        "ApproximateNumberOfMessagesDelayed": "2",
        "ApproximateNumberOfMessagesNotVisible": "1",
    }
    addresses = [{"QueueUrl": "http://sqs/q"}, error("AWS.SimpleQueueService.NonExistentQueue")]
    client = Recorded(get_queue_url=addresses, get_queue_attributes={"Attributes": counts})
    ours = queue(client)
    ours._age._client = Recorded(get_metric_statistics=error("AccessDenied"))  # type: ignore[assignment]
    depth = await ours.depth()
    assert (depth.visible, depth.in_flight, depth.dead, depth.oldest_seconds) == (5, 1, None, None)


async def test_cloudwatch_is_asked_once_a_minute() -> None:
    clock = ManualClock()
    points = [{"Timestamp": clock.now() + timedelta(minutes=n), "Maximum": age} for n, age in ((1, 5.0), (2, 7.0))]
    metrics = Recorded(get_metric_statistics={"Datapoints": points})
    ours = queue(Recorded(), clock=clock)
    ours._age._client = metrics  # type: ignore[assignment]
    assert [await ours._age.seconds("q") for _ in range(3)] == [7.0] * 3
    clock.advance(61)
    metrics.answers["get_metric_statistics"] = {"Datapoints": []}
    assert await ours._age.seconds("q") is None
    assert len(metrics.calls) == 2


def letters(*names: str) -> Any:
    """What a receive returns of letters."""
    found = answered(*names)
    for each in found["Messages"]:
        each["MessageAttributes"] = {
            name: {"DataType": "String", "StringValue": each["MessageId"]} for name in ("ff.id", "ff.reason")
        }
    return found


def dead_letters(client: Recorded) -> SQSDeadLetters:
    dead = SQSDeadLetters("q.fifo", Access(), clock=ManualClock())
    dead._client = client  # type: ignore[assignment]
    return dead


async def test_a_letter_that_the_queue_does_not_take_stays() -> None:
    client = Recorded(
        receive_message=[letters("r-a", "r-b"), {}],
        send_message_batch=failed("InvalidMessageContents", ours=True, id_="1"),
    )
    with pytest.raises(PermanentError, match="InvalidMessageContents"):
        await dead_letters(client).redrive(["r-a", "r-b"])
    (deleted,) = client.sent("delete_message_batch")
    assert [entry["ReceiptHandle"] for entry in deleted["Entries"]] == ["r-a"]
    (given_back,) = client.sent("change_message_visibility_batch")
    assert [(each["ReceiptHandle"], each["VisibilityTimeout"]) for each in given_back["Entries"]] == [("r-b", 0)]


async def test_where_sqs_hands_out_no_more_letters_those_are_seen_that_are_here() -> None:
    client = Recorded(receive_message=[letters("r-a"), error("OverLimit", 403)])
    assert [letter.id async for letter in dead_letters(client).list()] == ["r-a"]


async def test_letters_are_given_back_when_a_look_fails() -> None:
    client = Recorded(receive_message=[letters("r-a"), error("AccessDenied", 403)])
    with pytest.raises(PermanentError):
        await anext(aiter(dead_letters(client).list()))
    (given_back,) = client.sent("change_message_visibility_batch")
    assert [each["ReceiptHandle"] for each in given_back["Entries"]] == ["r-a"]
