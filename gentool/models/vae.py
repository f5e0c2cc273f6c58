"""Variational autoencoder (Kingma & Welling 2013, arXiv:1312.6114), with the prior N(0, I) or a learnt one.

The training loop, and the network with the prior N(0, I), are those of `gentool.models.variational`, here without
labels. A learnt prior is a mixture of Gaussians, one with means and variances of its own or the mean of the posteriors
of learnt pseudo-inputs (VampPrior, Tomczak & Welling 2018, arXiv:1705.07120); or a flow (RealNVP, Dinh et al. 2017,
arXiv:1605.08803, as a prior: Chen et al. 2017, arXiv:1611.02731).
"""

import dataclasses
import math
from dataclasses import dataclass
from typing import Any, Literal, Self

import torch
from torch import Tensor, nn

from gentool.data.images import ImageData
from gentool.engine.memory import kept_per_item
from gentool.engine.randomness import rng
from gentool.engine.run import Run
from gentool.errors import OptionError
from gentool.memory import check_memory
from gentool.metrics.elbo import Mixture
from gentool.models.variational import PASS_TIMES_KEPT, VAE, FlowVAE, VariationalOptions, check_flow, maximise
from gentool.networks.layers import Shape
from gentool.options import option

COMPONENTS = 500
"""Components of a learnt prior, as in the paper on VampPriors."""
IMAGES_PER_COMPONENT = 10
"""Fewer components on small sets: a prior with a component for each image would remember them."""
SPREAD = 0.5
"""Variance of the means of a mixture at the start. Its components have the rest, so that all together have 1."""
MIXTURES = ("mixture", "vamp")
"""The priors that are mixtures of Gaussians."""
EDGE = 0.02
"""Pseudo-inputs begin at least this far from 0 and 1, where the sigmoid has a gradient."""


@dataclass(frozen=True, kw_only=True)
class Options(VariationalOptions):
    """The options of `gentool train vae`."""

    prior: Literal["standard", "mixture", "vamp", "flow"] = option(
        "standard",
        "Prior of the codes: N(0, I) (standard), or learnt: a mixture of Gaussians (mixture) or of the posteriors of "
        "learnt images (vamp; Tomczak & Welling 2018), or a normalising flow (flow; RealNVP, Dinh et al. 2017).",
    )
    components: int | None = option(
        None,
        "Gaussians of a learnt mixture.",
        min=1,
        max=10_000,
        only_with={"prior": MIXTURES},
        default_text=f"{COMPONENTS}, but at most one per {IMAGES_PER_COMPONENT} training images",
    )

    def cross_check(self) -> None:
        """Raises OptionError for a flow in one dimension."""
        super().cross_check()
        check_flow(self.prior, self.latent_dim)

    def for_data(self, data: Any) -> Self:
        """The batch decided, and the number of components."""
        chosen = super().for_data(data)
        if self.prior not in MIXTURES or self.components is not None:
            return chosen
        return dataclasses.replace(chosen, components=components_for(len(data.train)))


def components_for(images: int) -> int:
    """The default number of components of a learnt prior for this many training images."""
    return max(1, min(COMPONENTS, images // IMAGES_PER_COMPONENT))


class MixtureVAE(VAE):
    """A VAE with the prior sum_k w_k N(mean_k, diag(exp(logvar_k))), all learnt."""

    gaussian_prior, prior_name = False, "mixture"

    def __init__(self, options: Options, shape: Shape) -> None:
        super().__init__(options, shape, 0)
        size = options.components or COMPONENTS, options.latent_dim
        self.prior_logits = nn.Parameter(torch.zeros(size[0]))
        self.prior_means = nn.Parameter(torch.empty(size))
        nn.init.normal_(self.prior_means, std=math.sqrt(SPREAD))
        self.prior_logvars = nn.Parameter(torch.full(size, math.log(1 - SPREAD)))

    def learnt_prior(self) -> Mixture:
        """The mixture of K Gaussians that codes (N, D) are drawn from."""
        return Mixture(self.prior_logits.log_softmax(0), self.prior_means, self.prior_logvars)


class VampVAE(VAE):
    """A VAE with the prior 1/K sum_k q(z | u_k) of learnt pseudo-inputs u_k, the mean of their posteriors.

    `pseudo_inputs` (K, C, H, W) are logits, so that pixels stay in [0, 1].
    """

    gaussian_prior, prior_name = False, "vamp"

    def __init__(self, options: Options, shape: Shape) -> None:
        super().__init__(options, shape, 0)
        self.pseudo_inputs = nn.Parameter(torch.empty(options.components or COMPONENTS, *shape))
        nn.init.normal_(self.pseudo_inputs)

    @torch.no_grad()
    def start_at(self, x: Tensor) -> None:
        """Begin with these images as pseudo-inputs, (K, C, H, W) in [0, 1]."""
        self.pseudo_inputs.copy_(x.clamp(EDGE, 1 - EDGE).logit())

    def learnt_prior(self) -> Mixture:
        """The mixture of K Gaussians that codes (N, D) are drawn from."""
        means, logvars = self.posterior(self.pseudo_inputs.sigmoid())
        count = len(self.pseudo_inputs)
        return Mixture(means.new_full((count,), -math.log(count)), means, logvars)


def build(options: Options, shape: Shape, classes: int) -> VAE:
    """The network that model.pt holds. It has no classes."""
    if options.prior == "standard":
        return VAE(options, shape, 0)
    if options.prior == "flow":
        return FlowVAE(options, shape, 0)
    return MixtureVAE(options, shape) if options.prior == "mixture" else VampVAE(options, shape)


def train(options: Options, data: ImageData, run: Run) -> None:
    """Maximise the ELBO without labels. Raises OptionError for more pseudo-inputs than training images."""
    if options.prior in MIXTURES and run.device.type == "cpu":
        count = options.components or COMPONENTS
        needed = 3 * 8 * run.rows * options.iwae * count  # distances in f64, their gradient, and one in between
        check_memory(needed, f"--components {count}", "use fewer, or a smaller --batch-size or --iwae")
    vae = build(options, data.shape, 0)
    if isinstance(vae, VampVAE):
        count, images = len(vae.pseudo_inputs), data.train.images
        if count > len(images):
            raise OptionError(f"--components {count}: {data.name} has only {len(images)} training images to start from")
        if run.device.type == "cpu":
            of_one = kept_per_item(vae, lambda count: vae.posterior(vae.pseudo_inputs[:count].sigmoid()))
            check_memory(
                PASS_TIMES_KEPT[options.arch] * count * of_one, f"--components {count}", "use fewer, or smaller layers"
            )
        chosen = torch.randperm(len(images), generator=rng(options.seed, "pseudo-inputs"))[:count].sort().values
        vae.start_at(images[chosen].float() / 255)
    maximise(options, data, run, vae)
