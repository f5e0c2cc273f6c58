"""The 8x8 digits of scikit-learn's `load_digits`: Alpaydin and Kaynak, 1998 (UCI, doi:10.24432/C50P49)."""

import numpy as np

from gentool.data.detect import read_path
from gentool.data.fetch import Downloads
from gentool.data.prepare import PrepareOptions
from gentool.data.raw import Raw, from_arrays


def read(name: str, options: PrepareOptions, downloads: Downloads) -> Raw:
    """The 1,797 digits, their 17 grey levels spread over 0..255; with `--source`, the images found there."""
    if options.source is not None:
        return read_path(options.source, options)
    from sklearn.datasets import load_digits

    bunch = load_digits()
    images = np.rint(bunch.images * (255 / 16)).astype(np.uint8)[..., None]
    return from_arrays(
        "digits of scikit-learn", images, bunch.target.astype(np.int64), classes=[str(i) for i in range(10)]
    )
