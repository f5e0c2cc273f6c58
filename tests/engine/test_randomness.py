"""Random numbers are functions of their counters."""

import torch

from gentool.engine.randomness import derived_seed, indexed_noise, rng


def test_seeds_differ_by_every_part() -> None:
    seeds = [
        derived_seed(0, "z", 1),
        derived_seed(1, "z", 1),
        derived_seed(0, "y", 1),
        derived_seed(0, "z", 2),
        derived_seed(0, "z"),
    ]
    assert len(set(seeds)) == 5
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert derived_seed(7, "order", 3) == 7388688178822444103


def test_a_row_of_noise_depends_on_its_number_alone() -> None:
    whole = indexed_noise(5, 0, 10, 8)
    assert torch.equal(whole[6:9], indexed_noise(5, 6, 3, 8))
    assert not torch.equal(whole[0], whole[1])
    assert torch.equal(torch.randn(8, generator=rng(5, "sample", 4)), whole[4])
