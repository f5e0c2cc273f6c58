"""The page as one file."""

import json
from pathlib import Path
from typing import Any

from gentool.data.images import ImageData
from gentool.data.load import Source
from gentool.explorer.content import explorer_content
from gentool.files import write_text
from gentool.latent.images import load_for
from gentool.latent.loading import as_model
from gentool.latent.model import Model
from gentool.progress import SILENT, Reporter

HERE = Path(__file__).parent


def explore(
    model: Model | Path | str,
    path: Path | str,
    data: Source | None = None,
    *,
    seed: int = 0,
    reporter: Reporter = SILENT,
) -> Path:
    """Write a page to play with a model, which works without a server and without a network. Returns its path.

    Args:
        model: A model, or the path of one.
        path: The .html file to write. It is replaced if it exists.
        data: The images on the map; those of the training by default. A model without an encoder has none.
        seed: The seed of the samples, and of the choice of images.

    Raises OptionError for a network that a page cannot compute, and for data that a model cannot encode.
    """
    model, path = as_model(model), Path(path).expanduser()
    if data is not None:
        model.require("encodes", "show images on a map")
    images = load_for(model.header, data, reporter=reporter) if model.encodes else None
    return write_page(model, path, images, seed, reporter=reporter)


def write_page(model: Model, path: Path, data: ImageData | None, seed: int, *, reporter: Reporter = SILENT) -> Path:
    """The same for images in the model's shape."""
    content = explorer_content(model, data, seed, with_network=True, reporter=reporter)
    write_text(path, page_with(content))
    return path


def page_with(content: dict[str, Any]) -> str:
    """The page with its content and its scripts."""
    # "<" cannot end the script that holds the content.
    data = json.dumps(content, ensure_ascii=False, allow_nan=False).replace("<", "\\u003c")
    page = (HERE / "page.html").read_text(encoding="utf-8")
    page = page.replace(">NETWORK<", f">{(HERE / 'network.js').read_text(encoding='utf-8')}<", 1)
    return page.replace(">CONTENT<", f">{data}<", 1)
