"""`gentool seq2seq`: arithmetic as sequences."""

import importlib

import typer

from gentool.cli.examples import examples_of
from gentool.cli.lazy import lazy_group

COMMANDS = {
    "train": "Train on text or pictures of queries. Run the same command again to resume.",
    "evaluate": "Score a trained network on the held-out queries: tables and figures.",
    "solve": "Answer queries, given as text or as pictures.",
    "sweep": "Train every combination of option values: one table, one plot.",
}


def seq2seq() -> None:
    """Arithmetic as sequences: text or pictures of `81+24` in, text or pictures of `105` out."""


def load(name: str) -> typer.Typer:
    """The app of a command."""
    module = importlib.import_module(f"gentool.cli.commands.seq2seq.{name}")
    app: typer.Typer = module.app
    return app


app = lazy_group(COMMANDS, load, callback=seq2seq, examples=examples_of("gentool seq2seq"))
