"""environment.json: versions, device and threads of a run, and the command that repeats it."""

import os
import platform
import shlex
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

import gentool


def environment(device: torch.device, precision: str) -> dict[str, Any]:
    """Versions, device, threads, precision and command, as plain values."""
    packages = ("torch", "torchvision", "numpy", "pillow")
    return {
        "gentool": gentool.__version__,
        **{name: metadata.version(name) for name in packages},
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpu_count": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "device": str(device),
        "device_name": torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor(),
        "precision": precision,
        "command": command(sys.argv),
    }


def command(arguments: list[str]) -> str:
    """The command line of this process: `gentool train vae …`, or the Python program that calls gentool."""
    program = Path(arguments[0])
    started = program.stem == "gentool" or program.parts[-2:] == ("gentool", "__main__.py")
    return shlex.join(["gentool", *arguments[1:]] if started else ["python", *arguments])
