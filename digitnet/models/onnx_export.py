"""Models as ONNX, the one place that knows it: other makers' runtimes give the same answers from such a file."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, checker, helper, numpy_helper

from digitnet.atomic_files import writing
from digitnet.errors import DigitnetError
from digitnet.models.model import Model
from digitnet.nn.convolution import Convolution, MaxPool
from digitnet.nn.layers import Dense, Layer
from digitnet.types import Floats
from digitnet.version import __version__

OPSET, IR_VERSION = 17, 8
"""Of 2022, so that older runtimes read the file, too."""
LARGEST = 2**31 - 2**16
"""Bytes of weights; a Protocol Buffers message ends at 2 GiB."""
FUNCTIONS = {"relu": ["Relu"], "sigmoid": ["Sigmoid"], "tanh": ["Tanh"], "softmax": ["Softmax"], "identity": []}
INPUT, OUTPUT = "ink", "confidences"

Step = tuple[str, list[np.ndarray], dict[str, Any]]
"""An operator, the constants that it takes beside what comes before it, its attributes."""


def export(model: Model, path: Path) -> None:
    """Write a model as an ONNX graph, whole or not at all; the same model gives the same bytes.

    Its input ``ink`` is float32 (n, inputs), a row of 0 and 1 for each picture, its output ``confidences`` float32
    (n, 10). The metadata ``side`` and ``threshold`` say how grey levels become ink.

    Raises:
        DigitnetError: the model is too large, or ``path`` is not an ordinary file.
        OSError: it cannot be written.
    """
    if model.network.parameters.nbytes > LARGEST:
        raise DigitnetError(f"{path}: {model.network.parameters.size:,} weights are more than ONNX holds in a file")
    content = _graph(model).SerializeToString(deterministic=True)
    with writing(path) as file:
        file.write(content)


def _graph(model: Model) -> ModelProto:
    network = model.network
    nodes: list[NodeProto] = []
    constants: list[TensorProto] = []
    parts = network.split_by_layer(network.parameters)
    last = len(parts) - 1
    steps = [
        step
        for number, (layer, part) in enumerate(zip(network.layers, parts, strict=True))
        for step in [
            *_steps(layer, part, network.layers[:number]),
            *((name, [], {}) for name in FUNCTIONS[network.loss.output_name if number == last else layer.activation]),
        ]
    ]
    name = INPUT
    for number, (operator, arrays, attributes) in enumerate(steps, start=1):
        inputs = [name, *(f"{operator}_{number}_{i}" for i in range(len(arrays)))]
        constants += [numpy_helper.from_array(array, of) for array, of in zip(arrays, inputs[1:], strict=True)]
        name = OUTPUT if number == len(steps) else f"{operator}_{number}"
        nodes.append(helper.make_node(operator, inputs, [name], name, **attributes))
    rows = [
        helper.make_tensor_value_info(of, TensorProto.FLOAT, ["n", size])
        for of, size in ((INPUT, network.sizes[0]), (OUTPUT, network.sizes[-1]))
    ]
    graph = helper.make_graph(nodes, "digitnet", rows[:1], rows[1:], constants)
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    proto.producer_name, proto.producer_version = "digitnet", __version__
    helper.set_model_props(proto, {"side": str(model.ink.side), "threshold": str(model.ink.threshold)})
    checker.check_model(proto)
    return proto


def _steps(layer: Layer, part: Floats, before: Sequence[Layer]) -> list[Step]:
    """A layer without its activation; ONNX keeps a picture's channels first, as we do."""
    is_picture = bool(before) and not isinstance(before[-1], Dense)
    steps: list[Step] = []
    if isinstance(layer, Dense):
        if is_picture:
            steps.append(("Flatten", [], {}))
        return [*steps, ("Gemm", _weights(layer, part), {})]
    assert isinstance(layer, Convolution | MaxPool)
    if not is_picture:
        steps.append(("Reshape", [np.array([-1, *layer.input_shape])], {}))
    if isinstance(layer, MaxPool):
        return [*steps, ("MaxPool", [], {"kernel_shape": [layer.side] * 2, "strides": [layer.side] * 2})]
    kernels, biases = _weights(layer, part)
    kernels = np.ascontiguousarray(kernels.transpose(3, 2, 0, 1))
    return [*steps, ("Conv", [kernels, biases], {"strides": [layer.stride] * 2})]


def _weights(layer: Layer, part: Floats) -> list[np.ndarray]:
    """Weights with the layer's neurons last, and biases."""
    neurons = layer.kernel_shape[-1]
    return [part[:-neurons].reshape(layer.kernel_shape), part[-neurons:]]
