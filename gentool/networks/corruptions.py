"""Images corrupted by a known amount, in ways in which generators fail: too smooth, noisy, formless, double, patched.

All functions take and return images (N, C, H, W) in [0, 1], of any size. Random numbers come from the generators that
PyTorch itself uses.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

KINDS = ("blur", "noise", "clouds", "mixture", "patch")
"""What `corrupted` does to images."""


def blurred(x: Tensor, sd: float) -> Tensor:
    """Images blurred by a Gaussian of this standard deviation in pixels; beyond the edge, the edge is repeated."""
    reach = math.ceil(3 * sd)
    steps = torch.arange(-reach, reach + 1, device=x.device, dtype=x.dtype)
    weights = torch.softmax(-(steps**2) / (2 * sd**2), 0)
    channels = x.shape[1]
    for shape, padding in (((-1, 1), (0, 0, reach, reach)), ((1, -1), (reach, reach, 0, 0))):
        kernel = weights.view(shape).expand(channels, 1, -1, -1).contiguous()
        x = F.conv2d(F.pad(x, padding, mode="replicate"), kernel, groups=channels)
    return x


def noisy(x: Tensor, sd: float, smoothness: float = 0.0) -> Tensor:
    """Images with Gaussian noise of this standard deviation, itself blurred by `smoothness` pixels if that is not 0."""
    noise = torch.randn_like(x)
    if smoothness:
        noise = blurred(noise, smoothness)
        noise = noise / noise.std(correction=0).clamp_min(1e-6)
    return (x + sd * noise).clamp(0, 1)


def clouds(x: Tensor) -> Tensor:
    """Images with the amplitudes of their Fourier transforms and random phases, the same for all channels.

    The mean and the smoothness of an image stay, its forms go (Oppenheim & Lim 1981, doi:10.1109/PROC.1981.12022).
    """
    mean = x.mean((2, 3), keepdim=True)
    turns = torch.fft.rfft2(torch.randn_like(x[:, :1]))
    turns = turns / turns.abs().clamp_min(1e-6)
    return (mean + torch.fft.irfft2(torch.fft.rfft2(x - mean) * turns, s=x.shape[2:])).clamp(0, 1)


def patched(x: Tensor, other: Tensor, sides: tuple[float, float], places: tuple[float, float]) -> Tensor:
    """Each image with a rectangle of another one, as in CutMix (Yun et al. 2019, arXiv:1905.04899).

    `sides` are the shares of height and width that it takes; `places`, in [0, 1], are where it lies between the edges.
    """
    made = x.clone()
    window = []
    for size, side, place in zip(x.shape[2:], sides, places, strict=True):
        length = min(size, max(1, round(side * size)))
        start = round(place * (size - length))
        window.append(slice(start, start + length))
    made[:, :, window[0], window[1]] = other[:, :, window[0], window[1]]
    return made


def corrupted(x: Tensor) -> tuple[Tensor, Tensor]:
    """Images (N, C, H, W), each corrupted in one of the `KINDS`, and by how much: strengths (N, 5) in [0, 1].

    A strength of 0 leaves an image as it is. Each kind gets neighbouring images and two strengths, drawn anew for each
    call. Images of four channels are premultiplied and stay so.
    """
    strengths = x.new_zeros(len(x), len(KINDS))
    parts = []
    others = x.roll(1, 0).tensor_split(2 * len(KINDS))
    rows = strengths.tensor_split(2 * len(KINDS))
    for number, (part, other, row) in enumerate(zip(x.tensor_split(2 * len(KINDS)), others, rows, strict=True)):
        strength, *rest = torch.rand(5).tolist()
        if len(part):
            parts.append(_corrupt(part, other, KINDS[number // 2], strength, rest))
            row[:, number // 2] = strength
    changed = torch.cat(parts)
    if x.shape[1] == 4:
        changed = torch.cat([torch.minimum(changed[:, :3], changed[:, 3:]), changed[:, 3:]], 1)
    return changed, strengths


def _corrupt(x: Tensor, other: Tensor, kind: str, strength: float, numbers: list[float]) -> Tensor:
    """Images corrupted in one way; `numbers`, four in [0, 1), decide what the strength leaves open."""
    first, second, third, _ = numbers
    size = min(x.shape[2:])
    if kind == "blur":
        return torch.lerp(x, blurred(x, size / 32 * (0.5 + 2 * first)), strength)
    if kind == "noise":
        return noisy(x, 0.25 * strength, 0.3 * 8**first if second < 0.5 else 0)
    if kind == "clouds":
        return torch.lerp(x, clouds(x), strength)
    if kind == "mixture":
        return torch.lerp(x, other, strength / 2)
    side = 0.6 * strength**0.5
    return patched(x, other, (side, side), (first, third))
