"""How near samples are to real images: in a feature space, and in their colours."""

import torch
from torch import Tensor


def precision_recall(real: Tensor, fake: Tensor, k: int = 3) -> tuple[float, float]:
    """Improved precision and recall (Kynkaanniemi et al. 2019, arXiv:1904.06991) of features (N, D) and (M, D).

    Precision: the share of fake points inside some real point's ball, whose radius is the distance to its k-th
    neighbour; recall: the same with the roles exchanged. Both in [0, 1].
    """
    distances = _distances(real, fake)
    precision = (distances <= _radii(real, k)[:, None]).any(0).float().mean()
    recall = (distances <= _radii(fake, k)[None, :]).any(1).float().mean()
    return precision.item(), recall.item()


def _radii(points: Tensor, k: int) -> Tensor:
    """The distance of each point to its k-th nearest other point."""
    return _distances(points, points).kthvalue(k + 1, dim=1).values


def _distances(a: Tensor, b: Tensor) -> Tensor:
    """Euclidean distances, exactly 0 between equal points (the faster matrix product would leave rounding there)."""
    return torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist")


def palette_score(images: Tensor, colours: Tensor, background: Tensor, tolerance: int = 8) -> tuple[float, float]:
    """The share of pixels within `tolerance` in every channel of one of `colours`: of all pixels, and of those that
    are not within it of `background`.

    images uint8 (N, C, H, W), colours uint8 (K, C), background uint8 (C,); both shares in [0, 1].
    """
    pixels, counts = images.permute(0, 2, 3, 1).reshape(-1, images.shape[1]).unique(dim=0, return_counts=True)
    pixels, palette = pixels.int(), colours.int()
    matched = torch.cat([
        ((part[:, None] - palette).abs().amax(2) <= tolerance).any(1) for part in pixels.split(4096)
    ])  # fmt: skip
    foreground = (pixels - background.int()).abs().amax(1) > tolerance
    all_pixels = (matched * counts).sum() / counts.sum()
    front = (matched & foreground).mul(counts).sum() / (foreground * counts).sum().clamp_min(1)
    return all_pixels.item(), front.item()


def distinct_share(images: Tensor) -> float:
    """The share of uint8 images (N, ...) that differ from all those before them."""
    return len({image.numpy().tobytes() for image in images}) / len(images)
