"""Counter-based randomness: every random number is a function of (seed, purpose, counters), never of hidden state.

A resumed run therefore draws what the uninterrupted run would have drawn.
"""

import contextlib
import hashlib
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor


def derived_seed(seed: int, purpose: str, *counters: int) -> int:
    """A 63-bit seed from the run's seed, a purpose, and counters such as epoch or step."""
    text = ":".join([str(seed), purpose, *map(str, counters)])
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little") >> 1


def rng(seed: int, purpose: str, *counters: int, device: torch.device | str = "cpu") -> torch.Generator:
    """A new torch generator for one purpose at one point of a run."""
    return torch.Generator(device).manual_seed(derived_seed(seed, purpose, *counters))


@contextlib.contextmanager
def isolated(seed: int, device: torch.device | None = None) -> Iterator[None]:
    """Seed the generators that PyTorch itself uses, on the CPU and on `device`, and restore them in the end."""
    cpu = torch.default_generator.get_state()
    accelerator = None if device is None or device.type == "cpu" else device
    state = None if accelerator is None else getattr(torch, accelerator.type).get_rng_state()
    torch.default_generator.manual_seed(seed)
    if accelerator is not None:
        seed_layers(seed, accelerator)
    try:
        yield
    finally:
        torch.default_generator.set_state(cpu)
        if accelerator is not None:
            getattr(torch, accelerator.type).set_rng_state(state)


def seed_layers(seed: int, device: torch.device) -> None:
    """Seed the generator that layers such as dropout draw from. It is 20 times as fast as `torch.manual_seed`."""
    if device.type == "cuda":
        torch.cuda.manual_seed(seed)
    elif device.type == "mps":
        torch.mps.manual_seed(seed)
    else:
        torch.default_generator.manual_seed(seed)


def indexed_uniform(purpose: str, numbers: Tensor, shape: Sequence[int]) -> Tensor:
    """Numbers (N, *shape), uniform in [0, 1): those of row i are a function of the purpose and numbers[i] alone."""
    return torch.stack([torch.rand(tuple(shape), generator=rng(0, purpose, number)) for number in numbers.tolist()])


def indexed_noise(seed: int, start: int, count: int, dim: int) -> Tensor:
    """Standard normal rows (count, dim): row i is a function of (seed, start + i) alone."""
    noise = torch.empty(count, dim, dtype=torch.float32)
    for row in range(count):
        torch.randn(dim, generator=rng(seed, "sample", start + row), out=noise[row])
    return noise
