"""What tokens cost: only by the prices that the user has given, never by any that we know."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Final

from fireforget.errors import SettingsError
from fireforget.reporting.figures import ModelUsage, Money

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from fireforget._settings import Price

PER: Final = Decimal(1_000_000)
"""So many tokens a price is for."""

_CODE_LENGTH: Final = 3


class PriceList:
    """The prices of models, by their exact names.

    Args:
        prices: As they stand in ``[report.prices]``.

    Raises:
        SettingsError: A price is not finite, or its currency is not a code of three capital letters.
    """

    def __init__(self, prices: Mapping[str, Price]) -> None:
        for model, price in prices.items():
            code = price.currency
            if not (len(code) == _CODE_LENGTH and code.isascii() and code.isalpha() and code.isupper()):
                message = f"[report.prices] {model!r} has the currency {code!r:.20}: write its code, such as 'USD'"
                raise SettingsError(message)
            if not all(Decimal(str(amount)).is_finite() for amount in (price.input, price.output)):
                message = f"[report.prices] {model!r} has a price that is not finite: write it per million tokens"
                raise SettingsError(message)
        self._prices = dict(prices)

    def cost(self, model: str, input_tokens: int, output_tokens: int) -> Money | None:
        """What the tokens cost at the model's price; None where it has none."""
        price = self._prices.get(model)
        if price is None:
            return None
        # A price of 0.15 means 0.15 and not the binary fraction next to it: so by its text.
        amount = input_tokens * Decimal(str(price.input)) + output_tokens * Decimal(str(price.output))
        return Money(amount / PER, price.currency)


def total(models: Iterable[ModelUsage]) -> tuple[Money, ...]:
    """The costs of all models added up, each currency on its own."""
    sums: dict[str, Decimal] = {}
    for model in models:
        if model.cost is not None:
            sums[model.cost.currency] = sums.get(model.cost.currency, Decimal(0)) + model.cost.amount
    return tuple(Money(amount, currency) for currency, amount in sorted(sums.items()))
