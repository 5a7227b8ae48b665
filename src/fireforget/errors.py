"""Every error that fireforget raises on purpose.

    FireForgetError
    ├── SettingsError            configuration that cannot be used; the message says the mend
    │   └── BackendNotFoundError no installed backend answers to that name or URL scheme
    ├── EventError               one event cannot be used, now or ever
    │   ├── UnserializableError  its data has no JSON form
    │   ├── TooLargeError        its encoded data exceeds the limit
    │   ├── AttributeNameError   an attribute is reserved or cannot be one
    │   ├── HookError            a before_emit hook raised
    │   ├── SchemaError          its data does not fit its event type
    │   │   └── VersionError     it was written by a newer version of its event type
    │   └── DecodeError          the text is not a CloudEvent
    ├── EnricherTimeoutError     an enricher took longer than it may
    ├── JournalError             the journal directory cannot be used
    └── AdapterError             a queue, a store or a mailer failed
        ├── TransientError       the same call may succeed later
        ├── PermanentError       the same call will never succeed
        └── ClosedError          the adapter was used after `aclose`

An adapter raises only the members of `AdapterError`; what its SDK raised is the `__cause__`.
"""

from __future__ import annotations

from typing import ClassVar


class FireForgetError(Exception):
    """The root of the tree above."""


class SettingsError(FireForgetError):
    """A configuration that cannot be used. The message names the key and says what to write instead."""


class BackendNotFoundError(SettingsError):
    """No installed backend answers to the configured name or URL scheme, or what it needs is not installed."""


class EventError(FireForgetError):
    """One event that cannot be used, now or ever."""

    reason: ClassVar[str] = "invalid"
    """Under which name `stats` counts a refusal for it."""


class UnserializableError(EventError):
    """The data has no JSON form, not even by the documented rules of coercion."""

    reason = "unserializable"


class TooLargeError(EventError):
    """The encoded data exceeds `max_event_bytes`."""

    reason = "too_large"


class AttributeNameError(EventError):
    """An attribute is reserved for the library, or its name or value cannot stand in a CloudEvent."""

    reason = "attribute"


class HookError(EventError):
    """A `before_emit` hook raised; that is the cause."""

    reason = "hook"


class SchemaError(EventError):
    """The data does not fit the registered event type, or there is no such type."""

    reason = "schema"


class VersionError(SchemaError):
    """The event was written by a version of its type that this process does not know yet."""


class DecodeError(EventError):
    """The text is not a CloudEvent, or not a batch of them."""


class EnricherTimeoutError(FireForgetError):
    """An enricher awaited something for longer than `enrich_timeout`. The message names it."""


class JournalError(FireForgetError):
    """The journal directory cannot be created, locked or read."""


class AdapterError(FireForgetError):
    """A queue, a store or a mailer failed; the SDK's own error is the cause."""


class TransientError(AdapterError):
    """The call failed for now: a timeout, a throttle, an outage.

    Args:
        message: What failed, for a log.
        retry_after: Seconds that the service asked to wait, or None where it gave no hint.
    """

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class PermanentError(AdapterError):
    """The same call will never succeed: no such queue, no permission, an item over the limit."""


class ClosedError(AdapterError):
    """The adapter was used after `aclose`."""
