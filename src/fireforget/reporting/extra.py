"""What the extra ``fireforget[report]`` brings, and what is said where it is missing."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING

from fireforget.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def report_extra() -> Iterator[None]:
    """Import within this what the extra brings.

    Raises:
        SettingsError: One of its packages is missing; the message says how to install them.
    """
    try:
        yield
    except ImportError as error:
        message = (
            f"the HTML report needs {error.name or 'packages'}, which is not installed: run "
            'pip install "fireforget[report]", or take the plain text'
        )
        raise SettingsError(message) from error


def require_extra() -> None:
    """See whether the extra is installed, without loading it: matplotlib alone takes half a second.

    Raises:
        SettingsError: As for `report_extra`.
    """
    with report_extra():
        for name in ("jinja2", "css_inline", "matplotlib"):
            if find_spec(name) is None:
                raise ModuleNotFoundError(name=name)


def load_extra() -> None:
    """Load what the extra brings before the first report asks for it; where it is missing, that report says so."""
    with suppress(SettingsError), report_extra():
        for name in ("css_inline", "jinja2", "matplotlib.backends.backend_agg"):
            import_module(name)
