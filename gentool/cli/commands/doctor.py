"""`gentool doctor`: versions, devices and the cache folder; broken installs and the commands that fix them.

It works where torch is missing or broken, so nothing is imported before it is checked.
"""

import contextlib
import importlib
import os
import platform
import shutil
import subprocess
import sys
import warnings
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import gentool
from gentool.cli.command import command
from gentool.engine.terminal import Terminal
from gentool.errors import GentoolError
from gentool.progress import counted

PYTHON = "3.11"
NEEDED = {
    "torch": ("torch", "2.10"),
    "torchvision": ("torchvision", "0.25"),
    "torchmetrics": ("torchmetrics", "1.4"),
    "numpy": ("numpy", "1.26"),
    "pillow": ("PIL", "10.1"),
    "scikit-learn": ("sklearn", "1.3"),
    "scipy": ("scipy", "1.11"),
    "threadpoolctl": ("threadpoolctl", "3.1"),
    "matplotlib": ("matplotlib", "3.8"),
    "platformdirs": ("platformdirs", "4.0"),
    "packaging": ("packaging", "23.0"),
    "filelock": ("filelock", "3.21.2"),
    "typer": ("typer", "0.28"),
    "rich": ("rich", "13.8"),
    "rich-pixels": ("rich_pixels", "3.0.1"),
}
"""Distribution → (module, lowest version), as in pyproject.toml."""

TORCHVISION_SECONDS = 120
USE_TORCHVISION = "import torch, torchvision.ops; torchvision.ops.nms(torch.zeros(1, 4), torch.zeros(1), 0.5)"


@dataclass(frozen=True)
class Problem:
    """What is wrong, and how to fix it."""

    what: str
    fix: str


def run(terminal: Terminal) -> None:
    """Print what there is and what is broken. Raises GentoolError when anything is."""
    problems = check_python()
    versions = {"gentool": gentool.__version__, "python": platform.python_version(), "system": platform.platform()}
    for name, (module, lowest) in NEEDED.items():
        version, new_problems = check_package(name, module, lowest)
        versions[name] = version
        problems += new_problems
    usable = not any(problem.what.startswith("torch ") for problem in problems)
    if usable and versions["torchvision"] != "missing":
        problems += check_torchvision()
    devices, new_problems = check_devices(importlib.import_module("torch") if usable else None)
    problems += new_problems
    cache, new_problems = check_cache()
    problems += new_problems
    if terminal.json:
        listed = [asdict(problem) for problem in problems]
        checks = {"versions": versions, "devices": devices, "cache": cache, "problems": listed}
        terminal.emit({"event": "checked", **checks})
    else:
        for name, text in (versions | devices | {"cache": "{path}: {state}".format(**cache)}).items():
            terminal.data(f"{name:13} {text}", indent=14)
        for problem in problems:
            terminal.data(f"\nproblem: {problem.what}\nfix: {problem.fix}")
    if problems:
        many = f"{len(problems)} problems, the first: " if len(problems) > 1 else ""
        raise GentoolError(f"{many}{problems[0].what}. To fix it: {problems[0].fix}")
    terminal.notice("Everything gentool needs is here.")


def number(version: str) -> tuple[int, ...]:
    """The first numbers of a version, to compare: `2.10.0+cpu` is (2, 10, 0)."""
    parts = version.split("+")[0].split(".")[:3]
    return tuple(int("".join(c for c in part if c.isdigit()) or 0) for part in parts)


def check_python() -> list[Problem]:
    """Python itself is new enough."""
    if sys.version_info >= number(PYTHON):
        return []
    fix = f"make a new environment with Python {PYTHON} or newer and install gentool there"
    return [Problem(f"Python {platform.python_version()} is too old; {PYTHON} is needed", fix)]


def install(*names: str) -> str:
    """The pip command for some packages; a CPU-only torch should stay one."""
    command = f"{Path(sys.executable).name} -m pip install --upgrade {' '.join(names)}"
    with contextlib.suppress(metadata.PackageNotFoundError):
        if "torch" in names and metadata.version("torch").endswith("+cpu"):
            return f"{command}  # with the --index-url that your CPU-only torch came from"
    return command


def check_package(name: str, module: str, lowest: str) -> tuple[str, list[Problem]]:
    """The installed version of a package, and whether it is there, new enough and can be imported."""
    names = ("torch", "torchvision") if name.startswith("torch") else (name,)
    try:
        version = metadata.version(name)
    except metadata.PackageNotFoundError:
        return "missing", [Problem(f"{name} is not installed", install(*names))]
    if number(version) < number(lowest):
        return version, [Problem(f"{name} {version} is too old; {lowest} is needed", install(*names))]
    if name != "torchvision":  # a mismatched one can crash; check_torchvision tries it in another process
        try:
            importlib.import_module(module)
        except Exception as error:  # whatever a broken install raises
            again = install(*names).replace("--upgrade", "--force-reinstall")
            return version, [Problem(f"{name} {version} cannot be imported ({_line(str(error))})", again)]
    return version, []


def check_torchvision() -> list[Problem]:
    """torch and torchvision fit: by what torchvision asks for, and by using one of its compiled functions."""
    fix = install("torch", "torchvision")
    torch, torchvision = metadata.version("torch"), metadata.version("torchvision")
    with contextlib.suppress(ImportError):
        from packaging.requirements import Requirement

        for requirement in map(Requirement, metadata.requires("torchvision") or []):
            if requirement.name == "torch" and not requirement.specifier.contains(torch, prereleases=True):
                what = f"torchvision {torchvision} needs torch{requirement.specifier}, but torch is {torch}"
                return [Problem(what, fix)]
    command = [sys.executable, "-P", "-c", USE_TORCHVISION]
    try:
        tried = subprocess.run(command, capture_output=True, text=True, timeout=TORCHVISION_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return [Problem(f"torchvision {torchvision} did not load in {TORCHVISION_SECONDS} s", fix)]
    if tried.returncode == 0:
        return []
    reason = _line(tried.stderr) or f"exit code {tried.returncode}"
    return [Problem(f"torchvision {torchvision} does not work with torch {torch} ({reason})", fix)]


def check_devices(torch: Any) -> tuple[dict[str, str], list[Problem]]:
    """The processor and the accelerators; `torch` is the module, or None where it cannot be used."""
    cpu = f"{cpu_name()}, {counted(os.cpu_count() or 1, 'core')}"
    if torch is None:
        return {"cpu": cpu}, []
    capabilities: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    bf16 = sorted(name for name, there in capabilities.items() if "bf16" in name and there)
    cpu += f", {counted(torch.get_num_threads(), 'thread')}, vectors {torch.backends.cpu.get_cpu_capability()}, "
    cpu += f"bf16 instructions: {', '.join(bf16) or 'none known'}"
    devices, problems = {"cpu": cpu, "cuda": "none"}, []
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        for index in range(count):
            described = torch.cuda.get_device_properties(index)
            devices[f"cuda:{index}"] = f"{described.name}, {described.total_memory / 2**30:.0f} GiB"
            try:
                torch.ones(8, device=f"cuda:{index}").sum().item()
            except RuntimeError as error:
                what = f"cuda:{index} ({described.name}) cannot compute: {_line(str(error))}"
                problems.append(Problem(what, install("torch", "torchvision")))
    if count:
        del devices["cuda"]
    elif warned:  # torch only warns about a driver that is too old for it
        devices["cuda"] += f" ({_line(str(warned[0].message))})"
    devices["mps"] = "Apple GPU" if torch.backends.mps.is_available() else "none"
    return devices, problems


def cpu_name() -> str:
    """The processor's name, as far as the system knows it."""
    with contextlib.suppress(OSError, StopIteration):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        asked = ["sysctl", "-n", "machdep.cpu.brand_string"]
        return subprocess.run(asked, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
    return platform.processor() or platform.machine()


def check_cache() -> tuple[dict[str, Any], list[Problem]]:
    """The cache folder: where, how large, and whether it can be written."""
    try:
        path = importlib.import_module("gentool.data.cache").cache_folder()
    except ImportError:
        return {"path": "unknown", "state": "a package that finds it is missing"}, []
    size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file()) if path.is_dir() else 0
    there = next(folder for folder in (path, *path.parents) if folder.exists())
    free = shutil.disk_usage(there).free
    writable = there.is_dir() and os.access(there, os.W_OK)
    state = f"{size / 2**20:.1f} MiB used, {free / 2**30:.1f} GiB free, {'writable' if writable else 'NOT writable'}"
    record = {"path": str(path), "bytes": size, "free_bytes": free, "writable": writable, "state": state}
    if writable:
        return record, []
    fix = "set GENTOOL_DATA to a folder that you can write to"
    return record, [Problem(f"the cache folder {path} is not writable", fix)]


def _line(text: str) -> str:
    """The last line that says anything, of a message or a traceback."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:200] if lines else ""


def doctor(terminal: Terminal) -> None:
    """Print versions, devices and the cache folder; show what is broken and how to fix it."""
    run(terminal)


app = command(doctor)
