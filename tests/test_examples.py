"""Every notebook in examples/ is stored without output and runs from clean, in the folder where a reader opens it."""

from pathlib import Path

import nbformat
import pytest
from conftest import data_folder
from nbclient import NotebookClient

NOTEBOOKS = sorted((Path(__file__).resolve().parents[1] / "examples").glob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=[path.stem for path in NOTEBOOKS])
def test_notebook_runs_and_is_stored_without_output(path, monkeypatch):
    if data_folder() is not None:
        monkeypatch.setenv("AUTOTEN_DATA", str(data_folder()))
    notebook = nbformat.read(path, as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert code
    assert not any(cell.outputs or cell.execution_count for cell in code), "clear the outputs before committing"
    # The kernel of this environment, whatever name the notebook's author had for it.
    here = {"metadata": {"path": path.parent}}
    NotebookClient(notebook, timeout=300, kernel_name="python3", resources=here).execute()
