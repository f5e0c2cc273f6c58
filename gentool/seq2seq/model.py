"""A trained sequence-to-sequence network: `gentool.seq2seq.load` and `train` return one."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import torch

from gentool.engine import checkpoint, training
from gentool.engine.checkpoint import Header
from gentool.engine.device import choose_device
from gentool.engine.folder import model_path
from gentool.engine.memory import check_network
from gentool.engine.randomness import isolated
from gentool.engine.trained import Trained
from gentool.errors import CheckpointError, OptionError, Stopped
from gentool.latent.images import data_folder
from gentool.progress import SILENT, Reporter
from gentool.seq2seq.handwriting import Pictures, load_pictures
from gentool.seq2seq.network import Seq2Seq, build
from gentool.seq2seq.options import TASKS, Options, PictureOptions, options_class
from gentool.seq2seq.queries import Arithmetic, arithmetic
from gentool.seq2seq.solving import Answer, solve_pictures, solve_texts
from gentool.seq2seq.training import train as training_loop


class Seq2SeqModel(Trained[Seq2Seq]):
    """A trained sequence-to-sequence network in eval mode, with its description.

    Attributes:
        task: text2text, image2text, text2image or image2image.
        options: The options that it was trained with.
        path: The checkpoint's file; None for a model that was never saved.
    """

    def __init__(
        self,
        network: Seq2Seq,
        options: Options,
        header: Header,
        device: torch.device,
        *,
        path: Path | None = None,
        rows: list[dict[str, float]] | None = None,
    ) -> None:
        super().__init__(network, header, device, path=path, rows=rows)
        self.options, self.task = options, options.task

    def __repr__(self) -> str:
        sizes = f"operands up to {self.options.max_operand}, operators {self.options.operators}"
        return f"<{self.task}: {self.parameters:,} parameters, {sizes}>"

    @cached_property
    def pictures(self) -> Pictures | None:
        """The handwriting of the training and of the tests. Raises DataError when it is gone."""
        options = self.options
        folder = data_folder(self.header)
        if isinstance(options, PictureOptions) and folder is not None:
            options = replace(options, digits=str(folder), source=None)
        return load_pictures(options)

    @cached_property
    def data(self) -> Arithmetic:
        """The queries of the training and of the test. Raises CheckpointError where they have changed since."""
        data = arithmetic(self.options, self.pictures)
        if data.fingerprint != self.header.fingerprint:
            raise CheckpointError(f"{self.path}: its queries or pictures are not those that it was trained on")
        return data

    def solve(self, queries: str | Sequence[str], *, seed: int = 0) -> list[Answer]:
        """Answer one query such as `81+24`, or several.

        A model that reads pictures is shown random handwriting of them.

        Raises OptionError for what is no query of the model's task.
        """
        handwriting = self.data.pictures["test"] if self.options.images_in else None
        texts = [queries] if isinstance(queries, str) else queries
        return solve_texts(self.network, self.device, texts, handwriting, seed)

    def solve_pictures(self, paths: Path | str | Sequence[Path | str]) -> list[Answer]:
        """Answer queries in picture files: strips of square symbols, or folders with one picture per symbol.

        Raises OptionError for a model that reads text, DataError for a file that is no query.
        """
        if not self.options.images_in:
            raise OptionError(f"a {self.task} model reads text, not pictures")
        files = [paths] if isinstance(paths, str | Path) else paths
        return solve_pictures(self.network, self.device, [Path(path) for path in files])

    @classmethod
    def load(cls, path: Path | str, *, device: str = "auto") -> Self:
        """The network in a checkpoint, named as a file or as its run folder.

        Raises CheckpointError when the file is missing, damaged, or holds another model.
        """
        file = model_path(Path(path))
        header, content = checkpoint.load(file, "model")
        if header.model not in TASKS:
            raise CheckpointError(f"{file}: holds a {header.model}, which is not a model of `gentool seq2seq`")
        try:
            options = TASKS[header.model].from_json(header.options)
        except OptionError as error:
            raise CheckpointError(f"{file}: its options are not those of this version of gentool: {error}") from error
        with isolated(0):
            network = checkpoint.restored(lambda: build(options), content, file)
        return cls(network, options, header, choose_device(device), path=file)


def load(path: Path | str, *, device: str = "auto") -> Seq2SeqModel:
    """The trained network in a checkpoint, named as a file or as its run folder. Raises CheckpointError."""
    return Seq2SeqModel.load(path, device=device)


def train(
    task: str,
    options: Options | None = None,
    *,
    out: Path | str | None = None,
    overwrite: bool = False,
    reporter: Reporter = SILENT,
    **settings: Any,
) -> Seq2SeqModel:
    """Train a network for a task (text2text, image2text, text2image, image2image) and return it.

    Args:
        options: The task's options; or give their fields as `settings`.
        out: The run's folder. An unfinished run there is resumed, a finished one is loaded. Without it nothing is
            written.
        overwrite: Replace the run in that folder.
        reporter: Receives progress and notices.

    Raises OptionError, DataError, CheckpointError; Stopped when asked to stop; Diverged when the training fails.
    """
    options = options_class(task).resolve(options, settings)
    if options.task != task:
        raise OptionError(f"{task}: these are the options of {options.task}")
    check_network(lambda: build(options))
    data = arithmetic(options, load_pictures(options, reporter=reporter))
    folder = None if out is None else Path(out).expanduser()
    try:
        run = training.train(training_loop, task, options, data, folder=folder, overwrite=overwrite, reporter=reporter)
    except Stopped as stopped:
        run = stopped.run
        if folder is None and isinstance(run.network, Seq2Seq):
            rows = run.journal.rows
            stopped.model = Seq2SeqModel(run.network, options, run.header, run.device, rows=rows)
        raise
    if run.network is None:  # finished before
        assert folder is not None
        return run.world.of_first(lambda: load(folder, device=options.device))
    assert isinstance(run.network, Seq2Seq)
    path = None if run.folder is None else model_path(run.folder)
    return Seq2SeqModel(run.network, options, run.header, run.device, path=path, rows=run.journal.rows)
