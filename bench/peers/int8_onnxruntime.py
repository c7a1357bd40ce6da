#!/usr/bin/env python3
"""onnxruntime's static quantizer on the shared vision models, as the bar for int8-static.

    python3 -m venv VENV && VENV/bin/pip install onnxruntime onnx pycocotools pillow
    VENV/bin/python bench/peers/int8_onnxruntime.py quantize|accuracy --out FOLDER [MODEL...]

`quantize` writes FOLDER/MODEL.int8.onnx (QDQ, weights int8 per channel, activations u8, min-max over the same
calibration pictures that Halftone gets); `accuracy` compares it with the floating model on the evaluation set. Times:
vision.py. It finds the pictures as the tests do.
"""
import argparse
import os

import numpy as np
import onnx
import onnxruntime as ort
from onnx import version_converter
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from vision_models import MODELS, average_precision, labels, load, pictures, shared


class Pictures(CalibrationDataReader):
    def __init__(self, model, name):
        self.feeds = ({name: model.prepare(load(path))[0]} for path in pictures(model.calibration))

    def get_next(self):
        return next(self.feeds, None)


def session(path, threads=1):
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    return ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def quantize(key, out):
    model = MODELS[key]
    source = os.path.join(shared(), "models", model.file)
    prepared = os.path.join(out, key + ".prepared.onnx")
    proto = onnx.load(source)
    if max(o.version for o in proto.opset_import if not o.domain) < 13:  # scales per channel need 13
        proto = version_converter.convert_version(proto, 13)
    onnx.save(proto, prepared)
    quant_pre_process(prepared, prepared, skip_symbolic_shape=True)
    name = session(source).get_inputs()[0].name
    quantize_static(prepared, os.path.join(out, key + ".int8.onnx"), Pictures(model, name),
                    quant_format=QuantFormat.QDQ, per_channel=True,
                    activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8)
    print(f"{key}: quantized", flush=True)


def both(key, out, threads=1):
    return (session(os.path.join(shared(), "models", MODELS[key].file), threads),
            session(os.path.join(out, key + ".int8.onnx"), threads))


def accuracy(key, out):
    model = MODELS[key]
    runs = both(key, out)
    name = runs[0].get_inputs()[0].name
    answers = [{}, {}]
    for path in pictures(model.evaluation):
        feed, place = model.prepare(load(path))
        for run, answer in zip(runs, answers):
            answer[path] = (run.run(model.outputs, {name: feed}), place)
    if model.boxes:
        ap = [average_precision(model, answer) for answer in answers]
        print(f"{key}: AP f32 {ap[0]:.2f}, int8 {ap[1]:.2f}", flush=True)
        return
    truth = labels(model.evaluation)
    best = [np.array([outputs[0].argmax() for outputs, _ in answer.values()]) for answer in answers]
    right = np.array([truth[os.path.basename(path)] for path in answers[0]])
    top = [100 * np.mean(b == right) for b in best]
    print(f"{key}: top-1 f32 {top[0]:.2f}, int8 {top[1]:.2f}, agreement {100 * np.mean(best[0] == best[1]):.2f}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["quantize", "accuracy"])
    parser.add_argument("--out", required=True)
    parser.add_argument("models", nargs="*", metavar="MODEL", help=", ".join(MODELS))
    arguments = parser.parse_intermixed_args()
    os.makedirs(arguments.out, exist_ok=True)
    for key in arguments.models or MODELS:
        {"quantize": quantize, "accuracy": accuracy}[arguments.what](key, arguments.out)


if __name__ == "__main__":
    main()
