"""Keras 3 and ONNX Runtime open our files and give the same outputs."""

from pathlib import Path

import numpy as np
import pytest

from digitnet import Binarization, Model, Network, binarize, load, read_dataset, save
from tests.conftest import ROOT, Run

pytestmark = [
    pytest.mark.interop,
    pytest.mark.filterwarnings("default"),  # Keras's and JAX's warnings are their own
]


@pytest.fixture(params=["relu", "sigmoid", "tanh"])
def activation(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=["cross-entropy", "square"])
def loss(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(
    params=[
        (784, 10),
        (784, 50, 40, 10),
        (256, 20, 10),
        ("16x16", "6x5x5", "2s", "5x3x4", "3s", 20, 10),
        (784, "2s", "4x5x3/2", 10),
    ],
    ids=str,
)
def network(request: pytest.FixtureRequest, activation: str, loss: str) -> Network:
    network = Network(request.param, activation=activation, loss=loss, rng=np.random.default_rng(1))
    network.parameters += np.float32(0.01)  # biases, too
    return network


def test_keras_gives_the_same_outputs(tmp_path: Path, network: Network) -> None:
    import keras

    save(Model(network), tmp_path / "model.h5")
    model = keras.models.load_model(tmp_path / "model.h5", compile=False)
    assert isinstance(model, keras.Sequential)
    x = (np.random.default_rng(2).random((network.sizes[0], 20)) > 0.8).astype(np.float32)
    np.testing.assert_allclose(model.predict(x.T, verbose=0).T, network(x), atol=1e-6)


def onnx_answers(path: Path, x: np.ndarray) -> np.ndarray:
    """What ONNX Runtime makes of rows of ink."""
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    assert [node.name for node in session.get_inputs()] == ["ink"]
    (answers,) = session.run(["confidences"], {"ink": x})
    return np.asarray(answers)


def test_onnx_runtime_gives_the_same_outputs(tmp_path: Path, network: Network) -> None:
    from digitnet.models.onnx_export import export

    path = tmp_path / "model.onnx"
    export(Model(network), path)
    x = (np.random.default_rng(2).random((20, network.sizes[0])) > 0.8).astype(np.float32)
    np.testing.assert_allclose(onnx_answers(path, x), network(x.T).T, atol=1e-6)
    before = path.read_bytes()
    export(Model(network), path)
    assert path.read_bytes() == before


def test_export_agrees_on_the_test_digits(run: Run, mnist: Path, tmp_path: Path) -> None:
    result = run("export", ROOT / "models" / "pretrained.h5", "shipped.onnx")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith("shipped.onnx: Network(784 -> ")
    model = load(ROOT / "models" / "pretrained.h5")
    x = binarize(read_dataset(mnist, "test").images, model.ink).astype(np.float32)
    assert len(x) == 10_000
    np.testing.assert_allclose(onnx_answers(tmp_path / "shipped.onnx", x), model.network(x.T).T, atol=1e-5)


def test_onnx_says_how_grey_becomes_ink(tmp_path: Path) -> None:
    import onnx

    from digitnet.models.onnx_export import export

    export(Model(Network((256, 10)), Binarization(16, 99)), tmp_path / "model.onnx")
    facts = {entry.key: entry.value for entry in onnx.load(tmp_path / "model.onnx").metadata_props}
    assert facts == {"side": "16", "threshold": "99"}
