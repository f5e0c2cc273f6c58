"""A command group that knows its commands' names and help, and imports a command only when it is run.

This way `gentool --help` and `gentool train --help` answer without importing torch.
"""

from collections.abc import Callable, Mapping, Sequence

import typer
from typer.core import TyperGroup

from gentool.cli.help import print_page


def lazy_group(
    commands: Mapping[str, str],
    load: Callable[[str], typer.Typer],
    *,
    callback: Callable[..., None],
    completion: bool = False,
    examples: Sequence[str] = (),
) -> typer.Typer:
    """A Typer group of `commands` (name to one line of help), which `load(name)` imports when they are needed.

    `callback` holds the group's own help and options, and `examples` stand on its help page.
    """

    class LazyGroup(TyperGroup):
        def resolve_command(self, ctx, args):  # type: ignore[no-untyped-def]  # Typer's types are private
            name, command, rest = super().resolve_command(ctx, args)
            if name is not None:
                command = typer.main.get_command(load(name))
                command.name = name
            return name, command, rest

        def format_help(self, ctx, formatter):  # type: ignore[no-untyped-def]  # the same
            print_page(self, ctx, examples)

    names = {"help_option_names": ["--help", "-h"]}
    group = typer.Typer(cls=LazyGroup, no_args_is_help=True, add_completion=completion, context_settings=names)
    for name, line in commands.items():
        group.command(name, help=line)(_not_loaded)
    group.callback()(callback)
    return group


def _not_loaded() -> None:
    raise AssertionError("resolve_command replaces this function")
