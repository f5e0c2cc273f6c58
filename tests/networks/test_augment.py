"""Differentiable augmentation: what moves, what stays, and that gradients pass."""

from collections.abc import Callable

import pytest
import torch

from gentool.networks.augment import DiffAugment, mirror, policies, reframe


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def augment(x: torch.Tensor, names: tuple[str, ...], generator: torch.Generator) -> torch.Tensor:
    change = DiffAugment(names)
    return change(x, change.draw(x.shape, generator, x.device))


@pytest.fixture
def x() -> torch.Tensor:
    return torch.rand(64, 3, 16, 24, generator=rng(1)) * 2 - 1


def test_none_changes_nothing(x: torch.Tensor) -> None:
    assert policies("none") == ()
    assert augment(x, policies("none"), rng()) is x


@pytest.mark.parametrize(
    "flip", [lambda x: augment(x, ("flip",), rng()), lambda x: mirror(x, torch.rand(len(x), 1, 1, 1, generator=rng()))]
)
def test_flip_gives_images_or_their_mirror_images(
    x: torch.Tensor, flip: Callable[[torch.Tensor], torch.Tensor]
) -> None:
    flipped = flip(x)
    same = (flipped == x).flatten(1).all(1)
    mirrored = (flipped == x.flip(3)).flatten(1).all(1)
    assert (same | mirrored).all()
    assert 15 < same.sum() < 49


def test_translation_moves_whole_pixels_by_at_most_an_eighth(x: torch.Tensor) -> None:
    moved = augment(x, ("translation",), rng())
    padded = torch.nn.functional.pad(x, (3, 3, 2, 2))
    for image, whole in zip(moved, padded, strict=True):
        windows = [whole[:, top : top + 16, left : left + 24] for top in range(5) for left in range(7)]
        assert any(torch.equal(image, window) for window in windows)
    assert not torch.equal(moved, x)


def test_cutout_hides_a_square_of_half_the_side(x: torch.Tensor) -> None:
    hidden = (augment(x, ("cutout",), rng()) == 0).all(1)
    assert hidden.flatten(1).sum(1).max() == 8 * 12
    assert hidden.flatten(1).sum(1).min() > 0


def test_color_keeps_the_pattern_of_each_image(x: torch.Tensor) -> None:
    changed = augment(x, ("color",), rng()).mean(1).flatten(1)
    correlation = torch.stack(
        [torch.corrcoef(torch.stack(pair))[0, 1] for pair in zip(changed, x.mean(1).flatten(1), strict=True)]
    )
    assert correlation.min() > 0.999


@pytest.mark.parametrize("name", ["flip", "color", "translation", "cutout"])
def test_gradients_pass_and_the_drawn_numbers_decide(x: torch.Tensor, name: str) -> None:
    x.requires_grad_()
    change = DiffAugment((name,))
    numbers = change.draw(x.shape, rng(3), x.device)
    first = change(x, numbers)
    assert not torch.equal(first, x)
    assert torch.equal(first, change(x, numbers))
    assert torch.equal(first, augment(x, (name,), rng(3)))
    assert not torch.equal(first, augment(x, (name,), rng(4)))
    first.sum().backward()
    assert x.grad is not None
    assert x.grad.abs().sum() > 0


def test_changes_follow_one_another_in_the_order_of_their_names(x: torch.Tensor) -> None:
    names = ("translation", "flip", "cutout", "color")
    generator = rng(5)
    expected = x
    for name in names:
        expected = augment(expected, (name,), generator)
    assert torch.equal(augment(x, names, rng(5)), expected)


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(ValueError, match=r"expected auto, none, or some of flip,color,translation,cutout"):
        policies("flip,colour")


def test_reframe_zooms_and_shifts_within_reach_and_repeats_the_edge(x: torch.Tensor) -> None:
    assert torch.allclose(reframe(x, 0.0, torch.rand(3, len(x), generator=rng())), x, atol=1e-5)
    ramp = torch.linspace(-1, 1, 24).expand(500, 1, 16, 24)  # a pixel's value is its place
    moved = reframe(ramp, 0.2, torch.rand(3, len(ramp), generator=rng()))[:, 0, 8]
    middle = moved[:, 11:13].mean(1)
    assert 0.15 < middle.max() <= 0.21
    assert -0.21 <= middle.min() < -0.15
    slope = (moved[:, 13] - moved[:, 10]) / (ramp[0, 0, 0, 13] - ramp[0, 0, 0, 10])
    assert 0.79 < slope.min() < 0.85
    assert 1.15 < slope.max() < 1.21
    assert moved.min() == -1
    assert moved.max() == 1
    assert torch.equal(
        reframe(x, 0.2, torch.rand(3, len(x), generator=rng(3))),
        reframe(x, 0.2, torch.rand(3, len(x), generator=rng(3))),
    )
