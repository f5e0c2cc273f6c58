"""The named sets: what is built in, what is generated, what is checked, and the errors when files are not at hand."""

import hashlib
import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gentool.data.catalog import CATALOG
from gentool.data.load import load_data
from gentool.data.prepare import PrepareOptions
from gentool.data.sources import cryptopunks, faces, shapes
from gentool.errors import DataError, OptionError
from gentool.progress import Reporter


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError("no network here")

    monkeypatch.setattr("gentool.data.fetch.PAUSE_SECONDS", 0)
    monkeypatch.setattr("socket.create_connection", refuse)


def test_digits() -> None:
    data = load_data("digits")
    assert (data.shape, len(data), len(data.classes)) == ((1, 8, 8), 1797, 10)
    assert data.info["duplicates"]["copies"] == 0
    levels = data.whole().images.unique()
    assert (int(levels.min()), int(levels.max()), len(levels)) == (0, 255, 17)


def test_shapes_are_reproducible_and_independent_of_their_number() -> None:
    few, many = load_data("shapes", count=10, size="24x16"), load_data("shapes", count=40, size="24x16")
    assert few.shape == (3, 16, 24)
    by_number = []
    for data in (few, many):
        order, factors = data.source_positions(), data.factors()
        assert order is not None
        assert factors is not None
        places = order.argsort()
        by_number.append((data.whole().images[places], factors[places]))
    assert (by_number[0][0] == by_number[1][0][:10]).all()
    assert (by_number[0][1] == by_number[1][1][:10]).all()
    other = load_data("shapes", count=10, size="24x16", split_seed=1)
    assert other.fingerprint != few.fingerprint


def test_the_pixels_of_shapes_do_not_drift() -> None:
    """A change here changes every model trained on shapes: count up PREPARATION in gentool.data.cache."""
    drawn = np.stack([shapes.draw(shapes.factors_of(0, i), (32, 32)) for i in range(20)]).astype(int)
    assert hashlib.sha256((drawn // 8).astype(np.uint8).tobytes()).hexdigest()[:16] == "cf0bcc256e4f542c"


def test_factors_describe_the_picture() -> None:
    data = load_data("shapes", count=30, size="48")
    factors = data.factors()
    assert factors is not None
    assert data.info["factors"] == list(shapes.FACTORS)
    labels = data.labels
    assert labels is not None
    assert (factors[:, 0].long() == labels).all()
    for image, (_, _, x, y, scale, _) in zip(data.whole().images, factors.tolist(), strict=True):
        rows, columns = np.nonzero((image.numpy() != 24).any(0))
        radius = scale * 48
        for found, factor in ((columns, x), (rows, y)):
            middle = radius + factor * (48 - 2 * radius)
            assert middle - radius - 1.5 <= found.min()
            assert found.max() <= middle + radius + 0.5


@pytest.mark.parametrize("shape", range(len(shapes.CLASSES)))
def test_a_quarter_turn_turns_the_pixels(shape: int) -> None:
    upright = np.array([shape, 0.3, 0.5, 0.5, 0.3, 0], np.float32)
    turned = upright.copy()
    turned[5] = 90
    first, second = (shapes.draw(factors, (32, 32)).astype(int) for factors in (upright, turned))
    assert min(np.abs(np.rot90(first, times) - second).max() for times in (1, 3)) <= 1
    assert np.abs(first - second).max() > 50  # none of the shapes looks the same turned


def test_every_entry_has_what_the_list_shows() -> None:
    for name, entry in CATALOG.items():
        assert entry.name == name
        assert entry.description
        assert entry.licence
        PrepareOptions(**entry.defaults)


@pytest.mark.parametrize("name", ["cats", "rijksmuseum"])
def test_sets_that_must_be_given_say_where_to_get_them(name: str) -> None:
    with pytest.raises(DataError, match=rf"{name}.*https://.*gentool prepare {name} --source"):
        load_data(name)


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize("name", [name for name, entry in CATALOG.items() if entry.origin == "fetched"])
def test_without_a_network_the_error_tells_what_to_do(name: str) -> None:
    with pytest.raises(DataError, match=rf"{name}: .*could not be fetched.*http.*gentool prepare {name} --source"):
        load_data(name)


@pytest.mark.parametrize("name", list(CATALOG))
def test_every_set_takes_a_source_that_must_exist(name: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file or folder"):
        load_data(name, source=tmp_path / "nothing")


@pytest.mark.parametrize("name", ["mnist", "kmnist", "cifar10", "svhn", "cryptopunks", "cats"])
def test_a_source_without_the_files_is_named(name: str, tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    with pytest.raises(DataError, match=r"here|empty"):
        load_data(name, source=tmp_path / "here")


def sheet(folder: Path) -> Path:
    """A small stand-in for punks.png: transparent around a square in each of 4 x 4 tiles."""
    pixels = np.zeros((96, 96, 4), np.uint8)
    for number in range(16):
        top, left = number // 4 * 24, number % 4 * 24
        pixels[top + 8 : top + 16, left + 8 : left + 16] = (number * 10, 5, 5, 255)
    folder.mkdir(exist_ok=True)
    Image.fromarray(pixels).save(folder / "punks.png")
    return folder


def test_punks_that_are_not_the_original_are_refused(tmp_path: Path) -> None:
    folder = sheet(tmp_path / "punks")
    for source in (folder, folder / "punks.png"):
        with pytest.raises(DataError, match=r"not the original punks\.png"):
            load_data("cryptopunks", source=source)


def test_punks_and_the_memory_of_a_given_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reporter: Reporter, notices: list[str]
) -> None:
    """`prepare cryptopunks --source X`, then `--data cryptopunks`, also after X is gone; other options read X again."""
    folder = sheet(tmp_path / "punks")
    monkeypatch.setattr(cryptopunks, "SHA256", hashlib.sha256((folder / "punks.png").read_bytes()).hexdigest())
    given = load_data("cryptopunks", source=folder)
    assert given.shape == (3, 24, 24)
    assert given.whole().images[0, :, 0, 0].tolist() == [0x63, 0x85, 0x96]
    plain = load_data("cryptopunks")
    assert plain.folder == given.folder
    larger = load_data("cryptopunks", size=48, reporter=reporter)
    assert larger.shape == (3, 48, 48)
    assert larger.info["pixel_art"]
    assert any("as given before" in text for text in notices)
    assert (larger.whole().images[:, :, ::2, ::2] == larger.whole().images[:, :, 1::2, 1::2]).all()
    (folder / "punks.png").unlink()
    folder.rmdir()
    assert load_data("cryptopunks").fingerprint == given.fingerprint
    assert load_data("cryptopunks", size="48").fingerprint == larger.fingerprint


def test_a_given_source_does_not_hide_what_is_built_in(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    for number in range(4):
        Image.new("L", (8, 8), number).save(folder / f"{number}.png")
    assert len(load_data("digits", source=folder)) == 4
    assert len(load_data("digits")) == 1797


def test_svhn_from_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """torchvision reads them; their MD5 is checked, so stand-ins need that check out of the way."""
    scipy_io = pytest.importorskip("scipy.io")
    from torchvision.datasets import SVHN

    for split, count in (("train", 12), ("test", 4)):
        images = np.random.default_rng(count).integers(0, 256, (32, 32, 3, count), np.uint8)
        labels = (np.arange(count) % 10 + 1).astype(np.uint8)[:, None]
        scipy_io.savemat(tmp_path / f"{split}_32x32.mat", {"X": images, "y": labels})
    with pytest.raises(DataError, match="is incomplete"):
        load_data("svhn", source=tmp_path)
    monkeypatch.setattr(SVHN, "_check_integrity", lambda self: True)
    for source in (tmp_path, tmp_path / "train_32x32.mat"):
        data = load_data("svhn", source=source, validation=0)
        assert (len(data.train), len(data.test), data.shape) == (12, 4, (3, 32, 32))
        assert data.train.labels is not None
        assert data.train.labels.tolist() == [1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1, 2]


def test_cifar10_from_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from torchvision.datasets import CIFAR10

    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    generator = np.random.default_rng(0)
    for name in ("data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch"):
        batch = {"data": generator.integers(0, 256, (2, 3072), np.uint8), "labels": [3, 5]}
        (folder / name).write_bytes(pickle.dumps(batch))
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": ["x"] * 10}))
    with pytest.raises(DataError, match="is incomplete"):  # nothing is unpickled before its MD5 agrees
        load_data("cifar10", source=tmp_path)
    monkeypatch.setattr(CIFAR10, "_check_integrity", lambda self: True)
    monkeypatch.setattr("torchvision.datasets.cifar.check_integrity", lambda *_: True)
    for source in (tmp_path, folder):
        data = load_data("cifar10", source=source, validation=0)
        assert (len(data.train), len(data.test), data.classes[3]) == (10, 2, "cat")
    (tmp_path / "cifar-10-python.tar.gz").write_bytes(b"no")
    with pytest.raises(DataError, match="its MD5 differs"):
        load_data("cifar10", source=tmp_path / "cifar-10-python.tar.gz")


def test_a_face_is_its_parts_painted_one_over_the_other() -> None:
    """Composed pixel by pixel from faces.json, in the order of its layers, beside the vectorised `compose`."""
    content = json.loads((Path(faces.__file__).parent / "faces.json").read_text(encoding="utf-8"))
    assert content["licence"].startswith("CC0 1.0")
    numbers = faces.draw_attributes(0, 40)
    for row, image in zip(numbers.tolist(), faces.compose(numbers), strict=True):
        values = {name: named[number] for (name, named), number in zip(faces.attributes().items(), row, strict=True)}
        for y, x in np.ndindex(16, 16):
            pixel = colour_of("background", values["background"])
            for part, variants in content["layers"].items():
                variant = "skin" if part == "skin" else values[part]
                if variant == "none":
                    continue
                own, white, black = content["legend"][variants[variant][y][x]]
                named = "hair" if part == "beard" else part
                tint = colour_of(named, values["skin" if part == "skin" else f"{named}-colour"])
                rest = 100 - own - white - black
                layers = zip(pixel, tint, strict=True)
                pixel = [(below * rest + own * above + white * 255 + 50) // 100 for below, above in layers]
            assert image[y, x].tolist() == pixel


def colour_of(part: str, name: str) -> list[int]:
    text = faces.COLOURS[part][name]
    return [int(text[place : place + 2], 16) for place in (1, 3, 5)]


def test_the_pixels_of_faces_do_not_drift() -> None:
    """A change here changes every model trained on faces: count up PREPARATION in gentool.data.cache."""
    numbers = faces.draw_attributes(0, 2000)
    digest = hashlib.sha256(faces.compose(numbers).tobytes()).hexdigest()
    assert digest == "472516b4e1d482f621e669b2d88d683c55537b1bddd63974ebb5b9923d057c65"
    assert (faces.draw_attributes(0, 10) == numbers[:10]).all()
    assert (faces.draw_attributes(1, 10) != numbers[:10]).any()
    _, firsts = np.unique(faces.compose(numbers).reshape(2000, -1), axis=0, return_index=True)
    assert len(firsts) == 2000


def test_faces_have_their_parts_as_often_as_stated() -> None:
    numbers = faces.draw_attributes(3, 20_000)
    for column, (name, values) in enumerate(faces.attributes().items()):
        shares = np.bincount(numbers[:, column], minlength=len(values)) / len(numbers)
        assert len(shares) == len(values)
        part = name.removesuffix("-colour")
        expected = np.full(len(values), 1 / len(values))
        if part in faces.PERCENT:
            there = faces.PERCENT[part] / 100
            expected = np.array([1 - there, *[there / (len(values) - 1)] * (len(values) - 1)])
            assert ((numbers[:, column] == 0) == (numbers[:, list(faces.attributes()).index(part)] == 0)).all()
        assert np.abs(shares - expected).max() < 4 * 0.5 / 20_000**0.5


def test_faces_as_a_data_set() -> None:
    data = load_data("faces", count=200)
    order, factors = data.source_positions(), data.factors()
    assert order is not None
    assert factors is not None
    assert (data.shape, data.info["factors"]) == ((3, 16, 16), list(faces.attributes()))
    numbers = factors.long().numpy()
    assert (numbers == faces.draw_attributes(0, 200)[order]).all()
    assert (data.whole().images.permute(0, 2, 3, 1).numpy() == faces.compose(numbers)).all()
    assert data.labels is not None
    assert data.classes == tuple(faces.COLOURS["hair"])
    assert (data.labels.numpy() == numbers[:, list(faces.attributes()).index("hair-colour")]).all()


def test_the_label_of_faces_is_any_attribute_of_several_kinds() -> None:
    data = load_data("faces", count=100, label="glasses")
    factors = data.factors()
    assert factors is not None
    assert data.labels is not None
    assert data.classes == ("none", "dark", "light")
    shapes_ = factors[:, data.info["factors"].index("glasses")].long()
    assert (data.labels == (shapes_ > 0).long() + (shapes_ > 7).long()).all()
    for name in ("clothes", "glases"):
        with pytest.raises(OptionError, match=r"--label: choose from background, .*hat-colour"):
            load_data("faces", count=100, label=name)
    with pytest.raises(OptionError, match="no effect on the named data set shapes"):
        load_data("shapes", count=100, label="glasses")
    with pytest.raises(OptionError, match="only for a named data set"):
        load_data(Path(__file__).parent, label="glasses")


@pytest.mark.parametrize(("size", "times"), [(16, 1), (24, 1), (32, 2), (48, 3), (72, 3)])
def test_faces_of_other_sizes_have_the_same_pixels(size: int, times: int) -> None:
    data = load_data("faces", count=60, size=size)
    images, factors = data.whole().images, data.factors()
    assert factors is not None
    assert data.shape == (3, size, size)
    small = images[:, :, ::times, ::times]
    assert (small.repeat_interleave(times, 2).repeat_interleave(times, 3) == images).all()
    face = small if small.shape[2] == 16 else small[:, :, 8:, 4:20]
    assert (face.permute(0, 2, 3, 1).numpy() == faces.compose(factors.long().numpy())).all()
    if small.shape[2] == 24:
        frame = small[:, :, :8].flatten(2)
        assert (frame == frame[:, :, :1]).all()


@pytest.mark.parametrize("size", ["20", "16x24"])
def test_faces_are_never_blurred(size: str) -> None:
    with pytest.raises(OptionError, match="whole multiple"):
        load_data("faces", count=20, size=size)


def test_the_parts_of_faces_are_package_data() -> None:
    text = (Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8")
    assert '"data/sources/faces.json"' in text
