"""The program: its table of commands, each imported when it is run, and its exit codes."""

import contextlib
import importlib
import io
import os
import re
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

import gentool
from gentool.cli.examples import examples_of
from gentool.cli.lazy import lazy_group
from gentool.cli.usage import in_plain_words
from gentool.errors import DataError, Diverged, GentoolError, OptionError, Stopped
from gentool.launcher import place
from gentool.progress import columns_of, printable, wrapped
from gentool.signals import Terminated, end_at_once

COMMANDS = {
    "prepare": "Turn a named data set, folder, archive or sprite sheet into a prepared data set.",
    "train": "Train a model. Run the same command again to resume.",
    "sample": "Draw samples from a trained model.",
    "reconstruct": "Reconstruct images with an autoencoder, and measure its errors.",
    "interpolate": "Walk through the latent space between random codes, pictures, or classes.",
    "project": "Find the code whose image is nearest to a given picture, even for models without an encoder.",
    "embed": "Encode a data set: save the codes, plot them in 2-D, measure what they hold, fit Gaussian mixtures.",
    "seq2seq": "Arithmetic as sequences of text or pictures: train, evaluate, solve, sweep.",
    "evaluate": "Score a model: FID, KID, precision, recall, copying, likelihood, each next to that of real images.",
    "compare": "Put models side by side in one table and one picture; --train trains them first.",
    "explore": "Play with a model in the browser: sliders, a map of its latent space, walks, your own pictures.",
    "report": "Write a page about a run, or several side by side: pictures, curves, scores, options.",
    "export": "Write a model as ONNX, TorchScript, torch.export or safetensors, or for the Hugging Face hub.",
    "epochs": "Put the pictures from several epochs side by side, for one run or more.",
    "show": "Show pictures in the terminal, for example on a server.",
    "info": "Show what a file or folder is: a run, a checkpoint, a data set, codes, results.",
    "doctor": "Check the installation and show how to fix problems.",
}


def load(name: str) -> typer.Typer:
    """The app of a command."""
    module = importlib.import_module(f"gentool.cli.commands.{name}")
    app: typer.Typer = module.app
    return app


def show_version(asked: bool) -> None:
    """Print the version and exit."""
    if asked:
        print(f"gentool {gentool.__version__}")
        raise typer.Exit


def root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=show_version, is_eager=True)
    ] = False,
) -> None:
    """Train, sample, explore and honestly judge small generative models."""


ALIKE = {error.exit_code for error in (OptionError, DataError, Diverged, Stopped)}
"""Exit codes of what all processes of torchrun meet alike: the first one of each machine says it."""
FIRST_SECONDS = 2.0
"""The time that the first process has to print such a message. Then the others print it."""
LONGEST = 1000
"""The most characters of a message: names in files may be of any length."""

app = lazy_group(COMMANDS, load, callback=root, completion=True, examples=examples_of("gentool"))


def run(arguments: list[str]) -> int:
    """Run the command line and return its exit code. A user's mistake is one line on stderr, never a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # names that this terminal cannot show
    try:
        os.getcwd()  # libraries end the process without one
    except OSError:
        return _fail("the current folder no longer exists; change to another one", 1)
    try:
        code = typer.main.get_command(app)(arguments, prog_name="gentool", standalone_mode=False)
        if sys.stdout is not None:
            sys.stdout.flush()
    except GentoolError as error:
        return _fail(str(error), error.exit_code)
    except typer.TyperException as error:
        return _usage(error, arguments)
    except (typer.Abort, KeyboardInterrupt):
        return 130
    except Terminated as terminated:
        return 128 + terminated.number
    except OSError as error:
        if not isinstance(error, BrokenPipeError):
            where = f"{error.filename}: " if error.filename else ""
            return _fail(f"{where}{error.strerror or error}", 1)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader of the pipe has left
        return 1
    except Exception as error:  # a bug, or no memory is left
        return _fail(_unexpected(error), 1)
    return code if isinstance(code, int) else 0


def _unexpected(error: Exception) -> str:
    """What to say of an error that nobody expected. Its traceback is kept in a file."""
    text = str(error)
    if isinstance(error, MemoryError) or "out of memory" in text or "can't allocate memory" in text:
        asked = re.search(r"allocate (\d+) bytes|Tried to allocate ([\d.]+ .iB)", text)
        much = ""
        if asked:
            size = f"{int(asked[1]) / 2**30:,.1f} GiB" if asked[1] else asked[2]
            much = f": tried to allocate {size}"
        return f"out of memory{much}; use a smaller --batch-size, smaller layers or smaller images"
    if isinstance(error, ModuleNotFoundError) and error.name and not error.name.startswith("gentool"):
        package = error.name.partition(".")[0].replace("_", "-")
        return f"{text}: a package is missing. To fix it: {Path(sys.executable).name} -m pip install {package}"
    import traceback

    from gentool.data.cache import cache_folder

    what = f"unexpected {type(error).__name__}: {' '.join(text.split())[:200]}"
    path = cache_folder() / "errors" / f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.txt"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{' '.join(sys.argv)}\n{traceback.format_exc()}", encoding="utf-8", errors="backslashreplace")
    except OSError:
        traceback.print_exc()
        return f"{what}. This is a bug in gentool: please report it with the lines above"
    return f"{what}. This is a bug in gentool: please report it with {path}"


def _usage(error: typer.TyperException, arguments: list[str]) -> int:
    if type(error).__name__ == "NoArgsIsHelpError":
        print(error.format_message())
        return error.exit_code
    return _fail(in_plain_words(error.format_message(), arguments), error.exit_code)


def _fail(message: str, code: int) -> int:
    here = place()
    if (here.rank and not message) or (here.local_rank and code in ALIKE):
        if code == Stopped.exit_code:
            return code
        end_at_once(code)
        time.sleep(FIRST_SECONDS)  # torchrun ends all once one has ended, and the first is to say it before
        if not message:
            return code
    if here.rank:
        message = f"process {here.rank}: {message}"
    if sys.stderr is not None:  # it may have been closed
        text = printable(message)
        text = text if len(text) <= LONGEST else f"{text[: LONGEST // 2]} … {text[-LONGEST // 2 :]}"
        with contextlib.suppress(OSError):
            text = f"gentool: {text}"
            columns = columns_of(sys.stderr)
            print(wrapped(text, columns) if columns else text, file=sys.stderr)
    return code
