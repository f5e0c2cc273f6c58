"""The encoder and decoder that cae and vae build from the same options: convolutions, or fully connected layers."""

import dataclasses
import math
from dataclasses import dataclass
from typing import Any, Literal, Self

from torch import nn

from gentool.engine.options import TrainOptions
from gentool.models.augmentation import AugmentationOptions
from gentool.networks.autoencoder import Activation, ConvDecoder, ConvEncoder, Decoder, MLPDecoder, MLPEncoder
from gentool.networks.layers import Shape
from gentool.options import numbers, option, redefault

BATCH, SMALL_BATCH, LARGE = 128, 32, 4096
"""The default batch size, and the smaller one of convolutions on large images, with 4,096 pixel values or more.

An update of 128 large images takes about a second on a CPU. Smaller batches learn more in the same time
(docs/measurements.md).
"""


@dataclass(frozen=True, kw_only=True)
class BackboneOptions(AugmentationOptions):
    """The size and kind of the encoder and the decoder."""

    batch_size: int | None = redefault(  # type: ignore[assignment]
        TrainOptions,
        "batch_size",
        None,
        default_text=f"{BATCH}; {SMALL_BATCH} for convolutions on images of at least {LARGE:,} pixel values, such as "
        "64x64",
    )
    latent_dim: int = option(32, "Size of the latent vector.", min=1, max=4096)
    arch: Literal["conv", "mlp"] = option("conv", "Strided convolutions, or fully connected layers (mlp).")
    channels: tuple[int, ...] = option(
        (32, 64, 128, 128), "Filters of the stride-2 convolutions.", parse=numbers, only_with={"arch": "conv"}
    )
    kernel_size: Literal[3, 4, 5] = option(4, "Kernel size of the convolutions.", only_with={"arch": "conv"})
    hidden: tuple[int, ...] = option(
        (512, 512),
        "Units of each hidden layer, separated by commas; a single number makes one layer.",
        parse=numbers,
        only_with={"arch": "mlp"},
    )
    activation: Activation = option(
        "relu",
        "Activation of the hidden layers: ReLU, or gated linear units (glu; Dauphin et al. 2017), with twice the "
        "weights.",
    )
    blocks: int = option(
        0, "Residual blocks at each size of the maps (He et al. 2016).", min=0, max=32, only_with={"arch": "conv"}
    )

    def for_data(self, data: Any) -> Self:
        """The batch decided, by the size of the images."""
        if self.batch_size is not None:
            return self
        large = self.arch == "conv" and math.prod(data.shape) >= LARGE
        return dataclasses.replace(self, batch_size=SMALL_BATCH if large else BATCH)


def encoder(options: BackboneOptions, shape: Shape, out_features: int) -> nn.Module:
    """Images (N, C, H, W) -> features (N, out_features)."""
    if options.arch == "mlp":
        return MLPEncoder(shape, out_features, options.hidden, options.activation)
    return ConvEncoder(shape, out_features, options.channels, **convolutions(options))


def decoder(options: BackboneOptions, shape: Shape, beside: int = 0) -> Decoder:
    """Codes, with `beside` more numbers each, (N, latent_dim + beside) -> logits of pixels (N, C, H, W)."""
    inputs = options.latent_dim + beside
    if options.arch == "mlp":
        return MLPDecoder(shape, inputs, options.hidden, options.activation)
    return ConvDecoder(shape, inputs, options.channels, **convolutions(options))


def convolutions(options: BackboneOptions) -> dict[str, Any]:
    """What ConvEncoder and ConvDecoder have in common."""
    return {"kernel_size": options.kernel_size, "activation": options.activation, "blocks": options.blocks}
