"""What the tests of latent spaces share: a reporter that keeps what it receives."""

import pytest

from gentool.progress import Reporter


@pytest.fixture
def notices() -> list[str]:
    """The notices that `reporter` has received."""
    return []


@pytest.fixture
def steps() -> list[tuple[int, int | None]]:
    """(done, total) of every report of progress that `reporter` has received."""
    return []


@pytest.fixture
def reporter(notices: list[str], steps: list[tuple[int, int | None]]) -> Reporter:
    """Keeps `notices` and `steps`."""

    class Recorder(Reporter):
        def notice(self, text: str) -> None:
            notices.append(text)

        def progress(self, task: str, done: int, total: int | None = None, detail: str = "") -> None:
            steps.append((done, total))

    return Recorder()
