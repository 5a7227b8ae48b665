"""The backend of AWS: it makes adapters of its URLs. What a URL does not name is not loaded, the SDK least of all."""

from __future__ import annotations

import re
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final, Literal

from fireforget.adapters import split_url, url_options
from fireforget.errors import BackendNotFoundError, SettingsError
from fireforget_aws._limits import capabilities, dead_name
from fireforget_aws._table_layout import check_shards
from fireforget_aws.access import OPTIONS, Access

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from urllib.parse import SplitResult

    from fireforget.abc import Capabilities, Clock, DeadLetters, Mailer, Queue, Role, Step, Store

_QUEUE_OPTIONS: Final = {**OPTIONS, "account": None, "dead": None}
_STORE_OPTIONS: Final = {**OPTIONS, "sessions": ("index", "filter"), "shards": None}
_MAILER_OPTIONS: Final = {**OPTIONS, "configuration_set": None}

_QUEUE_NAME: Final = re.compile(r"(?=.{1,80}$)[A-Za-z0-9_-]+(\.fifo)?")
"""Up to 80 letters, digits, - and _, the ending included (SQS, "Quotas related to queues")."""
_TABLE_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{3,255}")
"""DynamoDB, "Naming rules"."""


class AwsBackend:
    """SQS, DynamoDB and SES.

    ``sqs://name.fifo`` and ``sqs://name`` (a standard queue), with the options ``account`` (the owner's number, for the
    queue of another account) and ``dead`` (the name of the queue of the dead letters); ``dynamodb://table`` with
    ``sessions=index`` where the table has the index of sessions, and ``shards`` (in how many partitions each new day
    lies); ``ses://`` with ``configuration_set``. All of them take ``region`` and ``profile``; what is not given comes
    from where the AWS tools take it.

    Args:
        clock: Where the adapters' time comes from; the system's by default.
    """

    def __init__(self, *, clock: Clock | None = None) -> None:
        self._clock = clock

    @property
    def embeddable(self) -> bool:
        """The queue is elsewhere: Lambda or a worker of its own processes it."""
        return False

    def url(self, role: Role, *, name: str, directory: str) -> str:  # noqa: ARG002 - nothing is on this machine
        """The FIFO queue ``<name>.fifo``, the table ``<name>``, and SES."""
        return {"queue": f"sqs://{name}.fifo", "store": f"dynamodb://{name}", "mailer": "ses://"}[role]

    def check_url(self, role: Literal["queue", "store"], url: str) -> Capabilities | None:
        """Refuse what names no queue or no table.

        Raises:
            BackendNotFoundError: The SDK is missing; all that follows raises it, too.
            SettingsError: The URL cannot be used.
        """
        if role == "store":
            _table(url)
            return None
        name, _ = _queue(url)
        return capabilities(name)

    def queue(self, url: str) -> Queue:
        """Make the queue of an ``sqs`` URL.

        Raises:
            SettingsError: The URL names no queue.
        """
        from fireforget_aws.queue import SQSQueue

        name, options = _queue(url)
        return SQSQueue(
            name, _access(options), account=options.get("account"), dead=options.get("dead"), clock=self._clock
        )

    def dead_letters(self, url: str) -> DeadLetters:
        """Make the dead letters of the queue that the URL names.

        Raises:
            SettingsError: The URL names no queue.
        """
        from fireforget_aws.dead_letters import SQSDeadLetters

        name, options = _queue(url)
        return SQSDeadLetters(
            name, _access(options), dead=options.get("dead"), account=options.get("account"), clock=self._clock
        )

    def store(self, url: str) -> Store:
        """Make the store of a ``dynamodb`` URL.

        Raises:
            SettingsError: The URL names no table.
        """
        from fireforget_aws.store import DynamoDBStore

        table, options = _table(url)
        indexed = options.get("sessions") == "index"
        shards = int(options["shards"])
        return DynamoDBStore(table, _access(options), shards=shards, sessions_index=indexed, clock=self._clock)

    def mailer(self, url: str) -> Mailer:
        """Make the mailer of an ``ses`` URL.

        Raises:
            SettingsError: The URL is no such one.
        """
        from fireforget_aws.mailer import SESMailer

        parts = _split(url, "mailer")
        if parts.netloc or parts.path.strip("/"):
            raise SettingsError(f"an ses URL names nothing: write {_EXAMPLES['mailer']}")
        options = url_options(parts, _MAILER_OPTIONS)
        return SESMailer(_access(options), configuration_set=options.get("configuration_set"), clock=self._clock)

    async def plan(self, urls: Mapping[Role, str]) -> Sequence[Step]:
        """The queue with its dead letters, and the table, as far as they are missing. Mail needs nothing that is made.

        Raises:
            SettingsError: A URL does not fit its role.
            AdapterError: What is there cannot be seen.
        """
        steps: list[Step] = []
        if url := urls.get("queue"):
            from fireforget_aws._queue_layout import missing_queues

            name, options = _queue(url)
            steps += await missing_queues(
                name, _access(options), dead=options.get("dead"), account=options.get("account")
            )
        if url := urls.get("store"):
            from fireforget_aws._table import missing_table

            table, options = _table(url)
            indexed = options.get("sessions") == "index"
            steps += await missing_table(table, _access(options), sessions_index=indexed, clock=self._clock)
        return steps


_EXAMPLES: Final[dict[Role, str]] = {
    "queue": "sqs://cv-analytics.fifo?region=eu-west-2",
    "store": "dynamodb://cv-analytics?region=eu-west-2",
    "mailer": "ses://?region=eu-west-2",
}
_SCHEMES: Final[dict[Role, str]] = {"queue": "sqs", "store": "dynamodb", "mailer": "ses"}


def _split(url: str, role: Role) -> SplitResult:
    """The parts of a URL, once it is known that they can be used here."""
    if find_spec("aiobotocore") is None:
        raise BackendNotFoundError("the SDK of AWS is not installed: run pip install 'fireforget[aws]'")
    parts = split_url(url)
    if parts.scheme != _SCHEMES[role]:
        raise SettingsError(f"{parts.scheme}:// names no {role}: write {_EXAMPLES[role]}")
    if "@" in parts.netloc:
        raise SettingsError(
            f"the {parts.scheme} URL holds a user or a key: take it out; credentials come from the AWS configuration "
            "(AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile, or a role)"
        )
    return parts


def _queue(url: str) -> tuple[str, dict[str, str]]:
    """Name and options."""
    parts = _split(url, "queue")
    options = url_options(parts, _QUEUE_OPTIONS)
    dead = options.get("dead")
    for name in (parts.netloc, *([dead] if dead else [])):
        if parts.path.strip("/") or not _QUEUE_NAME.fullmatch(name):
            raise SettingsError(
                "an sqs URL names a queue with up to 80 letters, digits, - and _, which ends in .fifo where it is one: "
                f"write {_EXAMPLES['queue']}"
            )
        if name.endswith(".fifo") != parts.netloc.endswith(".fifo"):
            raise SettingsError(
                f"dead={dead} in the sqs URL is of another kind than {parts.netloc}: let both end in .fifo, or neither"
            )
    if not _QUEUE_NAME.fullmatch(dead_name(parts.netloc, dead)):
        raise SettingsError(
            f"the name {dead_name(parts.netloc)} is too long for the queue of the dead letters: write ?dead= into the "
            "sqs URL, with a name up to 80 characters long"
        )
    return parts.netloc, options


def _table(url: str) -> tuple[str, dict[str, str]]:
    """Name and options."""
    parts = _split(url, "store")
    if parts.path.strip("/") or not _TABLE_NAME.fullmatch(parts.netloc):
        raise SettingsError(
            f"a dynamodb URL names a table with 3 to 255 letters, digits, _, - and .: write {_EXAMPLES['store']}"
        )
    options = url_options(parts, _STORE_OPTIONS)
    shards = options.setdefault("shards", "1")
    check_shards(int(shards) if shards.isdecimal() else 0)
    return parts.netloc, options


def _access(options: Mapping[str, str]) -> Access:
    return Access(region=options.get("region"), profile=options.get("profile"))
