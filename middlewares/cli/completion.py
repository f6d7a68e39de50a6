"""``middlewares completion``: let a shell complete commands, options and names."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

__all__ = ("completion",)

_SHELLS = ("bash", "zsh", "fish")


@click.command(short_help="Write the script by which a shell completes commands.")
@click.argument("shell", type=click.Choice(_SHELLS))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Write the script that lets SHELL complete commands, options and names.

    bash: eval "$(middlewares completion bash)" in ~/.bashrc; zsh the same in ~/.zshrc;
    fish: middlewares completion fish > ~/.config/fish/completions/middlewares.fish
    """
    found = get_completion_class(shell)
    if found is None:
        raise click.UsageError(f"there is no completion for {shell}")
    click.echo(found(context.find_root().command, {}, "middlewares", "_MIDDLEWARES_COMPLETE").source())
