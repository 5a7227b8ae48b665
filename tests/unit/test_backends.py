"""From one line of configuration to adapters."""

import subprocess
import sys
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path
from typing import ClassVar

import msgspec
import pytest

from fireforget import BackendNotFoundError, FireForget, Settings, SettingsError
from fireforget._backends import BACKENDS, SCHEMES, Adapters
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

    installed = [point for group in (BACKENDS, SCHEMES) for point in importlib.metadata.entry_points(group=group)]
    added = [
        EntryPoint("cloud", f"{__name__}:cloud", BACKENDS),
        EntryPoint("cloud", f"{__name__}:cloud", SCHEMES),
        EntryPoint("hollow", f"{__name__}:nothing", BACKENDS),
        EntryPoint("broken", "absent_module_of_a_backend:backend", BACKENDS),
    ]
    monkeypatch.setattr(importlib.metadata, "entry_points", EntryPoints([*installed, *added]).select)


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


@pytest.mark.parametrize(
    ("settings", "known"),
    [
        (Settings(backend="moon"), "aws, local"),
        (Settings(queue="moon://x"), "dynamodb, file, memory, ses, smtp, sqlite, sqs"),
        (Settings(mailer="moon:x"), "dynamodb, file, memory, ses, smtp, sqlite, sqs"),
    ],
)
def test_an_unknown_backend_is_an_error_at_once_that_names_the_known_ones(settings: Settings, known: str) -> None:
    with pytest.raises(BackendNotFoundError) as caught:
        Adapters(settings)

    assert str(caught.value) == (
        f"no backend answers to 'moon'; installed: {known}: mend the name, or install what brings it"
    )


@pytest.mark.parametrize("scheme", ["memory", "sqlite", "smtp", "file", "sqs"])
def test_the_scheme_of_a_url_is_no_backend(scheme: str) -> None:
    with pytest.raises(BackendNotFoundError) as caught:
        Adapters(Settings(backend=scheme))

    assert str(caught.value).startswith(f"no backend answers to {scheme!r}; installed: aws, local: ")
    assert str(caught.value).endswith(f"{scheme}:// begins a URL: give one as queue, store or mailer")


@pytest.mark.parametrize("url", ["smtp://me:hunter2@host", "sqlite://[me:hunter2@host", "//me:hunter2@host"])
def test_a_url_in_the_wrong_place_shows_no_secret(url: str) -> None:
    for settings in (Settings(backend=url), Settings(queue=url)):
        with pytest.raises(SettingsError) as caught:
            FireForget(settings)

        assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (Settings(queue="sqlite:"), "queue: this is not a URL: write scheme://"),
        (Settings(queue="file:///mail"), "file:// names no queue: write sqlite:///path.db or memory://name"),
        (Settings(store="sqlite:///"), "store: a sqlite URL names a file"),
        (Settings(store="memory://a/b"), "write memory://name"),
        (
            Settings(processing=ProcessingSettings(lease_seconds=1e6)),
            "lease_seconds = 1e+06 in [processing] is too long",
        ),
        (
            Settings(plugin="no_such_module"),
            "plugin = 'no_such_module' cannot be imported: there is no 'no_such_module'",
        ),
        (Settings(plugin="json.absent"), "there is no 'json.absent'"),
        (Settings(plugin="textwrap.py"), "there is no 'textwrap.py'"),
        (Settings(plugin="json.decoder.x"), "there is no 'json.decoder.x'"),
        (Settings(plugin=".analytics"), "there is no ''"),
    ],
)
def test_what_could_never_work_is_told_as_the_application_starts(settings: Settings, message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        FireForget(settings)

    assert message in str(caught.value)


def test_where_no_worker_runs_only_the_queue_is_looked_at() -> None:
    processing = ProcessingSettings(embedded=False, lease_seconds=1e6)

    FireForget(Settings(processing=processing, store="sqlite:///", plugin="no_such_module"))


def test_adapters_that_are_given_stand_for_their_urls() -> None:
    settings = Settings(queue="sqlite:", store="sqlite:")

    FireForget(settings, queue=MemoryQueue(""), store=MemoryStore(""))
    with pytest.raises(SettingsError, match="lease_seconds"):
        FireForget(
            msgspec.structs.replace(settings, processing=ProcessingSettings(lease_seconds=1e6)),
            queue=MemoryQueue(""),
            store=MemoryStore(""),
        )


def test_a_backend_that_cannot_tell_early_is_not_asked(third_party: None) -> None:
    FireForget(Settings(backend="cloud", processing=ProcessingSettings(embedded=True)))


def test_the_plugin_and_its_packages_are_looked_for_and_not_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("__init__", "events/__init__", "events/types", "bare/types"):
        file = tmp_path / "shop_of_mine" / f"{module}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("raise RuntimeError('imported')")
    monkeypatch.syspath_prepend(tmp_path)

    FireForget(Settings(plugin="shop_of_mine.events.types"))
    FireForget(Settings(plugin="shop_of_mine.bare.types"))
    FireForget(Settings(plugin="json.decoder"))
    with pytest.raises(SettingsError, match=r"there is no 'shop_of_mine\.absent'"):
        FireForget(Settings(plugin="shop_of_mine.absent"))


def test_nothing_is_opened_or_started_to_look(tmp_path: Path) -> None:
    program = (
        "import sys, threading, fireforget; fireforget.FireForget(); "
        "print(sorted({'asyncio', 'sqlite3', 'smtplib'} & set(sys.modules)), threading.active_count())"
    )
    told = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True, capture_output=True, text=True)

    assert told.stdout == "[] 1\n"
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_url_is_an_error_that_shows_no_secret() -> None:
    with pytest.raises(SettingsError, match="store is no URL: write scheme://") as caught:
        Adapters(Settings(store="//me:hunter2@host"))

    assert "hunter2" not in str(caught.value)


def test_what_is_no_url_is_told_with_one_that_its_role_can_have() -> None:
    with pytest.raises(SettingsError, match="mailer is no URL: .* such as smtp://"):
        Adapters(Settings(mailer="mail.example.org"))


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
