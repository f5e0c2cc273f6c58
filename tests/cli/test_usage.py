"""Mistakes that students make on the command line: one line that says what is wrong, and what to type."""

from collections.abc import Callable
from pathlib import Path

import pytest

CKPT = "missing argument 'CKPT'; give the folder of a run, such as runs/vae-digits, or its model.pt"
NO_CKPT = "no such checkpoint; give a run folder, such as runs/vae-digits, or its model.pt"
CASES = [
    ("train vae --epochs 0", 2, "--epochs: must be at least 1"),
    ("train vae --lr 11", 2, "--lr: must be at most 10"),
    ("train vae --epochs many", 2, "--epochs: expected a whole number"),
    ("train vae --epochs 1.5", 2, "--epochs: expected a whole number"),
    ("train vae --lr fast", 2, "--lr: expected a number"),
    ("sample vae RUNS/vae -n 0", 2, "--count: must be at least 1"),
    ("train vae digits", 2, "unexpected argument: digits; give data with --data"),
    ("doctor digits", 2, "unexpected argument: digits"),
    ("train --data digits vae", 2, "name the model before its options: train MODEL --data …"),
    ("seq2seq train --steps 3", 2, "name the task before its options: seq2seq train TASK --steps …"),
    ("train vea", 2, "no such model 'vea'. Did you mean 'vae'?"),
    ("seq2seq sweep text2txt", 2, "no such task 'text2txt'. Did you mean 'text2text'?"),
    ("train vae --resume", 2, "no such option: --resume; run the same command again to resume"),
    ("show", 2, "missing argument 'FILE'; give a picture, or the folder of a run, such as runs/vae-digits"),
    ("report", 2, "missing argument 'RUN'; give the folder of a run, such as runs/vae-digits"),
    ("info", 2, "missing argument 'PATH'; give a run, a checkpoint, a prepared folder, codes or results"),
    (
        "seq2seq evaluate",
        2,
        "missing argument 'CKPT'; give the folder of a run, such as runs/text2text, or its model.pt",
    ),
    ("train vae --epoch 3", 2, "no such option: --epoch. Did you mean --epochs?"),
    ("sample RUNS/vae --csv", 2, "no such option: --csv"),
    ("help", 2, "no such command 'help'; for help, use gentool --help or gentool COMMAND --help"),
    ("sample RUNS/vea", 4, f"RUNS/vea: {NO_CKPT}. Did you mean 'vae'?"),
    ("sample", 2, CKPT),
    ("sample vae", 2, CKPT),
    ("sample vea", 4, f"vea: {NO_CKPT}"),
    (
        "sample vea RUNS/vae",
        2,
        "no model 'vea'; there are cae, vae, cvae, lstm-ae, gan, cgan, flow. Did you mean 'vae'?",
    ),
    ("sample RUNS/vae a.png", 2, "unexpected argument: a.png"),
    ("sample RUNS/vae vae", 2, "the model comes before its checkpoint: vae RUNS/vae"),
    ("sample vae RUNS/vae/options.json", 4, "RUNS/vae/options.json: not a checkpoint; give the run folder RUNS/vae"),
    ("sample vae digits", 4, f"digits: {NO_CKPT}"),
    ("sample vae ~/nowhere", 4, f"HOME/nowhere: {NO_CKPT}"),
    ("report ~/nowhere", 4, "HOME/nowhere: not the folder of a run: there is no HOME/nowhere/options.json"),
    ("interpolate vae RUNS/vae ~/a.png ~/b.png", 3, "HOME/a.png: no such picture"),
    ("train vae --data RUNS/vae", 3, "RUNS/vae: a run folder, not images; give the images that you mean"),
    ("train vae --data RUNS/vae/model.pt", 3, "RUNS/vae/model.pt: a checkpoint, not images"),
    ("train vae --out a.txt/run", 2, "--out a.txt/run: a.txt is a file"),
    (
        "train gan --data digits --out RUNS/vae",
        2,
        "RUNS/vae holds another run: model was vae, is gan. Give --out for a new folder, or --overwrite to replace it",
    ),
    (
        "train vae --data shapes --out RUNS/vae",
        2,
        "RUNS/vae holds another run: data was digits, is shapes. Give --out for a new folder, or --overwrite to "
        "replace it",
    ),
    (
        "train vae --data digits --size 16 --out RUNS/vae",
        2,
        "RUNS/vae holds another run: the images of digits have changed: other files, sizes or splits. Give --out for a "
        "new folder, or --overwrite to replace it",
    ),
]


@pytest.mark.parametrize(("words", "code", "message"), CASES, ids=[words for words, _, _ in CASES])
def test_a_mistake_is_one_line_that_helps(
    cli: Callable, runs: Path, monkeypatch: pytest.MonkeyPatch, words: str, code: int, message: str
) -> None:
    Path("a.txt").touch()
    home = Path("home").absolute()
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(home))

    def filled(text: str) -> str:
        return text.replace("RUNS", str(runs)).replace("HOME", str(home))

    refused = cli(*filled(words).split())
    assert refused.err.splitlines()[-1] == f"gentool: {filled(message)}"
    assert (refused.code, refused.out) == (code, "")


def test_a_report_is_asked_for_by_the_model(cli: Callable, runs: Path) -> None:
    done = cli("report", runs / "vae" / "model.pt")
    assert (done.code, done.out) == (0, f"{runs / 'vae' / 'report.html'}\n")


def test_a_switch_that_differs_is_said_in_words(cli: Callable) -> None:
    words = ["train", "cae", "--data", "digits", "--steps", 1, "--channels", 4, "--device", "cpu"]
    assert cli(*words, "--flip").code == 0
    done = cli(*words)
    assert (done.code, "holds another run: --flip was yes, is not given." in done.err) == (2, True)
