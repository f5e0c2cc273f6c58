"""Flags from options: their order of precedence, earlier names, options without an effect."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest
import typer

from gentool.cli.command import command
from gentool.engine.terminal import Terminal
from gentool.errors import OptionError
from gentool.options import Validated, numbers, option

Call = Callable[..., dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Options(Validated):
    """Options of all sorts."""

    half_samples: int = option(3, "Half samples.", min=0, alias="bootstrap")
    arch: Literal["conv", "mlp"] = option("conv", "Kind of network.")
    channels: tuple[int, ...] = option((16, 32), "Filters.", parse=numbers, only_with={"arch": "conv"})
    epochs: int | None = option(None, "Epochs.", not_with={"steps": True}, default_text="enough")
    steps: int | None = option(None, "Updates.")
    from_: str | None = option(None, "Where from.")
    mirror: bool = option(True, "Mirror.")


def show(options: Options, terminal: Terminal) -> None:
    """Print the options."""
    terminal.data(json.dumps(options.to_json()))


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Call:
    """Run the command, with what a configuration file holds as `config`; the options that it prints."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str, config: str | None = None) -> dict[str, Any]:
        if config is not None:
            Path("options.toml").write_text(config, encoding="utf-8")
            arguments = ("--config", "options.toml", *arguments)
        typer.main.get_command(command(show))(list(arguments), standalone_mode=False)
        return dict(json.loads(capsys.readouterr().out))

    return run


def test_the_command_line_before_the_file_before_the_defaults(call: Call) -> None:
    assert call()["half_samples"] == 3
    assert call(config="half-samples = 5")["half_samples"] == 5
    assert call("--half-samples", "7", config="half_samples = 5")["half_samples"] == 7
    assert call("--half-samples", "3", config="half_samples = 5")["half_samples"] == 3  # the default, but typed
    everything = call("--channels", "4,8", "--from", "here", "--no-mirror", "--steps", "9")
    assert everything == {
        "half_samples": 3, "arch": "conv", "channels": "4,8", "epochs": None, "steps": 9, "from_": "here",
        "mirror": False,
    }  # fmt: skip
    assert call(config='channels = "4,8"\nfrom = "here"\nmirror = false\nsteps = 9') == everything
    assert call(config="channels = [4, 8]")["channels"] == "4,8"


def test_an_earlier_name_is_accepted_and_not_shown(call: Call, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("--bootstrap", "5")["half_samples"] == 5
    assert call("--bootstrap", "3", config="half_samples = 5")["half_samples"] == 3
    assert call(config="bootstrap = 5")["half_samples"] == 5
    with pytest.raises(OptionError, match=r"^give --half-samples or its earlier name --bootstrap, not both$"):
        call("--bootstrap", "5", "--half-samples", "7")
    with pytest.raises(OptionError, match=r"gives --half-samples twice$"):
        call(config="bootstrap = 5\nhalf_samples = 5")
    with pytest.raises(OptionError, match=r"^--half-samples: -1 is out of range; it must be at least 0$"):
        call("--bootstrap", "-1")
    typer.main.get_command(command(show))(["--help"], standalone_mode=False)
    page = capsys.readouterr().out
    assert "--half-samples" in page
    assert "--bootstrap" not in page
    assert "(default: enough)" in page


@pytest.mark.parametrize(
    ("arguments", "config", "text"),
    [
        (("--arch", "mlp", "--channels", "4"), None, "--channels: only with --arch conv"),
        (("--arch", "mlp", "--channels", "16,32"), None, "--channels: only with --arch conv"),  # the default
        (("--arch", "mlp"), 'channels = "4"', "--channels: only with --arch conv"),
        (("--epochs", "3", "--steps", "9"), None, "--epochs: has no effect with --steps"),
        ((), "epochs = 3\nsteps = 9", "--epochs: has no effect with --steps"),
        (("--channels", "4,x"), None, "--channels: '4,x': expected comma-separated positive whole numbers, such as "
                                      "16,32"),
        ((), 'arch = "cnv"', "--config options.toml: arch: 'cnv' is not one of conv, mlp. Did you mean 'conv'?"),
        ((), 'half-samples = "3"', "--config options.toml: half-samples: '3' is not a whole number"),
        ((), "[train]\nsteps = 3", "--config options.toml: [train] is a table; the file may hold only options, "
                                   "no tables"),
        ((), "mirror = 1", "--config options.toml: mirror: 1 is not true or false"),
        ((), "half_sampels = 1", "--config options.toml: 'half_sampels' is not an option of this command. "
                                 "Did you mean 'half_samples'?"),
    ],
)  # fmt: skip
def test_what_is_refused(call: Call, arguments: tuple[str, ...], config: str | None, text: str) -> None:
    with pytest.raises(OptionError) as caught:
        call(*arguments, config=config)
    assert str(caught.value) == text


def test_a_file_that_cannot_be_read_is_named(call: Call) -> None:
    with pytest.raises(OptionError, match=r"^--config options\.toml: not a TOML file: "):
        call(config="half_samples = ")
    with pytest.raises(OptionError, match=r"^--config absent\.toml: No such file or directory$"):
        call("--config", "absent.toml")
