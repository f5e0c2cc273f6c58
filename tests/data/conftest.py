"""What the tests of the data floor share: a cache of their own, and real data where it is at hand."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from gentool.progress import Reporter

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def every_test_has_its_own_cache(own_cache: Path) -> None:
    """None finds what another has prepared."""


@pytest.fixture
def notices() -> list[str]:
    """The notices that `reporter` has received."""
    return []


@pytest.fixture
def reporter(notices: list[str]) -> Reporter:
    """A reporter that collects its notices."""

    class Collector(Reporter):
        def notice(self, text: str) -> None:
            notices.append(text)

    return Collector()


@pytest.fixture
def real() -> Callable[[str], Path]:
    """The path of a real data set, or a skip that says why."""

    def path(name: str) -> Path:
        folder = Path(os.environ.get("GENTOOL_TEST_DATA", ROOT.parent / "shared" / "data"))
        if not (folder / name).is_dir():
            pytest.skip(f"no real data: {folder / name} is absent (GENTOOL_TEST_DATA names the folder)")
        return folder / name

    return path
