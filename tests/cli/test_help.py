"""Help pages: their width, their groups, and three examples of each command that its parser accepts."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from gentool.cli.app import app
from gentool.cli.commands.train import GROUPS
from gentool.cli.examples import EXAMPLES, examples_of
from gentool.models import MODELS

TRAININGS = [*(f"train {model}" for model in MODELS), "seq2seq train text2text", "seq2seq train image2image"]


def pages() -> Iterator[tuple[str, ...]]:
    """The words of every command, with one model or task for those that have several."""
    for key in EXAMPLES:
        words = tuple(key.split())
        if words in (("gentool",), ("seq2seq",)):
            continue
        if words == ("train",):
            yield from (("train", model) for model in MODELS)
        elif words in (("seq2seq", "train"), ("seq2seq", "sweep")):
            yield (*words, "text2text")
        else:
            yield words


def parsed(words: list[str]) -> Any:
    """The innermost command of a command line, given its words. Raises the parser's error for a wrong one."""
    command, name = typer.main.get_command(app), "gentool"
    while hasattr(command, "commands"):
        context = command.context_class(command, info_name=name)
        name, command, words = command.resolve_command(context, words)
    return command.make_context(name, words)


def headings(page: str) -> list[str]:
    """The headings of a page: lines of one or two words after an empty one."""
    return re.findall(r"\n\n([A-Z][a-z]+(?: [a-z]+)?)(?=\n  )", page)


@pytest.mark.parametrize("words", list(pages()), ids=" ".join)
def test_a_page_fits_80_columns_and_has_three_examples(
    cli: Callable, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    shown = cli(*words, "--help")
    assert (shown.code, shown.err) == (0, "")
    assert max(map(len, shown.out.splitlines())) <= 80
    examples = examples_of(" ".join(["gentool", *words]))
    assert len(examples) == 3
    for example in examples:
        assert f"\n  {example}\n" in shown.out
        given = shlex.split(example)[1:]
        assert tuple(given[: len(words)]) == words
        parsed(given)
    assert "--help" in shown.out
    assert "RANGE" not in shown.out


@pytest.mark.parametrize("words", ["", "train", "seq2seq", "seq2seq train", "seq2seq sweep"])
def test_a_group_has_examples_too(cli: Callable, monkeypatch: pytest.MonkeyPatch, words: str) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    page = cli(*words.split(), "--help").out
    assert headings(page) == ["Commands", "Examples", "Options"]
    assert max(map(len, page.splitlines())) <= 80
    examples = re.findall(r"^  (gentool .*)$", page.partition("\nExamples\n")[2], flags=re.MULTILINE)
    assert len(examples) == 3
    for example in examples:
        parsed(shlex.split(example)[1:])


@pytest.mark.parametrize("words", TRAININGS)
def test_every_training_has_the_same_groups(cli: Callable, monkeypatch: pytest.MonkeyPatch, words: str) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    page = cli(*words.split(), "--help").out
    assert headings(page) == ["Examples", *GROUPS]
    training = page.partition("\nTraining\n")[2].partition("\nAdvanced\n")[0]
    flags = re.findall(r"^  (--[a-z-]+)", training, flags=re.MULTILINE)
    data = [] if words.startswith("seq2seq") else ["--data"]
    common = ["--out", "--overwrite", "--epochs", "--steps", "--budget", "--batch-size", "--lr", "--seed", "--device"]
    common += [] if words.startswith("seq2seq") else ["--flip", "--zoom"]
    assert flags == [*data, *common]
    assert page.count("\n") < 140


def test_a_page_does_not_change_that_of_another_command(cli: Callable) -> None:
    assert "\nTerminal\n" not in cli("train", "vae", "--help").out
    page = cli("doctor", "--help").out
    assert headings(page) == ["Examples", "Terminal"]
    assert "--config" in page


def test_defaults_ranges_and_choices_are_in_the_text(cli: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    page = " ".join(cli("train", "gan", "--help").out.split())
    assert "--latent-dim N Size of the noise vector. (default: 64; 1 to 4,096)" in page
    assert "--arch conv|mlp " in page
    assert "(default: bce; bce|hinge|relativistic|wgan-gp)" in page
    assert "(default: auto; auto|batch|spectral|none)" in page
    assert "--seed N Random seed. (default: 0)" in page
    assert "(default: about 20,000 updates, 3,000 for faces, at most 2,000 epochs)" in page


EVERY_PAGE = """
import sys

from gentool.cli.mock_imports import mock_imports

mock_imports()
from gentool.cli.app import run

for line in sys.stdin:
    words = line.split()
    print("\\f", *words)
    run([*words, "--help"])
assert not hasattr(sys.modules["torch"], "__file__")
"""


def test_pages_are_the_same_without_torch(cli: Callable) -> None:
    """PyTorch is mocked for a help page, which is to be what the real options say."""
    words = [" ".join(page) for page in pages()]
    done = subprocess.run([sys.executable, "-c", EVERY_PAGE], input="\n".join(words), capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    shown = dict(part.split("\n", 1) for part in done.stdout.split("\f ")[1:])
    for page in words:
        assert shown[page] == cli(*page.split(), "--help").out, page


def test_help_is_shown_without_torch(tmp_path: Path) -> None:
    """A torch that cannot be imported is in the way of a training, and not of its help."""
    (tmp_path / "torch.py").write_text("raise ImportError('broken')")
    environment = os.environ | {"PYTHONPATH": str(tmp_path), "COLUMNS": "80"}

    def gentool(*words: str, **more: str) -> subprocess.CompletedProcess:
        command = [sys.executable, "-m", "gentool", *words]
        return subprocess.run(command, env=environment | more, capture_output=True, text=True, cwd=tmp_path)

    page = gentool("train", "flow", "--help")
    assert (page.returncode, page.stderr) == (0, "")
    assert "--pairing" in page.stdout
    words = {"_GENTOOL_COMPLETE": "complete_bash", "COMP_WORDS": "gentool train flow --pair", "COMP_CWORD": "3"}
    assert gentool(**words).stdout.split() == ["--pairing"]
    for real in (("train", "flow", "--data", "digits", "--out", "--help"), ("train", "flow", "--", "--help")):
        assert "--pairing" not in gentool(*real).stdout
