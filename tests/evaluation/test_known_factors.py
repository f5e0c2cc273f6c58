"""`gentool evaluate` and `compare` of models that encode data with known factors."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from gentool.data.sources.shapes import FACTORS
from gentool.engine.report.scores import results, scores_of
from gentool.evaluation.evaluate import evaluate
from gentool.latent.loading import load
from gentool.metrics.glossary import meaning

DATA = ("--count", 300, "--size", "16x16", "--test", 0.2)
SMALL = ("--features", "random", "--samples", 100, "--half-samples", 0, "--device", "cpu")
TINY = {
    "vae": ["--arch", "mlp", "--hidden", "16", "--latent-dim", "3"],
    "cae": ["--channels", "4,8", "--latent-dim", "80"],
    "lstm-ae": ["--hidden", "8", "--latent-dim", "2"],
    "cvae": ["--arch", "mlp", "--hidden", "16", "--latent-dim", "1"],
    "gan": ["--width", "16", "--latent-dim", "8"],
}


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def shape_runs(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    """Tiny models of shapes."""
    from gentool.cli.app import run

    folder = tmp_path_factory.mktemp("shapes")
    assert run(["prepare", "shapes", *map(str, DATA), "--quiet", "--out", str(folder / "shapes")]) == 0
    for model, options in TINY.items():
        common = ["--data", str(folder / "shapes"), "--steps", "3", "--quiet", "--out", str(folder / model)]
        assert run(["train", model, *common, *options]) == 0
    return folder


@pytest.mark.parametrize("model", ["vae", "cae", "lstm-ae", "cvae"])
def test_scores_stand_beside_those_of_random_codes(cli: Callable, shape_runs: Path, tmp_path: Path, model: str) -> None:
    out = tmp_path / "evaluated"
    more = ("--k", 2, "--bound-images", 10) if model in ("vae", "cvae") else ()
    done = cli("evaluate", shape_runs / model, *SMALL, *more, "--out", out)
    assert done.code == 0, done.err
    factors = [name for name in FACTORS if name != "shape" or model != "cvae"]
    fitted = json.loads((out / "evaluation.json").read_text())["factors"]["fitted_images"]
    rows = {row["what"]: row for row in table(out / "evaluation.csv")}
    counts = {
        "mig": 60, "dci_informativeness": 60, "dci_disentanglement": fitted, "dci_completeness": fitted
    }  # fmt: skip
    names = [f"{name}_{len(factors)}factors_{count}" for name, count in counts.items()]
    for name in names:
        assert 0 <= float(rows["test images"][name]) <= 1
        assert 0 <= float(rows["random codes (chance)"][name]) <= 1
        assert rows["samples"][name] == rows["training images (floor)"][name] == ""
        assert f"{name:34} " in done.err
        assert "   random codes " in next(line for line in done.err.splitlines() if line.startswith(name))
    dims = {"vae": 3, "cae": 80, "lstm-ae": 2, "cvae": 1}[model]
    cells, per_factor = table(out / "disentanglement.csv"), table(out / "factors.csv")
    assert [row["factor"] for row in per_factor] == factors
    assert len(cells) == len(factors) * dims
    for row in per_factor:
        own = [cell for cell in cells if cell["factor"] == row["factor"]]
        assert [int(cell["dimension"]) for cell in own] == list(range(dims))
        known = [float(cell["mutual_information"]) for cell in own]
        assert float(row["mutual_information"]) == max(known) == known[int(row["dimension"])]
        first, second = sorted([*known, 0.0], reverse=True)[:2]
        assert float(row["gap"]) == pytest.approx((first - second) / float(row["entropy"]))
        assert {(cell["split"], cell["images"], cell["fitted_split"], cell["fitted_images"]) for cell in own} == {
            ("test", "60", "train", str(fitted))
        }
    assert float(rows["test images"][names[0]]) == pytest.approx(
        sum(float(row["gap"]) for row in per_factor) / len(factors)
    )
    facts = json.loads((out / "evaluation.json").read_text())["factors"]
    assert facts["dimensions"] == dims
    assert facts["fitted_dimensions"] == min(dims, 64)
    assert facts["left_out"] == ({"shape": "given to the model as the class"} if model == "cvae" else {})
    assert ("shape is left out: given to the model as the class" in done.err) == (model == "cvae")


def test_a_model_without_an_encoder_and_data_without_factors(cli: Callable, shape_runs: Path, runs: Path) -> None:
    for run in (shape_runs / "gan", runs / "vae"):
        assert cli("evaluate", run, *SMALL, "--out", run.name).code == 0
        assert "factors" not in json.loads(Path(run.name, "evaluation.json").read_text())
        assert "mig" not in Path(run.name, "evaluation.csv").read_text()
        assert "random codes" not in Path(run.name, "evaluation.csv").read_text()
        assert not {path.name for path in Path(run.name).iterdir()} & {"factors.csv", "disentanglement.csv"}


def test_python_and_the_command_agree_and_replace_what_was_there(cli: Callable, shape_runs: Path) -> None:
    model = load(shape_runs / "lstm-ae", device="cpu")
    found = evaluate(model, features="random", samples=100, half_samples=0)
    assert found.scores["mig_6factors_60"] == pytest.approx(sum(found.tables["factors"]["gap"]) / 6)
    again = evaluate(model, features="random", samples=100, half_samples=0)
    assert again.table.rows == found.table.rows
    found.save("evaluated")
    assert cli("evaluate", shape_runs / "lstm-ae", *SMALL, "--out", "command").code == 0
    for name in ("evaluation.csv", "factors.csv", "disentanglement.csv"):
        assert Path("evaluated", name).read_text() == Path("command", name).read_text()
    assert cli("evaluate", shape_runs / "gan", *SMALL, "--out", "command", "--overwrite").code == 0
    assert not Path("command", "factors.csv").exists()
    assert not Path("command", "disentanglement.csv").exists()


def test_a_comparison_has_the_columns(cli: Callable, shape_runs: Path) -> None:
    names = ("vae", "cae", "cvae", "gan")
    small = ("--features", "random", "--samples", 100, "--k", 2, "--bound-images", 10, "--device", "cpu")
    done = cli("compare", *[shape_runs / name for name in names], *small, "--out", "compared")
    assert done.code == 0, done.err
    rows = {row["model"]: row for row in table(Path("compared/comparison.csv"))}
    for name in ("vae", "cae"):
        own = table(Path(f"compared/evaluations/{name}-0/evaluation.csv"))
        value = next(row for row in own if row["what"] == "test images")["mig_6factors_60"]
        assert rows[name]["mig_6factors_60"] == value != ""
    assert rows["gan"]["mig_6factors_60"] == rows["cvae"]["mig_6factors_60"] == ""
    assert rows["cvae"]["mig_5factors_60"] != ""
    assert "| mig_6factors_60 |" in Path("compared/comparison.md").read_text()


def test_a_report_shows_them_beside_chance(cli: Callable, shape_runs: Path) -> None:
    run = shape_runs / "cae"
    assert cli("evaluate", run, *SMALL).code == 0
    assert cli("embed", run, "--device", "cpu").code == 0
    judged, card = results(run)
    scores = {one["name"]: one for one in judged["scores"]}
    row = next(row for row in table(run / "model-evaluation-shapes" / "evaluation.csv") if "chance" in row["what"])
    assert scores["mig_6factors_60"]["chance"] == float(row["mig_6factors_60"])
    assert scores["mig_6factors_60"]["value"] != scores["mig_6factors_60"]["chance"]
    assert scores["mig_6factors_60"]["title"] == "mutual information gap (6 factors, 60 images)"
    assert "chance" not in scores["mse"]
    beside = {one["name"]: one["chance"] for one in card["scores"] if "chance" in one}
    assert {"mig", "dci_disentanglement", "dci_completeness", "dci_informativeness"} <= beside.keys()
    assert beside == json.loads((run / "model-embedding-shapes" / "latent_card.json").read_text())["chance"]
    assert cli("report", run).code == 0
    assert '"chance":' in (run / "report.html").read_text()


def test_chance_is_no_score_of_its_own() -> None:
    rows = [
        {"what": "samples", "fid_random_9": 3.0},
        {"what": "training images (floor)", "fid_random_9": 1.0},
        {"what": "test images", "images": 9, "mig_6factors_9": 0.4},
        {"what": "random codes (chance)", "images": 9, "mig_6factors_9": 0.1},
    ]
    fid, mig = scores_of(rows)
    assert (fid["value"], fid["floor"], "chance" in fid) == (3.0, 1.0, False)
    assert (mig["value"], mig["chance"], "floor" in mig) == (0.4, 0.1, False)
    assert mig["better"] == meaning("mig").better == "higher"
