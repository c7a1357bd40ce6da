#!/usr/bin/env python3
"""Writes tests/testdata/onnx_quantized/: small models of random weights as onnxruntime's quantizer leaves them, a picture
and what onnxruntime answers.

    python3 -m venv VENV && VENV/bin/pip install onnxruntime==1.32.0 onnx==1.23.2 numpy
    VENV/bin/python tools/goldens/onnx_quantized.py
"""

import pathlib
import tempfile

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import (CalibrationDataReader, QuantFormat, QuantType, quantize_dynamic, quantize_static)

TARGET = pathlib.Path(__file__).resolve().parents[2] / "tests/testdata/onnx_quantized"
RANDOM = np.random.default_rng(5)


def model():
    """Convolutions (plain, depthwise, strided) with Relu, LeakyRelu and SiLU, a residual, a Concat, pools, linear layers."""
    nodes, weights = [], []

    def constant(name, array):
        weights.append(numpy_helper.from_array(array.astype(np.float32), name))
        return name

    def node(op, inputs, output, **attributes):
        nodes.append(helper.make_node(op, inputs, [output], name=output, **attributes))
        return output

    def conv(x, name, channels, outputs, kernel, group=1, stride=1):
        w = RANDOM.normal(0, 1.5 / np.sqrt(channels / group * kernel**2), (outputs, channels // group, kernel, kernel))
        return node("Conv", [x, constant(name + ".w", w), constant(name + ".b", RANDOM.normal(0, 0.2, outputs))], name,
                    pads=[kernel // 2] * 4, strides=[stride] * 2, group=group, kernel_shape=[kernel] * 2)

    a = node("Relu", [conv("x", "stem", 3, 8, 3)], "a")
    b = conv(a, "depth", 8, 8, 3, group=8)
    b = node("LeakyRelu", [b], "leaky", alpha=0.1)
    b = conv(b, "point", 8, 8, 1)
    sum_ = node("Relu", [node("Add", [a, b], "add")], "sum")
    c = conv(sum_, "gate", 8, 8, 3, stride=2)
    c = node("Mul", [c, node("Sigmoid", [c], "sigmoid")], "silu")
    d = node("MaxPool", [sum_], "pool", kernel_shape=[2, 2], strides=[2, 2])
    e = node("Concat", [c, d], "concat", axis=1)
    e = node("Relu", [conv(e, "mix", 16, 12, 1)], "mixed")
    e = node("GlobalAveragePool", [e], "average")
    e = node("Flatten", [e], "flat")
    e = node("MatMul", [e, constant("hidden.w", RANDOM.normal(0, 0.5, (12, 10)))], "hidden")
    node("Gemm", [e, constant("y.w", RANDOM.normal(0, 0.5, (6, 10))), constant("y.b", RANDOM.normal(0, 0.2, 6))], "y", transB=1)
    value = helper.make_tensor_value_info
    graph = helper.make_graph(nodes, "small", [value("x", TensorProto.FLOAT, [1, 3, 12, 12])],
                              [value("y", TensorProto.FLOAT, [1, 6])], weights)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(made, full_check=True)
    return made


class Pictures(CalibrationDataReader):
    def __init__(self):
        random = np.random.default_rng(6)
        self.feeds = iter([{"x": random.normal(0, 1, (1, 3, 12, 12)).astype(np.float32)} for _ in range(16)])

    def get_next(self):
        return next(self.feeds, None)


def main():
    TARGET.mkdir(parents=True, exist_ok=True)
    x = np.random.default_rng(7).normal(0, 1, (1, 3, 12, 12)).astype(np.float32)
    np.save(TARGET / "x.npy", x)
    with tempfile.TemporaryDirectory() as folder:
        source = pathlib.Path(folder) / "small.onnx"
        onnx.save(model(), source)
        s8, u8 = QuantType.QInt8, QuantType.QUInt8
        for name, form, activations, extra in (("qdq", QuantFormat.QDQ, u8, {}),
                                               ("qdq_symmetric", QuantFormat.QDQ, s8, {"ActivationSymmetric": True}),
                                               ("qoperator", QuantFormat.QOperator, u8, {})):
            quantize_static(source, TARGET / f"{name}.onnx", Pictures(), quant_format=form, per_channel=True,
                            activation_type=activations, weight_type=s8, extra_options=extra)
        quantize_dynamic(source, TARGET / "dynamic.onnx", per_channel=True, weight_type=s8)
    for path in sorted(TARGET.glob("*.onnx")):
        session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
        np.save(path.with_suffix(".npy"), session.run(None, {"x": x})[0])


if __name__ == "__main__":
    main()
