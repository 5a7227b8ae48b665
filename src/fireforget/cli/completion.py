"""``fireforget completion``: the script by which a shell completes commands and options."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from fireforget.cli.output import write


@click.command(
    epilog='For bash put eval "$(fireforget completion bash)" into ~/.bashrc, for zsh the same with zsh into ~/.zshrc; '
    "for fish: fireforget completion fish > ~/.config/fish/completions/fireforget.fish"
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, /, *, shell: str) -> None:
    """Print the script that makes a shell complete commands and options."""
    root = ctx.find_root()
    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"this version of click knows no completion for {shell}.")
    write(kind(root.command, {}, "fireforget", "_FIREFORGET_COMPLETE").source() + "\n")
