"""An endpoint of AWS that says yes to everything at once, in a process of its own, so that its work is not counted."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

import msgspec

from benchmarks.remote import Remote, remote

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from multiprocessing.connection import Connection

CREDENTIALS: Final = {
    "AWS_ACCESS_KEY_ID": "canned",
    "AWS_SECRET_ACCESS_KEY": "canned",
    "AWS_DEFAULT_REGION": "eu-west-2",
    "AWS_EC2_METADATA_DISABLED": "true",
}
"""What a client needs to sign a request that nobody checks."""

_HEAD_END: Final = b"\r\n\r\n"
_BATCH: Final = msgspec.json.Decoder()


def canned_aws() -> AbstractContextManager[Remote]:
    """Start the endpoint, which counts the requests that come, and end it."""
    return remote(_serve)


def _serve(pipe: Connection[Any, Any], called: Any) -> None:
    asyncio.run(_serve_until_end(pipe, called))


async def _serve_until_end(pipe: Connection[Any, Any], called: Any) -> None:
    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(_HEAD_END)).lower()
                body = await reader.readexactly(int(_header(head, b"content-length") or b"0"))
                with called.get_lock():
                    called.value += 1
                answer = _answer(_header(head, b"x-amz-target"), body)
                writer.write(
                    b"HTTP/1.1 200 OK\r\ncontent-type: application/x-amz-json-1.0\r\ncontent-length: %d\r\n\r\n%b"
                    % (len(answer), answer)
                )
        except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
            writer.close()  # the client has gone, or the endpoint goes

    async with await asyncio.start_server(connected, "127.0.0.1", 0, limit=2**21) as server:
        _, port = server.sockets[0].getsockname()
        pipe.send(f"http://127.0.0.1:{port}")
        await asyncio.to_thread(pipe.poll, None)


def _header(head: bytes, name: bytes) -> bytes:
    _, found, rest = head.partition(b"\r\n" + name + b":")
    return rest.partition(b"\r\n")[0].strip() if found else b""


def _answer(target: bytes, body: bytes) -> bytes:
    operation = target.rpartition(b".")[2]
    if operation == b"getqueueurl":
        name = _BATCH.decode(body)["QueueName"]
        return msgspec.json.encode({"QueueUrl": f"http://127.0.0.1/000000000000/{name}"})
    if operation == b"sendmessagebatch":
        entries = _BATCH.decode(body)["Entries"]
        taken = [{"Id": entry["Id"], "MessageId": entry["Id"], "MD5OfMessageBody": ""} for entry in entries]
        return msgspec.json.encode({"Successful": taken, "Failed": []})
    if operation == b"batchwriteitem":
        return b'{"UnprocessedItems":{}}'
    if operation == b"updateitem":
        return b'{"Attributes":{"n":{"N":"1"}}}'  # a day of the store has one shard
    raise ValueError(f"nobody has canned an answer to {operation!r}")
