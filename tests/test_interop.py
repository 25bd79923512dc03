"""Keras 3 opens our files as a Sequential with the same outputs."""

from pathlib import Path

import numpy as np
import pytest

from digitnet import Model, Network, save

pytestmark = [
    pytest.mark.interop,
    pytest.mark.filterwarnings("default"),  # Keras's and JAX's warnings are their own
]


@pytest.mark.parametrize(
    "structure",
    [
        (784, 10),
        (784, 50, 40, 10),
        (256, 20, 10),
        ("16x16", "6x5x5", "2s", "5x3x4", "3s", 20, 10),
        (784, "2s", "4x5x3/2", 10),
    ],
)
@pytest.mark.parametrize("activation", ["relu", "sigmoid", "tanh"])
@pytest.mark.parametrize("loss", ["cross-entropy", "square"])
def test_keras_gives_the_same_outputs(
    tmp_path: Path, structure: tuple[int | str, ...], activation: str, loss: str
) -> None:
    import keras

    network = Network(structure, activation=activation, loss=loss, rng=np.random.default_rng(1))
    network.parameters += np.float32(0.01)  # biases, too
    save(Model(network), tmp_path / "model.h5")
    model = keras.models.load_model(tmp_path / "model.h5", compile=False)
    assert isinstance(model, keras.Sequential)
    x = (np.random.default_rng(2).random((network.sizes[0], 20)) > 0.8).astype(np.float32)
    np.testing.assert_allclose(model.predict(x.T, verbose=0).T, network(x), atol=1e-6)
