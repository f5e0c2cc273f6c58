"""Archives, also hostile ones: read in memory, nothing unpacked, every refused member listed."""

import io
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gentool.data import archives
from gentool.data.load import load_data
from gentool.errors import DataError


def picture(value: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.full((9, 9), value, np.uint8)).save(file, "PNG")
    return file.getvalue()


def skipped(path: Path, **settings: Any) -> dict[str, str]:
    """The skipped members of an archive with their reasons."""
    data = load_data(path, validation=0, test=0, **settings)
    return {one["name"]: one["reason"] for one in data.info["skipped"]}


def tree(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if "cache" not in path.parts}


def test_zip(tmp_path: Path) -> None:
    path = tmp_path / "cats and dogs.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for number, name in enumerate(["all/cat/1.png", "all/cat/ü.PNG", "all/dog/1.png", "all/dog/2.png"]):
            archive.writestr(name, picture(number))
        archive.writestr("all/notes.txt", "text")
        archive.writestr("__MACOSX/all/._1.png", "mac")
    data = load_data(path, validation=0, test=0)
    assert data.train.images[:, 0, 4, 4].tolist() == [0, 1, 2, 3]
    assert data.classes == ("cat", "dog")
    assert data.info["found"]["ignored"] == 1
    assert data.name == "cats and dogs"


@pytest.mark.parametrize("suffix", ["tar", "tar.gz", "tgz", "tar.bz2", "tar.xz"])
def test_tar(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"set.{suffix}"
    mode = {"tar": "w", "tgz": "w:gz"}.get(suffix, f"w:{suffix.split('.')[-1]}")
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for number in range(3):
            add(archive, f"./images/{number}.png", picture(number))
    data = load_data(path, validation=0, test=0)
    assert data.train.images[:, 0, 4, 4].tolist() == [0, 1, 2]


def add(archive: tarfile.TarFile, name: str, content: bytes, kind: bytes = tarfile.REGTYPE, link: str = "") -> None:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, link
    member.size = len(content) if kind == tarfile.REGTYPE else 0
    archive.addfile(member, io.BytesIO(content))


def test_a_hostile_tar(tmp_path: Path) -> None:
    path = tmp_path / "hostile.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        add(archive, "good.png", picture(7))
        add(archive, "../outside.png", picture(1))
        add(archive, "/etc/absolute.png", picture(1))
        add(archive, "a/../../b.png", picture(1))
        add(archive, "symbolic.png", b"", tarfile.SYMTYPE, "/etc/passwd")
        add(archive, "hard.png", b"", tarfile.LNKTYPE, "good.png")
        add(archive, "device.png", b"", tarfile.CHRTYPE)
        add(archive, "pipe.png", b"", tarfile.FIFOTYPE)
    before = tree(tmp_path)
    reasons = skipped(path)
    assert {name for name, reason in reasons.items() if "outside" in reason} == {
        "../outside.png",
        "/etc/absolute.png",
        "a/../../b.png",
    }
    assert reasons["symbolic.png"] == reasons["hard.png"] == "a link"
    assert reasons["device.png"] == reasons["pipe.png"] == "not a regular file"
    assert tree(tmp_path) == before
    assert not (tmp_path.parent / "outside.png").exists()


def test_a_hostile_zip(tmp_path: Path) -> None:
    path = tmp_path / "hostile.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("good.png", picture(7))
        archive.writestr("../outside.png", picture(1))
        archive.writestr("C:/windows.png", picture(1))
        archive.writestr("bomb.bmp", b"\0" * (20 * 2**20))
        link = zipfile.ZipInfo("link.png")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
        archive.writestr("broken.png", picture(3))
    content = bytearray(path.read_bytes())
    place = content.index(b"broken.png") + len(b"broken.png")
    content[place + 10] ^= 0xFF
    path.write_bytes(content)
    reasons = skipped(path)
    assert "outside" in reasons["../outside.png"]
    assert "outside" in reasons["C:/windows.png"]
    assert "times its packed size" in reasons["bomb.bmp"]
    assert reasons["link.png"] == "a link"
    assert "damaged in the archive" in reasons["broken.png"]


def test_sizes_are_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "many.tar"
    with tarfile.open(path, "w") as archive:
        for number in range(4):
            add(archive, f"{number}.png", picture(number))
        add(archive, "large.png", b"\0" * 5000)
    size = len(picture(0))
    monkeypatch.setattr(archives, "LARGEST_MEMBER", 4000)
    assert "unpacks to more than" in skipped(path)["large.png"]
    monkeypatch.setattr(archives, "LARGEST_IN_MEMORY", 2 * size + 10)
    assert set(skipped(path, split_seed=1)) == {"2.png", "3.png", "large.png"}
    monkeypatch.setattr(archives, "LARGEST_TOTAL", 2 * size + 10)
    assert "the rest is not read" in skipped(path, split_seed=2)["2.png"]


@pytest.mark.parametrize("name", ["a.zip", "a.tar", "a.tar.gz", "a.bin"])
@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 and nothing more", b"\x1f\x8b garbage"])
def test_what_is_no_archive_is_a_data_error(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataError, match=name):
        load_data(path)


def test_a_cut_archive_is_a_data_error(tmp_path: Path) -> None:
    path = tmp_path / "cut.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for number in range(20):
            noise = np.random.default_rng(number).integers(0, 256, (30, 30), np.uint8)
            add(archive, f"{number}.bin", noise.tobytes())
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(DataError, match="not a complete tar archive"):
        load_data(path)
