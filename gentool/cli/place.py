"""Where a command writes, and the options that say so."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from gentool.errors import OptionError
from gentool.options import Validated, option


@dataclass(frozen=True, kw_only=True)
class PlaceOptions(Validated):
    """Where to write."""

    panel: ClassVar[str] = "Output"

    out: Path | None = option(None, "The file or folder to write. (default: beside the checkpoint)", metavar="PATH")
    overwrite: bool = option(False, "Replace what is there.")

    def file(self, default: Path) -> Path:
        """The file to write. Raises OptionError when --out names one that exists and --overwrite is not given."""
        if self.out is not None and self.out.exists() and not self.overwrite:
            raise OptionError(f"--out {self.out}: exists; give --overwrite to replace it")
        return self.out or default


def run_place(default: str) -> type[PlaceOptions]:
    """The options that say where a run's folder is."""

    @dataclass(frozen=True, kw_only=True)
    class RunPlace(PlaceOptions):
        panel: ClassVar[str] = "Output"

        out: Path | None = option(None, f"The run's folder. (default: {default})", metavar="PATH")
        overwrite: bool = option(False, "Start again, replacing the run that is there.")

    return RunPlace
