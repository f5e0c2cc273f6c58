"""The program: its table of commands, each imported when it is run, and its exit codes."""

import contextlib
import importlib
import io
import os
import signal
import sys
import threading
from collections.abc import Iterator
from typing import Annotated

import typer

import gentool
from gentool.cli.lazy import lazy_group
from gentool.errors import GentoolError

COMMANDS = {
    "prepare": "Turn a named data set, folder, archive or sprite sheet into a prepared data set.",
    "train": "Train a model. The same command again resumes.",
    "sample": "Draw samples from a trained model.",
    "reconstruct": "Reconstruct images with an autoencoder, and measure its errors.",
    "interpolate": "Walk through the latent space between random codes, pictures, or classes.",
    "project": "Find the code whose image is nearest to a given picture, also for models without an encoder.",
    "embed": "Encode a data set: codes, a 2-D picture of them, what they contain, Gaussian mixtures.",
    "seq2seq": "Arithmetic as sequences of text or pictures: train, evaluate, solve, sweep.",
    "evaluate": "Score a model: FID, KID, precision, recall, copying, likelihood, each beside its floor.",
    "compare": "Put models side by side in one table and one picture; --train trains them first.",
    "report": "Write the report.html of a run: curves, pictures, scores and options on one page.",
    "doctor": "Check the installation, and say how to repair it.",
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


app = lazy_group(COMMANDS, load, callback=root, completion=True)


class Terminated(BaseException):
    """SIGTERM has come. An exception, so that temporary files are removed on the way out."""


@contextlib.contextmanager
def _terminable() -> Iterator[None]:
    """SIGTERM raises Terminated in the block. A training has a handler of its own, and saves its state."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(number: int, frame: object) -> None:
        raise Terminated

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit with its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # names that this terminal cannot show
    sys.exit(run(sys.argv[1:] if arguments is None else arguments))


def run(arguments: list[str]) -> int:
    """Run the command line and return its exit code. A user's mistake is one line on stderr, never a traceback."""
    try:
        with _terminable():
            code = typer.main.get_command(app)(arguments, prog_name="gentool", standalone_mode=False)
    except GentoolError as error:
        return _fail(str(error), error.exit_code)
    except typer.TyperException as error:
        return _usage(error, arguments)
    except (typer.Abort, KeyboardInterrupt):
        return 130
    except Terminated:
        return 128 + signal.SIGTERM
    except OSError as error:
        if not isinstance(error, BrokenPipeError):
            where = f"{error.filename}: " if error.filename else ""
            return _fail(f"{where}{error.strerror or error}", 1)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader of the pipe has left
        return 1
    return code if isinstance(code, int) else 0


def _usage(error: typer.TyperException, arguments: list[str]) -> int:
    if type(error).__name__ == "NoArgsIsHelpError":
        print(error.format_message())
        return error.exit_code
    message = " ".join(error.format_message().split()).replace("Value error, ", "")
    if message.startswith("No such command") and "train" in arguments[:1] and len(arguments) > 1:
        message = message.replace("No such command", "no such model")
    if message.startswith("No such command") and arguments[:2] in (["seq2seq", "train"], ["seq2seq", "sweep"]):
        message = message.replace("No such command", "no such task")
    return _fail(message[:1].lower() + message[1:], error.exit_code)


def _fail(message: str, code: int) -> int:
    if sys.stderr is not None:  # it may have been closed
        with contextlib.suppress(OSError):
            print(f"gentool: {message}", file=sys.stderr)
    return code
