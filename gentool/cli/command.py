"""A command from a function: each parameter that is a set of options becomes its flags.

    def sample(model: ModelName, checkpoint: Checkpoint, options: SampleOptions, terminal: Terminal) -> None: ...

    app = command(sample)

The flags of a set are its dataclass fields (`gentool.options.option`). Every command also has `--config FILE.toml`: the
command line overrides the file, the file overrides the defaults. A `Terminal` parameter becomes the flags --quiet and
--json, and is closed when the command ends.
"""

import copy
import dataclasses
import inspect
import tomllib
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import Field
from pathlib import Path
from typing import Annotated, Any

import typer

from gentool.cli.help import FLAGS, HelpPage
from gentool.engine.terminal import Terminal, TerminalOptions
from gentool.errors import Interrupted, OptionError
from gentool.launcher import place
from gentool.options import MOST, Validated, checked, field_types, flag, required, suggestion, unwrap_optional, written
from gentool.reading import read_text, shown
from gentool.signals import end_in_order

CONFIG_BYTES = 2**20
CONFIG = Annotated[
    Path | None,
    typer.Option(
        "--config",
        help="Read options from a TOML file. Options on the command line override it.",
        metavar="FILE",
        rich_help_panel="Terminal",
    ),
]


def command(
    function: Callable[..., None],
    help: str | None = None,
    *,
    processes: bool = False,
    groups: Mapping[str, Sequence[str]] | None = None,
    **sets: type[Validated],
) -> typer.Typer:
    """A Typer app with one command. `sets` names the options class of a parameter where the annotation cannot.

    `processes`: torchrun may start it in several processes, of which the first one prints.
    `groups`: the groups of its help page, in order, and the first options of each. Others of the first group stay in
    it, and all the rest is in the last one.
    """
    hints = typing.get_type_hints(function, include_extras=True) | sets
    kinds: dict[str, type[Validated]] = {}
    parameters = [inspect.Parameter("ctx", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)]
    for name, parameter in inspect.signature(function).parameters.items():
        kind = TerminalOptions if hints[name] is Terminal else hints[name]
        if inspect.isclass(kind) and issubclass(kind, Validated):
            kinds[name] = kind
            parameters += _parameters(kind)
        else:
            parameters.append(parameter.replace(annotation=kind, kind=inspect.Parameter.KEYWORD_ONLY))
    parameters.append(inspect.Parameter("config", inspect.Parameter.KEYWORD_ONLY, annotation=CONFIG, default=None))
    if groups is not None:
        parameters = _regrouped(parameters, groups)

    def call(ctx: typer.Context, config: Path | None, **values: Any) -> None:
        typed = {name for name in values if getattr(ctx.get_parameter_source(name), "name", "") == "COMMANDLINE"}
        here = place()
        if here.size > 1 and not processes:
            raise OptionError("torchrun: only train and seq2seq train can run in several processes")
        values = {name: _expanded(value) for name, value in values.items()}
        settings = {} if config is None else _read_config(config.expanduser(), kinds.values())
        for name, kind in kinds.items():
            values[name] = _options(kind, values, settings, typed)
        try:
            with end_in_order(), ExitStack() as stack:
                for name, kind in kinds.items():
                    if kind is TerminalOptions:
                        shown = values[name] if here.rank == 0 else TerminalOptions(quiet=True)
                        values[name] = stack.enter_context(Terminal(shown))
                function(**values)
        except KeyboardInterrupt as interrupt:  # of which Typer would say nothing
            raise Interrupted(f"interrupted{interrupt}") from None

    call.__doc__ = help or function.__doc__
    call.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # what Typer reads
    call.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    app = typer.Typer(add_completion=False)
    app.command(cls=HelpPage)(call)
    return app


def _regrouped(parameters: Sequence[inspect.Parameter], groups: Mapping[str, Sequence[str]]) -> list[inspect.Parameter]:
    """The parameters in the order of these groups, each with the name of its group."""
    context, *options = parameters
    order = list(groups)
    home = {name: group for group, names in groups.items() for name in names}
    placed: list[tuple[int, int, inspect.Parameter]] = []
    for parameter in options:
        kind, info = typing.get_args(parameter.annotation)
        own = order[0] if info.rich_help_panel == order[0] else order[-1]
        info = copy.copy(info)  # that of --config is shared by all commands
        info.rich_help_panel = group = home.get(parameter.name, own)
        place = list(groups[group]).index(parameter.name) if parameter.name in home else len(groups[group])
        placed.append((order.index(group), place, parameter.replace(annotation=Annotated[kind, info])))
    return [context, *(parameter for _, _, parameter in sorted(placed, key=lambda one: one[:2]))]


def _expanded(value: Any) -> Any:
    """Paths with the home folder in place of `~`, which shells leave alone in quotes."""
    if isinstance(value, list):
        return [_expanded(one) for one in value]
    return value.expanduser() if isinstance(value, Path) else value


def _options(kind: type[Validated], values: dict[str, Any], settings: Mapping[str, Any], typed: set[str]) -> Validated:
    """The options of one set, taken out of the values of a command line and of a configuration file."""
    given: dict[str, Any] = {}
    chosen = []
    for field in dataclasses.fields(kind):
        given[field.name] = values.pop(field.name)
        alias = field.metadata["alias"]
        old = None if alias is None else values.pop(alias)
        if old is not None:
            if field.name in typed:
                raise OptionError(f"give {flag(field.name)} or its earlier name {flag(alias)}, not both")
            given[field.name] = old
        if field.name in typed or (alias in typed):
            chosen.append(field.name)
        elif field.name in settings:
            given[field.name] = settings[field.name]
            chosen.append(field.name)
    options = kind(**given)
    options.check_effect(chosen)
    return options


def _parameters(kind: type[Validated]) -> list[inspect.Parameter]:
    """One keyword parameter per field; the fields of the class itself before those that it inherits."""
    home = {name: getattr(base, "panel", None) for base in kind.__mro__ for name in inspect.get_annotations(base)}
    own = set(inspect.get_annotations(kind))
    fields = dataclasses.fields(kind)
    inherited = {name for base in kind.__mro__[1:] for name in inspect.get_annotations(base)}
    ordered = [f for f in fields if f.name in own - inherited] + [f for f in fields if f.name not in own - inherited]
    types = field_types(kind)
    parameters = [_parameter(kind, field, types[field.name], home[field.name]) for field in ordered]
    return parameters + [_alias(field, types[field.name]) for field in ordered if field.metadata["alias"]]


def _parameter(owner: type[Validated], field: "Field[Any]", annotation: Any, panel: str | None) -> inspect.Parameter:
    settings = field.metadata
    kind, _ = unwrap_optional(annotation)
    numeric = kind in (int, float)
    declaration = flag(field.name)
    if kind is bool and field.default is not False:
        declaration += f"/--no-{flag(field.name)[2:]}"
    metavar = settings["metavar"] or _metavar(declaration, kind)
    info = typer.Option(
        *([settings["short"]] if settings["short"] else []),
        declaration,
        help=owner.help_of(field, () if "|" in (metavar or "") else _choices(annotation)),
        min=settings["min"] if numeric else None,
        max=settings["max"] if numeric and settings["max"] != MOST else None,
        metavar=metavar,
        show_default=False,
        rich_help_panel=panel,
    )
    default = inspect.Parameter.empty if required(field) else written(field, field.default)
    typed_as = _typed_as(settings, annotation)
    return inspect.Parameter(
        field.name, inspect.Parameter.KEYWORD_ONLY, annotation=Annotated[typed_as, info], default=default
    )


def _choices(annotation: Any) -> tuple[str, ...]:
    """The values that an option may have, where they are few."""
    kind, _ = unwrap_optional(annotation)
    return tuple(map(str, typing.get_args(kind))) if typing.get_origin(kind) is typing.Literal else ()


def _metavar(declaration: str, kind: Any) -> str | None:
    """What stands for the value on the help page: `N`, `X`, or its choices where they fit."""
    choices = "|".join(_choices(kind))
    if choices:
        return choices if len(f"{declaration} {choices}") <= FLAGS else "NAME"
    if typing.get_origin(kind) is tuple:
        return "N,N" if typing.get_args(kind)[0] is int else "NAME,NAME"
    return None if kind is bool else {int: "N", float: "X", Path: "PATH"}.get(kind, "TEXT")


def _alias(field: "Field[Any]", annotation: Any) -> inspect.Parameter:
    """An earlier name of an option: accepted, and not shown."""
    alias = field.metadata["alias"]
    info = typer.Option(flag(alias), help=f"An earlier name of {flag(field.name)}.", hidden=True)
    typed_as = _typed_as(field.metadata, annotation)
    return inspect.Parameter(
        alias, inspect.Parameter.KEYWORD_ONLY, annotation=Annotated[typed_as | None, info], default=None
    )


def _typed_as(settings: Mapping[str, Any], annotation: Any) -> Any:
    """The type of a flag: a value that the option parses itself is text."""
    if settings["parse"] is None:
        return annotation
    return str | None if unwrap_optional(annotation)[1] else str


def _read_config(path: Path, kinds: Iterable[type[Validated]]) -> Mapping[str, Any]:
    """The options of a TOML file by field name; `batch-size` and `batch_size` are the same name.

    Raises OptionError that names the file.
    """
    try:
        settings = tomllib.loads(read_text(path, CONFIG_BYTES))
    except OSError as error:
        raise OptionError(f"--config {path}: {error.strerror or error}") from error
    except RecursionError:
        raise OptionError(f"--config {path}: nested too deeply") from None
    except ValueError as error:
        raise OptionError(f"--config {path}: not a TOML file: {error}") from error
    known: dict[str, tuple[Field[Any], Any]] = {}
    for kind in kinds:
        annotations = field_types(kind)
        for field in dataclasses.fields(kind):
            names = (field.name, field.name.rstrip("_"), field.metadata["alias"])
            known |= {name: (field, annotations[field.name]) for name in names if name}
    options: dict[str, Any] = {}
    for name, value in settings.items():
        plain = name.replace("-", "_")
        if isinstance(value, dict):
            raise OptionError(f"--config {path}: [{name}] is a table; the file may hold only options, no tables")
        if plain not in known:
            raise OptionError(
                f"--config {path}: {shown(plain)} is not an option of this command.{suggestion(plain[:60], known)}"
            )
        field, annotation = known[plain]
        if field.name in options:
            raise OptionError(f"--config {path}: gives {flag(field.name)} twice")
        try:
            options[field.name] = checked(field, annotation, value)
        except OptionError as error:
            raise OptionError(f"--config {path}: {str(error).replace(flag(field.name), name, 1)}") from None
    return options
