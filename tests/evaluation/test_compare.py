"""`gentool compare`: trained models side by side, and trainings under one budget."""

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from gentool.data.images import ImageData
from gentool.engine import budget as time_budget
from gentool.engine.budget import parse_seconds, seconds_as_text
from gentool.engine.options import TrainOptions
from gentool.evaluation import budget
from gentool.evaluation.budget import planned_steps
from gentool.evaluation.compare import compare, contenders
from gentool.latent.loading import load
from gentool.latent.model import Model
from gentool.progress import Reporter
from gentool.tables import Table

SMALL = ("--samples", 150, "--k", 5, "--device", "cpu")


def table(folder: Path) -> dict[str, dict[str, str]]:
    with (folder / "comparison.csv").open(newline="") as file:
        return {row["model"]: row for row in csv.DictReader(file)}


def evaluated(folder: Path, name: str) -> dict[str, float]:
    """The first row of a checkpoint's own evaluation."""
    return json.loads((folder / "evaluations" / name / "evaluation.json").read_text())["rows"][0]  # type: ignore[no-any-return]


def test_checkpoints_side_by_side(cli: Callable, runs: Path, tmp_path: Path) -> None:
    out = tmp_path / "compared"
    done = cli("compare", runs / "vae", runs / "gan" / "model.pt", runs / "cgan", *SMALL, "--out", out)
    assert done.code == 0, done.err
    assert done.out.strip() == str(out)
    rows = table(out)
    assert list(rows) == ["vae", "gan", "cgan", "training images (floor)"]
    for name in ("vae", "gan", "cgan"):
        assert float(rows[name]["fid_classifier_150"]) == evaluated(out, f"{name}-0")["fid_classifier_150"]
        assert int(rows[name]["parameters"]) > 0
        assert float(rows[name]["training_seconds"]) > 0
        assert float(rows[name]["training_step"]) == 5
    assert rows["vae"]["psnr"]
    assert not rows["gan"]["psnr"]
    assert rows["cgan"]["agreement_classifier_150"]
    assert not rows["gan"]["agreement_classifier_150"]
    assert not [name for name in rows["gan"] if name.endswith("_sd")]
    text = (out / "comparison.md").read_text(encoding="utf-8")
    assert "| | vae | gan | cgan | training images (floor) |" in text
    assert "random" not in text
    with Image.open(out / "comparison.png") as picture:
        assert picture.width > 3 * picture.height  # four grids of five by five
    found = compare([load(runs / name, device="cpu") for name in ("vae", "gan", "cgan")], samples=150, k=5)
    assert found.table["model"] == list(rows)
    assert found.to_markdown() == text
    assert found.evaluations["gan"][0].scores["kid_classifier_150"] == float(rows["gan"]["kid_classifier_150"])


def test_one_model_is_one_contender_whatever_its_seed(runs: Path) -> None:
    gan, vae = load(runs / "gan", device="cpu"), load(runs / "vae", device="cpu")

    def other(**changes: object) -> Model:
        return Model(gan.network, replace(gan.header, options=gan.header.options | changes), gan.device)

    groups = contenders([gan, vae, other(seed=1), other(lr=0.5), other(log="wandb")])
    assert [(group.name, len(group.models)) for group in groups] == [
        ("gan 1", 2),
        ("vae", 1),
        ("gan 2", 1),
        ("gan 3", 1),
    ], "a seed that comes again is no other seed"


def test_seeds_of_one_recipe_are_one_row(cli: Callable, runs: Path, tmp_path: Path) -> None:
    recipe = ["--data", "digits", "--epochs", 1, "--batch-size", 256, "--width", 16, "--latent-dim", 8, "--quiet"]
    assert cli("train", "gan", *recipe, "--seed", 7, "--sample-every", 0, "--out", tmp_path / "other").code == 0
    assert cli("train", "gan", *recipe, "--lr", 1e-3, "--out", tmp_path / "fast").code == 0
    out = tmp_path / "compared"
    done = cli("compare", runs / "gan", tmp_path / "other", tmp_path / "fast", "--samples", 150, "--features",
               "random", "--out", out)  # fmt: skip
    assert done.code == 0, done.err
    rows = table(out)
    assert [(name, row["checkpoints"]) for name, row in rows.items()][:2] == [("gan", "2"), ("fast", "1")]
    values = [evaluated(out, f"gan-{number}")["fid_random_150"] for number in (0, 1)]
    assert float(rows["gan"]["fid_random_150"]) == pytest.approx(sum(values) / 2)
    assert float(rows["gan"]["fid_random_150_sd"]) == pytest.approx(abs(values[0] - values[1]) / 2**0.5)
    assert not rows["fast"]["fid_random_150_sd"]
    assert "gan (2 seeds)" in (out / "comparison.md").read_text(encoding="utf-8")


def test_trained_under_one_budget_and_continued(cli: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time_budget, "FIRST_STEPS", 2)
    out = tmp_path / "compared"
    command = (
        "compare",
        "--train",
        "vae,cae",
        "--data",
        "digits",
        "--budget",
        "0.5s",
        "--seeds",
        2,
        *SMALL,
        "--out",
        out,
    )
    done = cli(*command)
    assert done.code == 0, done.err
    assert done.out.strip() == str(out)
    rows = table(out)
    assert [row["checkpoints"] for row in rows.values()] == ["2", "2", ""]
    plan = json.loads((out / "runs" / "vae-plan.json").read_text())
    for seed in (0, 1):  # equally many updates, whatever time the second one took
        options = json.loads((out / "runs" / f"vae-{seed}" / "options.json").read_text())["options"]
        assert (options["steps"], options["seed"]) == (plan["steps"], seed)
    before = (out / "runs" / "vae-0" / "model.pt").stat().st_mtime_ns
    assert cli(*command).code == 0
    assert (out / "runs" / "vae-0" / "model.pt").stat().st_mtime_ns == before
    assert table(out)["vae"] == rows["vae"]


def test_trained_in_jobs(cli: Callable, tmp_path: Path) -> None:
    pytest.importorskip("submitit", reason="needs the extra cluster")
    np.save("mine.npy", np.random.default_rng(0).integers(0, 256, (160, 12, 12), np.uint8))
    words = ["--train", "vae", "--data", "mine.npy", "--size", 8, "--budget", "0.5s", "--samples", 12, "--k", 5,
             "--device", "cpu", "--features", "random", "--out", "compared"]  # fmt: skip
    done = cli("compare", *words, "--seeds", 2, "--cluster", "local", "--jobs", 2)
    assert done.code == 0, done.err
    assert done.out == "compared\n"
    rows = table(tmp_path / "compared")
    assert [row["checkpoints"] for row in rows.values()] == ["2", ""]
    steps = json.loads(Path("compared/runs/vae-plan.json").read_text())["steps"]
    assert f"vae: {steps:,} updates fit into 0 s" in done.err
    for seed in (0, 1):
        options = json.loads(Path(f"compared/runs/vae-{seed}/options.json").read_text())
        assert (options["shape"], options["options"]["steps"]) == ([1, 8, 8], steps)
    assert sorted(path.name for path in Path("compared/jobs").iterdir()) == ["1", "2"]
    before = Path("compared/runs/vae-0/model.pt").stat().st_mtime_ns
    for more in (["--cluster", "local"], []):
        assert cli("compare", *words, "--seeds", 2, *more).code == 0
    assert Path("compared/runs/vae-0/model.pt").stat().st_mtime_ns == before
    assert table(tmp_path / "compared") == rows
    assert len(list(Path("compared/jobs").iterdir())) == 2, "finished trainings need no job"
    other = cli("compare", *words, "--data", "digits", "--cluster", "local")
    assert other.code == 2
    assert "compared/runs/vae-0 holds another run: data was mine, is digits" in other.err


def test_a_plan_alone(cli: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time_budget, "FIRST_STEPS", 2)
    done = cli("compare", "--train", "vae", "--budget", "0.5s", "--plan", "--out", "compared", "--json")
    assert done.code == 0, done.err
    steps = json.loads(Path("compared/runs/vae-plan.json").read_text())["steps"]
    assert json.loads(done.out) == {"event": "done", "folder": "compared", "steps": {"vae": steps}}
    assert sorted(path.name for path in Path("compared/runs").iterdir()) == ["vae-plan.json"]


def test_a_plan_solves_for_the_updates(digits: ImageData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trials that cost 2 s at once and 0.01 s an update."""

    def imitated(model: str, data: ImageData, options: TrainOptions, *, out: Path) -> SimpleNamespace:
        assert (model, data, options.device, out) == ("vae", digits, "cpu", tmp_path / "vae-trial")
        out.mkdir()
        steps = options.steps
        assert steps is not None
        trials.append(steps)
        return SimpleNamespace(history=Table([{"step": steps, "seconds": 2 + 0.01 * steps}]))

    class Notices(Reporter):
        def notice(self, text: str) -> None:
            notices.append(text)

    trials: list[int] = []
    notices: list[str] = []
    monkeypatch.setattr(budget, "train", imitated)
    plan = tmp_path / "plan.json"
    assert planned_steps("vae", digits, 60.0, "cpu", plan, reporter=Notices()) == 5800
    assert trials == [5, 5, 20, 80, 320, 1280]  # the first one is not counted; the last one took 10% of the budget
    assert notices == ["vae: 5,800 updates fit into 60 s"]
    assert [path.name for path in tmp_path.iterdir()] == ["plan.json"]
    assert planned_steps("vae", digits, 60.0, "cpu", plan) == 5800
    assert trials == [5, 5, 20, 80, 320, 1280]
    plan.write_text("{")
    assert planned_steps("vae", digits, 60.0, "cpu", plan, reporter=Notices()) == 5800
    assert notices[1].endswith("plan.json: damaged; the number of updates is measured again")


@pytest.mark.parametrize(("text", "value"), [("90s", 90), ("5m", 300), ("1.5h", 5400), (" 2m ", 120)])
def test_budgets(text: str, value: float) -> None:
    assert parse_seconds(text) == parse_seconds(seconds_as_text(value)) == value


@pytest.mark.parametrize("text", ["5", "m", "-5m", "0s", "5 minutes", "5d"])
def test_budgets_that_are_none(text: str) -> None:
    with pytest.raises(ValueError, match="5m"):
        parse_seconds(text)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ([], 2, "give checkpoints to compare, or --train"),
        (["RUNS/gan", "--train", "vae"], 2, "give checkpoints to compare, or --train"),
        (["RUNS/gan", "--budget", "5m"], 2, "--budget: only with --train"),
        (["RUNS/gan", "--seeds", 3], 2, "--seeds: only with --train"),
        (["RUNS/gan", "--cluster", "local"], 2, "--cluster: only with --train"),
        (["--train", "vae", "--jobs", 2], 2, "--jobs: only with --cluster slurm or local"),
        (["--train", "vae", "--plan", "--cluster", "local"], 2, "--cluster: has no effect with --plan"),
        (["--train", "vae", "--plan", "--seeds", 2], 2, "--seeds: has no effect with --plan"),
        (["--train", "vae", "--plan", "--samples", 50], 2, "--samples: has no effect with --plan"),
        (["RUNS/gan", "--plan"], 2, "--plan: only with --train"),
        (["--train", "vae,gna"], 2, "Did you mean 'gan'?"),
        (["--train", "vae", "--budget", "soon"], 2, "such as 90s, 5m or 1.5h"),
        (["RUNS/gan", "RUNS/nowhere"], 4, "no such checkpoint"),
    ],
    ids=str,
)
def test_bad_input_is_one_line(cli: Callable, runs: Path, arguments: list[object], code: int, words: str) -> None:
    done = cli("compare", *(str(word).replace("RUNS", str(runs)) for word in arguments))
    assert done.code == code
    assert words in done.err.strip().splitlines()[-1]
    assert not list(Path.cwd().iterdir())
