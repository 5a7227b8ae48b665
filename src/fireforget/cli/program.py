"""The program: its global options, its commands, and how an error ends it.

Exit codes: 0 done; 1 something is wrong, or what was asked for failed; 2 wrong usage or configuration; 130
interrupted; 141 nobody reads the output any more, as with every other program in a pipe.
"""

from __future__ import annotations

import logging
import os
import sys
import traceback
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
from click.exceptions import Exit

from fireforget._secrets import without_secrets
from fireforget.cli.completion import completion
from fireforget.cli.dead_letters import dead_letters
from fireforget.cli.doctor import doctor
from fireforget.cli.events import events
from fireforget.cli.init import init
from fireforget.cli.journal import journal
from fireforget.cli.output import say, with_its_cause
from fireforget.cli.provision import provision
from fireforget.cli.report import report
from fireforget.cli.stats import stats
from fireforget.cli.tail import tail
from fireforget.cli.worker import worker
from fireforget.errors import FireForgetError, SettingsError
from fireforget.operations.advice import advice

if TYPE_CHECKING:
    from collections.abc import Iterator

_FAILED: Final = 1
_MISUSED: Final = 2
_INTERRUPTED: Final = 130
_UNREAD: Final = 141

_EPILOG: Final = """
Exit codes: 0 done; 1 something is wrong, or what was asked for failed; 2 wrong usage or configuration;
130 interrupted; 141 nobody reads the output any more.
"""


class Program(click.Group):
    """A group of commands whose every expected error is one line on stderr."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the global options."""
        with _plainly(ctx):
            return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        with _plainly(ctx):
            result = super().invoke(ctx)
            sys.stdout.flush()  # here, where it may fail, and not at the exit of the interpreter
            return result


@contextmanager
def _plainly(ctx: click.Context) -> Iterator[None]:
    """End by one line and an exit code in place of a traceback."""
    try:
        yield
    except KeyboardInterrupt:
        raise Exit(_INTERRUPTED) from None
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what is still in the buffer
        raise Exit(_UNREAD) from None
    except click.UsageError as error:
        path = error.ctx.command_path if error.ctx is not None else ctx.command_path
        message = error.format_message().strip()
        say(f"{message}{'' if message.endswith(('.', '?')) else '.'} See '{path} --help'.")
        raise Exit(_MISUSED) from error
    except (FireForgetError, OSError) as error:
        if ctx.params.get("debug"):
            lines = "".join(traceback.format_exception(error)).splitlines()
            click.echo("\n".join(map(without_secrets, lines)), err=True)
        say(advice(error))
        raise Exit(_MISUSED if isinstance(error, SettingsError) else _FAILED) from error


@click.group(
    cls=Program,
    epilog=_EPILOG,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The configuration; otherwise FIREFORGET_CONFIG, else fireforget.toml of the working directory.",
)
@click.option("--debug", is_flag=True, help="Show the traceback of an error, too.")
@click.version_option(package_name="fireforget", prog_name="fireforget", message="%(prog)s %(version)s")
@click.pass_context
def program(ctx: click.Context, /, *, config: Path | None, debug: bool) -> None:  # noqa: ARG001 - read where errors end
    """Set the pipeline up, run its worker, and see what it does, and what is wrong with it."""
    ctx.obj = config
    logging.getLogger("stamina").addFilter(with_its_cause)
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help(), err=True)
        ctx.exit(_MISUSED)


for command in (
    completion,
    dead_letters,
    doctor,
    events,
    init,
    journal,
    provision,
    report,
    stats,
    tail,
    worker,
):
    program.add_command(command)
