#!/usr/bin/env python3
"""Whether onnxruntime answers on an exported QDQ model as Halftone does on the folder that it was exported from, or, with
--imported, whether Halftone answers on models of onnxruntime's static quantizer as onnxruntime does.

    python3 -m venv VENV && VENV/bin/pip install onnxruntime pycocotools pillow
    VENV/bin/python bench/peers/onnx_qdq.py HALFTONE --out FOLDER [--limit N] [--imported] [--as-written] [MODEL...]

For each of the shared vision models: int8-static on its calibration pictures (unless FOLDER has it), export, then both
programs on the evaluation pictures. Prints how far the outputs are from each other, how often the likeliest class is the
same, and the top-1 or AP of both. --imported wants FOLDER/MODEL.int8.onnx (int8_onnxruntime.py quantize --out FOLDER).
--as-written keeps onnxruntime from its integer kernels: it then runs the pairs and the floating operators between them.
Without VNNI its integer kernels let sums of two products saturate, where Halftone's are exact.
"""
import argparse
import os
import subprocess
import tempfile

import numpy as np
import onnxruntime as ort

from vision_models import MODELS, average_precision, labels, load, pictures, shared


def make(halftone, key, out):
    model, folder, exported = MODELS[key], os.path.join(out, key), os.path.join(out, key + ".qdq.onnx")
    calibration = os.path.dirname(pictures(model.calibration)[0])
    if not os.path.exists(folder):
        subprocess.run([halftone, "quantize", "-m", os.path.join(shared(), "models", model.file), "-o", folder, "--recipe",
                        "int8-static", "--no-measure", "--calib", calibration, "--json"], check=True, capture_output=True)
    subprocess.run([halftone, "export", "-m", folder, "--format", "onnx-qdq", "-o", exported], check=True,
                   capture_output=True)
    return folder, exported


def compare(halftone, key, out, limit, imported, as_written):
    model = MODELS[key]
    folder, exported = [os.path.join(out, key + ".int8.onnx")] * 2 if imported else make(halftone, key, out)
    options = ort.SessionOptions()
    options.log_severity_level = 3
    if as_written:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(exported, options, providers=["CPUExecutionProvider"])
    name, outputs = session.get_inputs()[0].name, model.outputs or [o.name for o in session.get_outputs()]
    theirs, ours, worst, apart, same = {}, {}, 0.0, [], 0
    chosen = pictures(model.evaluation)[:limit]
    with tempfile.TemporaryDirectory() as scratch:
        for begin in range(0, len(chosen), 50):
            some = chosen[begin:begin + 50]
            places = []
            with open(os.path.join(scratch, "list"), "w") as runs:
                for i, path in enumerate(some):
                    feed, place = model.prepare(load(path))
                    places.append(place)
                    np.save(os.path.join(scratch, f"{i}.npy"), feed)
                    runs.write(f"{name}:={scratch}/{i}.npy\n")
            subprocess.run([halftone, "infer", folder, "--input-list", os.path.join(scratch, "list"), "-o",
                            os.path.join(scratch, "out")], check=True, capture_output=True)
            for i, path in enumerate(some):
                found = session.run(outputs, {name: np.load(os.path.join(scratch, f"{i}.npy"))})
                made = [np.load(os.path.join(scratch, "out", f"Result_{i}", o + ".npy")) for o in outputs]
                theirs[path], ours[path] = (found, places[i]), (made, places[i])
                for a, b in zip(found, made):
                    worst = max(worst, np.abs(a - b).max() / np.abs(a).max())
                    apart.append(np.abs(a - b).mean() / np.abs(a).max())
                same += found[0].argmax() == made[0].argmax()
    line = f"{key}: {len(chosen)} pictures, outputs apart by {100 * worst:.2f} % of the largest at most, " \
           f"{100 * np.mean(apart):.4f} % on average"
    if model.boxes:
        if limit is None:
            line += f", AP halftone {average_precision(model, ours):.2f}, onnxruntime {average_precision(model, theirs):.2f}"
    else:
        truth = labels(model.evaluation)
        top = [100 * np.mean([answers[p][0][0].argmax() == truth[os.path.basename(p)] for p in chosen])
               for answers in (ours, theirs)]
        line += f", same class {same}, top-1 halftone {top[0]:.2f}, onnxruntime {top[1]:.2f}"
    print(line, flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("halftone")
    parser.add_argument("--out", required=True)
    parser.add_argument("--limit", type=int)
    parser.add_argument("--imported", action="store_true")
    parser.add_argument("--as-written", action="store_true")
    parser.add_argument("models", nargs="*", metavar="MODEL", help=", ".join(MODELS))
    arguments = parser.parse_intermixed_args()
    os.makedirs(arguments.out, exist_ok=True)
    for key in arguments.models or MODELS:
        compare(arguments.halftone, key, arguments.out, arguments.limit, arguments.imported, arguments.as_written)


if __name__ == "__main__":
    main()
