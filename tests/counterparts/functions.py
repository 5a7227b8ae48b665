"""Functions of a Lambda that a server stands in for: it runs our handlers, unchanged, in processes of their own."""

from __future__ import annotations

import io
import json
import os
import sysconfig
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import fireforget
import fireforget_aws
from fireforget_aws.access import Access

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.counterparts.aws import Counterpart

_ROLE: Final = "arn:aws:iam::000000000000:role/function"
_PACKAGES: Final = os.pathsep.join(
    map(
        str,
        (Path(fireforget.__file__).parents[1], Path(fireforget_aws.__file__).parents[1], sysconfig.get_path("purelib")),
    )
)
"""In place of a layer of the same packages, which would have to be packed for each run."""


async def deploy(
    server: Counterpart, name: str, handler: str, variables: Mapping[str, str], files: Mapping[str, str]
) -> str:
    """Make a function of some files of the user's own; its ARN."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for file, text in ({"README": ""} | dict(files)).items():
            archive.writestr(file, text)
    async with Access(endpoint=server.url).client("lambda") as client:
        made = await client.create_function(
            FunctionName=name,
            Runtime="python3.11",
            Role=_ROLE,
            Handler=handler,
            Code={"ZipFile": packed.getvalue()},
            Timeout=30,
            Environment={"Variables": {"PYTHONPATH": _PACKAGES, **variables}},
        )
    arn: str = made["FunctionArn"]
    return arn


async def feed(server: Counterpart, queue: str, function: str) -> None:
    """Connect a queue to a function, as its README says."""
    async with Access(endpoint=server.url).client("sqs") as client:
        url = (await client.get_queue_url(QueueName=queue))["QueueUrl"]
        told = await client.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    async with Access(endpoint=server.url).client("lambda") as client:
        await client.create_event_source_mapping(
            EventSourceArn=told["Attributes"]["QueueArn"],
            FunctionName=function,
            BatchSize=10,
            FunctionResponseTypes=["ReportBatchItemFailures"],
        )


async def schedule(server: Counterpart, name: str, function: str) -> None:
    """Have a function started once, as soon as the server looks at its schedules."""
    async with Access(endpoint=server.url).client("scheduler") as client:
        await client.create_schedule(
            Name=name,
            ScheduleExpression="at(2026-01-05T07:00:00)",
            FlexibleTimeWindow={"Mode": "OFF"},
            Target={"Arn": function, "RoleArn": _ROLE},
        )


async def invoke(server: Counterpart, function: str, event: object) -> Any:
    """Invoke a function and wait for its answer."""
    async with Access(endpoint=server.url).client("lambda") as client:
        answer = await client.invoke(FunctionName=function, Payload=json.dumps(event).encode())
        return json.loads(await answer["Payload"].read())
