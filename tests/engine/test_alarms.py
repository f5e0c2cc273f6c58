"""Alarms on tables made by hand: what raises each, and what must not."""

from collections.abc import Sequence

import pytest

from gentool.engine.alarms import EVERY_MODEL, Alarm, alarms, exploding
from gentool.models.game import class_collapse, overpowering, worse_than_guessing
from gentool.models.variational import posterior_collapse

CHECKS = (
    *EVERY_MODEL, posterior_collapse, exploding("discriminator"), worse_than_guessing, class_collapse, overpowering,
)  # fmt: skip
"""The checks of all models."""


def table(step: int = 100, **columns: Sequence[float]) -> list[dict[str, float]]:
    """Rows from columns; an epoch has `step` updates."""
    count = len(next(iter(columns.values())))
    return [
        {"step": step * (i + 1.0)} | {name: float(values[i]) for name, values in columns.items()} for i in range(count)
    ]


def names(rows: list[dict[str, float]]) -> list[str]:
    return [alarm.name for alarm in alarms(rows, CHECKS)]


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"diversity": [0.2, 0.6, 0.9, 1.0]}, []),
        ({"diversity": [0.2, 0.6, 0.9, 0.1]}, ["mode_collapse"]),  # fell
        ({"diversity": [0.02, 0.03]}, []),  # a beginning
        ({"validation_diversity": [1e-3, 1e-5]}, []),
        ({"validation_diversity": [1e-3, 1e-8]}, ["mode_collapse"]),  # an end
        ({"diversity": [0.02, 0.03, 0.02, 0.02]}, ["mode_collapse"]),  # never began
        ({"validation_diversity": [0.3, 0.7, 0.8, 0.05]}, ["mode_collapse"]),
        ({"diversity": [0.5] * 3, "own_share": [0.1] * 3}, []),  # a beginning
        ({"diversity": [0.5] * 4, "own_share": [0.1] * 3 + [0.4]}, ["mode_collapse"]),  # a blob of varying outline
        ({"diversity": [0.5] * 4, "own_share": [0.1] * 3 + [0.6]}, []),  # less varied, around the right mean
        ({"diversity": [0.5] * 3 + [0.8], "own_share": [0.1] * 3 + [0.4]}, []),  # varied, around another mean
        ({"class_entropy_ratio": [0.3, 0.5, 0.8, 0.9]}, []),
        ({"class_entropy_ratio": [0.1, 0.9, 0.3]}, ["class_collapse"]),  # fell
        ({"class_entropy_ratio": [0.6, 0.3]}, []),  # had not risen
        ({"class_entropy_ratio": [0.04, 0.2]}, []),  # a beginning
        ({"class_entropy_ratio": [0.04, 0.2, 0.3]}, ["class_collapse"]),  # never began
        ({"loss": [100, 90, 80, 95]}, []),
        ({"loss": [100, 90, 80, 900]}, ["exploding_loss"]),
        ({"discriminator": [5.0], "discriminator_accuracy": [0.6]}, ["exploding_loss"]),  # from the first epoch on
        ({"discriminator": [1.3, 1.2, 40.0]}, ["exploding_loss"]),
        ({"discriminator": [-1.0, -9.0, -30.0]}, []),  # a critic's
        ({"loss": [0.05, 0.02, 0.3]}, []),  # below any nat: no explosion
        ({"discriminator_accuracy": [0.7, 0.99], "generator": [1.0, 3.0]}, []),
        ({"discriminator_accuracy": [0.7, 1.0], "generator": [1.0, 9.0]}, ["overpowering"]),
        ({"validation_active_units": [0, 0], "validation_kl": [0.1, 0.1]}, []),
        ({"validation_active_units": [0, 0, 0], "validation_kl": [0.1, 0.1, 0.1]}, ["posterior_collapse"]),
        ({"validation_active_units": [3, 0], "validation_kl": [4.0, 0.1]}, ["posterior_collapse"]),
        ({"validation_active_units": [1, 0], "validation_kl": [0.4, 0.5]}, []),
        ({"validation_active_units": [0, 0], "validation_kl": [1.7, 0.05]}, []),  # a rising weight, nothing lost yet
        ({"loss": [0.1, 0.05, 0.01], "validation_loss": [0.1, 0.06, 0.05]}, []),  # a gap, but nothing lost by it
        ({"loss": [0.1, 0.05, 0.01], "validation_loss": [0.1, 0.06, 0.09]}, ["memorising"]),
        ({"negative_bound": [90.0, 50.0, 20.0], "validation_negative_bound": [90.0, 60.0, 80.0]}, ["memorising"]),
    ],
    ids=str,
)
def test_what_raises_an_alarm(columns: dict[str, list[float]], expected: list[str]) -> None:
    assert names(table(**columns)) == expected


@pytest.mark.parametrize(
    "columns",
    [
        {"validation_active_units": [3, 0], "validation_kl": [24.0, 1.9]},
        {"diversity": [0.9, 0.1]},
        {"class_entropy_ratio": [0.9, 0.3]},
    ],
    ids=str,
)
def test_the_first_updates_may_swing(columns: dict[str, list[float]]) -> None:
    assert names(table(step=49, **columns)) == []
    assert len(names(table(step=50, **columns))) == 1


def test_the_mean_of_an_epoch_that_holds_the_beginning_is_no_blob() -> None:
    assert names(table(step=310, diversity=[0.4], own_share=[0.3])) == []
    assert names(table(step=310, diversity=[0.4, 0.4], own_share=[0.3, 0.3])) == ["mode_collapse"]


def test_a_collapse_differs_from_memorising() -> None:
    lost = alarms(table(diversity=[1.0, 0.1]), CHECKS)
    memorised = alarms(table(loss=[0.1, 0.05, 0.01], validation_loss=[0.1, 0.06, 0.09]), CHECKS)
    assert [alarm.fatal for alarm in (*lost, *memorised)] == [True, False]
    assert "10%" in lost[0].text
    assert "0.06" in memorised[0].text


def test_an_alarm_that_two_checks_raise_is_one() -> None:
    rows = table(discriminator=[1.3, 40.0], discriminator_accuracy=[0.6, 0.6])
    (alarm,) = alarms(rows, CHECKS)
    assert alarm.text == ("exploding loss: discriminator is 40, and was 1.3 after the first epoch; try a lower --lr")
    (guessing,) = alarms(rows[1:], CHECKS)
    assert guessing.text == "exploding loss: discriminator is 40, but at most 2 if it only guesses; try a lower --lr"
    assert alarms(rows, [lambda rows: [Alarm("own", f"{len(rows)} rows")]]) == [Alarm("own", "2 rows")]
