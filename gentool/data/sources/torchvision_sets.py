"""The data sets that torchvision has: MNIST and similar ones, CIFAR-10, SVHN, from the addresses that it knows."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from gentool.data.fetch import Downloads, Remote
from gentool.data.idx import idx_files, read_idx_folder
from gentool.data.prepare import PrepareOptions
from gentool.data.raw import TEST, TRAIN, Raw, from_arrays, own_splits
from gentool.errors import DataError

_CLASSES = {
    "mnist": [str(i) for i in range(10)],
    "fashion-mnist": [
        "T-shirt",
        "trouser",
        "pullover",
        "dress",
        "coat",
        "sandal",
        "shirt",
        "sneaker",
        "bag",
        "ankle boot",
    ],
    "kmnist": ["o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"],
    "cifar10": ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"],
    "svhn": [str(i) for i in range(10)],
}
_NAMES = {"mnist": "MNIST", "fashion-mnist": "FashionMNIST", "kmnist": "KMNIST", "cifar10": "CIFAR10", "svhn": "SVHN"}
_FILES = {
    "mnist": "train-images-idx3-ubyte.gz and its three siblings",
    "fashion-mnist": "train-images-idx3-ubyte.gz and its three siblings",
    "kmnist": "train-images-idx3-ubyte.gz and its three siblings",
    "cifar10": "cifar-10-python.tar.gz",
    "svhn": "train_32x32.mat and test_32x32.mat",
}
_MOST = {"cifar10": 180_000_000, "svhn": 190_000_000}
"""A little more than the bytes of their largest file; the others have less than `_MOST_IDX`."""
_MOST_IDX = 30_000_000
_PAGES = {
    "mnist": "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "fashion-mnist": "https://github.com/zalandoresearch/fashion-mnist",
    "kmnist": "http://codh.rois.ac.jp/kmnist/",
    "cifar10": "https://www.cs.toronto.edu/~kriz/cifar.html",
    "svhn": "http://ufldl.stanford.edu/housenumbers/",
}


def read(name: str, options: PrepareOptions, downloads: Downloads) -> Raw:
    """Train and test images of a set, from `--source` or fetched. Raises DataError saying where to get the files."""
    source = options.source
    if source is not None and not source.exists():
        raise DataError(f"--source {source}: no such folder")
    if name not in ("cifar10", "svhn"):
        return read_idx_folder(
            _fetched_idx(name, downloads) if source is None else _idx_folder(name, source), _CLASSES[name]
        )
    if source is not None:
        return _read_with_torchvision(name, _root(name, source, downloads.folder))
    try:
        return _read_with_torchvision(name, downloads.folder)
    except DataError:  # not there, or incomplete
        _fetch_archives(name, downloads)
    return _read_with_torchvision(name, downloads.folder)


def _fetched_idx(name: str, downloads: Downloads) -> Path:
    """The folder with the IDX files, fetched unless they are there."""
    from torchvision import datasets

    kind = getattr(datasets, _NAMES[name])
    inner = replace(downloads, folder=downloads.folder / _NAMES[name] / "raw")
    for file, md5 in kind.resources:
        urls = tuple(mirror + file for mirror in kind.mirrors)
        inner.fetch(Remote(file, urls, f"md5:{md5}", _MOST_IDX), _advice(name, downloads))
    return inner.folder


def _fetch_archives(name: str, downloads: Downloads) -> None:
    """Fetch what CIFAR-10 and SVHN come in, and unpack it."""
    from torchvision.datasets import CIFAR10, SVHN
    from torchvision.datasets.utils import extract_archive

    files = [(CIFAR10.url, CIFAR10.filename, CIFAR10.tgz_md5)]
    if name == "svhn":
        files = [(url, file, md5) for url, file, md5 in (SVHN.split_list["train"], SVHN.split_list["test"])]
    for url, file, md5 in files:
        path = downloads.fetch(Remote(file, (url,), f"md5:{md5}", _MOST[name]), _advice(name, downloads))
        if path.suffix == ".gz":
            extract_archive(str(path), str(downloads.folder))


def _advice(name: str, downloads: Downloads) -> str:
    command = f"gentool prepare {downloads.name} --source FOLDER"
    return f"get {_FILES[name]} from {_PAGES[name]} and give their folder: {command}"


def _idx_folder(name: str, source: Path) -> Path:
    """The folder with the IDX files: the source itself, or where torchvision puts them below it."""
    for folder in (source, source / "raw", source / _NAMES[name] / "raw"):
        if folder.is_dir() and idx_files(folder):
            return folder
    raise DataError(f"--source {source}: not a folder of IDX files; {name} needs {_FILES[name]} ({_PAGES[name]})")


def _root(name: str, source: Path, downloads: Path) -> Path:
    """The root that torchvision expects: the source, its parent, or the downloads once an archive is unpacked there."""
    mark = {"cifar10": "cifar-10-batches-py/data_batch_1", "svhn": "train_32x32.mat"}[name]
    for root in (source, source.parent):
        if (root / mark).is_file() and (root == source or source.name in mark):
            return root
    archive = source / "cifar-10-python.tar.gz" if source.is_dir() else source
    if name == "cifar10" and archive.is_file():
        from torchvision.datasets import CIFAR10
        from torchvision.datasets.utils import check_integrity, extract_archive

        if not check_integrity(str(archive), CIFAR10.tgz_md5):
            raise DataError(
                f"{archive}: not the original {CIFAR10.filename} (its MD5 differs); get it from {_PAGES[name]}"
            )
        downloads.mkdir(parents=True, exist_ok=True)
        extract_archive(str(archive), str(downloads))
        return downloads
    raise DataError(f"--source {source}: does not hold {_FILES[name]}; see {_PAGES[name]}")


def _read_with_torchvision(name: str, root: Path) -> Raw:
    from torchvision import datasets

    kind = getattr(datasets, _NAMES[name])
    kinds = [{"split": "train"}, {"split": "test"}] if name == "svhn" else [{"train": True}, {"train": False}]
    try:
        train, test = (kind(root=str(root), download=False, **which) for which in kinds)
    except (RuntimeError, OSError, EOFError, ValueError) as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise DataError(
            f"{name}: {root} is incomplete ({lines[-1]}); get {_FILES[name]} again from {_PAGES[name]}"
        ) from None
    # SVHN keeps (N, C, H, W) and `labels`, CIFAR-10 (N, H, W, C) and `targets`.
    parts = [part.data.transpose(0, 2, 3, 1) if name == "svhn" else part.data for part in (train, test)]
    labels = [np.asarray(part.labels if name == "svhn" else part.targets, np.int64) for part in (train, test)]
    joined, numbers = np.concatenate(parts), np.concatenate(labels)
    return from_arrays(
        name, joined, numbers, classes=_CLASSES[name], own=own_splits([(TRAIN, len(parts[0])), (TEST, len(parts[1]))])
    )
