"""Images corrupted by a known amount."""

import pytest
import torch
from torch import Tensor

from gentool.networks.corruptions import KINDS, blurred, clouds, corrupted, noisy, patched


def random_images(*shape: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(0))


def test_blur_keeps_constant_images_and_the_mean_and_takes_detail() -> None:
    x = random_images(4, 3, 16, 12)
    soft = blurred(x, 1.5)
    assert soft.var() < x.var() / 5
    assert soft.mean().item() == pytest.approx(x.mean().item(), abs=0.02)
    flat = torch.full((2, 3, 5, 7), 0.3)
    torch.testing.assert_close(blurred(flat, 2.0), flat)
    torch.testing.assert_close(blurred(x, 0.1), x)


def test_blur_is_the_gaussian_of_its_name() -> None:
    point = torch.zeros(1, 1, 21, 21)
    point[..., 10, 10] = 1
    rows = blurred(point, 2.0)[0, 0].sum(1)
    places = torch.arange(21.0) - 10
    assert (rows * places**2).sum().item() == pytest.approx(4.0, rel=0.05)


@pytest.mark.parametrize("smoothness", [0.0, 1.0])
def test_noise_has_the_deviation_that_is_asked_for(smoothness: float) -> None:
    x = torch.full((16, 1, 32, 32), 0.5)
    assert (noisy(x, 0.05, smoothness) - x).std().item() == pytest.approx(0.05, rel=0.1)


def test_clouds_keep_mean_and_spectrum_and_lose_the_form() -> None:
    x = 0.4 + 0.2 * random_images(8, 3, 16, 16)
    made = clouds(x)
    torch.testing.assert_close(made.mean((2, 3)), x.mean((2, 3)), atol=0.01, rtol=0)
    torch.testing.assert_close(made.var((2, 3)), x.var((2, 3)), atol=0.002, rtol=0)
    together = torch.stack([made - made.mean((2, 3), keepdim=True), x - x.mean((2, 3), keepdim=True)]).flatten(1)
    assert torch.corrcoef(together)[0, 1].abs() < 0.2


def test_a_patch_is_that_of_the_other_image() -> None:
    x, other = torch.zeros(2, 3, 8, 10), torch.ones(2, 3, 8, 10)
    made = patched(x, other, (0.5, 0.2), (1.0, 0.0))
    expected = torch.zeros(8, 10)
    expected[4:, :2] = 1
    assert (made == expected).all()
    assert not x.any()


@pytest.mark.parametrize("shape", [(40, 1, 8, 8), (40, 3, 5, 9), (40, 4, 16, 16), (12, 3, 1, 1), (7, 2, 40, 3)])
def test_corrupted_images_keep_form_and_range_and_come_with_strengths(shape: tuple[int, ...]) -> None:
    x = random_images(*shape)
    if shape[1] == 4:
        x[:, :3] = torch.minimum(x[:, :3], x[:, 3:])
    torch.manual_seed(0)
    changed, strengths = corrupted(x)
    assert changed.shape == x.shape
    assert 0 <= changed.min() <= changed.max() <= 1
    assert strengths.shape == (len(x), len(KINDS))
    assert 0 <= strengths.min() <= strengths.max() < 1
    assert ((strengths > 0).sum(1) <= 1).all()
    if shape[1] == 4:
        assert (changed[:, :3] <= changed[:, 3:] + 1e-6).all()
    torch.manual_seed(0)
    assert torch.equal(corrupted(x)[0], changed)


def test_every_kind_changes_images_more_the_stronger_it_is() -> None:
    x = random_images(200, 3, 16, 16)
    changes: list[list[tuple[float, float]]] = [[] for _ in KINDS]
    for seed in range(12):
        torch.manual_seed(seed)
        changed, strengths = corrupted(x)
        change = (changed - x).square().mean((1, 2, 3))
        for kind, known in enumerate(changes):
            for strength in strengths[:, kind].unique():
                if strength > 0:
                    known.append((strength.item(), change[strengths[:, kind] == strength].mean().item()))
    for kind, known in zip(KINDS, changes, strict=True):
        pairs = torch.tensor(known)
        assert torch.corrcoef(pairs.T)[0, 1] > 0.6, kind
