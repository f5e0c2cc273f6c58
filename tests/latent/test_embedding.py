"""The embed command: codes, their picture, the card, mixtures."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from gentool.data.images import ImageData
from gentool.data.load import load_data
from gentool.errors import DataError
from gentool.latent.card import dimension_table, label_scores, mean_kl
from gentool.latent.embedding import embed
from gentool.latent.model import Model
from gentool.latent.reduction import principal_directions, project_pca


def table(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("model", ["cae", "vae", "lstm-ae"])
def test_codes_coordinates_and_card(cli: Callable, runs: Path, model: str) -> None:
    done = cli("embed", model, runs / model, "--out", "e", "--thumbnails")
    assert done.code == 0, done.err
    assert done.out == "e\n"
    data = load_data("digits")
    z = Model.load(runs / model, device="cpu").encode(data.whole().images)
    with np.load("e/latents.npz") as file:
        assert np.array_equal(file["z"], z.numpy())
        assert np.array_equal(file["labels"], data.labels.numpy())
    rows = table(Path("e/embedding.csv"))
    assert list(rows[0]) == ["index", "split", "label", "x", "y"]
    assert [int(row["index"]) for row in rows] == list(range(1797))
    assert [row["split"] for row in rows].count("test") == len(data.test)
    assert rows[-1]["split"] == "test"
    points = np.array([[float(row["x"]), float(row["y"])] for row in rows])
    mean, directions, deviations = principal_directions(z)
    assert np.allclose(points, project_pca(z, mean, directions), atol=1e-5)
    assert np.allclose(points.std(0), deviations.numpy(), rtol=1e-3)
    card = json.loads(Path("e/latent_card.json").read_text())
    assert card["variance"] == pytest.approx(z.double().var(0, correction=0).sum().item(), rel=1e-5)
    assert ("active_units" in card) == (model == "vae")
    assert 0.1 < card["knn_accuracy"] <= 1
    commonest = data.train.labels.bincount().argmax()
    guessed = (data.test.labels == commonest).double().mean().item()
    assert card["chance"] == {"knn_accuracy": guessed, "linear_probe_accuracy": guessed}
    assert f"knn accuracy {card['knn_accuracy']:.4g} (chance {guessed:.2g})" in done.err
    assert len(table(Path("e/latent_card.csv"))) == 4
    with Image.open("e/embedding.png") as picture:
        assert min(picture.size) > 800


def test_one_dimension(cli: Callable) -> None:
    words = ("--arch", "mlp", "--hidden", "16", "--latent-dim", 1, "--data", "digits", "--steps", 5)
    assert cli("train", "vae", *words, "--out", "one").code == 0
    done = cli("embed", "one", "--gmm", 3, "--repeats", 1, "--out", "e")
    assert done.code == 0, done.err
    rows = table(Path("e/embedding.csv"))
    with np.load("e/latents.npz") as file:
        assert np.allclose([float(row["x"]) for row in rows], file["z"][:, 0])
    heights = np.array([float(row["y"]) for row in rows])
    assert (abs(heights) <= 0.5).all()
    assert len(set(heights)) > 1700
    assert len(table(Path("e/latent_card.csv"))) == 1
    assert Path("e/embedding-gmm-3.png").is_file()
    for arguments, said in (
        (
            ["embed", "one", "--method", "tsne", "--out", "t"],
            "--method tsne: the codes have one dimension; pca shows it",
        ),
        (
            ["sample", "one", "--manifold", "--out", "m.png"],
            "--manifold: needs two latent dimensions, and this vae has one; use --traverse",
        ),
    ):
        refused = cli(*arguments)
        assert refused.code == 2
        assert refused.err.endswith(f"gentool: {said}\n")
    assert cli("sample", "one", "--traverse", "--out", "m.png").code == 0


def test_principal_directions_of_a_known_cloud() -> None:
    generator = torch.Generator().manual_seed(0)
    turn, _ = torch.linalg.qr(torch.randn(5, 5, generator=generator))
    z = torch.randn(4000, 5, generator=generator) * torch.tensor([5.0, 3.0, 1.0, 0.5, 0.1]) @ turn + 7
    _, directions, deviations = principal_directions(z)
    assert torch.allclose((directions @ turn[:2].T).abs(), torch.eye(2), atol=0.05)
    assert torch.allclose(deviations, torch.tensor([5.0, 3.0]), rtol=0.05)


def test_card_by_closed_forms(runs: Path) -> None:
    z = torch.tensor([[0.0, 1.0], [2.0, 1.0], [4.0, 1.1]])
    rows = dimension_table(z, torch.tensor([1.5, 0.0]), active=True)
    assert rows["dimension"] == [0, 1]
    assert rows["mean"] == pytest.approx([2, 3.1 / 3])
    assert rows["variance"] == pytest.approx([8 / 3, 0.02 / 9])
    assert rows["kl"] == [1.5, 0]
    assert rows["active"] == [True, False]
    assert dimension_table(z, None, active=False).columns == ["dimension", "mean", "variance"]
    assert dimension_table(z, None, active=True)["active"] == [True, False]
    vae, split = Model.load(runs / "vae", device="cpu"), load_data("digits").test
    mean, logvar = vae.posterior(split.images.float() / 255)
    expected = torch.distributions.kl_divergence(
        torch.distributions.Normal(mean, (0.5 * logvar).exp()), torch.distributions.Normal(0.0, 1.0)
    ).mean(0)
    found = mean_kl(vae, split)
    assert found is not None
    assert torch.allclose(found.float(), expected, rtol=1e-4, atol=1e-6)
    assert mean_kl(Model.load(runs / "cae", device="cpu"), split) is None


def test_label_scores_of_separate_and_of_mixed_classes() -> None:
    labels = torch.arange(200) % 2
    apart = torch.randn(200, 3, generator=torch.Generator().manual_seed(0)) + 20 * labels[:, None]
    scores = label_scores((apart, labels), (apart, labels), 0)
    assert scores["knn_accuracy"] == scores["linear_probe_accuracy"] == 1
    assert scores["silhouette"] > 0.8
    mixed = label_scores((apart, labels[torch.randperm(200)]), (apart, labels[torch.randperm(200)]), 0)
    assert mixed["linear_probe_accuracy"] < 0.7


def test_mixtures_are_judged(cli: Callable, runs: Path) -> None:
    done = cli("embed", "vae", runs / "vae", "--gmm", "5,10", "--repeats", 2, "--class-components", 2, "--out", "e")
    assert done.code == 0, done.err
    runs_ = table(Path("e/gmm_runs.csv"))
    assert len(runs_) == 2 * 2 * 2 + 2
    rows = table(Path("e/gmm.csv"))
    assert [(row["method"], row["components"]) for row in rows] == [
        ("matched", "5"), ("majority", "5"), ("matched", "10"), ("majority", "10"), ("per class", "2"),
    ]  # fmt: skip
    for row in rows:
        own = [
            float(run["accuracy"])
            for run in runs_
            if (run["method"], run["components"]) == (row["method"], row["components"])
        ]
        assert float(row["accuracy"]) == pytest.approx(np.mean(own))
        assert float(row["accuracy_sd"]) == pytest.approx(np.std(own, ddof=1))
    assert {path.name for path in Path("e").glob("*.png")} == {
        "embedding.png", "embedding-gmm-5.png", "embedding-gmm-10.png",
        "confusion-gmm-5.png", "confusion-gmm-10.png", "confusion-per-class.png",
    }  # fmt: skip


def test_the_confusion_of_clusters_is_that_of_the_matched_classes(cli: Callable, runs: Path) -> None:
    words = ("embed", "vae", runs / "vae", "--gmm", 12, "--repeats", 1, "--class-components", 2, "--out", "e")
    assert cli(*words).code == 0
    rows = table(Path("e/confusion-gmm-12.csv"))
    assert list(rows[0])[:3] == ["label", "predicted 0", "predicted 1"]
    assert [name.startswith("predicted cluster ") for name in rows[0]] == [False] * 11 + [True] * 2
    counts = np.array([[int(row[name]) for name in row if name != "label"] for row in rows])
    assert counts.sum() == len(load_data("digits").test)
    scored = next(row for row in table(Path("e/gmm_runs.csv")) if row["method"] == "matched")
    assert np.trace(counts) / counts.sum() == pytest.approx(float(scored["accuracy"]))
    assert cli(*words, "--overwrite", "--format", "svg", "--no-titles").code == 0
    assert not list(Path("e").glob("*.png"))
    assert Path("e/confusion-gmm-12.svg").read_text().startswith("<?xml")
    done = cli(*words, "--overwrite", "--format", "gif")
    assert (done.code, done.err) == (2, "gentool: --format: 'gif' is not one of 'png', 'pdf', 'svg'.\n")


def test_tsne_says_what_it_will_do_and_how_far_it_is(cli: Callable, runs: Path) -> None:
    done = cli("embed", "vae", runs / "vae", "--method", "tsne", "--points", 60, "--out", "e")
    assert done.code == 0, done.err
    assert "tsne: a random 60 of 1,797 images; --points 1797 shows all" in done.err
    assert "tsne: 60 points take about 1 min on two cores; pca takes seconds" in done.err
    assert "--perplexity: 19.7 is the largest that 60 points allow" in done.err
    assert done.out == "e\n"  # nothing of what scikit-learn prints
    assert len(table(Path("e/embedding.csv"))) == 60
    assert cli("embed", "vae", runs / "vae", "--method", "tsne", "--points", 60, "--out", "f").code == 0
    assert Path("e/embedding.csv").read_bytes() == Path("f/embedding.csv").read_bytes()


def test_unlabelled_images(cli: Callable, runs: Path) -> None:
    np.save("plain.npy", np.random.default_rng(0).integers(0, 255, (60, 8, 8), np.uint8))
    done = cli("embed", "vae", runs / "vae", "--data", "plain.npy", "--split", "train", "--out", "e")
    assert done.code == 0, done.err
    assert list(table(Path("e/embedding.csv"))[0]) == ["index", "split", "x", "y"]
    assert "knn_accuracy" not in json.loads(Path("e/latent_card.json").read_text())
    refused = cli("embed", "vae", runs / "vae", "--data", "plain.npy", "--gmm", "3", "--out", "g")
    assert refused.code == 3
    assert "plain: has no labels, and --gmm scores clusters by them; leave out --gmm" in refused.err
    assert not Path("g").exists()


def owls(count: int) -> ImageData:
    """Noise of three classes, the last of which is rare."""
    pixels = np.random.default_rng(0).integers(0, 256, (60 + count, 8, 8), np.uint8)
    return load_data(pixels, labels=["cat"] * 30 + ["dog"] * 30 + ["owl"] * count)


def test_a_class_of_one_training_image_has_no_mixture(runs: Path) -> None:
    rare = owls(1)
    assert rare.train.labels is not None
    assert rare.train.labels.bincount().tolist()[2] == 1
    vae = Model.load(runs / "vae", device="cpu")
    with pytest.raises(DataError) as refused:
        embed(vae, rare, gmm="2", repeats=1)
    assert str(refused.value) == "array: class owl has one training image, too few for a mixture of its own"
    assert len(embed(vae, rare).z) == 61, "without --gmm there is no mixture"
    scores = embed(vae, owls(2), gmm="2", repeats=1).clustering
    assert scores is not None
    assert {row["method"] for row in scores.runs} == {"matched", "majority", "per class"}, "two are enough"


def test_the_command_says_so_in_one_line_and_writes_nothing(cli: Callable, runs: Path) -> None:
    rng = np.random.default_rng(0)
    for name, count in (("cat", 30), ("dog", 30), ("owl", 1)):
        Path("set", name).mkdir(parents=True)
        for number in range(count):
            Image.fromarray(rng.integers(0, 256, (8, 8), np.uint8)).save(f"set/{name}/{number}.png")
    refused = cli("embed", "vae", runs / "vae", "--data", "set", "--gmm", "2", "--out", "e")
    assert (refused.code, refused.out) == (3, "")
    last = refused.err.splitlines()[-1]
    assert last == "gentool: set: class owl has one training image, too few for a mixture of its own"
    assert "Traceback" not in refused.err
    assert not Path("e").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (
            ["gan", "{runs}/gan"],
            2,
            "a gan has no encoder and cannot embed images (models with one: cae, vae, cvae and lstm-ae)",
        ),
        (["vae", "{runs}/vae", "--gmm", "9999"], 2, "--gmm: 9999 components need as many training images; digits has"),
        (["vae", "{runs}/vae", "--gmm", "3", "--split", "test"], 2, "leave out --split"),
        (["vae", "{runs}/vae", "--gmm", "x"], 2, "expected comma-separated positive whole numbers"),
        (["vae", "{runs}/vae", "--perplexity", "9"], 2, "--perplexity: only with --method tsne or opentsne"),
        (["vae", "{runs}/vae", "--repeats", "9"], 2, "--repeats: only with --gmm"),
        (["vae", "{runs}/vae", "--method", "pcs"], 2, "'pcs' is not one of"),
    ],
)
def test_bad_input_is_one_clear_line(cli: Callable, runs: Path, arguments: list[str], code: int, message: str) -> None:
    refused = cli("embed", *[word.format(runs=runs) for word in arguments])
    assert refused.code == code, refused.err
    assert message in refused.err
    assert refused.err.count("\n") == 1
    assert not list(Path().iterdir())


def test_a_method_that_needs_a_package_says_so(cli: Callable, runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gentool.latent.reduction.find_spec", lambda name: None)
    refused = cli("embed", "vae", runs / "vae", "--method", "umap")
    assert refused.code == 2
    assert "--method umap: its package is not installed: pip install umap-learn; tsne needs none" in refused.err


@pytest.mark.slow  # umap compiles itself at first
@pytest.mark.parametrize(("method", "module"), [("opentsne", "openTSNE"), ("umap", "umap")])
@pytest.mark.filterwarnings("default")  # their own dependencies warn
def test_methods_of_other_packages(cli: Callable, runs: Path, method: str, module: str) -> None:
    pytest.importorskip(module, reason=f"{module} is an extra and not installed")
    done = cli("embed", "vae", runs / "vae", "--method", method, "--points", 100, "--out", "e")
    assert done.code == 0, done.err
    rows = table(Path("e/embedding.csv"))
    assert len(rows) == 100
    assert all(np.isfinite(float(row[axis])) for row in rows for axis in "xy")
