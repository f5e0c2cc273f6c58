"""Samples of a model of `faces` as compositions of parts: the nearest one to each, and what they show together.

A stack of parts is linear in the paint of each of its layers, so the squared errors of all values of one layer, with
the other layers as they are, are a few matrix products. The search takes the best value of one layer after the other
until no face changes. That none is nearer is not proved. So a face that is called valid is valid; real faces, which go
the same way for the floor, show how many are missed.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gentool.data.images import ImageData
from gentool.data.sources.faces import (
    FRAMED,
    LAYERS,
    PERCENT,
    SIDE,
    attributes,
    colours,
    compose,
    is_faces,
    part_pixels,
)
from gentool.evaluation.intervals import Interval, mean_and_interval, share_and_interval
from gentool.evaluation.samples import shuffled
from gentool.progress import SILENT, Reporter
from gentool.tables import Table

MOST = 2000
"""The most samples whose compositions are searched."""
TOLERANCE = 32
"""A pixel that differs by more in one of its channels, of 0..255, is off."""
VALID = 0.02
"""A face is valid if at most this share of its pixels is off: 5 of 256. An eye has 6."""
FREQUENT = 5
"""Pairs of values that at least this many test images have should be among the samples."""

ORDERS = (
    ("background", "skin", "hair", "clothes", "glasses", "eyes", "hat", "beard", "mouth", "accessories"),
    ("background", "skin", "hat", "clothes", "glasses", "hair", "eyes", "beard", "mouth", "accessories"),
    ("background", "skin", "eyes", "mouth", "glasses", "clothes", "hair", "beard", "hat", "accessories"),
)
"""The orders in which layers are fitted, each from nothing; the best of the three results counts."""
STACK = ("background", "skin", *LAYERS)
AT_ONCE = 1000
MOST_SWEEPS = 10


@dataclass(frozen=True)
class Layer:
    """All values of one layer: (shape, colour) pairs.

    `paint` (K, 3, P) is what each adds to a pixel, 0..255; `below` (K, P) is the share that is seen of what lies below.
    `numbers` (K, 2) are the numbers of shape and colour. The last value is no paint at all, to begin with.
    """

    paint: Tensor
    below: Tensor
    numbers: Tensor


def layer(part: str) -> Layer:
    """The values of a part; those of a beard in all colours of hair."""
    tints = torch.from_numpy(colours("hair" if part == "beard" else part)).float()
    if part == "background":
        percent = torch.zeros(1, 3, SIDE, SIDE)
        percent[:, 0] = 100
    else:
        percent = torch.from_numpy(part_pixels(part)).float()
    own, white, black = (percent.flatten(2) / 100).unbind(1)
    missing = part in PERCENT
    first = 1 if missing and part != "beard" else 0
    pairs = torch.tensor(
        [(0, 0)] * missing + [(shape, tint) for shape in range(missing, len(own)) for tint in range(first, len(tints))]
    )
    paint = own[pairs[:, 0], None] * tints[pairs[:, 1], :, None] + 255 * white[pairs[:, 0], None]
    below = 1 - (own + white + black)[pairs[:, 0]]
    nothing = torch.zeros_like(paint[:1]), torch.ones_like(below[:1])
    return Layer(torch.cat([paint, nothing[0]]), torch.cat([below, nothing[1]]), pairs)


def has_compositions(data: ImageData) -> bool:
    """Whether a prepared set is of composed faces in colour and in whole pixels."""
    channels, height, width = data.shape
    return is_faces(data.info) and channels == 3 and height == width and (height % SIDE == 0 or height % FRAMED == 0)


@dataclass(frozen=True)
class Found:
    """The nearest compositions of images: their attributes (N, F) int64, and the share (N,) of pixels that are off."""

    attributes: Tensor
    off: Tensor

    @property
    def valid(self) -> Tensor:
        """Which images (N,) are valid faces."""
        return self.off <= VALID


@dataclass(frozen=True)
class FaceScores:
    """What the samples score, with intervals; a row for each value of each attribute, and one for each sample."""

    scores: dict[str, float]
    intervals: dict[str, Interval] = field(default_factory=dict)
    tables: dict[str, Table] = field(default_factory=dict)


@dataclass(frozen=True)
class FaceReference:
    """Real faces that samples are compared with: the test images, and training images in place of samples."""

    test: Found
    train: Found

    @classmethod
    def of(cls, data: ImageData, count: int, seed: int, *, reporter: Reporter = SILENT) -> "FaceReference":
        """The nearest compositions of the test images and of `count` training images, at most `MOST` of each."""
        train = data.train.images[shuffled(len(data.train), seed)[: min(count, MOST)]]
        return cls(find(data.test.images[:MOST], reporter=reporter), find(train, reporter=reporter))

    def floor(self) -> dict[str, float]:
        """The scores of the training images."""
        return _scores(self.train, self.test)

    def scores(self, images: Tensor, *, reporter: Reporter = SILENT) -> FaceScores:
        """The scores of samples, uint8 (N, 3, S, S); of the first `MOST` of them."""
        found = find(images[:MOST], reporter=reporter)
        count = len(found.off)
        intervals = {
            f"valid_faces_{count}": share_and_interval(found.valid)[1],
            f"pixels_off_{count}": mean_and_interval(found.off)[1],
        }
        tables = {"attributes": Table(self._frequencies(found)), "faces": Table(_described(found))}
        return FaceScores(_scores(found, self.test), intervals, tables)

    def _frequencies(self, found: Found) -> Iterator[dict[str, Any]]:
        for column, (name, values) in enumerate(attributes().items()):
            samples, train, test = (shares(one.attributes, column) for one in (found, self.train, self.test))
            for value, *three in zip(values, samples.tolist(), train.tolist(), test.tolist(), strict=True):
                yield {"attribute": name, "value": value} | dict(
                    zip(("samples", "training_images", "test_images"), three, strict=True)
                )


def find(images: Tensor, *, reporter: Reporter = SILENT) -> Found:
    """A composition near each of the images, uint8 (N, 3, S, S)."""
    parts, off = [], []
    for start in range(0, len(images), AT_ONCE):
        part = images[start : start + AT_ONCE]
        parts.append(_nearest(part))
        away = (part.int() - composed(parts[-1], part.shape[-1]).int()).abs().amax(1)
        off.append((away > TOLERANCE).double().mean((1, 2)))
        reporter.progress("faces: nearest compositions", min(start + AT_ONCE, len(images)), len(images))
    return Found(torch.cat(parts), torch.cat(off))


def shares(found: Tensor, column: int) -> Tensor:
    """How often each value of an attribute occurs, as shares (V,), among attributes (N, F)."""
    values = len(list(attributes().values())[column])
    return torch.bincount(found[:, column], minlength=values).double() / len(found)


def attribute_distance(found: Tensor, real: Tensor) -> float:
    """The total variation distance, in [0, 1], of the frequencies of an attribute's values, mean over the attributes.

    found (N, F) and real (R, F) are attributes.
    """
    return sum(
        (shares(found, column) - shares(real, column)).abs().sum().item() / 2 for column in range(found.shape[1])
    ) / found.shape[1]  # fmt: skip


def pair_coverage(found: Tensor, real: Tensor) -> float:
    """The share, in [0, 1], of pairs of values of two attributes that are `FREQUENT` in real (R, F) and occur in found.

    It is low where attributes are each as frequent as they should be, and depend on one another.
    """
    sizes = [len(values) for values in attributes().values()]
    frequent = covered = 0
    for one, other in combinations(range(len(sizes)), 2):
        counts, there = (
            torch.bincount(both[:, one] * sizes[other] + both[:, other], minlength=sizes[one] * sizes[other])
            for both in (real, found)
        )
        frequent += int((counts >= FREQUENT).sum())
        covered += int(((counts >= FREQUENT) & (there > 0)).sum())
    return covered / max(frequent, 1)


def _scores(found: Found, real: Found) -> dict[str, float]:
    scores = {
        "valid_faces": found.valid.double().mean().item(),
        "pixels_off": found.off.mean().item(),
        "attribute_distance": attribute_distance(found.attributes, real.attributes),
        "pair_coverage": pair_coverage(found.attributes, real.attributes),
    }
    return {f"{name}_{len(found.off)}": value for name, value in scores.items()}


def _described(found: Found) -> Iterator[dict[str, Any]]:
    for number, (row, off) in enumerate(zip(found.attributes.tolist(), found.off.tolist(), strict=True)):
        named = {name: values[value] for (name, values), value in zip(attributes().items(), row, strict=True)}
        yield {"sample": number, "valid": off <= VALID, "pixels_off": off} | named


def _nearest(images: Tensor) -> Tensor:
    side = images.shape[-1]
    unit = FRAMED if side % SIDE else SIDE
    small = images.float().unflatten(3, (unit, -1)).unflatten(2, (unit, -1)).mean((3, 5))
    frame = torch.zeros(len(images), len(colours("background")))
    if unit == FRAMED:
        left, top = (FRAMED - SIDE) // 2, FRAMED - SIDE
        outside = torch.ones(FRAMED, FRAMED, dtype=torch.bool)
        outside[top:, left : left + SIDE] = False
        ground = torch.from_numpy(colours("background")).float()
        frame = (small[:, None, :, outside] - ground[:, :, None]).square().sum((2, 3))
        small = small[:, :, top:, left : left + SIDE]
    target = small.flatten(2)
    layers = {part: layer(part) for part in STACK}
    results = [_descend(target, frame, layers, order) for order in ORDERS]
    best = torch.stack([errors for errors, _ in results]).argmin(0)
    chosen = {part: torch.stack([values[part] for _, values in results]).gather(0, best[None])[0] for part in STACK}
    found = {}
    for part in STACK:
        shape, colour = layers[part].numbers[chosen[part]].unbind(1)
        found[part] = colour if part in ("background", "skin") else shape
        found[f"{part}-colour"] = colour
    return torch.stack([found[name] for name in attributes()], dim=1)


def _descend(
    target: Tensor, frame: Tensor, layers: dict[str, Layer], order: tuple[str, ...]
) -> tuple[Tensor, dict[str, Tensor]]:
    """The squared errors (N,) of the compositions that are found, and the values (N,) of their layers."""
    chosen = {part: torch.full((len(target),), len(layers[part].numbers)) for part in STACK}
    for _ in range(MOST_SWEEPS):
        before = {part: values.clone() for part, values in chosen.items()}
        for part in order:
            errors = _errors(target, layers, chosen, part)
            if part == "background":
                errors += frame
            chosen[part] = errors.argmin(1)
        _try_glasses(target, layers, chosen)
        if all((chosen[part] == before[part]).all() for part in STACK):
            break
    _agree_on_hair(target, layers, chosen)
    shown = torch.zeros_like(target)
    for part in STACK:
        one, values = layers[part], chosen[part]
        shown = shown * one.below[values][:, None] + one.paint[values]
    return (target - shown).square().sum((1, 2)) + frame.gather(1, chosen["background"][:, None])[:, 0], chosen


def _agree_on_hair(target: Tensor, layers: dict[str, Layer], chosen: dict[str, Tensor]) -> None:
    """Give hair and beard, which were fitted apart, one colour: that of the hair or of the beard, whichever fits."""
    hair_tint = layers["hair"].numbers[:, 1]
    shape, tint = layers["beard"].numbers.unbind(1)
    hair_now, beard_now = hair_tint[chosen["hair"]], tint[chosen["beard"]]
    apart = (shape[chosen["beard"]] > 0) & (hair_now != beard_now)
    hair_errors, beard_errors = (_errors(target, layers, chosen, part) for part in ("hair", "beard"))
    hair_there = hair_errors.masked_fill(hair_tint != beard_now[:, None], torch.inf)
    beard_there = beard_errors.masked_fill((tint != hair_now[:, None]) & (shape > 0), torch.inf)
    by_hair = beard_there.amin(1) < hair_there.amin(1)
    chosen["hair"] = torch.where(apart & ~by_hair, hair_there.argmin(1), chosen["hair"])
    chosen["beard"] = torch.where(apart & by_hair, beard_there.argmin(1), chosen["beard"])


def _try_glasses(target: Tensor, layers: dict[str, Layer], chosen: dict[str, Tensor]) -> None:
    """Choose the shape of the glasses and the eyes behind them together: dark ones hide much of the eyes."""
    shape, tint = layers["glasses"].numbers.unbind(1)
    now = tint[chosen["glasses"]].clamp_min(1)
    tints = int(tint.max())
    options = [torch.zeros_like(now)] + [1 + number * tints + now - 1 for number in range(int(shape.max()))]
    least = torch.full((len(target),), torch.inf)
    best = chosen
    for glasses in options:
        trial = chosen | {"glasses": glasses}
        errors, eyes = _errors(target, layers, trial, "eyes").min(1)
        better = errors < least
        least = torch.where(better, errors, least)
        best = best | {
            "glasses": torch.where(better, glasses, best["glasses"]),
            "eyes": torch.where(better, eyes, best["eyes"]),
        }
    chosen.update(best)


def _errors(target: Tensor, layers: dict[str, Layer], chosen: dict[str, Tensor], part: str) -> Tensor:
    """The squared error (N, K) of each image (N, 3, P) for each value of a layer, with the others as they are."""
    place = STACK.index(part)
    below = torch.zeros_like(target)
    for name in STACK[:place]:
        one, values = layers[name], chosen[name]
        below = below * one.below[values][:, None] + one.paint[values]
    rest = target
    seen = torch.ones_like(target[:, 0])
    for name in reversed(STACK[place + 1 :]):
        one, values = layers[name], chosen[name]
        rest = rest - seen[:, None] * one.paint[values]
        seen = seen * one.below[values]
    # (rest - seen (through below + paint))^2 for the K pairs of through (K, P) and paint (K, 3, P)
    one = layers[part]
    through, paint = one.below[:-1], one.paint[:-1]
    errors = (seen.square() * below.square().sum(1)) @ through.square().T
    errors += seen.square() @ paint.square().sum(1).T
    errors -= 2 * (seen * (rest * below).sum(1)) @ through.T
    errors -= 2 * (seen[:, None] * rest).flatten(1) @ paint.flatten(1).T
    errors += 2 * (seen.square()[:, None] * below).flatten(1) @ (through[:, None] * paint).flatten(1).T
    return errors + rest.square().sum((1, 2))[:, None]


def composed(found: Tensor, side: int) -> Tensor:
    """The compositions uint8 (N, 3, S, S) of attributes (N, F)."""
    return torch.from_numpy(np.ascontiguousarray(compose(found.numpy(), side).transpose(0, 3, 1, 2)))
