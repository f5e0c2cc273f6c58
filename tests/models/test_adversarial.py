"""The two updates of the adversarial game: what each of them changes, when, and with which penalties."""

import dataclasses
import json
import math
from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import gentool
from gentool.engine.checkpoint import digest
from gentool.engine.run import Run
from gentool.models.adversarial import FACES, GP_WEIGHT, NORM_BATCHES, R1_EVERY, refresh_batch_norm

TINY = {"width": 16, "latent_dim": 8, "batch_size": 64, "device": "cpu", "amp": "off"}
Update = dict[str, Any]


@pytest.fixture
def updates(monkeypatch: pytest.MonkeyPatch) -> list[Update]:
    """One entry per update of a network: its name, the loss, and digests of both networks before and after."""
    seen: list[Update] = []
    descend = Run.descend

    def watched(run: Run, optimizer: torch.optim.Optimizer, loss: Tensor, *, clip: float = 0.0) -> None:
        names = ("generator", "discriminator")
        before = {name: digest(run.parts[name].state_dict()) for name in names}
        descend(run, optimizer, loss, clip=clip)
        of = next(name for name in names if optimizer is run.parts[f"{name}_adam"])
        after = {name: digest(run.parts[name].state_dict()) for name in names}
        seen.append({"of": of, "step": run.step, "loss": loss.item(), "before": before, "after": after})

    monkeypatch.setattr(Run, "descend", watched)
    return seen


@pytest.fixture
def records(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, float]]:
    """The losses of every update."""
    seen: list[dict[str, float]] = []
    record = Run.record

    def watched(run: Run, terms: Mapping[str, Tensor]) -> None:
        seen.append({name: value.item() for name, value in terms.items()})
        record(run, terms)

    monkeypatch.setattr(Run, "record", watched)
    return seen


@pytest.mark.parametrize("model", ["gan", "cgan"])
@pytest.mark.parametrize("loss", ["bce", "hinge", "relativistic", "wgan-gp"])
def test_each_update_changes_its_own_network_only(updates: list[Update], model: str, loss: str) -> None:
    gentool.train(model, "digits", loss=loss, norm="none", steps=3, **TINY)
    assert [update["of"] for update in updates] == ["discriminator", "generator"] * 3
    for update in updates:
        changed = {name for name, state in update["before"].items() if update["after"][name] != state}
        assert changed == {update["of"]}
    # Nor do the forward passes between the updates change the discriminator, whose layers have no statistics.
    for now, after in pairwise(updates):
        assert now["after"]["discriminator"] == after["before"]["discriminator"]


@pytest.mark.parametrize("critic_steps", [1, 3])
def test_critic_steps_are_discriminator_updates_per_generator_update(
    updates: list[Update], records: list[dict[str, float]], critic_steps: int
) -> None:
    gentool.train("gan", "digits", critic_steps=critic_steps, steps=9, **TINY)
    once = ["discriminator"] * critic_steps + ["generator"]
    assert [update["of"] for update in updates] == once * (9 // critic_steps)
    assert ["generator" in losses for losses in records] == ([False] * (critic_steps - 1) + [True]) * (
        9 // critic_steps
    )


def test_r1_enters_every_16th_update_with_16_times_its_weight(
    updates: list[Update], records: list[dict[str, float]]
) -> None:
    gentool.train("gan", "digits", r1=0.3, steps=35, **TINY)
    assert [step for step, losses in enumerate(records) if "r1" in losses] == [0, 16, 32]
    assert R1_EVERY == 16
    losses_of = {update["step"]: update["loss"] for update in updates if update["of"] == "discriminator"}
    for step, losses in enumerate(records):
        expected = losses["discriminator"] + 0.5 * 0.3 * 16 * losses.get("r1", 0.0)
        assert losses_of[step] == pytest.approx(expected, rel=1e-6)
    assert records[16]["r1"] > 0


def test_both_penalties_of_the_relativistic_loss(updates: list[Update], records: list[dict[str, float]]) -> None:
    gentool.train("gan", "digits", loss="relativistic", r1=0.3, r2=0.7, steps=18, **TINY)
    losses_of = {update["step"]: update["loss"] for update in updates if update["of"] == "discriminator"}
    for step, losses in enumerate(records):
        assert ("r1" in losses) == ("r2" in losses) == (step % 16 == 0)
        share = 0.55 + 0.45 * math.cos(math.pi * step / 18)  # from 1 to 0.1
        penalty = 8 * share * (0.3 * losses.get("r1", 0.0) + 0.7 * losses.get("r2", 0.0))
        assert losses_of[step] == pytest.approx(losses["discriminator"] + penalty, rel=1e-6)
    assert 0 < records[-1]["discriminator_accuracy"] <= 1


def test_the_weights_of_the_penalties_fall_to_what_is_asked() -> None:
    options = gentool.GANOptions(penalty_end=0.25)
    assert [options.penalty_share(done) for done in (0, 0.5, 1)] == pytest.approx([1, 0.625, 0.25])
    assert gentool.GANOptions().penalty_share(0.7) == 1
    assert gentool.GANOptions(loss="relativistic").penalty_share(1) == pytest.approx(0.1)


def test_the_end_of_penalties_that_are_not_there_is_refused(cli: Callable) -> None:
    for words in (["gan", "--loss", "hinge"], ["cgan"]):
        refused = cli("train", *words, "--data", "digits", "--penalty-end", 0.5)
        expected = (2, "gentool: --penalty-end: there are no penalties; give --r1 or --r2\n")
        assert (refused.code, refused.err) == expected


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--arch", "mlp", "--batch-size", 1],
         "--batch-size 1: not with --arch mlp, whose batch norm needs two images at least"),
        (["--critic-steps", 5, "--steps", 4],
         "--critic-steps 5: the generator would never be trained in 4 updates; use fewer, or a longer run"),
    ],
    ids=str,
)  # fmt: skip
def test_a_game_that_cannot_be_played_is_refused(cli: Callable, words: list[object], message: str) -> None:
    refused = cli("train", "gan", "--data", "digits", *words, "--out", "run")
    assert (refused.code, refused.err) == (2, f"gentool: {message}\n")
    assert not Path("run").exists()


def test_a_budget_is_tried_out_also_with_many_critic_steps(cli: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first trials are shorter than that."""
    monkeypatch.setattr(
        "gentool.engine.training.updates_within", lambda seconds_of, *_, **__: (seconds_of(1), (9, []))[1]
    )
    words = ("--width", 8, "--latent-dim", 4, "--critic-steps", 9, "--budget", "9s", "--out", "run")
    done = cli("train", "gan", "--data", "digits", *words)
    assert done.code == 0, done.err
    assert json.loads(Path("run/result.json").read_text())["step"] == 9


def test_the_relativistic_loss_has_defaults_of_its_own() -> None:
    digits = gentool.load_data("digits")
    for given, expected in (
        ({}, (0.2, 0.0, 0.5)),
        ({"loss": "relativistic"}, (0.2, 0.2, 0.0)),
        ({"loss": "relativistic", "r1": 0.05, "beta1": 0.9}, (0.05, 0.05, 0.9)),
        ({"loss": "relativistic", "norm": "batch"}, (0.0, 0.0, 0.0)),
        ({"r2": 0.1}, (0.2, 0.1, 0.5)),
    ):
        options = gentool.GANOptions(**given).for_data(digits)
        assert tuple(options.resolved(digits)[name] for name in ("r1", "r2", "beta1")) == expected
        assert set(options.given(digits)) == set(given)


def test_a_run_of_before_beta1_was_left_open_goes_on() -> None:
    digits = gentool.load_data("digits")
    assert gentool.GANOptions().for_data(digits).to_json()["beta1"] == 0.5


def test_cryptopunks_have_a_recipe_of_their_own() -> None:
    digits = gentool.load_data("digits")
    assert gentool.GANOptions().for_data(digits).upsample == "nearest"
    punks = dataclasses.replace(digits, name="cryptopunks")
    chosen = gentool.GANOptions().for_data(punks)
    assert (chosen.upsample, chosen.width, chosen.colours, chosen.lr) == ("transposed", 128, 16, 1e-3)
    assert chosen.sharpen == 1
    assert chosen.r1_weight == 0.5
    assert not {"upsample", "width", "colours", "lr", "r1"} & set(chosen.given(punks))
    assert gentool.GANOptions(upsample="nearest").for_data(punks).upsample == "nearest"
    assert gentool.GANOptions(r1=0.1).for_data(punks).r1_weight == 0.1
    weights = {loss: gentool.GANOptions(loss=loss).for_data(punks).r1_weight for loss in ("relativistic", "hinge")}
    assert weights == {"relativistic": 0.2, "hinge": 0}
    assert gentool.GANOptions(norm="batch").for_data(punks).r1_weight == 0
    fully_connected = gentool.GANOptions(arch="mlp").for_data(punks)
    assert (fully_connected.lr, fully_connected.r1_weight, fully_connected.width) == (4e-4, 0.2, None)


def test_a_model_of_before_upsample_is_built_and_goes_on_as_it_was(
    cli: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its options do not name the layers, which were transposed convolutions."""
    small = ("--data", "digits", "--width", 16, "--latent-dim", 8, "--sample-every", 0, "--out", "run")
    to_json = gentool.GANOptions.to_json

    def of_before(options: gentool.GANOptions) -> dict[str, Any]:
        return {name: value for name, value in to_json(options).items() if name != "upsample"}

    with monkeypatch.context() as before:
        before.setattr(gentool.GANOptions, "to_json", of_before)
        assert cli("train", "gan", *small, "--upsample", "transposed", "--steps", 3).code == 0
    model = gentool.Model.load("run")
    assert "upsample" not in model.header.options
    assert model.sample(3).shape == (3, 1, 8, 8)
    assert {weight.shape[2:] for weight in model.network.parameters() if weight.dim() == 4} == {(4, 4)}
    refused = cli("train", "gan", *small, "--steps", 5)
    assert refused.code == 2
    assert "--upsample was transposed, is nearest" in refused.err
    assert cli("train", "gan", *small, "--steps", 5, "--upsample", "transposed").code == 0
    mlp = {"arch": "mlp", "hidden": "8", "discriminator_hidden": "8"}
    assert gentool.GANOptions.from_json(mlp).upsample == gentool.GANOptions(arch="mlp").upsample


def test_without_a_weight_there_is_no_r1(records: list[dict[str, float]]) -> None:
    gentool.train("gan", "digits", r1=0, steps=17, **TINY)
    assert not any("r1" in losses for losses in records)


def test_the_gradient_penalty_enters_every_update(updates: list[Update], records: list[dict[str, float]]) -> None:
    gentool.train("gan", "digits", loss="wgan-gp", steps=3, **TINY)
    losses_of = {update["step"]: update["loss"] for update in updates if update["of"] == "discriminator"}
    for step, losses in enumerate(records):
        assert losses_of[step] == pytest.approx(losses["discriminator"] + GP_WEIGHT * losses["gradient_penalty"])
        assert "discriminator_accuracy" not in losses, "logits of wgan-gp have no threshold"


def batch_norms(network: nn.Module) -> list[nn.BatchNorm2d]:
    return [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]


@pytest.mark.parametrize("model", ["gan", "cgan"])
def test_the_averaged_generator_has_batch_norm_statistics_of_its_own(
    monkeypatch: pytest.MonkeyPatch, model: str
) -> None:
    """They are the means over fixed batches of noise, for the averaged weights; the trained network keeps its own."""
    passes: list[tuple[Tensor, Tensor]] = []
    trained: list[nn.Module] = []

    def watched(network: nn.Module, run: Run, options: Any, classes: int) -> None:
        def keep(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            x = inputs[0]
            passes.append((x.mean((0, 2, 3)), x.transpose(0, 1).flatten(1).var(1)))

        passes.clear()
        state = digest(run.parts["generator"].state_dict())
        hook = batch_norms(network)[0].register_forward_pre_hook(keep)
        refresh_batch_norm(network, run, options, classes)
        hook.remove()
        assert digest(run.parts["generator"].state_dict()) == state
        trained.append(run.parts["generator"])

    monkeypatch.setattr("gentool.models.adversarial.refresh_batch_norm", watched)
    network = gentool.train(model, "digits", steps=20, **TINY).network
    assert len(passes) == NORM_BATCHES
    norm = batch_norms(network)[0]
    torch.testing.assert_close(norm.running_mean, torch.stack([mean for mean, _ in passes]).mean(0))
    torch.testing.assert_close(norm.running_var, torch.stack([variance for _, variance in passes]).mean(0))
    assert not torch.equal(norm.running_mean, batch_norms(trained[-1])[0].running_mean)


def test_the_generator_learns_through_a_discriminator_that_gets_no_gradients(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    frozen: list[bool] = []
    descend = Run.descend

    def watched(run: Run, optimizer: torch.optim.Optimizer, loss: Tensor, *, clip: float = 0.0) -> None:
        wanted = {weight.requires_grad for weight in run.parts["discriminator"].parameters()}
        assert len(wanted) == 1
        frozen.append(optimizer is run.parts["generator_adam"] and not wanted.pop())
        descend(run, optimizer, loss, clip=clip)

    monkeypatch.setattr(Run, "descend", watched)
    gentool.train("gan", "digits", steps=2, **TINY)
    assert frozen == [False, True, False, True]


@pytest.mark.parametrize("model", ["gan", "cgan"])
def test_faces_are_drawn_in_colours_of_their_own(model: str, tmp_path: Path) -> None:
    """--colours is decided by the data, kept in the checkpoint, and can be given."""
    data = gentool.load_data("faces", count=200)
    trained = gentool.train(model, data, steps=2, out=tmp_path / "run", **TINY)
    assert trained.header.options["colours"] == FACES["colours"]
    again = gentool.Model.load(tmp_path / "run")
    assert again.sample(3).shape == (3, 3, 16, 16)
    assert (again.sample(3) == trained.sample(3)).all()
    assert gentool.train(model, data, steps=2, colours=0, **TINY).header.options["colours"] == 0
    assert gentool.train(model, data, steps=2, arch="mlp", batch_size=64).header.options["colours"] is None
    assert gentool.train(model, "digits", steps=2, **TINY).header.options["colours"] == 0


@pytest.mark.parametrize(
    ("data", "given", "expected"),
    [
        ("faces", {}, {"width": 128, "lr": 1e-3, "colours": 16, "sharpen": 30, "upsample": "transposed"}),
        ("faces", {"colours": 0}, {"colours": 0, "sharpen": None}),
        ("faces", {"sharpen": 2.0}, {"colours": 16, "sharpen": 2}),
        ("faces", {"lr": 4e-4, "width": 32}, {"width": 32, "lr": 4e-4, "colours": 16}),
        ("faces", {"arch": "mlp"}, {"width": None, "lr": 1e-3, "colours": None}),
        ("digits", {}, {"width": 256, "lr": 4e-4, "colours": 0, "sharpen": None}),
    ],
)
def test_defaults_depend_on_the_data(data: str, given: dict[str, Any], expected: dict[str, Any]) -> None:
    images = gentool.load_data(data, **({"count": 50} if data == "faces" else {}))
    options = gentool.GANOptions(**given).for_data(images)
    assert {name: getattr(options, name) for name in expected} == expected
    assert set(options.given(images)) == set(given)


@pytest.mark.parametrize(
    ("data", "given", "expected"),
    [
        ("faces", {}, {"norm": "none", "lr": 1e-3, "r1": 0.2, "sharpen": 30, "width": 128}),
        ("faces", {"norm": "batch", "lr": 2e-4}, {"norm": "batch", "lr": 2e-4, "r1": 0, "sharpen": 30}),
        ("digits", {}, {"norm": "batch", "lr": 2e-4, "r1": 0, "sharpen": None, "width": 128}),
        ("digits", {"norm": "auto"}, {"norm": "none", "lr": 2e-4, "r1": 0.2}),
        ("digits", {"loss": "hinge"}, {"norm": "batch", "lr": 2e-4, "r1": 0}),
        ("digits", {"loss": "wgan-gp"}, {"norm": "none", "lr": 2e-4, "r1": 0}),
        ("digits", {"loss": "relativistic"}, {"norm": "none", "lr": 2e-4, "r1": 0.2, "r2": 0.2}),
        ("faces", {"penalty_end": 0.5}, {"norm": "none", "penalty_end": 0.5}),
    ],
)
def test_a_cgan_on_faces_has_the_recipe_of_a_gan(data: str, given: dict[str, Any], expected: dict[str, Any]) -> None:
    images = gentool.load_data(data, **({"count": 50} if data == "faces" else {}))
    options = gentool.CGANOptions(**given).for_data(images)
    in_force = options.to_json() | options.resolved(images)
    assert {name: in_force[name] for name in expected} == expected
    assert set(options.given(images)) == set(given)


def test_sharpening_needs_colours(cli: Callable) -> None:
    for words in (["digits"], ["faces", "--colours", 0]):
        done = cli("train", "gan", "--data", *words, "--sharpen", 2, "--steps", 1)
        assert done.code == 2
        assert done.err.strip().splitlines()[-1] == ("gentool: --sharpen: there is no limit of colours; give --colours")


def test_a_model_of_before_sharpen_draws_as_it_did() -> None:
    options = gentool.GANOptions(colours=16).to_json()
    del options["sharpen"]
    assert gentool.GANOptions.from_json(options).sharpen == 1
    assert gentool.GANOptions.from_json(options | {"colours": 0}).sharpen is None


def test_the_default_length_depends_on_the_data(cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that was given another length keeps it."""
    images = gentool.load_data("faces")
    assert gentool.GANOptions().for_data(images).resolved(images)["steps"] == 23 * 132  # about 3,000
    assert gentool.GANOptions().for_data(images).resolved(gentool.load_data("digits"))["steps"] == 870 * 23
    monkeypatch.setattr("gentool.models.adversarial.FACES_UPDATES", 1)
    few = ("--width", 8, "--colours", 0, "--latent-dim", 4, "--batch-size", 5000, "--sample-every", 0)
    words = ("train", "gan", "--data", "faces", *few, "--out", "run")
    assert "1 epoch of 1 update" in cli(*words).err
    assert cli(*words, "--steps", 3).code == 0
    assert "run: finished already" in cli(*words).err
    assert json.loads(Path("run/options.json").read_text())["updates"] == 3
