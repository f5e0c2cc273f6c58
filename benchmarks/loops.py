"""Hand-written training loops over tensors in memory, for `speed.py` to compare with.

    python benchmarks/loops.py CASE FOLDER [--bf16] [--flops]

FOLDER is a prepared set. Each loop does what its training needs and nothing else: no record, no validation, no saving,
no moving average. It has what a careful author would use: images as one uint8 tensor, fused Adam, channels last,
losses from logits, no denormal numbers, and autocast with --bf16. The networks are gentool's own. Prints the number of
training examples so far, or with --flops the floating-point operations of one example, forward and backward.
"""

import argparse
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from gentool.networks.autoencoder import ConvDecoder, ConvEncoder, MLPDecoder, MLPEncoder
from gentool.networks.gan import ConvDiscriminator, ConvGenerator, MLPDiscriminator, MLPGenerator
from gentool.networks.recurrent import LSTMDecoder, LSTMEncoder

Update = Callable[[Tensor], None]
Cast = Callable[[], AbstractContextManager[object]]
SHAPE = (1, 28, 28)
QUERY, ANSWER, SYMBOLS = 5, 3, 12
"""Symbols of a query such as 12+34 and of its answer, and how many there are."""


def adam(*networks: nn.Module, lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999)) -> torch.optim.Optimizer:
    weights = [weight for network in networks for weight in network.parameters()]
    return torch.optim.Adam(weights, lr, betas, fused=True)


def descend(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def vae(encoder: nn.Module, decoder: nn.Module, cast: Cast) -> Update:
    networks = [network.to(memory_format=torch.channels_last) for network in (encoder, decoder)]
    optimizer = adam(*networks)

    def update(x: Tensor) -> None:
        with cast():
            mean, logvar = encoder(x).float().chunk(2, 1)
            logits = decoder(mean + torch.randn_like(mean) * (0.5 * logvar).exp())
        rebuilt = F.binary_cross_entropy_with_logits(logits.float(), x, reduction="sum")
        divergence = -0.5 * (1 + logvar - mean.square() - logvar.exp()).sum()
        descend(optimizer, (rebuilt + divergence) / len(x))

    return update


def autoencoder(encoder: nn.Module, decoder: nn.Module, cast: Cast) -> Update:
    networks = [network.to(memory_format=torch.channels_last) for network in (encoder, decoder)]
    optimizer = adam(*networks)

    def update(x: Tensor) -> None:
        with cast():
            logits = decoder(encoder(x))
        descend(optimizer, F.mse_loss(logits.float().sigmoid(), x))

    return update


def gan(generator: nn.Module, discriminator: nn.Module, latent_dim: int, cast: Cast) -> Update:
    for network in (generator, discriminator):
        network.to(memory_format=torch.channels_last)
    of_generator = adam(generator, lr=2e-4, betas=(0.5, 0.999))
    of_discriminator = adam(discriminator, lr=2e-4, betas=(0.5, 0.999))

    def loss(logits: Tensor, sign: float) -> Tensor:
        return F.softplus(-sign * logits.float()).mean()

    def update(x: Tensor) -> None:
        with cast():
            fake = generator(torch.randn(len(x), latent_dim)).float().tanh()
            real_logits, fake_logits = discriminator(x * 2 - 1), discriminator(fake.detach())
        descend(of_discriminator, loss(real_logits, 1) + loss(fake_logits, -1))
        discriminator.requires_grad_(False)
        with cast():
            logits = discriminator(fake)
        descend(of_generator, loss(logits, 1))
        discriminator.requires_grad_(True)

    return update


class Seq2Seq(nn.Module):
    """LSTM, repeat vector, LSTM, a dense layer at each step."""

    def __init__(self, hidden: int = 128) -> None:
        super().__init__()
        self.encoder, self.decoder = nn.LSTM(SYMBOLS, hidden), nn.LSTM(hidden, hidden)
        self.head = nn.Linear(hidden, SYMBOLS)

    def forward(self, queries: Tensor) -> Tensor:
        """One-hot queries (L, N, V) -> logits (T, N, V)."""
        _, (last, _) = self.encoder(queries)
        logits: Tensor = self.head(self.decoder(last.expand(ANSWER, -1, -1))[0])
        return logits


def seq2seq(cast: Cast) -> Update:
    network = Seq2Seq()
    optimizer = adam(network)

    def update(x: Tensor) -> None:
        queries, answers = x[:, :QUERY].T, x[:, QUERY:].T
        with cast():
            logits = network(F.one_hot(queries, SYMBOLS).float())
        descend(optimizer, F.cross_entropy(logits.float().flatten(0, 1), answers.flatten()))

    return update


CONV, SMALL = (128, 256, 512, 1024), (32, 64)
CASES: dict[str, tuple[int, Callable[[Cast], Update]]] = {
    "mlp-vae": (128, lambda cast: vae(MLPEncoder(SHAPE, 40), MLPDecoder(SHAPE, 20), cast)),
    "conv-vae": (128, lambda cast: vae(ConvEncoder(SHAPE, 32, CONV), ConvDecoder(SHAPE, 16, CONV), cast)),
    "conv-ae": (128, lambda cast: autoencoder(ConvEncoder(SHAPE, 64, SMALL), ConvDecoder(SHAPE, 64, SMALL), cast)),
    "lstm-ae": (128, lambda cast: autoencoder(LSTMEncoder(SHAPE, 128), LSTMDecoder(SHAPE, 128), cast)),
    "mlp-gan": (64, lambda cast: gan(
        MLPGenerator(SHAPE, 100, (128, 256, 512, 1024)), MLPDiscriminator(SHAPE, (512, 256)), 100, cast
    )),
    "dcgan": (64, lambda cast: gan(
        ConvGenerator((3, 64, 64), 100, 512), ConvDiscriminator((3, 64, 64), 512), 100, cast
    )),
    "seq2seq": (128, seq2seq),
}  # fmt: skip
"""Name to the examples of a batch, and what makes the network and its update."""


def batches(examples: Tensor, size: int) -> Iterator[Tensor]:
    """Batches without end, in a new order in every epoch. Examples that do not fill the last batch are left out."""
    while True:
        for index in torch.randperm(len(examples))[: len(examples) // size * size].split(size):
            rows = examples[index]
            yield rows.float() / 255 if rows.dtype is torch.uint8 else rows


def load(case: str, folder: Path) -> Tensor:
    """Images uint8 (N, C, H, W); symbols int64 (N, L) of random sums for seq2seq, whose content has no effect here."""
    if case == "seq2seq":
        return torch.randint(SYMBOLS, (10_000, QUERY + ANSWER))
    return torch.from_numpy(np.load(folder / "images.npy"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("case", choices=CASES)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--bf16", action="store_true")
    parser.add_argument("--flops", action="store_true")
    arguments = parser.parse_args()
    torch.set_flush_denormal(True)
    cast = partial(torch.autocast, "cpu", dtype=torch.bfloat16, enabled=arguments.bf16)
    size, make = CASES[arguments.case]
    update, examples = make(cast), load(arguments.case, arguments.folder)
    if arguments.flops:
        # oneDNN's LSTM is one operation, which is not counted; without oneDNN it is products, which are.
        warnings.simplefilter("ignore")
        with torch.backends.mkldnn.flags(enabled=False), FlopCounterMode(display=False) as counter:
            update(next(batches(examples, size)))
        print(counter.get_total_flops() // size)
        return
    trained = 0
    for number, batch in enumerate(batches(examples, size), start=1):
        update(batch)
        trained += len(batch)
        if number % 20 == 0:
            print(trained, flush=True)


if __name__ == "__main__":
    main()
