"""report.html: what is in it, that it is one file, and that a browser draws it."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gentool.engine.report import MAX_BYTES, frames

TINY = ("--data", "digits", "--channels", "4,8", "--latent-dim", 4, "--device", "cpu")


def content(path: Path) -> dict[str, Any]:
    found = re.search(
        r'<script type="application/json" id="run">(.*?)</script>', path.read_text(encoding="utf-8"), re.S
    )
    assert found
    return json.loads(found[1])  # type: ignore[no-any-return]


def test_a_training_ends_with_a_report_of_itself(cli: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/usr/bin/gentool", "train", "vae", "--data", "my digits"])
    assert cli("train", "vae", *TINY, "--epochs", 3).code == 0
    path = Path("runs/vae-digits/report.html")
    page, run = path.read_text(encoding="utf-8"), content(path)
    assert not re.search(r"https?://(?!www\.w3\.org)|src=|@import", page)  # nothing comes from elsewhere
    assert (run["model"], run["data"], run["epochs"]) == ("vae", "digits", [1, 2, 3])
    lines = {line["name"]: line for panel in run["panels"] for line in panel}
    assert lines["validation_kl"]["dashed"]
    assert not lines["kl"]["dashed"]
    assert len(lines["kl"]["values"]) == 3
    assert "seconds" not in lines
    kinds = {kind["name"]: [frame["epoch"] for frame in kind["frames"]] for kind in run["pictures"]}
    assert kinds == {"samples": [1, 2, 3], "reconstructions": [1, 2, 3]}
    assert dict(run["options"])["latent_dim"] == 4
    assert dict(run["result"])["test_kl"] > 0
    assert "torch" in dict(run["environment"])
    assert run["command"] == "gentool train vae --data 'my digits'"
    assert re.fullmatch(r"3 epochs in \d+ s", run["summary"])
    assert run["alarms"] == []
    assert run["evaluations"] == []


def test_evaluations_come_into_it(cli: Callable) -> None:
    assert cli("train", "cae", *TINY, "--epochs", 1).code == 0
    folder = Path("runs/cae-digits")
    done = cli("evaluate", "cae", folder, "--samples", 40, "--features", "random", "--half-samples", 0)
    assert done.code == 0, done.err
    (scores,) = content(folder / "report.html")["evaluations"]
    assert scores["columns"][0] == "samples"
    assert "fid_random_40" in [row[0] for row in scores["rows"]]
    again = cli("report", folder)
    assert again.out.strip() == str(folder / "report.html")
    fitted = ("--prior", "gmm", "--components", 2)
    assert (
        cli("evaluate", "cae", folder, "--samples", 40, "--features", "random", "--half-samples", 0, *fitted).code == 0
    )
    evaluations = content(folder / "report.html")["evaluations"]
    assert [scores["data"] for scores in evaluations] == ["digits", "digits, codes from a mixture of 2"]
    assert cli("train", "cae", *TINY, "--epochs", 2, "--overwrite").code == 0
    overwritten = content(folder / "report.html")
    assert [scores["data"] for scores in overwritten["evaluations"]] == [
        "digits, of earlier weights: evaluate again",
        "digits, codes from a mixture of 2, of earlier weights: evaluate again",
    ]
    assert overwritten["epochs"] == [1, 2]
    assert dict(overwritten["options"])["epochs"] == 2
    assert dict(overwritten["result"])["epoch"] == 2


def test_hostile_names_end_no_script(cli: Callable) -> None:
    np.save("x.npy", np.random.default_rng(0).integers(0, 256, (40, 8, 8), np.uint8))
    name = "a<script>alert(1)<"
    assert cli("train", "cae", "--data", "x.npy", "--epochs", 1, "--channels", "4", "--out", name).code == 0
    page = (Path(name) / "report.html").read_text(encoding="utf-8")
    assert "<script>alert" not in page
    options = json.loads((Path(name) / "options.json").read_text())
    del options["sha256"]
    (Path(name) / "options.json").write_text(json.dumps(options | {"data": "</script><script>alert(1)</script>"}))
    assert cli("report", name).code == 0
    assert "<script>alert" not in (Path(name) / "report.html").read_text(encoding="utf-8")
    assert content(Path(name) / "report.html")["data"] == "</script><script>alert(1)</script>"


def test_pictures_of_a_long_run_fit(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for epoch in range(1, 201):
        Image.fromarray(rng.integers(0, 256, (300, 300, 3), np.uint8)).save(tmp_path / f"epoch-{epoch:04d}.png")
    kept = frames(tmp_path)
    epochs = [frame["epoch"] for frame in kept]
    assert epochs[0] == 1
    assert epochs[-1] == 200
    assert epochs == sorted(set(epochs))
    assert len(kept) > 10
    assert sum(len(frame["picture"]) for frame in kept) < 1.5 * MAX_BYTES


def test_bad_input_is_one_line(cli: Callable) -> None:
    Path("empty").mkdir()
    for name in ("empty", "nowhere"):
        done = cli("report", name)
        assert done.code == 4
        assert "not the folder of a run" in done.err
    (Path("empty") / "options.json").write_text("{}")
    assert cli("report", "empty").code == 4


@pytest.mark.slow
@pytest.mark.parametrize("width", [1280, 390])
def test_a_browser_draws_it(cli: Callable, width: int) -> None:
    browser = shutil.which("chromium") or shutil.which("google-chrome") or shutil.which("chrome")
    if browser is None:
        pytest.skip("no Chromium here")
    assert cli("train", "vae", *TINY, "--epochs", 3).code == 0
    page = Path("runs/vae-digits/report.html").resolve()
    command = [
        browser,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--hide-scrollbars",
        "--virtual-time-budget=3000",
    ]
    subprocess.run([*command, f"--window-size={width},2600", "--screenshot=page.png", page.as_uri()], check=True)
    dumped = subprocess.run([*command, "--dump-dom", page.as_uri()], check=True, capture_output=True, text=True).stdout
    assert dumped.count("<svg") == len(content(page)["panels"])
    assert dumped.count("<img") == 2
    with Image.open("page.png") as picture:
        assert len(picture.convert("RGB").getcolors(2**24)) > 50
