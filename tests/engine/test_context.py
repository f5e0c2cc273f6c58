"""What a training sets for the whole process, and that it is as before afterwards."""

import contextlib
import os
import signal
import threading
from collections.abc import Iterator

import pytest
import torch

from gentool.engine import context
from gentool.engine.context import CUBLAS_CONFIG, flush_denormals, training_context

CPU, CUDA = torch.device("cpu"), torch.device("cuda")
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


@pytest.fixture
def _flags() -> Iterator[None]:
    """The flags of a test are not those of the next."""
    before = (
        torch.get_default_dtype(),
        torch.backends.cudnn.benchmark,
        torch.get_float32_matmul_precision(),
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
    )
    products = torch.backends.mkldnn.matmul.fp32_precision
    yield
    torch.set_default_dtype(before[0])
    torch.backends.cudnn.benchmark = before[1]
    torch.set_float32_matmul_precision(before[2])
    torch.backends.mkldnn.matmul.fp32_precision = products
    torch.use_deterministic_algorithms(before[3], warn_only=before[4])


@pytest.fixture
def _without_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    """The flags of a CUDA training can be set without a GPU; only its generator is not there."""
    monkeypatch.setattr(context, "isolated", lambda seed, device: contextlib.nullcontext())


def leave(device: torch.device, *, deterministic: bool = False, reduced: bool = False) -> tuple[object, ...]:
    """A training that fails; the backend flags and the environment in the middle of it."""
    seen: list[tuple[object, ...]] = []
    with (
        contextlib.suppress(ZeroDivisionError),
        training_context(device, 0, deterministic=deterministic, reduced=reduced),
    ):
        benchmark, precision = torch.backends.cudnn.benchmark, torch.get_float32_matmul_precision()
        seen.append((benchmark, precision, os.environ.get(CUBLAS_CONFIG)))
        raise ZeroDivisionError
    return seen[0]


@pytest.mark.usefixtures("_flags", "_without_cuda")
@pytest.mark.parametrize(
    ("deterministic", "reduced", "inside"),
    [
        (False, False, (True, "highest", None)),
        (False, True, (True, "high", None)),
        (True, False, (False, "highest", ":4096:8")),
        (True, True, (False, "highest", ":4096:8")),
    ],
)
@pytest.mark.parametrize(("benchmark", "precision"), [(False, "medium"), (True, "highest"), (True, "high")])
def test_flags_of_cuda_are_set_and_put_back(
    monkeypatch: pytest.MonkeyPatch,
    deterministic: bool,
    reduced: bool,
    inside: tuple[bool, str, str | None],
    benchmark: bool,
    precision: str,
) -> None:
    monkeypatch.delenv(CUBLAS_CONFIG, raising=False)
    torch.backends.cudnn.benchmark = benchmark
    torch.set_float32_matmul_precision(precision)
    torch.backends.mkldnn.matmul.fp32_precision = "none"  # what setting the precision of all devices changes
    assert leave(CUDA, deterministic=deterministic, reduced=reduced) == inside
    assert torch.backends.mkldnn.matmul.fp32_precision == "none"
    assert (torch.backends.cudnn.benchmark, torch.get_float32_matmul_precision()) == (benchmark, precision)
    assert CUBLAS_CONFIG not in os.environ


@pytest.mark.usefixtures("_flags", "_without_cuda")
@pytest.mark.parametrize("deterministic", [False, True])
def test_a_workspace_that_the_user_chose_stays(monkeypatch: pytest.MonkeyPatch, deterministic: bool) -> None:
    monkeypatch.setenv(CUBLAS_CONFIG, ":16:8")
    assert leave(CUDA, deterministic=deterministic)[2] == ":16:8"
    assert os.environ[CUBLAS_CONFIG] == ":16:8"


@pytest.mark.usefixtures("_flags")
@pytest.mark.parametrize("deterministic", [False, True])
def test_a_training_on_the_cpu_leaves_the_flags_of_cuda_alone(
    monkeypatch: pytest.MonkeyPatch, deterministic: bool
) -> None:
    monkeypatch.delenv(CUBLAS_CONFIG, raising=False)
    torch.backends.cudnn.benchmark = True
    torch.set_float32_matmul_precision("medium")
    assert leave(CPU, deterministic=deterministic, reduced=True) == (True, "medium", None)
    assert (torch.backends.cudnn.benchmark, torch.get_float32_matmul_precision()) == (True, "medium")


@pytest.mark.usefixtures("_flags")
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float32], ids=str)
def test_the_default_dtype_is_f32_inside_and_put_back(dtype: torch.dtype) -> None:
    torch.set_default_dtype(dtype)
    with (
        contextlib.suppress(ZeroDivisionError),
        training_context(CPU, 0, deterministic=False, reduced=False),
    ):
        assert torch.zeros(1).dtype is torch.float32
        raise ZeroDivisionError
    assert torch.get_default_dtype() is dtype
    assert torch.zeros(1).dtype is dtype


@pytest.mark.usefixtures("_flags")
def test_a_warning_about_algorithms_stays_a_warning() -> None:
    torch.use_deterministic_algorithms(True, warn_only=True)
    with training_context(CPU, 0, deterministic=False, reduced=False):
        assert not torch.are_deterministic_algorithms_enabled()
    assert torch.are_deterministic_algorithms_enabled()
    assert torch.is_deterministic_algorithms_warn_only_enabled()


@pytest.mark.parametrize("outside", [torch.no_grad, torch.inference_mode])
def test_a_training_has_gradients_wherever_it_is_called(outside: type) -> None:
    with outside():
        with training_context(CPU, 0, deterministic=False, reduced=False):
            assert torch.is_grad_enabled()
            weight = torch.ones(2, requires_grad=True)
            (weight * 3).sum().backward()
            assert weight.grad is not None
            assert weight.grad.tolist() == [3, 3]
        assert not torch.is_grad_enabled()
        assert torch.is_inference_mode_enabled() == (outside is torch.inference_mode)


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


def test_denormal_numbers_are_taken_for_zero_in_the_block_only() -> None:
    def is_zero() -> bool:
        return bool(torch.tensor(1e-40) * 1 == 0)

    with flush_denormals():
        if not torch.set_flush_denormal(True):
            pytest.skip("this CPU has no such setting")
        assert is_zero()
        with flush_denormals():
            pass
        assert is_zero()
    assert not is_zero()
