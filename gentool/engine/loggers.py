"""--log: the metrics and pictures of a run in TensorBoard or Weights & Biases; neither needs an account.

When a run is resumed, its log is written again from metrics.csv and the pictures, so it is always complete.
"""

import os
import shutil
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from gentool.errors import OptionError
from gentool.pictures import open_picture


class Logger(Protocol):
    """One log of one run."""

    def row(self, row: Mapping[str, float]) -> None:
        """The numbers of an epoch."""

    def picture(self, name: str, epoch: int, path: Path) -> None:
        """A picture of an epoch."""

    def close(self) -> None:
        """Write what is left, and close the log."""


def check_logger(kind: str) -> None:
    """Raises OptionError where the package that a log needs is missing."""
    if kind != "none" and find_spec(kind) is None:
        raise OptionError(f"--log {kind}: needs another package: pip install {kind}")


def open_logger(kind: str, folder: Path, options: Mapping[str, Any], rows: Sequence[Mapping[str, float]],
                pictures: Sequence[str]) -> Logger | None:  # fmt: skip
    """The log of a run that has some rows and, in folders of these names, pictures already; None for `none`."""
    if kind == "none":
        return None
    logger: Logger = TensorBoard(folder) if kind == "tensorboard" else WeightsAndBiases(folder, options)
    for row in rows:
        logger.row(row)
    last = rows[-1]["epoch"] if rows else 0
    for name in pictures:
        for path in sorted((folder / name).glob("epoch-*.png")):
            epoch = int(path.stem.removeprefix("epoch-"))
            if epoch <= last:
                logger.picture(name, epoch, path)
    return logger


class TensorBoard:
    """RUN/tensorboard, for `tensorboard --logdir`."""

    def __init__(self, folder: Path) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self.writer = SummaryWriter(str(_emptied(folder / "tensorboard")))

    def row(self, row: Mapping[str, float]) -> None:
        for name, value in row.items():
            if name != "epoch":
                self.writer.add_scalar(name, value, int(row["epoch"]))

    def picture(self, name: str, epoch: int, path: Path) -> None:
        with open_picture(path, ("PNG",)) as image:
            self.writer.add_image(name, np.asarray(image.convert("RGB")), epoch, dataformats="HWC")

    def close(self) -> None:
        self.writer.close()


class WeightsAndBiases:
    """RUN/wandb, kept on this machine for `wandb sync`; WANDB_MODE=online sends it at once."""

    def __init__(self, folder: Path, options: Mapping[str, Any]) -> None:
        import wandb

        _emptied(folder / "wandb")
        quiet = wandb.Settings(silent=True)
        self.run = wandb.init(
            project="gentool",
            name=folder.name,
            dir=str(folder),
            config=dict(options),
            settings=quiet,
            mode=os.environ.get("WANDB_MODE", "offline"),
        )
        self.run.define_metric("*", step_metric="epoch")

    def row(self, row: Mapping[str, float]) -> None:
        self.run.log(dict(row))

    def picture(self, name: str, epoch: int, path: Path) -> None:
        import wandb

        self.run.log({name: wandb.Image(str(path)), "epoch": epoch})

    def close(self) -> None:
        self.run.finish()


def _emptied(folder: Path) -> Path:
    if folder.exists():
        shutil.rmtree(folder)
    return folder
