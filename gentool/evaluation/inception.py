"""Inception v3 (Szegedy et al. 2015, arXiv:1512.00567) with weights from a file: torchvision's, or torch-fidelity's.

gentool downloads neither. Their features differ, and so do their hashes.
"""

from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gentool.data.cache import cache_folder
from gentool.errors import OptionError

SIDE = 299
CLASSES = {1000: "torchvision", 1008: "torch-fidelity"}
"""The origin of the weights, by the size of the last layer."""


def inception_path() -> Path:
    """The file of the weights when --weights does not name one."""
    return cache_folder() / "features" / "inception.pth"


class TorchvisionInception(nn.Module):
    """uint8 images (N, C, H, W) -> torchvision's pooled features (N, 2048)."""

    def __init__(self, state: dict[str, Tensor]) -> None:
        from torchvision.models import inception_v3

        super().__init__()
        self.inception = inception_v3(weights=None, init_weights=False, aux_logits=False)
        self.inception.load_state_dict({name: value for name, value in state.items() if "AuxLogits" not in name})
        self.inception.fc = nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        x = x.expand(-1, 3, -1, -1).float() / 127.5 - 1
        return self.inception(F.interpolate(x, (SIDE, SIDE), mode="bilinear", antialias=True))


class FidelityInception(nn.Module):
    """uint8 images (N, C, H, W) -> the features (N, 2048) of the network that published FIDs are computed with."""

    def __init__(self, path: Path) -> None:
        from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

        super().__init__()
        self.inception = FeatureExtractorInceptionV3("inception", ["2048"], feature_extractor_weights_path=str(path))

    def forward(self, x: Tensor) -> Tensor:
        return self.inception(x.expand(-1, 3, -1, -1).contiguous())[0]


def load_inception(weights: Path | None) -> tuple[nn.Module, dict[str, Any]]:
    """The network and the origin of its weights. Raises OptionError for weights that are missing or do not fit."""
    path = weights or inception_path()
    if not path.is_file():
        raise OptionError(
            f"--features inception: no weights at {path}; give --weights, or put one of these files there: "
            "inception_v3_google-0cc3c7bd.pth (torchvision), weights-inception-2015-12-05-6726825d.pth (torch-fidelity)"
        )
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        kind = CLASSES[len(state["fc.bias"])]
    except Exception as error:  # as for checkpoints, the errors have no common base
        raise OptionError(
            f"--weights {path}: not the weights of an Inception v3 of torchvision or torch-fidelity"
        ) from error
    if kind == "torchvision":
        try:
            network: nn.Module = TorchvisionInception(state)
        except RuntimeError as error:
            raise OptionError(f"--weights {path}: some weights of torchvision's inception_v3 are missing") from error
        return network, {"weights": kind}
    try:
        return FidelityInception(path), {"weights": kind}
    except ImportError as error:
        raise OptionError(
            f"--weights {path}: weights of torch-fidelity's network, which needs: pip install torch-fidelity"
        ) from error
