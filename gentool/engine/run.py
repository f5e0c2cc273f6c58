"""Run: the toolbox that a training loop calls. It never calls the loop.

It owns the folder, the device, autocast and the gradient scaler, the order of the data, randomness, the table, the
pictures, the checkpoints and the display. Everything random is a function of (seed, purpose, step), so a resumed run
equals an uninterrupted one bit for bit on the CPU at the same thread count.
"""

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import torch
from torch import Tensor, nn

from gentool.engine import checkpoint
from gentool.engine.checkpoint import Header
from gentool.engine.data import Data, Split
from gentool.engine.device import choose_device, finite, prepare_backend
from gentool.engine.environment import environment
from gentool.engine.folder import MODEL, begin, newest_state, resumable, save_state
from gentool.engine.interrupt import StopSignal
from gentool.engine.journal import Journal
from gentool.engine.losses import Losses
from gentool.engine.precision import Precision
from gentool.engine.progress import TrainingProgress
from gentool.engine.randomness import derived_seed, generator, seed_layers
from gentool.engine.report import write_report
from gentool.engine.schedule import factor
from gentool.engine.terminal import Terminal
from gentool.errors import Diverged, Stopped
from gentool.figures.grids import Picture
from gentool.files import write_json
from gentool.options import TrainOptions

SAVE_SECONDS = 15.0
"""Between two saved states there are at least so many seconds, but for the first, the last and a wish to stop."""

Network = TypeVar("Network", bound=nn.Module)


class Run:
    """One training in one folder. Use it as a context: signals are caught while it is entered."""

    def __init__(
        self,
        folder: Path,
        model: str,
        options: TrainOptions,
        data: Data,
        terminal: Terminal,
        *,
        overwrite: bool = False,
    ) -> None:
        self.folder, self.options, self.terminal = folder, options, terminal
        self.journal = Journal(folder, options, terminal)
        self.device = choose_device(options.device)
        self.header = Header(
            model, options.to_json(), data.shape, data.classes, data.name, str(data.folder), data.fingerprint
        )
        self.batch_size = min(options.batch_size, len(data.train))
        self.steps_per_epoch = len(data.train) // self.batch_size
        epochs = options.epochs or max(1, round(options.updates / self.steps_per_epoch))
        self.total_steps = options.steps or epochs * self.steps_per_epoch
        self.total_epochs = -(-self.total_steps // self.steps_per_epoch)
        self.step = 0
        self.seconds = 0.0
        self.losses = Losses(self.device)
        self.validation: dict[str, float] = {}
        self.stop = StopSignal()
        self.data = data
        self.resuming = resumable(folder, self.header, options, overwrite)
        self.state = newest_state(folder, terminal.say) if self.resuming else None
        if self.state is not None:
            self.step, self.seconds = self.state["step"], self.state["seconds"]
        films = not options.gif or any(folder.glob("*.gif"))
        self.result = self.journal.earlier_result() if self.step >= self.total_steps and films else None

    def __enter__(self) -> Self:
        kept = self.state["precision"] if self.state is not None and self.options.amp == "auto" else None
        self.precision = Precision(self.options.amp, self.device, kept)
        prepare_backend(self.device, self.options.deterministic, self.precision.reduced)
        torch.manual_seed(derived_seed(self.options.seed, "weights"))
        self.batches_of = {id(split): split.on(self.device) for split in self.data.splits.values()}
        self.parts: dict[str, Any] = {}
        self.saved_at = float("-inf")
        self.save_due = False
        self.started_at = time.monotonic() - self.seconds
        self.trained = self.trained_seconds = 0.0
        self.stop.__enter__()
        self.progress = TrainingProgress(self.terminal, self.data.unit, self.total_steps, self.step)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.progress.close()
        self.stop.__exit__(kind, error, trace)
        self.journal.close()

    # Networks, optimizers, precision.

    def place(self, network: Network) -> Network:
        """The network on the run's device, channels last; compiled when --compile asks for it."""
        self.precision.suit(network)
        network.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        if self.options.compile:
            network.compile()
        return network

    def adam(
        self,
        network: nn.Module,
        lr: float,
        *,
        betas: tuple[float, float] = (0.9, 0.999),
        weight_decay: float = 0.0,
        apart: Mapping[nn.Module, float] | None = None,
    ) -> torch.optim.Optimizer:
        """Adam, or AdamW with a weight decay of all but vectors, in one fused kernel where the device has it.

        `apart` names parts of the network that do not decay, with their share of the learning rate.
        """
        groups: list[dict[str, Any]] = []
        for part, share in (apart or {}).items():
            groups.append({"params": list(part.parameters()), "lr": lr * share})
        own = {id(weight) for group in groups for weight in group["params"]}
        rest = [weight for weight in network.parameters() if id(weight) not in own]
        vectors = [weight for weight in rest if weight.ndim < 2 and weight_decay]
        groups.append({"params": [weight for weight in rest if weight.ndim > 1 or not weight_decay],
                       "weight_decay": weight_decay})  # fmt: skip
        if vectors:
            groups.append({"params": vectors})
        return torch.optim.AdamW(groups, lr, betas, weight_decay=0.0, fused=self.device.type in ("cpu", "cuda"))

    def autocast(self) -> AbstractContextManager[None]:
        """The precision of --amp for what is computed inside."""
        return self.precision.autocast()

    def descend(self, optimizer: torch.optim.Optimizer, loss: Tensor, *, clip: float = 0.0) -> None:
        """One update: the schedule's learning rate, gradients (scaled in fp16), clipping of their norm, the step."""
        share = factor(self.options.schedule, self.step, self.total_steps)
        for group in optimizer.param_groups:
            group["lr"] = group.setdefault("initial_lr", group["lr"]) * share
        self.precision.descend(optimizer, loss, clip)

    # Randomness.

    def generator(self, purpose: str) -> torch.Generator:
        """A generator for one purpose at this update, on the run's device."""
        return generator(self.options.seed, purpose, self.step, device=self.device)

    def noise(self, purpose: str, *shape: int) -> Tensor:
        """Standard normal numbers for one purpose at this update."""
        return torch.randn(shape, generator=self.generator(purpose), device=self.device)

    def fixed_noise(self, purpose: str, *shape: int) -> Tensor:
        """Standard normal numbers that stay the same through the run and on every device."""
        return torch.randn(shape, generator=generator(self.options.seed, purpose)).to(self.device)

    # The loop.

    def resume(self, **parts: Any) -> None:
        """Name all that changes in training (networks, optimizers, averages); a resumed run gets it back here."""
        self.parts = parts
        begin(self.folder, self.header, self.resuming)
        write_json(self.folder / "environment.json", environment(self.device, self.precision.dtype))
        what = f"{self.header.model} on {self.header.data}, {self.data.described}"
        if self.state is None:
            self.journal.begin(rows=0)
            length = f"{self.total_epochs} epochs of {self.steps_per_epoch} updates"
            self.journal.say(f"{self.folder}: training {what}, {length}, {self.device} {self.precision}")
            return
        state, self.state = self.state, None
        for name, part in parts.items():
            part.load_state_dict(state["parts"][name])
        self.precision.scaler.load_state_dict(state["scaler"])
        self.losses.load_state_dict(state["losses"])
        self.journal.begin(state["rows"])
        where = f"epoch {self.epoch} of {self.total_epochs}, update {self.step % self.steps_per_epoch}"
        if self.step >= self.total_steps:
            where = f"its end, {self.total_epochs} epochs"
        self.journal.say(f"{self.folder}: resuming {what} at {where}, {self.device} {self.precision}")
        if state["total_steps"] != self.total_steps and self.options.schedule != "constant":
            share = factor(self.options.schedule, self.step, self.total_steps)
            self.journal.say(f"the {self.options.schedule} schedule now spans {self.total_epochs} epochs: "
                     f"the learning rate goes on at {share:.0%} of its peak")  # fmt: skip

    @property
    def epoch(self) -> int:
        """The epoch under way, from 1."""
        return self.step // self.steps_per_epoch + 1

    def epochs(self) -> Iterator[int]:
        """The epochs still to do, from 1."""
        while self.step < self.total_steps:
            yield self.epoch

    def batches(self) -> Iterator[tuple[Tensor, Tensor | None]]:
        """The batches of the epoch under way that are still to do: images (b, C, H, W) in [0, 1] and labels.

        Every epoch has an order of its own; the images that do not fill a last batch wait for the next epoch.
        A wish to stop is met here, between two updates: the state is saved and Stopped raised. Raises Diverged when a
        weight is not finite after the last.
        """
        epoch = self.epoch
        images = self.batches_of[id(self.data.train)]
        order = torch.randperm(len(images), generator=generator(self.options.seed, "order", epoch))
        self.trained, began = 0.0, time.monotonic()
        while self.step < min(epoch * self.steps_per_epoch, self.total_steps):
            if self.stop.wanted:
                self._leave()
            seed_layers(derived_seed(self.options.seed, "update", self.step), self.device)
            start = self.step % self.steps_per_epoch * self.batch_size
            yield images.take(order[start : start + self.batch_size])
            self.step += 1
            self.trained += self.batch_size
            self.trained_seconds = time.monotonic() - began
            self.progress.step(self._where(epoch), self.step, self.speed)
        self._check(self.losses.settle())
        if not all(finite(part) for part in self.parts.values() if isinstance(part, nn.Module)):
            self._check(["weights"])
        long_ago = time.monotonic() - self.saved_at >= SAVE_SECONDS
        self.save_due = self.step >= self.total_steps or self.stop.wanted or long_ago

    def record(self, terms: Mapping[str, Tensor]) -> None:
        """Take the losses of this update. Raises Diverged when one is NaN or infinite."""
        self._check(self.losses.add(terms), self.step + 1)

    def record_validation(self, terms: Mapping[str, float]) -> None:
        """Losses of this epoch on the validation images."""
        self.validation = {f"validation_{name}": value for name, value in terms.items()}

    def in_order(self, split: Split) -> Iterator[tuple[Tensor, Tensor | None]]:
        """A split once through, in order, in batches."""
        return self.batches_of[id(split)].in_order(max(self.batch_size, 256))

    def examples(self, count: int) -> Tensor:
        """The first held-out images, (count or fewer, C, H, W) in [0, 1]: from test, else validation, else train."""
        split = next(split for split in reversed(list(self.data.splits.values())) if len(split))
        return self.batches_of[id(split)].take(torch.arange(min(count, len(split))))[0]

    @property
    def speed(self) -> float:
        """Training examples per second in this epoch."""
        return self.trained / max(self.trained_seconds, 1e-9)

    @property
    def pictures_due(self) -> bool:
        """Whether the epoch that just ended is one to show: the first, the last, and each --sample-every-th."""
        epoch, every = self._ended_epoch(), self.options.sample_every
        if every is None:  # few images make short epochs, whose pictures would take longer than they do
            every = 1 if epoch <= 200 else 10 if epoch <= 2000 else 100
        return every > 0 and (epoch == 1 or epoch % every == 0 or self.step >= self.total_steps)

    def save_picture(self, name: str, picture: Picture) -> None:
        """Write NAME/epoch-0001.png."""
        self.journal.picture(name, self._ended_epoch(), picture)

    def save(self, network: nn.Module) -> None:
        """End the epoch: a row of metrics.csv, the display, and now and then the state and `network` as model.pt."""
        epoch, last = self._ended_epoch(), self.step >= self.total_steps
        self.seconds = time.monotonic() - self.started_at
        losses = self.losses.means() | self.validation
        share = factor(self.options.schedule, self.step - 1, self.total_steps)
        row = {"epoch": epoch, "step": self.step, **losses, "lr": self.options.lr * share,
               f"{self.data.unit}_per_second": round(self.speed, 1), "seconds": round(self.seconds, 2)}  # fmt: skip
        raised = self.journal.row(row)
        self.progress.epoch(self._where(epoch), losses, self.speed, last)
        if self.options.stop_on_collapse and any(alarm.collapse for alarm in raised):
            text = next(alarm.text for alarm in raised if alarm.collapse)
            raise Diverged(
                f"{self.folder}: {text}. The state before is kept; without --stop-on-collapse the run goes on"
            )
        self.losses.clear()
        if self.save_due:
            self.saved_at = time.monotonic()
            self._save_state()
            checkpoint.save(self.folder / MODEL, "model", self.header, {"weights": network.state_dict()})
        self.journal.draw(now=last)

    def finish(self, test: Mapping[str, float] | None = None) -> None:
        """End the training: the film, result.json, and the last line with the command to try next."""
        self.progress.close()
        if self.options.gif:
            self.journal.films()
        self.journal.result(test or {})
        write_report(self.folder)
        self.journal.say(f"{self.folder}: done in {self.seconds:,.0f} s. {self._next()}")

    def done_before(self) -> bool:
        """Whether the same command did all of it before, which is said, and told with --json as it was then."""
        if self.result is not None:
            self.terminal.say(f"{self.folder}: finished already, {self.total_epochs} epochs; more --epochs go on, "
                              f"--overwrite starts again. {self._next()}")  # fmt: skip
            self.journal.tell(self.result)
        return self.result is not None

    # Inside.

    def _next(self) -> str:
        return f"Next: {self.options.next_command.format(model=self.header.model)} {self.folder}"

    def _ended_epoch(self) -> int:
        return -(-self.step // self.steps_per_epoch)

    def _where(self, epoch: int) -> str:
        return f"epoch {epoch}/{self.total_epochs}"

    def _check(self, broken: Iterable[str], update: int | None = None) -> None:
        update = self.step if update is None else update
        names = ", ".join(broken)
        if names:
            raise Diverged(
                f"{names} became NaN or infinite in epoch {-(-update // self.steps_per_epoch)}, update {update}; "
                f"the last good state is kept in {self.folder}. Try a lower --lr, or --amp off, with --overwrite"
            )

    def _save_state(self) -> None:
        content = {
            "step": self.step,
            "seconds": time.monotonic() - self.started_at,
            "total_steps": self.total_steps,
            "precision": self.precision.name,
            "rows": len(self.journal.table.rows),
            "scaler": self.precision.scaler.state_dict(),
            "losses": self.losses.state_dict(),
            "parts": {name: part.state_dict() for name, part in self.parts.items()},
        }
        save_state(self.folder, self.step, self.header, content)

    def _leave(self) -> None:
        self._check(self.losses.settle())
        self._save_state()
        self.journal.draw(now=True)
        raise Stopped(
            f"{self.folder}: stopped in epoch {self.epoch} of {self.total_epochs}, update "
            f"{self.step % self.steps_per_epoch}; the same command goes on from here"
        )
