"""Known factors and codes: which are looked at, scores, the latent card, and traversals."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import mutual_info_score
from torch import Tensor

from gentool.data.factors import Factors, factors_of
from gentool.data.images import ImageData
from gentool.data.load import load_data
from gentool.data.sources.shapes import FACTORS
from gentool.errors import DataError, OptionError
from gentool.figures.grids import labelled_rows
from gentool.latent import factors as module
from gentool.latent.charts import normal_quantiles
from gentool.latent.embedding import embed
from gentool.latent.factors import Selection, encoded, factor_scores, random_codes, select_factors
from gentool.latent.loading import train
from gentool.latent.model import Model

TINY: dict[str, dict[str, Any]] = {
    "vae": {"arch": "mlp", "hidden": (16,), "latent_dim": 3},
    "cae": {"channels": (4, 8), "latent_dim": 4},
    "lstm-ae": {"hidden": 8, "latent_dim": 2},
    "cvae": {"arch": "mlp", "hidden": (16,), "latent_dim": 1},
}


@pytest.fixture(scope="module")
def shapes(cache: Path) -> ImageData:
    """280 training, 20 validation and 100 test images of 16x16."""
    return load_data("shapes", count=400, size=16, test=0.25)


@pytest.fixture(scope="module")
def models(shapes: ImageData) -> dict[str, Model]:
    """A tiny model of each kind that encodes."""
    return {name: train(name, shapes, steps=3, device="cpu", **options) for name, options in TINY.items()}


def selected(model: Model, data: ImageData, *splits: str) -> Selection:
    """The factors of some splits, of all by default."""
    selection = select_factors(model, data, dict.fromkeys(splits or ("train", "validation", "test")), 0)
    assert selection is not None
    return selection


def with_factors(monkeypatch: pytest.MonkeyPatch, data: ImageData, change: Callable[[Factors], Factors]) -> None:
    """Changes what is known of a set."""
    known = factors_of(data)
    assert known is not None
    monkeypatch.setattr(module, "factors_of", lambda _: change(known))


def test_factors_belong_to_the_images_of_their_split(shapes: ImageData) -> None:
    known = factors_of(shapes)
    assert known is not None
    assert known.names == FACTORS
    assert known.periods == (None, 1.0, None, None, None, 360.0)
    for name, split in shapes.splits.items():
        assert torch.equal(known.values[name][:, 0].long(), split.labels)
    assert factors_of(load_data("digits")) is None


def test_factors_that_are_no_numbers(own_cache: Path) -> None:
    data = load_data("shapes", count=20, size=16)
    known = data.factors()
    assert known is not None
    assert data.folder is not None
    for wrong in (torch.nan, torch.inf):
        np.save(data.folder / "factors.npy", known.index_fill(0, torch.tensor([3]), wrong).numpy())
        with pytest.raises(DataError, match=r"the prepared folder is damaged: factors\.npy holds NaN or infinity"):
            factors_of(data)


def test_the_period_of_a_name_is_that_of_shapes_alone() -> None:
    known = factors_of(load_data("faces", count=40))
    assert known is not None
    assert set(known.periods) == {None}


def test_which_factors_and_images_are_looked_at(models: dict[str, Model], shapes: ImageData) -> None:
    selection = selected(models["vae"], shapes)
    assert selection.names == FACTORS
    assert selection.kinds == ("classes", "circular", "continuous", "continuous", "continuous", "circular")
    assert (selection.judged.split, selection.fitted.split) == ("test", "train")
    assert selection.judged.rows.tolist() == list(range(100))
    assert "100 test and 280 train images" in selection.description
    alone = selected(models["vae"], shapes, "validation")
    assert (alone.judged.split, alone.fitted.split, alone.is_held_out) == ("validation", "validation", False)
    assert select_factors(models["vae"], load_data("digits"), {"train": 0, "test": 0}, 0) is None


def test_the_class_that_a_model_is_given_is_left_out(models: dict[str, Model], shapes: ImageData) -> None:
    selection = selected(models["cvae"], shapes)
    assert selection.names == FACTORS[1:]
    assert selection.left_out == {"shape": "given to the model as the class"}
    assert "; shape is left out: given to the model as the class" in selection.description


def test_a_constant_factor_is_left_out(
    models: dict[str, Model], shapes: ImageData, monkeypatch: pytest.MonkeyPatch
) -> None:
    def constant(known: Factors) -> Factors:
        values = {name: part.clone() for name, part in known.values.items()}
        for part in values.values():
            part[:, 2] = 0.5
            part[:, 5] /= 30  # degrees within one arc of the circle
        return Factors(known.names, known.periods, values)

    with_factors(monkeypatch, shapes, constant)
    selection = selected(models["vae"], shapes)
    assert selection.left_out == {"x": "constant", "rotation": "constant"}
    z = torch.randn(100, 2), torch.randn(280, 2)
    assert np.isfinite(list(factor_scores(selection, *z).scores.values())).all()

    def nothing_varies(known: Factors) -> Factors:
        return Factors(known.names, known.periods, {name: 0 * part for name, part in known.values.items()})

    with_factors(monkeypatch, shapes, nothing_varies)
    assert select_factors(models["vae"], shapes, {"test": 0}, 0) is None
    with pytest.raises(DataError, match=r"^shapes: its factors are constant, or given to the model as the class"):
        models["vae"].traverse_factors(shapes)


def test_few_of_many_images(models: dict[str, Model], shapes: ImageData, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_COUNTED", 30)
    monkeypatch.setattr(module, "MOST_FITTED", 50)
    selection = selected(models["vae"], shapes)
    rows, known = selection.judged.rows, factors_of(shapes)
    assert known is not None
    assert (len(rows.unique()), len(selection.fitted.rows.unique())) == (30, 50)
    assert torch.equal(selection.judged.values, known.values["test"][rows])
    z = encoded(models["vae"], shapes, selection.judged)
    assert torch.allclose(z, models["vae"].encode(shapes.test.images)[rows], atol=1e-6)


def test_codes_of_a_conditional_model_are_those_of_the_true_classes(
    models: dict[str, Model], shapes: ImageData, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ENCODED_AT_ONCE", 33)
    model, part = models["cvae"], selected(models["cvae"], shapes).judged
    assert torch.allclose(encoded(model, shapes, part), model.encode(shapes.test.images, shapes.test.labels), atol=1e-6)


def test_factors_as_codes_are_told_apart(models: dict[str, Model], shapes: ImageData) -> None:
    selection = selected(models["vae"], shapes)
    order = [3, 0, 5, 1, 2, 4]
    scores = factor_scores(selection, selection.judged.values[:, order], selection.fitted.values[:, order])
    assert scores.factors["dimension"] == [order.index(number) for number in range(6)]
    assert scores.scores["mig"] > 0.5
    assert scores.scores["dci_disentanglement"] > 0.95
    assert scores.scores["dci_completeness"] > 0.95
    assert scores.scores["dci_informativeness"] > 0.9
    cells = {(row["factor"], row["dimension"]): row for row in scores.dimensions}
    assert len(cells) == 36
    assert cells["x", 4]["importance"] > 0.95
    best = scores.factors.rows[2]
    assert best["mutual_information"] == cells["x", 4]["mutual_information"]
    assert (cells["x", 4]["split"], cells["x", 4]["images"], cells["x", 4]["fitted_images"]) == ("test", 100, 280)
    assert set(scores.counted_scores) == {
        "mig_6factors_100", "dci_disentanglement_6factors_280", "dci_completeness_6factors_280",
        "dci_informativeness_6factors_100",
    }  # fmt: skip


@pytest.mark.parametrize("dim", [1, 6, 3000])
def test_random_codes_of_any_size_know_nothing(models: dict[str, Model], shapes: ImageData, dim: int) -> None:
    selection = selected(models["vae"], shapes)
    judged, fitted = random_codes(selection, dim, 0)
    assert (judged.shape, fitted.shape) == ((100, dim), (280, dim))
    scores = factor_scores(selection, judged, fitted)
    assert scores.scores["dci_informativeness"] < 0.1
    assert scores.scores["mig"] < (0.6 if dim == 1 else 0.1), "a single dimension has no second one"
    assert len(scores.dimensions) == 6 * dim
    assert scores.facts["fitted_dimensions"] == min(dim, 64)
    seen = {row["dimension"] for row in scores.dimensions if row["importance"] > 0}
    assert len(seen) <= 64


def test_codes_that_are_all_the_same(models: dict[str, Model], shapes: ImageData) -> None:
    selection = selected(models["vae"], shapes)
    scores = factor_scores(selection, torch.zeros(100, 3), torch.zeros(280, 3)).scores
    assert scores.pop("dci_informativeness") < 0.02
    assert scores == {"mig": 0, "dci_disentanglement": 0, "dci_completeness": 0}


def test_the_latent_card_has_them(models: dict[str, Model], shapes: ImageData, tmp_path: Path) -> None:
    embedding = embed(models["cae"], shapes)
    found = embedding.card.factors
    assert found is not None
    assert embedding.card.summary["mig"] == found.scores["mig"]
    assert embedding.card.record["factors"]["images"] == 100
    assert embedding.card.chance.keys() >= found.scores.keys()
    assert embedding.card.chance["mig"] < 0.1 != found.scores["mig"]
    assert [row["factor"] for row in embedding.card.record["factors"]["per_factor"]] == list(FACTORS)
    embedding.save(tmp_path / "e")
    assert (tmp_path / "e" / "factors.csv").read_text().startswith("factor,kind,entropy,dimension,")
    assert len((tmp_path / "e" / "disentanglement.csv").read_text().splitlines()) == 1 + 6 * 4
    only_train = embed(models["cae"], shapes, split="train").card
    assert "dci_informativeness" not in only_train.summary
    assert only_train.record["factors"]["split"] == "train"
    assert only_train.factors is not None
    assert only_train.factors.factors["informativeness"] == [None] * 6
    plain = train("cae", "digits", steps=2, device="cpu", **TINY["cae"])
    card = embed(plain, "digits").card
    assert card.factors is None
    assert not {"mig", "factors"} & card.record.keys()


def best_dimensions(z: Tensor, values: Tensor) -> list[int]:
    """The dimension with the largest mutual information, by scikit-learn."""

    def bins(column: Tensor, limits: tuple[float, float] | None = None) -> np.ndarray:
        return np.digitize(column.double().numpy(), np.histogram(column.double(), 20, limits)[1][1:-1])

    known = []
    for number, column in enumerate(values.T):
        limits = {1: (0.0, 1.0), 5: (0.0, 360.0)}.get(number)
        of_factor = column.numpy() if number == 0 else bins(column, limits)
        known.append(int(np.argmax([mutual_info_score(bins(code), of_factor) for code in z.T])))
    return known


def test_a_traversal_follows_the_dimension_that_knows_most(models: dict[str, Model], shapes: ImageData) -> None:
    model, known = models["vae"], factors_of(shapes)
    assert known is not None
    found = model.traverse_factors(shapes, 5, seed=1)
    assert found.images.shape == (30, 3, 16, 16)
    z = model.encode(shapes.test.images)
    best = best_dimensions(z, known.values["test"])
    assert found.table["dimension"] == best
    row = found.table.rows[3]
    assert found.names[3] == f"y: z {best[3]} ({row['share']:.0%})"
    assert 0 < row["share"] < 1
    middle = z.clone()
    middle[:, best[3]] = z[:, best[3]].mean()
    ends = middle.clone()
    ends[:, best[3]] += normal_quantiles(5)[4] * z[:, best[3]].std(correction=0)
    one = next(place for place in range(100) if torch.allclose(model.decode(middle[[place]])[0], found.images[17]))
    assert torch.allclose(model.decode(ends[[one]])[0], found.images[19], atol=1e-6)
    assert torch.equal(model.traverse_factors(shapes, 5, seed=1).images, found.images)
    assert not torch.equal(model.traverse_factors(shapes, 5, seed=2).images, found.images)


def test_a_traversal_of_a_conditional_model_has_one_class(models: dict[str, Model], shapes: ImageData) -> None:
    model = models["cvae"]
    found = model.traverse_factors(shapes, 3, label="heart")
    assert [row["factor"] for row in found.table] == list(FACTORS[1:])
    z = model.encode(shapes.test.images, shapes.test.labels)
    codes = z.mean(0) + normal_quantiles(3)[:, None] * z.std(0, correction=0)
    assert torch.allclose(found.images[:3], model.decode(codes, [3, 3, 3]), atol=1e-6)
    with pytest.raises(OptionError, match=r"^a cvae needs a label, the class of the images$"):
        model.traverse_factors(shapes)


def test_a_traversal_needs_factors(models: dict[str, Model], runs: Path) -> None:
    plain = Model.load(runs / "vae", device="cpu")
    with pytest.raises(DataError, match=r"^digits: it has no known factors \(shapes has\); choose dimensions with"):
        plain.traverse_factors()


def test_the_command_draws_it(cli: Callable, models: dict[str, Model], shapes: ImageData, tmp_path: Path) -> None:
    models["vae"].save(tmp_path / "vae.pt")
    models["cvae"].save(tmp_path / "cvae.pt")
    done = cli("sample", "vae.pt", "--traverse", "--factors", "--along", 4, "--seed", 2, "--out", "t.png", "--json")
    assert done.code == 0, done.err
    found = models["vae"].traverse_factors(shapes, 4, seed=2)
    headings = {column: f"{place:.2f}" for column, place in enumerate(normal_quantiles(4))}
    expected = labelled_rows(found.images, found.names, headings=headings, corner="(z - mean) / sd =")
    from PIL import Image

    with Image.open("t.png") as picture:
        assert np.array_equal(np.asarray(picture), expected)
    given = ("sample", "cvae.pt", "--traverse", "--factors", "--out", "c.png")
    assert "choose one class of a conditional model with --labels" in cli(*given).err
    assert cli(*given, "--labels", "moon").code == 0


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["vae", "--factors"], 2, "--factors: only with --traverse"),
        (["vae", "--traverse", "--factors", "--dims", "1"], 2, "has no effect with --"),
        (["gan", "--traverse", "--factors"], 2, "a gan has no encoder and cannot tell which dimension encodes a"),
        (["vae", "--traverse", "--factors"], 3, "digits: it has no known factors (shapes has)"),
        (["vae", "--traverse", "--data", "shapes"], 2, "--data: only with --palette, --factors, --prior gmm or flow"),
    ],
)
def test_bad_input_is_one_line(cli: Callable, runs: Path, words: list[str], code: int, message: str) -> None:
    model, *options = words
    done = cli("sample", runs / model, *options)
    assert done.code == code, done.err
    assert message in done.err.strip().splitlines()[-1]
    assert not list(Path().iterdir())
