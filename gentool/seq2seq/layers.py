"""The parts of a sequence-to-sequence network: reader, decoder, painter. The encoder is a plain LSTM.

LSTM encoder and decoder: Sutskever, Vinyals & Le (2014, arXiv:1409.3215), with dot-product attention (Luong, Pham &
Manning 2015, arXiv:1508.04025).
"""

import math

import torch
from torch import Tensor, nn

from gentool.networks.recurrent import LSTM

States = tuple[Tensor, Tensor]
"""h and c of every layer, each (layers, N, hidden)."""


class Reader(nn.Module):
    """One picture of a symbol -> logits over the symbols: convolutions of 32, 64 and 128 filters, with batch norm."""

    def __init__(self, vocabulary: int, dropout: float) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in ((1, 32), (32, 64), (64, 128)):
            layers += [nn.Conv2d(before, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU(),
                       nn.MaxPool2d(2)]  # fmt: skip
        self.network = nn.Sequential(*layers, nn.Flatten(), nn.Dropout(dropout), nn.Linear(128 * 9, vocabulary))

    def forward(self, frames: Tensor) -> Tensor:
        """Frames (N, L, 1, 28, 28) in [0, 1] -> logits (N, L, V)."""
        logits: Tensor = self.network(frames.flatten(0, 1))
        return logits.unflatten(0, frames.shape[:2])


class Decoder(nn.Module):
    """Answers with a sequence of `length` symbols, step by step.

    With `autoregressive` it begins with the encoder's last states and sees the symbol before. Otherwise it begins with
    zeros and sees the encoder's last output at every step (Keras' RepeatVector).
    """

    def __init__(self, length: int, vocabulary: int, hidden: int, layers: int, embedding: int, *,
                 autoregressive: bool, attention: bool, dropout: float, gain: float) -> None:  # fmt: skip
        super().__init__()
        self.length, self.layers, self.autoregressive, self.attention = length, layers, autoregressive, attention
        self.start = vocabulary
        self.dropout = nn.Dropout(dropout)
        if autoregressive:
            self.embed = nn.Embedding(vocabulary + 1, embedding or hidden)
        self.lstm = LSTM((embedding or hidden) if autoregressive else hidden, hidden, layers, gain=gain)
        if attention:
            self.query = nn.Linear(hidden, hidden, bias=False)
            self.mix = nn.Linear(2 * hidden, hidden)
        self.head = nn.Linear(hidden, vocabulary)

    def forward(self, memory: Tensor, states: States, answers: Tensor) -> tuple[Tensor, Tensor]:
        """Teacher forcing: each step sees the right symbol before it (Williams & Zipser 1989).

        `memory` (L, N, hidden), the encoder's outputs; `answers` (N, length) -> logits (N, length, V) and features
        (N, length, hidden).
        """
        if not self.autoregressive:
            return self._answer(self._repeated(memory), None, memory)[:2]
        before = torch.cat([torch.full_like(answers[:, :1], self.start), answers[:, :-1]], dim=1)
        return self._answer(self.embed(before.T), self._first(states), memory)[:2]

    def generate(self, memory: Tensor, states: States) -> tuple[Tensor, Tensor]:
        """Greedily, each step seeing its own symbol before: logits (N, length, V), features (N, length, hidden)."""
        if not self.autoregressive:
            return self._answer(self._repeated(memory), None, memory)[:2]
        now: States | None = self._first(states)
        symbol = torch.full_like(memory[0, :, 0], self.start, dtype=torch.long)
        logits, features = [], []
        for _ in range(self.length):
            logit, feature, now = self._answer(self.embed(symbol)[None], now, memory)
            symbol = logit[:, 0].argmax(1)
            logits.append(logit)
            features.append(feature)
        return torch.cat(logits, dim=1), torch.cat(features, dim=1)

    def _repeated(self, memory: Tensor) -> Tensor:
        return memory[-1].expand(self.length, -1, -1)

    def _first(self, states: States) -> States:
        """The encoder's states, layer by layer; where the numbers of layers differ, those of its last layer for all."""
        h, c = states
        if len(h) == self.layers:
            return states
        return h[-1:].expand(self.layers, -1, -1).contiguous(), c[-1:].expand(self.layers, -1, -1).contiguous()

    def _answer(self, inputs: Tensor, states: States | None, memory: Tensor) -> tuple[Tensor, Tensor, States]:
        """Inputs (T, N, E) -> logits (N, T, V), features (N, T, hidden), states."""
        outputs, states = self.lstm(self.dropout(inputs), states)
        features = self.dropout(outputs).transpose(0, 1)
        if self.attention:
            keys = memory.transpose(0, 1)
            weights = (self.query(features) @ keys.transpose(1, 2) / math.sqrt(keys.shape[2])).softmax(-1)
            features = torch.tanh(self.mix(torch.cat([features, (weights @ keys).to(features.dtype)], dim=2)))
        return self.head(features), features, states


class Painter(nn.Module):
    """Features of a step -> the logits of a picture's pixels."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.network = nn.Sequential(
            nn.Linear(hidden, 64 * 49), nn.ReLU(), nn.Unflatten(1, (64, 7, 7)),
            nn.ConvTranspose2d(64, 32, 4, stride=2, padding=1), nn.ReLU(),
            nn.ConvTranspose2d(32, 1, 4, stride=2, padding=1),
        )  # fmt: skip

    def forward(self, features: Tensor) -> Tensor:
        """Features (N, T, hidden) -> logits (N, T, 1, 28, 28)."""
        logits: Tensor = self.network(features.flatten(0, 1))
        return logits.unflatten(0, features.shape[:2])
