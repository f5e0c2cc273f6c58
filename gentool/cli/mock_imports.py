"""Help pages and completions without PyTorch, whose import takes longer than all the rest.

A help page needs the options of a model, which are in the file of its network. So for help alone, PyTorch is mocked, as
Sphinx does for documentation (`autodoc_mock_imports`): modules whose names are all classes that do nothing.
"""

import os
import sys
from abc import ABCMeta
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

MOCKED = ("torch", "torchmetrics", "torchvision", "scipy", "sklearn", "matplotlib")
COMPLETION = "_GENTOOL_COMPLETE"
"""The variable that a shell sets when it asks for completions."""


def only_help(arguments: Sequence[str]) -> bool:
    """Whether nothing is asked for but help or completions, which run no command.

    Help after other options is left out: in `--out --help`, the last word is a folder.
    """
    if COMPLETION in os.environ:
        return True
    return bool(arguments) and arguments[-1] == "--help" and not any(word.startswith("-") for word in arguments[:-1])


def mock_imports() -> None:
    """Mock PyTorch for the rest of the process, which must compute nothing."""
    sys.meta_path.insert(0, _Finder())


class _Names(ABCMeta):
    """Classes whose attributes are such classes. Abstract ones and protocols can inherit from them, too."""

    def __getattr__(cls, name: str) -> Any:
        return _mock(name)

    def __getitem__(cls, item: Any) -> Any:
        return cls


class _Mock(metaclass=_Names):
    """Used as a decorator, it returns the function."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        pass

    def __call__(self, function: Any) -> Any:
        return function


class _Module(ModuleType):
    def __getattr__(self, name: str) -> Any:
        return _mock(name)


def _mock(name: str) -> Any:
    if name.startswith("__"):  # what Python itself asks for
        raise AttributeError(name)
    return _Names(name, (_Mock,), {})


class _Finder(MetaPathFinder, Loader):
    def find_spec(self, name: str, path: Any, target: ModuleType | None = None) -> ModuleSpec | None:
        return ModuleSpec(name, self, is_package=True) if name.partition(".")[0] in MOCKED else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _Module(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        pass
