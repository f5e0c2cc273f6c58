"""Sweeps from Python: values as lists, numbers and truth values; damaged results; what is refused."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gentool.cli.app import run
from gentool.engine.folder import owned
from gentool.errors import CheckpointError, Diverged, GentoolError, OptionError, Stopped
from gentool.seq2seq import Sweep, sweep
from gentool.seq2seq.sweep_cells import Cell
from gentool.seq2seq.sweeps import Workers
from gentool.tables import Table

TINY = {"max_operand": 9, "hidden": 8, "embedding": 8, "steps": 2, "device": "cpu"}
TRAIN = Workers.train
pytestmark = pytest.mark.usefixtures("trained_here")
COMMON = "max-operand=9,hidden=8,embedding=8,steps=2,device=cpu"


def swept(values: Mapping[str, Any] | None = None, **settings: Any) -> Sweep:
    """A sweep of a tiny network in the folder `swept`."""
    return sweep("text2text", TINY | dict(values or {}), out="swept", **settings)


def options_of(name: str) -> dict[str, Any]:
    """The options of one run."""
    return dict(json.loads((Path("swept") / name / "options.json").read_text())["options"])


def test_lists_and_truth_values(trained_here: list[str]) -> None:
    done = swept({"attention": [True, False], "lr": [0.01, 1e-3]})
    names = [f"{COMMON},attention={attention},lr={lr},seed=0" for attention in (True, False) for lr in (0.01, 0.001)]
    assert trained_here == names
    assert [(row["attention"], row["lr"]) for row in done.runs] == [
        (True, 0.01), (True, 0.001), (False, 0.01), (False, 0.001),
    ]  # fmt: skip
    assert [(options_of(name)["attention"], options_of(name)["lr"]) for name in names] == [
        (row["attention"], row["lr"]) for row in done.runs
    ]
    assert {type(row["attention"]) for row in done.runs} == {bool}
    assert {type(row["hidden"]) for row in done.runs} == {int}
    assert done.table["runs"] == [1] * 4
    assert (Path("swept") / "runs.csv").read_text() == done.runs.to_csv()


@pytest.mark.parametrize("value", [False, [False], (False,), "no"], ids=str)
def test_one_truth_value_in_each_way_to_write_it(trained_here: list[str], value: Any) -> None:
    assert swept({"attention": value}).runs["attention"] == [False]
    assert trained_here == [f"{COMMON},attention=False,seed=0"]


@pytest.mark.parametrize("value", [[0.1, 0.3], (0.1, 0.3), "0.1,0.3", "0.1:0.3:0.2", [np.float64(0.1), "0.3"]], ids=str)
def test_numbers_in_each_way_to_write_them(trained_here: list[str], value: Any) -> None:
    assert swept({"train_fraction": value}).runs["train_fraction"] == [0.1, 0.3]
    assert [name.split(",")[-2] for name in trained_here] == ["train-fraction=0.1", "train-fraction=0.3"]


def test_a_cross_varies_one_option_at_a_time(trained_here: list[str]) -> None:
    done = swept({"encoder_layers": "1:3", "decoder_layers": "1:2"}, cross=True)
    depths = [(1, 1), (1, 2), (2, 1), (3, 1)]
    assert [(row["encoder_layers"], row["decoder_layers"]) for row in done.runs] == depths
    assert len(trained_here) == 4
    assert done.is_cross
    assert done.table.columns == [
        "encoder_layers", "decoder_layers", "runs", "exact_match", "character_accuracy", "seconds",
    ]  # fmt: skip
    lines = (Path("swept") / "sweep.csv").read_text().splitlines()
    assert [line.split(",")[:2] for line in lines[1:]] == [[str(one), str(other)] for one, other in depths]
    trained_here.clear()
    assert len(swept({"encoder_layers": "1:3", "decoder_layers": "1:2"}).runs) == 6
    assert [name.split(",")[-3:-1] for name in trained_here] == [
        ["encoder-layers=2", "decoder-layers=2"], ["encoder-layers=3", "decoder-layers=2"],
    ], "all combinations contain the cross"  # fmt: skip
    assert not swept({"hidden": 8}, cross=True, overwrite=True).is_cross, "nothing varies"


def test_the_plot_has_both_scores(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"encoder_layers": one, "decoder_layers": other, "seed": 0, "exact_match": 0.1 * one,
         "character_accuracy": 0.2 * other, "seconds": 1.0} for one, other in ((1, 1), (1, 2), (2, 1))
    ]  # fmt: skip

    def lines(sweep: Sweep) -> dict[tuple[str, str], list[list[float]]]:
        axes = sweep._plot().figure.axes
        count = len(axes) // 2
        xs, ys = [one.get_xlabel() for one in axes[count:]], [one.get_ylabel() for one in axes[::count]]
        return {
            (ys[place // count].split("\n")[0], xs[place % count]): [
                [float(value) for value in line.get_ydata()]
                for line in one.get_lines()  # type: ignore[union-attr]
            ]
            for place, one in enumerate(axes)
        }

    assert lines(Sweep(Table(rows))) == {
        ("exact match", "encoder layers"): [[0.1, 0.2]], ("exact match", "decoder layers"): [[0.1, 0.1]],
        ("character accuracy", "encoder layers"): [[0.2, 0.2]],
        ("character accuracy", "decoder layers"): [[0.2, 0.4]],
    }  # fmt: skip
    rows.append({**rows[0], "encoder_layers": 2, "decoder_layers": 2})
    assert lines(Sweep(Table(rows))) == {
        ("exact match", "encoder layers"): [[0.1, 0.2], [0.1, 0.1]],
        ("character accuracy", "encoder layers"): [[0.2, 0.2], [0.4, 0.2]],
    }
    drawn = [{"hidden": hidden, "mse": 0.05, "exact_match": 0.9, "read_exact_match": 0.8} for hidden in (8, 16)]
    assert list(lines(Sweep(Table(drawn)))) == [("mse", "hidden"), ("read exact match", "hidden")]


def test_equal_values_are_one_run(trained_here: list[str]) -> None:
    assert swept({"lr": [0.1, "0.10", np.float64(0.1)]}).runs["lr"] == [0.1]
    assert len(trained_here) == 1


def test_values_of_numpy(trained_here: list[str]) -> None:
    assert swept({"train_fraction": np.array([0.1, 0.3]), "attention": np.False_}).runs["attention"] == [False, False]


def test_repeats_have_seeds_from_the_first_on(trained_here: list[str]) -> None:
    done = swept(repeats=3, seed=7)
    assert done.runs["seed"] == [7, 8, 9]
    assert [options_of(name)["seed"] for name in trained_here] == [7, 8, 9]
    (row,) = done.table
    assert row["runs"] == 3
    assert row["character_accuracy"] == pytest.approx(np.mean(done.runs["character_accuracy"]))
    assert row["character_accuracy_sd"] == pytest.approx(np.std(done.runs["character_accuracy"], ddof=1))


def test_the_same_sweep_again_trains_nothing(trained_here: list[str]) -> None:
    first = swept({"attention": [True, False]})
    trained_here.clear()
    assert swept({"attention": "yes,no"}).runs.rows == first.runs.rows
    assert trained_here == []
    assert len(swept({"attention": [False, True]}, repeats=2).runs) == 4
    assert [name.split(",")[-1] for name in trained_here] == ["seed=1", "seed=1"], "a sweep grows"


@pytest.mark.parametrize(
    "damage", [b"", b"{", b"null", b"3", b"\xff\xfe", b"{}", b"[]", b'{"seconds": "x", "epoch": 1}'], ids=str
)
def test_a_run_with_a_damaged_result_ends_again(trained_here: list[str], damage: bytes) -> None:
    first = swept({"attention": [True, False]})
    results = sorted(Path("swept").glob("*/result.json"))
    assert len(results) == 2
    whole = results[0].read_text()
    results[0].write_bytes(damage)
    trained_here.clear()
    again = swept({"attention": [True, False]})
    assert trained_here == [results[0].parent.name]
    assert results[0].read_text() == whole
    assert again.runs.rows == first.runs.rows


def test_a_damaged_plan_is_named(trained_here: list[str]) -> None:
    swept()
    held = (Path("swept") / "runs.csv").read_bytes()
    for damage in ("{", "[]", '{"task": "text2text"}'):
        (Path("swept") / "sweep.json").write_text(damage)
        with pytest.raises(CheckpointError, match=r"^swept/sweep\.json: damaged; give --overwrite to start again"):
            swept()
    assert (Path("swept") / "runs.csv").read_bytes() == held
    trained_here.clear()
    swept(overwrite=True)
    assert len(trained_here) == 1


def test_another_sweep_s_folder_is_left_alone() -> None:
    swept()
    with pytest.raises(OptionError, match=r"^swept holds another sweep: of text2text over --"):
        swept({"attention": True})
    Path("mine").mkdir()
    (Path("mine") / "thesis.txt").write_text("years of work")
    with pytest.raises(OptionError, match=r"^--out mine: not empty, and not a gentool sweep"):
        sweep("text2text", TINY, out="mine", overwrite=True)
    assert [path.name for path in Path("mine").iterdir()] == ["thesis.txt"]


def test_a_run_that_fails_is_named_with_its_last_line(monkeypatch: pytest.MonkeyPatch) -> None:
    code = "import sys; sys.exit('a warning\\ngentool: loss became NaN')"
    monkeypatch.setattr(Workers, "train", TRAIN)
    monkeypatch.setattr("gentool.seq2seq.sweeps.command", lambda *_: [sys.executable, "-c", code])
    with pytest.raises(GentoolError) as failed:
        swept(repeats=2)
    assert str(failed.value) == f"{COMMON},seed=0: ended with exit code 1: loss became NaN"


ENDS = """
import json, pathlib, sys
folder, seed = pathlib.Path(sys.argv[1]), int(sys.argv[2])
if seed in (0, 3):
    sys.exit(print("gentool: loss became NaN", file=sys.stderr) or int(sys.argv[3]))
folder.mkdir()
(folder / "result.json").write_text(json.dumps({"epoch": 1, "seconds": 2, "test_exact_match": 0.5}))
"""


def ending(monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    """Runs of the seeds 0 and 3 end with an exit code, others well."""

    def words(task: str, cell: Cell, folder: Path, overwrite: bool) -> list[str]:
        return [sys.executable, "-c", ENDS, str(folder), str(cell.seed), str(code)]

    monkeypatch.setattr(Workers, "train", TRAIN)
    monkeypatch.setattr("gentool.seq2seq.sweeps.command", words)


def test_a_run_that_diverges_is_noted_and_the_others_are_trained(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ending(monkeypatch, Diverged.exit_code)
    words = ["--hidden", "8,16", "--repeats", "2", "--seed"]
    assert run(["seq2seq", "sweep", "text2text", *words, "0", "--out", "swept"]) == Diverged.exit_code
    said = capsys.readouterr().err.splitlines()
    assert "1 of 4: hidden=8,seed=0: diverged (loss became NaN); about 1 min left" in said
    assert said[-1].startswith("gentool: swept: 2 of 4 runs diverged; runs.csv shows which")
    assert (Path("swept") / "runs.csv").read_text() == (
        "hidden,seed,diverged,exact_match,seconds\n8,0,1,,\n8,1,,0.5,2\n16,0,1,,\n16,1,,0.5,2\n"
    )
    table = (Path("swept") / "table.md").read_text().splitlines()
    assert table[0] == "| hidden | runs | diverged | exact match | seconds |"
    assert table[2] == "| 8 | 2 | 1 | 50.00% | 2.0 |"
    assert (Path("swept") / "sweep.png").is_file()
    assert run(["seq2seq", "sweep", "text2text", "--seed", "3", "--out", "all"]) == Diverged.exit_code
    assert (Path("all") / "table.md").read_text().splitlines()[2] == "| 1 | 1 |"


@pytest.mark.parametrize("code", [75, 130, 143])
def test_a_run_that_was_stopped_stops_the_sweep(monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    ending(monkeypatch, code)
    with pytest.raises(Stopped, match=r"^swept: stopped with 2 runs left; run the same command again to continue$"):
        swept(repeats=2)


def test_one_process_sweeps_in_a_folder(trained_here: list[str]) -> None:
    swept()
    with owned(Path("swept"), print), pytest.raises(OptionError, match=r"^swept: process .* is training here; wait"):
        swept()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"repeats": 0}, "--repeats: 0 is out of range; it must be between 1 and 1000"),
        ({"jobs": 0}, "--jobs: 0 is out of range; it must be between 1 and 256"),
        ({"jobs": -2}, "--jobs: -2 is out of range; it must be between 1 and 256"),
        ({"seed": -1}, "--seed: -1 is out of range; it must be "),
        ({"seed": 2**31 - 1, "repeats": 2}, "--seed: 2147483648 is out of range; it must be "),
        ({"seed": 1.5}, "--seed: 1.5 is not a whole number"),
        ({"values": {"seed": [1, 2]}}, "--seed: give the first seed, and the number of seeds as --repeats"),
        ({"values": {"hiden": 8}}, "'hiden' is not an option of text2text. Did you mean 'hidden'?"),
        ({"values": {"hidden": [8, "many"]}}, "--hidden: '8,many': expected comma-separated values of type int"),
        ({"values": {"hidden": [8, 0]}}, "--hidden: 0 is out of range; it must be between 1 and 4096"),
        ({"values": {"attention": [True, "maybe"]}}, "--attention: 'yes,maybe': expected yes, no or yes,no"),
        ({"values": {"attention": []}}, "--attention: '': expected yes, no or yes,no"),
        ({"values": {"lr": "0.9:0.1"}}, "--lr: '0.9:0.1': expected FIRST:LAST:STEP with FIRST <= LAST and STEP > 0"),
        ({"values": {"hidden": "1:4096", "steps": "1:9"}}, "36,864 runs are more than the 10,000 of one sweep"),
    ],
    ids=str,
)
def test_what_is_refused_is_refused_before_anything_is_written(
    trained_here: list[str], settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(OptionError) as refused:
        swept(**settings)
    assert str(refused.value).startswith(message)
    assert trained_here == []
    assert list(Path().iterdir()) == []


def test_an_unknown_task_is_refused() -> None:
    with pytest.raises(OptionError, match=r"^no task 'text2txt'; .* Did you mean 'text2text'\?$"):
        sweep("text2txt", TINY, out="swept")
    assert list(Path().iterdir()) == []


def test_a_sweep_is_shown_as_its_table() -> None:
    done = swept({"attention": [True, False]})
    lines = repr(done).splitlines()
    assert lines[0] == "| attention | runs | exact match | character accuracy | seconds |"
    assert [line.split(" | ")[:2] for line in lines[2:4]] == [["| True", "1"], ["| False", "1"]]
    assert lines[4:] == ["", "In all runs: max operand 9, hidden 8, embedding 8, steps 2, device cpu."]
    assert "Table(" not in repr(done)
    assert "tensor" not in repr(done)
    assert (Path("swept") / "table.md").read_text() == repr(done) + "\n"


def test_a_plot_of_an_earlier_sweep_does_not_stay(tmp_path: Path) -> None:
    rows = [{"hidden": hidden, "seed": 0, "exact_match": 0.5, "seconds": 1.0} for hidden in (8, 16)]
    Sweep(Table(rows)).save(tmp_path)
    assert (tmp_path / "sweep.png").is_file()
    Sweep(Table(rows[:1])).save(tmp_path)
    assert not (tmp_path / "sweep.png").exists()
