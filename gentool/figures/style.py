"""What every plot shares: its colours, markers and sizes, and how it is written, with its numbers beside it."""

import io
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal, get_args

from gentool.files import replacing
from gentool.options import Validated, option
from gentool.tables import Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = (
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000", "#999999", "#882255", "#999933",
)  # fmt: skip
"""Those of Okabe and Ito (2008), which colour-blind readers can tell apart; grey, and wine and olive for yellow."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "*", "p", "h", "d")
FigureFormat = Literal["png", "pdf", "svg"]
SUFFIXES = get_args(FigureFormat)
FONT_SIZE, SMALL = 9, 8
"""Points. A figure that is printed half as wide has letters of half the size."""


@dataclass(frozen=True, kw_only=True)
class FigureOptions(Validated):
    """How plots are written. Grids of images are always PNG."""

    panel: ClassVar[str] = "Figures"

    format: FigureFormat = option("png", "File format of the plots; pdf and svg are vector graphics.")
    dpi: int = option(150, "Pixels per inch of PNG plots, and of scatter points in PDF and SVG.", min=50, max=1200)
    no_titles: bool = option(False, "Leave out titles, for pages that have captions.")


@dataclass(frozen=True)
class Plot:
    """A figure, and the numbers in it where no other file has them."""

    figure: "Figure"
    numbers: Table | None = None

    def save(self, path: Path | str, options: FigureOptions | None = None) -> Path:
        """Write `path`.png, .pdf or .svg and, beside it, the numbers as .csv; returns the path of the figure.

        Raises GentoolError when a file cannot be written.
        """
        options, path = options or FigureOptions(), Path(path)
        target = path.with_name(f"{path.name}.{options.format}")
        if self.numbers is not None:
            self.numbers.to_csv(path.with_name(f"{path.name}.csv"))
        for axes in self.figure.axes if options.no_titles else ():
            axes.set_title("")
        # Without dates and random names, so that the same plot is the same file.
        dates = {"png": {}, "pdf": {"CreationDate": None}, "svg": {"Date": None}}[options.format]
        import matplotlib

        drawn = io.BytesIO()  # matplotlib hides what a failed write has raised by an error of its own
        with matplotlib.rc_context({"svg.hashsalt": "gentool", "pdf.fonttype": 42}), warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Glyph .* missing from font")  # emoji in the names of classes
            self.figure.savefig(drawn, format=options.format, dpi=options.dpi, metadata=dates)
        with replacing(target) as temporary:
            temporary.write_bytes(drawn.getvalue())
        return target


def new_figure(width: float, height: float, *, layout: Literal["constrained"] | None = "constrained") -> "Figure":
    """An empty figure of a size in inches, without the global state of pyplot."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout=layout)
    FigureCanvasAgg(figure)
    return figure


def new_axes(width: float, height: float, *, x: str = "", y: str = "", title: str | None = None) -> "Axes":
    """One pair of axes in a figure of a size in inches, with their labels and a title."""
    axes = new_figure(width, height).add_subplot()
    dress(axes, x=x, y=y)
    axes.set_title(title or "", fontsize=FONT_SIZE)
    return axes


def dress(axes: "Axes", *, x: str, y: str) -> None:
    """Label a pair of axes, and set the size of their letters."""
    axes.set_xlabel(x, fontsize=FONT_SIZE)
    axes.set_ylabel(y, fontsize=FONT_SIZE)
    axes.tick_params(labelsize=SMALL)


def legend_beside(axes: "Axes", *, columns: int = 1) -> None:
    """A legend at the right of the axes, where it hides nothing."""
    axes.legend(
        fontsize=SMALL, frameon=False, ncols=columns, loc="upper left", bbox_to_anchor=(1.0, 1.0), borderaxespad=0.3,
        handletextpad=0.5,
    )  # fmt: skip


def figure_of(axes: "Axes") -> "Figure":
    """The figure of a pair of axes."""
    from matplotlib.figure import Figure

    figure = axes.get_figure(root=True)
    assert isinstance(figure, Figure)
    return figure
