"""`--data`: names, prepared folders and raw sources, and the cache behind them."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gentool.data import load as module
from gentool.data.images import ImageData
from gentool.data.load import load, prepare_to
from gentool.data.prepare import PrepareOptions
from gentool.data.target import is_prepared
from gentool.errors import DataError, OptionError


class Calls:
    """Counts how often something is really prepared."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        original = module.prepare_into

        def counted(*arguments: object, **keywords: object) -> ImageData:
            self.count += 1
            return original(*arguments, **keywords)  # type: ignore[arg-type]

        monkeypatch.setattr(module, "prepare_into", counted)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    return Calls(monkeypatch)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "my photos"
    folder.mkdir()
    noise = np.random.default_rng(0).integers(0, 256, (30, 8, 8, 3), np.uint8)
    for number, pixels in enumerate(noise):
        Image.fromarray(pixels).save(folder / f"{number:02d}.png")
    return folder


def quiet(data: str | Path, **options: object) -> ImageData:
    return load(str(data), PrepareOptions(**options), notice=lambda text: None)  # type: ignore[arg-type]


def test_the_second_time_nothing_is_prepared(
    photos: Path, calls: Calls, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = quiet(photos)
    monkeypatch.setattr(module, "read_path", lambda *_: pytest.fail("the source was read again"))
    again = quiet(photos)
    assert calls.count == 1
    assert again.fingerprint == first.fingerprint
    assert again.folder == first.folder
    assert first.folder is not None
    assert Path(os.environ["GENTOOL_DATA"]) in first.folder.parents


def test_a_changed_source_or_option_is_another_set(photos: Path, calls: Calls) -> None:
    first = quiet(photos)
    assert quiet(photos, size="16").shape == (3, 16, 16)
    assert calls.count == 2
    (photos / "00.png").unlink()
    assert len(quiet(photos)) == 29
    assert calls.count == 3
    assert first.folder is not None
    assert is_prepared(first.folder)  # a run that maps it is not disturbed


def test_a_touched_file_is_a_changed_source(photos: Path, calls: Calls) -> None:
    quiet(photos)
    os.utime(photos / "00.png", (1, 1))
    quiet(photos)
    assert calls.count == 2


def test_a_damaged_cache_is_mended(photos: Path, calls: Calls) -> None:
    first = quiet(photos)
    assert first.folder is not None
    (first.folder / "images.npy").write_bytes(b"")
    said: list[str] = []
    again = load(str(photos), notice=said.append)
    assert again.fingerprint == first.fingerprint
    assert "damaged" in said[0]
    assert calls.count == 2


def test_an_interrupted_preparation_is_done_again(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(done: int, total: int) -> None:
        if done > total // 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        load(str(photos), on_progress=stop)
    prepared = Path(os.environ["GENTOOL_DATA"]) / "prepared"
    assert list(prepared.iterdir()) == []
    assert len(quiet(photos)) == 30


def test_progress_ends_at_its_total(photos: Path) -> None:
    seen: list[tuple[int, int]] = []
    load(str(photos), on_progress=lambda done, total: seen.append((done, total)), notice=lambda text: None)
    assert seen[-1] == (60, 60)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_a_prepared_folder(photos: Path, tmp_path: Path, calls: Calls) -> None:
    made = prepare_to(str(photos), PrepareOptions(), tmp_path / "out", notice=lambda text: None)
    assert quiet(tmp_path / "out").fingerprint == made.fingerprint
    shutil.move(tmp_path / "out", tmp_path / "moved")
    assert quiet(tmp_path / "moved").name == "my photos"
    with pytest.raises(OptionError, match=r"--size: .* is already prepared"):
        quiet(tmp_path / "moved", size="32")
    (tmp_path / "moved" / "dataset.json").unlink()
    with pytest.raises(DataError, match="damaged"):
        quiet(tmp_path / "moved")


def test_out_is_never_replaced_by_accident(photos: Path, tmp_path: Path) -> None:
    prepare_to(str(photos), PrepareOptions(), tmp_path / "out", notice=lambda text: None)
    with pytest.raises(OptionError, match="--overwrite"):
        prepare_to(str(photos), PrepareOptions(size="9"), tmp_path / "out")
    again = prepare_to(
        str(photos), PrepareOptions(size="9"), tmp_path / "out", overwrite=True, notice=lambda text: None
    )
    assert again.shape == (3, 9, 9)
    with pytest.raises(DataError, match="is not a prepared folder"):
        prepare_to(str(photos), PrepareOptions(), photos, overwrite=True)
    assert len(list(photos.iterdir())) == 30


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("mnst", r"neither a data set nor a file or folder\. Did you mean 'mnist'\? `gentool prepare --list`"),
        ("MNIST", "Did you mean 'mnist'"),
        ("somewhere/else", "somewhere/else: no such file or folder"),
        ("photos.zip", r"photos\.zip: no such file or folder"),
    ],
)
def test_what_is_not_there(data: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        load(data)


def test_options_that_mean_nothing_are_refused(photos: Path) -> None:
    for options, message in [
        (PrepareOptions(source=photos), "--source goes with a named data set"),
        (PrepareOptions(count=20), "--count"),
        (PrepareOptions(tile="8"), "--tile"),
    ]:
        with pytest.raises(OptionError, match=message):
            load(str(photos), options)
    with pytest.raises(OptionError, match="--count"):
        load("digits", PrepareOptions(count=20))


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"size": "7"}, "between 8 and 256"),
        ({"size": "257"}, "between 8 and 256"),
        ({"size": "64x300"}, "between 8 and 256"),
        ({"size": "large"}, "WIDTHxHEIGHT"),
        ({"size": "1x2x3"}, "WIDTHxHEIGHT"),
        ({"tile": "0"}, "at least 1"),
        ({"background": "nocolour"}, "#638596"),
        ({"channels": 2}, "1, 3"),
        ({"validation": 1.5}, "between 0 and 0.9"),
        ({"test": -0.1}, "between 0 and 0.9"),
        ({"test": 0.6, "validation": 0.4}, "less than 1"),
        ({"crop": "middle"}, "center, pad, stretch"),
        ({"count": 1}, "between 10"),
    ],
)
def test_options_out_of_range(option: dict[str, object], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        PrepareOptions(**option)  # type: ignore[arg-type]


def test_copies_are_reported_and_dropped(photos: Path) -> None:
    for number in range(5):
        shutil.copy(photos / "00.png", photos / f"copy-{number}.png")
    said: list[str] = []
    data = load(str(photos), notice=said.append)
    copies = data.info["duplicates"]
    assert (copies["copies"], copies["groups"], copies["dropped"]) == (5, 1, 0)
    assert copies["examples"][0][:2] == ["00.png", "copy-0.png"]
    assert any("5 images are exact copies" in text for text in said)
    deduped = quiet(photos, dedupe=True)
    assert len(deduped) == 30
    assert deduped.info["duplicates"]["dropped"] == 5


def test_a_default_size_is_announced(photos: Path) -> None:
    Image.new("RGB", (300, 200)).save(photos / "other.jpg")
    said: list[str] = []
    assert load(str(photos), notice=said.append).shape == (3, 64, 64)
    assert any("--size chooses another" in text for text in said)


def test_channels_follow_the_images(tmp_path: Path) -> None:
    folder = tmp_path / "grey"
    folder.mkdir()
    for number in range(3):
        Image.new("L", (8, 8), number).save(folder / f"{number}.png")
    assert quiet(folder).shape == (1, 8, 8)
    assert quiet(folder, channels=3).shape == (3, 8, 8)
    Image.new("RGB", (8, 8), (255, 0, 0)).save(folder / "red.png")
    assert quiet(folder).shape == (3, 8, 8)
    assert quiet(folder, channels=1).shape == (1, 8, 8)
