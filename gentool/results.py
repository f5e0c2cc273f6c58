"""Folders of results: whose they are, which weights they came from, and which of their files are replaced."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gentool.files import write_json
from gentool.reading import read_json


@dataclass(frozen=True)
class Results:
    """A kind of folder with results.

    Its `record` is a JSON file, written first: the field `proof` shows that gentool wrote it, `weights` is a digest of
    the model. `files` is a pattern of the names of all other files.
    """

    record: str
    proof: str
    files: str

    def read(self, folder: Path) -> dict[str, Any]:
        """The record of a folder; empty where it has none."""
        try:
            record: dict[str, Any] = read_json(folder / self.record, {self.proof: Any})
        except (OSError, ValueError):
            return {}
        return record

    def replaceable(self, folder: Path) -> bool:
        """Whether nothing is there, or an empty folder, or results of this kind."""
        return not folder.exists() or (folder.is_dir() and (not any(folder.iterdir()) or bool(self.read(folder))))

    def begin(self, folder: Path, record: Mapping[str, Any]) -> None:
        """Write the record, and remove earlier results. Files of others stay."""
        self.remove(folder)
        write_json(folder / self.record, record)

    def remove(self, folder: Path, *, with_record: bool = False) -> None:
        """Remove earlier results; with their record also the folder, if nothing else is there."""
        if not self.read(folder):
            return
        for path in list(folder.iterdir()):
            if re.fullmatch(self.files, path.name) and (path.is_symlink() or path.is_file()):
                path.unlink()
        if with_record:
            (folder / self.record).unlink()
            if not any(folder.iterdir()):
                folder.rmdir()
