"""`gentool seq2seq` as a user runs it, on tiny networks."""

import csv
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gentool.engine import checkpoint
from gentool.evaluation import classifier
from gentool.seq2seq import evaluation, handwriting
from gentool.seq2seq.model import load

TASKS = ["text2text", "image2text", "text2image", "image2image"]
TINY = ["--max-operand", 9, "--hidden", 16, "--embedding", 16, "--batch-size", 16, "--device", "cpu"]


def tiny(task: str, *arguments: object) -> list[object]:
    return ["seq2seq", "train", task, *TINY, *arguments]


def pictures(task: str) -> list[object]:
    return [] if task == "text2text" else ["--digits", "digits", "--text-share", 0.5]


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def width(path: Path) -> int:
    with Image.open(path) as picture:
        return picture.width


def timeless(path: Path) -> list[dict[str, str]]:
    return [{k: v for k, v in row.items() if k not in ("queries_per_second", "seconds")} for row in table(path)]


def learnt(folder: Path) -> str:
    content = checkpoint.load(max(folder.glob("state-*.pt")), "state")[1]
    return checkpoint.digest({key: content[key] for key in ("step", "parts", "losses", "rows")})


@pytest.fixture(scope="module")
def few_pictures() -> Iterator[None]:
    """A twentieth of the usual operators, and so of the pictures that a classifier of symbols learns."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(handwriting, "STROKES", 100)
        yield


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, few_pictures: None) -> dict[str, Path]:
    """A tiny network of each task."""
    from gentool.cli.app import run

    folder = tmp_path_factory.mktemp("seq2seq")
    for task in TASKS:
        words = tiny(task, "--steps", 30, *pictures(task), "--quiet", "--out", folder / task)
        assert run([str(word) for word in words]) == 0
    return {task: folder / task for task in TASKS}


@pytest.fixture
def quick_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    """One pass over the pictures in place of 1,500 updates."""
    monkeypatch.setattr(classifier, "EPOCHS", 1)
    monkeypatch.setattr(classifier, "UPDATES", 1)
    monkeypatch.setattr(classifier, "VERSION", "a test's")


def test_text_is_learnt(cli: Callable) -> None:
    small = ["--hidden", 64, "--embedding", 64, "--lr", 0.02, "--weight-decay", 0.2, "--steps", 400]
    done = cli("seq2seq", "train", "text2text", *small, "--json")
    assert done.code == 0, done.err
    result = json.loads(done.out.splitlines()[-1])
    assert 0.9 <= result["test_exact_match"] <= result["test_character_accuracy"] <= 1
    assert "of 20,000 queries, operands up to 99, 2,000 held out" in done.err


def test_the_optimizer_is_as_asked_for(cli: Callable) -> None:
    words = tiny("text2text", "--steps", 2, "--beta2", 0.9, "--weight-decay", 0.3, "--out", "run")
    assert cli(*words).code == 0
    parts = checkpoint.load(max(Path("run").glob("state-*.pt")), "state")[1]["parts"]
    groups = parts["optimizer"]["param_groups"]
    assert {tuple(group["betas"]) for group in groups} == {(0.9, 0.9)}
    assert sorted(group["weight_decay"] for group in groups) == [0, 0.3]


@pytest.mark.parametrize("task", TASKS)
def test_stopped_and_resumed_equals_uninterrupted(cli: Callable, task: str, stopping: Callable) -> None:
    words = tiny(task, "--steps", 24, "--ema", 0.9, *pictures(task))
    assert cli(*words, "--out", "whole").code == 0
    with stopping(15):
        assert cli(*words, "--out", "parts").code == 75
    assert cli(*words, "--out", "parts").code == 0
    assert learnt(Path("parts")) == learnt(Path("whole"))
    assert timeless(Path("parts/metrics.csv")) == timeless(Path("whole/metrics.csv"))


def test_the_picture_of_examples_says_the_right_answer_and_what_was_read(
    runs: dict[str, Path], quick_reader: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    names: list[str] = []
    monkeypatch.setattr(evaluation, "labelled_rows", lambda images, rows: names.extend(rows))
    model = load(runs["text2image"], device="cpu")
    found = evaluation.evaluate(model)
    evaluation.examples(found)
    for name, row in zip(names, found.predictions, strict=False):
        right = f"{row['query']} = {row['right_answer']}"
        read = "" if row["right"] else f", classifier reads {row['answer_by_classifier']}"
        assert name == right + read
    assert len(names) == evaluation.SHOWN


def test_figures_as_pdf(cli: Callable, runs: dict[str, Path], trained_here: list[str]) -> None:
    assert cli("seq2seq", "evaluate", runs["text2text"], "--out", "e", "--format", "pdf").code == 0
    assert {path.stem for path in Path("e").glob("*.pdf")} == {
        "answers", "distances", "curves", "confusion-1", "confusion-2",
    }  # fmt: skip
    rows = table(Path("e/answers.csv"))
    assert sum(float(row["right answers"]) for row in rows) == 20
    assert cli(*sweep("--encoder-layers", "1,2", "--out", "swept")).code == 0
    assert cli(*sweep("--encoder-layers", "1,2", "--out", "swept", "--format", "pdf")).code == 0
    assert [path.suffix for path in Path("swept").glob("sweep.p*")] == [".pdf"]


@pytest.mark.parametrize("task", TASKS)
def test_evaluate(cli: Callable, runs: dict[str, Path], task: str, quick_reader: None) -> None:
    done = cli("seq2seq", "evaluate", runs[task], "--out", "evaluated", "--json")
    assert done.code == 0, done.err
    scores = json.loads(done.out)
    rows = table(Path("evaluated/scores.csv"))
    predictions = table(Path("evaluated/predictions.csv"))
    assert len(predictions) == scores["queries"] == 20
    assert rows[0]["group"] == "all"
    assert float(rows[0]["exact_match"]) == pytest.approx(sum(int(row["right"]) for row in predictions) / 20)
    assert any(row["group"] == "the commonest answer, always" for row in rows)
    for name in ("answers.png", "distances.png", "confusion-1.png", "confusion-2.png", "curves.png"):
        assert width(Path("evaluated") / name) > 300
    assert Path("evaluated/examples.png").is_file() == (task != "text2text")
    if task.endswith("image"):
        assert {row["read_by"] for row in rows if row["group"] == "all"} == {"classifier", "nearest mean", "symbols"}
        assert 0 < scores["mse_of_mean_pictures"] < scores["mse_of_one_constant_picture"] < scores["mse"] + 0.1
        assert 0.8 < scores["classifier_on_real_exact_match"] <= scores["classifier_on_real_character_accuracy"] <= 1


def test_a_damaged_classifier_is_trained_again(
    cli: Callable, runs: dict[str, Path], cache: Path, quick_reader: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(classifier, "VERSION", "another test's")
    before = set((cache / "features").glob("*.pt"))
    first = cli("seq2seq", "evaluate", runs["text2image"], "--out", "first", "--json")
    (made,) = set((cache / "features").glob("*.pt")) - before
    made.write_bytes(made.read_bytes()[:1000])
    again = cli("seq2seq", "evaluate", runs["text2image"], "--out", "second", "--json")
    assert "training it again" not in first.err
    assert f"{made}: not a readable checkpoint (damaged, or another tool's); training it again" in again.err
    scores = [json.loads(done.out) | {"folder": "either"} for done in (first, again)]
    assert scores[0] == scores[1]


def test_evaluate_agrees_with_the_training(cli: Callable, runs: dict[str, Path]) -> None:
    result = json.loads((runs["image2text"] / "result.json").read_text())
    scores = json.loads(cli("seq2seq", "evaluate", runs["image2text"], "--out", "again", "--json").out)
    for name in ("exact_match", "character_accuracy"):
        assert scores[name] == pytest.approx(result[f"test_{name}"])


def test_evaluate_agrees_with_the_training_on_pictures(
    cli: Callable, runs: dict[str, Path], quick_reader: None
) -> None:
    result = json.loads((runs["text2image"] / "result.json").read_text())
    assert cli("seq2seq", "evaluate", runs["text2image"], "--out", "drawn").code == 0
    assert json.loads(Path("drawn/scores.json").read_text())["mse"] == pytest.approx(result["test_mse"])
    nearest = next(row for row in table(Path("drawn/scores.csv")) if row["read_by"] == "nearest mean")
    assert float(nearest["exact_match"]) == pytest.approx(result["test_read_exact_match"])


def test_solve_text(cli: Callable, runs: dict[str, Path]) -> None:
    done = cli("seq2seq", "solve", runs["text2text"], "3+4", " 9 - 2 =", "--json")
    assert done.code == 0, done.err
    answers = [json.loads(line) for line in done.out.splitlines()]
    assert [answer["query"] for answer in answers] == ["3+4", "9-2"]
    assert all(0 < answer["confidence"] <= 1 for answer in answers)


def test_solve_reads_a_pipe(runs: dict[str, Path], cache: Path) -> None:
    words = [sys.executable, "-m", "gentool", "seq2seq", "solve", str(runs["text2text"])]
    done = subprocess.run(words, input="1+2\n\n5-5\n", capture_output=True, text=True, check=True)
    assert [line.split(" = ")[0] for line in done.stdout.splitlines()] == ["1+2", "5-5"]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("3+", "'3+': not a query; expected two numbers from 0 to 9 and one of + - between them, such as 8+7"),
        ("3*2", "'3*2': this model only knows two numbers from 0 to 9 and one of + -"),
        ("10+1", "'10+1': this model only knows"),
        ("-3+1", "'-3+1': not a query"),
    ],
)
def test_what_is_no_query_is_refused(cli: Callable, runs: dict[str, Path], query: str, message: str) -> None:
    done = cli("seq2seq", "solve", runs["text2text"], "1+1", "--", query)
    assert done.code == 2
    assert done.err.startswith(f"gentool: {message}")
    assert done.err.count("\n") == 1
    assert done.out.startswith("1+1 = ")
    assert done.out.count("\n") == 1


def test_good_queries_are_answered_and_bad_ones_named(cli: Callable, runs: dict[str, Path]) -> None:
    done = cli("seq2seq", "solve", runs["text2text"], "1+1", "2+", "3+4", "99+99")
    assert done.code == 2
    assert re.findall(r"^(\S+) = ", done.out, re.M) == ["1+1", "3+4"]
    first, last = done.err.splitlines()[-2:]
    assert first.startswith("'2+': not a query; expected two numbers from 0 to 9")
    assert last.startswith("gentool: '99+99': this model only knows two numbers from 0 to 9")


def test_solve_draws(cli: Callable, runs: dict[str, Path]) -> None:
    done = cli("seq2seq", "solve", runs["text2image"], "3+4", "9-2", "--out", "drawn.png")
    assert done.code == 0, done.err
    assert width(Path("drawn.png")) > 2 * 64
    assert cli("seq2seq", "solve", runs["text2image"], "3+4", "--out", "drawn.png").code == 2


def test_solve_pictures(cli: Callable, runs: dict[str, Path]) -> None:
    rng = np.random.default_rng(0)
    strip = rng.integers(0, 120, (40, 120), np.uint8)
    Image.fromarray(strip).save("strip.png")
    Image.fromarray(255 - strip).save("paper.png")
    Path("folder").mkdir()
    for place in range(3):
        Image.fromarray(strip[:, 40 * place : 40 * place + 40]).save(f"folder/{place}.png")
    solve = ["seq2seq", "solve", runs["image2text"], "--images", "--json"]
    answers = [json.loads(line) for line in cli(*solve, "strip.png", "paper.png", "folder").out.splitlines()]
    assert len(answers) == 3
    assert len({answer["answer"] for answer in answers}) == 1
    assert max(answer["confidence"] for answer in answers) == pytest.approx(
        min(answer["confidence"] for answer in answers), rel=0.05
    )


def test_pictures_that_are_none_are_refused(cli: Callable, runs: dict[str, Path]) -> None:
    Image.new("L", (30, 30)).save("one.png")
    Path("text.png").write_text("no picture")
    Path("empty").mkdir()
    for name, message in (
        ("one.png", "one.png: 30x30 is a strip of 1 square symbols; a query has 3 to 3"),
        ("text.png", "text.png: not a picture"),
        ("none.png", "none.png: No such file"),
        ("empty", "empty: 0 files; a query has 3 to 3 symbols"),
    ):
        done = cli("seq2seq", "solve", runs["image2text"], "--images", name)
        assert done.code == 3
        assert done.err.startswith(f"gentool: {message}")
    done = cli("seq2seq", "solve", runs["text2text"], "--images", "one.png")
    assert done.code == 2
    assert "reads text, not pictures" in done.err


def test_checkpoints_of_other_kinds(cli: Callable, runs: dict[str, Path]) -> None:
    assert cli("train", "cae", "--steps", 1, "--channels", "4", "--latent-dim", 2, "--out", "cae").code == 0
    done = cli("seq2seq", "solve", "cae", "1+1")
    assert (done.code, done.err) == (
        4,
        "gentool: cae/model.pt: holds a cae, which is not a model of `gentool seq2seq`\n",
    )
    done = cli("sample", "cae", runs["text2text"])
    assert done.code == 4
    assert "holds a text2text, not a cae" in done.err
    assert cli("seq2seq", "evaluate", "nowhere").code == 4


def sweep(*arguments: object) -> list[object]:
    return ["seq2seq", "sweep", "text2text", *TINY, "--steps", 20, *arguments]


def test_sweep(cli: Callable, trained_here: list[str]) -> None:
    words = sweep("--train-fraction", "0.3:0.6:0.3", "--encoder-layers", "1,2", "--repeats", 2)
    done = cli(*words, "--out", "swept")
    assert done.code == 0, done.err
    runs = table(Path("swept/runs.csv"))
    assert len(runs) == 8
    assert sorted({row["train_fraction"] for row in runs}) == ["0.3", "0.6"]
    averaged = table(Path("swept/sweep.csv"))
    assert len(averaged) == 4
    first = [float(row["exact_match"]) for row in runs
             if (row["train_fraction"], row["encoder_layers"]) == ("0.3", "1")]  # fmt: skip
    assert float(averaged[0]["exact_match"]) == pytest.approx(np.mean(first))
    assert float(averaged[0]["exact_match_sd"]) == pytest.approx(np.std(first, ddof=1))
    assert Path("swept/table.md").read_text().splitlines()[-1].startswith("In all runs: ")
    assert set(averaged[0]) & {"train_fraction", "encoder_layers", "hidden"} == {"train_fraction", "encoder_layers"}
    assert width(Path("swept/sweep.png")) > 300
    assert len(set(trained_here)) == len(trained_here) == 8
    assert cli(*words, "--out", "swept").code == 0
    assert len(trained_here) == 8


def test_a_cross_is_one_table(cli: Callable, trained_here: list[str]) -> None:
    words = sweep("--encoder-layers", "1,2", "--decoder-layers", "1,3", "--cross", "--out", "crossed")
    assert cli(*words).code == 0
    rows = table(Path("crossed/sweep.csv"))
    assert [(row["encoder_layers"], row["decoder_layers"]) for row in rows] == [("1", "1"), ("1", "3"), ("2", "1")]
    assert width(Path("crossed/sweep.png")) > 300
    assert json.loads(Path("crossed/sweep.json").read_text())["cross"] is True


def test_a_sweep_starts_again_with_overwrite(cli: Callable, trained_here: list[str]) -> None:
    assert cli(*sweep("--out", "swept")).code == 0
    (model,) = Path("swept").rglob("model.pt")
    before = model.stat().st_mtime_ns
    assert cli(*sweep("--out", "swept", "--overwrite")).code == 0
    assert model.stat().st_mtime_ns > before
    Path("swept/sweep.json").write_text("{")
    damaged = cli(*sweep("--out", "swept"))
    assert damaged.code == 4
    assert damaged.err.startswith("gentool: swept/sweep.json: damaged; give --overwrite")


def test_a_stopped_sweep_continues(cli: Callable, trained_here: list[str], tmp_path: Path) -> None:
    words = ["seq2seq", "sweep", "text2text", *TINY, "--steps", 150, "--repeats", 2, "--jobs", 2]
    assert cli(*words, "--out", "whole").code == 0
    command = [sys.executable, "-m", "gentool", *map(str, words), "--out", str(tmp_path / "parts")]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    while not any((tmp_path / "parts").glob("*/metrics.csv")) and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT if os.name == "nt" else signal.SIGTERM)
    assert (
        process.communicate(timeout=60)[1].strip().splitlines()[-1].endswith("run the same command again to continue")
    )
    assert process.returncode == 75
    assert cli(*words, "--out", "parts").code == 0

    def scores(folder: str) -> list[dict[str, str]]:
        return [{k: v for k, v in row.items() if k != "seconds"} for row in table(Path(folder) / "runs.csv")]

    assert scores("parts") == scores("whole")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--train-fraction", "0.9:0.1:0.1"], "--train-fraction: '0.9:0.1:0.1': expected FIRST:LAST:STEP with FIRST"),
        (["--hidden", "16,many"], "--hidden: '16,many': expected comma-separated values of type int"),
        (["--train-fraction", "0.5,2"], "--train-fraction: 2.0 is out of range"),
        (["--attention", "maybe"], "--attention: 'maybe': expected yes, no or yes,no"),
        (["--decoder", "repeat,copy"], "--decoder: 'copy' is not one of repeat, autoregressive"),
    ],
)
def test_a_sweep_refuses_before_it_trains(cli: Callable, arguments: list[str], message: str) -> None:
    done = cli("seq2seq", "sweep", "text2text", *arguments)
    assert done.code == 2
    assert done.err.startswith(f"gentool: {message}")
    assert not Path("runs").exists()


def test_prepare_arithmetic(cli: Callable) -> None:
    done = cli("prepare", "arithmetic", "--max-operand", 12, "--digits", "digits", "--out", "sums.npz", "--json")
    assert done.code == 0, done.err
    with np.load("sums.npz") as held:
        texts, answers, test = held["X_text"], held["y_text"], held["test"]
        assert len(texts) == 2 * 13 * 13
        assert all(str(eval(query)).ljust(3) == answer for query, answer in zip(texts, answers, strict=True))
        assert held["X_image"].shape == (338, 5, 28, 28)
        assert held["y_image"].shape == (338, 3, 28, 28)
        blank = np.array([list(text) for text in texts]) == " "
        ink = held["X_image"].max((2, 3))
        assert (ink[blank] == 0).all()
        assert (ink[~blank] > 100).all()
        assert test.sum() == 34
    assert cli("prepare", "arithmetic", "--out", "sums.npz").code == 2
    assert "--max-operand: only with `gentool prepare arithmetic`" in cli("prepare", "digits", "--max-operand", 9).err
    large = cli("prepare", "arithmetic", "--max-operand", 999, "--digits", "digits")
    assert large.code == 2
    assert "the pictures of 2,000,000 queries are" in large.err


def test_a_task_that_is_none(cli: Callable) -> None:
    done = cli("seq2seq", "train", "text2txt")
    assert (done.code, done.err) == (2, "gentool: no such task 'text2txt'. Did you mean 'text2text'?\n")
