"""Trainings in several threads take turns: each gives what it gives alone."""

import threading
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch

import gentool
from gentool.data.images import ImageData
from gentool.data.load import load_data
from gentool.engine import checkpoint
from gentool.progress import Reporter

LONG_ENOUGH = 0.3
"""Seconds for a training that does not wait for its turn to begin; it takes some hundredths."""


@pytest.fixture
def digits(cache: Path) -> ImageData:
    return load_data("digits")


def weights(seed: int, data: ImageData, reporter: Reporter | None = None, steps: int = 4) -> str:
    """A digest of the weights of a training, which draws its first ones from the generator of the process."""
    settings = {"channels": (4, 8), "latent_dim": 4, "batch_size": 64, "device": "cpu", "steps": steps}
    model = gentool.train("cae", data, seed=seed, reporter=reporter or Reporter(), **settings)
    return checkpoint.digest(model.network.state_dict())


def test_two_trainings_at_once_give_the_weights_of_two_in_turn(digits: ImageData) -> None:
    state = torch.get_rng_state()
    alone = {seed: weights(seed, digits) for seed in (1, 2, 3)}
    found: dict[int, str] = {}
    together = threading.Barrier(3)

    def train(seed: int) -> None:
        together.wait()
        found[seed] = weights(seed, digits)

    threads = [threading.Thread(target=train, args=(seed,)) for seed in alone]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == alone
    assert len(set(alone.values())) == 3
    assert torch.equal(torch.get_rng_state(), state), "the last to end puts back what was before the first"


def test_a_training_begins_when_the_one_before_has_ended(digits: ImageData) -> None:
    """The second is started in the middle of the first, which then gives it time to begin."""
    events: list[str] = []

    class Log(Reporter):
        """Notes what it hears, and starts the second training at the first epoch's end."""

        def __init__(self, name: str) -> None:
            self.name = name

        def notice(self, text: str) -> None:
            events.append(f"{self.name} {text.split()[0]}")

        def epoch(self, row: Mapping[str, int | float]) -> None:
            events.append(f"{self.name} epoch")
            if self.name == "first":
                second.start()
                second.join(LONG_ENOUGH)

    second = threading.Thread(target=weights, args=(2, digits, Log("second"), 1))
    weights(1, digits, Log("first"), 1)
    second.join()
    assert events == ["first training", "first 1", "first epoch", "first on", "first done",
                      "second training", "second 1", "second epoch", "second on", "second done"]  # fmt: skip


def test_a_training_inside_of_another_does_not_wait_for_it(digits: ImageData) -> None:
    """In the same thread, such as in a reporter: the inner one leaves the outer one as it is."""
    inner: list[str] = []

    class Training(Reporter):
        def epoch(self, row: Mapping[str, int | float]) -> None:
            inner.append(weights(2, digits))

    assert weights(1, digits, Training()) == weights(1, digits)
    assert inner == [weights(2, digits)]
