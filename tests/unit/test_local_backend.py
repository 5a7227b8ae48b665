"""The URLs of the embedded backend: what they name, and what is said of those that name nothing."""

import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from fireforget.abc import Backend, DeadLetters, Mailer, Message, Queue, Store, UrlChecker
from fireforget.errors import SettingsError
from fireforget.local import backend
from fireforget.local.mail import FileMailer, SMTPMailer
from fireforget.local.memory import MemoryQueue, MemoryStore
from fireforget.local.sqlite import SQLiteQueue, SQLiteStore
from fireforget.testing.clock import ManualClock


def test_it_is_a_backend_whose_adapters_are_what_the_ports_say(tmp_path: Path) -> None:
    assert isinstance(backend, Backend)
    for url in ("memory://x", f"sqlite:///{tmp_path}/x.db"):
        assert isinstance(backend.queue(url), Queue)
        assert isinstance(backend.dead_letters(url), DeadLetters)
        assert isinstance(backend.store(url), Store)
    for url in (f"file://{tmp_path}", "smtp://localhost"):
        assert isinstance(backend.mailer(url), Mailer)
    assert list(tmp_path.iterdir()) == [], "making an adapter touches nothing"


def test_it_answers_to_its_name_and_to_its_schemes() -> None:
    (name,) = entry_points(group="fireforget.backends", name="local")
    schemes = [point for point in entry_points(group="fireforget.schemes") if point.module == name.module]
    assert {point.name for point in schemes} == {"sqlite", "memory", "file", "smtp"}
    assert {id(point.load()) for point in (name, *schemes)} == {id(backend)}


def test_a_relative_path_has_three_slashes_and_an_absolute_one_four(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert backend.queue("sqlite:///data/x.db").identity == f"sqlite:///{tmp_path}/data/x.db"
    assert backend.queue("sqlite:////data/x.db").identity == "sqlite:////data/x.db"


@pytest.mark.parametrize("directory", ["data", "/var/lib/a b", "x?y#z%41", "/ž"])
def test_the_default_urls_name_what_they_should(
    directory: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    expected = tmp_path / directory
    for role in ("queue", "store"):
        url = backend.url(role, name="cv-analytics", directory=directory)
        assert backend.queue(url)._database.path == expected / "cv-analytics.db"  # type: ignore[attr-defined]
    mailer = backend.mailer(backend.url("mailer", name="cv-analytics", directory=directory))
    assert isinstance(mailer, FileMailer)
    assert mailer._directory == expected / "mail"


def test_adapters_of_one_file_share_its_threads(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/x.db"
    adapters = [backend.queue(url), backend.dead_letters(url), backend.store(url)]
    files = {id(adapter._database._file) for adapter in adapters}  # type: ignore[attr-defined]
    assert len(files) == 1
    full = backend.store(f"{url}?synchronous=full")
    assert isinstance(full, SQLiteStore)
    assert id(full._database._file) not in files


def test_memory_urls_name_what_is_shared() -> None:
    queue = backend.queue("memory://x%20y")
    assert isinstance(queue, MemoryQueue)
    assert queue._messages is backend.dead_letters("memory://x%20y")._messages  # type: ignore[attr-defined]
    assert isinstance(backend.store("memory://"), MemoryStore)


def test_an_smtp_url_names_a_server() -> None:
    def server(url: str) -> tuple[object, ...]:
        mailer = backend.mailer(url)
        assert isinstance(mailer, SMTPMailer)
        it = mailer._server
        return it.address, it.encryption, it.user, it.password

    assert server("smtp://mail.test") == ("mail.test:587", "starttls", "", "")
    assert server("smtp://mail.test?tls=implicit") == ("mail.test:465", "implicit", "", "")
    assert server("smtp://mail.test/?tls=none") == ("mail.test:25", "none", "", "")
    assert server("smtp://me%40x:p%2Fw%20@mail.test:2525") == ("mail.test:2525", "starttls", "me@x", "p/w ")


@pytest.mark.parametrize(
    ("maker", "url", "mend"),
    [
        ("queue", "app.db", "write scheme://"),
        ("queue", "sqlite:app.db", "write scheme://"),
        ("queue", "sqlite://app.db", "sqlite:///relative/path.db or sqlite:////absolute/path.db"),
        ("queue", "sqlite://", "sqlite:///relative/path.db"),
        ("queue", "sqlite:///data/", "sqlite:///relative/path.db"),
        ("store", "sqlite:///:memory:", "for memory write memory://name"),
        ("store", "sqlite:///a#b.db", "write it as %23"),
        ("store", "sqlite:///a.db?sync=full", "the known ones are: synchronous"),
        ("store", "sqlite:///a.db?synchronous=off", "one of the values: normal, full"),
        ("store", "sqlite:///a.db?synchronous=full&synchronous=normal", "synchronous once"),
        ("dead_letters", "sqlite:///a.db?synchronous", "one of the values: normal, full"),
        ("queue", "memory://a/b", "write memory://name"),
        ("queue", "memory://a?synchronous=full", "the known ones are: none"),
        ("queue", "file:///mail", "write sqlite:///path.db or memory://name"),
        ("store", "smtp://mail.test", "write sqlite:///path.db or memory://name"),
        ("mailer", "sqlite:///a.db", "write file:///absolute/directory or smtp://host"),
        ("mailer", "file://mail", "write file:///var/lib/app/mail"),
        ("mailer", "file:///", "write file:///var/lib/app/mail"),
        ("mailer", "file:///mail?mode=600", "the known ones are: none"),
        ("mailer", "smtp://", "write smtp://user:password@host:587"),
        ("mailer", "smtp://mail.test/path", "write smtp://user:password@host:587"),
        ("mailer", "smtp://mail.test?tls=maybe", "one of the values: starttls, implicit, none"),
        ("mailer", "smtp://mail.test:port", "not a URL"),
    ],
)
def test_a_url_that_names_nothing_is_refused_with_the_mend(maker: str, url: str, mend: str) -> None:
    with pytest.raises(SettingsError) as caught:
        getattr(backend, maker)(url)
    assert mend in str(caught.value)
    if maker in {"queue", "store"}:
        with pytest.raises(SettingsError) as early:
            backend.check_url(maker, url)  # type: ignore[arg-type]
        assert str(early.value) == str(caught.value)


def test_a_good_url_is_told_from_a_bad_one_before_an_adapter_is_made(tmp_path: Path) -> None:
    assert isinstance(backend, UrlChecker)
    for url in ("memory://x", f"sqlite:///{tmp_path}/x.db"):
        assert backend.check_url("queue", url) == backend.queue(url).capabilities
        assert backend.check_url("store", url) is None


@pytest.mark.parametrize(
    "rest", ["mail.test:port", "mail.test#x", "mail.test?tls=x", "mail.test/x", "mail.test?tls=none"]
)
def test_a_password_never_shows(rest: str) -> None:
    with pytest.raises(SettingsError) as caught:
        backend.mailer(f"smtp://me:hunter2@{rest}")
    assert "hunter2" not in f"{caught.value!r} {caught.value.__cause__!r}"
    assert "hunter2" not in repr(vars(backend.mailer("smtp://me:hunter2@mail.test")))


@pytest.mark.asyncio
async def test_the_adapters_run_on_the_backend_s_clock(tmp_path: Path) -> None:
    from fireforget.local._backend import LocalBackend

    clock = ManualClock()
    for url in ("memory://clock", f"sqlite:///{tmp_path}/x.db"):
        queue = LocalBackend(clock=clock).queue(url)
        await queue.publish([Message("a", "k", "{}")])
        (delivery,) = await queue.receive(1, wait=0, lease=30)
        assert (delivery.expires_at - clock.now()).total_seconds() == 30
        await queue.aclose()
    assert isinstance(queue, SQLiteQueue)


def test_what_a_url_does_not_name_is_not_loaded() -> None:
    script = (
        "import sys; from fireforget.local import backend; backend.queue('memory://'); "
        "print(sorted({'sqlite3', 'smtplib'} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert found.stdout.strip() == "[]"
