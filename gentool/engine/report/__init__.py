"""report.html: a run, or several side by side, on one page that needs only a browser.

The page is page.html beside this file. `content.py` collects what it shows from the files of a run's folder,
`scores.py` what evaluations found, and `pictures.py` the pictures.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gentool.engine.folder import OPTIONS, REPORT
from gentool.engine.report.content import comparison_content, run_content
from gentool.errors import CheckpointError
from gentool.files import write_text

PAGE = Path(__file__).parent / "page.html"


def write_report(folder: Path, path: Path | None = None) -> Path:
    """Write the report of a run, by default into its folder, and return its path.

    Raises CheckpointError for another folder or damaged files.
    """
    check_folder(folder)
    return _write(path or folder / REPORT, run_content(folder))


def write_comparison(folders: Sequence[Path], path: Path) -> Path:
    """Write a page with several runs side by side. Raises CheckpointError for another folder or damaged files."""
    for folder in folders:
        check_folder(folder)
    return _write(path, comparison_content(folders))


def check_folder(folder: Path) -> None:
    """Raises CheckpointError for what is not the folder of a run."""
    if not (folder / OPTIONS).is_file():
        raise CheckpointError(f"{folder}: not the folder of a run: there is no {folder / OPTIONS}")


def _write(path: Path, content: dict[str, Any]) -> Path:
    # "<" cannot end the script that holds the content.
    data = json.dumps(content, ensure_ascii=False, allow_nan=False).replace("<", "\\u003c")
    write_text(path, PAGE.read_text(encoding="utf-8").replace(">CONTENT<", f">{data}<", 1))
    return path
