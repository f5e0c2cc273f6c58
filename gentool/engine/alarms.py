"""What goes wrong in a training although every number is finite, seen in the rows of metrics.csv.

An alarm is a function of the rows alone, so a resumed run raises the same ones. The limits were chosen on runs spoilt
on purpose (a learning rate 50 times too high for one network) and on healthy ones; docs/measurements.md has both.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

Row = Mapping[str, float]

PREFIX = "alarm_"
EVIDENCE = 300
"""So many updates are given to a beginning: what is like a collapse then is one after them."""
FALLEN, LOW = 0.25, 0.1
"""Diversity has collapsed at this share of its best, or where it never rose above this."""
DEAD = 1e-6
"""So little diversity is no beginning: whatever goes in, the same comes out."""
FEW_CLASSES = 0.35
"""Classes have vanished at this ratio of the entropies of samples and real images; two classes of ten have .34."""
CERTAIN, LOST = 0.995, 4.0
"""The discriminator is right so often, and the generator's loss so high, that nothing is left to learn from it."""
LOST_KL = 0.1
"""A KL that was above a nat has collapsed at this share of its largest."""
LEARNT, WORSE = 3.0, 1.15
"""By heart: the held-out loss is so many times the training loss, and so much above its best."""
EXPLODED = 5.0
"""A loss this many times as large as it was after the first epoch, or as its best since."""
GUESSING = 4.0
"""A discriminator's loss so high is that of one far worse than guessing, which has log 4 (bce) or 2 (hinge)."""
LOSSES = ("loss", "discriminator")
DIVERSITIES = ("diversity", "validation_diversity")


@dataclass(frozen=True)
class Alarm:
    """`name` is the column alarm_NAME; `text` what was seen and what to try."""

    name: str
    text: str

    @property
    def collapse(self) -> bool:
        """Whether the training is lost: all but memorising, which a stop earlier would have mended."""
        return self.name != "memorising"


def alarms(rows: Sequence[Row]) -> list[Alarm]:
    """The alarms of the last of these rows."""
    looks = (exploding, collapsing, vanishing, overpowering, inactive, memorising)
    return [alarm for look in looks for alarm in look(rows)]


def exploding(rows: Sequence[Row]) -> Iterator[Alarm]:
    """A loss far above what it was, or a discriminator's far above that of guessing."""
    for name in LOSSES:
        before = [abs(row[name]) for row in rows[:-1] if name in row]
        now = rows[-1].get(name, 0.0)
        was = None
        if before and now > EXPLODED * max(before[0], min(before)) and now > 1:
            was = f"was {before[0]:.3g} after the first epoch"
        elif "discriminator_accuracy" in rows[-1] and name == "discriminator" and now > GUESSING:
            was = "is at most 2 for guessing"
        if was:
            yield Alarm("exploding_loss", f"exploding: {name} is {now:.3g}, and {was}; try a lower --lr")
            return


def collapsing(rows: Sequence[Row]) -> Iterator[Alarm]:
    """Samples, or reconstructions, that are all alike."""
    for name in DIVERSITIES:
        if name not in rows[-1]:
            continue
        now, best = rows[-1][name], max(row[name] for row in rows if name in row)
        late = rows[-1]["step"] >= EVIDENCE
        if now < DEAD or (best > 2 * LOW and now < FALLEN * best) or (late and now < LOW):
            what = "samples" if name == "diversity" else "reconstructions"
            yield Alarm("mode_collapse", f"collapse: {what} vary {now:.0%} as much as real images; try a lower --lr")


def vanishing(rows: Sequence[Row]) -> Iterator[Alarm]:
    """Samples of few of the classes."""
    name = "class_entropy_ratio"
    if name not in rows[-1]:
        return
    now, best = rows[-1][name], max(row[name] for row in rows if name in row)
    if now < FEW_CLASSES and (best > 2 * FEW_CLASSES or rows[-1]["step"] >= EVIDENCE):
        yield Alarm("class_collapse", f"collapse: the classes of the samples have {now:.0%} of the entropy of the real "
                                      "ones', so most classes are gone; try a lower --lr")  # fmt: skip


def overpowering(rows: Sequence[Row]) -> Iterator[Alarm]:
    """A discriminator from which a generator learns nothing."""
    accuracy, loss = rows[-1].get("discriminator_accuracy", 0.0), rows[-1].get("generator", 0.0)
    if accuracy > CERTAIN and loss > LOST:
        seen = f"right on {accuracy:.1%}, the generator's loss {loss:.3g}"
        text = f"the discriminator overpowers the generator: {seen}; try --r1 1, --norm spectral or a lower --lr"
        yield Alarm("overpowering", text)


def inactive(rows: Sequence[Row]) -> Iterator[Alarm]:
    """A posterior that does not depend on the image."""
    if rows[-1].get("validation_active_units") != 0:
        return
    kl = [row["validation_kl"] for row in rows if "validation_kl" in row]
    was_active = any(row.get("validation_active_units") for row in rows)
    fell = was_active and max(kl) > 1 and kl[-1] < LOST_KL * max(kl)
    if fell or rows[-1]["step"] >= EVIDENCE:
        yield Alarm("posterior_collapse", "posterior collapse: no latent dimension depends on the image; try a longer "
                                          "--kl-warmup, a lower --beta or a lower --lr")  # fmt: skip


def memorising(rows: Sequence[Row]) -> Iterator[Alarm]:
    """Training images known by heart, at the cost of others."""
    for name in ("loss", "negative_elbo"):
        held_out = [row[f"validation_{name}"] for row in rows if f"validation_{name}" in row]
        if not held_out or rows[-1].get(name, 0.0) <= 0 or f"validation_{name}" not in rows[-1]:
            continue
        if held_out[-1] > LEARNT * rows[-1][name] and held_out[-1] > WORSE * min(held_out):
            yield Alarm("memorising", f"memorising: {name} is {rows[-1][name]:.3g} on the training images and "
                                      f"{held_out[-1]:.3g} on held-out ones, where it was {min(held_out):.3g}; "
                                      "stop earlier, or take more images")  # fmt: skip
            return
