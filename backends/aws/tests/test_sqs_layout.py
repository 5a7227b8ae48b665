"""Queues are made as they should be, once; and what is not so is found."""

import itertools
from collections.abc import Iterator
from typing import Any

import pytest

from fireforget.abc import Checkable, Finding, Message
from fireforget.errors import PermanentError, SettingsError, TransientError
from fireforget_aws import AwsBackend
from fireforget_aws._queue_layout import missing_queues
from fireforget_aws.queue import SQSQueue
from tests.counterparts import sqs
from tests.counterparts.aws import REGION, Counterpart

pytestmark = pytest.mark.anyio

numbers = itertools.count()


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(params=["ministack", "moto"])
def counterpart(
    counterparts: dict[str, Counterpart], account: None, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Counterpart:
    counterpart = counterparts[request.param]
    monkeypatch.setenv("AWS_ENDPOINT_URL", counterpart.url)
    return counterpart


@pytest.fixture(params=[".fifo", ""], ids=["fifo", "standard"])
def name(counterpart: Counterpart, request: pytest.FixtureRequest) -> Iterator[str]:
    name = f"layout-{next(numbers)}{request.param}"
    yield name
    client = sqs.client(counterpart)
    for url in client.list_queues(QueueNamePrefix=name.removesuffix(".fifo")).get("QueueUrls", []):
        client.delete_queue(QueueUrl=url)


def attributes(counterpart: Counterpart, name: str) -> Any:
    client = sqs.client(counterpart)
    url = client.get_queue_url(QueueName=name)["QueueUrl"]
    return client.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]


async def found(name: str, options: str = "") -> dict[str, Finding]:
    queue = AwsBackend().queue(f"sqs://{name}{options}")
    assert isinstance(queue, Checkable)
    try:
        return {finding.name: finding for finding in await queue.check()}
    finally:
        await queue.aclose()


async def test_what_is_missing_is_made_once(counterpart: Counterpart, name: str) -> None:
    urls: Any = {"queue": f"sqs://{name}"}
    dead = name.replace(".fifo", "") + "-dead" + (".fifo" if ".fifo" in name else "")
    steps = await AwsBackend().plan(urls)
    assert [step.action for step in steps] == [f"make the queue {dead}, for dead letters", f"make the queue {name}"]
    for step in [*steps, *steps]:
        await step.apply()
    assert list(await AwsBackend().plan(urls)) == []

    for each in (name, dead):
        made = attributes(counterpart, each)
        assert made["MessageRetentionPeriod"] == str(14 * 24 * 3600)
        assert made["VisibilityTimeout"] == "180"
        assert made.get("FifoThroughputLimit") == ("perMessageGroupId" if ".fifo" in name else None)
        assert made.get("DeduplicationScope") == ("messageGroup" if ".fifo" in name else None)
    assert {finding.status for finding in (await found(name)).values()} == {"ok"}


async def test_a_queue_without_dead_letters_gets_them(counterpart: Counterpart, name: str) -> None:
    client = sqs.client(counterpart)
    fifo = {"FifoQueue": "true"} if ".fifo" in name else {}
    client.create_queue(QueueName=name, Attributes={"VisibilityTimeout": "10", "MaximumMessageSize": "2048", **fifo})
    before = await found(name)
    assert {each.name for each in before.values() if each.status != "ok"} == {
        "redrive policy",
        "visibility timeout",
        "message size",
        *(["throughput"] if fifo else []),
    }
    assert all(each.mend for each in before.values() if each.status != "ok")

    make, connect = await missing_queues(name, sqs.access(counterpart), dead=f"other-{name}")
    assert (make.action, connect.action.split()[:5]) == (
        f"make the queue other-{name}, for dead letters",
        ["send", "to", "the", "queue", f"other-{name}"],
    )
    await make.apply()
    await connect.apply()
    assert (await found(name, f"?dead=other-{name}"))["redrive policy"].status == "ok"
    wrong = (await found(name))["redrive policy"]
    assert (wrong.status, wrong.mend) == ("wrong", f"write dead=other-{name} into the URL of the queue")
    assert attributes(counterpart, name)["VisibilityTimeout"] == "10", "what is there stays as it is"


async def test_a_small_receive_count_is_found(counterpart: Counterpart, name: str) -> None:
    for step in await missing_queues(name, sqs.access(counterpart)):
        await step.apply()
    client, policy = sqs.client(counterpart), attributes(counterpart, name)["RedrivePolicy"]
    url = client.get_queue_url(QueueName=name)["QueueUrl"]
    client.set_queue_attributes(QueueUrl=url, Attributes={"RedrivePolicy": policy.replace("1000", "5")})
    finding = (await found(name))["redrive policy"]
    assert (finding.status, finding.mend) == ("warning", "make maxReceiveCount 1000")


async def test_a_queue_that_is_missing_is_wrong(counterpart: Counterpart, name: str) -> None:
    with pytest.raises(PermanentError, match="fireforget provision"):
        await found(name)
    letters: Any = AwsBackend().dead_letters(f"sqs://{name}")
    with pytest.raises(PermanentError, match="fireforget provision"):
        await letters.check()
    await letters.aclose()


async def test_dead_letters_that_are_there_are_found(ministack: Counterpart) -> None:
    with sqs.queues(ministack) as name:
        dead = sqs.place(ministack, name).open_dead_letters()
        assert isinstance(dead, Checkable)
        (finding,) = await dead.check()
        assert finding.status == "ok"
        await dead.aclose()


async def test_nobody_makes_a_queue_for_another_account(ministack: Counterpart) -> None:
    with pytest.raises(PermanentError, match="have it made there"):
        await missing_queues("nobodys", sqs.access(ministack), account="999999999999")


async def test_nothing_is_planned_where_nothing_can_be_seen(account: None) -> None:
    with pytest.raises(TransientError):
        await missing_queues("q", sqs.NOBODY)


@pytest.mark.parametrize(
    ("url", "mend"),
    [
        ("sqs://", "sqs://cv-analytics.fifo"),
        ("sqs://a/b", "sqs://cv-analytics.fifo"),
        ("sqs://" + "a" * 81, "sqs://cv-analytics.fifo"),
        ("sqs://umlaut-ä", "sqs://cv-analytics.fifo"),
        ("sqs://q.fifo?dead=d", "let both end in .fifo, or neither"),
        ("sqs://q?dead=d.fifo", "let both end in .fifo, or neither"),
        ("sqs://q?wait=3", "region, profile, account, dead"),
        ("sqs://q?region=", "region once, with a value"),
        ("sqs://" + "a" * 75 + ".fifo", "?dead="),
        ("dynamodb://table", "sqs://cv-analytics.fifo"),
        ("sqs://AKIASECRET:wJalrXUtn@q", "AWS_ACCESS_KEY_ID"),
    ],
)
def test_a_url_that_names_no_queue_says_the_mend(url: str, mend: str) -> None:
    for use in (AwsBackend().queue, AwsBackend().dead_letters):
        with pytest.raises(SettingsError) as caught:
            use(url)
        assert mend in str(caught.value)
        assert "wJalrXUtn" not in str(caught.value)
        assert "AKIASECRET" not in str(caught.value)


def test_a_long_name_is_good_with_dead_letters_elsewhere() -> None:
    name = "a" * 75 + ".fifo"
    assert AwsBackend().check_url("queue", f"sqs://{name}?dead=d.fifo") is not None


def test_the_identity_tells_queues_apart_and_no_secrets(account: None, monkeypatch: pytest.MonkeyPatch) -> None:
    urls = ["sqs://a.fifo", "sqs://b.fifo", "sqs://a", "sqs://a?account=123", "sqs://a?region=x", "sqs://a?profile=y"]
    identities = {AwsBackend().queue(url).identity for url in urls}
    assert len(identities) == len(urls)
    assert not any("testing" in identity for identity in identities)
    assert AwsBackend().queue("sqs://a").identity == f"sqs://a?region={REGION}"


async def test_the_age_comes_from_cloudwatch(counterpart: Counterpart) -> None:
    with sqs.queues(counterpart) as name:
        queue = SQSQueue(name, sqs.access(counterpart), clock=counterpart.clock)
        assert (await queue.depth()).oldest_seconds is None
        metric = {
            "MetricName": "ApproximateAgeOfOldestMessage",
            "Dimensions": [{"Name": "QueueName", "Value": name}],
            "Timestamp": counterpart.clock.time_ns() / 1e9 - 60,
            "Value": 321.0,
            "Unit": "Seconds",
        }
        sqs.client(counterpart, "cloudwatch").put_metric_data(Namespace="AWS/SQS", MetricData=[metric])
        assert (await queue.depth()).oldest_seconds is None, "it was asked a moment ago"
        counterpart.clock.advance(61)
        assert (await queue.depth()).oldest_seconds == 321.0
        await queue.aclose()


async def test_depth_counts(counterpart: Counterpart) -> None:
    with sqs.queues(counterpart, "") as name:
        place = sqs.place(counterpart, name)
        queue, dead = place.open_queue(), place.open_dead_letters()
        await queue.publish([sqs.message(f"{n}") for n in range(4)])
        await queue.receive(1, wait=0, lease=30)
        await dead.put(sqs.message("dead"), "a reason")
        depth = await queue.depth()
        assert (depth.visible, depth.in_flight, depth.dead) == (3, 1, 1)
        await place.aclose()


async def test_what_an_old_queue_does_not_take_is_refused_alone(counterpart: Counterpart) -> None:
    with sqs.queues(counterpart, MaximumMessageSize="2048") as name:
        queue = sqs.place(counterpart, name).open_queue()
        large = Message("large", "key", "x" * 2049)
        outcomes = await queue.publish([sqs.message("a"), large, sqs.message("b")])
        assert [outcome.status for outcome in outcomes] == ["delivered", "refused", "delivered"]
        assert "2048" in outcomes[1].reason
        await queue.aclose()
