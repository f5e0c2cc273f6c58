"""Guards of the design: floors, file names, light imports, help for everything, documented commands that exist."""

import ast
import functools
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from gentool.cli.app import app
from gentool.models import MODELS

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "gentool"

FLOORS = (
    ("errors",),
    ("launcher", "memory", "reading", "signals"),
    ("files", "pictures"),
    ("progress", "results", "tables", "options", "transparency"),
    ("processes",),
    ("jobs",),
    ("figures", "metrics", "networks"),
    ("data",),
    ("engine",),
    ("models",),
    ("latent",),
    ("evaluation",),
    ("exporting",),
    ("seq2seq", "explorer"),
    ("cli",),
)
LEVEL = {room: level for level, rooms in enumerate(FLOORS) for room in rooms}
NO_ROOMS = ("__init__", "__main__")
FILES = sorted(PACKAGE.rglob("*.py"))
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("examples/*.sh")])


def module_name(path: Path) -> str:
    """`gentool/data/images.py` is gentool.data.images; a package is its own name."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES = {module_name(path): path for path in FILES}


class WithoutTypeChecking(ast.NodeTransformer):
    """A file as Python runs it, without what is imported for type checkers only."""

    def visit_If(self, node: ast.If) -> Any:
        return None if ast.unparse(node.test) == "TYPE_CHECKING" else self.generic_visit(node)


def imported(path: Path, *, types: bool = True) -> set[str]:
    """The modules of gentool that a file imports, wherever in the file; without `types`, those that Python imports."""
    found: set[str] = set()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree if types else WithoutTypeChecking().visit(tree)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name.split(".")[0] == "gentool"}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            source = node.module or ""
            if source.split(".")[0] == "gentool":
                inner = {f"{source}.{alias.name}" for alias in node.names}
                found |= {name for name in inner if name in MODULES} or {source}
    return found


def room(module: str) -> str:
    """The room of a module: `gentool.data.images` is in data; the package itself is in none."""
    return module.split(".")[1] if "." in module else ""


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_room_imports_only_from_floors_below(path: Path) -> None:
    here = room(module_name(path))
    if here in ("", "__main__"):
        return
    assert here in LEVEL, f"{here} has no floor; give it one in FLOORS and in the design"
    for module in imported(path):
        there = room(module)
        assert there in ("", here) or LEVEL[there] < LEVEL[here], f"{here} must not import {module}"


@pytest.mark.parametrize("model", MODELS)
def test_models_do_not_import_one_another(model: str) -> None:
    others = {f"gentool.models.{other.replace('-', '_')}" for other in MODELS if other != model}
    assert not imported(PACKAGE / "models" / f"{model.replace('-', '_')}.py") & others


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_only_commands_and_the_engine_know_the_terminal(path: Path) -> None:
    here = room(module_name(path))
    if here in ("cli", "engine", ""):
        return
    assert "gentool.engine.terminal" not in imported(path)
    assert not re.search(r"\bprint\(|\brich\b", path.read_text(encoding="utf-8")), "report through a Reporter"


def test_no_code_asks_a_model_what_it_is_by_its_attributes() -> None:
    """`contract.py` says what a model offers. `getattr` of options, by an option's name, asks no model."""
    for path in FILES:
        if room(module_name(path)) not in ("latent", "evaluation", "seq2seq", "cli"):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                where = f"{path}:{node.lineno}"
                assert node.func.id != "hasattr", where
                if node.func.id == "getattr":
                    of = ast.unparse(node.args[0])
                    assert not re.search(r"model|network|decoder|encoder", of), f"{where}: getattr({of}, ...)"


def test_there_are_no_circles() -> None:
    edges = {name: imported(path, types=False) & MODULES.keys() - {name} for name, path in MODULES.items()}
    open_: list[str] = []
    done: set[str] = set()

    def visit(name: str) -> None:
        if name in done:
            return
        assert name not in open_, f"a circle: {' → '.join([*open_[open_.index(name) :], name])}"
        open_.append(name)
        for other in sorted(edges[name]):
            visit(other)
        done.add(open_.pop())

    for name in MODULES:
        visit(name)


def test_no_file_is_a_drawer_for_everything() -> None:
    assert not [path for path in FILES if path.stem in ("utils", "util", "helpers", "helper", "common", "misc")]


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["train", "--help"], ["train", "gna"]], ids=" ".join)
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    command = [sys.executable, "-X", "importtime", "-m", "gentool", *arguments]
    ran = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", cwd=ROOT, check=False)
    assert ran.returncode == (2 if "gna" in arguments else 0), ran.stderr[-2000:]
    loaded = {line.rsplit("|", 1)[-1].strip() for line in ran.stderr.splitlines() if line.startswith("import time:")}
    assert "gentool.cli.app" in loaded
    assert not loaded & {"torch", "torchvision", "numpy", "sklearn", "scipy", "matplotlib", "PIL"}


def subcommands(command: Any, context: Any) -> dict[str, Any]:
    """The commands of a group, loaded as the group loads them; nothing for a plain command."""
    names = list(getattr(command, "commands", {}))
    return {name: command.resolve_command(context, [name])[1] for name in names}


def walk(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command of the tree with its words. Typer's own click is private, so its types are not named here."""
    yield path, command
    context = command.context_class(command, info_name=command.name)
    for name, inner in subcommands(command, context).items():
        yield from walk(inner, (*path, name))


@functools.cache
def commands() -> dict[tuple[str, ...], Any]:
    """All commands by their words."""
    return dict(walk(typer.main.get_command(app)))


def test_every_command_and_option_has_help() -> None:
    silent = [" ".join(words) for words, command in commands().items() if not (command.help or "").strip()]
    assert not silent, f"commands without help: {silent}"
    for words, command in commands().items():
        nameless = [parameter.name for parameter in command.params if not (parameter.help or "").strip()]
        assert not nameless, f"gentool {' '.join(words)}: without help: {nameless}"


def documented() -> Iterator[tuple[str, str]]:
    """Every `gentool ...` command in the documents: where it stands, and the command."""
    for path in DOCUMENTS:
        text = path.read_text(encoding="utf-8").replace("\\\n", " ")
        if path.suffix == ".md":
            fenced = re.findall(r"^```[^\n]*\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
            indented = re.findall(r"^ {4}(gentool .*)$", text, flags=re.MULTILINE)
            inline = re.findall(
                r"`(gentool [^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
            )
            lines = [line for block in fenced for line in block.splitlines()] + indented + inline
        else:
            lines = [re.sub(r"\$\{\d+:\+(.*?)\}", r"\1", line) for line in text.splitlines()]
        for line in lines:
            for part in re.split(r"\s(?:&&|\|\||[;|>&])\s|\s#\s", line.replace("\\|", "|")):
                found = re.match(r"\s*(?:[$>]\s+)?(?:[A-Z_]+=\S*\s+)*(?:uv run\s+)?(gentool\s.*)", part)
                if found:
                    yield path.name, found[1].strip().rstrip(";")


DOCUMENTED = sorted(set(documented()))


def meant(words: tuple[str, ...], word: str) -> list[tuple[str, ...]]:
    """The commands that a word after `words` stands for: itself, or those of a placeholder (MODEL, cae|vae, …)."""
    below = [known for known in commands() if len(known) == len(words) + 1 and known[:-1] == words]
    if (*words, word) in below:
        return [(*words, word)]
    return below if re.fullmatch(r"[A-Z_]+|[<{\[].*|…|\.\.\.|[\w-]+(\|[\w-]+)+", word) else []


def test_the_documents_show_commands() -> None:
    assert len({command for _, command in DOCUMENTED}) >= 5


@pytest.mark.parametrize(("where", "command"), DOCUMENTED)
def test_documented_commands_exist(where: str, command: str) -> None:
    words = shlex.split(command)[1:]
    candidates: list[tuple[str, ...]] = [()]
    for word in words:
        if word.startswith(("-", "[-")) or not any(hasattr(commands()[known], "commands") for known in candidates):
            break
        candidates = [inner for known in candidates for inner in meant(known, word)]
        assert candidates, f"{where}: {command}: no such command"
    flags = {
        flag
        for known in candidates
        for parameter in commands()[known].params
        for flag in (*parameter.opts, *parameter.secondary_opts)
    } | {"--help"}
    for word in words:
        found = re.match(r"\[?(--?[A-Za-z][\w-]*)", word)
        if found:
            assert found[1] in flags, f"{where}: {command}: there is no {found[1]}"
    if len(candidates) == 1 and not re.search(r"[\[\]…<>{}$]|\.\.\.|--install", command):
        problem = refused(candidates[0], words[len(candidates[0]) :])
        assert problem in ("", "MissingParameter", "NoArgsIsHelpError"), f"{where}: {command}: {problem}"


def refused(known: tuple[str, ...], arguments: list[str]) -> str:
    """The kind of the error that a command's parser raises for its arguments; empty where it accepts them."""
    try:
        commands()[known].make_context(known[-1] if known else "gentool", arguments)
    except typer.TyperException as error:
        return type(error).__name__
    except typer.Exit:
        return ""
    return ""


def test_the_parser_refuses_a_value_of_the_wrong_kind() -> None:
    assert refused(("train", "vae"), ["--epochs", "many"]) == "BadParameter"
    assert refused(("train", "vae"), ["--epochs", "3"]) == ""
