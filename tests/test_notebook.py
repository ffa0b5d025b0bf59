"""A real notebook: train, be interrupted, look, go on."""

import textwrap

import pytest

from .conftest import ROOT

nbclient = pytest.importorskip("nbclient", reason="nbclient is not installed: pip install 'minigan[test]'")
pytest.importorskip("ipykernel", reason="ipykernel is not installed: pip install 'minigan[test]'")
nbformat = pytest.importorskip("nbformat")

CELLS = [
    """
    import _thread, sys, threading, time
    import numpy as np
    import minigan as mg
    x = np.random.default_rng(0).integers(0, 256, (60, 8, 8), dtype=np.uint8)
    gan = mg.GAN(*mg.models.mnist_dcgan((8, 8, 1), 4, 2, classes=3))
    run = mg.train(gan, (x, np.arange(60) % 3), steps=20, batch_size=6, log_every=5)
    run
    """,
    """
    class Interrupts:
        "As the stop button does, from another thread, which waits for nothing."
        def on_step(self, training, losses):
            if training.step == 30:
                thread = threading.Thread(target=_thread.interrupt_main)
                thread.start()
                thread.join()
                time.sleep(0.01)

    run = mg.train(gan, (x, np.arange(60) % 3), more=10**7, callbacks=[Interrupts()])
    print(run.stopped, 30 <= run.steps < 35, run.steps == gan.steps)
    """,
    """
    steps = gan.steps
    run = mg.train(gan, (x, np.arange(60) % 3), more=10)
    print(run.stopped, run.steps - steps)
    """,
    "mg.pictures.grid(gan.sample(6, labels=[0, 1, 2] * 2), 3)",
    "gan.G",
    "print(run.history['step'][:4], run.path, sys.stdout is not None)",
]


@pytest.fixture(scope="module")
def outputs():
    """What each cell showed: a dictionary of kinds, and the printed text as "text"."""
    cells = [nbformat.v4.new_code_cell(textwrap.dedent(cell).strip()) for cell in CELLS]
    notebook = nbformat.v4.new_notebook(cells=cells)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT))
        patch.setenv("IPYTHONDIR", "/nonexistent")
        nbclient.NotebookClient(notebook, timeout=60, kernel_name="python3").execute()

    def shown(cell):
        found = {}
        for output in cell.outputs:
            found |= output.get("data", {})
            if output.output_type == "stream":
                found[output.name] = found.get(output.name, "") + output.text
        return found

    return [shown(cell) for cell in notebook.cells]


def test_a_run_shows_itself(outputs):
    assert "<table>" in outputs[0]["text/html"] and "<img src=" in outputs[0]["text/html"]
    assert outputs[0]["text/plain"].startswith("Run(gan: 20 steps; at 20: d_loss ")
    assert "stderr" not in outputs[0]


def test_ctrl_c_ends_the_cell_normally(outputs):
    assert outputs[1]["stdout"] == "Ctrl-C True True\n"
    assert outputs[1]["stderr"].strip() == "finishing this step; once more to stop at once"


def test_the_next_cell_goes_on(outputs):
    assert outputs[2]["stdout"] == "None 10\n"
    assert outputs[5]["stdout"] == "[ 5 10 15 20] None True\n"


def test_samples_and_networks_show_themselves(outputs):
    assert "image/png" in outputs[3] and "Conv2DTranspose" in outputs[4]["text/plain"]
