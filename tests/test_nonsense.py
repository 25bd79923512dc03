"""Pictures of no digit."""

import numpy as np

from digitnet import Dataset, Model, Network, TrainingSettings, evaluate, fit
from digitnet.data.negatives import nonsense
from digitnet.imaging.normalize import binarize, columns


def test_pictures_are_normalized_and_differ() -> None:
    pictures = nonsense(200, np.random.default_rng(1))
    assert pictures.shape[1:] == (28, 28)
    assert len(np.unique(pictures, axis=0)) == len(pictures) > 120
    rows, columns = (pictures > 0).any(axis=2).sum(axis=1), (pictures > 0).any(axis=1).sum(axis=1)
    assert (np.maximum(rows, columns) == 20).mean() > 0.9  # faint edges may be 0


def test_a_network_learns_to_be_unsure_of_them(digits: Dataset) -> None:
    sure = []
    for share in (0.0, 0.2):
        model = Model(Network((784, 60, 10)))
        list(fit(model, digits, None, TrainingSettings(epochs=15, batch_size=64, distortions="none", nonsense=share)))
        pictures = nonsense(300, np.random.default_rng(7))
        sure.append((model.network(columns(binarize(pictures, model.ink))).max(axis=0) > 0.9).mean())
        assert evaluate(model, digits).accuracy > 0.95
    assert sure[1] < sure[0] / 2
