"""`import gentool`: what it offers, and that it is light."""

import ast
import importlib
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import gentool


def test_importing_gentool_imports_nothing_heavy() -> None:
    code = "import sys, gentool; print(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not set(ran.stdout.split()) & {"torch", "numpy", "PIL", "matplotlib", "sklearn", "rich", "typer"}


@pytest.mark.parametrize("name", gentool.__all__)
def test_every_public_name_is_there_and_documented(name: str) -> None:
    value = getattr(gentool, name)
    assert name in dir(gentool)
    if inspect.isclass(value) or inspect.isfunction(value) or inspect.ismodule(value):
        assert (inspect.getdoc(value) or "").strip()


def test_type_checkers_see_the_names_that_are_imported_when_they_are_used() -> None:
    """Each name of the first block for type checkers is the very object that Python gives."""
    tree = ast.parse(Path(gentool.__file__).read_text(encoding="utf-8"))
    (block,) = [node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    found = {}
    for node in block.body:
        assert isinstance(node, ast.ImportFrom)
        assert node.module
        for alias in node.names:
            source = importlib.import_module(node.module)
            found[alias.asname or alias.name] = getattr(source, alias.name)
    assert found.keys() == set(gentool.__all__) - {"__version__"}
    for name, value in found.items():
        assert value is getattr(gentool, name), name


def test_the_guide_names_every_public_name() -> None:
    text = (Path(__file__).parents[1] / "docs" / "python.md").read_text(encoding="utf-8")
    missing = [name for name in gentool.__all__ if not re.search(rf"`{name}`|\bgentool\.{name}\b", text)]
    assert missing == ["__version__"]


def test_the_table_of_names_has_every_public_name_and_no_other() -> None:
    text = (Path(__file__).parents[1] / "docs" / "python.md").read_text(encoding="utf-8")
    table = text.partition("\n## Names\n")[2]
    errors = {name for name in gentool.__all__ if isinstance(getattr(gentool, name), type)
              and issubclass(getattr(gentool, name), gentool.GentoolError)}  # fmt: skip
    listed = {word for row in re.findall(r"^\|.*\|$", table, flags=re.M) for word in re.findall(r"`(\w+)`", row)}
    assert listed == set(gentool.__all__) - errors - {"__version__"}
    section = text.partition("\n## Errors\n")[2].partition("\n## ")[0]
    assert all(re.search(rf"`(gentool\.)?{name}`", section) for name in errors)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'gentool' has no attribute 'lod'"):
        gentool.lod  # noqa: B018


@pytest.mark.parametrize("name", ["load_data", "train", "load", "evaluate", "compare", "embed"])
def test_functions_have_types_and_say_which_errors_they_raise(name: str) -> None:
    function = getattr(gentool, name)
    for parameter in inspect.signature(function).parameters.values():
        assert parameter.annotation is not inspect.Parameter.empty, parameter.name
    text = inspect.getdoc(function) or ""
    raised = re.findall(r"\b(?:\w+Error|Stopped|Diverged)\b", text.partition("Raises")[2])
    assert raised
    for error in raised:
        assert issubclass(getattr(gentool, error), gentool.GentoolError), error


def test_nothing_is_printed_or_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    data = gentool.load_data("digits")
    model = gentool.train("vae", data, arch="mlp", hidden=16, latent_dim=4, steps=3, device="cpu")
    model.sample(3)
    model.interpolate(*model.encode(data.test.images[:2]), steps=3)
    gentool.evaluate(model, data, samples=64, features="random", half_samples=0, k=2)
    gentool.embed(model, data)
    assert capfd.readouterr() == ("", "")
    assert list(tmp_path.iterdir()) == []


def test_every_package_says_what_lives_in_it() -> None:
    root = Path(gentool.__file__).parent
    packages = [path.parent.relative_to(root.parent) for path in root.rglob("__init__.py")]
    assert len(packages) > 10
    for package in packages:
        module = importlib.import_module(".".join(package.parts))
        assert (module.__doc__ or "").strip(), package
