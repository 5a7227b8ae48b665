"""The settings: every table and key of `fireforget.toml`, with its meaning and its default."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec

from fireforget._secrets import without_secrets

_YEAR: Final = 366 * 86400
"""The longest time in seconds that a setting may be: more than that, timers do not take."""

Positive = Annotated[float, msgspec.Meta(gt=0, le=_YEAR)]
Seconds = Annotated[float, msgspec.Meta(ge=0, le=_YEAR)]
Count = Annotated[int, msgspec.Meta(ge=1)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Name = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_\-]{0,62}$",
        description="up to 63 letters, digits, - and _, of which the first is a letter or a digit",
    ),
]


class _Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What all tables of the file have in common."""


class JournalSettings(_Section, frozen=True):
    """``[journal]``: the crash-safe buffer.

    Args:
        directory: Where journals live; empty for ``journal`` below the top-level ``directory``.
        durability: What an accepted event survives: ``"process"`` the death of the process, ``"power"`` a power
            cut too (up to `sync_seconds` may be lost), ``"none"`` nothing: the journal is memory.
        max_bytes: Most bytes of all segments of one process. 256 MiB.
        segment_bytes: Bytes of one segment file. 1 MiB.
        overflow: When `max_bytes` is reached: ``"drop_newest"`` refuses in `emit`, ``"drop_oldest"`` gives up the
            oldest segment that has nothing in flight.
        sync_seconds: How often ``"power"`` calls fdatasync.
        adopt_seconds: How often the journals of dead neighbours are looked for.
    """

    directory: str = ""
    durability: Literal["process", "power", "none"] = "process"
    max_bytes: Annotated[int, msgspec.Meta(ge=4 * 1024 * 1024)] = 256 * 1024 * 1024
    segment_bytes: Annotated[int, msgspec.Meta(ge=256 * 1024, le=64 * 1024 * 1024)] = 1024 * 1024
    overflow: Literal["drop_newest", "drop_oldest"] = "drop_newest"
    sync_seconds: Positive = 0.1
    adopt_seconds: Positive = 5.0


class DispatchSettings(_Section, frozen=True):
    """``[dispatch]``: from the journal to the queue.

    Args:
        lanes: How many lanes run side by side; the same in every process that shares a queue.
        pack_bytes: Size worth packing up to; 0 for what the queue bills as one request.
        linger_seconds: How long the first event of a pack waits for others.
        defer_seconds: How long events may wait in the journal while the application needs the whole interpreter;
            meanwhile delivery has a fiftieth of a processor. After that, or when the journal is half full, it goes on
            at the application's expense. 0: it is never deferred.
        publish_concurrency: Most publish calls under way at once.
        publish_timeout: Seconds after which a publish call counts as failed.
        backoff_seconds: First upper bound of the backoff with full jitter; doubles with each attempt.
        max_backoff_seconds: Last upper bound of it.
        breaker_failures: Failed calls in a row after which the breaker opens.
    """

    lanes: Annotated[int, msgspec.Meta(ge=1, le=1024)] = 16
    pack_bytes: Annotated[int, msgspec.Meta(ge=0)] = 0
    linger_seconds: Seconds = 0.25
    defer_seconds: Seconds = 10.0
    publish_concurrency: Count = 4
    publish_timeout: Positive = 30.0
    backoff_seconds: Positive = 0.2
    max_backoff_seconds: Positive = 30.0
    breaker_failures: Count = 5


class HttpSettings(_Section, frozen=True):
    """``[http]``: what the middleware does.

    Args:
        events: Emit one ``http.request`` event a request: method, route template, status and duration.
        exclude: Paths without such an event; a trailing ``*`` matches any rest.
        session_header: Header that carries the session id; empty for none.
        session_cookie: Cookie that carries it; empty for none.
        session_from_client: Where neither gave one, a hash of address and agent under a salt that changes daily.
            Without the top-level `secret` each process has a salt of its own.
        request_id_header: Header that carries the request id of a proxy or client.
    """

    events: bool = False
    exclude: tuple[str, ...] = ()
    session_header: str = ""
    session_cookie: str = ""
    session_from_client: bool = False
    request_id_header: str = "x-request-id"


class HostSettings(_Section, frozen=True):
    """``[host]``: where the process runs, which decides what may run after a response.

    Args:
        name: ``"auto"`` looks at the host's own variables. ``"server"``: everything goes on after a response.
            ``"unknown"``: nothing may, so the end of each response is held. Else ``"cloud-run"``, or the name of a host
            that is installed: ``"lambda"``.
        cpu: On Cloud Run alone: whether the processor stays with the ``"instance"`` or is taken away with each
            response (``"request"``, its request-based billing), so that the end of the response is held. No variable
            tells it.
        flush_seconds: How long the end of a response is held at most.
        request_seconds: What the host gives to one request, which `deadline` counts down; 0 for the host's own limit.
    """

    name: str = "auto"
    cpu: Literal["instance", "request"] = "instance"
    flush_seconds: Positive = 2.0
    request_seconds: Seconds = 0.0


class ProcessingSettings(_Section, frozen=True):
    """``[processing]``: the processor and its worker.

    Args:
        embedded: Run the worker inside the application. Not set: only where the queue is a local one.
        max_attempts: Deliveries after which an unexpected failure is isolated event by event.
        enrich_timeout: Seconds that an enricher may take for one event before that counts as an unexpected failure.
        call_timeout: Seconds after which a call of the store, the dead letters or the queue is cancelled and counts as
            failed for now; a receive, so long after `wait_seconds`.
        retention_days: Days until a stored event expires; 0 for never.
        unknown_types: What becomes of an event whose type is not registered: ``"accept"`` or ``"refuse"``.
        batch: Most messages of one receive.
        lease_seconds: Lease of a delivery; renewed at its half while the batch is still in work.
        wait_seconds: How long one receive waits for the first message.
        concurrency: Most groups of one key processed side by side.
        stop_seconds: How long a stop waits for what is in work.
        purge_seconds: How often expired records are deleted.
        session: Give events without a session id the one in their data or, with the top-level `secret`, a hash of
            address and agent under a salt that changes daily.
        user_agent: Enrich events that carry a user agent (needs ``fireforget[enrich]``).
        geo_database: Path of a MaxMind database; empty for no geo enrichment.
        ip_addresses: What becomes of client addresses: ``"hash"``, ``"drop"`` or ``"keep"``.
        ip_fields: Names of further fields that hold client addresses.
    """

    embedded: bool | None = None
    max_attempts: Count = 5
    enrich_timeout: Positive = 30.0
    call_timeout: Positive = 30.0
    retention_days: Annotated[int, msgspec.Meta(ge=0)] = 90
    unknown_types: Literal["accept", "refuse"] = "accept"
    batch: Count = 10
    lease_seconds: Positive = 30.0
    wait_seconds: Positive = 5.0
    concurrency: Count = 4
    stop_seconds: Positive = 10.0
    purge_seconds: Positive = 3600.0
    session: bool = False
    user_agent: bool = False
    geo_database: str = ""
    ip_addresses: Literal["hash", "drop", "keep"] = "hash"
    ip_fields: tuple[str, ...] = ()


class Price(_Section, frozen=True):
    """What a model costs.

    Args:
        input: Price of a million tokens that it reads.
        output: Price of a million tokens that it writes.
        currency: Code of three capital letters.
    """

    input: Annotated[float, msgspec.Meta(ge=0)]
    output: Annotated[float, msgspec.Meta(ge=0)]
    currency: str = "USD"


class ReportSettings(_Section, frozen=True):
    """``[report]``: what the report shows and to whom it goes.

    Args:
        title: Its heading; empty for the application's name.
        definition: What it measures and shows: ``"questions"``, ``"http"``, or the path of a TOML file.
        timezone: IANA name of the time zone whose days and weeks count.
        sender: Address in ``From``.
        recipients: Addresses in ``To``.
        schedule: When the worker sends it: ``"weekly monday 07:00"``, ``"daily 07:00"`` or ``"monthly 1 07:00"``, by
            the clocks of `timezone`; of the last whole week, day or month. Empty for never.
        delivery: Where the mailer or the worker fails midway, ``"at_least_once"`` sends it again, ``"at_most_once"``
            does not.
        prices: What each model costs, by its name: ``input`` and ``output`` for a million tokens that it reads and
            writes, and their ``currency``, ``"USD"`` where none is given.
    """

    title: str = ""
    definition: str = "questions"
    timezone: str = "UTC"
    sender: str = "fireforget@localhost"
    recipients: tuple[str, ...] = ()
    schedule: str = ""
    delivery: Literal["at_least_once", "at_most_once"] = "at_least_once"
    prices: dict[str, Price] = {}


class Settings(_Section, frozen=True):
    """The whole configuration.

    Args:
        backend: Name of the backend that the roles without a URL of their own come from: ``"local"``, ``"aws"`` with
            ``fireforget[aws]``, or another one that is installed.
        name: Default names of queue, store and function derive from it.
        directory: Where the local files live: journal, database, dead letters, mail.
        queue: URL of the queue; empty for the backend's default.
        store: URL of the store; empty for the backend's default.
        mailer: URL of the mailer; empty for the backend's default.
        source: CloudEvents ``source``; empty for `name`.
        plugin: Module that registers event types and may define ``enrichers``; empty for none.
        secret: Random text of at least 16 bytes, the same in all processes, from which the daily salts of sessions and
            client addresses are derived. Empty: each process makes salts of its own and forgets them.
        max_event_bytes: Largest encoded data of one event. 128 KiB, which fits every queue and store.
        drain_seconds: How long a shutdown may take to deliver what is pending.
        sampling: Share of requests whose events of a type are kept, by type name; ``"*"`` for all others.
    """

    backend: str = "local"
    name: Name = "fireforget"
    directory: str = ".fireforget"
    queue: str = ""
    store: str = ""
    mailer: str = ""
    source: str = ""
    plugin: str = ""
    secret: str = ""
    max_event_bytes: Annotated[int, msgspec.Meta(ge=256, le=128 * 1024)] = 128 * 1024
    drain_seconds: Positive = 10.0
    sampling: dict[str, Share] = {}
    journal: JournalSettings = JournalSettings()
    dispatch: DispatchSettings = DispatchSettings()
    http: HttpSettings = HttpSettings()
    host: HostSettings = HostSettings()
    processing: ProcessingSettings = ProcessingSettings()
    report: ReportSettings = ReportSettings()

    def __repr__(self) -> str:
        """All keys, with the secret and the credentials of URLs left out."""
        shown = msgspec.structs.asdict(self)
        for name in _URLS:
            given = str(shown[name])
            shown[name] = without_secrets(given) if "://" in given or "@" not in given else "***"
        shown["secret"] = "***" if self.secret else ""
        return f"Settings({', '.join(f'{name}={value!r}' for name, value in shown.items())})"

    @property
    def secret_bytes(self) -> bytes | None:
        """The secret as salts take it; None where there is none."""
        return self.secret.encode() or None

    @property
    def journal_directory(self) -> Path:
        """Where the journals of all processes live."""
        return Path(self.journal.directory or Path(self.directory, "journal"))


_URLS: Final = ("backend", "queue", "store", "mailer", "source")
"""What is a URL, or was meant to be something else and got one."""
