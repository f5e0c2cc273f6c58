"""--device: what auto means, and the message where a device is missing."""

import pytest
import torch

from gentool.engine.device import choose_device
from gentool.errors import OptionError


@pytest.mark.parametrize(("cuda", "mps", "kind"), [(False, False, "cpu"), (False, True, "mps"), (True, True, "cuda")])
def test_auto_is_the_first_accelerator_or_the_cpu(
    monkeypatch: pytest.MonkeyPatch, cuda: bool, mps: bool, kind: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    assert choose_device("auto").type == kind


def test_cpu_is_the_cpu_even_beside_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert choose_device("cpu") == torch.device("cpu")


@pytest.mark.parametrize("name", ["cuda", "mps"])
def test_a_device_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(OptionError, match=f"--device {name}: .*gentool doctor"):
        choose_device(name)
