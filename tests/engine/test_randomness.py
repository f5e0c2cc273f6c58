"""Random numbers are functions of their counters."""

from contextlib import suppress

import torch

from gentool.engine.randomness import derived_seed, indexed_noise, isolated, rng


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


def test_numbers_of_an_isolated_block_come_from_its_seed_alone() -> None:
    drawn = []
    for before in (1, 2):
        torch.manual_seed(before)
        expected = torch.rand(3)
        torch.manual_seed(before)
        with isolated(7):
            drawn.append(torch.rand(3))
        assert torch.equal(torch.rand(3), expected), "as if nothing had been drawn"
    assert torch.equal(*drawn)
    with isolated(8):
        assert not torch.equal(torch.rand(3), drawn[0])


def test_isolated_blocks_stand_within_one_another_and_may_fail() -> None:
    torch.manual_seed(3)
    state = torch.get_rng_state()
    with isolated(7):
        first = torch.rand(1)
        with suppress(ZeroDivisionError), isolated(8):
            torch.rand(5)
            raise ZeroDivisionError
        second = torch.rand(1)
    assert torch.equal(torch.get_rng_state(), state)
    with isolated(7):
        assert torch.equal(torch.rand(2), torch.cat([first, second]))
