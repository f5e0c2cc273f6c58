"""An option that would have no effect is refused, whatever it is combined with, and before anything is computed."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

NAMED = "has no effect on the named data set"
CASES = [
    ("train vae --data digits --tile 8", f"--tile: {NAMED} digits"),
    ("prepare shapes --layout flat", f"--layout: {NAMED} shapes"),
    ("prepare cryptopunks --labels x.csv", f"--labels: {NAMED} cryptopunks"),
    ("prepare a.npy --layout flat", "--layout: only for pictures in a folder or archive; a.npy is not one"),
    ("prepare a.npy --labels x.csv", "--labels: only for pictures in a folder or archive; a.npy is not one"),
    (
        "sample vae RUNS/vae --overwrite",
        "--overwrite: only with --out; a result beside the checkpoint is replaced anyway",
    ),
    ("sample vae RUNS/vae --manifold --dims 2,2", "--dims: --manifold needs two different dimensions, such as 0,5"),
    (
        "sample vae RUNS/vae --traverse --seed 1",
        "--seed: has no effect on a chart of a vae, which is drawn around code 0",
    ),
    ("interpolate vae RUNS/vae --index 1,2 --seed 5", "--seed: has no effect with --index: nothing is random"),
    ("interpolate gan RUNS/gan --latents z.npz --seed 5", "--seed: has no effect with --latents: nothing is random"),
    ("compare RUNS/vae RUNS/gan RUNS/vae/model.pt", "RUNS/vae/model.pt: given twice; give each checkpoint once"),
    (
        "evaluate cgan RUNS/cgan --data shapes",
        "shapes: has the classes arrow, drop, ell, heart, moon; this cgan was trained on digits with the classes "
        "0, 1, 2, 3, 4, …",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("words", "message"), CASES, ids=[words for words, _ in CASES])
def test_an_option_without_effect_is_refused(cli: Callable, runs: Path, words: str, message: str) -> None:
    np.save("a.npy", np.zeros((20, 8, 8), np.uint8))
    refused = cli(*words.replace("RUNS", str(runs)).split())
    assert refused.err.splitlines()[-1] == f"gentool: {message}".replace("RUNS", str(runs))
    assert refused.code in (2, 3)
    assert refused.out == ""
    assert "features of" not in refused.err
    assert "classifier" not in refused.err


def test_a_comparison_is_replaced_only_with_overwrite(cli: Callable, runs: Path) -> None:
    words = ["compare", runs / "gan", "--samples", 40, "--features", "random"]
    assert cli(*words).code == 0
    before = Path("comparison-digits/comparison.md").stat().st_mtime_ns
    refused = cli(*words)
    assert (refused.code, refused.out) == (2, "")
    assert refused.err.endswith("gentool: --out comparison-digits: exists; give --overwrite to replace it\n")
    assert Path("comparison-digits/comparison.md").stat().st_mtime_ns == before
    assert cli(*words, "--overwrite").code == 0
