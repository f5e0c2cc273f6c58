"""A trained network from its checkpoint, and the data that it was trained and is tested on."""

from dataclasses import dataclass, replace
from pathlib import Path

import torch

from gentool.data.target import is_prepared
from gentool.engine import checkpoint
from gentool.engine.checkpoint import Header
from gentool.engine.device import choose_device
from gentool.engine.folder import MODEL
from gentool.errors import CheckpointError, OptionError
from gentool.seq2seq.handwriting import Pictures, load_pictures
from gentool.seq2seq.model import Seq2Seq, build
from gentool.seq2seq.options import TASKS, Options, PictureOptions
from gentool.seq2seq.queries import Arithmetic, arithmetic


@dataclass(frozen=True)
class Trained:
    """`network` is in eval mode on `device`; `path` is the checkpoint's file."""

    network: Seq2Seq
    options: Options
    header: Header
    path: Path
    device: torch.device

    def pictures(self) -> Pictures | None:
        """The handwriting of the training, and that of the tests. Raises DataError when it is no longer to be had."""
        options = self.options
        if isinstance(options, PictureOptions) and is_prepared(Path(self.header.folder)):
            options = replace(options, digits=self.header.folder, source=None)
        return load_pictures(options)

    def data(self) -> Arithmetic:
        """The queries of the training and of the test. Raises CheckpointError where they are not those of then."""
        data = arithmetic(self.options, self.pictures())
        if data.fingerprint != self.header.fingerprint:
            raise CheckpointError(f"{self.path}: its queries or pictures are no longer those that it was trained on")
        return data


def load_seq2seq(path: Path, device: str = "auto") -> Trained:
    """The network in a checkpoint, named as a file or as its run folder.

    Raises CheckpointError when the file is missing, damaged, or of another model.
    """
    if path.is_dir():
        path = path / MODEL
        if not path.is_file():
            raise CheckpointError(
                f"{path.parent}: has no {MODEL} (yet); is it a run folder whose first epoch has ended?"
            )
    header, content = checkpoint.load(path, "model")
    if header.model not in TASKS:
        raise CheckpointError(f"{path}: holds a {header.model}, no model of `gentool seq2seq`")
    try:
        options = TASKS[header.model].from_json(header.options)
        network = build(options)
        network.load_state_dict(content["weights"])
    except OptionError as error:
        raise CheckpointError(f"{path}: its options are not this gentool's: {error}") from error
    except (RuntimeError, KeyError, AttributeError) as error:
        raise CheckpointError(f"{path}: its weights do not fit its options; made by hand, or damaged") from error
    place = choose_device(device)
    return Trained(network.to(place).eval(), options, header, path, place)
