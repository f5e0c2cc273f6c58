"""What a model scored: a table beside its floor, facts, more tables and pictures, and how they are written."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gentool.evaluation.held_out import HELD_OUT
from gentool.evaluation.options import NETWORKS, name_in_scores
from gentool.evaluation.summary import NO_SCORES, SAMPLES, summary_lines
from gentool.figures.grids import grid, labelled_rows, save_png
from gentool.figures.histograms import outlines
from gentool.figures.style import FigureOptions
from gentool.results import Results
from gentool.tables import Table

LARGE = "disentanglement"
"""The table that is not also in evaluation.json: it has a row for every factor and dimension."""
SCORED = "|".join(map(name_in_scores, NETWORKS))
EVALUATION = Results(
    "evaluation.json",
    "rows",
    rf"(evaluation|agreement|dimensions|factors|disentanglement|attributes|faces)\.csv|samples\.png|"
    rf"nearest_({SCORED})\.png|distances_({SCORED})\.(png|pdf|svg|csv)",
)


@dataclass(frozen=True)
class Neighbours:
    """How near samples lie to the training images in the features of one network.

    `samples` and `train` are uint8 pairs (P, C, H, W), nearest first; `distances` (N,) are those of all samples and
    `held_out` (R,) those of the test images.
    """

    samples: Tensor
    train: Tensor
    distances: Tensor
    held_out: Tensor


@dataclass(frozen=True, repr=False, eq=False)
class Evaluation:
    """What a model scored.

    Attributes:
        table: A row for the samples, for the ends of their intervals, for the floor, and for the held-out images.
        facts: The model, the data, the options, and the feature networks with their hashes.
        tables: More tables: `agreement` per class, `dimensions` of a VAE, `factors` and `disentanglement` of a model
            that encodes data with known factors, `attributes` and `faces` of the set faces.
        samples: The first samples, uint8 (25, C, H, W).
        neighbours: The nearest training images, by feature network.
        notes: What to know before you compare the scores.
    """

    table: Table
    facts: dict[str, Any]
    tables: dict[str, Table] = field(default_factory=dict)
    samples: Tensor = field(default_factory=lambda: torch.empty(0))
    neighbours: dict[str, Neighbours] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def scores(self) -> dict[str, float]:
        """The scores by name: of the samples of the first seed, and of the reconstructions."""
        rows = {row["what"]: row for row in reversed(self.table.rows)}
        both = rows[SAMPLES] | rows.get(HELD_OUT, {})
        return {name: value for name, value in both.items() if name not in NO_SCORES}

    @property
    def verdicts(self) -> list[str]:
        """What the scores say of the model, a line each: whether it is memorising, copying or collapsed, which classes
        are missing, and which distances are below the floor."""
        return list(self.facts["verdicts"])

    @property
    def memorising(self) -> bool:
        """Whether the samples are nearer to the training images than chance explains."""
        return bool(self.facts["memorising"])

    @property
    def copying(self) -> bool:
        """Whether more samples equal a training image, or its mirror image, than chance explains."""
        return bool(self.facts["copying"])

    def __str__(self) -> str:
        return "\n".join(summary_lines(self.table.rows))

    def __repr__(self) -> str:
        return "\n".join(
            [f"<evaluation of a {self.facts['model']} on {self.facts['data']}>", str(self), *self.verdicts, *self.notes]
        )

    def _repr_markdown_(self) -> str:
        return "\n".join([self.table.to_markdown(), *self.verdicts, *self.notes])

    def save(self, folder: Path | str, figures: FigureOptions | None = None) -> Path:
        """Write evaluation.csv and .json, the other tables and the figures into a folder, which is returned."""
        folder = Path(folder).expanduser()
        rows = {f"{name}.csv": table.rows for name, table in self.tables.items() if name != LARGE}
        with EVALUATION.writing(folder, self.facts | {"rows": self.table.rows} | rows):
            self._save_into(folder, figures)
        return folder

    def _save_into(self, folder: Path, figures: FigureOptions | None) -> None:
        self.table.to_csv(folder / "evaluation.csv")
        for name, table in self.tables.items():
            table.to_csv(folder / f"{name}.csv")
        save_png(grid(self.samples), folder / "samples.png")
        for name, near in self.neighbours.items():
            pairs = labelled_rows(torch.cat([near.samples, near.train]), ["sample", "training image"])
            save_png(pairs, folder / f"nearest_{name}.png")
            outlines(
                {"samples": near.distances.numpy(), "held-out real images": near.held_out.numpy()},
                x=f"distance to the nearest training image, {name} features",
            ).save(folder / f"distances_{name}", figures)
