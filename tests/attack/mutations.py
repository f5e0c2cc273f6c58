"""Hostile variants of values, documents, texts, bytes and pictures, each a function of a random generator."""

import random
from typing import Any

import torch

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
        None, True, False, 0, -1, 1, 2**31, 10**18, 10**30, -(10**30), 0.5, 1e308, NAN, INFINITE, -INFINITE, "", "x", "x" * 100_000,
        "\x1b[2J\x07", "\ud800", "../../x", "/etc/passwd", "1,2", "1" * 5000, [], {}, [None], [1, 2], [[1], [2]], {"x": 1}, {"": {}}, nested(100),
        list(range(10_000)), [10**18] * 3, [0, 0, 0], [-1, 8, 8], [1, 8], [NAN] * 3,
    ]  # fmt: skip


def tensor_values() -> list[Any]:
    """Values that only a checkpoint can hold."""
    return [
        torch.zeros(0), torch.zeros(()), torch.zeros(3, 3), torch.full((4,), NAN), torch.tensor(INFINITE), torch.tensor(10**18),
        torch.zeros(2, dtype=torch.complex64), torch.zeros(2, dtype=torch.bool), torch.zeros(2, dtype=torch.int8),
        torch.eye(3).to_sparse(), torch.zeros(3, device="meta"), torch.nn.Parameter(torch.zeros(2)), torch.Size([1, 2]),
        torch.float16, {1, 2}, (1, 2), 1j, b"bytes", {1: 2}, {(1, 2): 3}, {None: 1}, nested(50),
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
