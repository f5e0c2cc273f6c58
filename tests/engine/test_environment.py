"""environment.json: the command that repeats a run."""

from pathlib import Path

import pytest

from gentool.engine.environment import command


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["/usr/bin/gentool", "train", "vae", "--data", "my digits"], "gentool train vae --data 'my digits'"),
        (["/lib/gentool/__main__.py", "train", "vae"], "gentool train vae"),
        (["gentool.exe", "train", "vae"], "gentool train vae"),
        (["study.py", "--seed", "3"], "python study.py --seed 3"),
        (["my study.py"], "python 'my study.py'"),
    ],
)
def test_the_command_of_a_run(arguments: list[str], expected: str) -> None:
    assert command([str(Path(arguments[0])), *arguments[1:]]) == expected
