"""Configuration: `fireforget.toml`, then ``FIREFORGET_*`` variables, into one frozen `Settings`.

Only this module reads configuration from files and from the environment. A variable is named like its key:
``FIREFORGET_NAME`` for ``name``, ``FIREFORGET_JOURNAL_DURABILITY`` for ``durability`` in ``[journal]``; a list is
separated by commas. ``FIREFORGET_CONFIG`` names another file. An unknown key or variable is an error: what is
misspelt must not be ignored.
"""

from __future__ import annotations

import difflib
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import msgspec

from fireforget.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping

PREFIX: Final = "FIREFORGET_"
DEFAULT_FILE: Final = "fireforget.toml"

Positive = Annotated[float, msgspec.Meta(gt=0)]
Count = Annotated[int, msgspec.Meta(ge=1)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]


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
        publish_concurrency: Most publish calls under way at once.
        publish_timeout: Seconds after which a publish call counts as failed.
        backoff_seconds: First upper bound of the backoff with full jitter; doubles with each attempt.
        max_backoff_seconds: Last upper bound of it.
        breaker_failures: Failed calls in a row after which the breaker opens.
    """

    lanes: Annotated[int, msgspec.Meta(ge=1, le=1024)] = 16
    pack_bytes: Annotated[int, msgspec.Meta(ge=0)] = 0
    linger_seconds: Annotated[float, msgspec.Meta(ge=0)] = 0.05
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


class ProcessingSettings(_Section, frozen=True):
    """``[processing]``: the processor and its worker.

    Args:
        embedded: Run the worker inside the application. Not set: only where the queue is a local one.
        max_attempts: Deliveries after which an unexpected failure is isolated event by event.
        enrich_timeout: Seconds that an enricher may take for one event before that counts as an unexpected failure.
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
    """What a model costs, per million tokens."""

    input: Annotated[float, msgspec.Meta(ge=0)]
    output: Annotated[float, msgspec.Meta(ge=0)]
    currency: str = "USD"


class ReportSettings(_Section, frozen=True):
    """``[report]``: what the report shows and to whom it goes.

    Args:
        title: Its heading; empty for the application's name.
        timezone: IANA name of the time zone whose days and weeks count.
        sender: Address in ``From``.
        recipients: Addresses in ``To``.
        prices: Price of each model, by its name.
    """

    title: str = ""
    timezone: str = "UTC"
    sender: str = "fireforget@localhost"
    recipients: tuple[str, ...] = ()
    prices: dict[str, Price] = {}


class Settings(_Section, frozen=True):
    """The whole configuration.

    Args:
        backend: Which backend the roles without a URL of their own come from.
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
    name: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_\-]{0,62}$")] = "fireforget"
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
    processing: ProcessingSettings = ProcessingSettings()
    report: ReportSettings = ReportSettings()

    def __post_init__(self) -> None:
        """Refuse a secret that is too short.

        Raises:
            SettingsError: It is.
        """
        if self.secret:
            from fireforget._salt import DailySalt

            DailySalt(self.secret_bytes)

    def __repr__(self) -> str:
        """All keys, with the secret and the credentials of URLs left out."""
        shown = msgspec.structs.asdict(self) | {"secret": "***" if self.secret else ""}
        return f"Settings({without_secrets(', '.join(f'{name}={value!r}' for name, value in shown.items()))})"

    @property
    def secret_bytes(self) -> bytes | None:
        """The secret as salts take it; None where there is none."""
        return self.secret.encode() or None

    @property
    def journal_directory(self) -> Path:
        """Where the journals of all processes live."""
        return Path(self.journal.directory or Path(self.directory, "journal"))


_CREDENTIALS: Final = re.compile(r"(?<=://)[^/@\s'\"]+(?=@)")
_SECRET_PARAMETERS: Final = re.compile(r"(?i)((?:password|secret|key|token|signature|sig)=)[^&\s'\"]+")


def without_secrets(text: str) -> str:
    """The text with credentials in URLs replaced by ``***``."""
    return _SECRET_PARAMETERS.sub(r"\1***", _CREDENTIALS.sub("***", text))


def load_settings(path: str | os.PathLike[str] | None = None, environ: Mapping[str, str] | None = None) -> Settings:
    """Read the file and the environment.

    Args:
        path: The file; None for ``FIREFORGET_CONFIG``, else `fireforget.toml` in the working directory if it is there.
        environ: The variables; None for those of the process.

    Raises:
        SettingsError: A key is unknown or a value unfit; the message names it and says what fits.
    """
    variables = os.environ if environ is None else environ
    file = settings_path(path, variables)
    table = {} if file is None else _read(file)
    for name, value in variables.items():
        if name.startswith(PREFIX) and name != f"{PREFIX}CONFIG":
            _set(table, name, value)
    return settings_from(table)


def settings_path(path: str | os.PathLike[str] | None = None, environ: Mapping[str, str] | None = None) -> Path | None:
    """Which file `load_settings` reads with the same arguments; None where it reads none."""
    variables = os.environ if environ is None else environ
    named = path if path is not None else variables.get(f"{PREFIX}CONFIG")
    file = Path(named or DEFAULT_FILE)
    return file if named or file.is_file() else None


def settings_from(table: Mapping[str, Any]) -> Settings:
    """Make settings from a table, as it stands in the file.

    Raises:
        SettingsError: As for `load_settings`.
    """
    try:
        return msgspec.convert(table, Settings, strict=False)
    except msgspec.ValidationError as error:
        raise SettingsError(_explain(str(error))) from None


def _read(file: Path) -> dict[str, Any]:
    import tomllib

    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        message = f"cannot read the configuration {file}: {error.strerror}"
        raise SettingsError(message) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        message = f"{file} is not valid TOML: {error}"
        raise SettingsError(message) from error


_SECTIONS: Final = {
    "journal": JournalSettings,
    "dispatch": DispatchSettings,
    "http": HttpSettings,
    "processing": ProcessingSettings,
    "report": ReportSettings,
}
_LISTS: Final = frozenset({"exclude", "ip_fields", "recipients"})


def _set(table: dict[str, Any], variable: str, value: str) -> None:
    """Put the value of one environment variable where the file would have it."""
    key = variable.removeprefix(PREFIX).lower()
    if key in Settings.__struct_fields__ and key not in _SECTIONS and key != "sampling":
        table[key] = value
        return
    for section, kind in _SECTIONS.items():
        name = key.removeprefix(f"{section}_")
        if name != key and name in kind.__struct_fields__ and name != "prices":
            inner = table.setdefault(section, {})
            if isinstance(inner, dict):  # else the file has no table there, which is said when it is made to settings
                inner[name] = [part.strip() for part in value.split(",") if part.strip()] if name in _LISTS else value
            return
    known = [f"{PREFIX}{name.upper()}" for name in Settings.__struct_fields__ if name not in {*_SECTIONS, "sampling"}]
    known += [
        f"{PREFIX}{section}_{name}".upper()
        for section, kind in _SECTIONS.items()
        for name in kind.__struct_fields__
        if name != "prices"
    ]
    message = f"{variable} is no setting{_suggest(variable, known)}; unset it or mend its name"
    raise SettingsError(message)


_UNKNOWN: Final = re.compile(r"Object contains unknown field `(?P<key>[^`]*)`(?: - at `\$\.?(?P<at>[^`]*)`)?")


def _explain(error: str) -> str:
    """Msgspec's message, in the words of who writes the file."""
    unknown = _UNKNOWN.fullmatch(error)
    if unknown is None:
        return f"unfit setting: {error.replace(' - at `$.', ' - at `')}"
    section = unknown["at"] or ""
    kind = _SECTIONS.get(section, Settings)
    place = f"[{section}]" if section else "the top level"
    return f"unknown key {unknown['key']!r} in {place}{_suggest(unknown['key'], kind.__struct_fields__)}"


def _suggest(name: str, known: list[str] | tuple[str, ...]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f": did you mean {close[0]!r}?" if close else f": known are {', '.join(known)}"
