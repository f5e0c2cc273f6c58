"""`gentool doctor`: what is there, what is broken, and how to fix it."""

import importlib
import json
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from gentool.cli.commands import doctor
from gentool.engine.terminal import Terminal, TerminalOptions
from gentool.errors import GentoolError

Capture = pytest.CaptureFixture[str]
Patch = pytest.MonkeyPatch


def pretend(patch: Patch, versions: dict[str, str | None]) -> None:
    """Make some packages seem to be of other versions, or missing (None)."""
    true_version = metadata.version

    def version(name: str) -> str:
        pretended = versions.get(name, "")
        if pretended is None:
            raise metadata.PackageNotFoundError(name)
        return pretended or true_version(name)

    patch.setattr(metadata, "version", version)


def break_import(patch: Patch, module: str, error: Exception) -> None:
    """Make the import of one module fail."""
    true_import = importlib.import_module

    def import_module(name: str, package: str | None = None) -> ModuleType:
        if name == module:
            raise error
        return true_import(name, package)

    patch.setattr(importlib, "import_module", import_module)


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: Patch) -> None:
    monkeypatch.setenv("GENTOOL_DATA", str(tmp_path / "cache"))


def test_a_sound_install(capsys: Capture, tmp_path: Path) -> None:
    doctor.run(Terminal())
    out, err = capsys.readouterr()
    for word in ("gentool", "python", "torch", "torchvision", "scikit-learn", "pillow", "cpu", " thread", "bf16"):
        assert word in out
    assert str(tmp_path / "cache") in out
    assert "problem" not in out
    assert "Everything" in err
    assert not (tmp_path / "cache").exists(), "looking changes nothing"


def test_json_is_one_object_on_stdout(capsys: Capture, monkeypatch: Patch) -> None:
    monkeypatch.setattr(doctor, "check_torchvision", list)  # seconds, and tried elsewhere
    doctor.run(Terminal(TerminalOptions(json=True, quiet=True)))
    out, err = capsys.readouterr()
    record = json.loads(out)
    assert record["problems"] == []
    assert record["versions"]["torch"] == metadata.version("torch")
    assert record["cache"]["writable"] is True
    assert err == ""


def test_a_missing_package_has_its_command(capsys: Capture, monkeypatch: Patch) -> None:
    pretend(monkeypatch, {"scipy": None})
    monkeypatch.setattr(doctor, "check_torchvision", list)
    with pytest.raises(GentoolError, match="scipy is not installed"):
        doctor.run(Terminal())
    out = capsys.readouterr().out
    assert "scipy         missing" in out
    assert "-m pip install --upgrade scipy" in out


@pytest.mark.parametrize("error", [ImportError("libcudnn.so.9"), OSError("[WinError 126]"), RuntimeError("ABI")])
def test_a_torch_that_cannot_be_imported(capsys: Capture, monkeypatch: Patch, error: Exception) -> None:
    break_import(monkeypatch, "torch", error)
    with pytest.raises(GentoolError, match=r"torch .* cannot be imported"):
        doctor.run(Terminal())
    out = capsys.readouterr().out
    assert str(error) in out
    assert "--force-reinstall torch torchvision" in out
    assert "cpu " in out, "the rest is printed all the same"


def test_no_torch_at_all(capsys: Capture, monkeypatch: Patch) -> None:
    pretend(monkeypatch, {"torch": None, "torchvision": None})
    with pytest.raises(GentoolError, match="2 problems, the first: torch is not installed"):
        doctor.run(Terminal())
    assert "--upgrade torch torchvision" in capsys.readouterr().out


def test_what_is_too_old(capsys: Capture, monkeypatch: Patch) -> None:
    pretend(monkeypatch, {"torch": "2.9.1+cpu"})
    monkeypatch.setattr(sys, "version_info", (3, 10, 14))
    with pytest.raises(GentoolError, match="2 problems"):
        doctor.run(Terminal())
    out = capsys.readouterr().out
    assert "torch 2.9.1+cpu is too old; 2.10 is needed" in out
    assert "# with the --index-url that your CPU-only torch came from" in out, "a CPU build should stay one"
    assert "Python" in out


@pytest.mark.parametrize("asked", ["torch (>=99.0)", "torch==2.11.0", "torch<2"])
def test_a_torchvision_for_another_torch(monkeypatch: Patch, asked: str) -> None:
    monkeypatch.setattr(metadata, "requires", lambda name: ["numpy", asked])
    [problem] = doctor.check_torchvision()
    assert "but torch is" in problem.what
    assert problem.fix.endswith("-m pip install --upgrade torch torchvision")


def test_a_torchvision_for_this_torch_is_used_to_be_sure(monkeypatch: Patch) -> None:
    monkeypatch.setattr(metadata, "requires", lambda name: [f"torch=={metadata.version('torch').split('+')[0]}"])
    assert doctor.check_torchvision() == []
    monkeypatch.setattr(doctor, "USE_TORCHVISION", "raise RuntimeError('operator torchvision::nms does not exist')")
    [problem] = doctor.check_torchvision()
    assert "nms does not exist" in problem.what
    monkeypatch.setattr(doctor, "USE_TORCHVISION", "import os; os._exit(139)")
    [problem] = doctor.check_torchvision()
    assert "exit code 139" in problem.what


def test_files_of_the_folder_are_not_taken_for_modules(monkeypatch: Patch, tmp_path: Path) -> None:
    (tmp_path / "random.py").write_text("raise SystemExit('a file of the user')")
    monkeypatch.chdir(tmp_path)
    assert doctor.check_torchvision() == []


def test_a_torchvision_that_hangs(monkeypatch: Patch) -> None:
    def hang(*_: Any, **__: Any) -> None:
        raise subprocess.TimeoutExpired("python", 120)

    monkeypatch.setattr(subprocess, "run", hang)
    [problem] = doctor.check_torchvision()
    assert "did not load" in problem.what


def test_a_cache_folder_that_cannot_be_written(tmp_path: Path, monkeypatch: Patch) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    monkeypatch.setenv("GENTOOL_DATA", str(tmp_path / "file" / "cache"))
    record, [problem] = doctor.check_cache()
    assert record["writable"] is False
    assert "GENTOOL_DATA" in problem.fix


def test_the_cache_is_measured(tmp_path: Path) -> None:
    (tmp_path / "cache" / "mnist").mkdir(parents=True)
    (tmp_path / "cache" / "mnist" / "images.npy").write_bytes(bytes(3 << 20))
    record, problems = doctor.check_cache()
    assert record["bytes"] == 3 << 20
    assert "3.0 MiB" in record["state"]
    assert problems == []


def test_importing_doctor_needs_none_of_what_it_looks_for() -> None:
    code = "import sys, gentool.cli.commands.doctor; print([m for m in ('torch', 'numpy', 'PIL') if m in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def test_the_lowest_versions_are_those_of_pyproject() -> None:
    path = Path(__file__).parents[2] / "pyproject.toml"
    project = tomllib.loads(path.read_text(encoding="utf-8"))["project"]
    assert project["requires-python"] == f">={doctor.PYTHON}"
    assert sorted(project["dependencies"]) == sorted(f"{name}>={low}" for name, (_, low) in doctor.NEEDED.items())


@pytest.mark.parametrize(
    ("version", "numbers"),
    [("2.10.0+cpu", (2, 10, 0)), ("2.9", (2, 9)), ("2.10.0a0+git12", (2, 10, 0)), ("3.rc1", (3, 1))],
)
def test_versions_compare_as_numbers(version: str, numbers: tuple[int, ...]) -> None:
    assert doctor.number(version) == numbers
