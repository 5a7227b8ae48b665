"""The configuration: where it comes from, what it refuses, and that it keeps secrets."""

from pathlib import Path

import pytest

from fireforget import Settings, SettingsError, load_settings
from fireforget._settings import DispatchSettings, JournalSettings, settings_from, without_secrets

FILE = """
backend = "local"
name = "shop"
directory = "data"
drain_seconds = 3
sampling = { "http.request" = 0.1, "*" = 1 }

[journal]
durability = "power"
max_bytes = 8_388_608

[dispatch]
lanes = 4
linger_seconds = 0

[http]
events = true
exclude = ["/health", "/static/*"]

[report.prices.small]
input = 0.1
output = 0.4
"""


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_without_file_and_variables_the_defaults_hold(empty: Path) -> None:
    settings = load_settings()

    assert settings == Settings()
    assert (settings.backend, settings.name, settings.max_event_bytes) == ("local", "fireforget", 128 * 1024)
    assert settings.journal_directory == Path(".fireforget/journal")


def test_the_file_in_the_working_directory_is_read(empty: Path) -> None:
    (empty / "fireforget.toml").write_text(FILE)

    settings = load_settings()

    assert settings.name == "shop"
    assert settings.drain_seconds == 3.0
    assert settings.sampling == {"http.request": 0.1, "*": 1.0}
    assert settings.journal == JournalSettings(durability="power", max_bytes=8 * 1024 * 1024)
    assert settings.dispatch == DispatchSettings(lanes=4, linger_seconds=0.0)
    assert settings.http.exclude == ("/health", "/static/*")
    assert settings.report.prices["small"].output == 0.4
    assert settings.journal_directory == Path("data/journal")


def test_another_file_may_be_named_by_argument_or_variable(empty: Path) -> None:
    (empty / "fireforget.toml").write_text('name = "here"')
    (empty / "other.toml").write_text('name = "other"')

    assert load_settings(empty / "other.toml", {}).name == "other"
    assert load_settings(environ={"FIREFORGET_CONFIG": "other.toml"}).name == "other"
    assert load_settings(environ={"FIREFORGET_CONFIG": ""}).name == "here"


def test_a_file_that_is_named_has_to_be_there(empty: Path) -> None:
    with pytest.raises(SettingsError, match=r"cannot read the configuration absent\.toml: No such file"):
        load_settings(environ={"FIREFORGET_CONFIG": "absent.toml"})


@pytest.mark.parametrize("content", [b"name = ", b"\xff\xfe"])
def test_a_file_that_is_no_toml_is_named(empty: Path, content: bytes) -> None:
    (empty / "fireforget.toml").write_bytes(content)

    with pytest.raises(SettingsError, match=r"fireforget\.toml is not valid TOML"):
        load_settings()


def test_variables_win_over_the_file(empty: Path) -> None:
    (empty / "fireforget.toml").write_text(FILE)
    variables = {
        "FIREFORGET_NAME": "market",
        "FIREFORGET_MAX_EVENT_BYTES": "1024",
        "FIREFORGET_JOURNAL_DURABILITY": "none",
        "FIREFORGET_DISPATCH_LANES": "2",
        "FIREFORGET_HTTP_EVENTS": "false",
        "FIREFORGET_HTTP_EXCLUDE": "/a, /b*,",
        "FIREFORGET_PROCESSING_EMBEDDED": "true",
        "FIREFORGET_REPORT_RECIPIENTS": "a@example.org,b@example.org",
        "UNRELATED": "x",
    }

    settings = load_settings(environ=variables)

    assert (settings.name, settings.max_event_bytes) == ("market", 1024)
    assert settings.journal == JournalSettings(durability="none", max_bytes=8 * 1024 * 1024)
    assert settings.dispatch.lanes == 2
    assert settings.http.events is False
    assert settings.http.exclude == ("/a", "/b*")
    assert settings.processing.embedded is True
    assert settings.report.recipients == ("a@example.org", "b@example.org")


def test_the_variables_of_the_process_are_read(empty: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIREFORGET_SOURCE", "https://shop.example/")

    assert load_settings().source == "https://shop.example/"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('nmae = "x"', "unknown key 'nmae' in the top level: did you mean 'name'?"),
        ("[journal]\ndurabilty = 1", "unknown key 'durabilty' in [journal]: did you mean 'durability'?"),
        ("[dispatch]\nzzz = 1", "unknown key 'zzz' in [dispatch]: known are lanes, pack_bytes,"),
        ('[journal]\ndurability = "forever"', "at `journal.durability`"),
        ("drain_seconds = 0", "at `drain_seconds`"),
        ("drain_seconds = nan", "drain_seconds"),
        ("[sampling]\nquery = 1.5", "at `sampling[...]`"),
        ("[dispatch]\nlanes = 0", "at `dispatch.lanes`"),
        ('name = "no/slash"', "at `name`"),
        ("max_event_bytes = 131073", "at `max_event_bytes`"),
        ('journal = "here"', "at `journal`"),
    ],
)
def test_what_is_misspelt_or_unfit_is_named(empty: Path, content: str, message: str) -> None:
    (empty / "fireforget.toml").write_text(content)

    with pytest.raises(SettingsError) as caught:
        load_settings()

    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("variable", "suggestion"),
    [
        ("FIREFORGET_NAMES", "FIREFORGET_NAME"),
        ("FIREFORGET_JOURNAL_DURABLITY", "FIREFORGET_JOURNAL_DURABILITY"),
        ("FIREFORGET_DISPATCH", "FIREFORGET_DISPATCH_"),
        ("FIREFORGET_SAMPLING", "unset it or mend its name"),
        ("FIREFORGET_" + "Q" * 40, "known are FIREFORGET_BACKEND, "),
        ("FIREFORGET_REPORT_PRICES", "FIREFORGET_REPORT_"),
    ],
)
def test_a_variable_that_is_no_setting_is_an_error_with_a_mend(variable: str, suggestion: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(environ={variable: "x"})

    assert str(caught.value).startswith(f"{variable} is no setting")
    assert suggestion in str(caught.value)


def test_a_variable_below_a_key_that_is_no_table_is_named(empty: Path) -> None:
    (empty / "fireforget.toml").write_text('journal = "here"')

    with pytest.raises(SettingsError, match="`journal`"):
        load_settings(environ={"FIREFORGET_JOURNAL_DURABILITY": "none"})


def test_a_relative_journal_directory_of_its_own_is_taken() -> None:
    settings = settings_from({"directory": "data", "journal": {"directory": "/var/journal"}})

    assert settings.journal_directory == Path("/var/journal")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("smtp://user:pass@mail.example", "smtp://***@mail.example"),
        ("sqs://q?region=eu&secret=abc&key=xyz", "sqs://q?region=eu&secret=***&key=***"),
        ("servicebus://n?SharedAccessSignature=abc", "servicebus://n?SharedAccessSignature=***"),
        ("sqlite:///a@b.db", "sqlite:///a@b.db"),
        ("nothing to hide", "nothing to hide"),
    ],
)
def test_credentials_are_left_out(text: str, shown: str) -> None:
    assert without_secrets(text) == shown


def test_settings_can_be_shown_without_giving_secrets_away() -> None:
    settings = Settings(queue="amqps://me:hunter2@host/q", mailer="smtp://u:hunter2@mail", store="x://h?token=hunter2")

    assert "hunter2" not in repr(settings)
    assert "host/q" in repr(settings)


def test_a_secret_is_not_shown() -> None:
    settings = settings_from({"secret": "correct horse battery"})

    assert settings.secret_bytes == b"correct horse battery"
    assert "correct" not in repr(settings)
    assert "secret='***'" in repr(settings)


def test_a_short_secret_is_refused_and_not_shown(monkeypatch: pytest.MonkeyPatch, empty: Path) -> None:
    monkeypatch.setenv("FIREFORGET_SECRET", "hunter2")

    with pytest.raises(SettingsError, match="the secret has 7 bytes: use at least 16 random ones") as caught:
        load_settings()
    assert "hunter2" not in str(caught.value)


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(AttributeError, match="immutable"):
        Settings().name = "other"  # type: ignore[misc]
