"""Exact pixels of cropping, padding and resizing."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gentool.data.conform import chosen_filter, conform, is_pixel_art, resize, with_channels
from gentool.data.prepare import Crop, Resample
from gentool.data.raw import Pixels

BEHIND = (10, 20, 30)


def ramp(height: int, width: int, channels: int = 3) -> Pixels:
    return np.random.default_rng(0).integers(0, 256, (height, width, channels), np.uint8)


def test_the_right_size_is_left_alone() -> None:
    image = ramp(9, 7)
    assert conform(image, (7, 9), "center", "lanczos", BEHIND, False) is image


def test_center_cuts_the_middle_out() -> None:
    image = ramp(10, 30)
    assert (conform(image, (10, 10), "center", "nearest", BEHIND, False) == image[:, 10:20]).all()
    image = ramp(30, 10)
    assert (conform(image, (10, 20), "center", "area", BEHIND, False) == image[5:25]).all()


def test_pad_keeps_everything() -> None:
    image = ramp(8, 16)
    padded = conform(image, (16, 16), "pad", "lanczos", BEHIND, False)
    assert (padded[4:12] == image).all()
    assert (padded[:4] == BEHIND).all()
    assert (padded[12:] == BEHIND).all()
    grey = conform(image[..., :1], (16, 16), "pad", "nearest", (255, 0, 0), False)
    assert (grey[0] == 76).all()


def test_stretch_uses_every_pixel() -> None:
    image = ramp(8, 16)
    stretched = conform(image, (8, 8), "stretch", "area", BEHIND, False)
    expected = np.rint(image.reshape(8, 8, 2, 3).astype(float).mean(2))
    assert np.abs(stretched - expected).max() <= 1e-6


def test_area_is_the_mean_of_what_is_covered() -> None:
    image = np.array([[[0], [90], [255]]], np.uint8)
    whole = (0.0, 0.0, 3.0, 1.0)
    assert resize(image, (2, 1), whole, "area", False)[0, :, 0].tolist() == [30, 200]
    assert resize(image, (4, 1), whole, "area", False)[0, :, 0].tolist() == [0, 60, 145, 255]


@pytest.mark.parametrize("how", ["nearest", "area", "auto"])
def test_pixel_art_at_whole_multiples_is_exact(how: Resample) -> None:
    image = np.kron(np.arange(36, dtype=np.uint8).reshape(6, 6) % 3, np.ones((4, 4), np.uint8))[..., None]
    enlarged = conform(image, (72, 48), "stretch", how, BEHIND, True)
    assert (enlarged == image.repeat(2, 0).repeat(3, 1)).all()


def test_auto() -> None:
    whole = (0.0, 0.0, 24.0, 24.0)
    assert chosen_filter(whole, (48, 72), True) == "nearest"
    assert chosen_filter(whole, (64, 64), True) == "area"
    assert chosen_filter(whole, (12, 12), True) == "area"
    assert chosen_filter(whole, (48, 48), False) == "lanczos"


def test_what_is_pixel_art() -> None:
    assert is_pixel_art(np.zeros((24, 24, 3), np.uint8))
    assert not is_pixel_art(ramp(24, 24))
    assert not is_pixel_art((ramp(8, 8, 1) // 16).astype(np.uint8))  # digits: 17 levels on 64 pixels


def test_shrinking_a_fine_pattern_is_antialiased() -> None:
    board = (np.indices((64, 64)).sum(0) % 2 * 255).astype(np.uint8)[..., None]
    for how in ("auto", "area", "bilinear", "lanczos"):
        small = resize(board, (16, 16), (0, 0, 64, 64), how, False)
        assert np.abs(small.astype(int) - 127.5).max() < 3, how


@given(
    st.integers(1, 40),
    st.integers(1, 40),
    st.sampled_from([1, 3]),
    st.integers(8, 24),
    st.integers(8, 24),
    st.sampled_from(["center", "pad", "stretch"]),
    st.sampled_from(["auto", "nearest", "area", "bilinear", "lanczos"]),
    st.booleans(),
)
@example(11, 27, 1, 8, 21, "center", "auto", False)  # 21 * (27 / 21) is more than 27 in floating point
def test_every_size_fits(
    height: int, width: int, channels: int, new_height: int, new_width: int, crop: Crop, how: Resample, art: bool
) -> None:
    """Of one colour in, the same colour out, in the right shape."""
    image = np.full((height, width, channels), 130, np.uint8)
    result = conform(image, (new_width, new_height), crop, how, (130, 130, 130), art)
    assert result.shape == (new_height, new_width, channels)
    assert result.dtype == np.uint8
    assert (result == 130).all()


def test_channels() -> None:
    colour = np.array([[[255, 0, 0]]], np.uint8)
    assert with_channels(colour, 1).tolist() == [[[76]]]
    assert with_channels(np.array([[[9]]], np.uint8), 3).tolist() == [[[9, 9, 9]]]
