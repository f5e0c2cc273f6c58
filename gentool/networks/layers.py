"""4x4 stride-2 convolutions that halve and double images of any size, in the forms that CPUs run fast.

Two exact rewrites. On the 1 or 3 channels of an image, most of a vector register stays empty: there the sum is
written as a 2x2 convolution on four times the channels (pixel shuffle: Shi et al. 2016, arXiv:1609.05158).
On maps of at most 5x5 pixels, oneDNN's gradient of the weights takes two to four times as long as copying the
patches out and multiplying (bf16, im2col: Chellapilla et al. 2006, hal-00112631); on larger ones it does not.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Shape = tuple[int, int, int]
"""Channels, height, width of one image."""

NARROW = 2
"""Maps of this width or less get columns of zeros on the right, where the padding is zero anyway: in bf16 on a CPU with
AMX, strided convolutions over them give arbitrary numbers, or gradients (PyTorch 2.14)."""
FEW_CHANNELS = 4
FEW_PIXELS = 25


def halved_sizes(size: tuple[int, int], largest: int = 5, at_least: int = 2) -> list[tuple[int, int]]:
    """The sizes (height, width) from `size` down, halved with ceil, until no side exceeds `largest`."""
    sizes = [size]
    while max(sizes[-1]) > largest or len(sizes) <= at_least:
        height, width = sizes[-1]
        sizes.append(((height + 1) // 2, (width + 1) // 2))
    return sizes


def _weight_gradient(small: Tensor, large: Tensor) -> Tensor:
    """(N, A, H, W), (N, B, 2H, 2W) -> (A, B, 4, 4): each pixel of the small map times its 4x4 patch."""
    patches = F.pad(large.permute(0, 2, 3, 1), (0, 0, 1, 1, 1, 1)).unfold(1, 4, 2).unfold(2, 4, 2)
    rows = patches.permute(0, 1, 2, 4, 5, 3).flatten(3).flatten(0, 2)
    product = small.permute(0, 2, 3, 1).flatten(0, 2).t() @ rows
    return product.view(small.shape[1], 4, 4, large.shape[1]).permute(0, 3, 1, 2)


class _Down(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return F.conv2d(x, weight, stride=2, padding=1)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        (grad,), (x, weight) = grads, ctx.saved_tensors
        grad_x = F.conv_transpose2d(grad, weight, stride=2, padding=1) if ctx.needs_input_grad[0] else None
        return grad_x, _weight_gradient(grad, x) if ctx.needs_input_grad[1] else None


class _Up(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return F.conv_transpose2d(x, weight, stride=2, padding=1)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        (grad,), (x, weight) = grads, ctx.saved_tensors
        grad_x = F.conv2d(grad, weight, stride=2, padding=1) if ctx.needs_input_grad[0] else None
        return grad_x, _weight_gradient(x, grad) if ctx.needs_input_grad[1] else None


def _autocast(*tensors: Tensor) -> list[Tensor]:
    """The cast that autocast does for PyTorch's own convolutions."""
    device = tensors[0].device.type
    if not torch.is_autocast_enabled(device):
        return list(tensors)
    return [tensor.to(torch.get_autocast_dtype(device)) for tensor in tensors]


def _multiplied(x: Tensor, pixels: int) -> bool:
    return x.device.type == "cpu" and pixels <= FEW_PIXELS


class Down(nn.Conv2d):
    """A 4x4 stride-2 convolution that halves with ceil: (N, C, H, W) -> (N, C', ceil(H/2), ceil(W/2))."""

    def __init__(self, in_channels: int, out_channels: int, *, bias: bool = True) -> None:
        super().__init__(in_channels, out_channels, 4, stride=2, padding=1, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        if self.in_channels <= FEW_CHANNELS:
            x = F.pad(x, (1, 1 + width % 2, 1, 1 + height % 2))
            return F.conv2d(F.pixel_unshuffle(x, 2), F.pixel_unshuffle(self.weight, 2), self.bias)
        if width <= NARROW:  # two more columns of zeros, and so one more of the result
            return self._halved(F.pad(x, (0, 2 + width % 2, 0, height % 2)))[..., :1]
        return self._halved(F.pad(x, (0, width % 2, 0, height % 2)) if height % 2 or width % 2 else x)

    def _halved(self, x: Tensor) -> Tensor:
        """A map of even sides, halved."""
        if not _multiplied(x, x.shape[-2] * x.shape[-1] // 4):
            return super().forward(x)
        x, weight = _autocast(x, self.weight)
        # Without gradients, the convolution alone: TorchScript holds no functions of Python.
        x = _Down.apply(x, weight) if torch.is_grad_enabled() else F.conv2d(x, weight, stride=2, padding=1)
        return x if self.bias is None else x + self.bias.to(x.dtype)[:, None, None]


class Up(nn.ConvTranspose2d):
    """A 4x4 stride-2 transposed convolution to an exact size: (N, C, H, W) -> (N, C', *size), H = ceil(size / 2)."""

    def __init__(self, in_channels: int, out_channels: int, size: tuple[int, int], *, bias: bool = True) -> None:
        super().__init__(in_channels, out_channels, 4, stride=2, padding=1, bias=bias)
        self.size = size

    def forward(self, x: Tensor, output_size: list[int] | None = None) -> Tensor:
        height, width = self.size
        kernel = self.kernel()
        if x.shape[3] < NARROW:
            x = F.pad(x, (0, 1))
        if self.out_channels <= FEW_CHANNELS:
            # Output block k (pixels 2k and 2k + 1) sums inputs k - 1 and k: a 2x2 convolution, taps reversed.
            taps = F.pixel_unshuffle(kernel.transpose(0, 1), 2)
            taps = taps.unflatten(1, (self.in_channels, 4)).transpose(1, 2).flatten(0, 1).flip(2, 3)
            x = F.pixel_shuffle(F.conv2d(x, taps, padding=1), 2)[..., 1 : height + 1, 1 : width + 1]
        elif _multiplied(x, x.shape[2] * x.shape[3]):
            x, weight = _autocast(x, kernel)
            x = _Up.apply(x, weight) if torch.is_grad_enabled() else F.conv_transpose2d(x, weight, stride=2, padding=1)
            x = x[..., :height, :width]
        else:
            return F.conv_transpose2d(x, kernel, self.bias, stride=2, padding=1)[..., :height, :width]
        return x if self.bias is None else x + self.bias.to(x.dtype)[:, None, None]

    def kernel(self) -> Tensor:
        """That of the transposed convolution, (C, C', 4, 4)."""
        return self.weight


class NearestUp(Up):
    """Nearest upsampling to twice the size, then a 3x3 convolution (Odena et al. 2016, doi:10.23915/distill.00003).

    (N, C, H, W) -> (N, C', *size). Computed as the 4x4 transposed convolution that it equals, whose kernel sums 2x2
    neighbours of the 3x3 weights: 4 products per output pixel in place of 9. `weight` is (C, C', 3, 3), stored as
    transposed convolutions have it, so turned by 180 degrees.
    """

    def __init__(self, in_channels: int, out_channels: int, size: tuple[int, int], *, bias: bool = True) -> None:
        super().__init__(in_channels, out_channels, size, bias=bias)
        self.weight = nn.Parameter(self.weight.detach()[..., :3, :3].contiguous())

    def kernel(self) -> Tensor:
        """That of the transposed convolution, (C, C', 4, 4)."""
        padded = F.pad(self.weight, (1, 1, 1, 1))
        rows = padded[..., :-1, :] + padded[..., 1:, :]
        return rows[..., :-1] + rows[..., 1:]
