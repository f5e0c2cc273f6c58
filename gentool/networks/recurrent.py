"""Encoder and decoder that read and write an image as a sequence of its rows, from the top down.

The LSTM autoencoder of Srivastava, Mansimov & Salakhutdinov (2015, arXiv:1502.04681), with a fully connected layer on
either side of the latent vector. The LSTM itself: Hochreiter & Schmidhuber (1997, doi:10.1162/neco.1997.9.8.1735).

The LSTMs are PyTorch's own: in bf16 on a CPU they are faster than a loop over the rows, by hand or compiled.
"""

from typing import Any

import torch
from torch import Tensor, nn

from gentool.networks.autoencoder import Decoder
from gentool.networks.layers import Shape
from gentool.networks.pixels import logit_of_mean

FORGET = 1.0
"""The initial bias of the forget gates, so that states are kept for longer (Jozefowicz et al. 2015, PMLR 37:2342)."""


def to_rows(x: Tensor) -> Tensor:
    """Images (N, C, H, W) -> their rows (H, N, C * W)."""
    return x.permute(2, 0, 1, 3).flatten(2)


def from_rows(rows: Tensor, channels: int) -> Tensor:
    """Rows (H, N, C * W) -> images (N, C, H, W): `to_rows` backwards."""
    return rows.unflatten(2, (channels, -1)).permute(1, 2, 0, 3).contiguous()


class LSTM(nn.LSTM):
    """PyTorch's LSTM over rows, initialised with orthogonal recurrent weights and open forget gates.

    Orthogonal weights: Saxe et al. (2013, arXiv:1312.6120). `gain` multiplies the input weights of all layers but the
    first: what a layer puts out is small at the beginning, and would fade from layer to layer.

    torch.compile leaves LSTMs alone: unrolled over the rows, they take minutes to compile and are slower afterwards.
    """

    def __init__(self, inputs: int, hidden: int, layers: int, *, gain: float = 1.0) -> None:
        super().__init__(inputs, hidden, layers)
        for name, weight in self.named_parameters():
            if name.startswith("weight_ih"):
                nn.init.xavier_uniform_(weight, 1.0 if name.endswith("_l0") else gain)
            elif name.startswith("weight_hh"):
                for gate in weight.data.chunk(4):  # in PyTorch's order: input, forget, cell, output
                    nn.init.orthogonal_(gate)
            else:
                nn.init.zeros_(weight)
                if name.startswith("bias_ih"):
                    nn.init.constant_(weight.data[hidden : 2 * hidden], FORGET)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)  # type: ignore[no-untyped-call]
        self.flatten_parameters()  # the weights of a copy, such as the EMA's, are not contiguous, and cuDNN would warn

    def forward(  # type: ignore[override]  # of rows in one tensor only
        self, rows: Tensor, hx: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Rows (H, N, D) and the states before them -> rows (H, N, hidden) and the states (layers, N, hidden) h, c."""
        device = rows.device.type
        if torch.is_autocast_enabled(device):  # PyTorch chooses by the input's dtype, and oneDNN would refuse f32
            rows = rows.to(torch.get_autocast_dtype(device))
        return super().forward(rows, hx)


class LSTMEncoder(nn.Module):
    """An LSTM reads the rows; one linear layer makes a vector of the states in which all its layers end."""

    def __init__(self, shape: Shape, out_features: int, hidden: int = 128, layers: int = 2) -> None:
        super().__init__()
        self.lstm = LSTM(shape[0] * shape[2], hidden, layers)
        self.head = nn.Linear(2 * layers * hidden, out_features)

    def forward(self, x: Tensor) -> Tensor:
        """Map images (N, C, H, W) to features (N, out_features), of any sign and size."""
        _, (h, c) = self.lstm(to_rows(x))
        h, c = h.flatten(0, -3), c.flatten(0, -3)  # torch.export of PyTorch 2.10 and 2.11 gives (layers, 1, N, hidden)
        features: Tensor = self.head(torch.cat([*h, *c], dim=1))
        return features


class LSTMDecoder(Decoder):
    """A linear layer makes an LSTM's first states of the latent vector, which is also its input at every row."""

    def __init__(self, shape: Shape, latent_dim: int, hidden: int = 128, layers: int = 2) -> None:
        super().__init__()
        self.shape = shape
        self.layers = layers
        self.state = nn.Linear(latent_dim, 2 * layers * hidden)
        self.lstm = LSTM(latent_dim, hidden, layers)
        self.head = nn.Linear(hidden, shape[0] * shape[2])

    @torch.no_grad()
    def start_at(self, x: Tensor) -> None:
        """Set the last bias to the mean row of these images, (N, C, H, W) in [0, 1]."""
        self.head.bias.copy_(logit_of_mean(to_rows(x), 0, 1))

    def forward(self, z: Tensor) -> Tensor:
        """Map latents (N, latent_dim) to the logits (N, C, H, W) of pixels in [0, 1]."""
        states = self.state(z).unflatten(1, (2 * self.layers, -1)).transpose(0, 1)
        h, c = states[: self.layers].tanh(), states[self.layers :].contiguous()
        rows, _ = self.lstm(z.expand(self.shape[1], *z.shape), (h.contiguous(), c))
        return from_rows(self.head(rows), self.shape[0])
