"""Collections as people publish them: what is understood of their folders, archives, arrays and tables.

Each image of a collection has a colour of its own, so that pixels say which file became which row.
"""

import csv
import io
import json
import struct
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from gentool.data.images import ImageData
from gentool.data.load import load_data
from gentool.errors import DataError, OptionError

Tree = Mapping[str, int]
"""Folder to its number of images."""


def colour(number: int) -> tuple[int, int, int]:
    return 200 + number % 50, 40 + number // 50 % 200, 90


def files_of(tree: Tree) -> dict[str, int]:
    """File name to the number of its colour."""
    names = [
        f"{folder}/{i:03}.png" if folder else f"{i:03}.png" for folder, count in tree.items() for i in range(count)
    ]
    return {name: number for number, name in enumerate(names)}


def picture(number: int) -> bytes:
    content = io.BytesIO()
    Image.new("RGB", (8, 8), colour(number)).save(content, "PNG")
    return content.getvalue()


def write(folder: Path, tree: Tree) -> dict[str, int]:
    files = files_of(tree)
    for name, number in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(picture(number))
    return files


def understood(data: ImageData) -> dict[str, dict[str, int]]:
    """Split to the number of images of each class; the class is `-` without labels."""
    result = {}
    for name, split in data.splits.items():
        if split.labels is None:
            counts = {"-": len(split)}
        else:
            counts = {data.classes[i]: int((split.labels == i).sum()) for i in range(len(data.classes))}
        result[name] = {kind: count for kind, count in counts.items() if count}
    return {name: counts for name, counts in result.items() if counts}


def numbers_of(images: NDArray[np.uint8]) -> list[int]:
    """The numbers of the colours."""
    return [int(red) - 200 + 50 * (int(green) - 40) for red, green, _ in images[:, :, 0, 0]]


AB = {"a": 6, "b": 6}


def below(folder: str, tree: Tree) -> Tree:
    return {f"{folder}/{name}" if name else folder: count for name, count in tree.items()}


TRAIN_TEST = {"train": {"a": 6, "b": 6}, "test": {"a": 3, "b": 2}}
LAYOUTS: dict[str, tuple[Tree, dict[str, dict[str, int]], int]] = {
    # name: (folders, what is understood, images left out)
    "images alone": ({"": 12}, {"train": {"-": 12}}, 0),
    "one folder in another": ({"x/y": 12}, {"train": {"-": 12}}, 0),
    "classes": (AB, {"train": AB}, 0),
    "classes, one folder down": (below("photos", AB), {"train": AB}, 0),
    "classes in a doubled folder": (below("data/data", AB), {"train": AB}, 0),
    "classes with deeper folders": ({"a/1": 3, "a/2": 3, "b/1/x": 6}, {"train": AB}, 0),
    "classes and a stray image": ({**AB, "": 1}, {"train": AB}, 1),
    "classes one folder down and a stray image": ({**below("photos", AB), "": 1}, {"train": AB}, 1),
    "many images outside the folders": ({**AB, "": 5}, {"train": {"-": 17}}, 0),
    "one image per folder": (dict.fromkeys("abcdefgh", 1), {"train": {"-": 8}}, 0),
    "a class called train": ({"train": 6, "bus": 6}, {"train": {"train": 6, "bus": 6}}, 0),
    "years": ({"2019": 6, "2020": 6}, {"train": {"2019": 6, "2020": 6}}, 0),
    "Training and Testing (Kaggle)": (
        {**below("Training", AB), **below("Testing", {"a": 3, "b": 2})}, {"train": AB, "test": {"a": 3, "b": 2}}, 0,
    ),
    "five splits": (
        {f"{split}/{name}": 3 for split in ("train", "test", "val", "dev", "eval") for name in "ab"},
        {"train": {"a": 3, "b": 3}, "validation": {"a": 9, "b": 9}, "test": {"a": 3, "b": 3}}, 0,
    ),
    "training_set and test_set": (
        {**below("training_set", AB), **below("test_set", AB)}, {"train": AB, "test": AB}, 0,
    ),
    "seg_train, seg_test and seg_pred (Intel)": (
        {**below("seg_train/seg_train", AB), **below("seg_test/seg_test", AB), "seg_pred/seg_pred": 7},
        {"train": AB, "test": AB}, 7,
    ),
    "train/train": ({**below("train/train", AB), **below("test/test", AB)}, {"train": AB, "test": AB}, 0),
    "TrainSet and TestSet": ({**below("TrainSet", AB), **below("TestSet", AB)}, {"train": AB, "test": AB}, 0),
    "train2017 and val2017 (COCO)": ({"train2017": 9, "val2017": 3}, {"train": {"-": 9}, "validation": {"-": 3}}, 0),
    "train and test1 (dogs and cats)": ({"train": 9, "test1": 3}, {"train": {"-": 9}, "test": {"-": 3}}, 0),
    "train, valid, test (Roboflow)": (
        {"train/images": 9, "valid/images": 3, "test/images": 3},
        {"train": {"-": 9}, "validation": {"-": 3}, "test": {"-": 3}}, 0,
    ),
    "images/train and images/val (YOLO)": (
        {"images/train": 9, "images/val": 3}, {"train": {"-": 9}, "validation": {"-": 3}}, 0,
    ),
    "train/CLASS/images (Tiny ImageNet)": (
        {"t/train/a/images": 6, "t/train/b/images": 6, "t/val/images": 4, "t/test/images": 4}, {"train": AB}, 8,
    ),
    "a flat test beside train/CLASS": ({**below("train", AB), "test": 9}, {"train": AB}, 9),
    "test in a folder of its own (Keras)": ({**below("train", AB), "test/test_folder": 9}, {"train": AB}, 9),
    "unlabelled images beside train": ({**below("train", AB), "unlabeled": 20}, {"train": AB}, 20),
    "splits and a stray image": ({**below("train", AB), **below("test", AB), "": 1}, {"train": AB, "test": AB}, 1),
    "splits below classes": (
        {f"{name}/{split}": 4 for name in "ab" for split in ("train", "test")},
        {"train": {"a": 4, "b": 4}, "test": {"a": 4, "b": 4}}, 0,
    ),
    "a class that only the test set has": (
        {**below("train", AB), "test/a": 3, "test/c": 3}, {"train": AB, "test": {"a": 3, "c": 3}}, 0,
    ),
    "images and masks": ({"images": 9, "masks": 9}, {"train": {"-": 9}}, 9),
    "images and masks in splits": (
        {"train/images": 9, "train/masks": 9, "test/images": 3, "test/masks": 3},
        {"train": {"-": 9}, "test": {"-": 3}}, 12,
    ),
    "MVTec": (
        {"bottle/train/good": 9, "bottle/test/good": 2, "bottle/test/broken": 2, "bottle/ground_truth/broken": 2},
        {"train": {"-": 9}, "test": {"-": 4}}, 2,
    ),
    "thumbnails of a network drive": ({**AB, "@eaDir/x": 3, "a/@eaDir": 2, ".thumbnails": 4}, {"train": AB}, 0),
    "names of many scripts": ({"Übung": 3, "日本": 3}, {"train": {"Übung": 3, "日本": 3}}, 0),
    "stage1_train and stage1_test (DSB2018)": (
        {f"stage1_train/{i}/{kind}": 1 + 2 * (kind == "masks") for i in range(4) for kind in ("images", "masks")}
        | {f"stage1_test/{i}/images": 1 for i in range(4, 6)},
        {"train": {"-": 4}, "test": {"-": 2}}, 12,
    ),
    "asl_alphabet_train and _test": (
        {**below("asl_alphabet_train/asl_alphabet_train", AB), "asl_alphabet_test/asl_alphabet_test": 3},
        {"train": AB}, 3,
    ),
    "Final_Training and Final_Test (GTSRB)": (
        {**below("Final_Training/Images", AB), "Final_Test/Images": 4}, {"train": AB}, 4,
    ),
    "cars_train and cars_test": ({"cars_train": 9, "cars_test": 4}, {"train": {"-": 9}, "test": {"-": 4}}, 0),
    "DIV2K": (
        {"DIV2K_train_HR": 9, "DIV2K_valid_HR": 3}, {"train": {"-": 9}, "validation": {"-": 3}}, 0,
    ),
    "bounding boxes (Market-1501)": (
        {"bounding_box_train": 9, "bounding_box_test": 5, "query": 3}, {"train": {"-": 9}, "test": {"-": 5}}, 3,
    ),
    "Training, PublicTest, PrivateTest (FER2013)": (
        {**below("Training", AB), **below("PublicTest", {"a": 2, "b": 2}), **below("PrivateTest", {"a": 1, "b": 3})},
        {"train": AB, "test": {"a": 3, "b": 5}}, 0,
    ),
    "train_small and test": ({"train_small": 9, "test": 4}, {"train": {"-": 9}, "test": {"-": 4}}, 0),
    "trainval and test": ({"trainval": 9, "test": 4}, {"train": {"-": 9}, "test": {"-": 4}}, 0),
    "train and holdout": ({"train": 9, "holdout": 4}, {"train": {"-": 9}, "test": {"-": 4}}, 0),
    "Spanish": (
        {**below("Entrenamiento", AB), **below("Prueba", AB), **below("Validación", AB)},
        {"train": AB, "validation": AB, "test": AB}, 0,
    ),
    "Portuguese": ({**below("treino", AB), **below("teste", AB)}, {"train": AB, "test": AB}, 0),
    "French": ({**below("apprentissage", AB), **below("test", AB)}, {"train": AB, "test": AB}, 0),
    "Chinese": ({**below("训练集", AB), **below("测试集", AB)}, {"train": AB, "test": AB}, 0),
    "a repository with assets": (
        {**below("data/train", AB), **below("data/test", AB), "assets": 2, "docs/figures": 3},
        {"train": AB, "test": AB}, 5,
    ),
    "images/train/CLASS beside labels": (
        {**below("images/train", AB), **below("images/val", {"a": 2, "b": 2}), "labels/train": 12, "labels/val": 4},
        {"train": AB, "validation": {"a": 2, "b": 2}}, 16,
    ),
    "masks below classes (COVID-19 Radiography)": (
        {"a/images": 6, "a/masks": 6, "b/images": 6, "b/masks": 6}, {"train": AB}, 12,
    ),
    "Pascal VOC": (
        {"VOC/JPEGImages": 9, "VOC/SegmentationClass": 4, "VOC/SegmentationObject": 4}, {"train": {"-": 9}}, 8,
    ),
    "ADE20K": (
        {f"{kind}/{split}": 6 for kind in ("images", "annotations") for split in ("training", "validation")},
        {"train": {"-": 6}, "validation": {"-": 6}}, 12,
    ),
    "Cityscapes": (
        {f"{kind}/{split}/town": 4 for kind in ("leftImg8bit", "gtFine") for split in ("train", "val", "test")},
        {"train": {"-": 4}, "validation": {"-": 4}, "test": {"-": 4}}, 12,
    ),
    "DRIVE": (
        {f"training/{kind}": 4 for kind in ("images", "1st_manual", "mask")} | {"test/images": 3, "test/mask": 3},
        {"train": {"-": 4}, "test": {"-": 3}}, 11,
    ),
    "Flowers102": ({"jpg": 9, "segmim": 9}, {"train": {"-": 9}}, 9),
    "Images, Masks and Overlays": ({"Images": 9, "Masks": 9, "Overlays": 9}, {"train": {"-": 9}}, 18),
    "parts of a large set (HAM10000)": (
        {"HAM10000_images_part_1": 6, "HAM10000_images_part_2": 6}, {"train": {"-": 12}}, 0,
    ),
    "numbered folders of images (NIH)": ({f"images_{i:03}/images": 3 for i in range(1, 4)}, {"train": {"-": 9}}, 0),
    "thousands (FFHQ)": ({"00000": 4, "01000": 4, "02000": 4}, {"train": {"-": 12}}, 0),
    "a camera": ({"DCIM/100APPLE": 4, "DCIM/101APPLE": 4}, {"train": {"-": 8}}, 0),
    "classes with numbers": ({"c0": 4, "c1": 4, "c2": 4}, {"train": {"c0": 4, "c1": 4, "c2": 4}}, 0),
    "a doubled collection (malaria)": (
        {**below("cells", AB), **below("cells/cells", AB)}, {"train": AB}, 12,
    ),
    "a comma in a class": ({"salt, pepper": 3, "b": 3}, {"train": {"salt, pepper": 3, "b": 3}}, 0),
}  # fmt: skip


@pytest.mark.parametrize("name", LAYOUTS)
def test_folders(tmp_path: Path, name: str) -> None:
    tree, expected, left_out = LAYOUTS[name]
    files = write(tmp_path / "set", tree)
    settings = {} if "test" in expected else {"test": 0.0}
    data = load_data(tmp_path / "set", validation=0, **settings)
    assert understood(data) == expected
    reasons = [one for one in data.info["skipped"] if "left out" in one["reason"] or "outside" in one["reason"]]
    assert len(data.info["skipped"]) == left_out, reasons
    for split in data.splits.values():  # each row has the pixels of a file of its class
        for row, number in enumerate(numbers_of(split.images.numpy())):
            file = next(file for file, other in files.items() if other == number)
            if split.labels is not None:
                assert data.classes[int(split.labels[row])] in Path(file).parts
    assert all(branch["images"] > 0 for branch in data.info["layout"])


UNCLEAR: dict[str, tuple[Tree, str]] = {
    "two domains (CycleGAN)": (
        {"trainA": 6, "trainB": 6, "testA": 3, "testB": 3},
        "testA, testB, trainA and trainB are the splits of several sets; move each set to a folder of its own",
    ),
    "only val and test": (
        {**below("val", AB), "test/c": 6}, "the folders test, val are named like splits, but none like training images",
    ),
    "MVTec with several classes": (
        {f"{name}/{split}/good": 4 for name in ("bottle", "cable") for split in ("train", "test", "ground_truth")},
        "the folder bottle has splits in it .ground_truth, test, train.*--layout classes-splits or --layout classes",
    ),
    "data beside a large folder": (
        {**below("data/train", AB), **below("data/test", AB), "old": 9}, "the folder data has splits in it",
    ),
    "versions of the same classes (PlantVillage)": (
        {**below("color", AB), **below("grayscale", AB), **below("segmented", AB)},
        "the folders color, grayscale, segmented have the same 2 folders in them .a, b.; give one of them",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", UNCLEAR)
def test_folders_that_could_mean_several_things_are_refused(tmp_path: Path, name: str) -> None:
    tree, message = UNCLEAR[name]
    write(tmp_path / "set", tree)
    with pytest.raises(DataError, match=message):
        load_data(tmp_path / "set")
    data = load_data(tmp_path / "set", layout="classes", validation=0, test=0)  # what the message says works
    assert len(data.classes) == len({folder.split("/")[0] for folder in tree})


def test_the_options_of_a_refusal_work(tmp_path: Path) -> None:
    tree, _ = UNCLEAR["MVTec with several classes"]
    write(tmp_path / "set", tree)
    data = load_data(tmp_path / "set", layout="classes-splits", validation=0)
    assert understood(data) == {"train": {"bottle": 4, "cable": 4}, "test": {"bottle": 4, "cable": 4}}
    assert len(data.info["skipped"]) == 8


def test_masks_beside_the_images_by_name(tmp_path: Path) -> None:
    """BUSI and LGG: `x (1).png` and `x (1)_mask.png`."""
    folder = tmp_path / "set"
    for kind in "ab":
        (folder / kind).mkdir(parents=True)
        for number in range(4):
            for end in ("", "_mask", "_mask_1"):
                (folder / kind / f"{kind} ({number}){end}.png").write_bytes(picture(number))
    (folder / "a" / "death_mask.png").write_bytes(picture(9))  # about no other image
    data = load_data(folder, validation=0, test=0)
    assert understood(data) == {"train": {"a": 5, "b": 4}}
    assert len(data.info["skipped"]) == 16
    assert len(load_data(folder, layout="flat")) == 25


def test_classes_that_are_numbers_are_in_their_order(tmp_path: Path) -> None:
    write(tmp_path / "set", {str(number): 2 for number in range(12)})
    assert load_data(tmp_path / "set").classes == tuple(map(str, range(12)))


def test_parts_of_one_set_are_remarked_on(tmp_path: Path) -> None:
    write(tmp_path / "set", {"images_001": 4, "images_002": 4})
    notes = load_data(tmp_path / "set").info["notes"]
    assert "2 folders, such as images_001, are parts of one set" in notes


def test_a_class_named_as_a_split_is_remarked_on(tmp_path: Path) -> None:
    write(tmp_path / "set", {"train": 6, "bus": 6})
    assert "the folder train is named like a split, but taken as a class" in load_data(tmp_path / "set").info["notes"]


@pytest.mark.parametrize("name", [name for name in LAYOUTS if "network drive" not in name])
@pytest.mark.parametrize("form", ["windows", "utf-8", "utf-8 without the flag", "tar"])
def test_archives_are_understood_as_folders_are(tmp_path: Path, name: str, form: str) -> None:
    tree, expected, left_out = LAYOUTS[name]
    path = pack(tmp_path, tree, form)
    settings = {} if "test" in expected else {"test": 0.0}
    data = load_data(path, validation=0, **settings)
    assert understood(data) == expected
    assert len(data.info["skipped"]) == left_out


def pack(place: Path, tree: Tree, form: str) -> Path:
    """An archive of the files, with names as some programs write them."""
    import tarfile

    if form == "tar":
        path = place / "set.tar.gz"
        with tarfile.open(path, "w:gz") as archive:
            for name, number in files_of(tree).items():
                content = picture(number)
                member = tarfile.TarInfo(name)
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
        return path
    path = place / "set.zip"
    with zipfile.ZipFile(path, "w") as packed:
        for name, number in files_of(tree).items():
            packed.writestr(name, picture(number))
    content = path.read_bytes()
    if form == "windows":
        for name in files_of(tree):
            content = content.replace(name.encode(), name.replace("/", "\\").encode())
    if form == "utf-8 without the flag":
        content = without_flag(content)
    path.write_bytes(content)
    return path


def without_flag(content: bytes) -> bytes:
    """The flag for UTF-8 cleared in every header of a zip archive."""
    data = bytearray(content)
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        start = 0
        while (start := data.find(mark, start)) >= 0:
            flags = struct.unpack_from("<H", data, start + place)[0]
            struct.pack_into("<H", data, start + place, flags & ~0x800)
            start += 4
    return bytes(data)


@pytest.mark.parametrize(
    ("layout", "expected", "left_out"),
    [
        ("flat", {"train": {"-": 17}}, 0),
        ("classes", {"train": {"train": 12, "test": 5}}, 0),
        ("splits", {"train": {"-": 12}, "test": {"-": 5}}, 0),
        ("splits-classes", {"train": {"a": 6, "b": 6}, "test": {"a": 3, "b": 2}}, 0),
        ("classes-splits", None, 17),
    ],
)
def test_a_layout_that_is_given(
    tmp_path: Path, layout: str, expected: dict[str, dict[str, int]] | None, left_out: int
) -> None:
    write(tmp_path / "set", {**below("train", AB), **below("test", {"a": 3, "b": 2})})
    settings: dict[str, Any] = {"layout": layout, "validation": 0}
    if expected is None:
        with pytest.raises(DataError, match="set: no readable image among 17 files"):
            load_data(tmp_path / "set", **settings)
        return
    data = load_data(tmp_path / "set", **settings, **({} if "test" in expected else {"test": 0}))
    assert understood(data) == expected
    assert len(data.info["skipped"]) == left_out


def test_a_layout_is_for_image_files(tmp_path: Path) -> None:
    for settings in ({"layout": "flat"}, {"labels": tmp_path / "labels.csv"}):
        with pytest.raises(OptionError, match="has no effect on the named data set digits"):
            load_data("digits", **settings)


def test_a_layout_that_does_not_fit(tmp_path: Path) -> None:
    write(tmp_path / "set", AB)
    with pytest.raises(
        DataError, match=r"^--layout splits: no folder is named train, validation or test; rename the splits so$"
    ):
        load_data(tmp_path / "set", layout="splits")


# Files of labels.

ROWS = [("000.png", "cat"), ("001.png", "dog"), ("002.png", "cat"), ("003.png", "dog")]


def table(rows: list[tuple[str, ...]], delimiter: str = ",") -> str:
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter).writerows(rows)
    return text.getvalue()


LABEL_FILES: dict[str, tuple[str, str]] = {
    "labels.csv": ("labels.csv", table([("file_name", "label"), *ROWS])),
    "names without suffix (dog breeds)": ("labels.csv", table([("id", "breed"), *((n[:3], k) for n, k in ROWS)])),
    "semicolons": ("labels.csv", table([("filename", "class"), *ROWS], ";")),
    "metadata.csv of Hugging Face": ("metadata.csv", table([("file_name", "label"), *ROWS])),
    "metadata.jsonl of Hugging Face": (
        "metadata.jsonl", "\n".join(json.dumps({"file_name": name, "label": kind}) for name, kind in ROWS),
    ),
    "dataset.json of StyleGAN": ("dataset.json", json.dumps({"labels": [[n, int(k == "dog")] for n, k in ROWS]})),
    "paths that begin with ./": ("labels.csv", table([("path", "label"), *((f"./{n}", k) for n, k in ROWS)])),
    "a byte order mark": ("labels.csv", "\ufeff" + table([("file", "label"), *ROWS])),
}  # fmt: skip


@pytest.mark.parametrize("name", LABEL_FILES)
def test_labels_in_a_file_beside_the_images(tmp_path: Path, name: str) -> None:
    file, text = LABEL_FILES[name]
    write(tmp_path / "set", {"": 4})
    (tmp_path / "set" / file).write_text(text, encoding="utf-8")
    data = load_data(tmp_path / "set", validation=0, test=0)
    assert data.train.labels is not None
    assert [data.classes[i] for i in data.train.labels] in (["cat", "dog", "cat", "dog"], ["0", "1", "0", "1"])
    assert numbers_of(data.train.images.numpy()) == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("text", "note"),
    [
        (table([("a", "b"), ("1", "2")]), "no labels taken: labels.csv: no column file_name"),
        (
            table([("file", "label"), ("000.png", "x")]),
            "not used: labels.csv names 1 of 4 images; gentool prepare --labels FILE uses it",
        ),
    ],
)
def test_a_file_of_labels_that_is_not_used_is_named(tmp_path: Path, text: str, note: str) -> None:
    write(tmp_path / "set", {"": 4})
    (tmp_path / "set" / "labels.csv").write_text(text)
    data = load_data(tmp_path / "set", validation=0, test=0)
    assert not data.labelled
    assert any(note in one for one in data.info["notes"])


def test_labels_in_a_file_that_is_given(tmp_path: Path) -> None:
    write(tmp_path / "set", {"": 5})
    file = tmp_path / "mine.csv"
    file.write_text(table([("picture", "kind", "label"), *((name, kind, "x") for name, kind in ROWS)]))
    with pytest.raises(DataError, match=r"no column file_name or filename or file; it has picture, kind, label"):
        load_data(tmp_path / "set", labels=file)
    data = load_data(tmp_path / "set", labels=file, label_columns="picture,kind", validation=0, test=0)
    assert understood(data) == {"train": {"cat": 2, "dog": 2}}
    assert [one["name"] for one in data.info["skipped"]] == ["004.png"]
    file.write_text(table([("file", "label"), ("other.png", "x")]))
    with pytest.raises(
        DataError,
        match=r"mine.csv names none of the images; they have names such as 000.png, and the file has other.png$",
    ):
        load_data(tmp_path / "set", labels=file)


def test_splits_in_a_file_of_labels(tmp_path: Path) -> None:
    write(tmp_path / "set", {"": 4})
    rows = [
        ("file", "label", "split"),
        *((*row, split) for row, split in zip(ROWS, ("train", "train", "test", "test"), strict=True)),
    ]
    (tmp_path / "set" / "labels.csv").write_text(table(rows))
    assert understood(load_data(tmp_path / "set", validation=0)) == {
        "train": {"cat": 1, "dog": 1}, "test": {"cat": 1, "dog": 1},
    }  # fmt: skip


def test_labels_beside_the_images_of_each_split(tmp_path: Path) -> None:
    write(tmp_path / "set", {"train": 4, "test": 4})
    for split in ("train", "test"):
        (tmp_path / "set" / split / "metadata.csv").write_text(table([("file_name", "label"), *ROWS]))
    assert understood(load_data(tmp_path / "set", validation=0)) == {
        "train": {"cat": 2, "dog": 2}, "test": {"cat": 2, "dog": 2},
    }  # fmt: skip


# Arrays.

RANDOM = np.random.default_rng(0)
GREY = RANDOM.integers(0, 256, (12, 8, 8), np.uint8)
BINARY = (GREY > 127).astype(np.uint8)
LABELS = np.arange(12) % 3
ONE_HOT = np.eye(3, dtype=np.uint8)[LABELS]
NPZ: dict[str, tuple[dict[str, Any], dict[str, dict[str, int]], NDArray[Any]]] = {
    "images and labels": ({"images": GREY, "labels": LABELS}, {"train": {"0": 4, "1": 4, "2": 4}}, GREY),
    "X and y": ({"X": GREY, "y": LABELS}, {"train": {"0": 4, "1": 4, "2": 4}}, GREY),
    "one-hot labels": ({"images": GREY, "labels": ONE_HOT}, {"train": {"0": 4, "1": 4, "2": 4}}, GREY),
    "labels from 1": ({"images": GREY, "labels": LABELS + 1}, {"train": {"1": 4, "2": 4, "3": 4}}, GREY),
    "labels with gaps": ({"images": GREY, "labels": LABELS * 5}, {"train": {"0": 4, "5": 4, "10": 4}}, GREY),
    "labels in a column": ({"images": GREY, "labels": LABELS[:, None]}, {"train": {"0": 4, "1": 4, "2": 4}}, GREY),
    "names as labels": ({"x": GREY, "y": np.array(["a", "b", "c"])[LABELS]}, {"train": {"a": 4, "b": 4, "c": 4}}, GREY),
    "dSprites": (
        {"imgs": BINARY, "latents_values": np.zeros((12, 6)), "latents_classes": np.zeros((12, 6), int), "metadata": 1},
        {"train": {"-": 12}}, BINARY * np.uint8(255),
    ),
    "Keras": (
        {"x_train": GREY[:9], "y_train": LABELS[:9], "x_test": GREY[9:], "y_test": LABELS[9:]},
        {"train": {"0": 3, "1": 3, "2": 3}, "test": {"0": 1, "1": 1, "2": 1}}, GREY[:9],
    ),
    "X_train without labels of the test": (
        {"X_train": GREY[:9], "y_train": LABELS[:9], "X_test": GREY[9:]},
        {"train": {"0": 3, "1": 3, "2": 3}}, GREY[:9],
    ),
    "MedMNIST": (
        {f"{name}_{kind}": part
         for name, rows in (("train", slice(0, 6)), ("val", slice(6, 9)), ("test", slice(9, 12)))
         for kind, part in (("images", GREY[rows]), ("labels", LABELS[rows][:, None]))},
        {"train": {"0": 2, "1": 2, "2": 2}, "validation": {"0": 1, "1": 1, "2": 1}, "test": {"0": 1, "1": 1, "2": 1}},
        GREY[:6],
    ),
    "rows of pixels": ({"data": GREY.reshape(12, 64), "target": LABELS}, {"train": {"0": 4, "1": 4, "2": 4}}, GREY),
    "12 bits": (
        {"images": GREY.astype(np.uint16) * 16 + 15}, {"train": {"-": 12}}, np.rint((GREY * 16.0 + 15) * 255 / 4095),
    ),
    "16 bits": ({"images": GREY.astype(np.uint16) * 257}, {"train": {"-": 12}}, GREY),
    "0 and 1 as int64": ({"images": BINARY.astype(np.int64)}, {"train": {"-": 12}}, BINARY * np.uint8(255)),
    "a hair above 1": ({"images": GREY / 255 * 1.0000001}, {"train": {"-": 12}}, GREY),
    "floats to 255": ({"images": GREY.astype(np.float32)}, {"train": {"-": 12}}, GREY),
}  # fmt: skip


@pytest.mark.parametrize("name", NPZ)
def test_npz_files(tmp_path: Path, name: str) -> None:
    arrays, expected, pixels = NPZ[name]
    np.savez(tmp_path / "set.npz", **arrays)
    settings = {} if "test" in expected else {"test": 0.0}
    data = load_data(tmp_path / "set.npz", validation=0, **settings)
    assert understood(data) == expected
    assert (data.train.images[:, 0].numpy() == pixels).all()


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "too few labels": (
        {"images": GREY, "labels": LABELS[:5]},
        r"labels: shape \(5,\); expected one for each of the 12",
    ),
    "labels of another shape": ({"images": GREY, "labels": np.ones((12, 2))}, r"shape \(12, 2\); expected one label"),
    "values from -1 to 1": ({"images": GREY / 127.5 - 1}, r"\(x \+ 1\) / 2 turns -1 to 1 into 0 to 1"),
    "no images": ({"means": np.zeros(4)}, "no array of images; name it one of images"),
    "one image": ({"images": np.zeros((16, 16, 3), np.uint8)}, "is one image"),
    "rows of colours": ({"images": np.zeros((5, 192), np.uint8)}, r"for colour give \(N, H, W, 3\)"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_npz_files_that_are_refused(tmp_path: Path, name: str) -> None:
    arrays, message = REFUSED[name]
    np.savez(tmp_path / "set.npz", **arrays)
    with pytest.raises(DataError, match=message):
        load_data(tmp_path / "set.npz")


@pytest.mark.parametrize("label", [True, False])
def test_tables_of_pixels(tmp_path: Path, label: bool) -> None:
    """Kaggle's train.csv and test.csv."""
    head = [*(["label"] if label else []), *(f"pixel{i}" for i in range(64))]
    rows = [[*([LABELS[i]] if label else []), *GREY[i].ravel()] for i in range(12)]
    (tmp_path / "train.csv").write_text(table([tuple(head), *(tuple(map(str, row)) for row in rows)]))
    data = load_data(tmp_path / "train.csv", validation=0, test=0)
    assert (data.train.images[:, 0].numpy() == GREY).all()
    assert understood(data) == {"train": {"0": 4, "1": 4, "2": 4} if label else {"-": 12}}


def idx(array: NDArray[np.uint8]) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


IDX = {
    "train-images-idx3-ubyte": idx(GREY[:9]), "train-labels-idx1-ubyte": idx(LABELS[:9].astype(np.uint8) + 1),
    "t10k-images-idx3-ubyte": idx(GREY[9:]), "t10k-labels-idx1-ubyte": idx(LABELS[9:].astype(np.uint8) + 1),
}  # fmt: skip


@pytest.mark.parametrize("place", ["", "raw", "MNIST/raw", "zip", "zip/deep"])
def test_idx_files(tmp_path: Path, place: str) -> None:
    path = tmp_path / "set"
    if place.startswith("zip"):
        path = tmp_path / "set.zip"
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in IDX.items():
                archive.writestr(f"{place[4:]}/{name}".lstrip("/"), content)
    else:
        (path / place).mkdir(parents=True)
        for name, content in IDX.items():
            (path / place / name).write_bytes(content)
    data = load_data(path, validation=0)
    assert understood(data) == {"train": {"1": 3, "2": 3, "3": 3}, "test": {"1": 1, "2": 1, "3": 1}}
    assert (data.train.images[:, 0].numpy() == GREY[:9]).all()


def parquet_of(path: Path, rows: slice, *, names: bool = True, binary: bool = False) -> None:
    arrow = pytest.importorskip("pyarrow", reason="needs the extra parquet")
    parquet = pytest.importorskip("pyarrow.parquet")
    numbers = list(range(12))[rows]
    contents = [picture(number) for number in numbers]
    images = contents if binary else [{"bytes": content, "path": None} for content in contents]
    table = arrow.table({"image": images, "label": [number % 3 for number in numbers]})
    if names:
        features = {"image": {"_type": "Image"}, "label": {"_type": "ClassLabel", "names": ["cat", "dog", "bird"]}}
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(table, path)


def test_parquet_of_hugging_face(tmp_path: Path) -> None:
    for name, rows in (
        ("train-00000-of-00002", slice(0, 6)),
        ("train-00001-of-00002", slice(6, 9)),
        ("test-00000-of-00001", slice(9, 12)),
    ):
        parquet_of(tmp_path / "set" / "data" / f"{name}.parquet", rows)
    data = load_data(tmp_path / "set", validation=0)
    assert understood(data) == {
        "train": {"cat": 3, "dog": 3, "bird": 3}, "test": {"cat": 1, "dog": 1, "bird": 1},
    }  # fmt: skip
    assert numbers_of(data.train.images.numpy()) == list(range(9))


def test_one_parquet_file_of_bytes(tmp_path: Path) -> None:
    parquet_of(tmp_path / "set.parquet", slice(0, 12), names=False, binary=True)
    data = load_data(tmp_path / "set.parquet", validation=0, test=0)
    assert understood(data) == {"train": {"0": 4, "1": 4, "2": 4}}
    (tmp_path / "bad.parquet").write_bytes(b"no parquet")
    with pytest.raises(DataError, match=r"bad.parquet: not a readable Parquet file"):
        load_data(tmp_path / "bad.parquet")


def test_heic_from_phones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    heif = pytest.importorskip("pillow_heif", reason="needs the extra heic")
    (tmp_path / "set").mkdir()
    for number in range(3):
        heif.from_pillow(Image.new("RGB", (64, 32), (200, 40, 40 * number))).save(
            tmp_path / "set" / f"{number}.heic", quality=100
        )
    data = load_data(tmp_path / "set", validation=0, test=0)
    assert data.info["found"]["sizes"] == {"64x32": 3}
    assert np.abs(data.train.images[:, :, 20, 20].numpy().astype(int) - [[200, 40, 40 * n] for n in range(3)]).max() < 8
    monkeypatch.setattr("gentool.data.decode._other_formats", list)
    with pytest.raises(DataError, match=r"HEIC, which needs another package: pip install pillow-heif"):
        load_data(tmp_path / "set", size=16)


# Values, colours, orientation.


def save_all(folder: Path, images: list[Image.Image], form: str = "png", **settings: Any) -> Path:
    folder.mkdir()
    for number, image in enumerate(images):
        image.save(folder / f"{number:02}.{form}", **settings)
    return folder


@pytest.mark.parametrize("top", [1023, 4095, 16383, 65535])
def test_the_range_of_deep_pictures(tmp_path: Path, top: int) -> None:
    values = [np.linspace(0, top * share, 64).round().astype(np.uint16).reshape(8, 8) for share in (0.5, 1.0)]
    folder = save_all(tmp_path / "set", [Image.fromarray(one) for one in values], "tiff")
    data = load_data(folder, validation=0, test=0)
    assert (data.train.images[:, 0].numpy() == np.rint(np.stack(values) * (255 / top))).all()
    assert any(f"{top} is white" in note for note in data.info["notes"]) == (top != 65535)


def test_a_value_beyond_16_bits_is_refused_among_deep_pictures(tmp_path: Path) -> None:
    good = [Image.fromarray(np.full((8, 8), 65535, np.int32)) for _ in range(3)]
    folder = save_all(tmp_path / "set", [*good, Image.fromarray(np.full((8, 8), 70_000, np.int32))], "tiff")
    (skipped,) = load_data(folder, validation=0, test=0).info["skipped"]
    assert "70000, outside every known range" in skipped["reason"]


def test_a_size_that_one_picture_has_already_resizes_the_others_as_what_they_are(tmp_path: Path) -> None:
    art = Image.fromarray(np.kron(np.eye(4, dtype=np.uint8) * 255, np.ones((4, 4), np.uint8)))
    folder = save_all(tmp_path / "set", [art.resize((8, 8), Image.Resampling.NEAREST), *[art] * 5])
    data = load_data(folder, size=8, validation=0, test=0)
    assert data.info["pixel_art"]
    assert (data.train.images[1:] == data.train.images[0]).all()


def test_masks_of_0_and_1_are_black_and_white(tmp_path: Path) -> None:
    data = load_data(save_all(tmp_path / "set", [Image.fromarray(one) for one in BINARY]), validation=0, test=0)
    assert (data.train.images[:, 0].numpy() == BINARY * 255).all()
    assert "values 0 and 1: 1 is white" in data.info["notes"]


@pytest.mark.parametrize(
    ("value", "note"), [(30, "every pixel of every image is 30"), (None, "their brightest pixel is 40")]
)
def test_dark_and_constant_sets_are_said(tmp_path: Path, value: int | None, note: str) -> None:
    pixels = np.full((5, 8, 8), value, np.uint8) if value else (GREY[:5] % 41).clip(0, 40).astype(np.uint8)
    pixels[0, 0, 0] = value or 40
    data = load_data(save_all(tmp_path / "set", [Image.fromarray(one) for one in pixels]), validation=0, test=0)
    assert any(note in text for text in data.info["notes"])
    assert data.info["range"][1] == (value or 40)


@pytest.mark.parametrize("mode", ["RGB", "P", "RGBA"])
def test_grey_pictures_in_modes_of_colour_are_grey(tmp_path: Path, mode: str) -> None:
    images = [Image.fromarray(one).convert(mode) for one in GREY]
    data = load_data(save_all(tmp_path / "grey", images), validation=0, test=0)
    assert data.shape == (1, 8, 8)
    assert (data.train.images[:, 0].numpy() == GREY).all()
    images[-1] = Image.new("RGB", (8, 8), (9, 10, 9))
    assert load_data(save_all(tmp_path / "coloured", images)).shape == (3, 8, 8)


def test_one_coloured_picture_among_thousands_of_grey_ones_is_noticed(tmp_path: Path) -> None:
    """It is not in the sample from which the form is guessed."""
    images = [Image.new("L", (8, 8), number % 256) for number in range(300)]
    images[299] = Image.new("RGB", (8, 8), (9, 10, 9))
    images[151] = Image.new("L", (8, 9), 7)
    data = load_data(save_all(tmp_path / "set", images), validation=0, test=0)
    assert data.shape == (3, 64, 64)
    assert data.info["found"]["sizes"] == {"8x8": 299, "8x9": 1}


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", ["tiff", "png", "jpeg", "webp"])
def test_pictures_lie_the_right_way_up(tmp_path: Path, form: str, orientation: int) -> None:
    stored = Image.new("L", (24, 16) if orientation < 5 else (16, 24), 120)
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = load_data(save_all(tmp_path / "set", [stored] * 3, form, exif=exif), validation=0, test=0)
    assert data.shape[1:] == (16, 24)
    assert data.info["found"]["sizes"] == {"24x16": 3}
    assert data.info["found"]["turned_by_exif"] == (3 if orientation > 1 else 0)


def test_colours_of_a_wide_profile_become_srgb(tmp_path: Path) -> None:
    from PIL import ImageCms

    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))  # no profile of RGB: ignored
    image = Image.new("RGB", (8, 8), (10, 200, 30))
    data = load_data(save_all(tmp_path / "a", [image] * 2, icc_profile=profile.tobytes()), validation=0, test=0)
    assert data.train.images[0, :, 0, 0].tolist() == [10, 200, 30]


# Splits.


def test_rare_classes_keep_a_training_image(tmp_path: Path) -> None:
    for seed in range(4):
        counts = {"common": 60, "rare": 2, "single": 2}
        write(tmp_path / str(seed), counts)
        data = load_data(tmp_path / str(seed), split_seed=seed, test=0.3, validation=0.2)
        seen = understood(data)
        assert set(seen["train"]) == set(counts)
        assert seen["test"]["common"] >= 15


def test_classes_with_few_training_images_are_named(tmp_path: Path) -> None:
    write(tmp_path / "set", {"common": 60, "rare": 3})
    notes = load_data(tmp_path / "set").info["notes"]
    assert any(note.startswith("fewer than 5 training images of class rare (") for note in notes)


# Messages.


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "a.zip",
            b"<!DOCTYPE html><html>log in</html>",
            "a web page, not the data: the download failed, or needs a login",
        ),
        ("a.zip", b"PK\x03\x04" + b"\0" * 40, "a zip archive that is cut short or damaged; fetch it again"),
        ("a.7z", b"7z\xbc\xaf\x27\x1c", "an archive of another kind"),
        ("a.bin", b"", "an empty file"),
        ("a.zip", b"version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer"),
    ],
)
def test_files_that_are_something_else(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message):
        load_data(tmp_path / name)


def test_a_folder_beside_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(Path("cats"), AB)
    with pytest.raises(DataError, match=r"for the folder or file of this name here, give ./cats$"):
        load_data("cats")
    assert load_data("./cats").classes == ("a", "b")
    with pytest.raises(DataError, match=r"^which data\?"):
        load_data("")


def test_two_sources_of_the_same_name_size_and_time(tmp_path: Path) -> None:
    import os

    for place, base in (("x", 0), ("y", 1000)):
        (tmp_path / place / "set").mkdir(parents=True)
        for number in range(4):
            file = tmp_path / place / "set" / f"{number}.png"
            file.write_bytes(picture(base + number))
            os.utime(file, (1e9, 1e9))
    first, second = (load_data(tmp_path / place / "set") for place in ("x", "y"))
    assert first.fingerprint != second.fingerprint
    changed = tmp_path / "x" / "set" / "0.png"
    changed.write_bytes(picture(7))
    os.utime(changed, (1e9, 1e9))
    assert load_data(tmp_path / "x" / "set").fingerprint != first.fingerprint


def test_a_cache_that_cannot_be_written_is_read(
    tmp_path: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "set", AB)
    before = load_data("digits").fingerprint, load_data(tmp_path / "set").fingerprint

    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refuse)
    monkeypatch.setattr(Path, "write_text", refuse)
    assert (load_data("digits").fingerprint, load_data(tmp_path / "set").fingerprint) == before


CHECKS: list[tuple[Tree, Callable[[str], bool]]] = [
    ({**below("train", AB), **below("test", AB), "extra": 3}, lambda out: "extra/" in out and "left out" in out),
    (AB, lambda out: "classes   2: a 6, b 6" in out),
]


@pytest.mark.parametrize(("tree", "shown"), CHECKS)
def test_check_shows_what_was_understood(
    tmp_path: Path, cli: Callable, tree: Tree, shown: Callable[[str], bool]
) -> None:
    write(tmp_path / "set", tree)
    result = cli("prepare", tmp_path / "set", "--check")
    assert result.code == 0, result.err
    assert shown(result.out), result.out
