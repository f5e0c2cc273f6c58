"""report.html: what is in it, that it is one file, and that a browser draws it."""

import io
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

from gentool.engine.report.content import duration, thinned
from gentool.engine.report.pictures import MAX_BYTES, _webp, frames
from gentool.engine.report.scores import scores_of

TINY = ("--data", "digits", "--channels", "4,8", "--latent-dim", 4, "--device", "cpu")
PAGE_DATA = r'<script type="application/json" id="content">(.*?)</script>'


def content(path: Path) -> dict[str, Any]:
    found = re.search(PAGE_DATA, path.read_text(encoding="utf-8"), re.S)
    assert found
    return json.loads(found[1])  # type: ignore[no-any-return]


def lines_of(run: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {line["column"]: line for chart in run["charts"] for line in chart["lines"]}


def test_a_run_that_is_stopped_leaves_a_report(cli: Callable, stopping: Callable) -> None:
    command = ("train", "vae", *TINY, "--epochs", 3)
    with stopping(13):
        assert cli(*command).code == 75
    path = Path("runs/vae-digits/report.html")
    run = content(path)
    assert run["state"] == "not finished, 33% done: run the same command again to continue"
    assert dict(run["facts"])["Length"].startswith("11 updates, 1 epoch, in ")
    assert "Last line of the log" in dict(run["facts"])
    assert (
        Path("runs/vae-digits/log.txt").read_text().splitlines()[-1].endswith("run the same command again to continue")
    )
    assert cli(*command).code == 0
    assert content(path)["state"] == "finished"


def test_a_run_that_is_stopped_in_its_first_epoch_leaves_a_report(cli: Callable, stopping: Callable) -> None:
    with stopping(3):
        assert cli("train", "vae", *TINY, "--epochs", 3).code == 75
    run = content(Path("runs/vae-digits/report.html"))
    assert run["state"] == "not finished, 0% done: run the same command again to continue"
    assert run["charts"] == []


def test_a_training_ends_with_a_report_of_itself(cli: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/usr/bin/gentool", "train", "vae", "--data", "my digits"])
    assert cli("train", "vae", *TINY, "--epochs", 3).code == 0
    path = Path("runs/vae-digits/report.html")
    page, run = path.read_text(encoding="utf-8"), content(path)
    assert not re.search(r"https?://(?!www\.w3\.org)|src=|@import", page)  # nothing comes from elsewhere
    assert (run["title"], run["name"], run["state"]) == ("vae on digits", "vae-digits", "finished")
    assert (run["along"], run["places"], run["updates_per_epoch"]) == ("update", [11, 22, 33], 11)
    titles = [chart["title"] for chart in run["charts"]]
    assert titles == [
        "Loss", "Negative ELBO", "Reconstruction", "KL divergence", "Active dimensions", "Variety of the pictures",
        "Speed", "Learning rate",
    ]  # fmt: skip
    assert all(chart["unit"] for chart in run["charts"][:-1])
    lines = lines_of(run)
    assert (lines["validation_kl"]["label"], lines["validation_kl"]["dashed"]) == ("validation", True)
    assert (lines["kl"]["label"], lines["kl"]["dashed"], lines["kl"]["places"]) == ("training", False, [*range(1, 34)])
    assert lines["validation_kl"]["places"] is None
    assert len(lines["validation_kl"]["values"]) == 3
    assert "memorises" in next(chart["reading"] for chart in run["charts"] if chart["title"] == "Negative ELBO")
    assert "memorises" not in run["charts"][0]["reading"]  # it has no validation
    assert {film["name"]: [frame["epoch"] for frame in film["frames"]] for film in run["films"]} == {
        "samples": [1, 2, 3], "reconstructions": [1, 2, 3],
    }  # fmt: skip
    facts = dict(run["facts"])
    assert facts["Data"] == "digits, 1,527 images 8x8 grey"
    assert facts["Examples"] == "1,527 training, per epoch, 90 validation, 180 test"
    assert re.fullmatch(r"33 updates, 3 epochs, in \d+ s", facts["Length"])
    (done,) = [line for line in (path.parent / "log.txt").read_text().splitlines() if "done in" in line]
    assert facts["Ended"] == f"{done[:10]} {done[11:16]}"
    assert re.fullmatch(r"[\d,]+ trained", facts["Weights"])
    assert (
        facts["Fingerprint of the data"] == json.loads((path.parent / "options.json").read_text())["fingerprint"][:16]
    )
    (test,) = run["results"]
    assert test["title"] == "On the test set"
    assert {score["name"]: score["unit"] for score in test["scores"]}["test_kl"] == "nats per image"
    assert "torch" in dict(run["environment"])
    assert run["command"] == "gentool train vae --data 'my digits'"
    assert run["alarms"] == run["marks"] == run["gallery"] == run["left_out"] == []


def test_options_have_the_values_in_force(cli: Callable) -> None:
    assert cli("train", "gan", "--data", "digits", "--width", 8, "--steps", 3, "--loss", "hinge").code == 0
    run = content(Path("runs/gan-digits/report.html"))
    assert {one["flag"]: one["value"] for one in run["given"]} == {"--steps": "3", "--width": "8", "--loss": "hinge"}
    defaults = {one["flag"]: one["value"] for one in run["defaults"]}
    assert defaults["--norm"] == "spectral (auto)"
    assert (defaults["--r1"], defaults["--augment"], defaults["--flip"]) == ("0", "translation (auto)", "no")
    assert (defaults["--epochs"], defaults["--sample-every"]) == ("1", "1")
    assert (defaults["--budget"], defaults["--init"]) == ("–", "–")
    assert "not given" not in json.dumps(run)
    assert "automatic" not in json.dumps(run)


def test_results_of_other_commands_come_into_it(cli: Callable) -> None:
    assert cli("train", "cae", *TINY, "--epochs", 1).code == 0
    folder = Path("runs/cae-digits")
    judge = ("evaluate", folder, "--samples", 40, "--features", "random", "--half-samples", 4)
    done = cli(*judge)
    assert done.code == 0, done.err
    _, scores = content(folder / "report.html")["results"]
    assert (scores["title"], scores["outdated"]) == ("Evaluation on digits", False)
    fid = next(score for score in scores["scores"] if score["name"] == "fid_random_40")
    assert (fid["title"], fid["better"]) == ("FID (random, 40 images)", "lower")
    assert fid["low"] <= fid["value"] <= fid["high"]
    assert 0 < fid["floor"] < fid["value"]
    mse = next(score for score in scores["scores"] if score["name"] == "mse")
    assert mse["low"] < mse["value"] < mse["high"]
    assert "floor" not in mse
    assert cli(*judge, "--prior", "gmm", "--components", 2).code == 0
    for command in ("reconstruct", "interpolate", "embed"):
        assert cli(command, folder).code == 0
    again = cli("report", folder)
    assert again.out.strip() == str(folder / "report.html")
    page = content(folder / "report.html")
    assert [group["title"] for group in page["results"]] == [
        "On the test set", "Evaluation on digits", "Evaluation on digits, codes from a mixture of 2",
        "Latent space, codes of digits",
    ]  # fmt: skip
    names = [picture["name"] for picture in page["gallery"]]
    assert names[:3] == [
        "model-reconstructions.png",
        "model-interpolation-0.png",
        "model-embedding-digits/embedding.png",
    ]
    assert "model-evaluation-digits/nearest_random.png" in names
    assert not any(picture["older"] for picture in page["gallery"])
    assert cli("train", "cae", *TINY, "--epochs", 2, "--overwrite").code == 0
    page = content(folder / "report.html")
    assert [group["outdated"] for group in page["results"]] == [False, True, True, True]
    assert all(picture["older"] for picture in page["gallery"])
    assert page["places"] == [11, 22]


def test_verdicts_come_into_it(cli: Callable) -> None:
    """An autoencoder that is barely trained repeats itself."""
    assert cli("train", "cae", *TINY, "--epochs", 1).code == 0
    folder = Path("runs/cae-digits")
    done = cli("evaluate", folder, "--samples", 100, "--features", "random", "--half-samples", 0)
    (scores,) = [group for group in content(folder / "report.html")["results"] if group["title"].startswith("Eval")]
    assert scores["verdicts"], done.err
    assert all(verdict in done.err for verdict in scores["verdicts"])


def test_answers_come_into_it(cli: Callable) -> None:
    tiny = ("--max-operand", 9, "--embedding", 8, "--hidden", 8, "--epochs", 1)
    assert cli("seq2seq", "train", "text2text", *tiny, "--out", "run").code == 0
    assert cli("seq2seq", "evaluate", "run").code == 0
    run = content(Path("run/report.html"))
    assert [group["title"] for group in run["results"]] == ["On the test set", "Answers to 20 held-out queries"]
    facts = dict(run["facts"])
    assert facts["Data"].startswith("arithmetic, 162 (and ")
    assert facts["Symbols"] == "14: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, +, -, blank, *"
    assert "Classes" not in facts
    assert [picture["name"] for picture in run["gallery"]][:2] == [
        "model-evaluation/answers.png",
        "model-evaluation/distances.png",
    ]
    right = next(chart for chart in run["charts"] if chart["title"] == "Right answers")
    assert [line["column"] for line in right["lines"]] == [
        "train_exact_match", "validation_exact_match", "train_character_accuracy", "validation_character_accuracy",
    ]  # fmt: skip


def test_scores_of_several_seeds_are_means() -> None:
    rows = [
        {"what": "samples", "seed": 0, "fid_random_9": 2.0},
        {"what": "samples: 95 % CI low", "fid_random_9": 1.0},
        {"what": "samples: 95 % CI high", "fid_random_9": 3.0},
        {"what": "samples", "seed": 1, "fid_random_9": 4.0},
        {"what": "samples, 2 seeds: mean", "fid_random_9": 3.0},
        {"what": "samples, 2 seeds: sd", "fid_random_9": 1.4},
        {"what": "training images (floor)", "fid_random_9": 0.5},
        {"what": "test images", "images": 30, "psnr": float("inf")},
    ]
    fid, psnr = scores_of(rows)
    assert {name: fid.get(name) for name in ("value", "sd", "low", "floor")} == {
        "value": 3.0, "sd": 1.4, "low": None, "floor": 0.5,
    }  # fmt: skip
    assert psnr["value"] is None


def test_alarms_are_marked(cli: Callable) -> None:
    assert cli("train", "cae", *TINY, "--epochs", 3).code == 0
    folder = Path("runs/cae-digits")
    lines = (folder / "metrics.csv").read_text().splitlines()
    marked = [f"{line},{value}" for line, value in zip(lines, ("alarm_mode_collapse", "", "1", "1"), strict=True)]
    (folder / "metrics.csv").write_text("\n".join(marked) + "\n")
    with (folder / "log.txt").open("a") as log:
        log.write("2026-01-01T00:00:00 alarm in epoch 2: mode collapse: reconstructions vary 3% as much\n")
    assert cli("report", folder).code == 0
    run = content(folder / "report.html")
    assert run["marks"] == [{"name": "mode collapse", "places": [22, 33]}]
    assert run["alarms"] == ["alarm in epoch 2: mode collapse: reconstructions vary 3% as much"]


def test_an_unfinished_run_says_how_to_go_on(cli: Callable) -> None:
    assert cli("train", "cae", *TINY, "--epochs", 2).code == 0
    folder = Path("runs/cae-digits")
    (folder / "result.json").unlink()
    assert cli("report", folder).code == 0
    assert content(folder / "report.html")["state"] == "not finished, 100% done: run the same command again to continue"


def test_several_runs_side_by_side(cli: Callable) -> None:
    for latent in (2, 4):
        options = ("--data", "digits", "--channels", "4,8", "--latent-dim", latent, "--epochs", 1)
        assert cli("train", "cae", *options, "--out", f"{latent}/run").code == 0
    done = cli("report", "2/run", "4/run/model.pt")
    assert (done.code, done.out.strip()) == (0, "comparison.html")
    page = content(Path("comparison.html"))
    assert [run["name"] for run in page["runs"]] == ["2/run", "4/run"]
    refused = cli("report", "2/run", "4/run")
    assert refused.code == 2
    assert "comparison.html: exists; give --overwrite" in refused.err
    assert cli("report", "2/run", "4/run", "--overwrite").code == 0
    assert cli("report", "2/run", "--out", "elsewhere.html").code == 0
    assert content(Path("elsewhere.html"))["title"] == "cae on digits"


def test_a_comparison_has_one_line_for_each_measure(cli: Callable) -> None:
    """Also of runs that do not measure the same: a GAN on images with classes, and one on images without any."""
    np.save("plain on white.npy", np.random.default_rng(0).integers(0, 256, (40, 8, 8), np.uint8))
    for number, data in enumerate(("digits", "plain on white.npy")):
        words = ("--width", 8, "--latent-dim", 4, "--batch-size", 16, "--steps", 4, "--out", number)
        assert cli("train", "gan", "--data", data, *words).code == 0
    assert cli("report", "0", "1").code == 0
    first, second = content(Path("comparison.html"))["runs"]
    assert (second["model"], second["data"]) == ("gan", "plain on white")
    for run in (first, second):
        assert all(line["term"] in line["column"] for chart in run["charts"] for line in chart["lines"])
    variety = [next(chart for chart in run["charts"] if "Variety" in chart["title"]) for run in (first, second)]
    terms = [[line["term"] for line in chart["lines"]] for chart in variety]
    assert terms[0] != terms[1]
    assert set(terms[0]) & set(terms[1])


def test_a_run_of_an_earlier_version(cli: Callable) -> None:
    assert cli("train", "cae", *TINY, "--epochs", 1).code == 0
    folder = Path("runs/cae-digits")
    options = json.loads((folder / "options.json").read_text())
    for name in ("description", "examples", "given", "in_force", "updates", "sha256"):
        del options[name]
    (folder / "options.json").write_text(json.dumps(options))
    environment = json.loads((folder / "environment.json").read_text())
    del environment["parameters"]
    (folder / "environment.json").write_text(json.dumps(environment))
    assert cli("report", folder).code == 0
    run = content(folder / "report.html")
    assert run["given"] == []
    assert {one["flag"]: one["value"] for one in run["defaults"]}["--latent-dim"] == "4"
    assert dict(run["facts"])["Data"] == "digits"


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
    assert content(Path(name) / "report.html")["title"] == "cae on </script><script>alert(1)</script>"


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


@pytest.mark.parametrize("count", [0, 1, 2, 1500, 1501, 20_000])
def test_curves_of_a_long_run_fit(count: int) -> None:
    rows = thinned({"epoch": [float(epoch) for epoch in range(1, count + 1)]})["epoch"]
    assert len(rows) <= 1502
    assert rows == sorted(set(rows))
    assert rows[:1] + rows[-1:] == ([1.0, float(count)] if count else [])
    assert count > 1500 or len(rows) == count


def test_durations() -> None:
    assert [duration(seconds) for seconds in (3.4, 725, 7_500)] == ["3 s", "12 min 5 s", "2 h 5 min"]


def test_bad_input_is_one_line(cli: Callable) -> None:
    Path("empty").mkdir()
    for name in ("empty", "nowhere"):
        done = cli("report", name)
        assert done.code == 4
        assert "not the folder of a run" in done.err
    (Path("empty") / "options.json").write_text("{}")
    assert cli("report", "empty").code == 4
    assert cli("report").code == 2


PROBE = """
<script>
const errors = [];
addEventListener("error", event => errors.push(event.message));
addEventListener("unhandledrejection", event => errors.push(String(event.reason)));
const logged = console.error;
console.error = (...words) => { errors.push(words.join(" ")); logged(...words); };
addEventListener("load", () => setTimeout(() => {
  const found = {errors, scroll: document.documentElement.scrollWidth - document.documentElement.clientWidth};
  const picture = document.querySelector("figure img"), range = document.querySelector("input[type=range]");
  const last = picture.src;
  range.value = 0;
  range.dispatchEvent(new Event("input"));
  found.moved = picture.src !== last;
  found.epoch = picture.alt;
  document.querySelector("button").click();
  found.playing = document.querySelector("button").textContent;
  const chart = document.querySelector(".chart > svg");
  const legend = chart.nextElementSibling.textContent;
  chart.dispatchEvent(new KeyboardEvent("keydown", {key: "Home"}));
  found.keyboard = chart.nextElementSibling.textContent !== legend && chart.querySelector("circle").getAttribute("visibility");
  found.first = chart.nextElementSibling.lastChild.textContent;
  found.along = [...new Set([...document.querySelectorAll(".chart > svg")].map(one => one.getAttribute("aria-label").split(". ")[0].split(" by ")[1]))];
  found.ticks = ticks(-0.61, 0.26, 5);
  found.texts = [[0, 0.0016], [0, 8.2e7], [1, 3, true], [0, 1234.5]].map(([low, high, whole]) => ticks(low, high, 3, whole).map(one => one[1]));
  found.players = [...document.querySelectorAll(".film")].filter(one => getComputedStyle(one).display !== "none").length;
  found.bold = [...document.querySelectorAll("td")].filter(one => one.style.fontWeight === "700").length;
  found.charts = document.querySelectorAll(".chart").length;
  found.folded = [...document.querySelectorAll("details")].map(one => one.open);
  dispatchEvent(new Event("beforeprint"));
  found.printed = [...document.querySelectorAll("details")].map(one => one.open);
  found.sharp = getComputedStyle(picture).imageRendering;
  found.warnings = [...document.querySelectorAll("p.warn")].map(one => one.textContent);
  found.names = [...document.querySelectorAll("img")].every(one => one.alt) && [...document.querySelectorAll("svg[role=img]")].every(one => one.getAttribute("aria-label"));
  document.body.setAttribute("data-found", JSON.stringify(found));
}, 300));
</script>
"""  # noqa: E501


def probed(browser: str, page: Path, width: int) -> dict[str, Any]:
    """What a headless browser says about a page, in which a script moves the slider and presses keys."""
    copy = page.with_name("probe.html")
    copy.write_text(page.read_text(encoding="utf-8").replace("<head>", "<head>" + PROBE, 1), encoding="utf-8")
    command = [
        browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--virtual-time-budget=3000",
        f"--window-size={width},900", "--dump-dom", copy.resolve().as_uri(),
    ]  # fmt: skip
    dumped = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout
    found = re.search(r'data-found="([^"]*)"', dumped)
    assert found, dumped[-500:]
    return json.loads(found[1].replace("&quot;", '"'))  # type: ignore[no-any-return]


@pytest.mark.parametrize("width", [1280, 390])
def test_a_browser_draws_it(cli: Callable, browser: str, width: int) -> None:
    assert cli("train", "vae", *TINY, "--epochs", 3).code == 0
    folder = Path("runs/vae-digits")
    judge = ("--samples", 40, "--features", "random", "--half-samples", 4, "--bound-images", 10)
    assert cli("evaluate", folder, *judge).code == 0
    record = folder / "model-evaluation-digits" / "evaluation.json"
    record.write_text(json.dumps(json.loads(record.read_text()) | {"verdicts": ["collapsed: samples: all alike"]}))
    assert cli("report", folder).code == 0
    page = folder / "report.html"
    found = probed(browser, page, width)
    assert found["errors"] == []
    assert found["scroll"] <= 0
    assert (found["moved"], found["epoch"], found["playing"]) == (True, "Samples after epoch 1", "Pause")
    assert (found["keyboard"], found["first"], found["along"]) == ("visible", "update 1", ["update"])
    assert found["ticks"] == [[-0.6, "-0.6"], [-0.4, "-0.4"], [-0.2, "-0.2"], [0, "0.0"], [0.2, "0.2"]]
    assert found["texts"] == [
        ["0.000", "0.001"], ["0", "50M"], ["1", "2", "3"], ["0", "500", "1,000"],
    ]  # fmt: skip
    assert found["players"] == 2
    assert found["charts"] == len(content(page)["charts"])
    assert (found["folded"], found["printed"]) == ([False, False], [True, True])
    assert found["sharp"] == ("pixelated" if width > 1000 else "auto")  # sharp at its own size, smooth where smaller
    assert found["names"]
    assert found["warnings"] == ["Collapsed: samples: all alike"]


@pytest.mark.parametrize(("width", "epochs", "first"), [(1280, 2, "update 1"), (390, 20, "epoch 0.09091")])
def test_a_browser_draws_a_comparison(cli: Callable, browser: str, width: int, epochs: int, first: str) -> None:
    """Short runs are drawn by update, and beside a longer one by epoch, of which an update is an eleventh."""
    long = "vae_digits_latent_dim_32_beta_0.5_seed_0_run2_of_two"
    for model, length, name in (("cae", 2, "cae"), ("vae", epochs, long)):
        assert cli("train", model, *TINY, "--epochs", length, "--out", name).code == 0
    if epochs == 2:  # what one run does not know is still shown of the other
        (Path("cae") / "metrics.csv").unlink()
    assert cli("report", "cae", long).code == 0
    found = probed(browser, Path("comparison.html"), width)
    assert found["errors"] == []
    assert found["scroll"] <= 0
    assert (found["moved"], found["epoch"]) == (True, "Samples of cae after epoch 1")
    assert (found["keyboard"], found["first"], found["along"]) == ("visible", first, [first.split()[0]])
    assert found["names"]


def test_a_comparison_warns_of_what_is_not_comparable(cli: Callable, browser: str) -> None:
    """Verdicts of the runs, and scores of other feature networks, of which none is the best."""
    assert cli("train", "cae", *TINY, "--epochs", 1, "--out", "one").code == 0
    judge = ("--samples", 40, "--features", "random", "--half-samples", 4)
    assert cli("evaluate", "one", *judge).code == 0
    shutil.copytree("one", "two")
    record = Path("two/model-evaluation-digits/evaluation.json")
    original = Path("one/model-evaluation-digits/evaluation.json")
    original.write_text(json.dumps(json.loads(original.read_text()) | {"verdicts": []}))
    facts = json.loads(record.read_text()) | {"verdicts": ["collapsed: all alike"]}
    for row in facts["rows"]:
        row.update({name: value * 2 for name, value in row.items() if name.startswith("fid")})
    record.write_text(json.dumps(facts))
    assert cli("report", "one", "two").code == 0
    found = probed(browser, Path("comparison.html"), 1280)
    assert (found["errors"], found["players"]) == ([], 0)  # a single picture needs no slider
    assert found["warnings"] == ["two, Evaluation on digits: collapsed: all alike"]
    best = found["bold"]
    assert best > 0
    record.write_text(json.dumps(facts | {"networks": {"random": {"hash": "0" * 16}}}))
    assert cli("report", "one", "two", "--overwrite").code == 0
    found = probed(browser, Path("comparison.html"), 1280)
    assert found["warnings"][1].startswith("Not comparable: these runs were scored with different feature networks")
    assert found["bold"] < best


def test_a_picture_larger_than_a_webp_can_be_is_shown_smaller(tmp_path: Path) -> None:
    path = tmp_path / "tall.png"
    Image.new("L", (30, 20_000), 128).save(path)
    with Image.open(io.BytesIO(_webp(path, lossless=True))) as shown:
        assert shown.size == (15, 10_000)
