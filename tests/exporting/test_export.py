"""`gentool export`: every model in every format, checked against PyTorch; hub folders that are read back."""

import io
import json
import re
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import gentool
from gentool.engine import checkpoint, hub
from gentool.errors import GentoolError
from gentool.exporting import export as exporting
from gentool.exporting import formats

pytest.importorskip("onnx", reason="needs pip install onnx")
pytest.importorskip("onnxscript", reason="needs pip install onnxscript")
ort = pytest.importorskip("onnxruntime", reason="needs pip install onnxruntime")
pytest.importorskip("safetensors", reason="needs pip install safetensors")

pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit", "ignore:.*_check_is_size")
UNREADABLE = "not a readable checkpoint (damaged, or another tool's)"
UNEQUAL = "damaged: config.json and it do not match its SHA-256"
MODELS = ("cae", "vae", "cvae", "lstm-ae", "gan", "cgan", "flow")
ALL = "onnx,torchscript,torch.export,safetensors"
BATCHES = (1, 2, 7)


@pytest.fixture(scope="module")
def exports(runs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every model in every format, in a folder each."""
    from gentool.cli.app import run

    folder = tmp_path_factory.mktemp("exports")
    for model in MODELS:
        steps = ["--sample-steps", "1"] if model == "flow" else []  # each is written out
        assert run(["export", str(runs / model), "--format", ALL, "--out", str(folder / model), "--quiet", *steps]) == 0
    return folder


@pytest.fixture
def folder(exports: Path, tmp_path: Path) -> Path:
    """A copy of the VAE's, to be damaged."""
    shutil.copytree(exports / "vae", tmp_path / "hub")
    return Path("hub")


def config(folder: Path) -> dict[str, Any]:
    known: dict[str, Any] = json.loads((folder / "config.json").read_text())
    return known


def change(folder: Path, **entries: Any) -> None:
    (folder / "config.json").write_text(json.dumps(config(folder) | entries))


@pytest.mark.parametrize("name", MODELS)
def test_files_compute_what_the_model_does(exports: Path, runs: Path, name: str) -> None:
    model, folder = gentool.load(runs / name, device="cpu"), exports / name
    generator = torch.Generator().manual_seed(1)
    if name == "flow":
        model = model.with_sampling(sample_steps=1)
    for count in BATCHES:
        z = torch.randn(count, model.latent_dim, generator=generator)
        labels = torch.randint(10, (count,), generator=generator) if model.is_conditional else None
        given = {"z": z} if labels is None else {"z": z, "labels": labels}
        compare(folder, "decoder", given, model.decode(z, labels))
        if model.encodes:
            x = torch.rand(count, *model.shape, generator=generator)
            compare(
                folder,
                "encoder",
                {"images": x} | ({} if labels is None else {"labels": labels}),
                model.encode(x, labels),
            )
    assert (folder / "encoder.onnx").exists() == model.encodes


def compare(folder: Path, part: str, given: dict[str, torch.Tensor], expected: torch.Tensor) -> None:
    session = ort.InferenceSession(folder / f"{part}.onnx", providers=["CPUExecutionProvider"])
    (got,) = session.run(None, {name: tensor.numpy() for name, tensor in given.items()})
    others = [
        torch.jit.load(folder / f"{part}.torchscript")(*given.values()),
        torch.export.load(folder / f"{part}.pt2").module()(*given.values()),
    ]
    for result in (torch.from_numpy(got), *others):
        assert result.shape == expected.shape
        assert (result - expected).abs().max() <= 1e-4


@pytest.mark.parametrize("name", MODELS)
def test_a_hub_folder_is_the_model(cli: Callable, exports: Path, runs: Path, name: str) -> None:
    first, second = gentool.load(runs / name, device="cpu"), gentool.load(exports / name, device="cpu")
    assert first.header == second.header
    assert checkpoint.digest(dict(first.network.state_dict())) == checkpoint.digest(dict(second.network.state_dict()))
    assert cli("sample", name, runs / name, "--out", "a.png").code == 0
    assert cli("sample", exports / name, "--out", "b.png").code == 0
    assert Path("a.png").read_bytes() == Path("b.png").read_bytes()


def test_what_a_file_says_of_itself(exports: Path) -> None:
    session = ort.InferenceSession(exports / "cgan" / "decoder.onnx", providers=["CPUExecutionProvider"])
    assert [(one.name, one.shape, one.type) for one in session.get_inputs()] == [
        ("z", ["batch", 8], "tensor(float)"), ("labels", ["batch"], "tensor(int64)"),
    ]  # fmt: skip
    assert [(one.name, one.shape) for one in session.get_outputs()] == [("images", ["batch", 1, 8, 8])]
    notes = session.get_modelmeta().custom_metadata_map
    assert (notes["model"], notes["data"], json.loads(notes["classes"])) == ("cgan", "digits", list("0123456789"))
    assert json.loads(notes["prior"])["distribution"] == "normal"
    known = config(exports / "cgan")
    assert json.loads(notes["inputs"]) == known["files"]["decoder.onnx"]["inputs"]
    assert notes["weights"] == known["weights"]
    extra = {"config.json": ""}
    torch.jit.load(exports / "cgan" / "decoder.torchscript", _extra_files=extra)
    assert json.loads(extra["config.json"])["inputs"] == json.loads(notes["inputs"])
    torch.export.load(exports / "cgan" / "decoder.pt2", extra_files=extra)
    assert json.loads(extra["config.json"])["part"] == "decoder"


@pytest.mark.parametrize("name", MODELS)
def test_files_hold_one_part_and_no_folder_of_this_machine(exports: Path, name: str) -> None:
    homes = [str(Path(module.__file__).parents[1]).encode() for module in (gentool, torch)]
    for path in (exports / name).iterdir():
        assert not any(home in path.read_bytes() for home in homes), path
    if name == "cae":
        whole = (exports / name / "model.safetensors").stat().st_size
        weights = ort.InferenceSession(exports / name / "decoder.onnx", providers=["CPUExecutionProvider"])
        assert weights
        assert (exports / name / "decoder.onnx").stat().st_size < whole + 3000


def test_the_card(exports: Path, runs: Path, cli: Callable) -> None:
    text = (exports / "cgan" / "README.md").read_text()
    assert text.startswith("---\nlibrary_name: gentool\ntags:\n- gentool\n- cgan\n---\n\n# cgan trained on `digits`\n")
    assert "CC BY 4.0" in text
    assert 'gentool.load(".")' in text
    assert "0 `0`, 1 `1`" in text
    assert "- `width`: `16`" in text
    assert "pipeline_tag: unconditional-image-generation\n" in (exports / "gan" / "README.md").read_text()
    done = cli("export", runs / "gan", "--format", "safetensors", "--license", "cc-by-4.0", "--out", "licensed")
    assert done.code == 0, done.err
    assert "\nlicense: cc-by-4.0\n" in Path("licensed/README.md").read_text()


def test_the_card_has_the_scores_of_these_weights(cli: Callable, runs: Path) -> None:
    shutil.copytree(runs / "gan", "run")
    words = ("--samples", 40, "--features", "random", "--half-samples", 0)
    assert cli("evaluate", "run", *words).code == 0
    assert "fid_random_40" in gentool.export("run", format="safetensors").card
    record = Path("run/model-evaluation-digits/evaluation.json")
    record.write_text(record.read_text().replace('"weights": "', '"weights": "0'))
    assert "fid_random_40" not in gentool.export("run", format="safetensors").card


@pytest.mark.parametrize("prior", ["mixture", "vamp"])
def test_a_learnt_prior_is_exported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prior: str) -> None:
    """`prior.json` has the components, and the card's own code draws codes from them."""
    options = {"arch": "mlp", "hidden": 16, "latent_dim": 4, "steps": 20, "device": "cpu"}
    model = gentool.train("vae", "digits", prior=prior, components=6, **options)
    folder = gentool.export(model, format=tuple(ALL.split(","))).save(tmp_path / "exported")
    assert model.prior is not None
    written = json.loads((folder / "prior.json").read_text())
    log_weights, means, logvars = model.prior.mixture
    assert written["weights"] == pytest.approx(log_weights.exp().tolist(), rel=1e-5)
    assert torch.equal(torch.tensor(written["means"]), means)
    assert torch.equal(torch.tensor(written["standard_deviations"]), (0.5 * logvars).exp())
    assert config(folder)["prior"] == {"distribution": "mixture of normals", "components": 6, "file": "prior.json"}
    session = ort.InferenceSession(folder / "decoder.onnx", providers=["CPUExecutionProvider"])
    assert json.loads(session.get_modelmeta().custom_metadata_map["prior"])["file"] == "prior.json"
    text = (folder / "README.md").read_text()
    assert "drawn from the prior that the model has learnt, a mixture of 6 Gaussians with diagonal" in text
    assert "not trained to generate" not in text
    monkeypatch.chdir(folder)
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len(blocks) == 4
    for block in blocks:
        names: dict[str, Any] = {}
        exec(block, names)
        images = torch.as_tensor(names["images"])
        assert images.shape == (25, 1, 8, 8)
        if "z" in names:
            assert (images - model.decode(names["z"])).abs().max() < 1e-4
    again = gentool.load(folder, device="cpu")
    assert torch.equal(again.sample(5), model.sample(5))
    # Another export into the same folder leaves no prior of this one.
    gentool.export(gentool.train("vae", "digits", **options), format="torchscript").save(folder)
    assert not (folder / "prior.json").exists()


@pytest.mark.parametrize(
    ("name", "network"),
    [
        ("vae", {"arch": "mlp", "hidden": 16, "activation": "glu"}),
        ("vae", {"channels": (4, 8), "activation": "glu", "blocks": 1}),
        ("cvae", {"arch": "mlp", "hidden": 16}),
    ],
)
def test_the_decoder_of_a_flow_prior_takes_noise(tmp_path: Path, name: str, network: dict[str, Any]) -> None:
    model = gentool.train(name, "digits", prior="flow", latent_dim=5, epochs=8, device="cpu", **network)
    folder = gentool.export(model, format=tuple(ALL.split(","))).save(tmp_path / "exported")
    assert config(folder)["prior"] == {"distribution": "normal", "mean": 0, "standard_deviation": 1}
    z = model.draw_codes(9)
    labels = torch.arange(9) if model.is_conditional else None
    classes = {} if labels is None else {"labels": labels.numpy()}
    decoder, encoder = (ort.InferenceSession(folder / f"{name}.onnx") for name in ("decoder", "encoder"))
    images = decoder.run(None, {"z": z.numpy()} | classes)[0]
    torch.testing.assert_close(torch.from_numpy(images), model.decode(z, labels), rtol=0, atol=1e-4)
    codes = encoder.run(None, {"images": images} | classes)[0]
    expected = model.encode(model.decode(z, labels), labels)
    torch.testing.assert_close(torch.from_numpy(codes), expected, rtol=0, atol=1e-3)
    assert torch.equal(gentool.load(folder, device="cpu").sample(5), model.sample(5))


def test_python(runs: Path, tmp_path: Path) -> None:
    exported = gentool.export(gentool.load(runs / "cae", device="cpu"), format=("onnx", "safetensors"))
    assert list(exported.files) == ["decoder.onnx", "encoder.onnx", "model.safetensors"]
    assert max(exported.differences.values()) <= 1e-4
    assert repr(exported) == "<export of a cae: decoder.onnx, encoder.onnx, model.safetensors>"
    model = gentool.load(exported.save(tmp_path / "a" / "b"), device="cpu")
    assert model.sample(2).shape == (2, 1, 8, 8)
    with pytest.raises(gentool.OptionError, match=r"--format: 'onyx': choose from onnx, .* Did you mean 'onnx'"):
        gentool.export(model, format="onyx")
    with pytest.raises(gentool.OptionError, match="expected a licence identifier of the Hugging Face hub"):
        gentool.export(model, license="my own: ask me")


def test_where_files_go_and_what_is_said(cli: Callable, runs: Path) -> None:
    shutil.copytree(runs / "gan", "my run")
    done = cli("export", "my run")
    assert (done.code, done.out) == (0, "my run/model-export-onnx\n"), done.err
    lines = done.err.splitlines()
    assert re.fullmatch(r"my run/model-export-onnx: decoder.onnx \d+ kB", lines[0])
    assert lines[1].startswith("my run/model-export-onnx: differs from PyTorch by at most ")
    assert len(lines) == 2
    assert {path.name for path in Path("my run/model-export-onnx").iterdir()} == {
        "decoder.onnx", "config.json", "README.md", "samples.png",
    }  # fmt: skip
    done = cli("export", "gan", "my run/model.pt", "--json", "--quiet", "--format", "torch.export")
    assert (done.code, done.err) == (0, "")
    record = json.loads(done.out)
    assert (record["event"], record["folder"]) == ("done", "my run/model-export-torch.export")
    assert record["differences"].keys() == record["files"].keys() == {"decoder.pt2"}


def test_the_layout_of_the_hub(cli: Callable, runs: Path) -> None:
    done = cli("export", runs / "gan", "--hub-folder", "hub")
    assert (done.code, done.out) == (0, "hub\n"), done.err
    own = {"config.json", "README.md", "samples.png", "model.safetensors"}
    assert {path.name for path in Path("hub").iterdir()} == own
    refused = cli("export", "hub", "--hub-folder", "hub", "--overwrite")
    assert (refused.code, refused.err) == (2, "gentool: hub: holds the checkpoint itself; choose another folder\n")
    refused = cli("export", runs / "gan", "--hub-folder", "hub")
    assert (refused.code, refused.err) == (2, "gentool: --hub-folder hub: exists; give --overwrite to replace it\n")
    Path("hub/mine.txt").touch()
    words = ("--hub-folder", "hub", "--overwrite", "--format", "TorchScript")
    assert cli("export", runs / "gan", *words).code == 0
    assert {path.name for path in Path("hub").iterdir()} == own | {"decoder.torchscript", "mine.txt"}
    assert cli("export", runs / "gan", "--hub-folder", "hub", "--overwrite").code == 0
    assert {path.name for path in Path("hub").iterdir()} == own | {"mine.txt"}


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--format", "pickle"], 2, "--format: 'pickle': choose from onnx, torchscript, torch.export, safetensors."),
        (["--out", "mine"], 2, "--out mine: not empty, and not written by this command; choose another folder"),
        (["--hub-folder", "mine"], 2, "--hub-folder mine: not empty, and not written by this command"),
        (["--out", "a.txt"], 2, "--out a.txt: is a file; give a folder"),
        (["--out", "a", "--hub-folder", "b"], 2, "--hub-folder: has no effect with --out"),
        (["--overwrite"], 2, "--overwrite: only with --out"),
        (["--license", "a: b"], 2, "--license: 'a: b': expected a licence identifier of the Hugging Face hub"),
        (["a.txt"], 2, "unexpected argument: a.txt"),
    ],
)
def test_mistakes(cli: Callable, runs: Path, words: list[str], code: int, message: str) -> None:
    Path("mine").mkdir()
    Path("mine/thesis.md").touch()
    Path("a.txt").touch()
    done = cli("export", runs / "vae", *words)
    assert (done.code, done.out) == (code, "")
    assert done.err.startswith(f"gentool: {message}"), done.err
    assert done.err.count("\n") == 1
    assert sorted(path.name for path in Path().rglob("*")) == ["a.txt", "mine", "thesis.md"]


def test_networks_of_seq2seq_are_refused(cli: Callable) -> None:
    words = ("--max-operand", 9, "--hidden", 8, "--embedding", 8, "--steps", 2, "--device", "cpu", "--out", "sums")
    assert cli("seq2seq", "train", "text2text", *words).code == 0
    done = cli("export", "sums")
    assert (done.code, done.err) == (
        4,
        "gentool: sums: holds a seq2seq model (text2text); only image models can be exported\n",
    )


def test_missing_packages_are_named(cli: Callable, folder: Path, runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    find = formats.find_spec

    def hidden(name: str) -> Any:
        return None if name in ("onnx", "onnxruntime", "onnxscript", "safetensors") else find(name)

    monkeypatch.setattr(formats, "find_spec", hidden)
    monkeypatch.setattr(hub, "find_spec", hidden)
    done = cli("export", runs / "vae")
    what = "--format onnx: its packages are not installed: pip install onnx onnxruntime onnxscript"
    assert (done.code, done.err) == (2, f"gentool: {what}\n")
    done = cli("export", runs / "vae", "--hub-folder", "other")
    what = "--format safetensors: its packages are not installed: pip install safetensors"
    assert (done.code, done.err) == (2, f"gentool: {what}\n")
    assert not Path("other").exists()
    assert cli("export", runs / "gan", "--format", "torchscript", "--out", "scripted").code == 0
    done = cli("sample", folder)
    assert (done.code, done.err) == (4, f"gentool: {folder}/model.safetensors: needs another package: pip install "
                                        "safetensors\n")  # fmt: skip


def test_a_file_that_computes_something_else_is_not_written(
    cli: Callable, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = formats.FORMATS["torchscript"]
    wrong = formats.Format(
        right.suffix, (), right.write, lambda content, part: lambda given: part.model(**given) + 2e-4
    )
    monkeypatch.setitem(formats.FORMATS, "torchscript", wrong)
    done = cli("export", runs / "vae", "--format", "torchscript", "--out", "wrong")
    assert done.code == 1
    assert "decoder.torchscript: differs from PyTorch by 0.0002, but only 0.0001 is allowed; nothing was" in done.err
    assert not Path("wrong").exists()
    none = formats.Format(right.suffix, (), right.write, lambda content, part: lambda given: torch.zeros(2, 3))
    monkeypatch.setitem(formats.FORMATS, "torchscript", none)
    with pytest.raises(GentoolError, match=r"returns \(2, 3\) for 1 rows where PyTorch returns \(1, 1, 8, 8\)"):
        gentool.export(runs / "vae", format="torchscript")
    monkeypatch.setattr(exporting, "TOLERANCE", float("nan"))
    with pytest.raises(GentoolError, match="is allowed; nothing was written"):
        gentool.export(runs / "vae", format="torch.export")


def test_one_onnx_file_has_two_gigabytes_at_most(cli: Callable, runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formats, "LARGEST_ONNX", 1000)
    done = cli("export", runs / "vae", "--out", "large")
    assert (done.code, done.err.startswith("gentool: --format onnx: 0.0 GiB of weights")) == (2, True), done.err
    assert not Path("large").exists()


def test_info(cli: Callable, exports: Path, runs: Path) -> None:
    found = json.loads(cli("info", exports / "vae", "--json").out)
    assert (found["kind"], found["model"], found["images"]) == ("hub folder", "vae", "8x8 grey")
    assert found["files"][:3] == ["decoder.onnx", "decoder.pt2", "decoder.torchscript"]
    assert json.loads(cli("info", exports / "vae" / "model.safetensors", "--json").out)["weights"] == found["weights"]
    assert cli("export", runs / "gan", "--out", "onnx").code == 0
    assert json.loads(cli("info", "onnx", "--json").out)["kind"] == "results of export"
    done = cli("sample", "onnx")
    assert (done.code, done.err) == (
        4, "gentool: onnx: has no model.safetensors; export with --format safetensors to read it back\n",
    )  # fmt: skip


# Damage.


def header_of(weights: Path) -> tuple[dict[str, Any], bytes]:
    content = weights.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    return json.loads(content[8 : 8 + length]), content[8 + length :]


def with_header(weights: Path, header: dict[str, Any], rest: bytes) -> None:
    text = json.dumps(header).encode()
    weights.write_bytes(struct.pack("<Q", len(text)) + text + rest)


def flipped(folder: Path) -> None:
    content = bytearray((folder / "model.safetensors").read_bytes())
    content[-5] ^= 1
    (folder / "model.safetensors").write_bytes(content)


def cut(folder: Path) -> None:
    content = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(content[:-100])


def huge_header(folder: Path) -> None:
    content = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", 2**62) + content[8:])


def absurd_tensor(folder: Path) -> None:
    header, rest = header_of(folder / "model.safetensors")
    name = next(name for name in header if name != "__metadata__")
    header[name]["shape"] = [2**40, 2**40]
    with_header(folder / "model.safetensors", header, rest)


def unknown_type(folder: Path) -> None:
    header, rest = header_of(folder / "model.safetensors")
    header[next(name for name in header if name != "__metadata__")]["dtype"] = "PICKLE"
    with_header(folder / "model.safetensors", header, rest)


def other_weights(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(hub.packed({"w": torch.zeros(3)}))


def pickled(folder: Path) -> None:
    file = io.BytesIO()
    torch.save({"weights": {}}, file)
    (folder / "model.safetensors").write_bytes(file.getvalue())


def signed(folder: Path, **entries: Any) -> None:
    """Other entries with the SHA-256 that fits: made by hand."""
    from safetensors.torch import load

    known = {name: value for name, value in config(folder).items() if name in hub.ENTRIES and name != "sha256"}
    known |= entries
    content = {"weights": load((folder / "model.safetensors").read_bytes())}
    change(folder, **entries, sha256=checkpoint.digest(known | {"content": content}))


def absurd_options(folder: Path) -> None:
    signed(folder, options=config(folder)["options"] | {"hidden": "900000000,900000000"})


def absurd_shape(folder: Path) -> None:
    signed(folder, shape=[4, 10**9, 10**9])


def unlike_options(folder: Path) -> None:
    signed(folder, options=config(folder)["options"] | {"latent_dim": 4000})


@pytest.mark.parametrize(
    ("damage", "where", "message"),
    [
        (flipped, "model.safetensors", UNEQUAL),
        (cut, "model.safetensors", UNREADABLE),
        (huge_header, "model.safetensors", UNREADABLE),
        (absurd_tensor, "model.safetensors", UNREADABLE),
        (unknown_type, "model.safetensors", UNREADABLE),
        (other_weights, "model.safetensors", UNEQUAL),
        (pickled, "model.safetensors", UNREADABLE),
        (absurd_options, "model.safetensors", "its weights do not fit its options"),
        (absurd_shape, "model.safetensors", "lacks what a checkpoint of format 1 has (shape is 4x1000000000x"),
        (unlike_options, "model.safetensors", "its weights do not fit its options"),
        (lambda folder: change(folder, format=9), "model.safetensors", "format 9 is newer than this gentool"),
        (lambda folder: change(folder, kind="state"), "model.safetensors", UNEQUAL),
        (lambda folder: change(folder, classes=["x"]), "model.safetensors", UNEQUAL),
        (lambda folder: change(folder, format="1"), "config.json", "does not describe a gentool model (format is '1'"),
        (lambda folder: (folder / "config.json").write_text("{"), "config.json", "does not describe a gentool model ("),
        (lambda folder: (folder / "config.json").write_text("[" * 10**5), "config.json", "does not describe a gentool"),
        (lambda folder: (folder / "config.json").unlink(), "model.safetensors", "weights without the config.json"),
    ],
    ids=range(17),
)  # fmt: skip
def test_damage_is_one_line(cli: Callable, folder: Path, damage: Callable, where: str, message: str) -> None:
    damage(folder)
    done = cli("sample", folder if (folder / "config.json").exists() else folder / "model.safetensors")
    assert done.code == 4, done.err
    assert done.err.startswith(f"gentool: {folder}/{where}: {message}"), done.err
    assert done.err.count("\n") == 1


def test_a_folder_with_a_dot_in_its_name_is_a_folder(cli: Callable, runs: Path) -> None:
    Path("v1.2").mkdir()
    shutil.copy(runs / "gan" / "model.pt", "v1.2/best.v2.pt")
    done = cli("export", "v1.2/best.v2.pt", "--format", "safetensors")
    assert (done.code, done.out) == (0, "v1.2/best.v2-export-safetensors\n"), done.err
    done = cli("sample", "v1.2/best.v2-export-safetensors", "-n", 2)
    assert done.out == "v1.2/best.v2-export-safetensors/model-samples-0.png\n"
    assert np.array_equal(gentool.load("v1.2/best.v2.pt").sample(2), gentool.load(done.out.strip().rpartition("/")[0])
                          .sample(2))  # fmt: skip


def test_the_same_export_is_the_same_bytes(runs: Path) -> None:
    model = gentool.load(runs / "vae", device="cpu")
    first, second = (gentool.export(model, format="safetensors").files["model.safetensors"] for _ in range(2))
    assert first == second
