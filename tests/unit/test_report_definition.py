"""A report definition: what it can declare, what that gives, and what is refused with its mend."""

from pathlib import Path
from typing import Any

import pytest

from fireforget._configuration import settings_from
from fireforget._event import Event
from fireforget._schema import EventTypes
from fireforget.errors import SettingsError
from fireforget.reporting import Definition, Figures, Report, load, render_html, render_text
from fireforget.reporting.compose import compose
from fireforget.reporting.definitions import BUILT_IN, parse
from fireforget.reporting.figures import (
    Average,
    Orphans,
    Parts,
    Ranked,
    Ranking,
    Ratio,
    Shares,
    Spread,
    Total,
    Uniques,
    Visits,
)
from fireforget.reporting.prices import PriceList
from fireforget.reporting.survey import Survey
from tests.reports import WEEK, event, moment, report_of, uuid

SHOP = """
[headline]
count = "orders"
across = "customers"
sentences = ["{revenue} in all.", "{late} of them came late.", "The dearest half cost {price.p50} or more."]

[measures.orders]
kind = "count"
event = "order"
better = "more"
nouns = ["order", "orders"]

[measures.large]
kind = "count"
event = "order"
where = { amount = { at_least = 100 }, "shipping.country" = ["DE", "AT"], test = { except = [true] } }

[measures.everything]
kind = "count"
event = "*"

[measures.visits]
kind = "count"
event = ["visit", "visit.app"]
nouns = ["visit", "visits"]

[measures.conversion]
kind = "ratio"
part = "orders"
whole = "visits"
label = "Visits that ended in an order"
better = "more"

[measures.revenue]
kind = "sum"
event = "order"
field = "amount"
decimals = 2
suffix = " €"

[measures.price]
kind = "percentiles"
event = "order"
field = "amount"
decimals = 2
suffix = " €"

[measures.weight]
kind = "mean"
event = "order"
field = "grams"
unit = "bytes"

[measures.customers]
kind = "distinct"
event = "order"
field = "customer"
nouns = ["customer", "customers"]

[measures.late]
kind = "share"
event = "delivery"
field = "days"
hit = { at_least = 3 }
better = "less"

[measures.sizes]
kind = "split"
event = "order"
field = "amount"
choices = [
    { name = "Small", when = { below = 50 } },
    { name = "Middling", when = { at_least = 50, below = 100 }, tone = "middling" },
    { name = "Large", when = { at_least = 100 }, label = "Large orders", better = "more", tone = "good" },
]

[measures.articles]
kind = "top"
event = "order"
field = "article"
form = "number"
rows = 2

[measures.shipping]
kind = "groups"
event = "delivery"
field = "days"
by = "carrier"
suffix = " d"

[measures.lost]
kind = "pairs"
event = "order"
where = { test = { except = [true] } }
without = "delivery"
show = "customer"
nouns = ["order", "orders"]

[measures.regretted]
kind = "top"
event = "order"
field = "customer"
also = { event = "complaint", where = { grave = true }, note = "words" }

[[notices]]
value = "conversion"
below = 0.5
text = "Only {conversion} of the visits ended in an order."

[[tiles]]
value = "revenue"

[[tiles]]
value = "sizes.Large"

[[sections]]
title = "Orders"
blocks = [
    { show = "chart", title = "Revenue", draw = "bars", values = ["revenue"] },
    { show = "chart", title = "Sizes", draw = "stack", values = ["sizes"] },
    { show = "chart", title = "Prices", draw = "lines", values = ["price.p50", "price.p99"] },
    { show = "table", rows = [
        "orders", "large", "conversion", "sizes", "weight", { value = "price.count", label = "Priced" },
    ] },
    { show = "ranking", measure = "articles", title = "Articles", counted = "Sold" },
    { show = "ranking", measure = "regretted", title = "Who complained" },
    { show = "groups", measure = "shipping", title = "Carriers" },
    { show = "table", rows = ["lost", "lost.share", "lost.unexpected"] },
    { show = "examples", measure = "lost", title = "Never delivered" },
    { show = "events", title = "Besides" },
]

[[sections]]
title = "Nothing"
blocks = [{ show = "table", rows = ["nowhere"] }]

[measures.nowhere]
kind = "mean"
event = "order"
field = "nothing"
"""


def orders() -> list[Event]:
    def order(number: int, *others: tuple[str, dict[str, Any]], **data: Any) -> list[Event]:
        when = moment(number / 2)
        shared = {"correlationid": uuid(when)}
        made = [event("order", {"article": number % 2, "shipping": {"country": "DE"}} | data, when, **shared)]
        return made + [event(kind, known, when, **shared) for kind, known in others]

    fast, slow = {"days": 1, "carrier": "Swift"}, {"days": 5, "carrier": "Snail"}
    return [
        *order(0, ("delivery", fast), amount=20, customer="ada", grams=1000),
        *order(1, ("delivery", slow), ("complaint", {"grave": True, "words": "Broken."}), amount=60.5, customer="bob"),
        *order(2, ("complaint", {"grave": False}), amount=100, customer="ada", grams=3000),
        *order(3, ("delivery", fast), amount=250, customer="eve", test=True, shipping={"country": "FR"}),
        *order(4, amount=300, customer="eve", test=True),
        *order(5, ("delivery", fast), amount="free", customer="eve"),
        *(event(kind, {}) for kind in ["visit"] * 10 + ["visit.app"] * 6 + ["ping"]),
    ]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Report:
    file = tmp_path_factory.mktemp("shop") / "shop.toml"
    file.write_text(SHOP, encoding="utf-8")
    settings = settings_from({"name": "shop", "report": {"definition": str(file)}})
    return report_of(orders(), settings=settings)


@pytest.fixture(scope="module")
def figures(shop: Report) -> Figures:
    return shop.figures


def test_another_application_reports_on_its_own_events(figures: Figures) -> None:
    assert figures.of("orders", Total).value == 6
    assert figures.of("visits", Total).value == 16
    assert figures.of("everything", Total).value == figures.events.total == 29
    assert figures.of("conversion", Ratio) == Ratio(6, 16)
    assert figures.of("revenue", Total).value == 730.5
    assert figures.of("price", Spread) == Spread(5, 100, 300, 300)
    assert figures.of("weight", Average) == Average(2, 2000)
    assert figures.of("customers", Uniques) == Uniques(3)
    assert figures.of("late", Ratio) == Ratio(1, 4)
    assert figures.of("sizes", Shares).counts == {"Small": 1, "Middling": 1, "Large": 3}
    assert figures.of("articles", Ranking).rows == (Ranked("0", 3), Ranked("1", 3))
    assert [(part.name, part.spread.p50) for part in figures.of("shipping", Parts).parts] == [
        ("Snail", 5),
        ("Swift", 1),
    ]


def test_a_filter_is_all_its_conditions(figures: Figures) -> None:
    """Of the three orders from 100 on, one goes to France and one is a test."""
    assert figures.of("large", Total).value == 1


def test_events_that_belong_together_are_found_by_their_request(figures: Figures) -> None:
    lost = figures.of("lost", Orphans)

    assert (lost.missing, lost.unexpected) == (Ratio(1, 4), 1)
    assert [lone.text for lone in lost.first] == ["ada"]
    assert figures.of("regretted", Ranking).rows == (Ranked("bob", 1, "Broken."),)


def test_an_amount_that_is_none_is_counted_once_for_all_measures_of_it(figures: Figures) -> None:
    assert figures.unusable == (Ranked("order.amount", 1),)


def test_each_is_shown_as_it_is_declared(shop: Report) -> None:
    text = " ".join(render_text(shop).split())

    for words in (
        "6 orders in 3 customers; there were none the week before. 730.50 € in all. 25% of them came late.",
        "late. The dearest half cost 100.00 € or more.",
        "! Only 38% of the visits ended in an order.",
        *("Revenue 730.50 €", "Large orders 60%", "Revenue by day", "Sizes by day Small Middling Large"),
        *("Visits that ended in an order 38%", "Large orders (3) 60%", "Weight 2.0 kB", "Priced 5"),
        *("Articles Sold Share", "Who complained Times", "bob 1 100%", "Broken.", "Swift 1 d 1 d 1 d 38%"),
        *("Never delivered When", "Besides Events", "ping 1"),
    ):
        assert words in text
    assert "NOTHING" not in text


def test_only_what_no_measure_names_is_among_the_other_events(shop: Report) -> None:
    blocks = [block for section in compose(shop).sections for block in section.blocks]
    (table,) = [block for block in blocks if getattr(block, "heads", ("",))[0] == "Besides"]

    assert [row.cells[0].text for row in table.rows] == ["ping"]  # type: ignore[union-attr]


def test_it_has_a_page_with_its_charts(shop: Report) -> None:
    page = render_html(shop)

    assert page.count("data:image/png;base64,") == 3
    assert "Prices by day. p50: from 20.00 € (Mon 16 Nov) to 300.00 € (Wed 18 Nov)." in page
    assert [chart.series[0].name for chart in compose(shop).charts] == ["Week 47", "Small", "p50"]


@pytest.mark.parametrize("name", BUILT_IN)
def test_a_built_in_definition_shows_all_that_it_measures(name: str) -> None:
    definition = load(name)
    text = str(definition.headline) + str(definition.tiles) + str(definition.sections) + str(definition.notices)

    assert isinstance(definition, Definition)
    assert [measure for measure in definition.measures if measure not in text] == []


def test_the_choices_of_a_split_can_be_lines_as_shares_and_a_stack_as_counts() -> None:
    definition = parse(changed('values = ["price.p50", "price.p99"]', 'values = ["sizes"]'), "shop")
    survey, before = (Survey(definition, period, EventTypes(), PriceList({})) for period in (WEEK, WEEK.previous()))
    for one in orders():
        survey.add(one)
    report = Report(title="", definition=definition, period=WEEK, figures=survey.figures(), before=before.figures())
    _, stack, lines = compose(report).charts

    assert [series.values[:3] for series in stack.series] == [(1, 0, 0), (1, 0, 0), (0, 2, 1)]
    assert [series.values[:3] for series in lines.series] == [(0.5, 0, 0), (0.5, 0, 0), (0, 1, 1)]
    assert lines.words(0.5) == "50%"


def requests() -> list[Event]:
    statuses = [200] * 6 + [201, 304, 404, 404, 422, 500, 503, 0]
    return [
        event(
            "http.request",
            {
                "method": "GET",
                "route": None if status == 404 else f"/{number % 3}",
                "status": status,
                "duration_ms": number,
            },
            moment(number / 3),
            sessionid="ab"[number % 2],
        )
        for number, status in enumerate(statuses)
    ]


def test_http_requests_have_a_report_of_their_own() -> None:
    report = report_of(requests(), settings=settings_from({"name": "api", "report": {"definition": "http"}}))
    known = report.figures

    assert known.of("requests", Total).value == 14
    assert known.of("sessions", Visits).count == 2
    assert known.of("status", Shares).counts == {
        "Success": 7,
        "Redirect": 1,
        "Client error": 3,
        "Server error": 2,
        "No answer": 1,
    }
    assert (known.of("errors", Ratio), known.of("client_errors", Ratio)) == (Ratio(2, 14), Ratio(3, 14))
    assert known.of("speed", Spread) == Spread(14, 6, 13, 13)
    assert known.of("routes", Ranking).total == 12
    assert {row.label for row in known.of("failing", Ranking).rows} == {"/2", "/0"}
    assert known.of("refused", Ranking).rows == (Ranked("/1", 1),)
    assert [piece.of("errors", Ratio).part for piece in known.slices] == [0, 0, 0, 1, 1, 0, 0]
    text = " ".join(render_text(report).split())
    assert "14 requests; there were none the week before. 14% of them failed on the server." in text
    assert "! 14% of the requests failed on the server" in text
    assert "QUERIES" not in text.upper()


def changed(old: str, new: str) -> str:
    assert old in SHOP
    return SHOP.replace(old, new, 1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            changed('value = "sizes.Large"', 'value = "sizes"'),
            "[[tiles]] 2: 'sizes' has one value for each choice, and none is named: known are Small, Middling, Large",
        ),
        (
            changed('values = ["price.p50", "price.p99"]', 'values = ["sizes", "sizes.Small", "late"]'),
            "[[sections]] 1 blocks 3: one chart has at most 4 lines",
        ),
        ("x = [", "shop is not valid TOML: "),
        ("", "shop: [headline] is missing"),
        ("tile = 1\n" + SHOP, "shop: unknown key 'tile': did you mean 'tiles'?"),
        (changed('across = "cust', 'acros = "cust'), "unknown key 'acros' in [headline]: did you mean 'across'?"),
        (
            changed('count = "orders"', 'count = "order"'),
            "[headline]: there is no measure 'order': did you mean 'orders'?",
        ),
        (
            changed('count = "orders"', 'count = "large"'),
            "[headline]: count = 'large' is no measure of the kind count that",
        ),
        (
            changed('across = "customers"', 'across = "late"'),
            "[headline]: across = 'late' needs a measure that has nouns",
        ),
        (changed("{late}", "{lates}"), "[headline]: there is no measure 'lates': did you mean 'late'?"),
        (
            changed('kind = "sum"', 'kind = "summ"'),
            "[measures.revenue]: kind = 'summ' is not known: did you mean 'sum'?",
        ),
        (changed('kind = "sum"', ""), "[measures.revenue]: kind is missing: known are count, sum, mean"),
        (
            changed('field = "customer"', 'feld = "customer"'),
            "unknown key 'feld' in [measures.customers]: did you mean 'field'?",
        ),
        (
            changed("decimals = 2", "decimals = 9"),
            "decimals of [measures.revenue] must be a whole number from 0 to 6, not 9",
        ),
        (changed("decimals = 2", 'unit = "kg"'), 'unit of [measures.revenue] must be "number", "ms", '),
        (changed('event = "order"', 'event = "an order"'), "[measures.orders]: 'an order' cannot name an event type"),
        (changed("hit = { at_least = 3 }", 'hit = [1, "two"]'), "[measures.late]: conditions on one field must all be"),
        (changed("hit = { at_least = 3 }", "hit = 3\namong = ['x']"), "[measures.late]: among lists texts"),
        (
            changed("hit = { at_least = 3 }", "hit = { atleast = 3 }"),
            "unknown key 'atleast' in hit of [measures.late]: did you",
        ),
        (changed("hit = { at_least = 3 }", "hit = {}"), "[measures.late]: a condition has at_least, below or both"),
        (changed('part = "orders"', 'part = "late"'), "[measures.conversion]: 'late' is neither a count nor a sum"),
        (changed('name = "Middling"', 'name = "Small"'), "[measures.sizes]: two choices have the same name"),
        (
            changed('{ name = "Small", when', '{ name = "Small", wenn'),
            "unknown key 'wenn' in choices[0] of [measures.sizes]: did",
        ),
        (changed("[measures.large]", "[measures.Large]"), "'Large' cannot name a measure"),
        (changed("below = 0.5", ""), "[[notices]] 1: a notice needs at_least, below or both"),
        (
            changed('value = "sizes.Large"', 'value = "sizes.Larg"'),
            "[[tiles]] 2: 'sizes' has no value 'Larg': did you mean",
        ),
        (
            changed('value = "sizes.Large"', 'value = "shipping"'),
            "[[tiles]] 2: 'shipping' has no single value: a block of its own",
        ),
        (
            changed('show = "events"', 'show = "event"'),
            "[[sections]] 1 blocks 10: show = 'event' is not known: did you mean",
        ),
        (
            changed('title = "Besides"', 'titel = "Besides"'),
            "unknown key 'titel' in [[sections]] 1 blocks 10: did you mean",
        ),
        (
            changed('title = "Nothing"', 'tilte = "Nothing"'),
            "unknown key 'tilte' in [[sections]] 2: did you mean 'title'?",
        ),
        (changed('rows = ["nowhere"]', 'rows = ["now"]'), "[[sections]] 2 blocks 1: there is no measure 'now'"),
        (changed('values = ["sizes"]', 'values = ["orders"]'), "[[sections]] 1 blocks 2: a stack draws one split"),
        (
            changed('values = ["revenue"]', 'values = ["revenue", "orders"]'),
            "[[sections]] 1 blocks 1: bars draw one value",
        ),
        (
            changed('values = ["revenue"]', 'values = ["customers"]'),
            "'customers' cannot be drawn over time: only the kinds",
        ),
        (changed('"price.p99"]', '"orders"]'), "[[sections]] 1 blocks 3: one chart has one scale"),
        (
            changed('measure = "articles"', 'measure = "shipping"'),
            "measure = 'shipping' is no measure of the kind top: known are",
        ),
        (
            changed('"sizes", "weight"', '{ value = "sizes", label = "x" }, "weight"'),
            "a row for each choice cannot have one",
        ),
        (changed('kind = "sum"', 'kind = ["sum"]'), "[measures.revenue]: kind = ['sum'] is not known"),
        (changed('show = "events"', "show = {}"), "[[sections]] 1 blocks 10: show = {} is not known"),
        (changed('event = "order"', ""), "[measures.orders] needs the key 'event'"),
        (changed('event = "order"', "event = []"), "[measures.orders]: event is an empty list: name a type"),
        (changed('event = "order"', "event = 5"), "event of [measures.orders] must be a text or a list, such as"),
        (changed('nouns = ["order", "orders"]', 'nouns = ["order"]'), "nouns of [measures.orders] must be a list of 2"),
        (
            changed("decimals = 2", 'unit = "ms"\ndecimals = 2'),
            "[measures.revenue]: a number of the unit ms has as many",
        ),
        (changed("decimals = 2", "most = inf"), "most of [measures.revenue] must be a number above 0"),
        (
            changed("amount = { at_least = 100 }", "amount = { gte = 100 }"),
            'where.amount.gte of [measures.large]: a name with a dot stands in quotes: "amount.gte"; known keys are',
        ),
        (
            changed('"shipping.country" = [', "shipping.country = ["),
            'shipping.country of [measures.large]: a name with a dot stands in quotes: "shipping.country"',
        ),
        (changed("amount = { at_least = 100 }", "amount = []"), "[measures.large]: where lists no value for 'amount'"),
        (
            changed("amount = { at_least = 100 }", "amount = { at_least = 100, below = 100 }"),
            "[measures.large]: no number is at_least 100 and below 100: exchange the two",
        ),
        (changed("hit = { at_least = 3 }", "hit = []"), "[measures.late]: hit is an empty list: name the values"),
        (changed("hit = { at_least = 3 }", "hit = { below = nan }"), "[measures.late]: nan is no bound"),
        (
            changed("hit = { at_least = 3 }", 'hit = "late"\namong = ["lost"]'),
            "[measures.late]: hit names 'late', which among does not list",
        ),
        (changed('part = "orders"', 'part = "orders.total"'), "'orders.total' is neither a count nor a sum"),
        (changed('without = "delivery"', 'without = "order"'), "[measures.lost]: without = 'order' is never missing"),
        (changed('without = "delivery"', 'without = "*"'), "[measures.lost]: without = '*' is never missing"),
        (changed("{late} of", "{late of"), "[headline]: '{late of them came late.' has a brace without its other one"),
        (changed("Only {conversion}", "Only conversion}"), "[[notices]] 1: 'Only conversion} of the visits ended in "),
        (changed("below = 0.5", "below = 0.5\nat_least = 0.6"), "[[notices]] 1: no number is at_least 0.6 and below"),
        (
            changed('value = "conversion"\nbelow = 0.5', 'value = "late"\nat_least = 5'),
            "[[notices]] 1: 'late' is a share from 0 to 1, and 5 is above: write 0.05 for 5%",
        ),
        (changed('"sizes.Large"', '"revenue."'), "[[tiles]] 2: 'revenue' has no value '': known are total"),
        (changed('"price.p99"]', '"price.p50"]'), "[[sections]] 1 blocks 3: one chart draws a value once"),
        (
            changed('[[tiles]]\nvalue = "revenue"\n\n[[tiles]]', "[tiles]"),
            "[[tiles]] is not a list of tables: write [[tiles]]",
        ),
        (
            changed('values = ["revenue"]', 'values = "revenue"'),
            'values of [[sections]] 1 blocks 1 must be a list of 1 to 4, not "revenue"',
        ),
        (changed('title = "Nothing"', 'title = ""'), "title of [[sections]] 2 must be a text that is not empty"),
    ],
)
def test_what_is_wrong_is_one_line_that_says_where_and_the_mend(text: str, message: str) -> None:
    with pytest.raises(SettingsError) as refusal:
        parse(text, "shop")

    assert message in str(refusal.value)
    assert str(refusal.value).startswith("shop")
    assert "\n" not in str(refusal.value)


def test_what_is_no_definition_is_said_with_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(
        SettingsError, match="no report definition 'htpp', and no file without .toml: did you mean 'http'"
    ):
        load("htpp")
    with pytest.raises(SettingsError, match=r"cannot read the report definition .*shop.toml: No such file"):
        load(str(tmp_path / "shop.toml"))
    (tmp_path / "marked.toml").write_text(SHOP, encoding="utf-8-sig")
    assert load(str(tmp_path / "marked.toml")) == parse(SHOP, "shop")
    (tmp_path / "latin.toml").write_bytes(b"# \xe4")
    with pytest.raises(SettingsError, match="not valid TOML"):
        load(str(tmp_path / "latin.toml"))


def test_values_of_one_measure_have_names_of_their_own() -> None:
    text = changed('"orders", "large"', '"price.p50", "price.p95", "late.part", "late.whole", "lost.unexpected"')
    definition = parse(text.replace('"price.p50", "price.p99"', '"price.p50", "paid.p50"') + PAID, "shop")
    survey, before = (Survey(definition, period, EventTypes(), PriceList({})) for period in (WEEK, WEEK.previous()))
    for one in orders():
        survey.add(one)
    report = Report(title="", definition=definition, period=WEEK, figures=survey.figures(), before=before.figures())
    said = " ".join(render_text(report).split())

    assert [series.name for series in compose(report).charts[2].series] == ["Price (p50)", "Paid (p50)"]
    for words in ("Price (p50) 100.00 €", "Price (p95) 300.00 €", "Late (part) 1", "Late (whole) 4", "(unexpected) 1"):
        assert words in said


PAID = """
[measures.paid]
kind = "percentiles"
event = "order"
field = "amount"
decimals = 2
suffix = " €"
"""
