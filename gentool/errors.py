"""The errors a user can meet, each with the exit code of the terminal contract.

Raised where the fact is known: what, where, and the next step to take. Only `gentool.cli` turns them into an exit.
"""

from typing import Any


class GentoolError(Exception):
    """An error that a user can fix; the message is one clear line."""

    exit_code = 1


class OptionError(GentoolError):
    """An option is out of range, contradicts another, or differs from the run it would resume."""

    exit_code = 2


class DataError(GentoolError):
    """A data set is missing, unreadable, or not of the form that a command needs."""

    exit_code = 3


class CheckpointError(GentoolError):
    """A checkpoint is missing, damaged, from another tool or format, or of another model."""

    exit_code = 4


class Diverged(GentoolError):
    """A loss or a weight became NaN or infinite; the last good state is kept."""

    exit_code = 5


class Interrupted(GentoolError):
    """Ctrl-C ended a command. In Python, it is a KeyboardInterrupt."""

    exit_code = 130


class Stopped(GentoolError):
    """The run was asked to stop; its state is saved, and the same command continues from there.

    A run in memory has nowhere to save: `model` is then the model after its last whole epoch, None before the first.
    """

    exit_code = 75
    model: Any = None
    run: Any = None
