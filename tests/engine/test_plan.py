"""How long a run is, its epochs, and its learning rate: their values, and what growing a run means."""

import pytest

from gentool.engine.options import TrainOptions
from gentool.engine.plan import Plan, Schedule, lr_share


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("constant", [1, 1, 1, 1, 1]),
        ("linear", [1, 1, 1, 0.5, 0]),
        ("cosine", [1, 0.853553, 0.5, 0.146447, 0]),
    ],
)
def test_shape(schedule: Schedule, expected: list[float]) -> None:
    assert [lr_share(schedule, step, 100) for step in (0, 25, 50, 75, 100)] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(("schedule", "peak"), [("onecycle", 300), ("warmup", 100)])
def test_a_rise_and_a_fall_to_0(schedule: Schedule, peak: int) -> None:
    values = [lr_share(schedule, step, 1000) for step in range(1001)]
    assert values[0] == pytest.approx(0.04)
    assert max(values) == values[peak] == pytest.approx(1)
    assert values[1000] == pytest.approx(0)
    assert values[: peak + 1] == sorted(values[: peak + 1])
    assert values[peak:] == sorted(values[peak:], reverse=True)


def test_a_longer_run_continues_on_its_own_curve() -> None:
    assert lr_share("linear", 100, 100) == 0
    assert lr_share("linear", 100, 400) == 1


@pytest.mark.parametrize(
    ("options", "examples", "expected"),
    [
        ({"epochs": 3, "batch_size": 100}, 1050, (100, 10, 30, 3, "3 epochs of 10 updates")),
        ({"epochs": 1, "batch_size": 100}, 1050, (100, 10, 10, 1, "1 epoch of 10 updates")),
        ({"steps": 25, "batch_size": 100}, 1050, (100, 10, 25, 3, "25 updates")),
        ({"steps": 20, "batch_size": 100}, 1050, (100, 10, 20, 2, "20 updates")),
        ({"batch_size": 1}, 2000, (1, 2000, 4000, 2, "2 epochs of 2,000 updates")),  # about 5,000 updates
        ({"batch_size": 1}, 20_000, (1, 20_000, 20_000, 1, "1 epoch of 20,000 updates")),  # at least one epoch
        ({"batch_size": 64}, 64, (64, 1, 2000, 2000, "2,000 epochs of 1 update")),  # at most 2,000 epochs
        ({"batch_size": 64}, 128, (64, 2, 4000, 2000, "2,000 epochs of 2 updates")),
        ({"batch_size": 64}, 192, (64, 3, 5001, 1667, "1,667 epochs of 3 updates")),
        ({"epochs": 5000, "batch_size": 64}, 64, (64, 1, 5000, 5000, "5,000 epochs of 1 update")),
        ({"epochs": 1500, "batch_size": 64}, 70, (64, 1, 1500, 1500, "1,500 epochs of 1 update")),
        ({"epochs": 1500, "batch_size": 5}, 10, (5, 2, 3000, 1500, "1,500 epochs of 2 updates")),
    ],
    ids=str,
)
def test_the_length_of_a_run(options: dict[str, int], examples: int, expected: tuple[int, int, int, int, str]) -> None:
    plan = Plan.of(TrainOptions(**options), examples)
    assert (plan.batch_size, plan.steps_per_epoch, plan.total_steps, plan.total_epochs, plan.length()) == expected


def test_steps_and_epochs_are_counted_as_they_are_made() -> None:
    plan = Plan.of(TrainOptions(steps=25, batch_size=100, schedule="linear"), 1000)
    assert [plan.epoch_of(step) for step in (0, 9, 10, 24)] == [1, 1, 2, 3]
    assert [plan.end_of(epoch) for epoch in (1, 2, 3)] == [10, 20, 25]
    assert [plan.epochs_begun(steps) for steps in (0, 1, 10, 11, 25)] == [0, 1, 1, 2, 3]
    assert plan.lr_share(20) == pytest.approx(0.4)


@pytest.mark.parametrize(
    ("every", "epochs", "expected"),
    [
        (0, 5, []),
        (2, 5, [1, 2, 4, 5]),
        (None, 5, [1, 2, 3, 4, 5]),
        (None, 223, [*range(1, 201), 210, 220, 223]),
        (None, 2250, [*range(1, 201), *range(210, 2001, 10), 2100, 2200, 2250]),
    ],
)
def test_pictures_are_of_the_first_the_last_and_some_epochs_between(
    every: int | None, epochs: int, expected: list[int]
) -> None:
    plan = Plan.of(TrainOptions(epochs=epochs, batch_size=5, sample_every=every), 10)
    assert [epoch for epoch in range(1, epochs + 1) if plan.pictures_due(plan.end_of(epoch))] == expected
