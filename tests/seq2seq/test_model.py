"""A trained network in Python: training, loading, solving, evaluating, sweeping."""

import json
from pathlib import Path
from typing import Any

import pytest

from gentool.errors import CheckpointError, OptionError
from gentool.seq2seq import evaluate, load, sweep, train
from gentool.seq2seq.options import ImageToText, Options

TINY: dict[str, Any] = {"max_operand": 9, "hidden": 16, "embedding": 16, "batch_size": 16, "steps": 20, "device": "cpu"}
QUERIES = ["3+4", " 9 - 2 =", "0-9"]


def test_training_in_memory_gives_the_network_that_a_run_saves(tmp_path: Path) -> None:
    model = train("text2text", **TINY)
    assert model.path is None
    assert [row["step"] for row in model.history] == [20]
    assert repr(model) == f"<text2text: {model.parameters:,} parameters, operands up to 9, operators +->"
    saved = train("text2text", out=tmp_path / "run", **TINY)
    assert saved.path == tmp_path / "run" / "model.pt"
    answers = model.solve(QUERIES)
    assert [answer.query for answer in answers] == ["3+4", "9-2", "0-9"]
    again = train("text2text", Options(**TINY), out=tmp_path / "run")
    copy = load(model.save(tmp_path / "copy.pt"), device="cpu")
    assert saved.solve(QUERIES) == again.solve(QUERIES) == copy.solve(QUERIES) == answers


def test_an_evaluation_in_python_is_that_of_the_training(tmp_path: Path) -> None:
    model = train("text2text", out=tmp_path / "run", **TINY)
    evaluation = evaluate(model)
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert evaluation.scores["exact_match"] == result["test_exact_match"]
    assert evaluation.scores["character_accuracy"] == result["test_character_accuracy"]
    assert list(evaluation.readings) == ["symbols"]
    assert evaluation.table.rows[0] == {"group": "all", "read_by": "symbols"} | {
        name: value for name, value in evaluation.scores.items() if name != "parameters"
    }
    assert len(evaluation.predictions) == 20
    assert not list(tmp_path.glob("run/model-evaluation*"))  # nothing is written before `save`


def test_what_a_network_cannot_do_is_refused(tmp_path: Path) -> None:
    model = train("text2text", **TINY)
    with pytest.raises(OptionError, match=r"^a text2text model reads text, not pictures"):
        model.solve_pictures(["one.png"])
    with pytest.raises(OptionError, match="'81:24': not a query; expected two numbers from 0 to 9"):
        model.solve(["81:24"])
    with pytest.raises(OptionError, match=r"no task 'text2txt'; there are text2text, .*\. Did you mean 'text2text'\?"):
        train("text2txt")
    with pytest.raises(CheckpointError, match=r"none\.pt: no such checkpoint"):
        load(tmp_path / "none.pt")


def test_options_of_another_task_are_refused() -> None:
    pictures = {"digits": "digits", "text_share": 0.5}
    with pytest.raises(OptionError, match=r"expected .*ImageToText, got .*Options"):
        train("image2text", Options(**TINY))
    with pytest.raises(OptionError, match="text2text: these are the options of image2text"):
        train("text2text", ImageToText(**TINY, **pictures))


def test_a_sweep_of_an_unknown_task_or_option_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"no task 'text2txt'.*Did you mean 'text2text'"):
        sweep("text2txt", {"hidden": "8"}, out=tmp_path / "swept")
    with pytest.raises(OptionError, match="hiden"):
        sweep("text2text", {"hiden": "8"}, out=tmp_path / "swept")
    assert not (tmp_path / "swept").exists()


def test_a_sweep_of_bad_values_writes_nothing(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="--hidden: '16,many': expected comma-separated values of type int"):
        sweep("text2text", {"hidden": "16,many"}, out=tmp_path / "swept")
    assert not (tmp_path / "swept").exists()
