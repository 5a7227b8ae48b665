import re
import subprocess
import sys
from datetime import timedelta
from html.parser import HTMLParser

import msgspec
import pytest

from fireforget._configuration import settings_from
from fireforget.errors import SettingsError
from fireforget.reporting import Health, Period, Report, message, render_html, render_text
from fireforget.reporting.charts import draw
from fireforget.reporting.compose import compose
from fireforget.reporting.document import Chart, Series, Table
from fireforget.reporting.legible import width
from fireforget.reporting.render_html import _template, layout
from fireforget.reporting.wording import Format
from tests.reports import AFTER, HOSTILE, Questions, asked, busy_week, event, full, hidden, moment, report_of

TAGS = {
    *("html", "head", "meta", "title", "style", "body", "div", "table", "tbody", "tr", "td", "th"),
    *("h1", "h2", "p", "img"),
}
ATTRIBUTES = {
    *(
        "lang",
        "dir",
        "charset",
        "name",
        "content",
        "class",
        "role",
        "align",
        "valign",
        "style",
        "width",
        "src",
        "alt",
        "scope",
    ),
    "data-css-inline",
}
PNG = b"\x89PNG\r\n\x1a\n"

HEALTH = Health(
    accepted=100,
    delivered=90,
    pending=3,
    dead_lettered=2,
    dropped=1,
    corrupt=1,
    refused=7,
    unread=2,
    queue_depth=12,
    dead_letters=4,
)


class Page(HTMLParser):
    """What a page is made of: its tags, its attributes and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[tuple[str, str | None]] = set()
        self.text: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes.update(attrs)

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def of(self, name: str) -> list[str]:
        return [value or "" for known, value in self.attributes if known == name]


@pytest.fixture(scope="module")
def busy() -> Report:
    return report_of(busy_week(), health=HEALTH)


@pytest.fixture(scope="module")
def page(busy: Report) -> str:
    return render_html(busy)


def test_every_figure_is_in_the_text_and_in_the_page(busy: Report, page: str) -> None:
    text = render_text(busy)
    shown = "".join(Page(page).text)

    for words in (
        *("Queries", "Sessions", "Matched", "Time (p95)", "Cache hits", "Model cost"),
        *("Responses", "by session id", "without one"),
        *("Full match", "Partial match", "No match", "Mean score", "Asked without a match"),
        *("Half within (p50)", "95% within (p95)", "99% within (p99)", "Cache hit rate", "Where the time goes"),
        *("gpt-x", "Tokens in", "Tokens out", "No price given for"),
        *("What databases does he know?", "website", "Matched skills", "Rust"),
        *("Queries without a response", "Responses without a query", "The first of them"),
        *("Accepted", "Delivered", "Pending", "Dead-lettered", "Dropped", "Corrupt", "Refused"),
        *("Messages in the queue now", "response.match_score", "response.cache_hit", "Other events"),
        *("Week 47", "Week 46", "Change", "▲", "▼", "16–22 November 2026, UTC", "nearest rank"),
    ):
        assert words in text
        assert words in shown


def test_text_and_page_say_the_same(busy: Report, page: str) -> None:
    text, shown = render_text(busy), "".join(Page(page).text)
    document = compose(busy)

    for tile in document.tiles:
        assert tile.value in text
        assert tile.value in shown
    assert document.summary in shown
    assert document.summary in " ".join(text.split())


def test_the_text_is_at_most_78_columns_wide_and_has_no_trailing_space(busy: Report) -> None:
    for line in render_text(busy).splitlines():
        assert width(line) <= 78
        assert line == line.rstrip()


def test_numbers_are_aligned(busy: Report) -> None:
    lines = render_text(busy).splitlines()
    table = lines[lines.index("MATCH QUALITY") :]
    rows = [line for line in table if line.startswith(("Full match", "Partial match", "No match", "Mean score"))]

    assert len(rows) == 4
    assert len({line.index(line.split("  ")[-1]) + len(line.split("  ")[-1]) for line in rows}) == 1


def test_what_came_with_events_is_escaped(page: str) -> None:
    parsed = Page(page)

    assert "<script" not in page.lower()
    assert "<svg" not in page.lower()
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert parsed.tags == TAGS
    assert {name for name, _ in parsed.attributes} <= ATTRIBUTES
    assert hidden(page) == set()
    assert "{{ 7 * 7 }}" in "".join(parsed.text)


def test_the_text_hides_nothing_either(busy: Report) -> None:
    text = render_text(busy)

    assert hidden(text) == set()
    assert "a\\u202egnp.exe" in text
    assert "esc\\u001b[31m" in text


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_title_is_a_title(text: str) -> None:
    report = msgspec.structs.replace(report_of(), title=text)
    page = render_html(report)

    assert Page(page).tags <= TAGS
    assert "<script" not in page.lower()
    assert hidden(page) == hidden(render_text(report)) == set()


def test_nothing_is_loaded_from_elsewhere(page: str) -> None:
    sources = Page(page).of("src")

    assert len(sources) == 3
    assert all(source.startswith("data:image/png;base64,") for source in sources)
    assert "url(" not in page
    assert "http" not in page


def test_styles_are_inlined_and_those_of_dark_and_narrow_screens_are_kept(page: str) -> None:
    assert "max-width: 640px" in " ".join(Page(page).of("style"))
    assert page.count("<style") == 2  # the kept one, and Outlook's own in a comment
    assert "prefers-color-scheme: dark" in page
    assert "max-width: 480px" in page


def test_a_mail_s_page_is_short_enough_not_to_be_cut(busy: Report) -> None:
    """Gmail shows the first 102 kB."""
    document = compose(busy)

    assert len(layout(document, {chart.name: f"cid:{chart.name}" for chart in document.charts}).encode()) < 102_000


def test_rendering_twice_gives_the_same(busy: Report, page: str) -> None:
    assert render_html(busy) == page


def test_charts_have_words_for_who_cannot_see_them(page: str) -> None:
    alts = Page(page).of("alt")

    assert len(alts) == 3
    assert any(alt.startswith("Queries by day. Week 47: from ") for alt in alts)


def test_a_period_without_data_says_so() -> None:
    report = report_of(health=HEALTH)

    for shown in (render_text(report), "".join(Page(render_html(report)).text)):
        assert "No data: the store has no event of this week." in " ".join(shown.split())
        assert "Accepted" in shown
    assert compose(report).charts == ()


def test_when_the_events_have_stopped_it_says_what_to_do() -> None:
    text = " ".join(render_text(report_of(asked("?", full(), time=moment(-1)))).split())

    assert "The week before had 1 query." in text
    assert "check that the application still emits" in text


def test_before_the_period_has_ended_nothing_has_stopped() -> None:
    text = " ".join(render_text(report_of(asked("?", full(), time=moment(-1)), as_of=moment(0.1))).split())

    assert "This week has not ended" in text
    assert "still emits" not in text


def test_what_does_not_fit_the_width_is_clipped() -> None:
    codes = [f"{first}{second}X" for first in "ABCDE" for second in "FGHIJ"]
    prices = {code: {"input": 9, "output": 9, "currency": code} for code in codes}
    events = [one for code in codes for one in asked("?", full(model=code))]
    text = render_text(report_of(events, settings=settings_from({"report": {"prices": prices}})))

    assert max(map(width, text.splitlines())) == 78


def test_a_period_that_has_not_ended_is_said_to_be_so() -> None:
    report = report_of(asked("?", full()), as_of=moment(3, hours=7.5))

    assert "! This week has not ended: the figures stand as of 2026-11-19 07:30" in render_text(report)


def test_a_report_of_other_events_needs_neither_queries_nor_responses() -> None:
    text = render_text(report_of([event("signup", {})]))

    assert "signup" in text
    assert "0 queries in 1 session" in text


def test_losses_stand_at_the_top() -> None:
    notices = " ".join(compose(report_of([event("signup", {})], health=HEALTH)).notices)

    for words in (
        "4 messages in the dead letters now",
        "Since the journals were made, 2 events were refused by the queue for good",
        *("1 event was dropped", "1 event was lost to damage", "2 journals could not be read"),
        "3 events unaccounted for",
    ):
        assert words in notices


def test_a_pipeline_without_losses_is_not_mentioned_at_the_top() -> None:
    healthy = Health(accepted=5, delivered=4, pending=1, dead_lettered=0, dropped=0, corrupt=0)

    assert compose(report_of(asked("?", full()), health=healthy)).notices == ()


def test_only_known_counts_of_the_pipeline_are_shown() -> None:
    text = render_text(report_of(asked("?", full()), health=Health(accepted=5)))

    assert "Accepted" in text
    assert "Delivered" not in text


@pytest.mark.parametrize("period", ["2026-11-18", "2026-11", "2026-09-01..2026-11-30", "2025-01-01..2026-12-31"])
def test_any_period_has_a_page(period: str) -> None:
    report = report_of(busy_week(), Period.parse(period, now=AFTER, zone="Europe/London"))

    assert Page(render_html(report)).tags <= TAGS
    assert max(map(width, render_text(report).splitlines())) <= 78


def test_what_is_not_exact_says_so() -> None:
    report = report_of(asked("?", full()))
    known = Questions(report.figures)
    rough = {
        **report.figures.measures,
        "top_queries": msgspec.structs.replace(known.top_queries, slack=7),
        "speed": msgspec.structs.replace(known.speed, exact=False),
        "sessions": msgspec.structs.replace(
            known.sessions, identified=msgspec.structs.replace(known.sessions.identified, exact=False)
        ),
    }
    figures = msgspec.structs.replace(report.figures, measures=rough)
    text = " ".join(render_text(msgspec.structs.replace(report, figures=figures)).split())

    assert "≥ 1" in text
    assert "up to 7 too low" in text
    assert "within 1% of the exact ones" in text
    assert "about 1 session" in text


@pytest.mark.parametrize("kind", ["bars", "stack", "lines"])
@pytest.mark.parametrize("values", [(None,), (0,), (0, None, 5), (1e12, 3.0, None), tuple(range(62))])
def test_any_chart_can_be_drawn_and_is_the_same_again(kind: str, values: tuple[float | None, ...]) -> None:
    labels = tuple(f"Mon {number} Nov" for number in range(len(values)))
    series = (Series("one", "now", values), Series("two", "before", values[::-1]))
    chart = Chart("any", "Any", kind, labels, series, Format("ms"))  # type: ignore[arg-type]

    assert draw(chart).startswith(PNG)
    assert draw(chart) == draw(chart)
    assert chart.alt.startswith("Any. one: ")


@pytest.mark.parametrize("package", ["jinja2", "css_inline", "matplotlib"])
def test_without_the_extra_the_page_and_the_mail_say_how_to_get_it(
    package: str, busy: Report, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in [name for name in sys.modules if name.partition(".")[0] == package]:
        monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.setitem(sys.modules, package, None)
    _template.cache_clear()

    with pytest.raises(SettingsError, match=r'pip install "fireforget\[report\]"'):
        render_html(busy)
    with pytest.raises(SettingsError, match=package):
        message(busy, "a@example.org", ["b@example.org"])


def test_the_text_needs_nothing_but_the_core() -> None:
    program = """
import sys
for name in ("jinja2", "css_inline", "matplotlib", "numpy", "markupsafe"):
    sys.modules[name] = None
from tests.reports import busy_week, report_of
from fireforget.reporting import render_text
assert "Week 47" in render_text(report_of(busy_week()))
"""
    subprocess.run([sys.executable, "-c", program], env={"PYTHONPATH": ":".join(["", *sys.path])}, check=True)


def test_the_first_week_ever_is_compared_with_nothing() -> None:
    report = report_of(asked("?", full()))
    document = compose(report)
    tables = [block for section in document.sections for block in section.blocks if isinstance(block, Table)]

    assert "1 query in 1 session; there were none the week before." in document.summary
    assert document.footnotes[0].endswith("The period before it has no events, so nothing is compared.")
    assert [tile.change.text for tile in document.tiles] == [""] * 6
    assert {table.heads for table in tables if not table.heads[0]} == {("", "Week 47")}
    assert all(len(row.cells) == len(table.heads) for table in tables for row in table.rows)
    assert [series.name for series in document.charts[0].series] == ["Week 47"]
    assert "from 0" not in render_text(report)


def test_a_tile_without_data_is_left_out_and_one_that_lost_its_data_says_so() -> None:
    bare = {"match_type": "full", "processing_ms": 10.0}
    report = report_of([*asked("now", bare), *asked("then", bare | {"cache_hit": True}, time=moment(-3))])
    tiles = {tile.label: tile for tile in compose(report).tiles}

    assert list(tiles) == ["Queries", "Sessions", "Matched", "Time (p95)", "Cache hits"]
    assert (tiles["Cache hits"].value, tiles["Cache hits"].note) == ("–", "no data; 100% the week before")
    assert tiles["Cache hits"].change.text == ""
    text = " ".join(render_text(report).split())
    assert "Cache hit rate – 100% –" in text
    assert "Mean score" not in text


def test_the_hours_of_a_longer_day_stand_beside_their_like() -> None:
    """On 25 October 2026 the clocks of Amsterdam show 02:00 to 03:00 twice."""
    day = Period.parse("2026-10-25", now=AFTER, zone="Europe/Amsterdam")
    moments = [day.start + timedelta(hours=hour, minutes=30) for hour in range(-24, 25)]
    events = [event("query", {}, time) for number, time in enumerate(moments) for _ in range(1 + number % 24)]
    (chart, *_) = compose(report_of(events, day)).charts
    now, before = chart.series

    assert chart.labels[:5] == ("00:00", "01:00", "02:00", "02:00", "03:00")
    assert now.values == (*range(1, 25), 1)
    assert before.values == (1, 2, 3, None, *range(4, 25))


def test_the_hours_of_a_shorter_day_stand_beside_their_like() -> None:
    day = Period.parse("2026-03-29", now=AFTER, zone="Europe/Amsterdam")
    moments = [day.start + timedelta(hours=hour, minutes=30) for hour in range(-24, 23)]
    events = [event("query", {}, time) for number, time in enumerate(moments) for _ in range(1 + number % 24)]
    (chart, *_) = compose(report_of(events, day)).charts

    assert chart.labels[:4] == ("00:00", "01:00", "03:00", "04:00")
    assert chart.series[1].values == (1, 2, *range(4, 25))


def test_a_word_without_end_breaks_wherever_it_stands() -> None:
    """A note with long names of models once made a page wider than the phone."""
    (style,) = re.findall(r'<table[^>]*class="card"[^>]*style="([^"]*)"', render_html(report_of(asked("?", full()))))

    assert "overflow-wrap: anywhere" in style


def test_the_bars_of_a_stack_are_as_long_as_the_stack_is_high() -> None:
    days = [("full", 0), ("none", 1), ("none", 1)]
    text = render_text(
        report_of([one for kind, day in days for one in asked("?", full(match_type=kind), time=moment(day))])
    )

    assert re.search(r"Mon 16 Nov +1 +0 +0 +█{6}\n", text)
    assert re.search(r"Tue 17 Nov +0 +0 +2 +█{12}\n", text)
