"""What losses and scores are called, in which unit they are, which direction is better, and how to read them.

Names are columns of metrics.csv and of tables of scores. A name that is not here is shown as it is.
"""

import functools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

HELD_OUT_PREFIXES = ("validation_", "val_", "test_")
TRAIN_PREFIX = "train_"


@dataclass(frozen=True)
class Meaning:
    """`reading` says in a sentence or two how to read the value."""

    title: str
    reading: str = ""
    better: Literal["lower", "higher", ""] = ""
    unit: str = ""


@dataclass(frozen=True)
class Chart:
    """Columns that belong into one pair of axes."""

    title: str
    columns: tuple[str, ...]
    unit: str = ""
    reading: str = ""


CHARTS = (
    Chart(
        "Losses of the game",
        ("generator", "discriminator"),
        "loss",
        "In a healthy game both stay level. A generator whose loss keeps rising while the discriminator's falls to "
        "zero learns nothing more.",
    ),
    Chart(
        "Loss",
        ("loss",),
        "loss",
        "What the training minimises.",
    ),
    Chart(
        "Negative ELBO",
        ("negative_elbo",),
        "nats per image",
        "An upper bound on the negative log-likelihood: lower is better.",
    ),
    Chart(
        "Importance-weighted bound",
        ("negative_bound",),
        "nats per image",
        "A tighter upper bound on the negative log-likelihood: lower is better.",
    ),
    Chart("Reconstruction", ("reconstruction",), "nats per image", "One part of the negative ELBO: lower is better."),
    Chart(
        "KL divergence",
        ("kl",),
        "nats per image",
        "The other part of the negative ELBO: what the codes say about the image. Near zero they are ignored.",
    ),
    Chart(
        "Active dimensions",
        ("active_units",),
        "dimensions",
        "Latent dimensions that depend on the image. The others are noise.",
    ),
    Chart("Squared error", ("mse",), "per pixel value", "Lower is better."),
    Chart(
        "Right answers",
        ("exact_match", "character_accuracy"),
        "share",
        "The share of answers that are right as a whole, and of single characters. 1 is best.",
    ),
    Chart(
        "Losses on symbols",
        ("answer", "text_answer", "reading"),
        "nats per symbol",
        "Cross-entropies of the answers to pictures, of the answers to text, and of the symbols read in pictures.",
    ),
    Chart(
        "Variety of the pictures",
        ("diversity", "class_entropy_ratio", "own_share"),
        "relative to real images",
        "1: as varied as real images, as evenly spread over the classes, and around the same mean image. Near 0 all "
        "pictures are alike: mode collapse.",
    ),
    Chart(
        "FID of samples",
        ("sample_fid",),
        "",
        "How far samples are from validation images in the features of a fixed random network: lower is better. Few "
        "samples make it large, so compare it only within this training.",
    ),
    Chart(
        "Near copies",
        ("near_copies",),
        "share of samples",
        "Samples that are a training image with small changes. Real images that the model has not seen have about 0.",
    ),
    Chart(
        "Accuracy of the discriminator",
        ("discriminator_accuracy",),
        "share",
        "0.5 is guessing. Near 1 the discriminator is never fooled, and the generator learns little.",
    ),
    Chart(
        "Logits of the discriminator",
        ("real_logit", "fake_logit"),
        "logit",
        "The higher, the more it takes images for real ones. The wider apart, the easier it tells them apart.",
    ),
    Chart(
        "Gradient penalty",
        ("r1", "r2", "gradient_penalty"),
        "",
        "How steep the discriminator is at the images. A sudden rise announces trouble.",
    ),
)
"""The charts of a training, in the order in which they are shown."""

MEANINGS = {
    "generator": Meaning("generator"),
    "discriminator": Meaning("discriminator"),
    "loss": Meaning("loss", better="lower"),
    "negative_elbo": Meaning("negative ELBO", "Upper bound on the negative log-likelihood.", "lower", "nats per image"),
    "negative_bound": Meaning(
        "negative log-likelihood", "Importance-weighted upper bound, tighter than the ELBO.", "lower", "nats per image"
    ),
    "reconstruction": Meaning("reconstruction", "Expected reconstruction error.", "lower", "nats per image"),
    "kl": Meaning("KL divergence", "Information in the codes.", "", "nats per image"),
    "active_units": Meaning("active dimensions", "Latent dimensions that depend on the image.", "", "dimensions"),
    "mse": Meaning("squared error", "Mean over pixel values in [0, 1].", "lower", "per pixel value"),
    "psnr": Meaning("PSNR", "Peak signal-to-noise ratio of reconstructions.", "higher", "dB"),
    "ssim": Meaning("SSIM", "Structural similarity of reconstructions; 1: identical.", "higher"),
    "exact_match": Meaning("exact match", "Share of answers that are right as a whole.", "higher"),
    "character_accuracy": Meaning("character accuracy", "Share of characters that are right.", "higher"),
    "exact_match_of_possible": Meaning(
        "exact match of possible answers", "Without answers that no query has.", "higher"
    ),
    "character_accuracy_of_possible": Meaning(
        "character accuracy of possible answers", "Without answers that no query has.", "higher"
    ),
    "classifier_on_real": Meaning("classifier on real pictures", "What reads the drawn answers.", "higher"),
    "mean_absolute_error": Meaning("mean absolute error", "Distance of answers that are numbers.", "lower"),
    "not_a_number": Meaning("answers that are no number", "", "lower"),
    "not_possible": Meaning("answers that no query has", "", "lower"),
    "read_exact_match": Meaning(
        "exact match, read in the pictures", "By the nearest mean picture of each symbol.", "higher"
    ),
    "answer": Meaning("answers to pictures", better="lower"),
    "text_answer": Meaning("answers to text", better="lower"),
    "reading": Meaning("symbols read", better="lower"),
    "diversity": Meaning("diversity", "Variety beside that of real images, which is 1.", "higher"),
    "own_share": Meaning(
        "own share",
        "Share of the samples' deviation from the mean real image that is not the same in all of them; real images "
        "have about 1.",
        "higher",
    ),
    "class_entropy_ratio": Meaning("entropy of classes", "Beside that of real images, which is 1.", "higher"),
    "sample_fid": Meaning("FID of samples", "Of a few hundred, in the features of a random network.", "lower"),
    "near_copies": Meaning("near copies", "Share of samples that are a training image with small changes.", "lower"),
    "discriminator_accuracy": Meaning("accuracy"),
    "real_logit": Meaning("real images"),
    "fake_logit": Meaning("samples"),
    "r1": Meaning("R1"),
    "r2": Meaning("R2"),
    "gradient_penalty": Meaning("gradient penalty"),
    "lr": Meaning("learning rate"),
    "seconds": Meaning("time", unit="s"),
    "fid": Meaning("FID", "Distance of the samples' features from those of test images, as two Gaussians.", "lower"),
    "kid": Meaning("KID", "Distance of the features by a kernel, unbiased: it may be slightly below 0.", "lower"),
    "precision": Meaning("precision", "Share of samples that look like test images.", "higher"),
    "recall": Meaning("recall", "Share of test images that look like samples.", "higher"),
    "density": Meaning("density", "How many test images each sample is near to; real images have about 1.", "higher"),
    "coverage": Meaning("coverage", "Share of test images with a sample near by.", "higher"),
    "near_train": Meaning("near to training images", "Share of samples nearer than 99% of test images are.", "lower"),
    "nearer_train": Meaning("nearer to training images", "Share of samples; test images have about one half.", ""),
    "agreement": Meaning("label agreement", "Share of samples that a classifier puts into their class.", "higher"),
    "knn_accuracy": Meaning("accuracy of nearest neighbours", "Of the classes, from the codes.", "higher"),
    "linear_probe_accuracy": Meaning("accuracy of a linear probe", "Of the classes, from the codes.", "higher"),
    "silhouette": Meaning("silhouette", "How well the classes are apart in the codes; 1 is best.", "higher"),
    "modes": Meaning("modes", "Different triples of digits among the samples, of 1,000.", "higher"),
    "mode_kl": Meaning("divergence of the modes", "Of their shares from those in the data.", "lower", "nats"),
    "mig": Meaning(
        "mutual information gap",
        "How much more the best dimension knows of a factor than the second, mean over the factors; 1 is best.",
        "higher",
    ),
    "dci_disentanglement": Meaning(
        "disentanglement", "Whether each dimension is important for one factor only; 1 is best.", "higher"
    ),
    "dci_completeness": Meaning(
        "completeness", "Whether one dimension alone is important for each factor; 1 is best.", "higher"
    ),
    "dci_informativeness": Meaning(
        "informativeness", "How well the codes predict the factors of test images, as R²; 1 is best.", "higher"
    ),
    "variance": Meaning("total variance", "Of the codes, the sum over their dimensions."),
    "class_entropy": Meaning(
        "entropy of classes", "How evenly the samples are spread over the classes.", "higher", "nats"
    ),
    "copied": Meaning("exact copies", "Share of samples that equal a training image.", "lower"),
    "copied_mirrored": Meaning("mirrored copies", "Share of samples that equal a mirrored training image.", "lower"),
}


def is_held_out(column: str) -> bool:
    """Whether a column was measured on validation or test examples."""
    return column.startswith(HELD_OUT_PREFIXES)


def term(column: str) -> str:
    """What a column measures, whatever it was measured on: `validation_kl` and `train_kl` are both `kl`."""
    for prefix in (TRAIN_PREFIX, *HELD_OUT_PREFIXES):
        column = column.removeprefix(prefix)
    return column


def meaning(name: str) -> Meaning:
    """The meaning of a column or score. A score's name may go on: with its network and count, as `fid_random_500`."""
    name = term(name)
    known = next((known for known in sorted(MEANINGS, key=len, reverse=True) if _begins_with(name, known)), None)
    if known is None:
        return Meaning(name.replace("_", " "))
    rest = name[len(known) + 1 :]
    found = MEANINGS[known]
    return Meaning(f"{found.title} ({_words(rest)})", found.reading, found.better, found.unit) if rest else found


def _begins_with(name: str, known: str) -> bool:
    return name == known or name.startswith(f"{known}_")


def _words(rest: str) -> str:
    """`selfsupervised_500` as `self-supervised, 500`, `k50_means_200` as `k = 50, means, 200 images`, and `6factors` as
    `6 factors`."""
    rest = rest.replace("selfsupervised", "self-supervised")
    words = (re.sub(r"^k(\d+)$", r"k = \1", word) for word in rest.split("_"))
    words = (f"{int(word):,} images" if re.fullmatch(r"\d+", word, re.ASCII) else word for word in words)
    return ", ".join(re.sub(r"^(\d+)(factors)$", r"\1 \2", word) for word in words)


def charts(columns: Iterable[str]) -> list[tuple[Chart, list[str]]]:
    """Charts with the columns that each shows, in the order of `CHARTS`; a column that is in none has one of its own.

    Training comes before validation.
    """
    by_term: dict[str, list[str]] = {}
    for column in columns:
        by_term.setdefault(term(column), []).append(column)
    made = []
    for chart in CHARTS:
        shown = [column for name in chart.columns for column in by_term.pop(name, [])]
        if shown:
            made.append((chart, shown))
    made += [(Chart(meaning(name).title.capitalize(), (name,)), shown) for name, shown in by_term.items()]
    return made


@functools.cache
def main_columns(columns: tuple[str, ...], count: int) -> tuple[str, ...]:
    """The first few columns of a training, for a line, in the order of the charts.

    What was measured on held-out examples stands for itself and for the training's own value, which comes last but in
    the first chart.
    """
    first, *others = [shown for _, shown in charts(columns)] or [[]]
    held_out = {term(name) for name in columns if is_held_out(name)}
    later = [name for shown in others for name in shown if term(name) in held_out and not is_held_out(name)]
    sooner = [name for shown in others for name in shown if name not in later]
    return (*first, *sooner, *sorted(later, key=lambda name: name.startswith(TRAIN_PREFIX)))[:count]


def short_name(column: str) -> str:
    """The name of a column for a line: `val_loss` for `validation_loss`."""
    return re.sub("^validation_", "val_", column)


def labels(shown: Sequence[str]) -> Mapping[str, str]:
    """The names of the lines of one chart: what is the same in all of them is left out."""
    terms = {term(column) for column in shown}
    sets = {column: _measured_on(column) for column in shown}
    made = {}
    for column in shown:
        title = meaning(column).title
        if len(terms) == 1 and len(shown) > 1:
            made[column] = sets[column]
        elif len(set(sets.values())) == 1:
            made[column] = title
        else:
            made[column] = f"{title}, {sets[column]}"
    return made


def _measured_on(column: str) -> str:
    """The examples on which a column was measured."""
    if column.startswith("test_"):
        return "test"
    return "validation" if is_held_out(column) else "training"
