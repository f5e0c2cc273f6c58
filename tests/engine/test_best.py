"""--keep best: the epoch with the best score on the validation examples is kept beside the last."""

import csv
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch

import gentool
from gentool.engine import checkpoint
from gentool.engine.alarms import Alarm, Row
from gentool.engine.best import Best
from gentool.errors import OptionError
from gentool.evaluation.budget import training_cost

COMMON = ["--device", "cpu", "--amp", "off"]
VAE = ["train", "vae", "--data", "digits", "--arch", "mlp", "--hidden", 16, "--latent-dim", 4, *COMMON]
GAN = ["train", "gan", "--data", "digits", "--width", 8, "--latent-dim", 4, "--batch-size", 64, *COMMON]
FLOW = ["train", "flow", "--data", "digits", "--width", 8, "--batch-size", 256, *COMMON]
TEXT = ["seq2seq", "train", "text2text", "--max-operand", 9, "--hidden", 16, "--embedding", 8, *COMMON]
SCORES = {
    "vae": "validation_negative_elbo",
    "gan": "sample_fid",
    "flow": "sample_fid",
    "text": "validation_exact_match",
}
WORDS = {"vae": VAE, "gan": GAN, "flow": FLOW, "text": TEXT}


def model_in(path: str) -> dict:
    return checkpoint.load(Path(path), "model")[1]


def column(folder: str, name: str) -> list[float]:
    with (Path(folder) / "metrics.csv").open(newline="") as file:
        return [float(row[name]) for row in csv.DictReader(file)]


@pytest.mark.parametrize("model", list(WORDS))
def test_the_best_epoch_is_kept(cli: Callable, model: str) -> None:
    # A learning rate that spoils the training after the first epoch.
    words = [*WORDS[model], "--lr", 0.3 if model == "text" else 0.03, "--epochs", 3]
    done = cli(*words, "--keep", "best", "--out", "run")
    assert done.code == 0, done.err
    scores = column("run", SCORES[model])
    best = max(scores) if model == "text" else min(scores)
    kept = model_in("run/model-best.pt")
    assert kept["score"] == pytest.approx(best)
    epoch = scores.index(best) + 1
    assert kept["step"] == int(column("run", "step")[epoch - 1])
    (line,) = [line for line in done.err.splitlines() if "which has the best score" in line]
    assert line.startswith(f"run/model-best.pt: the weights of epoch {epoch}, which has the best score, ")
    # It is what a run that ends there has as its last weights.
    assert cli(*words, "--schedule", "constant", "--keep", "best", "--out", "long").code == 0
    kept = model_in("long/model-best.pt")
    short = [*WORDS[model], "--lr", 0.3 if model == "text" else 0.03, "--steps", kept["step"]]
    assert cli(*short, "--schedule", "constant", "--out", "short").code == 0
    last = model_in("short/model.pt")["weights"]
    assert all(torch.equal(tensor, last[name]) for name, tensor in kept["weights"].items())


def test_its_model_is_a_model(cli: Callable) -> None:
    assert cli(*VAE, "--steps", 4, "--keep", "best", "--out", "run").code == 0
    assert cli("sample", "vae", "run/model-best.pt", "-n", 4).code == 0
    assert gentool.load("run/model-best.pt").sample(2).shape == (2, 1, 8, 8)


def test_without_it_nothing_is_scored_or_kept(cli: Callable) -> None:
    assert cli(*GAN, "--steps", 4, "--out", "run").code == 0
    assert not Path("run/model-best.pt").exists()
    assert "sample_fid" not in Path("run/metrics.csv").read_text()
    assert cli(*GAN, "--steps", 4, "--score-every", 1, "--out", "scored").code == 0
    assert not Path("scored/model-best.pt").exists()
    assert len(column("scored", "sample_fid")) == 1
    weights = model_in("run/model.pt")["weights"]
    assert all(torch.equal(tensor, weights[name]) for name, tensor in model_in("scored/model.pt")["weights"].items())


def test_scores_are_made_as_often_as_asked(cli: Callable) -> None:
    assert cli(*GAN, "--epochs", 5, "--score-every", 2, "--keep", "best", "--out", "run").code == 0
    with Path("run/metrics.csv").open(newline="") as file:
        scored = [row["epoch"] for row in csv.DictReader(file) if row["sample_fid"]]
    assert scored == ["1", "2", "4", "5"]


def test_a_resumed_run_keeps_the_same(cli: Callable) -> None:
    words = [*GAN, "--schedule", "constant", "--keep", "best", "--lr", 0.03]
    assert cli(*words, "--epochs", 4, "--out", "whole").code == 0
    for epochs in (1, 3, 4):
        assert cli(*words, "--epochs", epochs, "--out", "parts").code == 0
    assert column("parts", "sample_fid") == column("whole", "sample_fid")
    one, other = model_in("whole/model-best.pt"), model_in("parts/model-best.pt")
    assert (one["step"], one["score"]) == (other["step"], other["score"])
    assert all(torch.equal(tensor, other["weights"][name]) for name, tensor in one["weights"].items())


def test_a_run_that_is_stopped_has_the_best_so_far(cli: Callable, stopping: Callable) -> None:
    """Also that of an epoch after which no state was due: 15 seconds have not gone by since the first."""
    words = [*VAE, "--batch-size", 256, "--epochs", 4, "--keep", "best", "--out", "run"]
    with stopping(13):  # in the third epoch, of five updates each
        assert cli(*words).code == 75
    scores = column("run", SCORES["vae"])
    assert len(scores) == 2
    assert scores[1] < scores[0]
    assert (model_in("run/model-best.pt")["step"], model_in("run/model.pt")["step"]) == (10, 5)


def test_a_run_that_ends_by_an_alarm_has_the_best_so_far(cli: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    def collapsing(rows: Sequence[Row]) -> list[Alarm]:
        return [Alarm("collapse", "all samples are alike")] if len(rows) == 3 else []

    monkeypatch.setattr("gentool.models.variational.posterior_collapse", collapsing)
    words = [*VAE, "--batch-size", 256, "--epochs", 4, "--keep", "best", "--stop-on-collapse", "--out", "run"]
    assert cli(*words).code == 5
    scores = column("run", SCORES["vae"])
    assert len(scores) == 3
    assert scores[2] < scores[1] < scores[0]
    assert (model_in("run/model-best.pt")["step"], model_in("run/model.pt")["step"]) == (15, 5)


def test_the_history_of_the_best_ends_with_it(cli: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    """So `compare` says what its training took, not what the whole run did."""
    offer = Best.offer
    scores = iter([3.0, 2.0, 4.0, 5.0])
    monkeypatch.setattr(Best, "offer", lambda best, column, _, content: offer(best, column, next(scores), content))
    assert cli(*VAE, "--batch-size", 256, "--epochs", 4, "--keep", "best", "--out", "run").code == 0
    best = model_in("run/model-best.pt")["step"]
    assert (best, model_in("run/model.pt")["step"]) == (10, 20)
    assert training_cost(gentool.load("run/model-best.pt"))["training_step"] == best
    assert training_cost(gentool.load("run"))["training_step"] == model_in("run/model.pt")["step"]


def test_a_lost_or_damaged_file_is_written_again(cli: Callable) -> None:
    words = [*VAE, "--epochs", 2, "--keep", "best", "--out", "run"]
    assert cli(*words).code == 0
    kept = model_in("run/model-best.pt")
    for damage in (Path.unlink, lambda path: path.write_bytes(b"no model")):
        damage(Path("run/model-best.pt"))
        again = cli(*words)
        assert again.code == 0
        assert "run/model-best.pt: did not match the newest state, and is written again" in again.err
        assert model_in("run/model-best.pt")["score"] == kept["score"]


def test_overwriting_removes_it(cli: Callable) -> None:
    assert cli(*VAE, "--epochs", 1, "--keep", "best", "--out", "run").code == 0
    assert cli(*VAE, "--epochs", 1, "--out", "run", "--overwrite").code == 0
    assert not Path("run/model-best.pt").exists()


def test_what_cannot_be_is_refused(cli: Callable) -> None:
    refused = cli(*GAN, "--keep", "best", "--score-every", 0)
    assert (refused.code, refused.err) == (
        2, "gentool: --keep best: needs scores, but --score-every 0 computes none\n"
    )  # fmt: skip
    assert cli("prepare", "digits", "--validation", 0, "--out", "none").code == 0
    assert cli(*VAE, "--steps", 2, "--out", "run").code == 0
    before = Path("run/model.pt").read_bytes()
    for words, text in {
        ("vae", "--arch", "mlp", "--keep", "best"): "--keep best: there are no validation images",
        ("gan", "--score-every", "1"): "--score-every: there are too few validation images (0)",
    }.items():
        refused = cli("train", *words, "--data", "none", "--steps", 1, "--out", "run", "--overwrite")
        assert refused.code == 2
        assert text in refused.err
        assert Path("run/model.pt").read_bytes() == before, "an earlier run stays"


def test_a_run_in_memory_has_no_file_for_it() -> None:
    with pytest.raises(OptionError, match="--keep: writes into the run's folder"):
        gentool.train("vae", "digits", steps=1, keep="best")


def test_the_report_draws_the_score(cli: Callable) -> None:
    assert cli(*GAN, "--epochs", 2, "--keep", "best", "--out", "run").code == 0
    assert "FID of samples" in Path("run/report.html").read_text()
    result = json.loads(Path("run/result.json").read_text())
    assert result["sample_fid"] == pytest.approx(column("run", "sample_fid")[-1])
