"""Folders of results: whose they are, which weights they came from, and which of their files are replaced."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gentool.files import is_temporary, write_json, write_text
from gentool.reading import read_json

UNFINISHED = ".unfinished"


@dataclass(frozen=True)
class Results:
    """A kind of folder with results.

    Its `record` is a JSON file: the field `proof` shows that gentool wrote it, `weights` is a digest of the model.
    `files` is a pattern of the names of the other files. A file `.unfinished` is there until all are.
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

    def is_free(self, folder: Path) -> bool:
        """Whether a folder is not there, is empty, or holds only what a command left that was cut short."""
        if not folder.is_dir():
            return not folder.exists()
        return (folder / UNFINISHED).exists() or all(is_temporary(path.name) for path in folder.iterdir())

    def replaceable(self, folder: Path) -> bool:
        """Whether nothing is there, or an empty folder, or results of this kind."""
        return self.is_free(folder) or bool(self.read(folder))

    @contextmanager
    def writing(self, folder: Path, record: Mapping[str, Any]) -> Iterator[None]:
        """Write the files of the results in the block. Earlier results are removed; files of others stay."""
        is_ours = self._is_ours(folder)
        write_text(folder / UNFINISHED, "This command was interrupted. Run it again: it replaces its files.\n")
        if is_ours:
            self.remove(folder)
        write_json(folder / self.record, record)
        yield
        (folder / UNFINISHED).unlink()  # nothing can fail after this, and it needs no room on the disk

    def remove(self, folder: Path, *, with_record: bool = False) -> None:
        """Remove earlier results; with their record also the folder, if nothing else is there."""
        if not self._is_ours(folder):
            return
        for path in list(folder.iterdir()):
            if re.fullmatch(self.files, path.name) and (path.is_symlink() or path.is_file()):
                path.unlink()
        if with_record:
            (folder / self.record).unlink(missing_ok=True)
            (folder / UNFINISHED).unlink(missing_ok=True)
            if not any(folder.iterdir()):
                folder.rmdir()

    def _is_ours(self, folder: Path) -> bool:
        return bool(self.read(folder)) or (folder / UNFINISHED).exists()
