"""`gentool prepare`, as a user meets it."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

Cli = Callable[..., Any]


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GENTOOL_DATA", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(12):
        pixels = np.random.default_rng(number).integers(0, 256, (8, 10, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    (folder / "copy of 3.png").write_bytes((folder / "3.png").read_bytes())
    (folder / "bad.jpg").write_text("text")
    return folder


def test_list(cli: Cli) -> None:
    done = cli("prepare", "--list")
    assert done.code == 0
    assert done.err == ""
    header = ["name", "images", "size", "channels", "labels", "cached", "licence", "what"]
    assert done.out.splitlines()[0].split() == header
    for name in ("digits", "shapes", "mnist", "cryptopunks", "cats", "rijksmuseum"):
        assert f"\n{name} " in done.out


def test_list_as_json_knows_what_is_cached(cli: Cli) -> None:
    assert cli("prepare", "digits", "--quiet").code == 0
    sets = {entry["name"]: entry for entry in map(json.loads, cli("prepare", "--list", "--json").out.splitlines())}
    assert sets["digits"]["cached"] is True
    assert sets["shapes"]["cached"] is False


def test_list_imports_no_torch() -> None:
    code = (
        "import sys; from gentool.cli.app import run; "
        "assert run(['prepare', '--list']) == 0; assert not {'torch', 'sklearn', 'PIL'} & set(sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], stdout=subprocess.DEVNULL, check=False).returncode == 0


def test_prepare_into_a_folder(cli: Cli, photos: Path, tmp_path: Path) -> None:
    done = cli("prepare", photos, "--out", "prepared", "--size", "16x8")
    assert done.code == 0, done.err
    assert done.out == "prepared\n"
    assert "13 images of 16x8, colour" in done.err
    assert (
        f"skipped 1 file: not an image in a known format; each is listed in {Path('prepared') / 'dataset.json'}\n"
        in done.err
    )
    assert "1 image is an exact copy" in done.err
    assert done.err.splitlines()[-2:] == ["prepared: prepared", "Next: gentool train vae --data prepared"]
    assert np.load(tmp_path / "prepared" / "images.npy").shape == (13, 3, 8, 16)
    again = cli("prepare", photos, "--out", "prepared")
    assert again.code == 2
    assert "--overwrite" in again.err
    assert cli("prepare", photos, "--out", "prepared", "--overwrite", "--quiet").code == 0
    assert np.load(tmp_path / "prepared" / "images.npy").shape == (13, 3, 8, 10)


def test_a_strangers_folder_is_never_replaced(cli: Cli, photos: Path) -> None:
    before = sorted(photos.iterdir())
    done = cli("prepare", "digits", "--out", photos, "--overwrite")
    assert done.code == 3
    assert "is not a prepared folder" in done.err
    assert sorted(photos.iterdir()) == before


def test_json(cli: Cli, photos: Path) -> None:
    done = cli("prepare", photos, "--json")
    (record,) = map(json.loads, done.out.splitlines())
    assert record["event"] == "prepared"
    assert Path(record["folder"]).is_dir()
    assert record["skipped"] == [{"name": "bad.jpg", "reason": "not an image in a known format"}]
    assert sum(record["counts"].values()) == 13


def test_check_reports_everything_and_writes_nothing(cli: Cli, photos: Path, tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    done = cli("prepare", photos, "--check")
    assert done.code == 0
    assert sorted(tmp_path.rglob("*")) == before
    for text in ("10x8 13", "RGB 13", "train ", "bad.jpg: not an image", "3.png = copy of 3.png"):
        assert text in done.out
    record = json.loads(cli("prepare", photos, "--check", "--json").out)
    assert record["event"] == "checked"
    assert record["counts"] == {"train": 11, "validation": 1, "test": 1}


def test_check_of_a_prepared_folder_compares_the_fingerprint(cli: Cli, photos: Path, tmp_path: Path) -> None:
    cli("prepare", photos, "--out", "set", "--quiet")
    assert "matches" in cli("prepare", "set", "--check").out
    path = tmp_path / "set" / "images.npy"
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)
    done = cli("prepare", "set", "--check")
    assert done.code == 3
    assert "the fingerprint differs" in done.err


def test_a_named_set_is_found_by_its_name(cli: Cli) -> None:
    done = cli("prepare", "digits")
    assert done.code == 0
    assert done.err.splitlines()[-1] == "Next: gentool train vae --data digits"
    other = cli("prepare", "digits", "--size", "16")
    assert other.err.splitlines()[-1].endswith(f"--data {other.out.strip()}")


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["mnst"], 3, "Did you mean 'mnist'"),
        (["cats"], 3, "kaggle"),
        (["nowhere.zip"], 3, "no such file"),
        ([], 2, "--list"),
        (["digits", "--size", "4"], 2, "between 8 and 256"),
        (["digits", "--channels", "2"], 2, "--channels"),
        (["digits", "--count", "50"], 2, "--count"),
        (["digits", "--list"], 2, "--list: takes no data set"),
        (["digits", "--check", "--out", "x"], 2, "--check: writes nothing"),
    ],
)
def test_mistakes(cli: Cli, arguments: list[str], code: int, text: str) -> None:
    done = cli("prepare", *arguments)
    assert done.code == code
    assert text in done.err
    assert len(done.err.splitlines()) == 1
    assert done.out == ""
