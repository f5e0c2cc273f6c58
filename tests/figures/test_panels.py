"""Grids side by side."""

import numpy as np
import pytest
import torch

from gentool.figures.panels import GAP, HEAD, panels


def test_grids_stand_side_by_side_under_their_names() -> None:
    dark, colour = torch.zeros(4, 1, 64, 64), torch.ones(4, 3, 64, 64) * torch.tensor([1.0, 0, 0])[:, None, None]
    picture = panels({"dark": dark, "red": colour})
    side = 2 * 64 + 3 * 2  # two cells and three margins
    assert picture.shape == (HEAD + side, 2 * side + GAP, 3)
    assert (picture[HEAD + 30, 30] == 0).all()
    assert picture[HEAD + 30, side + GAP + 30].tolist() == [255, 0, 0]
    for left in (0, side + GAP):
        assert picture[:HEAD, left : left + side].min() < 100  # a name


def test_fewer_images_leave_white_cells_and_long_names_have_room() -> None:
    picture = panels({"a name much longer than its one small picture is wide": torch.zeros(1, 1, 64, 64)}, columns=1)
    assert picture.shape[1] > 300
    assert np.unique(panels({"x": torch.zeros(4, 1, 64, 64), "y": torch.zeros(1, 1, 64, 64)})[-5:, -5:]).tolist() == [
        255
    ]


def test_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="no images"):
        panels({})
