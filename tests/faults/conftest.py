"""What holds for every trial: it starts real processes, which a machine that is busy otherwise keeps waiting."""

import pytest

PATIENCE = 240
"""Seconds that a trial may take; on a quiet machine it takes a few."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give the trials, and them alone, that long."""
    for item in items:
        if item.path.is_relative_to(__file__.removesuffix("conftest.py")):
            item.add_marker(pytest.mark.timeout(PATIENCE))
