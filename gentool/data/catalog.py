"""The table of named data sets. A new one is one file in `sources/` and one line here."""

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from gentool.errors import OptionError
from gentool.options import flag

if TYPE_CHECKING:
    from gentool.data.fetch import Downloads
    from gentool.data.prepare import PrepareOptions
    from gentool.data.raw import Raw

OF_FILES = ("tile", "gap", "layout", "labels", "label_columns")
"""Options that say how to understand files, which is known of most named sets."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One named data set.

    `module` in `gentool.data.sources` has `read(name, options, downloads) -> Raw`, called with every open option
    filled from `defaults`; `downloads` fetches files into a folder and finds them again. `origin`: built in (comes
    with an installed package), generated, fetched, or given (only from `--source`). `photographic`: photographs or
    paintings, which training may mirror and crop at random. `takes` are those of `OF_FILES`, `label` and `count` that
    have an effect; generated sets without a source always take `count`.
    """

    name: str
    description: str
    count: int | None
    size: str
    channels: int
    labels: str
    licence: str
    module: str
    origin: Literal["built in", "generated", "fetched", "given"]
    defaults: Mapping[str, Any] = field(default_factory=dict)
    takes: tuple[str, ...] = ()
    photographic: bool = False

    def check(self, options: "PrepareOptions") -> None:
        """Raises OptionError for options that have no effect on this set."""
        generated = self.origin == "generated" and options.source is None
        if options.count is not None and not generated and "count" not in self.takes:
            raise OptionError(f"--count: the number of images is fixed in {self.name}; only generated sets take it")
        if options.label is not None and options.source is not None:
            raise OptionError("--label: has no effect with --source")
        if self.origin == "given" or (options.source is not None and self.origin != "fetched"):
            return  # any files, understood as a path is
        for name in (*OF_FILES, "label"):
            if name in options.changed() and name not in self.takes:
                raise OptionError(f"{flag(name)}: has no effect on the named data set {self.name}")

    def read(self, options: "PrepareOptions", downloads: "Downloads") -> "Raw":
        """What the source holds. Raises DataError when it is not there."""
        module = importlib.import_module(f"gentool.data.sources.{self.module}")
        read: Callable[[str, PrepareOptions, Downloads], Raw] = module.read
        return read(self.name, options, downloads)


_ENTRIES = (
    Entry(
        name="digits",
        description="handwritten digits, small; comes with scikit-learn, no download",
        count=1797,
        size="8x8",
        channels=1,
        labels="10 digits",
        licence="UCI ML repository (Alpaydin, Kaynak 1998), CC BY 4.0",
        module="digits",
        origin="built in",
    ),
    Entry(
        name="faces",
        description="pixel-art faces with 17 known attributes; 16x16, 24x24 and multiples, any count",
        count=10_000,
        size="16x16",
        channels=3,
        labels="8 hair colours",
        licence="CC0 1.0 (DiceBear, Pixel Art)",
        module="faces",
        origin="generated",
        takes=("label",),
    ),
    Entry(
        name="shapes",
        description="drawn shapes with known shape, hue, position, scale and rotation; any size, any count",
        count=10_000,
        size="64x64",
        channels=3,
        labels="5 shapes",
        licence="generated, free",
        module="shapes",
        origin="generated",
    ),
    Entry(
        name="mnist",
        description="handwritten digits",
        count=70_000,
        size="28x28",
        channels=1,
        labels="10 digits",
        licence="CC BY-SA 3.0 (LeCun, Cortes)",
        module="torchvision_sets",
        origin="fetched",
    ),
    Entry(
        name="fashion-mnist",
        description="clothes in the format of MNIST",
        count=70_000,
        size="28x28",
        channels=1,
        labels="10 clothes",
        licence="MIT (Zalando)",
        module="torchvision_sets",
        origin="fetched",
    ),
    Entry(
        name="kmnist",
        description="cursive Japanese characters in the format of MNIST",
        count=70_000,
        size="28x28",
        channels=1,
        labels="10 characters",
        licence="CC BY-SA 4.0 (ROIS-DS CODH)",
        module="torchvision_sets",
        origin="fetched",
    ),
    Entry(
        name="stacked-mnist",
        description="three digits of MNIST as the channels of an image: 1,000 modes to count; any count",
        count=150_000,
        size="28x28",
        channels=3,
        labels="",
        licence="CC BY-SA 3.0 (LeCun, Cortes)",
        module="stacked_mnist",
        origin="fetched",
        takes=("count",),
    ),
    Entry(
        name="cifar10",
        description="small photographs of objects and animals",
        count=60_000,
        size="32x32",
        channels=3,
        labels="10 things",
        licence="none stated (Krizhevsky 2009)",
        module="torchvision_sets",
        origin="fetched",
        photographic=True,
    ),
    Entry(
        name="svhn",
        description="house numbers from street photographs, cropped to digits",
        count=99_289,
        size="32x32",
        channels=3,
        labels="10 digits",
        licence="non-commercial use only (Netzer et al. 2011)",
        module="torchvision_sets",
        origin="fetched",
    ),
    Entry(
        name="cryptopunks",
        description="pixel-art portraits by Larva Labs",
        count=10_000,
        size="24x24",
        channels=3,
        labels="",
        licence="no licence for the images: do not redistribute",
        module="cryptopunks",
        origin="fetched",
        defaults={"tile": "24", "background": "#638596"},
        takes=("tile", "gap"),
    ),
    Entry(
        name="cats",
        description="cat faces; --source",
        count=15_747,
        size="64x64",
        channels=3,
        labels="",
        licence="none stated (Kaggle)",
        module="given",
        origin="given",
        photographic=True,
    ),
    Entry(
        name="rijksmuseum",
        description="painted portraits; --source",
        count=None,
        size="any",
        channels=3,
        labels="",
        licence="public domain for most (Rijksmuseum)",
        module="given",
        origin="given",
        photographic=True,
    ),
)

CATALOG: dict[str, Entry] = {entry.name: entry for entry in _ENTRIES}
