"""Event types: registration, validation, versions and the upcasters between them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec

from fireforget.errors import SchemaError, SettingsError, VersionError

if TYPE_CHECKING:
    from fireforget._event import Event

Upcaster = Callable[[dict[str, Any]], Mapping[str, Any]]
T = TypeVar("T", bound=type)
F = TypeVar("F", bound=Upcaster)

_SCHEMA: Final = re.compile(r"urn:fireforget:(?P<type>.+):(?P<version>[1-9][0-9]{0,5})")
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.\-]{0,127}")


def check_type_name(name: object) -> str:
    """Return the name of an event type as it is, if it can be one.

    Raises:
        SchemaError: It is not 1 to 128 letters, digits, dots, dashes and underscores, beginning with a letter.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        message = (
            f"{name!r:.80} cannot name an event type: use 1 to 128 ASCII letters, digits, '.', '-' and '_', "
            "beginning with a letter or '_'"
        )
        raise SchemaError(message)
    return name


class EventType(msgspec.Struct, frozen=True):
    """One registered event type.

    Args:
        name: The CloudEvents ``type``.
        version: The version that this process writes, from 1.
        model: The class of its data: a `msgspec.Struct`, a dataclass or a `TypedDict`.
        upcasters: From a version to the function that lifts its data to the next one.
    """

    name: str
    version: int
    model: type
    upcasters: dict[int, Upcaster]

    @property
    def dataschema(self) -> str:
        """The CloudEvents ``dataschema`` that this process writes."""
        return f"urn:fireforget:{self.name}:{self.version}"


class EventTypes:
    """A registry of event types. The module's functions `event_type` and `upcaster` use one shared instance."""

    def __init__(self) -> None:
        self._by_name: dict[str, EventType] = {}
        self._by_model: dict[type, EventType] = {}
        self._early: dict[str, dict[int, Upcaster]] = {}

    def event_type(self, name: str, *, version: int = 1) -> Callable[[T], T]:
        """Register the decorated class as the data of an event type.

        Args:
            name: The CloudEvents ``type``.
            version: The version of the class, from 1. Each change of meaning raises it and adds an `upcaster`.

        Raises:
            SettingsError: The name is taken by another class, or the version is below 1.
        """

        def register(model: T) -> T:
            taken = self._by_name.get(name)
            if taken is not None and taken.model.__qualname__ != model.__qualname__:
                message = (
                    f"event type {name!r} is registered by {taken.model.__qualname__} already: choose another name"
                )
                raise SettingsError(message)
            if version < 1:
                message = f"event type {name!r} has version {version}: versions begin at 1"
                raise SettingsError(message)
            upcasters = taken.upcasters if taken is not None else self._early.pop(name, {})
            known = EventType(check_type_name(name), version, model, upcasters)
            self._by_name[name] = known
            self._by_model[model] = known
            return model

        return register

    def upcaster(self, name: str, *, version: int) -> Callable[[F], F]:
        """Register the decorated function: it lifts data of `version` to ``version + 1``."""

        def register(function: F) -> F:
            known = self._by_name.get(name)
            upcasters = known.upcasters if known is not None else self._early.setdefault(name, {})
            upcasters[version] = function
            return function

        return register

    def get(self, name: str) -> EventType | None:
        """The registered type of that name."""
        return self._by_name.get(name)

    def of(self, model: type) -> EventType | None:
        """The registered type whose data the class describes."""
        return self._by_model.get(model)

    def upcast(self, event: Event) -> Event:
        """Lift an event to the version that this process knows; an unregistered type comes back as it is.

        Raises:
            VersionError: It was written by a newer version.
            SchemaError: An upcaster is missing or failed.
        """
        known = self._by_name.get(event.type)
        if known is None:
            return event
        version = _version(event)
        if version == known.version:
            return event
        if version > known.version:
            message = (
                f"event type {event.type!r} version {version} is newer than version {known.version}, which this "
                "process knows: deploy the newer code here, then redrive"
            )
            raise VersionError(message)
        data: Mapping[str, Any] = dict(event.data)
        for step in range(version, known.version):
            lift = known.upcasters.get(step)
            if lift is None:
                message = f"event type {event.type!r} has no upcaster from version {step}: register one"
                raise SchemaError(message)
            try:
                data = lift(dict(data))
            except Exception as error:
                message = f"the upcaster of {event.type!r} from version {step} raised {type(error).__name__}: {error}"
                raise SchemaError(message) from error
        return msgspec.structs.replace(event, data=data, dataschema=known.dataschema)

    def read(self, event: Event) -> Any:
        """The event's data as an instance of its registered class, lifted and validated; a dict where there is none.

        Raises:
            VersionError: It was written by a newer version.
            SchemaError: It does not fit.
        """
        known = self._by_name.get(event.type)
        if known is None:
            return dict(event.data)
        lifted = self.upcast(event)
        try:
            return msgspec.convert(lifted.data, known.model)
        except (msgspec.ValidationError, TypeError, ValueError, RecursionError) as error:
            message = f"event type {event.type!r} version {known.version}: {error}"
            raise SchemaError(message) from error


def is_own_schema(event: Event) -> bool:
    """Whether the event was written by a process in which its type is registered."""
    return _own_schema(event) is not None


def _own_schema(event: Event) -> re.Match[str] | None:
    match = _SCHEMA.fullmatch(event.dataschema or "")
    return match if match is not None and match["type"] == event.type else None


def _version(event: Event) -> int:
    """The version that the event was written with; 1 where it names none."""
    if event.dataschema is None:
        return 1
    match = _own_schema(event)
    if match is None:
        message = f"dataschema {event.dataschema!r:.200} does not belong to event type {event.type!r}"
        raise SchemaError(message)
    return int(match["version"])


shared_types: Final = EventTypes()
event_type: Final = shared_types.event_type
upcaster: Final = shared_types.upcaster
