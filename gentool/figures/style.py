"""What every plot shares: how a figure is made, its sizes, and how it is written."""

from pathlib import Path
from typing import TYPE_CHECKING

from gentool.files import replacing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DPI = 110
TITLE_SIZE, LEGEND_SIZE = 10, 9


def new_figure(width: float, height: float) -> "Figure":
    """An empty figure of a size in inches, without the global state of pyplot."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def new_axes(width: float, height: float, *, x: str = "", y: str = "", title: str | None = None) -> "Axes":
    """One pair of axes in a figure of a size in inches, with their labels and a title."""
    axes = new_figure(width, height).add_subplot()
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.set_title(title or "", fontsize=TITLE_SIZE)
    return axes


def write(figure: "Figure", path: Path | str) -> Path:
    """Write a figure as PNG and return its path. Raises GentoolError when the file cannot be written."""
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png")
    return Path(path)


def write_axes(axes: "Axes", path: Path | str) -> Path:
    """Write the figure of a pair of axes as PNG and return its path."""
    from matplotlib.figure import Figure

    figure = axes.get_figure(root=True)
    assert isinstance(figure, Figure)
    return write(figure, path)
