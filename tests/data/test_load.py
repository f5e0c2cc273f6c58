"""`load_data` and `--data`: arrays, names, prepared folders and raw sources, and the cache behind them."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gentool.data import load as module
from gentool.data.images import ImageData
from gentool.data.load import load_data, prepare_to
from gentool.data.prepare import PrepareOptions
from gentool.data.target import is_prepared
from gentool.errors import DataError, OptionError
from gentool.progress import Reporter


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


def test_the_second_time_nothing_is_prepared(
    photos: Path, calls: Calls, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = load_data(photos)
    monkeypatch.setattr(module, "read_path", lambda *_: pytest.fail("the source was read again"))
    again = load_data(photos)
    assert calls.count == 1
    assert again.fingerprint == first.fingerprint
    assert again.folder == first.folder
    assert first.folder is not None
    assert Path(os.environ["GENTOOL_DATA"]) in first.folder.parents


def test_a_changed_source_or_option_is_another_set(photos: Path, calls: Calls) -> None:
    first = load_data(photos)
    assert load_data(photos, size="16").shape == (3, 16, 16)
    assert calls.count == 2
    (photos / "00.png").unlink()
    assert len(load_data(photos)) == 29
    assert calls.count == 3
    assert first.folder is not None
    assert is_prepared(first.folder)  # a run that maps it is not disturbed


def test_a_touched_file_is_a_changed_source(photos: Path, calls: Calls) -> None:
    load_data(photos)
    os.utime(photos / "00.png", (1, 1))
    load_data(photos)
    assert calls.count == 2


def test_a_damaged_cache_is_repaired(photos: Path, calls: Calls, reporter: Reporter, notices: list[str]) -> None:
    first = load_data(photos)
    assert first.folder is not None
    (first.folder / "images.npy").write_bytes(b"")
    again = load_data(photos, reporter=reporter)
    assert again.fingerprint == first.fingerprint
    assert "images.npy cannot be read" in notices[0]
    assert notices[0].endswith("(gentool does this now)")
    assert calls.count == 2


def test_an_interrupted_preparation_is_done_again(photos: Path) -> None:
    class Interrupting(Reporter):
        def progress(self, task: str, done: int, total: int | None = None, detail: str = "") -> None:
            assert total is not None
            if done > total // 2:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        load_data(photos, reporter=Interrupting())
    prepared = Path(os.environ["GENTOOL_DATA"]) / "prepared"
    assert list(prepared.iterdir()) == []
    assert len(load_data(photos)) == 30


def test_progress_ends_at_its_total(photos: Path) -> None:
    seen: list[tuple[str, int, int | None]] = []

    class Collector(Reporter):
        def progress(self, task: str, done: int, total: int | None = None, detail: str = "") -> None:
            seen.append((task, done, total))

    load_data(photos, reporter=Collector())
    assert seen[-2:] == [("reading my photos", 30, 30), ("writing my photos", 30, 30)]
    assert {(task, total) for task, _, total in seen[:-1]} == {("reading my photos", 30)}
    assert [done for _, done, _ in seen] == sorted(done for _, done, _ in seen)


def test_nothing_is_printed_without_a_reporter(photos: Path, capfd: pytest.CaptureFixture[str]) -> None:
    shutil.copy(photos / "00.png", photos / "copy.png")
    load_data(photos)
    assert capfd.readouterr() == ("", "")


def test_a_prepared_folder(photos: Path, tmp_path: Path, calls: Calls) -> None:
    made = prepare_to(str(photos), PrepareOptions(), tmp_path / "out")
    assert load_data(tmp_path / "out").fingerprint == made.fingerprint
    shutil.move(tmp_path / "out", tmp_path / "moved")
    assert load_data(tmp_path / "moved").name == "my photos"
    with pytest.raises(OptionError, match=r"--size: .* is already prepared"):
        load_data(tmp_path / "moved", size="32")
    (tmp_path / "moved" / "dataset.json").unlink()
    with pytest.raises(DataError, match="damaged"):
        load_data(tmp_path / "moved")


def test_out_is_never_replaced_by_accident(photos: Path, tmp_path: Path) -> None:
    prepare_to(str(photos), PrepareOptions(), tmp_path / "out")
    with pytest.raises(OptionError, match="--overwrite"):
        prepare_to(str(photos), PrepareOptions(size="9"), tmp_path / "out")
    again = prepare_to(str(photos), PrepareOptions(size="9"), tmp_path / "out", overwrite=True)
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
        load_data(data)


def test_options_that_mean_nothing_are_refused(photos: Path) -> None:
    for options, message in [
        (PrepareOptions(source=photos), "--source goes with a named data set; a path needs none"),
        (PrepareOptions(count=20), "--count: only for generated data sets"),
        (PrepareOptions(tile="8"), "--tile: .* is a folder; give the one image that holds the tiles"),
    ]:
        with pytest.raises(OptionError, match=message):
            load_data(photos, options)
    with pytest.raises(OptionError, match="--count"):
        load_data("digits", count=20)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"size": "7"}, "between 8 and 256"),
        ({"size": "257"}, "between 8 and 256"),
        ({"size": "64x300"}, "between 8 and 256"),
        ({"size": 300}, "between 8 and 256"),
        ({"size": (64, 64, 3)}, "WIDTHxHEIGHT"),
        ({"size": "large"}, "WIDTHxHEIGHT"),
        ({"size": "1x2x3"}, "WIDTHxHEIGHT"),
        ({"tile": "0"}, "at least 1"),
        ({"background": "nocolour"}, "#638596"),
        ({"background": (0, 0, 300)}, "#638596"),
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


@pytest.mark.parametrize(
    ("name", "given", "value", "text"),
    [
        ("size", "48x72", (48, 72), "48x72"),
        ("size", (48, 72), (48, 72), "48x72"),
        ("size", [48, 72], (48, 72), "48x72"),
        ("size", "64", (64, 64), "64"),
        ("size", 64, (64, 64), "64"),
        ("tile", (24, 24), (24, 24), "24"),
        ("background", "white", (255, 255, 255), "#ffffff"),
        ("background", "#638596", (0x63, 0x85, 0x96), "#638596"),
        ("background", (0x63, 0x85, 0x96), (0x63, 0x85, 0x96), "#638596"),
    ],
)
def test_options_are_values_in_python_and_text_in_json(name: str, given: object, value: object, text: str) -> None:
    options = PrepareOptions(**{name: given})  # type: ignore[arg-type]
    assert getattr(options, name) == value
    assert options.to_json()[name] == text
    assert PrepareOptions.from_json(options.to_json()) == options


def test_copies_are_reported_and_dropped(photos: Path, reporter: Reporter, notices: list[str]) -> None:
    for number in range(5):
        shutil.copy(photos / "00.png", photos / f"copy-{number}.png")
    data = load_data(photos, reporter=reporter)
    copies = data.info["duplicates"]
    assert (copies["copies"], copies["groups"], copies["dropped"]) == (5, 1, 0)
    assert copies["examples"][0][:2] == ["00.png", "copy-0.png"]
    assert any("5 images are exact copies" in text for text in notices)
    deduped = load_data(photos, dedupe=True)
    assert len(deduped) == 30
    assert deduped.info["duplicates"]["dropped"] == 5


def test_a_default_size_is_announced(photos: Path, reporter: Reporter, notices: list[str]) -> None:
    Image.new("RGB", (300, 200)).save(photos / "other.jpg")
    assert load_data(photos, reporter=reporter).shape == (3, 64, 64)
    assert any("--size chooses another" in text for text in notices)


def test_channels_follow_the_images(tmp_path: Path) -> None:
    folder = tmp_path / "grey"
    folder.mkdir()
    for number in range(3):
        Image.new("L", (8, 8), number).save(folder / f"{number}.png")
    assert load_data(folder).shape == (1, 8, 8)
    assert load_data(folder, channels=3).shape == (3, 8, 8)
    Image.new("RGB", (8, 8), (255, 0, 0)).save(folder / "red.png")
    assert load_data(folder).shape == (3, 8, 8)
    assert load_data(folder, channels=1).shape == (1, 8, 8)


def test_options_of_an_earlier_preparation_are_said(photos: Path, reporter: Reporter, notices: list[str]) -> None:
    prepared = load_data(photos, crop="pad", channels=1, size=16)
    load_data(photos, size=24, reporter=reporter)
    assert (
        f"{photos}: was prepared with --crop pad --channels 1, which is not used here; to use it, give --data "
        f"{prepared.folder}"
    ) in notices
    notices.clear()
    load_data(photos, size=24, reporter=reporter)
    load_data(photos, size=16, reporter=reporter)
    assert not [text for text in notices if "was prepared with" in text], "said once"
