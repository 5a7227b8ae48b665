"""The configuration: where it comes from, what it refuses, and that it keeps secrets."""

from pathlib import Path
from typing import Any

import pytest

from fireforget import (
    DispatchSettings,
    FireForget,
    HttpSettings,
    JournalSettings,
    ReportSettings,
    Settings,
    SettingsError,
    load_settings,
)
from fireforget._configuration import settings_from
from fireforget._secrets import without_secrets
from fireforget._settings import Price

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
        ('[journal]\ndurability = "forever"', 'journal.durability must be "process", "power" or "none", not "forever"'),
        ("drain_seconds = 0", "drain_seconds must be a number above 0, up to 31622400, not 0"),
        ("drain_seconds = inf", "drain_seconds must be a number above 0, up to 31622400, not Infinity"),
        ("drain_seconds = nan", "drain_seconds must be a number above 0, up to 31622400, not NaN"),
        ('drain_seconds = "x"', 'drain_seconds must be a number above 0, up to 31622400, not "x"'),
        ("[sampling]\nquery = 1.5", "sampling.query must be a number from 0 to 1, not 1.5"),
        ("[dispatch]\nlanes = 0", "dispatch.lanes must be a whole number from 1 to 1024, not 0"),
        ("[dispatch]\npack_bytes = -1", "dispatch.pack_bytes must be a whole number of at least 0, not -1"),
        ('name = "no/slash"', "name must be up to 63 letters, digits, - and _, of which the first is"),
        ("max_event_bytes = 131073", "max_event_bytes must be a whole number from 256 to 131072, not 131073"),
        ('journal = "here"', 'journal must be a table, its keys below [journal], not "here"'),
        ("sampling = 1", "sampling must be a table, not 1"),
        ("[sampling]\nhttp.request = 0.5", 'sampling.http.request: a name with a dot stands in quotes: "http.request"'),
        ('sampling."a.b" = 2', 'sampling."a.b" must be a number from 0 to 1, not 2'),
        ("[report.prices.m-4.1]\ninput = 1\noutput = 1", 'a name with a dot stands in quotes: "m-4.1"'),
        ("[report.prices.m]\ninput = 1", "[report.prices.m] needs the key 'output'"),
        ('http.events = "yes"', 'http.events must be true or false, not "yes"'),
        ('processing.embedded = "x"', 'processing.embedded must be true or false, not "x"'),
        ('http.exclude = "/a"', 'http.exclude must be a list, such as ["a", "b"], not "/a"'),
        ('http.exclude = ["/a", 1]', "http.exclude[1] must be a text, not a number"),
        (
            "journal.segment_bytes = 4194304\njournal.max_bytes = 8388607",
            "journal.segment_bytes must be at most half of journal.max_bytes, not 4194304 of 8388607",
        ),
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
        ("FIREFORGET_SAMPLING", "only the file can hold it, below [sampling]"),
        ("FIREFORGET_JOURNAL", "set its keys, such as FIREFORGET_JOURNAL_DIRECTORY"),
        ("FIREFORGET_" + "Q" * 40, "known are FIREFORGET_BACKEND, "),
        ("FIREFORGET_REPORT_PRICES", "only the file can hold it, below [report.prices]"),
    ],
)
def test_a_variable_that_is_no_setting_is_an_error_with_a_mend(variable: str, suggestion: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(environ={variable: "x"})

    assert str(caught.value).startswith(f"{variable} is no setting")
    assert suggestion in str(caught.value)


def test_a_variable_below_a_key_that_is_no_table_is_named(empty: Path) -> None:
    (empty / "fireforget.toml").write_text('journal = "here"')

    with pytest.raises(SettingsError, match="journal must be a table"):
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
        ("smtp://user:pa'ss@host", "smtp://***@host"),
        ('smtp://user:pa"s s@host', "smtp://***@host"),
        ("smtp://user:p@ssw0rd@host", "smtp://***@host"),
        ("smtp://user:pa/ss@host", "smtp://***@host"),
        ("smtp://user:p@s/s@host", "smtp://***@host"),
        ("cannot reach smtp://me:p@ss@host: refused", "cannot reach smtp://***@host: refused"),
    ],
)
def test_credentials_are_left_out(text: str, shown: str) -> None:
    assert without_secrets(text) == shown


def test_settings_can_be_shown_without_giving_secrets_away() -> None:
    settings = Settings(queue="amqps://me:hunter2@host/q", mailer="smtp://u:hunter2@mail", store="x://h?token=hunter2")

    assert "hunter2" not in repr(settings)
    assert "host/q" in repr(settings)


@pytest.mark.parametrize("mark", ["'", '"', " ", "@", "/", "@/", "/@", "#", "?", "\n"])
@pytest.mark.parametrize("slashes", ["//", "/", ""])
def test_no_part_of_a_password_is_shown(mark: str, slashes: str) -> None:
    url = f"smtp:{slashes}ME:ZULU{mark}ZULU@host"

    for settings in (Settings(mailer=url), Settings(backend=url)):
        assert "ZULU" not in repr(settings)
        assert "ME:" not in repr(settings)


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


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        (
            "FIREFORGET_DRAIN_SECONDS",
            "ten",
            'FIREFORGET_DRAIN_SECONDS must be a number above 0, up to 31622400, not "ten"',
        ),
        ("FIREFORGET_HTTP_EVENTS", "yes", 'FIREFORGET_HTTP_EVENTS must be true or false, not "yes"'),
        ("FIREFORGET_NAME", "a b", "FIREFORGET_NAME must be up to 63 letters"),
        ("FIREFORGET_JOURNAL_DURABILITY", "x", 'FIREFORGET_JOURNAL_DURABILITY must be "process", "power" or "none"'),
    ],
)
def test_an_unfit_variable_is_named(empty: Path, variable: str, value: str, message: str) -> None:
    (empty / "fireforget.toml").write_text(FILE)

    with pytest.raises(SettingsError) as caught:
        load_settings(environ={variable: value})

    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    "content",
    [
        "secret = 1234567890",
        "queue = 1234567890",
        'name = "smtp://me:1234567890@x"',
        'processing.batch = "smtp:me:1234567890@x"',
        f"processing.batch = 'x{'1234567890' * 9}'",
    ],
)
def test_what_may_be_a_secret_is_not_quoted(empty: Path, content: str) -> None:
    (empty / "fireforget.toml").write_text(content)

    with pytest.raises(SettingsError, match="must be") as caught:
        load_settings()

    assert "1234567890" not in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (Settings(name="a b"), "name must be up to 63 letters"),
        (Settings(drain_seconds=-1), "drain_seconds must be a number above 0, up to 31622400, not -1"),
        (Settings(drain_seconds="3"), 'drain_seconds must be a number above 0, up to 31622400, not "3"'),  # type: ignore[arg-type]
        (Settings(sampling={"q": 7}), "sampling.q must be a number from 0 to 1, not 7"),
        (Settings(sampling={1: 0.5}), "the names in sampling must be texts, not 1"),  # type: ignore[dict-item]
        (Settings(directory=Path("x")), "directory must be a text, not an object of the class PosixPath"),  # type: ignore[arg-type]
        (Settings(http=3), "http must be HttpSettings(...), not 3"),  # type: ignore[arg-type]
        (
            Settings(journal={"durability": "x"}),  # type: ignore[arg-type]
            'journal.durability must be "process", "power" or "none", not "x"',
        ),
        (Settings(dispatch=DispatchSettings(lanes=0)), "dispatch.lanes must be a whole number from 1 to 1024, not 0"),
        (Settings(report=ReportSettings(prices={"m": Price(input=-1, output=1)})), "report.prices.m.input must be"),
        (Settings(secret=b"x" * 16), "secret must be a text, not an object of the class bytes"),  # type: ignore[arg-type]
        (Settings(secret="short"), "the secret has 5 bytes: use at least 16 random ones"),
        (
            Settings(journal=JournalSettings(max_bytes=8 * 1024 * 1024, segment_bytes=8 * 1024 * 1024)),
            "journal.segment_bytes must be at most half of journal.max_bytes",
        ),
        ("conf.toml", "settings must be made by Settings(...) or load_settings(...), not str"),
    ],
)
def test_settings_made_in_code_are_held_to_the_same(settings: Any, message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        FireForget(settings)

    assert str(caught.value).startswith(message)


def test_tables_and_lists_in_code_are_taken_as_in_the_file() -> None:
    journal: Any = {"durability": "none"}
    http: Any = HttpSettings(exclude=["/x"])  # type: ignore[arg-type]
    ff = FireForget(Settings(journal=journal, http=http))

    assert ff.settings == Settings(journal=JournalSettings(durability="none"), http=HttpSettings(exclude=("/x",)))


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(AttributeError, match="immutable"):
        Settings().name = "other"  # type: ignore[misc]
