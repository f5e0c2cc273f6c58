"""Exact pixels of orientation, transparency and bit depth."""

import io
import os

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from gentool.data.decode import Unreadable, decode, read_picture

BLACK = (0, 0, 0)


def encoded(image: Image.Image, form: str = "PNG", **settings: object) -> bytes:
    file = io.BytesIO()
    image.save(file, form, **settings)
    return file.getvalue()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(orientation: int) -> None:
    """All eight ways to store the same upright picture."""
    upright = np.arange(6, dtype=np.uint8).reshape(2, 3) * 40
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.T,
        6: np.rot90(upright, 1),
        7: np.rot90(upright.T, 2),
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = encoded(Image.fromarray(np.ascontiguousarray(stored)), exif=exif)
    assert (decode(content, BLACK, grey=True)[..., 0] == upright).all()
    info = read_picture(content, BLACK)
    assert (info.width, info.height) == (3, 2)
    assert info.turned == (orientation != 1)


def test_unreadable_exif_changes_nothing() -> None:
    content = encoded(Image.new("RGB", (4, 4), (9, 9, 9)), "JPEG", exif=b"Exif\0\0garbage", quality=100)
    assert (decode(content, BLACK, grey=False) == 9).all()


@given(st.integers(0, 255), st.integers(0, 255), st.integers(0, 255))
def test_transparency_is_mixed_with_the_background(colour: int, alpha: int, behind: int) -> None:
    content = encoded(Image.new("RGBA", (2, 2), (colour, 0, 255, alpha)))
    red, _, blue = decode(content, (behind, behind, behind), grey=False)[0, 0].tolist()
    assert abs(red - (colour * alpha + behind * (255 - alpha)) / 255) <= 0.5 + 1e-9
    assert abs(blue - (255 * alpha + behind * (255 - alpha)) / 255) <= 0.5 + 1e-9


def test_a_transparent_colour_of_an_opaque_mode() -> None:
    content = encoded(Image.new("RGB", (2, 2), (1, 2, 3)), transparency=(1, 2, 3))
    assert decode(content, (7, 8, 9), grey=False)[0, 0].tolist() == [7, 8, 9]


def test_sixteen_bits_become_eight() -> None:
    values = np.array([[0, 128, 129, 257, 32896, 65535]], np.uint16)
    for form in ("PNG", "TIFF"):
        pixels = decode(encoded(Image.fromarray(values), form), BLACK, grey=True)
        assert pixels[0, :, 0].tolist() == [0, 0, 1, 1, 128, 255]
        assert read_picture(encoded(Image.fromarray(values), form), BLACK).pixels.shape == (1, 6, 1)


@pytest.mark.parametrize(
    ("values", "expected"), [([0.0, 0.5, 1.0], [0, 128, 255]), ([0.0, 100.0, 255.0], [0, 100, 255])]
)
def test_floating_point(values: list[float], expected: list[int]) -> None:
    content = encoded(Image.fromarray(np.array([values], np.float32)), "TIFF")
    assert decode(content, BLACK, grey=True)[0, :, 0].tolist() == expected


def test_values_of_no_known_range() -> None:
    for values in (np.array([[-1.0, 3.0]], np.float32), np.array([[0, 70_000]], np.int32)):
        with pytest.raises(Unreadable, match="outside every known range"):
            decode(encoded(Image.fromarray(values), "TIFF"), BLACK, grey=True)


def test_grey_becomes_colour_and_back() -> None:
    content = encoded(Image.new("L", (2, 2), 77))
    assert decode(content, BLACK, grey=False).shape == (2, 2, 3)
    content = encoded(Image.new("RGB", (2, 2), (255, 0, 0)))
    assert decode(content, BLACK, grey=True)[0, 0, 0] == 76  # ITU-R 601-2


def test_a_large_jpeg_is_decoded_small() -> None:
    content = encoded(Image.new("RGB", (1024, 512), (40, 50, 60)), "JPEG")
    assert decode(content, BLACK, grey=False, enough=128).shape == (128, 256, 3)
    assert decode(content, BLACK, grey=False).shape == (512, 1024, 3)


def test_postscript_is_never_opened() -> None:
    with pytest.raises(Unreadable, match="not an image"):
        read_picture(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n", BLACK)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP"])
def test_damage_is_a_reason_and_never_another_error(form: str) -> None:
    noise = np.random.default_rng(1).integers(0, 255, (24, 24, 3), np.uint8)
    content = bytearray(encoded(Image.fromarray(noise), form))
    generator = np.random.default_rng(2)
    for _ in range(60):
        broken = bytearray(content)
        for position in generator.integers(0, len(broken), 4):
            broken[position] = generator.integers(0, 256)
        broken = broken[: generator.integers(1, len(broken) + 1)]
        try:
            pixels = decode(bytes(broken), BLACK, grey=False)
        except Unreadable:
            continue
        assert pixels.dtype == np.uint8
        assert pixels.shape[2] == 3


def test_random_bytes() -> None:
    for size in (1, 10, 1000):
        with pytest.raises(Unreadable):
            read_picture(os.urandom(size), BLACK)
