"""Labels and splits of a source: what it states itself, a file of labels beside its images, or its folders."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from PIL import Image

from gentool.data.annotations import FILES, Annotation, Matches, matched, read_annotations
from gentool.data.folder_names import role_and_others
from gentool.data.folders import LARGEST_FILE
from gentool.data.layout import SPLITS_OF_FOLDERS, Meaning, meaning_of_places, understand
from gentool.data.prepare import PrepareOptions
from gentool.data.raw import TRAIN, Raw
from gentool.errors import DataError, OptionError
from gentool.reading import read_bytes, shown

LABELLED_SHARE = 0.5
"""A file of labels beside the images is used if it names at least this share of them."""
SHOWN = 60
"""Characters of a name in a message."""


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
                raise OptionError(f"--{name}: only for a folder or archive of image files (found: {raw.kind})")
        return Meaning(raw.labels, raw.classes, raw.own, left_out=raw.left_out)
    names = [raw.name(i) for i in range(raw.count)]
    images = [is_image_suffix(name[name.rfind(".") :].lower()) for name in names]
    deciding = images if any(images) else [True] * len(names)
    file = _file_of_labels(raw, names, options)
    if file is None or (not file.annotations and not file.unlabelled):
        meaning = understand(names, deciding, options.layout)
        return meaning if file is None else replace(meaning, notes=(*meaning.notes, *file.notes))
    base = understand(names, deciding, options.layout, labelled=False)
    if file.unlabelled:
        return replace(base, notes=(*base.notes, f"no class labels, as {file.name} says"))
    among = [is_one and number not in base.left_out for number, is_one in enumerate(deciding)]
    among = _of_role(file.name, base, among)
    matches = matched(names, file.annotations, among)
    labelled = sum(one is not None for one in matches.found)
    few = labelled < (1 if options.labels is not None else LABELLED_SHARE * max(1, sum(among)))
    if few:
        why = _why_few(file, names, among, matches, labelled)
        if options.labels is not None:
            raise DataError(f"--labels {options.labels}: {why}")
        meaning = understand(names, deciding, options.layout)
        return replace(meaning, notes=(*meaning.notes, *file.notes, f"not used: {why}"))
    texts = {one.label for one in matches.found if one is not None and one.label is not None}
    if not texts and not any(one is not None and one.split is not None for one in matches.found):
        if options.labels is not None:
            raise DataError(f"--labels {options.labels}: all of its labels are empty")
        meaning = understand(names, deciding, options.layout)
        return replace(meaning, notes=(*meaning.notes, f"{file.name} is not used: all of its labels are empty"))
    if not texts:  # only splits: the folders may be classes
        base = understand(names, deciding, options.layout)
    meaning = _annotated(names, matches.found, deciding, base, file.name)
    return replace(meaning, notes=(*file.notes, *meaning.notes))


@dataclass(frozen=True)
class _File:
    """The files of labels of a source, or the one that is given; `unlabelled` if it says that there are none."""

    name: str
    annotations: Mapping[str, Annotation]
    unlabelled: bool = False
    notes: tuple[str, ...] = ()


def _file_of_labels(raw: Raw, names: Sequence[str], options: PrepareOptions) -> _File | None:
    """The file of `--labels`, or those beside the images; None where there is none."""
    if options.labels is not None:
        try:
            content = read_bytes(options.labels, LARGEST_FILE)
        except OSError as error:
            raise DataError(f"--labels {options.labels}: {error.strerror or error}") from None
        given = read_annotations(content, str(options.labels), options.label_columns or ())
        return _File(options.labels.name, given or {}, unlabelled=given is None)
    numbers = [number for number, name in enumerate(names) if name.rpartition("/")[2].lower() in FILES]
    if not numbers:
        return None
    if options.layout in ("classes", "splits-classes", "classes-splits"):
        return _File("", {}, notes=(f"{names[numbers[0]]} is not used: --layout {options.layout} uses the folders",))
    every: dict[str, Annotation] = {}
    notes, used = [], []
    unlabelled = False
    for number in numbers:
        name = names[number]
        try:
            text = raw.get(number)
            assert isinstance(text, bytes)
            here = read_annotations(text, name)
        except (OSError, DataError) as error:  # perhaps a file of this name with another content
            notes.append(f"no labels taken: {error}")
            continue
        used.append(name)
        unlabelled |= here is None
        every |= {str(PurePosixPath(name).parent / one): annotation for one, annotation in (here or {}).items()}
    label = used[0] if len(used) == 1 else f"{len(used)} files of labels"
    return _File(label, every, unlabelled and not every, tuple(notes))


def _of_role(file: str, base: Meaning, among: list[bool]) -> list[bool]:
    """The images that a file may name: those of its split, if its own name says one, as trainLabels.csv does."""
    role = role_and_others(PurePosixPath(file).stem)[0]
    if role is None or base.own is None:
        return among
    return [is_one and base.own[number] == role for number, is_one in enumerate(among)]


def _why_few(file: _File, names: Sequence[str], among: Sequence[bool], matches: Matches, labelled: int) -> str:
    """Why a file of labels is not used: how few images it names, and an example of both sides."""
    if matches.ambiguous:
        name, image = next(iter(matches.ambiguous.items()))
        return f"{file.name} names {shown(name)}, which fits several images, such as {image}; give their paths"
    image = next((name for name, is_one in zip(names, among, strict=True) if is_one), "none")
    example = next(iter(file.annotations), "none")
    example = example if len(example) <= SHOWN else f"{example[:SHOWN]}…"
    if labelled:
        return f"{file.name} names {labelled} of {sum(among)} images; gentool prepare --labels FILE uses it"
    return f"{file.name} names none of the images; they have names such as {image}, and the file has {example}"


def _annotated(
    names: Sequence[str], found: Sequence[Annotation | None], deciding: Sequence[bool], base: Meaning, where: str
) -> Meaning:
    """The labels and splits of a file; its splits go before those of folders."""
    by_file = any(one is not None and one.split is not None for one in found)
    classes = any(one is not None and one.label is not None for one in found)
    places = []
    for number, (one, place) in enumerate(zip(found, base.places, strict=True)):
        if by_file and not place.left_out:
            place = replace(place, split=TRAIN if one is None or one.split is None else one.split)
        if classes and not place.left_out:
            label = None if one is None else one.label
            reason = "" if label is not None else f"without a label in {where}"
            if not deciding[number] and PurePosixPath(names[number]).name == PurePosixPath(where).name:
                reason = "the file of labels"
            place = replace(place, label=label, left_out=reason)
        places.append(place)
    notes = [note for note in base.notes if not (by_file and note.endswith(SPLITS_OF_FOLDERS))]
    if classes:
        notes.append(f"class labels taken from {where}")
    if by_file:
        notes.append(f"splits taken from {where}")
    return replace(meaning_of_places(places, deciding), notes=tuple(notes))
