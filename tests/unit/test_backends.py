"""From one line of configuration to adapters."""

from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path
from typing import ClassVar

import pytest

from fireforget import BackendNotFoundError, Settings, SettingsError
from fireforget._backends import GROUP, Adapters
from fireforget._settings import ProcessingSettings
from fireforget.abc import Backend, DeadLetters, Mailer, Queue, Store
from fireforget.local.memory import MemoryQueue, MemoryStore
from fireforget.local.sqlite import SQLiteQueue, SQLiteStore


class Cloud:
    """A third party's backend."""

    embeddable: ClassVar[bool] = False

    def url(self, role: str, *, name: str, directory: str) -> str:
        return f"cloud://{name}/{role}"

    def queue(self, url: str) -> Queue:
        return MemoryQueue(url)

    def dead_letters(self, url: str) -> DeadLetters:
        raise NotImplementedError(url)

    def store(self, url: str) -> Store:
        return MemoryStore(url)

    def mailer(self, url: str) -> Mailer:
        raise NotImplementedError(url)


cloud = Cloud()
nothing = object()


@pytest.fixture
def third_party(monkeypatch: pytest.MonkeyPatch) -> None:
    """Installed beside the embedded backend: a cloud, a package without a backend, and one that cannot be imported."""
    import importlib.metadata

    installed = importlib.metadata.entry_points(group=GROUP)
    added = [
        EntryPoint("cloud", f"{__name__}:cloud", GROUP),
        EntryPoint("hollow", f"{__name__}:nothing", GROUP),
        EntryPoint("broken", "absent_module_of_a_backend:backend", GROUP),
    ]
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda *, group: EntryPoints([*installed, *added]))


def test_one_line_names_all_adapters(tmp_path: Path) -> None:
    adapters = Adapters(Settings(directory=str(tmp_path), name="shop"))

    assert isinstance(adapters.queue(), SQLiteQueue)
    assert isinstance(adapters.store(), SQLiteStore)
    assert isinstance(adapters.dead_letters(), DeadLetters)
    assert isinstance(adapters.mailer(), Mailer)
    assert adapters.url("queue") == adapters.url("store") == f"sqlite:///{tmp_path}/shop.db"


def test_each_role_may_have_a_url_of_its_own(tmp_path: Path) -> None:
    adapters = Adapters(Settings(directory=str(tmp_path), queue="memory://mixed"))

    assert isinstance(adapters.queue(), MemoryQueue)
    assert isinstance(adapters.store(), SQLiteStore)
    assert adapters.url("queue") == "memory://mixed"


def test_a_third_partys_backend_is_found_by_name_and_scheme(third_party: None) -> None:
    by_name = Adapters(Settings(backend="cloud", name="shop"))
    by_scheme = Adapters(Settings(store="cloud://other"))

    assert by_name.url("store") == "cloud://shop/store"
    assert isinstance(by_name.queue(), MemoryQueue)
    assert isinstance(by_scheme.store(), MemoryStore)
    assert isinstance(cloud, Backend)


def test_the_worker_is_embedded_where_the_queue_is_local(third_party: None) -> None:
    def embedded(chosen: bool | None, backend: str) -> bool:
        return Adapters(Settings(backend=backend, processing=ProcessingSettings(embedded=chosen))).embedded

    assert embedded(None, "local") is True
    assert embedded(None, "cloud") is False
    assert embedded(False, "local") is False
    assert embedded(True, "cloud") is True


@pytest.mark.parametrize("settings", [Settings(backend="moon"), Settings(queue="moon://x"), Settings(mailer="moon:x")])
def test_an_unknown_backend_is_an_error_at_once_that_names_the_known_ones(settings: Settings) -> None:
    with pytest.raises(BackendNotFoundError, match="no backend answers to 'moon'; installed: .*local, memory.*sqlite"):
        Adapters(settings)


def test_what_is_no_url_is_an_error_that_shows_no_secret() -> None:
    with pytest.raises(SettingsError, match="store is no URL: write scheme://") as caught:
        Adapters(Settings(store="//me:hunter2@host"))

    assert "hunter2" not in str(caught.value)


def test_an_entry_point_that_is_no_backend_is_told(third_party: None) -> None:
    with pytest.raises(BackendNotFoundError, match="'hollow' of fireforget.backends is not a fireforget.abc.Backend"):
        Adapters(Settings(backend="hollow")).queue()


def test_a_backend_that_cannot_be_imported_is_told(third_party: None) -> None:
    with pytest.raises(BackendNotFoundError, match="'broken'.*absent_module_of_a_backend"):
        Adapters(Settings(backend="broken")).queue()


def test_no_backend_is_loaded_before_its_first_adapter(third_party: None) -> None:
    adapters = Adapters(Settings(backend="broken"))

    with pytest.raises(BackendNotFoundError, match="'broken'"):
        _ = adapters.identity


def test_the_identity_tells_queues_apart() -> None:
    def identity(**settings: str) -> str:
        return Adapters(Settings(**settings)).identity  # type: ignore[arg-type]

    assert len({identity(name="a"), identity(name="b"), identity(directory="d"), identity(queue="memory://a")}) == 4


def test_the_identity_of_a_queue_is_the_same_however_it_is_spelled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    given = [
        Settings(directory="data", name="shop"),
        Settings(queue="sqlite:///data/shop.db"),
        Settings(queue=f"sqlite:///{tmp_path}/data/shop.db?synchronous=full"),
    ]
    spelled = {Adapters(settings).identity for settings in given}
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")

    assert len(spelled) == 1
    assert Adapters(given[1]).identity not in spelled


def test_what_tells_the_identity_is_the_queue_that_is_used(tmp_path: Path) -> None:
    adapters = Adapters(Settings(directory=str(tmp_path)))
    assert adapters.identity == f"sqlite:///{tmp_path}/fireforget.db"

    made = adapters._made

    assert adapters.queue() is made
    assert adapters.queue() is not made
