"""What the command line prints: nothing but the text of values reaches the terminal, and programs can read it."""

import csv
import io
import json
import re
import string
import sys

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fireforget.cli.output import Column, Rows, Sheet, listing, say, visible, write_json

HOSTILE = "\x1b]0;owned\x07\x1b[31mred\x9b2J\x7f\u202egnp.exe\r\n\t[bold]x[/bold] :boom:"
COLUMNS = (Column("id", 6, cut="start"), Column("name", 5), Column("text", rest=True))


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "40")


@given(st.text())
def test_visible_text_is_printable_and_says_what_it_stands_for(text: str) -> None:
    shown = visible(text)

    assert shown.isprintable()
    assert json.loads('"' + visible(json.dumps(text, ensure_ascii=False)[1:-1]) + '"') == text


@given(st.text(alphabet=string.printable[:-5]))
def test_visible_leaves_what_prints_as_it_is(text: str) -> None:
    assert visible(text) == text


def test_json_is_one_line_without_control_characters_and_the_same_value(
    capsysbinary: pytest.CaptureFixture[bytes],
) -> None:
    write_json({"text": HOSTILE})

    printed = capsysbinary.readouterr().out.decode()
    assert printed.endswith("}\n")
    assert printed[:-1].isprintable()
    assert json.loads(printed) == {"text": HOSTILE}


def test_json_and_csv_are_utf8_whatever_the_locale(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))

    write_json("Zoë 猫")

    assert raw.getvalue().decode() == '"Zoë 猫"\n'


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@SUM(A1)", "\uff1d1"])
def test_a_cell_of_csv_that_would_be_a_formula_is_text(cell: str, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    with Sheet("one", "two") as sheet:
        sheet.add(cell, f"a{cell}")

    assert [*csv.reader(io.StringIO(capsysbinary.readouterr().out.decode()))] == [
        ["one", "two"],
        [f"'{cell}", f"a{cell}"],
    ]


def test_csv_shows_control_characters_and_quotes(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    with Sheet("one") as sheet:
        sheet.add('say "hi",\n\x1b[2J')

    (_, row) = csv.reader(io.StringIO(capsysbinary.readouterr().out.decode()))
    assert row == ['say "hi",\\n\\u001b[2J']


def test_a_listing_that_is_piped_has_whole_values_between_tabs(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    with listing(*COLUMNS) as table:
        table.add("0123456789", "long name", HOSTILE)

    head, row = capsysbinary.readouterr().out.decode().splitlines()
    assert head.split("\t") == ["id", "name", "text"]
    assert row.split("\t")[:2] == ["0123456789", "long name"]
    assert row.split("\t")[2] == visible(HOSTILE)


@pytest.mark.usefixtures("terminal")
def test_a_listing_on_a_terminal_is_cut_to_its_width(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    with listing(*COLUMNS) as table:
        table.add("0123456789", "long name", "word " * 1000)

    _, row = capsysbinary.readouterr().out.decode().splitlines()
    assert row.startswith("…56789  long…  word word word")
    assert len(row) <= 40
    assert row.rstrip().endswith("…")


@pytest.mark.usefixtures("terminal")
def test_no_control_character_and_no_markup_of_a_value_reaches_a_terminal(
    capsysbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    with listing(*COLUMNS) as table:
        table.add(HOSTILE, HOSTILE, HOSTILE)

    row = capsysbinary.readouterr().out.decode().splitlines()[1]
    assert row.isprintable()
    assert "\\u001b[31mred\\u009b2J\\u007f\\u202egnp.exe [bold]x[/bold] :boom:" in row


@pytest.mark.usefixtures("terminal")
def test_the_heading_comes_once_and_all_pages_have_the_same_columns(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    with listing(*COLUMNS) as table:
        for number in range(250):
            table.add(str(number), "x" * (number % 9), "text")

    _, *rows = capsysbinary.readouterr().out.decode().splitlines()
    assert [row.split()[0] for row in rows] == [str(number) for number in range(250)]
    assert {row.index("text") for row in rows} == {15}


@pytest.mark.usefixtures("terminal")
def test_an_id_that_must_be_copied_is_never_cut(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    with listing(Column("id", cut="never"), Column("text", rest=True)) as table:
        table.add("0123456789" * 5, "text")

    _, *rows = capsysbinary.readouterr().out.decode().splitlines()
    assert "".join(row.split()[0] for row in rows) == "0123456789" * 5


def rows(form: str) -> Rows:
    return Sheet(*(column.title for column in COLUMNS)) if form == "csv" else listing(*COLUMNS)


@pytest.mark.parametrize("form", ["csv", "listing"])
@pytest.mark.parametrize("forced", ["1", "0"])
def test_rows_without_any_are_a_heading_and_with_an_error_nothing(
    form: str, forced: str, capsysbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TTY_COMPATIBLE", forced)

    with rows(form):
        pass
    printed = click.unstyle(capsysbinary.readouterr().out.decode())
    assert re.split(r"\W+", printed.strip()) == ["id", "name", "text"]

    with pytest.raises(ZeroDivisionError), rows(form):
        raise ZeroDivisionError
    assert capsysbinary.readouterr().out == b""


@pytest.mark.usefixtures("terminal")
def test_what_came_before_an_error_is_printed(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    def fail_after_a_row() -> None:
        with listing(Column("id")) as table:
            table.add("first")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_after_a_row()

    assert b"first" in capsysbinary.readouterr().out


def test_a_message_is_one_line_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    say("first\nsecond \x1b[31m")

    assert capsys.readouterr() == ("", "fireforget: first second \\u001b[31m\n")
