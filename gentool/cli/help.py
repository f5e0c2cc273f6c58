"""A help page in two columns: what the command does, its commands, three examples, and its options in groups."""

import textwrap
from collections.abc import Iterable, Sequence
from typing import Any

import typer
from rich.console import Console
from rich.text import Text
from typer.core import TyperCommand

from gentool.cli.examples import examples_of

FLAGS = 26
"""The width of the column with the flags."""
WIDEST = 100
GAP = 2


class HelpPage(TyperCommand):
    """A command whose `--help` is such a page."""

    def format_help(self, ctx, formatter):  # type: ignore[no-untyped-def]  # Typer's types are private
        """Print the page."""
        print_page(self, ctx, examples_of(ctx.command_path))


def print_page(command: Any, ctx: typer.Context, examples: Sequence[str]) -> None:
    """Print the page of a command or of a group of commands."""
    console = Console(highlight=False, soft_wrap=True)
    for line in page(command, ctx, examples, min(console.width, WIDEST)):
        console.print(line)


def page(command: Any, ctx: typer.Context, examples: Sequence[str], width: int) -> Iterable[Text]:
    """The lines of the page."""
    yield Text(command.get_usage(ctx), style="bold")
    for paragraph in (command.help or "").split("\n\n"):
        yield Text()
        yield from map(Text, textwrap.wrap(paragraph, width, break_on_hyphens=False))
    commands = getattr(command, "commands", {})
    if commands:
        yield from _heading("Commands")
        for name, member in commands.items():
            yield from _row(name, member.help, width, max(map(len, commands)))
    if examples:
        yield from _heading("Examples")
        yield from (Text(f"  {example}") for example in examples)
    for name, rows in _groups(command, ctx).items():
        yield from _heading(name)
        for left, right in rows:
            yield from _row(left, right, width)


def _heading(name: str) -> Iterable[Text]:
    yield Text()
    yield Text(name, style="bold yellow")


def _groups(command: Any, ctx: typer.Context) -> dict[str, list[tuple[str, str]]]:
    """The flags and help texts of the parameters by group; what has none is with the last one of options."""
    groups: dict[str, list[tuple[str, str]]] = {}
    homeless: list[tuple[str, str]] = []
    for parameter in command.get_params(ctx):
        if getattr(parameter, "hidden", False):
            continue
        option = parameter.param_type_name == "option"
        group = getattr(parameter, "rich_help_panel", None) or ("" if parameter.name == "help" else "Options")
        row = _flags(parameter) if option else _argument(parameter), parameter.help or ""
        (groups.setdefault(group if option else "Arguments", []) if group else homeless).append(row)
    last = next(reversed(groups), "Options")
    groups.setdefault("Options" if last == "Arguments" else last, []).extend(homeless)
    return groups


def _argument(parameter: Any) -> str:
    name = parameter.metavar or parameter.name.upper()
    return f"{name}…" if parameter.nargs != 1 else str(name)


def _flags(parameter: Any) -> str:
    """`-n, --count N`, or `--flip/--no-flip`."""
    names = sorted(parameter.opts, key=len)
    flags = "/".join([", ".join(names), *parameter.secondary_opts])
    if parameter.is_flag:
        return flags
    return f"{flags} {parameter.metavar or 'TEXT'}"


def _row(left: str, right: str, width: int, first: int = FLAGS) -> Iterable[Text]:
    """A row of the two columns; what is too long for the `first` one stands above its text."""
    lines = textwrap.wrap(right, max(width - first - 2 * GAP, 20), break_on_hyphens=False) or [""]
    flags, _, metavar = left.partition(" ") if left.startswith("--") else (left, "", "")
    cell = Text.assemble(" " * GAP, (flags, "cyan"), f" {metavar}" if metavar else "")
    if len(left) > first:
        yield cell
        cell = Text()
    cell.pad_right(first + 2 * GAP - len(cell))
    for line in lines:
        yield Text.assemble(cell, line)
        cell = Text(" " * (first + 2 * GAP))
