"""Learning-rate schedules: their shapes, and what growing a run means."""

import pytest

from gentool.engine.schedule import factor


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("constant", [1, 1, 1, 1, 1]),
        ("linear", [1, 1, 1, 0.5, 0]),
        ("cosine", [1, 0.853553, 0.5, 0.146447, 0]),
    ],
)
def test_shape(schedule: str, expected: list[float]) -> None:
    assert [factor(schedule, step, 100) for step in (0, 25, 50, 75, 100)] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(("schedule", "peak"), [("onecycle", 300), ("warmup", 100)])
def test_a_rise_and_a_fall_to_0(schedule: str, peak: int) -> None:
    values = [factor(schedule, step, 1000) for step in range(1001)]
    assert values[0] == pytest.approx(0.04)
    assert max(values) == values[peak] == pytest.approx(1)
    assert values[1000] == pytest.approx(0)
    assert values[: peak + 1] == sorted(values[: peak + 1])
    assert values[peak:] == sorted(values[peak:], reverse=True)


def test_a_longer_run_continues_on_its_own_curve() -> None:
    assert factor("linear", 100, 100) == 0
    assert factor("linear", 100, 400) == 1
