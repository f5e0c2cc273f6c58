"""`gentool seq2seq`: arithmetic as sequences."""

import importlib

import typer

from gentool.cli.lazy import lazy_group

COMMANDS = {
    "train": "Train on text or pictures of queries; the same command again resumes.",
    "evaluate": "Score a trained model on the held-out queries: tables and figures.",
    "solve": "Answer queries, given as text or as pictures.",
    "sweep": "Train every combination of option values; one table, one plot.",
}


def seq2seq() -> None:
    """Arithmetic as sequences: text or pictures of `81+24` in, text or pictures of `105` out."""


def load(name: str) -> typer.Typer:
    """The command's own app."""
    module = importlib.import_module(f"gentool.cli.seq2seq_{name}")
    app: typer.Typer = module.app
    return app


app = lazy_group(COMMANDS, load, callback=seq2seq)
