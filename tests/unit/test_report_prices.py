from decimal import Decimal

import pytest

from fireforget._configuration import settings_from
from fireforget._settings import Price, Settings
from fireforget.errors import SettingsError
from fireforget.reporting import Report, render_text
from fireforget.reporting.figures import Money
from fireforget.reporting.prices import PriceList
from tests.reports import Questions, asked, full, report_of

UNPRICED = Settings()


def priced(**prices: dict[str, object]) -> Settings:
    return settings_from({"report": {"prices": {name.replace("_", "-"): price for name, price in prices.items()}}})


def report(settings: Settings, *models: str) -> Report:
    events = [event for model in models for event in asked("?", full(model=model))]
    return report_of(events, settings=settings)


def test_a_cost_is_exact_to_the_last_digit() -> None:
    cost = PriceList({"gpt-x": Price(input=0.15, output=0.6)}).cost("gpt-x", 3, 1)

    assert cost == Money(Decimal("0.00000105"), "USD")


def test_without_a_price_there_is_no_cost_and_the_report_says_so() -> None:
    made = report(UNPRICED, "gpt-x")

    assert (Questions(made.figures).usage.cost, Questions(made.figures).usage.unpriced) == ((), ("gpt-x",))
    assert "no price given" in render_text(made)
    assert "No price given for gpt-x" in render_text(made)


def test_what_has_a_price_is_added_up_each_currency_on_its_own() -> None:
    settings = priced(
        a={"input": 1.0, "output": 1.0}, b={"input": 2, "output": 0}, c={"input": 1, "output": 1, "currency": "EUR"}
    )
    made = report(settings, "a", "b", "c", "d")

    assert Questions(made.figures).usage.cost == (Money(Decimal("0.0012"), "EUR"), Money(Decimal("0.0032"), "USD"))
    assert Questions(made.figures).usage.unpriced == ("d",)
    assert "some have no price" in render_text(made)


def test_a_model_that_used_no_tokens_needs_no_price() -> None:
    made = report_of(asked("?", full(input_tokens=0, output_tokens=0)), settings=UNPRICED)

    assert Questions(made.figures).usage.unpriced == ()


@pytest.mark.parametrize("currency", ["", "usd", "US", "$$$", "\u202eUSD", "USDT"])
def test_a_currency_is_a_code(currency: str) -> None:
    with pytest.raises(SettingsError, match=r"\[report.prices\] 'a' has the currency .* such as 'USD'"):
        PriceList({"a": Price(input=1, output=1, currency=currency)})


@pytest.mark.parametrize("amount", [float("inf"), float("nan")])
def test_a_price_is_finite(amount: float) -> None:
    with pytest.raises(SettingsError, match="per million tokens"):
        PriceList({"a": Price(input=amount, output=1)})
