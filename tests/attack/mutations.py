"""Hostile variants of values, documents, texts, bytes and pictures, each a function of a random generator."""

import io
import random
import struct
import zlib
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageCms, PngImagePlugin

NAN, INFINITE = float("nan"), float("inf")


def nested(depth: int) -> list[Any]:
    """Lists in lists."""
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


def plain_values() -> list[Any]:
    """Values that JSON can hold, and that no entry expects."""
    return [
        None, True, False, 0, -1, 1, 2**31, 10**18, 10**30, -(10**30), 0.5, 1e308, NAN, INFINITE, -INFINITE,
        "", "x", "x" * 100_000, "\x1b[2J\x07", "\ud800", "../../x", "/etc/passwd", "1,2", "1" * 5000,
        [], {}, [None], [1, 2], [[1], [2]], [10**18] * 3, [0, 0, 0], [-1, 8, 8], [NAN] * 3, list(range(10_000)),
        {"x": 1}, {"": {}}, nested(100),
    ]  # fmt: skip


def tensor_values() -> list[Any]:
    """Values that only a checkpoint can hold."""
    return [
        torch.zeros(0), torch.zeros(()), torch.zeros(3, 3), torch.full((4,), NAN), torch.tensor(INFINITE),
        torch.tensor(10**18), torch.zeros(2, dtype=torch.complex64), torch.zeros(2, dtype=torch.bool),
        torch.zeros(2, dtype=torch.int8), torch.eye(3).to_sparse(), torch.zeros(3, device="meta"),
        torch.nn.Parameter(torch.zeros(2)), torch.Size([1, 2]), torch.float16, {1, 2}, (1, 2), 1j, b"bytes", {1: 2},
        {(1, 2): 3}, {None: 1}, nested(50),
    ]  # fmt: skip


Place = tuple[Any, Any]


def places(value: Any, inside: int = 200) -> list[Place]:
    """The containers and keys of a nested value."""
    found: list[Place] = []
    waiting = [value]
    while waiting:
        one = waiting.pop()
        items = list(one.items() if isinstance(one, dict) else enumerate(one) if isinstance(one, list) else ())
        for key, inner in items[:inside]:
            found.append((one, key))
            waiting.append(inner)
    return found


def mutated(document: dict[str, Any], draw: random.Random, values: list[Any], times: int = 2) -> dict[str, Any]:
    """The document, which is changed, with entries replaced, removed, moved and added."""
    for _ in range(draw.randint(1, times)):
        every = places(document)
        if not every:
            break
        # Entries near the root are few, and matter most.
        container, key = (
            draw.choice([place for place in every if len(place[0]) < 20] or every)
            if draw.random() < 0.7
            else draw.choice(every)
        )
        kind = draw.random()
        if kind < 0.7:
            container[key] = draw.choice(values)
        elif kind < 0.8:
            del container[key]
        elif kind < 0.9 and isinstance(container, dict):
            container[draw.choice(["x", "\x1b[0m", "weights", "step", "", "x" * 1000])] = draw.choice(values)
        else:
            other, another = draw.choice(every)
            if another in other if isinstance(other, dict) else another < len(other):
                container[key] = other[another] if not isinstance(other[another], dict | list) else draw.choice(values)
    return document


def flipped(content: bytes, draw: random.Random) -> bytes:
    """Bytes with some flipped, cut, repeated, spliced or set to a limit."""
    data = bytearray(content)
    for _ in range(draw.choice([1, 1, 2, 4, 16])):
        if not data:
            break
        # The headers of most formats are at the start, those of zip archives at the end.
        place = min(int(draw.random() ** 3 * len(data)), len(data) - 1)
        place = place if draw.random() < 0.8 else len(data) - 1 - place
        kind = draw.randrange(7)
        if kind == 0:
            data[place] ^= 1 << draw.randrange(8)
        elif kind == 1:
            data[place] = draw.choice([0, 1, 0x7F, 0x80, 0xFF])
        elif kind == 2:
            size = draw.choice([2, 4, 8])
            number = draw.choice([0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 2**31 - 1, 2**32 - 1, 2**24, 2**63])
            data[place : place + size] = (number & (256**size - 1)).to_bytes(size, draw.choice(["little", "big"]))
        elif kind == 3:
            del data[place : place + draw.choice([1, 4, 100, len(data)])]
        elif kind == 4:
            length = draw.choice([1, 4, 100])
            data[place:place] = data[place : place + length] * draw.choice([1, 3, 50])
        elif kind == 5:
            other = draw.randrange(len(data))
            data[place : place + 16] = data[other : other + 16]
        else:
            data[place:place] = draw.randbytes(draw.choice([1, 4, 64]))
    return bytes(data)


def chunk(kind: bytes, data: bytes) -> bytes:
    """A chunk of a PNG."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_surgery(content: bytes, draw: random.Random) -> bytes:
    """A PNG with chunks repeated, removed, shuffled, added or changed, all of them with right checksums."""
    chunks, at = [], 8
    while at + 8 <= len(content):
        size = int.from_bytes(content[at : at + 4], "big")
        chunks.append((content[at + 4 : at + 8], content[at + 8 : at + 8 + size]))
        at += 12 + size
    number, kind = draw.randrange(len(chunks)), draw.randrange(6)
    if kind == 0:
        chunks.insert(draw.randrange(len(chunks) + 1), chunks[number])
    elif kind == 1:
        del chunks[number]
    elif kind == 2:
        draw.shuffle(chunks)
    elif kind == 3:
        bomb = zlib.compress(bytes(10**7))
        names = [b"zTXt", b"iTXt", b"iCCP", b"tEXt", b"eXIf", b"acTL", b"fcTL", b"fdAT", b"PLTE", b"tRNS", b"gAMA"]
        data = [b"", b"a\0\0" + bomb, b"k\0\1\0\0\0" + bomb, draw.randbytes(26), b"\xff" * 64]
        chunks.insert(1, (draw.choice(names), draw.choice(data)))
    elif kind == 4:
        chunks[number] = (chunks[number][0], flipped(chunks[number][1], draw))
    else:
        sides = [draw.choice([0, 1, 20, 2**16, 2**31 - 1, 10**4]) for _ in range(2)]
        depths = [draw.choice(values) for values in ([1, 2, 4, 8, 16, 3], [0, 2, 3, 4, 6, 1], [0], [0], [0, 1, 2])]
        chunks[0] = (b"IHDR", struct.pack(">IIBBBBB", *sides, *depths))
    return content[:8] + b"".join(chunk(*one) for one in chunks)


def pictures() -> dict[str, bytes]:
    """A small picture in every format that Pillow writes, several of them with profiles, texts, turns and frames."""
    rng = np.random.default_rng(0)
    rgba = Image.fromarray(rng.integers(0, 256, (24, 20, 4), np.uint8), "RGBA")
    rgb, grey, few = rgba.convert("RGB"), rgba.convert("L"), rgba.convert("RGB").quantize(16)
    deep = Image.fromarray(rng.integers(0, 65536, (9, 8), np.uint16))
    texts, turn = PngImagePlugin.PngInfo(), Image.Exif()
    texts.add_text("a", "b" * 50, zip=True)
    texts.add_itxt("c", "d" * 50, zip=True)
    turn[0x112] = 6
    about: dict[str, Any] = {
        "icc_profile": ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(), "exif": turn,
    }  # fmt: skip
    film: dict[str, Any] = {"save_all": True, "append_images": [rgb.rotate(90), rgb.rotate(180)]}
    kinds: list[tuple[str, Image.Image, dict[str, Any]]] = [
        ("PNG", rgba, about | {"pnginfo": texts}), ("PNG", few, {"transparency": 3}), ("PNG", grey.convert("1"), {}),
        ("PNG", deep, {}), ("PNG", rgb, film), ("JPEG", rgb, about), ("JPEG", rgb, {"progressive": True}),
        ("JPEG", rgb.convert("CMYK"), {}), ("GIF", few, {"transparency": 1}), ("GIF", rgb, film), ("BMP", rgb, {}),
        ("BMP", few, {}), ("WEBP", rgba, about | {"lossless": True}), ("WEBP", rgb, {}), ("WEBP", rgb, film),
        *(("TIFF", rgb, {"compression": name, "exif": turn}) for name in (None, "tiff_lzw", "packbits", "jpeg")),
        ("TIFF", deep, {}), ("TIFF", rgb, film), ("TIFF", grey.convert("F"), {}),
        ("TIFF", grey.convert("1"), {"compression": "group4"}),
        ("PPM", rgb, {}), ("PPM", grey.convert("1"), {}), ("TGA", rgba, {}), ("ICO", rgba, {"sizes": [(16, 16)]}),
        ("PCX", rgb, {}), ("SGI", rgb, {}), ("DDS", rgba, {}), ("ICNS", rgba.resize((32, 32)), {}),
        ("MSP", grey.convert("1"), {}), ("XBM", grey.convert("1"), {}), ("DIB", rgb, {}),
        ("SPIDER", grey.convert("F"), {}),
        ("BLP", few, {}), ("JPEG2000", rgb, {}), ("AVIF", rgb, {}), ("HEIF", rgb, {}), ("QOI", rgba, {}),
    ]  # fmt: skip
    Image.init()
    made = {}
    for number, (name, image, settings) in enumerate(kinds):
        if name in Image.SAVE:
            file = io.BytesIO()
            image.save(file, name, **settings)
            made[f"{name}-{number}"] = file.getvalue()
    psd = b"8BPS" + struct.pack(">H6xHIIHH", 1, 3, 2, 2, 8, 3) + bytes(12) + b"\0\0" + bytes(12)
    return made | {"PSD": psd, "PFM": b"Pf\n2 2\n-1.0\n" + bytes(16), "P3": b"P3\n2 2\n255\n" + b"1 2 3 " * 4}
