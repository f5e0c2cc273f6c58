"""The best model of a run so far, for --keep best: in the saved state, and in model-best.pt."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from gentool.engine import checkpoint
from gentool.engine.checkpoint import Header
from gentool.engine.folder import BEST
from gentool.metrics.glossary import meaning


class Best:
    """The content of model-best.pt, with its score; None before an epoch is scored."""

    def __init__(self) -> None:
        self.content: dict[str, Any] | None = None
        self.written = -1  # the update of the one that is in the file

    def offer(self, column: str, score: float, content: Callable[[], dict[str, Any]]) -> None:
        """Keep the content of an epoch if its score, in this column of metrics.csv, is the best so far."""
        higher = meaning(column).better == "higher"
        before = None if self.content is None else self.content["score"]
        if before is None or (score > before if higher else score < before):
            self.content = {**content(), "score": score}

    def save(self, folder: Path, header: Header) -> None:
        """Write model-best.pt where it is another one than this process has written."""
        if self.content is not None and self.content["step"] != self.written:
            checkpoint.save(folder / BEST, "model", header, self.content)
            self.written = self.content["step"]
