"""What the first layer has learned to look for."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from digitnet import Model, Network, save
from digitnet.models.weight_plot import weight_mosaic
from digitnet.nn.layers import Dense
from tests.conftest import EXAMPLES, Run


def test_each_neuron_is_drawn_on_its_pixels() -> None:
    network = Network((9, 5, 10))
    network.parameters[...] = 0
    layer = network.layers[0]
    assert isinstance(layer, Dense)
    layer.weights[0, 2] = 3.0  # the first neuron, row 0 and column 2
    layer.weights[4, [3, 8]] = [-0.5, 0.25]
    picture = weight_mosaic(network)
    assert picture.shape == (2 * 4, 3 * 4)
    np.testing.assert_array_equal(
        picture[:4, :4], [[128, 128, 255, 0], [128, 128, 128, 0], [128, 128, 128, 0], [0] * 4]
    )
    np.testing.assert_array_equal(picture[4:7, 4:7], [[128, 128, 128], [1, 128, 128], [128, 128, 192]])
    assert not picture[4:, 8:].any()  # five neurons leave a place


@pytest.mark.parametrize(
    ("structure", "shape"),
    [
        (("784", "10"), (3 * 29, 4 * 29)),
        (("28x28", "20x5x3", "10"), (4 * 6, 5 * 4)),
        (("28x28", "2s", "4", "10"), (30, 30)),
    ],
)
def test_eval_draws_them(run: Run, tmp_path: Path, structure: tuple[str, ...], shape: tuple[int, int]) -> None:
    model = Model(Network(structure))
    save(model, tmp_path / "model.h5")
    data = EXAMPLES / "hand" / "check"
    result = run("eval", "--model", "model.h5", "--data", data, "--plot-weights", "new/features.png", "--json")
    assert (result.returncode, result.stderr) == (0, "model: model.h5\n")
    with Image.open(tmp_path / "new" / "features.png") as picture:
        np.testing.assert_array_equal(np.asarray(picture), weight_mosaic(model.network))
        assert picture.size == shape[::-1]
