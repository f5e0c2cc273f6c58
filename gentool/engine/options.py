"""The options of every training."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from gentool.engine.budget import parse_seconds, seconds_as_text
from gentool.engine.data import TrainingData
from gentool.engine.device import DeviceOptions
from gentool.engine.plan import MOST_EPOCHS, Plan, Schedule
from gentool.errors import OptionError
from gentool.options import option


def run_name(path: Path) -> str:
    """The name of a run's folder, or of a checkpoint with that of its folder."""
    return "/".join(path.parts[-2:] if path.suffix else path.parts[-1:])


@dataclass(frozen=True, kw_only=True)
class TrainOptions(DeviceOptions):
    """The options that every training has. A model's own options extend them and may change a default."""

    panel: ClassVar[str] = "Training"
    next_command: ClassVar[str] = "gentool sample {model}"
    """What to try with a trained model."""
    updates: ClassVar[int] = 5_000
    """About how many updates a run makes without --epochs and --steps: small data sets get more epochs."""
    unit: ClassVar[str] = "images"
    """What the training examples are."""

    def __init_subclass__(cls) -> None:
        """What a model adds is a group of its own on its help page."""
        cls.panel = "Model"

    @property
    def default_updates(self) -> int:
        """About how many updates these options make without --epochs and --steps."""
        return self.updates

    def updates_on(self, data: Any) -> int:
        """About how many updates these options make on this data without a length."""
        return self.default_updates

    def for_data(self, data: Any) -> Self:
        """The options with nothing left open that depends on the data."""
        return self

    def given(self, data: TrainingData) -> list[str]:
        """The names of the options that differ from the defaults for this data and the other options."""
        defaults = vars(type(self)())
        differing = [name for name, value in vars(self).items() if value != defaults[name]]
        return [name for name in differing if defaults[name] is not None or not self._chosen(name, data)]

    def _chosen(self, name: str, data: TrainingData) -> bool:
        """Whether gentool chooses the value of this option for the data, where it is left open."""
        nothing: dict[str, Any] = {name: None}
        try:
            left_open = dataclasses.replace(self, **nothing).for_data(data)
        except OptionError:  # other options need it
            return False
        return vars(left_open)[name] == vars(self)[name]

    def resolved(self, data: TrainingData) -> dict[str, Any]:
        """The values in force of options that leave the choice to gentool, for this data."""
        plan = Plan.of(self, len(data.train), updates=self.updates_on(data))
        return {"epochs": plan.total_epochs, "steps": plan.total_steps, "sample_every": plan.pictures_every}

    def to_json(self) -> dict[str, Any]:
        """Plain values, for files: of --init the name, not the place, since checkpoints are passed on."""
        values = super().to_json()
        return values if self.init is None else values | {"init": run_name(self.init)}

    @classmethod
    def differing(cls, values: Mapping[str, Any]) -> list[str]:
        """The names in `values`, of `to_json`, that differ from the defaults, whether given or chosen for the data."""
        defaults = cls().to_json()
        return [name for name, value in values.items() if name not in defaults or defaults[name] != value]

    @classmethod
    def help_values(cls) -> dict[str, Any]:
        """What stands in braces in the help texts."""
        return {"updates": cls.updates, "unit": cls.unit, "most": MOST_EPOCHS}

    epochs: int | None = option(
        None,
        "Passes over the training {unit}. You may raise it when you resume a run.",
        min=1,
        resume="grow",
        not_with={"steps": True},
        default_text="about {updates:,} updates, at most {most:,} epochs",
    )
    steps: int | None = option(
        None,
        "Number of updates, instead of --epochs. You may raise it when you resume a run.",
        min=1,
        resume="grow",
    )
    budget: float | None = option(
        None,
        "Train for about this long, such as 90s, 10m or 2h. Short trials first find how many updates fit.",
        metavar="TIME",
        parse=parse_seconds,
        write=seconds_as_text,
        resume="grow",
        not_with={"epochs": True, "steps": True},
    )
    batch_size: int = option(128, "Examples per update.", min=1)
    lr: float = option(1e-3, "Peak learning rate.", min=1e-8, max=10)
    schedule: Schedule = option(
        "constant",
        "Learning rate over the run: constant; linear or cosine: decay to zero; onecycle or warmup: a rise over the "
        "first 30% or 10%, then cosine decay. When you raise --epochs, the run follows the longer curve.",
    )
    ema: float = option(
        0.0, "Decay of the moving average of the weights that model.pt stores; 0: store the last weights.",
        min=0, max=0.99999,
    )  # fmt: skip
    init: Path | None = option(
        None,
        "Start from the weights of this run or model.pt. Weights that do not fit are listed, and start at random.",
        metavar="RUN",
        default_text="random weights",
    )
    seed: int = option(0, "Random seed.", min=0, max=2**31 - 1)
    amp: Literal["auto", "off", "bf16", "fp16"] = option(
        "auto",
        "Mixed precision; auto: bf16 on GPUs that support it and on CPUs where it is measured to be faster, else off.",
    )
    compile: bool = option(
        False,
        "Compile the training step with torch.compile (forward pass, backward pass and optimizer), with CUDA graphs "
        "on CUDA. This needs a C++ compiler, or Triton on CUDA.",
        resume="free",
    )
    deterministic: bool = option(
        False, "Use deterministic algorithms only. CPU runs are deterministic anyway at a fixed number of threads."
    )
    keep: Literal["last", "best"] = option(
        "last",
        "best: also keep the weights of the epoch with the best score on the validation {unit}, in model-best.pt.",
    )
    sample_every: int | None = option(
        None,
        "Save sample pictures every N epochs, and after the first and the last; 0: never.",
        min=0,
        resume="free",
        metavar="N",
        default_text="every epoch up to 200, every 10th up to 2,000, then every 100th",
    )
    gif: bool = option(
        False,
        "Make an animated GIF of the sample pictures when training ends.",
        resume="free",
        not_with={"sample_every": 0},
    )
    log: Literal["none", "tensorboard", "wandb"] = option(
        "none",
        "Also log to TensorBoard or Weights & Biases, in the run's folder and without an account.",
        resume="free",
    )
    stop_on_collapse: bool = option(
        False, "Stop with exit code 5 when an alarm says that training has collapsed.", resume="free"
    )
