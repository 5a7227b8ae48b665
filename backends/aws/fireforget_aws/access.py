"""How AWS is reached: what a URL may say, and what the AWS tools' own variables, profiles and roles say otherwise."""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator  # noqa: TC003 - the decorator's own annotation
from contextlib import AsyncExitStack, asynccontextmanager
from functools import cache
from io import BytesIO
from typing import Any, Final

import msgspec

from fireforget.errors import PermanentError, TransientError

OPTIONS: Final[dict[str, None]] = {"region": None, "profile": None}
"""The options that every URL of this backend takes, with any value."""

_CONNECT_SECONDS: Final = 5.0
_READ_SECONDS: Final = 40.0
"""Longer than the 20 s that SQS lets a receive wait (`WaitTimeSeconds`)."""
_CONNECTIONS: Final = 32
_NO_SUCCESS: Final = 300
_USER: Final = re.compile(r"(?<=//)[^/]*@|^[^/]*@")
"""Who is to log in, in a URL or what was meant to be one."""
_MEND_ENDPOINT: Final = "mend AWS_ENDPOINT_URL, as in https://sqs.eu-west-2.amazonaws.com"
_LARGE_BODY: Final = 1024 * 1024
"""Bytes that aiohttp writes at once, without a warning."""


class Access(msgspec.Struct, frozen=True, kw_only=True):
    """How the clients of one adapter are made.

    Credentials are never part of it: they come from where the AWS tools take them (variables, profiles, roles).

    Args:
        region: ``"eu-west-2"``; None for what ``AWS_REGION``, ``AWS_DEFAULT_REGION`` or the profile says.
        profile: Name of a profile in the AWS configuration; None for ``AWS_PROFILE``, else the default one.
        endpoint: URL of a service in place of AWS; None for ``AWS_ENDPOINT_URL``, else AWS.
    """

    region: str | None = None
    profile: str | None = None
    endpoint: str | None = None

    @property
    def identity(self) -> str:
        """What tells accounts, regions and endpoints apart, as far as it shows without a connection; no secret."""
        region = self.region or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
        profile = self.profile or os.environ.get("AWS_PROFILE")
        endpoint = self.endpoint or os.environ.get("AWS_ENDPOINT_URL")
        named = {"region": region, "profile": profile, "endpoint": endpoint and _USER.sub("", endpoint)}
        return "&".join(f"{name}={value}" for name, value in named.items() if value)

    @asynccontextmanager
    async def client(self, service: str) -> AsyncIterator[Any]:
        """Open a client of aiobotocore, the one which aioboto3 wraps.

        The client itself never tries again: who calls decides. It does not validate parameters, for it gets ours.

        Raises:
            PermanentError: The endpoint is no URL, or holds a user.
        """
        from botocore.exceptions import BotoCoreError

        async with AsyncExitStack() as stack:
            try:
                client = await stack.enter_async_context(self._creator(service))
            except BotoCoreError:
                raise
            except ValueError:  # whose text, and what it was raised from, holds the endpoint as it is
                raise PermanentError(f"the endpoint of {service} is no URL: {_MEND_ENDPOINT}") from None
            if _USER.search(client.meta.endpoint_url):
                raise PermanentError(f"the endpoint of {service} holds a user or a password: {_MEND_ENDPOINT}")
            yield client

    def _creator(self, service: str) -> Any:
        from aiobotocore.config import AioConfig
        from aiobotocore.session import AioSession

        config = AioConfig(
            connect_timeout=_CONNECT_SECONDS,
            read_timeout=_READ_SECONDS,
            max_pool_connections=_CONNECTIONS,
            parameter_validation=False,
            retries={"total_max_attempts": 1, "mode": "standard"},
            tcp_keepalive=True,
            user_agent_extra="fireforget",
        )
        session: Any = AioSession(profile=self.profile)  # whose types know each service by its literal name only
        session.register_component("data_loader", _descriptions(session.get_config_variable("data_path")))
        session.register("before-send", _streamed)
        session.register("after-call", _refuse_page)
        return session.create_client(
            service, region_name=self.region or os.environ.get("AWS_REGION"), endpoint_url=self.endpoint, config=config
        )


@cache
def _descriptions(path: str | None) -> Any:
    """What the SDK knows of the services: read once for all clients, or each would parse megabytes anew."""
    from botocore.loaders import create_loader

    return create_loader(path)


async def _refuse_page(http_response: Any, model: Any, **_: object) -> None:
    """Refuse a page that somebody between here and AWS has answered with success.

    The SDK takes what is no JSON for an empty answer, in which nothing has failed and nothing is waiting.

    Raises:
        TransientError: It is one.
    """
    is_json = "json" in model.service_model.resolved_protocol and not model.has_streaming_output
    if http_response.status_code >= _NO_SUCCESS or not is_json:
        return
    body = await http_response.content
    if body and not body.lstrip().startswith(b"{"):
        kind = http_response.headers.get("content-type", "a page")
        raise TransientError(
            f"AWS cannot be reached: something else answers, with {kind}; look for a proxy or a portal"
        )


def _streamed(request: Any, **_: object) -> None:
    """Have a large body written piece by piece, so that the event loop is not held up."""
    if isinstance(request.body, bytes) and len(request.body) > _LARGE_BODY:
        request.body = BytesIO(request.body)
