"""What a training sets for the whole process, and that it is as before afterwards."""

import signal
import threading

import pytest
import torch

from gentool.engine.context import training_context

CPU = torch.device("cpu")
SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGUSR1") if hasattr(signal, name)]


@pytest.mark.parametrize("deterministic", [False, True])
def test_everything_is_as_before(deterministic: bool) -> None:
    handlers = [signal.getsignal(number) for number in SIGNALS]
    state, flag = torch.get_rng_state(), torch.are_deterministic_algorithms_enabled()
    drawn = []

    def fail() -> None:
        with training_context(CPU, 7, deterministic=deterministic, reduced=False):
            drawn.append(torch.randn(3))
            assert torch.are_deterministic_algorithms_enabled() == deterministic
            assert [signal.getsignal(number) for number in SIGNALS] != handlers
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.are_deterministic_algorithms_enabled() == flag
    assert [signal.getsignal(number) for number in SIGNALS] == handlers
    assert torch.equal(drawn[0], torch.randn(3, generator=torch.Generator().manual_seed(7)))


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_a_signal_is_a_request_to_stop_and_a_second_ctrl_c_stops_at_once(number: signal.Signals) -> None:
    with training_context(CPU, 0, deterministic=False, reduced=False) as stop:
        assert not stop.requested
        signal.raise_signal(number)
        assert stop.requested
        signal.raise_signal(signal.SIGTERM)  # the stop under way goes on
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_a_training_in_another_thread_leaves_signals_alone() -> None:
    handler, seen = signal.getsignal(signal.SIGTERM), []

    def train() -> None:
        with training_context(CPU, 0, deterministic=False, reduced=False) as stop:
            seen.append((stop.requested, signal.getsignal(signal.SIGTERM)))

    thread = threading.Thread(target=train)
    thread.start()
    thread.join()
    assert seen == [(False, handler)]
