"""Labels and splits from files, tables, arrays and Parquet: the right one for each image, or refused."""

import csv
import io
import json
import tarfile
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from gentool.data.images import ImageData
from gentool.data.load import load_data
from gentool.errors import DataError, OptionError
from tests.data.test_layouts import below, numbers_of, picture, understood, write

Array = NDArray[Any]


def table(rows: Sequence[Sequence[object]]) -> str:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue()


def classes_by_number(data: ImageData) -> dict[int, str]:
    """The number of each image's colour, and its class."""
    found = {}
    for split in data.splits.values():
        assert split.labels is not None
        for number, label in zip(numbers_of(split.images.numpy()), split.labels.tolist(), strict=True):
            found[number] = data.classes[label]
    return found


def test_names_of_training_images_do_not_label_test_images(tmp_path: Path) -> None:
    """Kaggle's CIFAR-10: train/1.png and test/1.png, and trainLabels.csv."""
    files = write(tmp_path / "set", {"train": 10, "test": 14})
    labels = tmp_path / "set" / "trainLabels.csv"
    labels.write_text(table([("id", "label"), *((f"{i:03}", "ab"[i % 2]) for i in range(10))]))
    data = load_data(tmp_path / "set", labels=labels, validation=0, test=0)
    assert classes_by_number(data) == {files[f"train/{i:03}.png"]: "ab"[i % 2] for i in range(10)}
    reasons = {one["reason"] for one in data.info["skipped"] if one["name"].startswith("test/")}
    assert reasons == {"left out: without a label in trainLabels.csv"}


def test_a_name_that_fits_several_images_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "set", {"x": 4, "y": 4})
    labels = tmp_path / "mine.csv"
    labels.write_text(table([("id", "label"), *((f"{i:03}", "ab"[i % 2]) for i in range(4))]))
    with pytest.raises(
        DataError, match=r"mine.csv names '000', which fits several images, such as x/000.png; give their"
    ):
        load_data(tmp_path / "set", labels=labels)
    labels.write_text(table([("id", "label"), *((f"/content/set/x/{i:03}.png", "ab"[i % 2]) for i in range(4))]))
    with pytest.raises(DataError, match="fits several images"):
        load_data(tmp_path / "set", labels=labels)
    labels.write_text(table([("id", "label"), *((f"x/{i:03}.png", "ab"[i % 2]) for i in range(4))]))
    assert understood(load_data(tmp_path / "set", labels=labels, validation=0, test=0)) == {"train": {"a": 2, "b": 2}}


def test_metadata_of_the_training_images_alone(tmp_path: Path) -> None:
    write(tmp_path / "set", {"train": 10, "test": 10})
    rows = [("file_name", "label"), *((f"{i:03}.png", "ab"[i % 2]) for i in range(10))]
    (tmp_path / "set/train/metadata.csv").write_text(table(rows))
    data = load_data(tmp_path / "set", validation=0, test=0)
    assert understood(data) == {"train": {"a": 5, "b": 5}}
    assert sum(one["name"].startswith("test/") for one in data.info["skipped"]) == 10


@pytest.mark.parametrize("name", ["images/{}.png", "{}"])
def test_masks_get_no_labels(tmp_path: Path, name: str) -> None:
    files = write(tmp_path / "set", {"images": 8, "masks": 8})
    rows = [("file_name", "label"), *((name.format(f"{i:03}"), "ab"[i % 2]) for i in range(8))]
    (tmp_path / "set/labels.csv").write_text(table(rows))
    data = load_data(tmp_path / "set", validation=0, test=0)
    assert classes_by_number(data) == {files[f"images/{i:03}.png"]: "ab"[i % 2] for i in range(8)}
    assert [one["images"] for one in data.info["layout"] if one["role"].startswith("left out")] == [8]


def test_splits_in_a_column(tmp_path: Path) -> None:
    write(tmp_path / "set", {"": 9})
    usage = ["Training"] * 6 + ["PublicTest"] * 2 + ["PrivateTest"]
    (tmp_path / "set/labels.csv").write_text(
        table([("filename", "label", "Usage"), *((f"{i:03}.png", "ab"[i % 2], usage[i]) for i in range(9))])
    )
    assert understood(load_data(tmp_path / "set")) == {"train": {"a": 3, "b": 3}, "test": {"a": 2, "b": 1}}


def test_the_partition_of_celeba(tmp_path: Path) -> None:
    write(tmp_path / "set", {"": 9})
    file = tmp_path / "list_eval_partition.csv"
    file.write_text(table([("image_id", "partition"), *((f"{i:03}.png", i // 6 + (i == 8)) for i in range(9))]))
    data = load_data(tmp_path / "set", labels=file)
    assert understood(data) == {"train": {"-": 6}, "validation": {"-": 2}, "test": {"-": 1}}


def test_a_split_of_another_word_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "set", {"": 6})
    rows = [
        ("filename", "label", "split"),
        *((f"{i:03}.png", "ab"[i % 2], ["train", "unlabeled"][i % 2]) for i in range(6)),
    ]
    file = tmp_path / "mine.csv"
    file.write_text(table(rows))
    with pytest.raises(
        DataError, match=r"mine.csv: 'unlabeled' in column split is not a split; expected train, validation"
    ):
        load_data(tmp_path / "set", labels=file)


def test_a_file_of_splits_leaves_the_classes_of_the_folders(tmp_path: Path) -> None:
    write(tmp_path / "set", {"a": 6, "b": 6})
    names = [f"{kind}/{i:03}.png" for kind in "ab" for i in range(6)]
    rows = [("filename", "label", "split"), *((name, "", "test" if "5" in name else "train") for name in names)]
    (tmp_path / "set/labels.csv").write_text(table(rows))
    expected = {"train": {"a": 5, "b": 5}, "test": {"a": 1, "b": 1}}
    assert understood(load_data(tmp_path / "set", validation=0)) == expected


def test_empty_labels(tmp_path: Path) -> None:
    write(tmp_path / "set", {"": 6})
    file = tmp_path / "mine.csv"
    file.write_text(table([("filename", "label"), *((f"{i:03}.png", "") for i in range(6))]))
    with pytest.raises(DataError, match="all of its labels are empty"):
        load_data(tmp_path / "set", labels=file)


def test_the_layout_goes_before_a_file_that_was_found(tmp_path: Path) -> None:
    write(tmp_path / "set", {"a": 6, "b": 6})
    names = [f"{kind}/{i:03}.png" for kind in "ab" for i in range(6)]
    (tmp_path / "set/labels.csv").write_text(
        table([("filename", "label"), *((name, "x" + name[-5]) for name in names)])
    )
    data = load_data(tmp_path / "set", layout="classes", validation=0, test=0)
    assert understood(data) == {"train": {"a": 6, "b": 6}}
    assert "labels.csv is not used: --layout classes uses the folders" in data.info["notes"]


@pytest.mark.parametrize(
    "content",
    [{"000.png": "x", "001.png": "y"}, [{"file": "000.png", "label": "x"}, {"file": "001.png", "label": "y"}]],
)
def test_labels_in_json(tmp_path: Path, content: object) -> None:
    write(tmp_path / "set", {"": 2})
    (tmp_path / "labels.json").write_text(json.dumps(content))
    data = load_data(tmp_path / "set", labels=tmp_path / "labels.json", validation=0, test=0)
    assert understood(data) == {"train": {"x": 1, "y": 1}}


def test_stylegan_without_labels_has_no_classes(tmp_path: Path) -> None:
    write(tmp_path / "set", {"00000": 4, "00001": 4})
    (tmp_path / "set/dataset.json").write_text('{"labels": null}')
    data = load_data(tmp_path / "set", validation=0, test=0)
    assert understood(data) == {"train": {"-": 8}}
    assert "no class labels, as dataset.json says" in data.info["notes"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"PK\x03\x04\x14\xff\xfe", "a spreadsheet workbook; export it as CSV"),
        ("filename,label\r\nü.png,x\r\n".encode("cp1252"), "not UTF-8 text; save it as CSV UTF-8"),
        (b"filename,label\r\n000.png,x\r\n000.png,y\r\n", "names 000.png several times, with different labels"),
        (b'filename,label\r\n"' + b"x" * 2**20, r"and the file has x{60}…$"),
        (b"filename,x,y\r\n000.png,1,2\r\n", "no column label or labels or class; it has filename, x, y. Give"),
    ],
)  # fmt: skip
def test_files_that_are_no_labels(tmp_path: Path, content: bytes, message: str) -> None:
    write(tmp_path / "set", {"": 2})
    (tmp_path / "mine.csv").write_bytes(content)
    with pytest.raises(DataError, match=message):
        load_data(tmp_path / "set", labels=tmp_path / "mine.csv")


@pytest.mark.parametrize(
    "content", ["sep=;\r\nfilename;label\r\n000.png;x\r\n001.png;y\r\n", "filename\tlabel\n000.png\tx\n001.png\ty\n"]
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_tables_of_spreadsheets(tmp_path: Path, content: str, encoding: str) -> None:
    write(tmp_path / "set", {"": 2})
    (tmp_path / "mine.csv").write_bytes(content.encode(encoding))
    data = load_data(tmp_path / "set", labels=tmp_path / "mine.csv", validation=0, test=0)
    assert understood(data) == {"train": {"x": 1, "y": 1}}


def test_a_validation_share_beside_own_validation_images(tmp_path: Path) -> None:
    write(tmp_path / "set", {"train": 8, "val": 3})
    with pytest.raises(OptionError, match="--validation: this data set has validation images of its own"):
        load_data(tmp_path / "set", validation=0.3)


# Tables of pixels


def pixels_of(count: int) -> Array:
    return np.random.default_rng(0).integers(0, 256, (count, 64))


def as_csv(path: Path, header: Sequence[str] | None, rows: Sequence[Sequence[object]], separator: str = ",") -> Path:
    with path.open("w", newline="") as file:
        writer = csv.writer(file, delimiter=separator)
        writer.writerows([header] if header else [])
        writer.writerows(rows)
    return path


def rows_in_source_order(data: ImageData) -> Array:
    images = data.whole().images.flatten(1).numpy()
    positions = data.source_positions()
    return images if positions is None else images[np.argsort(positions.numpy())]


def test_a_label_with_a_hash(tmp_path: Path) -> None:
    pixels = pixels_of(9)
    rows = [[*row, ["C", "C#", "D"][i % 3]] for i, row in enumerate(pixels)]
    data = load_data(as_csv(tmp_path / "x.csv", [*(f"p{i}" for i in range(64)), "label"], rows), validation=0, test=0)
    assert understood(data) == {"train": {"C": 3, "C#": 3, "D": 3}}


@pytest.mark.parametrize("labelled", [False, True])
def test_a_table_without_a_header(tmp_path: Path, labelled: bool) -> None:
    pixels = pixels_of(9)
    rows = [[i % 3, *row] if labelled else list(row) for i, row in enumerate(pixels)]
    data = load_data(as_csv(tmp_path / "x.csv", None, rows))
    assert np.array_equal(rows_in_source_order(data), pixels)
    assert len(data.classes) == (3 if labelled else 0)
    assert ("the table has no header: its first column is taken as the label" in data.info["notes"]) == labelled


def test_columns_in_the_order_of_text(tmp_path: Path) -> None:
    pixels = pixels_of(9)
    names = sorted(f"pixel{i}" for i in range(64))
    rows = [[row[int(name[5:])] for name in names] for row in pixels]
    data = load_data(as_csv(tmp_path / "x.csv", names, rows, separator=";"))
    assert np.array_equal(rows_in_source_order(data), pixels)


def test_a_column_of_pixels(tmp_path: Path) -> None:
    """FER2013: emotion, pixels, Usage."""
    pixels = pixels_of(12)
    usage = ["Training"] * 8 + ["PublicTest"] * 2 + ["PrivateTest"] * 2
    rows = [[i % 2, " ".join(map(str, row)), usage[i]] for i, row in enumerate(pixels)]
    data = load_data(as_csv(tmp_path / "fer.csv", ["emotion", "pixels", "Usage"], rows), validation=0)
    assert understood(data) == {"train": {"0": 4, "1": 4}, "test": {"0": 2, "1": 2}}
    assert np.array_equal(rows_in_source_order(data), pixels)


def test_rows_without_a_label_are_refused(tmp_path: Path) -> None:
    rows = [["" if i == 4 else "a", *row] for i, row in enumerate(pixels_of(9))]
    with pytest.raises(DataError, match="some rows have no label"):
        load_data(as_csv(tmp_path / "x.csv", ["label", *(f"p{i}" for i in range(64))], rows))


# Arrays


def images_of(count: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).integers(0, 256, (count, 8, 8)).astype(np.uint8)


def saved(path: Path, **arrays: Array) -> Path:
    np.savez(path, **arrays)
    return path


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"arr_0": images_of(9), "arr_1": np.arange(9), "arr_2": images_of(4)}, "give the arrays names"),
        ({"images_1": images_of(9), "images_2": images_of(9)}, "images_1 and images_2: several arrays of images"),
        (
            {"x_train": images_of(9), "y_train": np.arange(9.0) % 2, "x_test": images_of(2),
             "y_test": np.array(["a", "b"])},
            "y_train and y_test: some are numbers, some are names",
        ),
        ({"x_train": images_of(9), "x_test": images_of(4) / 255}, "x_test: values up to .* where .*x_train has values"),
        ({"images": np.zeros((28, 28, 90), np.uint8)}, r"images along the last axis; give x.transpose\(2, 0, 1\)"),
    ],
)  # fmt: skip
def test_arrays_that_could_mean_several_things(tmp_path: Path, arrays: dict[str, Array], message: str) -> None:
    with pytest.raises(DataError, match=message):
        load_data(saved(tmp_path / "x.npz", **arrays))


def test_boxes_are_no_images(tmp_path: Path) -> None:
    images = images_of(9)
    data = load_data(saved(tmp_path / "x.npz", x=np.ones((9, 4)), images=images, labels=np.arange(9) % 3))
    assert np.array_equal(rows_in_source_order(data), images.reshape(9, -1))
    assert len(data.classes) == 3


def test_labels_of_the_test_images_alone(tmp_path: Path) -> None:
    data = load_data(saved(tmp_path / "x.npz", x_train=images_of(9), x_test=images_of(4), y_test=np.arange(4)))
    assert not data.labelled
    assert len(data) == 13
    assert "labels not used: x_train has none" in data.info["notes"]


def test_flat_rows_are_no_rgba() -> None:
    with pytest.raises(DataError, match=r"--channels 4 needs \(N, H, W, 4\)"):
        load_data(np.zeros((9, 16 * 16 * 4), np.uint8), channels=4)


def test_small_classes_share_the_validation_images(tmp_path: Path) -> None:
    """Olivetti: 40 classes of 10 images."""
    images = np.random.default_rng(0).integers(0, 256, (400, 8, 8)).astype(np.uint8)
    data = load_data(saved(tmp_path / "x.npz", images=images, labels=np.arange(400) // 10))
    assert [len(split) for split in data.splits.values()] == [340, 20, 40]
    assert data.test.labels is not None
    assert np.bincount(data.test.labels).tolist() == [1] * 40


def test_labels_that_are_measurements_are_remarked_on(tmp_path: Path) -> None:
    data = load_data(saved(tmp_path / "x.npz", images=images_of(50), labels=np.linspace(0.1, 2, 50)))
    assert any("50 classes for 50 images: perhaps their labels are not classes" in note for note in data.info["notes"])


# IDX


def idx(array: Array) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + b"".join(side.to_bytes(4, "big") for side in array.shape) + array.tobytes()


def mnist(name: str) -> dict[str, bytes]:
    """Four IDX files, their names as `name` writes them."""
    parts = {"train": 12, "t10k": 6}
    return {
        name.format(part=part, kind=kind, number=number): idx(array)
        for part, count in parts.items()
        for kind, number, array in (
            ("images", 3, images_of(count, seed=count)), ("labels", 1, (np.arange(count) % 3).astype(np.uint8)),
        )
    }  # fmt: skip


@pytest.mark.parametrize("form", ["folder", "zip", "tar"])
@pytest.mark.parametrize("twice", [False, True])
def test_idx_files_in_folders_of_their_own(tmp_path: Path, form: str, twice: bool) -> None:
    """The archive of hojjatk on Kaggle: each file also in a folder of its name."""
    files = mnist("{part}-{kind}-idx{number}-ubyte/{part}-{kind}-idx{number}-ubyte")
    if twice:
        files |= mnist("{part}-{kind}.idx{number}-ubyte")
    if form == "zip":
        path = tmp_path / "mnist.zip"
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in files.items():
                archive.writestr(name, content)
    elif form == "tar":
        path = tmp_path / "mnist.tar.gz"
        with tarfile.open(path, "w:gz") as packed:
            for name, content in files.items():
                member = tarfile.TarInfo(name)
                member.size = len(content)
                packed.addfile(member, io.BytesIO(content))
    else:
        path = tmp_path / "mnist"
        for name, content in files.items():
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            (path / name).write_bytes(content)
    data = load_data(path, validation=0)
    assert understood(data) == {"train": {"0": 4, "1": 4, "2": 4}, "test": {"0": 2, "1": 2, "2": 2}}


def test_two_sets_of_idx_files(tmp_path: Path) -> None:
    for name in ("MNIST", "FashionMNIST"):
        (tmp_path / f"set/{name}/raw").mkdir(parents=True)
        for file, content in mnist("{part}-{kind}-idx{number}-ubyte").items():
            (tmp_path / f"set/{name}/raw/{file}").write_bytes(content)
    with pytest.raises(DataError, match=r"IDX files in FashionMNIST/raw and MNIST/raw; give"):
        load_data(tmp_path / "set")


def test_emnist_is_turned_upright(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    images = images_of(9)
    (tmp_path / "set/emnist-letters-train-images-idx3-ubyte").write_bytes(idx(images))
    data = load_data(tmp_path / "set")
    assert np.array_equal(rows_in_source_order(data), images.transpose(0, 2, 1).reshape(9, -1))
    assert any("EMNIST" in note for note in data.info["notes"])
    assert "no class labels: there is no IDX file of labels" in data.info["notes"]


# Parquet


def parquet(path: Path, numbers: Sequence[int], **columns: Sequence[object]) -> Path:
    pq = pytest.importorskip("pyarrow.parquet", reason="needs pyarrow, of the extra parquet")
    import pyarrow as arrow

    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(arrow.table({"image": [{"bytes": picture(number)} for number in numbers], **columns}), path)
    return path


def test_one_hot_labels_in_parquet(tmp_path: Path) -> None:
    path = parquet(tmp_path / "x.parquet", range(12), label=[[1, 0]] * 6 + [[0, 1]] * 6)
    data = load_data(path, validation=0, test=0)
    assert classes_by_number(data) == {number: str(number // 6) for number in range(12)}


def test_several_labels_of_an_image(tmp_path: Path) -> None:
    path = parquet(tmp_path / "x.parquet", range(4), labels=[[0], [0, 1], [1], []])
    with pytest.raises(DataError, match=r"x.parquet: labels: several labels for one image"):
        load_data(path)


def test_missing_labels_in_parquet_are_left_out(tmp_path: Path) -> None:
    path = parquet(tmp_path / "x.parquet", range(9), label=[0, 1, 0, 1, 0, 1, -1, -1, None])
    data = load_data(path, validation=0, test=0)
    assert understood(data) == {"train": {"0": 3, "1": 3}}
    assert {one["reason"] for one in data.info["skipped"]} == {"left out: without a label"}


def test_splits_in_a_column_of_parquet(tmp_path: Path) -> None:
    path = parquet(tmp_path / "x.parquet", range(9), label=[0, 1, 0] * 3, split=["train"] * 6 + ["test"] * 3)
    assert understood(load_data(path, validation=0)) == {"train": {"0": 4, "1": 2}, "test": {"0": 2, "1": 1}}


@pytest.mark.parametrize(
    "names",
    [
        ("cats_train", "cats_test"),
        ("mnist/train-00000-of-00001", "mnist/test-00000-of-00001"),
        ("data/train/0000", "data/test/0000"),
    ],
)
def test_names_of_parquet_files(tmp_path: Path, names: tuple[str, str]) -> None:
    parquet(tmp_path / f"set/{names[0]}.parquet", range(6))
    parquet(tmp_path / f"set/{names[1]}.parquet", range(6, 9))
    assert understood(load_data(tmp_path / "set", validation=0)) == {"train": {"-": 6}, "test": {"-": 3}}


def test_parquet_without_training_images(tmp_path: Path) -> None:
    parquet(tmp_path / "set/validation-0.parquet", range(6))
    parquet(tmp_path / "set/test-0.parquet", range(6, 9))
    with pytest.raises(DataError, match=r"splits without training images: test-0.parquet and validation-0.parquet"):
        load_data(tmp_path / "set")


def test_a_table_of_metadata_does_not_hide_the_images(tmp_path: Path) -> None:
    write(tmp_path / "set", below("x", {"a": 4, "b": 4}))
    parquet(tmp_path / "set/metadata.parquet", range(2))
    assert understood(load_data(tmp_path / "set", validation=0, test=0)) == {"train": {"a": 4, "b": 4}}


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("train.csv", "give only train.csv"),
        ("x.mat", "gentool does not read MATLAB files"),
        ("data_batch_1", "prepare cifar10 --source"),
    ],
)
def test_what_a_folder_without_images_holds(tmp_path: Path, name: str, hint: str) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / name).write_bytes(b"12345678")
    with pytest.raises(DataError, match=hint):
        load_data(tmp_path / "set")
