"""Model.save: what it writes, what it refuses, and what the model knows of itself afterwards."""

from pathlib import Path

import pytest
import torch

import gentool
from gentool.data.load import load_data
from gentool.errors import OptionError
from gentool.latent.loading import load
from gentool.latent.model import Model


@pytest.fixture
def vae() -> Model:
    """A model that was never saved."""
    settings = {"arch": "mlp", "hidden": 16, "latent_dim": 4, "epochs": 2, "batch_size": 512}
    return gentool.train("vae", "digits", device="cpu", **settings)


@pytest.mark.parametrize("name", ["cae", "vae", "lstm-ae", "gan", "cgan"])
def test_a_saved_model_computes_the_same(runs: Path, tmp_path: Path, name: str) -> None:
    model = load(runs / name, device="cpu")
    again = load(model.save(tmp_path / "copy.pt"), device="cpu")
    assert again.header == model.header
    assert torch.equal(again.sample(20, seed=3), model.sample(20, seed=3))
    if model.encodes:
        x = load_data("digits").test.images[:7]
        assert torch.equal(again.encode(x), model.encode(x))


def test_what_is_there_is_kept(vae: Model, tmp_path: Path) -> None:
    path = tmp_path / "copy.pt"
    path.write_bytes(b"years of work")
    with pytest.raises(OptionError) as refused:
        vae.save(path)
    assert str(refused.value) == f"{path}: exists; give overwrite=True to replace it"
    assert path.read_bytes() == b"years of work"
    assert [file.name for file in tmp_path.iterdir()] == ["copy.pt"]
    assert vae.path is None
    assert vae.save(path, overwrite=True) == path
    assert torch.equal(load(path, device="cpu").sample(2), vae.sample(2))
    with pytest.raises(OptionError, match="exists"):
        vae.save(path)  # its own file, too


def test_a_folder_is_not_replaced(vae: Model, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(OptionError, match="exists"):
        vae.save(tmp_path / "mine")
    with pytest.raises(gentool.GentoolError, match="cannot write"):
        vae.save(tmp_path / "mine", overwrite=True)
    assert [path.name for path in tmp_path.rglob("*")] == ["mine", "thesis.txt"]


def test_folders_on_the_way_are_made_and_the_model_knows_its_file(vae: Model, tmp_path: Path) -> None:
    path = vae.save(str(tmp_path / "a" / "b" / "copy.pt"))
    assert path == vae.path == tmp_path / "a" / "b" / "copy.pt"
    assert load(path).path == path
    assert sorted(file.name for file in tmp_path.rglob("*")) == ["a", "b", "copy.pt"], "the checkpoint and no more"


def test_a_model_keeps_its_history_when_it_is_saved_elsewhere(tmp_path: Path, vae: Model) -> None:
    assert [row["epoch"] for row in vae.history] == [1, 2]
    losses = vae.history["loss"]
    vae.save(tmp_path / "copy.pt")
    assert vae.history["loss"] == losses
    assert len(load(tmp_path / "copy.pt").history) == 0, "a checkpoint alone has none"


def test_the_history_of_a_run_is_read_before_the_model_moves(runs: Path, tmp_path: Path) -> None:
    model = load(runs / "vae", device="cpu")
    model.save(tmp_path / "copy.pt")  # the history was not asked for until now
    assert [row["epoch"] for row in model.history] == [1]
    assert model.history["loss"] == load(runs / "vae").history["loss"]
