"""Labels and splits of a source: what it states itself, a file of labels beside its images, or its folders."""

import functools
from collections.abc import Sequence
from dataclasses import replace
from pathlib import PurePosixPath

import numpy as np
from PIL import Image

from gentool.data.annotations import FILES, Annotation, matched, read_annotations
from gentool.data.layout import LEFT_OUT, Meaning, understand
from gentool.data.prepare import PrepareOptions
from gentool.data.raw import TRAIN, Raw
from gentool.errors import DataError, OptionError

LABELLED_SHARE = 0.5
"""A file of labels beside the images is used if it names at least this share of them."""


_COMMON_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".gif", ".tif", ".tiff", ".bmp", ".heic", ".heif"}


@functools.cache
def is_image_suffix(suffix: str) -> bool:
    """Whether this is a suffix of image files, such as `.png`."""
    # Pillow loads all of its readers to list their suffixes.
    return suffix in _COMMON_SUFFIXES or suffix in Image.registered_extensions()


def meaning_of(raw: Raw, options: PrepareOptions) -> Meaning:
    """The labels and splits of all pictures: what the source itself states, a file of labels, or the folders."""
    if not raw.folders:
        for name in ("layout", "labels"):
            if name in options.changed():
                raise OptionError(f"--{name}: only for a folder or archive of image files, and this is {raw.kind}")
        return Meaning(raw.labels, raw.classes, raw.own)
    names = [raw.name(i) for i in range(raw.count)]
    images = [is_image_suffix(name[name.rfind(".") :].lower()) for name in names]
    deciding = images if any(images) else [True] * len(names)
    meaning = understand(names, deciding, options.layout)
    where, annotations, notes = _annotations(raw, names, options)
    meaning = replace(meaning, notes=(*meaning.notes, *notes))
    found = matched(names, annotations)
    labelled = sum(one is not None and decides for one, decides in zip(found, deciding, strict=True))
    if options.labels is not None and not labelled:
        raise DataError(f"--labels {options.labels}: names none of the images, such as {names[deciding.index(True)]}")
    if not annotations:
        return meaning
    if options.labels is None and labelled < LABELLED_SHARE * sum(deciding):
        unused = f"{where} is not used: it names {labelled} of {sum(deciding)} images; give it with --labels"
        return replace(meaning, notes=(*meaning.notes, unused))
    splits = understand(names, deciding, "splits" if meaning.own is not None else "flat")
    return _annotated(found, deciding, splits, where)


def _annotations(
    raw: Raw, names: Sequence[str], options: PrepareOptions
) -> tuple[str, dict[str, Annotation], list[str]]:
    """Where annotations are from (the file that is given, or those beside the images), the annotations, and remarks."""
    if options.labels is not None:
        try:
            content = options.labels.read_bytes()
        except OSError as error:
            raise DataError(f"--labels {options.labels}: {error.strerror}") from None
        return options.labels.name, read_annotations(content, str(options.labels), options.label_columns or ()), []
    every: dict[str, Annotation] = {}
    notes = []
    for number, name in enumerate(names):
        if name.rpartition("/")[2].lower() not in FILES:
            continue
        path = PurePosixPath(name)
        try:
            text = raw.get(number)
            assert isinstance(text, bytes)
            here = read_annotations(text, name)
        except (OSError, DataError) as error:  # perhaps a file of this name with another content
            notes.append(f"no labels taken: {error}")
            continue
        every |= {str(path.parent / one): annotation for one, annotation in here.items()}
    return "the file of labels beside the images", every, notes


def _annotated(found: Sequence[Annotation | None], images: Sequence[bool], splits: Meaning, where: str) -> Meaning:
    """The labels and splits of a file; its splits go before those of folders."""
    texts = [None if one is None else one.label for one in found]
    names = {text for text, is_image in zip(texts, images, strict=True) if text is not None and is_image}
    classes = tuple(sorted(names, key=(lambda name: (int(name), name)) if all(map(str.isdecimal, names)) else None))
    left_out = dict(splits.left_out)
    own = splits.own
    if any(one is not None and one.split is not None for one in found):
        own = np.array([TRAIN if one is None or one.split is None else one.split for one in found], np.int8)
        left_out = {}
    labels = None
    notes = [*splits.notes]
    if classes:
        numbers = {name: number for number, name in enumerate(classes)}
        labels = np.array([numbers.get(text or "", 0) for text in texts], np.int64)
        unlabelled = [i for i, text in enumerate(texts) if text not in numbers and images[i]]
        left_out |= dict.fromkeys(unlabelled, f"{LEFT_OUT}without a label in {where}")
        notes.append(f"class labels taken from {where}")
    return Meaning(labels, classes, own, tuple(notes), left_out, splits.tree)
