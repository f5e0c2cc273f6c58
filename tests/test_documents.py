"""The Python blocks of the documents run, and the notebook runs from top to bottom."""

import re
import warnings
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"^```python\n(.*?)^```", flags=re.MULTILINE | re.DOTALL)
DOCUMENTS = [path for path in sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]) if BLOCK.search(path.read_text())]
EXCERPTS = {"design.md"}
"""Its blocks are excerpts of gentool's own code, which are parsed only."""


@pytest.mark.usefixtures("trained_here")
@pytest.mark.parametrize("path", [path for path in DOCUMENTS if path.name not in EXCERPTS], ids=lambda path: path.name)
def test_the_python_blocks_of_a_document_run(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In order, in one namespace, in an empty folder; the classifier of evaluations is trained for fewer updates."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GENTOOL_DATA", str(tmp_path / "cache"))  # the hasty classifier is for nobody else
    monkeypatch.setattr("gentool.evaluation.classifier.UPDATES", 20)
    monkeypatch.setattr("gentool.evaluation.classifier.EPOCHS", 1)
    names: dict[str, object] = {}
    text = path.read_text(encoding="utf-8")
    for found in BLOCK.finditer(text):
        line = text[: found.start()].count("\n") + 1
        source = "\n" * line + found[1]  # so that a traceback names the document's line
        exec(compile(source, str(path), "exec"), names)
    assert capsys.readouterr().out.strip()


@pytest.mark.parametrize("name", sorted(EXCERPTS))
def test_excerpts_are_python(name: str) -> None:
    blocks = BLOCK.findall((ROOT / "docs" / name).read_text(encoding="utf-8"))
    assert blocks
    for block in blocks:
        compile(block, name, "exec")


def test_the_notebook_runs_from_top_to_bottom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a kernel of its own, in an empty folder. One cell more makes the classifier's training short."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Jupyter's own
        import nbclient
        import nbformat

        monkeypatch.setenv("GENTOOL_DATA", str(tmp_path / "cache"))
        monkeypatch.setenv("JUPYTER_PLATFORM_DIRS", "1")
        notebook = nbformat.read(ROOT / "examples" / "first_model.ipynb", as_version=4)
        assert sum(cell.cell_type == "code" for cell in notebook.cells) == 11
        hurry = "from gentool.evaluation import classifier\nclassifier.UPDATES, classifier.EPOCHS = 20, 1"
        notebook.cells.insert(0, nbformat.v4.new_code_cell(hurry))
        resources = {"metadata": {"path": str(tmp_path)}}
        client = nbclient.NotebookClient(notebook, timeout=300, kernel_name="python3", resources=resources)
        client.execute()
    outputs = {cell.id: cell.outputs for cell in notebook.cells if cell.cell_type == "code"}
    assert "vae trained on digits" in outputs["cell-2"][0].data["text/plain"]
    assert all("image/png" in outputs[name][0].data for name in ("cell-4", "cell-5", "cell-7"))
    assert "| fid_classifier_1000 |" in outputs["cell-9"][-1].text
    assert [path.name for path in tmp_path.iterdir()] == ["cache"], "a notebook leaves nothing behind"
