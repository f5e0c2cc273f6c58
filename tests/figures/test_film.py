"""Films: the right number of frames, for the right time, in the right colours."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageSequence

from gentool.errors import GentoolError
from gentool.figures.film import film
from gentool.figures.grids import save_png

Frames = list[NDArray[np.uint8]]


def read(path: Path) -> tuple[Frames, list[int]]:
    """The frames of a film as RGB arrays and their durations in ms."""
    with Image.open(path) as opened:
        assert opened.info["loop"] == 0
        pairs = [(np.asarray(frame.convert("RGB")), frame.info["duration"]) for frame in ImageSequence.Iterator(opened)]
    return [pixels for pixels, _ in pairs], [int(duration) for _, duration in pairs]


def noise(count: int, colours: int) -> Frames:
    """Frames of random pixels out of a few random colours."""
    rng = np.random.default_rng(0)
    palette = rng.integers(0, 256, (colours, 3), np.uint8)
    return [palette[rng.integers(colours, size=(40, 30))] for _ in range(count)]


@pytest.mark.parametrize("suffix", [".gif", ".png", ".APNG"])
def test_frames_durations_and_colours(tmp_path: Path, suffix: str) -> None:
    frames = noise(5, 200)
    pixels, durations = read(film(frames, tmp_path / f"film{suffix}", fps=5))
    assert durations == [200] * 4 + [2000]
    assert len(pixels) == 5
    assert all(np.array_equal(got, wanted) for got, wanted in zip(pixels, frames, strict=True))


def test_frames_from_files_grey_and_colour_together(tmp_path: Path) -> None:
    grey = np.arange(100, dtype=np.uint8).reshape(10, 10)
    colour = np.dstack([grey, grey[::-1], grey])
    paths = [save_png(grey, tmp_path / "1.png"), save_png(colour, tmp_path / "2.png")]
    pixels, _ = read(film(paths, tmp_path / "film.gif"))
    assert np.abs(pixels[0].astype(int) - grey[:, :, None]).max() <= 8
    assert np.abs(pixels[1].astype(int) - colour).max() <= 24


def test_with_more_colours_than_a_gif_has_nothing_flickers(tmp_path: Path) -> None:
    ramp = np.linspace(0, 255, 64 * 64).reshape(64, 64)
    frames = [np.dstack([ramp, ramp.T, np.full_like(ramp, 40 * k)]).astype(np.uint8) for k in range(6)]
    for frame in frames:
        frame[:16, :16] = (99, 133, 150)
    pixels, durations = read(film(frames, tmp_path / "film.gif"))
    assert len(durations) == 6
    for got, wanted in zip(pixels, frames, strict=True):
        assert np.abs(got.astype(int) - wanted).mean() < 15
        assert np.array_equal(got[:16, :16], pixels[0][:16, :16]), "a still corner keeps its colour"
        assert len(np.unique(got[:16, :16].reshape(-1, 3), axis=0)) == 1, "no dithering"
        assert np.abs(got[0, 0].astype(int) - (99, 133, 150)).max() <= 6


def test_one_frame_is_a_film(tmp_path: Path) -> None:
    with Image.open(film(noise(1, 4), tmp_path / "film.gif")) as opened:
        assert opened.size == (30, 40)


def test_equal_frames_keep_the_films_length(tmp_path: Path) -> None:
    frames = noise(2, 4)
    _, durations = read(film([frames[0], frames[0], frames[1]], tmp_path / "film.gif", fps=10))
    assert sum(durations) == 100 + 100 + 2000


def test_a_frame_is_never_shorter_than_viewers_allow(tmp_path: Path) -> None:
    _, durations = read(film(noise(3, 4), tmp_path / "film.gif", fps=500))
    assert durations == [20, 20, 2000]


def test_frames_of_two_sizes_are_refused_and_nothing_is_left(tmp_path: Path) -> None:
    frames = [np.zeros((8, 8), np.uint8), np.zeros((8, 9), np.uint8)]
    with pytest.raises(GentoolError, match="differ in size"):
        film(frames, tmp_path / "film.gif")
    assert not list(tmp_path.iterdir())


def test_an_unreadable_frame_is_named(tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_text("no picture", encoding="utf-8")
    with pytest.raises(GentoolError, match=r"bad\.png"):
        film([tmp_path / "bad.png"], tmp_path / "film.gif")


@pytest.mark.parametrize(("count", "fps"), [(0, 10), (1, 0), (1, float("nan"))])
def test_no_film_without_frames_or_speed(tmp_path: Path, count: int, fps: float) -> None:
    with pytest.raises(ValueError, match="make no film"):
        film(noise(count, 4), tmp_path / "film.gif", fps)


def test_mp4_shows_the_frames_and_holds_the_last(tmp_path: Path) -> None:
    av = pytest.importorskip("av", reason="PyAV is an extra and not installed")
    frames = [np.full((33, 47, 3), 20 * index, np.uint8) for index in range(6)]
    path = film(frames, tmp_path / "walk.mp4", fps=5)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        shown = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
        assert stream.average_rate == 5
    assert len(shown) == 6 + 10
    assert shown[0].shape == (34, 48, 3)
    for index, picture in enumerate(shown):
        assert abs(picture.astype(int) - 20 * min(index, 5)).max() <= 3
