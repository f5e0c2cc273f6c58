"""`--prior` of the commands that draw samples."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Literal

from gentool.data.images import ImageData
from gentool.engine.terminal import Terminal
from gentool.errors import OptionError
from gentool.latent.codes import encode, require_encoder
from gentool.latent.prior import MixturePrior, prior_key
from gentool.latent.sample import Prior
from gentool.latent.trained import Trained
from gentool.options import Validated, option

COMPONENTS = 10


@dataclass(frozen=True, kw_only=True)
class PriorOptions(Validated):
    """What codes are drawn from."""

    panel: ClassVar[str] = "Prior"

    prior: Literal["normal", "gmm"] = option(
        "normal", "Draw codes from N(0, I), or from a Gaussian mixture fitted to the codes of --data (autoencoders)."
    )
    components: int | None = option(None, f"Components of that mixture. (default: {COMPONENTS})", min=1, max=10_000)

    def cross_check(self) -> None:
        """Raises OptionError for components of no mixture."""
        if self.components is not None and self.prior != "gmm":
            raise OptionError("--components: only for --prior gmm")

    @property
    def fitted(self) -> bool:
        """Whether the prior is fitted to images."""
        return self.prior == "gmm"

    @property
    def suffix(self) -> str:
        """What the name of a file or folder made from it ends with."""
        return "-gmm" if self.fitted else ""

    @property
    def facts(self) -> dict[str, str | int]:
        """What samples were drawn from, for a file that tells of them."""
        facts: dict[str, str | int] = {"prior": self.prior}
        if self.fitted:
            facts["components"] = self.components or COMPONENTS
        return facts

    def of(self, trained: Trained, images: Callable[[], ImageData], voice: Terminal) -> Prior | None:
        """What draws a model's codes, None for N(0, I): the mixture from beside the checkpoint when it was fitted to
        the same before. Raises OptionError for a model without an encoder."""
        if not self.fitted:
            return None
        require_encoder(trained, "have a prior fitted to its codes")
        data, components = images(), self.components or COMPONENTS
        key = prior_key(trained.path, data.fingerprint, components)
        path = trained.path.with_name(f"{trained.path.stem}-gmm-{components}.npz")
        mixture = MixturePrior.load(path, key)
        if mixture is None:
            with voice.progress("encoding", len(data.train)) as update:
                z = encode(trained, data.train.images, update)
            mixture = MixturePrior.fit(z, components)
            mixture.save(path, key)
            voice.say(f"{path}: a mixture of {components} components fitted to {len(z):,} codes of {data.name}")
        return mixture.draw
