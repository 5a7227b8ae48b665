"""The extension without a Lambda around it: what it waits for, and what it reads."""

from __future__ import annotations

import json
import queue
import threading
import time
from collections.abc import Callable, Iterator
from http.client import HTTPException
from types import SimpleNamespace
from typing import Any

import pytest

from fireforget.hosts import HostSettings, Invocation
from fireforget_aws import _extension, host
from fireforget_aws._extension import Event, Extension, ExtensionsApi
from fireforget_aws.host import LambdaLifecycle, lambda_host, traceparent
from tests.counterparts.answering import answering
from tests.waiting import wait_for

HEADER = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"
PARENT = "00-5759e988bd862e3fe1be46a994272793-53995c3f42cd8ad8-01"


class ScriptedApi(ExtensionsApi):
    """Answers what a test says, and remembers in which order it was asked."""

    def __init__(self) -> None:
        super().__init__("127.0.0.1:9")
        self.events: queue.Queue[Event | Exception] = queue.Queue()
        self.refusal: Exception | None = None
        self.log: list[str] = []

    def register(self, name: str) -> None:
        self.log.append("register")
        if self.refusal is not None:
            raise self.refusal

    def next(self) -> Event:
        self.log.append("next")
        event = self.events.get()
        if isinstance(event, Exception):
            raise event
        return event

    def invoke(self, invocation: str, seconds: float = 3600.0) -> None:
        self.events.put(Event("INVOKE", int((time.time() + seconds) * 1000), invocation))


class RememberingProcess:
    """Stands where all `FireForget` do."""

    def __init__(self, log: list[str]) -> None:
        self.log = log
        self.error: Exception | None = None

    def resume(self) -> None:
        self.log.append("resume")

    def settle(self, seconds: float, *, run_loops: bool, rest: bool) -> None:
        self.log.append(f"settle loops={run_loops:d} rest={rest:d}")
        if self.error is not None:
            raise self.error


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedApi]:
    monkeypatch.setattr(_extension, "_RETRY_SECONDS", 0.001)
    before = set(threading.enumerate())
    scripted = ScriptedApi()
    yield scripted
    for _ in range(_extension._MOST_FAILURES):
        scripted.events.put(HTTPException("the test is over"))
    for thread in set(threading.enumerate()) - before:
        thread.join()


@pytest.fixture
def process(api: ScriptedApi) -> RememberingProcess:
    return RememberingProcess(api.log)


@pytest.fixture
def extension(api: ScriptedApi, process: RememberingProcess) -> Extension:
    made = Extension(api)
    made.join(process)
    return made


def ready(api: ScriptedApi, times: int = 1) -> Callable[[], bool]:
    return lambda: api.log.count("next") == times


def test_it_is_registered_once_and_before_anything_else(
    api: ScriptedApi, extension: Extension, process: RememberingProcess
) -> None:
    assert extension.join(process)
    wait_for(ready(api))

    assert api.log == ["register", "next"]


@pytest.mark.parametrize("refusal", [HTTPException("403"), OSError("nobody there")])
def test_where_it_is_refused_nothing_is_kept_and_the_mend_is_said_once(
    api: ScriptedApi, process: RememberingProcess, refusal: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    api.refusal = refusal
    extension = Extension(api)

    assert [extension.join(process), extension.join(process)] == [False, False]
    extension.begin("one", called=True)
    assert not extension.keeps("one")
    extension.end("one")
    assert api.log == ["register"]
    assert [record.message.rpartition(": ")[2] for record in caplog.records] == [
        "make FireForget() where the module is imported, not in the function"
    ]


@pytest.mark.parametrize("called", [True, False])
@pytest.mark.parametrize("early", [True, False], ids=["before Lambda tells", "after Lambda has told"])
def test_it_waits_for_the_end_of_an_invocation(
    api: ScriptedApi, extension: Extension, called: bool, early: bool
) -> None:
    if early:
        extension.begin("one", called=called)
    api.invoke("one")
    wait_for(lambda: api.log[-1] == "resume")
    if not early:
        extension.begin("one", called=called)
    assert extension.keeps("one")
    assert api.log == ["register", "next", "resume"]
    extension.end("one")
    wait_for(ready(api, 2))

    assert api.log[3:] == [f"settle loops={called:d} rest=1", "next"]


def test_of_one_that_ended_before_lambda_told_it_the_same_is_done(api: ScriptedApi, extension: Extension) -> None:
    extension.begin("one", called=True)
    extension.end("one")
    assert extension.keeps("one")
    api.invoke("one")
    wait_for(ready(api, 2))

    assert api.log == ["register", "next", "resume", "settle loops=1 rest=1", "next"]


def test_another_one_is_not_taken_for_it(api: ScriptedApi, extension: Extension) -> None:
    extension.begin("another", called=True)
    extension.end("another")
    api.invoke("one", seconds=0.6)
    wait_for(ready(api, 2))

    assert api.log[3:] == ["settle loops=0 rest=0", "next"]
    assert not extension.keeps("one")


def test_one_that_never_begins_is_given_up_soon_and_kept_no_more(
    api: ScriptedApi, extension: Extension, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_extension, "BEGIN_SECONDS", 0.01)
    api.invoke("one")
    wait_for(ready(api, 2))
    extension.begin("one", called=True)

    assert not extension.keeps("one")
    assert api.log[3:] == ["settle loops=0 rest=0", "next"]


def test_one_that_does_not_end_is_given_up_before_the_deadline(api: ScriptedApi, extension: Extension) -> None:
    extension.begin("one", called=True)
    api.invoke("one", seconds=0.6)
    wait_for(ready(api, 2))

    assert not extension.keeps("one")
    assert api.log[3:] == ["settle loops=0 rest=0", "next"]


def test_the_next_invocation_ends_the_rest_whoever_hears_of_it_first(api: ScriptedApi, extension: Extension) -> None:
    for name in ("one", "two"):
        extension.begin(name, called=True)
        extension.end(name)
        api.invoke(name)
        wait_for(ready(api, {"one": 2, "two": 3}[name]))

    assert api.log[5:] == ["resume", "resume", "settle loops=1 rest=1", "next"]


def test_a_failure_of_ours_does_not_keep_the_environment_waiting(
    api: ScriptedApi, extension: Extension, process: RememberingProcess
) -> None:
    process.error = LookupError("ours")
    extension.begin("one", called=True)
    extension.end("one")
    api.invoke("one")
    wait_for(ready(api, 2))

    assert extension.keeps("two")


def test_a_failure_of_lambda_is_tried_again_but_not_for_ever(api: ScriptedApi, extension: Extension) -> None:
    api.events.put(OSError("restored from a snapshot"))
    wait_for(ready(api, 2))
    assert extension.keeps("one")
    for _ in range(_extension._MOST_FAILURES):
        api.events.put(HTTPException("500"))
    wait_for(lambda: not extension.keeps("one"))


def test_a_forked_child_is_no_extension(extension: Extension) -> None:
    extension.forget()

    assert not extension.keeps("one")


# What Lambda tells


class Noted(Extension):
    """Remembers what begins."""

    def __init__(self) -> None:
        super().__init__(ScriptedApi())
        self.log: list[str] = []

    def begin(self, invocation: str, *, called: bool) -> None:
        self.log.append(f"begin {invocation} {called:d}")

    def end(self, invocation: str) -> None:
        self.log.append(f"end {invocation}")


CONTEXT = SimpleNamespace(aws_request_id="one", get_remaining_time_in_millis=lambda: 2500)
TOLD = Invocation(id="one", seconds=2.5, traceparent=PARENT, loop_stops=True)


@pytest.fixture
def noted() -> Noted:
    return Noted()


@pytest.fixture
def lifecycle(noted: Noted) -> LambdaLifecycle:
    return LambdaLifecycle(noted, {"_X_AMZN_TRACE_ID": HEADER})


def test_of_a_call_the_context_tells(lifecycle: LambdaLifecycle, noted: Noted) -> None:
    invocation = lifecycle.begin_call(({}, CONTEXT))
    lifecycle.end(invocation)

    assert invocation == TOLD
    assert noted.log == ["begin one 1", "end one"]


@pytest.mark.parametrize("arguments", [(), ({},), ({}, None), ({}, object())])
def test_a_call_without_one_is_no_invocation(
    lifecycle: LambdaLifecycle, noted: Noted, arguments: tuple[object, ...]
) -> None:
    invocation = lifecycle.begin_call(arguments)
    lifecycle.end(invocation)

    assert (invocation.id, invocation.seconds) == (None, None)
    assert noted.log == []


def test_of_a_request_of_mangum_the_scope_tells(lifecycle: LambdaLifecycle, noted: Noted) -> None:
    assert lifecycle.begin_request({"type": "http", "aws.context": CONTEXT}) == TOLD
    assert noted.log == ["begin one 0"]


def adapted(value: object) -> dict[str, Any]:
    return {"headers": [(b"host", b"shop.example"), (b"x-amzn-lambda-context", json.dumps(value).encode())]}


def test_of_a_request_of_the_web_adapter_a_header_tells(lifecycle: LambdaLifecycle, noted: Noted) -> None:
    deadline = int(time.time() * 1000) + 2500
    told = {"request_id": "one", "deadline": deadline, "xray_trace_id": HEADER, "env_config": {"memory": 128}}
    invocation = lifecycle.begin_request(adapted(told))

    assert (invocation.id, invocation.traceparent, invocation.loop_stops) == ("one", PARENT, False)
    assert invocation.seconds is not None
    assert 0 < invocation.seconds <= 2.5
    assert noted.log == ["begin one 0"]


@pytest.mark.parametrize("scope", [{}, {"headers": []}, adapted("nonsense"), adapted({"request_id": 1})])
def test_any_other_request_is_no_invocation(lifecycle: LambdaLifecycle, noted: Noted, scope: dict[str, Any]) -> None:
    invocation = lifecycle.begin_request(scope)
    lifecycle.end(invocation)

    assert invocation == Invocation()
    assert noted.log == []


@pytest.mark.parametrize(
    ("header", "told"),
    [
        (HEADER, PARENT),
        (HEADER.replace("Sampled=1", "Sampled=0"), PARENT[:-1] + "0"),
        (HEADER.replace(";Sampled=1", ";Sampled=?"), PARENT[:-1] + "0"),
        (f"{HEADER};Lineage=a87bd80c:1|68fd508a:5|c512fbe3:2", PARENT),
        ("Root=1-5759e988-bd862e3fe1be46a994272793", None),
        ("", None),
        (None, None),
    ],
)
def test_the_header_of_x_ray_tells_the_trace(header: str | None, told: str | None) -> None:
    assert traceparent(header) == told


def test_what_stands_for_lambda_and_knows_no_extensions_keeps_nothing_alive(
    process: RememberingProcess, caplog: pytest.LogCaptureFixture
) -> None:
    before = set(threading.enumerate())
    with answering(lambda _: (200, "application/json", "{}")) as place:
        assert not Extension(ExtensionsApi(place)).join(process)
        assert not [thread for thread in set(threading.enumerate()) - before if thread.name == "fireforget-lambda"]
    assert "the end of each is held" in caplog.text


def test_all_hosts_of_a_process_share_one_extension(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "_extensions", {})
    environ = {"AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9"}
    first, second = (lambda_host(HostSettings(), environ) for _ in range(2))

    assert first.lifecycle is not second.lifecycle
    assert first.lifecycle._extension is second.lifecycle._extension  # type: ignore[union-attr]
    assert len(host._extensions) == 1


def test_a_forked_child_makes_one_of_its_own(monkeypatch: pytest.MonkeyPatch, extension: Extension) -> None:
    monkeypatch.setattr(host, "_extensions", {"127.0.0.1:9": extension})
    host._forget()

    assert host._extensions == {}
    assert not extension.keeps("one")
