"""Whatever a file holds ends as one line with a documented exit code, soon and in little memory.

In short form in the default run; `pytest -m attack` tries thousands.
"""

import copy
import gzip
import json
import os
import random
import shutil
import socket
import struct
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from gentool.engine import checkpoint
from tests.attack import hostile
from tests.attack.hostile import ending, gentool
from tests.attack.mutations import flipped, mutated, pictures, plain_values, png_surgery, tensor_values
from tests.conftest import TINY

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
TRAIN = ["train", "vae", "--data", "digits", *TINY["vae"], "--batch-size", 256, "--sample-every", 0]
SEQ2SEQ = ["--max-operand", 9, "--hidden", 8, "--steps", 2]
BATCH = 100


@pytest.fixture(scope="module", autouse=True)
def warm() -> None:
    hostile.warm()


@pytest.fixture(params=[False, pytest.param(True, marks=pytest.mark.attack)], ids=["few", "many"])
def attacked(request: pytest.FixtureRequest) -> bool:
    """Whether everything is tried."""
    return bool(request.param)


@pytest.fixture
def cases(attacked: bool) -> Callable[[int, int], Iterator[random.Random]]:
    """A generator for each case: `many` of them with `-m attack`, else a few."""
    return lambda few, many: (random.Random(number) for number in range(many if attacked else few))


@pytest.fixture(scope="module")
def made(runs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs, prepared sets, codes and a mixture, whole."""
    folder = tmp_path_factory.mktemp("made")
    for name in TINY:
        shutil.copytree(runs / name, folder / name)
    evaluation = folder / "vae/model-evaluation-digits"
    few = ["--features", "random", "--samples", 20, "--half-samples", 0, "--k", 2, "--bound-images", 2]
    for words in (
        ["seq2seq", "train", "text2text", *SEQ2SEQ, "--out", folder / "text2text"],
        ["prepare", "digits", "--out", folder / "set"],
        ["embed", "vae", folder / "vae", "--out", folder / "codes"],
        ["sample", "cae", folder / "cae", "--prior", "gmm", "--components", 2],
        ["evaluate", "vae", folder / "vae", "--out", evaluation, *few],
    ):
        assert gentool(*words, seconds=60).code == 0, words
    return folder


def signed(document: dict[str, object], path: Path) -> bool:
    """Write a checkpoint whose digest is right; whether it can be written."""
    document.pop("sha256", None)
    try:
        document["sha256"] = checkpoint.digest(document)
    except (RuntimeError, NotImplementedError, ValueError, TypeError):  # of values that have none
        document["sha256"] = ""
    try:
        torch.save(document, path)
    except RecursionError:
        return False
    return True


def test_checkpoints(made: Path, tmp_path: Path, cases: Callable[[int, int], Iterator[random.Random]]) -> None:
    names = [*TINY, "text2text"]
    documents = {name: torch.load(made / name / "model.pt", weights_only=True) for name in names}
    path = tmp_path / "model.pt"
    for number, draw in enumerate(cases(36, 1500)):
        name = names[number % len(names)]
        document = mutated(copy.deepcopy(documents[name]), draw, plain_values() + tensor_values())
        if not signed(document, path):
            continue
        if draw.random() < 0.1:
            path.write_bytes(flipped(path.read_bytes(), draw))
        words = ["seq2seq", "solve", path, "1+2"] if name == "text2text" else ["sample", name, path, "-n", 2]
        done = gentool(*words)
        assert not done.faults(), (number, done)
        assert done.code in (0, 4), (number, done)


FILES: dict[str, list[list[object]]] = {
    "vae/options.json": [["report", "vae"], [*TRAIN, "--epochs", 2, "--out", "vae"]],
    "vae/result.json": [["report", "vae"], [*TRAIN, "--epochs", 1, "--out", "vae"]],
    "vae/environment.json": [["report", "vae"]],
    "vae/metrics.csv": [["report", "vae"], [*TRAIN, "--epochs", 2, "--out", "vae"]],
    "vae/state-000000005.pt": [[*TRAIN, "--epochs", 2, "--out", "vae"]],
    "vae/model-evaluation-digits/evaluation.json": [["report", "vae"]],
    "set/dataset.json": [["prepare", "set", "--check"], [*TRAIN, "--steps", 1, "--data", "set", "--out", "new"]],
    "set/images.npy": [["prepare", "set", "--check"]],
    "set/labels.npy": [["prepare", "set", "--check"]],
    "set/order.npy": [["embed", "vae", "vae", "--data", "set", "--out", "new"]],
    "cae/model-gmm-2.npz": [["sample", "cae", "cae", "--prior", "gmm", "--components", 2]],
    "codes/latents.npz": [["interpolate", "vae", "vae", "--latents", "codes/latents.npz", "--steps", 2]],
}


def damaged(path: Path, draw: random.Random) -> bool:
    """Change a file in a way that suits it."""
    content = path.read_bytes()
    if path.suffix == ".pt":
        document = torch.load(path, weights_only=True)
        return signed(mutated(document, draw, plain_values() + tensor_values()), path)
    if path.suffix == ".json" and draw.random() < 0.8:
        path.write_text(json.dumps(mutated(json.loads(content), draw, plain_values())), errors="surrogatepass")
    elif path.suffix == ".json":
        path.write_text(draw.choice(["[" * 100_000, '{"a":' * 5000, "NaN", "null", "1" * 6000, "", "[]", '"x"']))
    elif path.suffix in (".npy", ".npz") and draw.random() < 0.5:
        array = draw.choice([
            np.zeros(3), np.zeros((2, 2), complex), np.array([{}], object), np.zeros((5, 5), order="F"), np.array("a"),
            np.zeros(0), np.full((3, 2), np.nan), np.zeros((2, 8, 8), np.uint8), np.zeros(2, [("a", int)]),
        ])  # fmt: skip
        if path.suffix == ".npy":
            np.save(path, array, allow_pickle=True)
        else:
            arrays = dict(np.load(path))
            np.savez(path, **arrays | {draw.choice(list(arrays)): array})  # type: ignore[arg-type]
    elif path.suffix == ".csv" and draw.random() < 0.5:
        text = content.decode()
        path.write_text(draw.choice([
            text.replace(",", ";").replace(".", ","), "\ufeff" + text, text.replace(",", "\t"), "", '"' + text,
            ",".join(map(str, range(10**6))) + "\n" + ",".join("1" * 10**6), text + "x" * 200_000,
            *(text.replace("1", other) for other in ("nan", "1e999", "1" * 5000, "-1", "\x1b[2J")),
            text.replace("epoch", "e"), text.splitlines()[0],
        ]))  # fmt: skip
    else:
        path.write_bytes(flipped(content, draw))
    return True


def test_files_of_runs_and_sets(
    made: Path, tmp_path: Path, cases: Callable[[int, int], Iterator[random.Random]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    names = list(FILES)
    for number, draw in enumerate(cases(3 * len(names), 1000)):
        name = names[number % len(names)]
        for folder in ("vae", "set", "cae", "codes", "new"):
            shutil.rmtree(folder, ignore_errors=True)
            if folder != "new":
                shutil.copytree(made / folder, folder)
        if damaged(Path(name), draw):
            done = gentool(*draw.choice(FILES[name]))
            assert not done.faults(), (number, name, done)


def rows(count: int) -> list[list[int]]:
    return np.random.default_rng(0).integers(0, 256, (count, 64)).tolist()


TABLES = {
    "pixels.csv": ",".join(["label", *(f"pixel{i}" for i in range(64))])
    + "".join(f"\n{i % 3},{','.join(map(str, row))}" for i, row in enumerate(rows(12))),
    "fer.csv": "emotion,pixels,Usage"
    + "".join(f"\n{i % 3},{' '.join(map(str, row))},Training" for i, row in enumerate(rows(12))),
    "labels.csv": "file_name,label,split" + "".join(f"\n{i}.png,{i % 3},train" for i in range(12)),
    "labels.jsonl": "\n".join(json.dumps({"file_name": f"{i}.png", "label": i % 3}) for i in range(12)),
    "labels.json": json.dumps({"labels": [[f"{i}.png", i % 3] for i in range(12)]}),
}
CELLS = (
    "", "nan", "inf", "-1", "1e999", "x", "256", "1e308", "\x1b[2J", '"', "label", "pixels", "9" * 400, "é", "0x10",
    "pixel99999999999999999999", "1 2 3", "../../x",
)  # fmt: skip


def hostile_table(text: str, draw: random.Random) -> bytes:
    """A table in other forms, with other cells, or with damaged bytes."""
    kind = draw.random()
    if kind < 0.4:
        cells = [line.split(",") for line in text.splitlines()]
        for _ in range(draw.randint(1, 3)):
            line = draw.choice([cells[0], draw.choice(cells)])
            line[draw.randrange(len(line))] = draw.choice(CELLS)
        return "\n".join(map(",".join, cells)).encode()
    if kind < 0.6:
        more = [text.replace(",", ";"), "\ufeff" + text, "", text.splitlines()[0], "\n" * 50, "[" * 100_000, "null"]
        more += ["1," * 10**6, text + "x" * 10**7, '"' * 10**5, ",".join("a" * 10**5), "sep=;\n" + text]
        return draw.choice(more).encode()
    return draw.choice([text.encode("utf-16"), b"\0" * 1000, *[flipped(text.encode(), draw)] * 4])


def drawn(folder: Path) -> list[Path]:
    """Twelve pictures."""
    folder.mkdir()
    for number, row in enumerate(rows(12)):
        Image.fromarray(np.array(row, np.uint8).reshape(8, 8)).save(folder / f"{number}.png")
    return sorted(folder.iterdir())


def test_tables(tmp_path: Path, cases: Callable[[int, int], Iterator[random.Random]]) -> None:
    drawn(tmp_path / "images")
    names = list(TABLES)
    for number, draw in enumerate(cases(5 * len(names), 1000)):
        path = tmp_path / names[number % len(names)]
        path.write_bytes(hostile_table(TABLES[path.name], draw))
        beside = path.stem == "labels"
        words = ["prepare", tmp_path / "images", "--labels", path] if beside else ["prepare", path]
        done = gentool(*words, "--check")
        assert not done.faults(), (number, path.name, done)
        assert done.code in (0, 2, 3), (number, path.name, done)


def test_archives_and_arrays(tmp_path: Path, cases: Callable[[int, int], Iterator[random.Random]]) -> None:
    files = drawn(tmp_path / "images")
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for file in files:
            archive.write(file, file.name)
    for mode in ("", "gz", "xz"):
        with tarfile.open(tmp_path / f"a.tar{mode}", f"w:{mode}") as tar:  # type: ignore[call-overload]
            for file in files:
                tar.add(file, "d" * 120 + f"/{file.name}")
    images = np.array(rows(12), np.uint8).reshape(12, 8, 8)
    np.save(tmp_path / "a.npy", images)
    np.savez(tmp_path / "a.npz", images=images, labels=np.arange(12) % 3)
    (tmp_path / "idx").mkdir()
    idx = "idx/train-images-idx3-ubyte.gz"
    (tmp_path / idx).write_bytes(gzip.compress(struct.pack(">I3I", 0x803, 12, 8, 8) + images.tobytes()))
    names = ["a.zip", "a.tar", "a.targz", "a.tarxz", "a.npy", "a.npz", idx]
    parquet = pytest.importorskip("pyarrow.parquet")
    table = {"image": [{"bytes": file.read_bytes()} for file in files], "label": list(range(12))}
    parquet.write_table(__import__("pyarrow").table(table), tmp_path / "a.parquet")
    whole = {name: (tmp_path / name).read_bytes() for name in [*names, "a.parquet"]}
    for number, draw in enumerate(cases(3 * len(whole), 1500)):
        name = list(whole)[number % len(whole)]
        (tmp_path / name).write_bytes(flipped(whole[name], draw))
        done = gentool("prepare", (tmp_path / name).parent if name == idx else tmp_path / name, "--check")
        assert not done.faults(), (number, name, done)
        assert done.code in (0, 3), (number, name, done)


CONFIG = 'steps = 1\nlr = 0.001\narch = "mlp"\nhidden = [8, 8]\nlatent_dim = 4\nema = 0.9\ndata = "digits"\nbeta = 1.5'
VALUES = (
    "nan", "inf", "-1", "0", "1e308", "10000000000000000000000000", "1979-05-27", "07:32:00", "[]", "[[1]]", "{}",
    "{a=1}", '"x"', "true", '""', '[1,"a"]', '"\\u0000"', "1" * 5000, "[nan]", '"\\u001b[2J"', "'''a\nb'''", "0x10",
    "[" * 3000 + "]" * 3000, '"' + "x" * 100_000 + '"',
)  # fmt: skip
WHOLE = (
    b"\xff\xfe" + CONFIG.encode("utf-16-le"), b"\xef\xbb\xbf" + CONFIG.encode(), b"[train]\nepochs=1", b"[[x]]\n",
    b"steps=1\nsteps=2", b"steps.a=1", b"a-b=1", b'""=1', b'"x y"=1', b"perplexity=3", b"x = '\xe9'", b"=",
    b"\0" * 100, b"x" * 1000 + b"=1", b"a." * 2000 + b"b=1", b"batch-size=8\nbatch_size=9",
)  # fmt: skip


def test_configurations(
    tmp_path: Path, cases: Callable[[int, int], Iterator[random.Random]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for number, draw in enumerate(cases(24, 1000)):
        lines = CONFIG.splitlines()
        place = draw.randrange(1, len(lines))
        lines[place] = f"{lines[place].split(' =')[0]} = {draw.choice(VALUES)}"
        choices = ["\n".join(lines).encode(), draw.choice(WHOLE), flipped(CONFIG.encode(), draw)]
        Path("c.toml").write_bytes(choices[number % 3])
        # A damaged file may ask for a long training, which one of these options prevents.
        done = gentool("train", "vae", "--config", "c.toml", "--out", "run", "--overwrite", "--steps", 1)
        assert not done.faults(), (number, done)
        assert done.code in (0, 1, 2, 3), (number, done)


def test_pictures(cases: Callable[[int, int], Iterator[random.Random]]) -> None:
    from gentool.data.decode import Unreadable, pillow_warnings, read_picture, transparent

    whole = pictures()

    def hostile_picture(draw: random.Random) -> bytes:
        name = draw.choice(list(whole))
        kind = draw.random()
        if name.startswith("PNG") and kind < 0.6:
            return png_surgery(whole[name], draw)
        if kind < 0.1:
            place = draw.randrange(1, 40)
            return whole[name][:place] + draw.choice(list(whole.values()))[place:]
        return flipped(whole[name], draw)

    def read(draws: list[random.Random]) -> int:
        for draw in draws:
            content = hostile_picture(draw)
            with pillow_warnings():
                try:
                    settings = {"channels": draw.choice([None, 1, 3, 4]), "enough": draw.choice([None, 8])}
                    pixels = read_picture(content, (255, 255, 255), **settings).pixels
                    assert pixels.dtype == np.uint8
                    assert pixels.ndim == 3
                    transparent(content)
                except Unreadable as error:
                    print(str(error).encode("ascii", "backslashreplace").decode().replace("\n", "\0"))  # a fault
        return 0

    draws = list(cases(3 * BATCH, 10_000))
    for start in range(0, len(draws), BATCH):
        done = ending(lambda start=start: read(draws[start : start + BATCH]), seconds=20)  # type: ignore[misc]
        assert not done.faults(), (start, done)


NUMBERS = ("-1", "nan", "inf", "1e308", "1" + "0" * 18, "1" + "0" * 30)
COMMANDS: list[tuple[list[object], list[str]]] = [
    ([*TRAIN, "--steps", 1, "--out", "new"], ["batch-size", "lr", "latent-dim", "hidden", "kl-warmup", "seed", "zoom"]),
    (["train", "cae", "--data", "digits", "--steps", 1, "--out", "new"], ["channels", "kernel-size", "ema"]),
    (["train", "gan", "--data", "digits", "--out", "new"], ["steps", "width", "r1", "sample-every"]),
    (["seq2seq", "train", "text2text", "--steps", 1, "--out", "new"], ["max-operand", "hidden", "clip", "embedding"]),
    (["sample", "vae", "vae"], ["count", "rows", "seed", "palette"]),
    (["sample", "vae", "vae", "--traverse"], ["dims", "along"]),
    (["interpolate", "vae", "vae", "--gif"], ["steps", "frames", "fps", "rows", "index"]),
    (["embed", "vae", "vae"], ["points", "gmm"]),
    (["prepare", "digits", "--out", "new"], ["size", "tile", "background", "validation", "test"]),
    (["prepare", "shapes", "--out", "new"], ["count"]),
    (["evaluate", "vae", "vae", "--features", "random"], ["samples", "k", "bound-images", "half-samples", "seeds"]),
]


@pytest.mark.parametrize(("words", "names"), COMMANDS, ids=lambda value: " ".join(map(str, value[:2])))
def test_absurd_numbers(
    attacked: bool,
    made: Path,
    tmp_path: Path,
    words: list[object],
    names: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(made / "vae", "vae")
    for place, name in enumerate(names):
        for number in NUMBERS if attacked else (NUMBERS[place % len(NUMBERS)], NUMBERS[-1]):
            at = words.index(f"--{name}") if f"--{name}" in words else len(words)
            done = gentool(*words[:at], *words[at + 2 :], f"--{name}", number)
            assert not done.faults(), (name, number, done)
            assert done.code == 2, (name, number, done)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([*TRAIN, "--hidden", "300000,300000"], "out of memory: training 180,0"),
        (["train", "cae", "--data", "digits", "--channels", "99999,99999999"], "out of memory: "),
        (
            ["seq2seq", "train", "text2text", "--max-operand", 9999, "--operators", "+-*"],
            "out of memory: 300,000,000 q",
        ),
        (["sample", "vae", "vae", "--count", 100_000], "out of memory: 100,000 images would take at least "),
        (["sample", "vae", "vae", "--count", 5_000], "out of memory: a picture of 4,686 x "),
        (
            ["interpolate", "vae", "vae", "--gif", "--frames", 10_000, "--out", "w.png"],
            "out of memory: a film of 50,000",
        ),
    ],
    ids=["hidden", "channels", "max-operand", "count", "picture", "film"],
)
def test_sizes_are_estimated_before_memory_is_taken(
    made: Path, tmp_path: Path, words: list[object], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("gentool.memory.free_memory", lambda: 26 * 10**6)
    shutil.copytree(made / "vae", "vae")
    done = gentool(*words)
    assert not done.faults()
    assert done.code == 1
    assert said in done.text
    assert {path.name for path in tmp_path.iterdir()} <= {"vae", "w.png"}


def special(kind: str, path: Path) -> None:
    """A file that is none, or another than its name says."""
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as made:
            here = os.getcwd()
            os.chdir(path.parent)  # the path of a socket must be short
            made.bind(path.name)
            os.chdir(here)
    elif kind == "folder":
        path.mkdir()
    elif kind == "eps":
        Image.new("RGB", (4, 4)).save(path, "EPS")
    else:
        path.symlink_to({"zero": "/dev/zero", "loop": path, "nothing": "absent"}[kind])


PLACES: dict[str, tuple[str, list[object]]] = {
    "data": ("x.png", ["prepare", "x.png", "--tile", 8]),
    "table": ("x.csv", ["prepare", "x.csv"]),
    "labels": ("x.csv", ["prepare", "images", "--labels", "x.csv"]),
    "checkpoint": ("x.pt", ["sample", "vae", "x.pt"]),
    "config": ("x.toml", ["sample", "vae", "vae", "--config", "x.toml"]),
    "pictures": ("x.png", ["interpolate", "vae", "vae", "x.png", "images/1.png"]),
    "codes": ("x.npz", ["interpolate", "vae", "vae", "--latents", "x.npz"]),
    "weights": ("x.pth", ["evaluate", "vae", "vae", "--features", "inception", "--weights", "x.pth"]),
    "report": ("vae/samples/epoch-0002.png", ["report", "vae"]),
    "a film": ("vae/samples/epoch-0001.png", [*TRAIN, "--epochs", 1, "--gif", "--out", "vae"]),
    "options": ("vae/options.json", ["report", "vae"]),
    "log": ("vae/log.txt", [*TRAIN, "--epochs", 2, "--out", "vae"]),
    "description": ("images/dataset.json", ["prepare", "images/dataset.json"]),
}
ATTACK = pytest.mark.attack


@pytest.mark.parametrize(
    "kind",
    ["pipe", "zero", *(pytest.param(kind, marks=ATTACK) for kind in ("loop", "nothing", "socket", "folder", "eps"))],
)
@pytest.mark.parametrize("place", PLACES)
def test_files_that_are_none(
    made: Path, tmp_path: Path, place: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(made / "vae", "vae")
    drawn(tmp_path / "images")
    name, words = PLACES[place]
    Path(name).unlink(missing_ok=True)
    special(kind, tmp_path / name)
    done = gentool(*words, seconds=3)
    assert not done.faults(), done
    assert done.seconds < 18, "it waited"
    assert done.code or (place, kind) == ("log", "eps"), done
    assert not done.code or done.text.count("\n") == 1, done
