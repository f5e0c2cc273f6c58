"""Conditional VAE (Sohn et al. 2015): the decoder also gets the class, and the code holds what the class leaves open.

The network and the training loop are those of `gentool.models.variational`, here with the class labels. The prior of
the code is N(0, I) for every class, or a flow that is learnt for each. The weight of the KL term does not rise from 0:
a code that costs nothing would hold the class, too, and the decoder would not learn to ask for it.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self

from gentool.data.images import ImageData
from gentool.engine.run import Run
from gentool.errors import DataError
from gentool.models.variational import VAE, FlowVAE, VariationalOptions, check_flow, maximise
from gentool.networks.layers import Shape
from gentool.options import option, redefault

MANY = 10_000
"""With fewer training images, a flow is slower to learn than N(0, I), and no better by then."""


@dataclass(frozen=True, kw_only=True)
class Options(VariationalOptions):
    """The options of `gentool train cvae`."""

    prior: Literal["standard", "flow"] | None = option(
        None,
        "Prior of the codes of a class: N(0, I) (standard), or learnt: a normalising flow (flow; RealNVP, Dinh et al. "
        "2017).",
        default_text=f"flow for convolutions, at least {MANY:,} training images and 2 dimensions, else standard",
    )
    kl_warmup: float = redefault(VariationalOptions, "kl_warmup", 0.0)

    def cross_check(self) -> None:
        """Raises OptionError for a flow in one dimension."""
        super().cross_check()
        check_flow(self.prior, self.latent_dim)

    def for_data(self, data: Any) -> Self:
        """The batch decided, and the prior: a flow needs many images, and the codes of small MLPs collapse with it."""
        chosen = super().for_data(data)
        if self.prior is not None:
            return chosen
        learnt = self.arch == "conv" and len(data.train) >= MANY and self.latent_dim > 1
        return dataclasses.replace(chosen, prior="flow" if learnt else "standard")

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """The options that `to_json` wrote. Those of earlier versions have no `prior`: it was N(0, I).

        Raises OptionError.
        """
        return super().from_json({"prior": "standard"} | dict(values))


def build(options: Options, shape: Shape, classes: int) -> VAE:
    """The network that model.pt holds."""
    return (FlowVAE if options.prior == "flow" else VAE)(options, shape, classes)


def train(options: Options, data: ImageData, run: Run) -> None:
    """Maximise the ELBO given the labels. Raises DataError when the images have none."""
    if not data.labelled:
        raise DataError(f"{data.name}: has no labels, and cvae needs them; train vae, or sort the images into a folder "
                        "per class")  # fmt: skip
    maximise(options, data, run, build(options, data.shape, len(data.classes)))
