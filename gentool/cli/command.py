"""A command from a function: every parameter that is a set of options becomes its flags.

    def sample(model: Annotated[str, Argument(help=...)], options: SampleOptions, terminal: TerminalOptions): ...

    app = command(sample)

The flags of a set are its dataclass fields (`gentool.options.option`); a `--config FILE.toml` is added to each
command. The command line beats the file, the file beats the default.
"""

import dataclasses
import inspect
import tomllib
import typing
from collections.abc import Callable, Mapping
from dataclasses import Field
from pathlib import Path
from typing import Annotated, Any

import typer

from gentool.errors import OptionError
from gentool.options import Validated, field_types, flag, required, suggestion, unwrap_optional

CONFIG = Annotated[
    Path | None,
    typer.Option(
        "--config",
        help="A TOML file with options by their names; the command line beats it.",
        rich_help_panel="Terminal",
    ),
]


def command(function: Callable[..., None], help: str | None = None, **sets: type[Validated]) -> typer.Typer:
    """A Typer app with one command. `sets` names the options class of a parameter where the annotation cannot."""
    hints = typing.get_type_hints(function, include_extras=True) | sets
    groups: dict[str, type[Validated]] = {}
    parameters = [inspect.Parameter("ctx", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)]
    for name, parameter in inspect.signature(function).parameters.items():
        kind = hints[name]
        if inspect.isclass(kind) and issubclass(kind, Validated):
            groups[name] = kind
            parameters += _flags(kind)
        else:
            parameters.append(parameter.replace(annotation=kind, kind=inspect.Parameter.KEYWORD_ONLY))
    parameters.append(inspect.Parameter("config", inspect.Parameter.KEYWORD_ONLY, annotation=CONFIG, default=None))

    def call(ctx: typer.Context, config: Path | None, **values: Any) -> None:
        typed = {name for name in values if getattr(ctx.get_parameter_source(name), "name", "") == "COMMANDLINE"}
        settings = _read_config(config, {field.name for kind in groups.values() for field in dataclasses.fields(kind)})
        for name, kind in groups.items():
            names = [field.name for field in dataclasses.fields(kind)]
            options = {key: values.pop(key) for key in names}
            options |= {key: value for key, value in settings.items() if key in names and key not in typed}
            values[name] = kind(**options)
        function(**values)

    call.__doc__ = help or function.__doc__
    call.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # what Typer reads
    call.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    app = typer.Typer(add_completion=False)
    app.command()(call)
    return app


def _flags(kind: type[Validated]) -> list[inspect.Parameter]:
    """One keyword parameter per field; a class's own fields before those it inherits."""
    home = {name: getattr(base, "panel", None) for base in kind.__mro__ for name in inspect.get_annotations(base)}
    own = set(inspect.get_annotations(kind))
    fields = dataclasses.fields(kind)
    inherited = {name for base in kind.__mro__[1:] for name in inspect.get_annotations(base)}
    ordered = [f for f in fields if f.name in own - inherited] + [f for f in fields if f.name not in own - inherited]
    annotations = field_types(kind)
    return [_flag(field, annotations[field.name], home[field.name]) for field in ordered]


def _flag(field: "Field[Any]", annotation: Any, panel: str | None) -> inspect.Parameter:
    settings = field.metadata
    kind, _ = unwrap_optional(annotation)
    numeric = kind in (int, float)
    declaration = flag(field.name)
    if kind is bool and field.default is not False:
        declaration += f"/--no-{flag(field.name)[2:]}"
    info = typer.Option(
        *([settings["short"]] if settings["short"] else []),
        declaration,
        help=settings["help"],
        min=settings["min"] if numeric else None,
        max=settings["max"] if numeric else None,
        metavar=settings["metavar"],
        rich_help_panel=panel,
    )
    default = inspect.Parameter.empty if required(field) else field.default
    return inspect.Parameter(
        field.name, inspect.Parameter.KEYWORD_ONLY, annotation=Annotated[annotation, info], default=default
    )


def _read_config(path: Path | None, known: set[str]) -> Mapping[str, Any]:
    """The options of a TOML file; `batch-size` and `batch_size` are the same name."""
    if path is None:
        return {}
    try:
        settings = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise OptionError(f"--config {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise OptionError(f"--config {path}: not a TOML file: {error}") from error
    spelled = {name.rstrip("_"): name for name in known}
    settings = {name.replace("-", "_"): value for name, value in settings.items()}
    settings = {spelled.get(name, name): value for name, value in settings.items()}
    for name in settings:
        if name not in known:
            raise OptionError(f"--config {path}: {name!r} is not an option of this command.{suggestion(name, known)}")
    return settings
