#!/usr/bin/env python3
"""Halftone beside onnxruntime on the shared vision models, floating point and int8, by turns in one run.

    python3 -m venv VENV && VENV/bin/pip install onnxruntime onnx pillow
    VENV/bin/python bench/peers/int8_onnxruntime.py quantize --out FOLDER     # onnxruntime's static quantizer, QDQ
    VENV/bin/python bench/peers/vision.py prepare --out FOLDER                # Halftone's int8-static, same pictures
    VENV/bin/python bench/peers/vision.py time --out FOLDER [MODEL...] [--threads 1,2] [--precision f32,int8]
    VENV/bin/python bench/peers/vision.py table --out FOLDER                  # what was timed, as Markdown

Each round of `time` is one `halftone bench MODEL --json -r RUNS` in a process of its own, then as many runs of
onnxruntime (CPU provider, all optimisations) in another, so that neither's threads wait beside the other's. A round
gives the median of its runs; printed are the medians of the rounds, their range, and the ratio onnxruntime / Halftone
of each round: its median, least and most. Results gather in FOLDER/times.json, one entry a model, precision and
number of threads; a later call replaces its own.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import time

from vision_models import MODELS, load, pictures, shared

BARS = {"squeezenet": 1.1, "resnet20": 1.1, "yolox": 1.2, "nanodet": 1.2, "vit": 1.2}
TITLES = {"squeezenet": "SqueezeNet 1.1, 227", "resnet20": "ResNet20, CIFAR-10", "yolox": "YOLOX-nano 416",
          "nanodet": "NanoDet-m 416", "vit": "ViT-tiny 224"}


def floating(key):
    return os.path.join(shared(), "models", MODELS[key].file)


def ours(options, key, precision):
    return floating(key) if precision == "f32" else os.path.join(options.out, key + ".halftone")


def theirs(options, key, precision):
    return floating(key) if precision == "f32" else os.path.join(options.out, key + ".int8.onnx")


def prepare(options):
    for key in options.models:
        calibration = os.path.join(shared(), "images", MODELS[key].calibration)
        inner = os.path.join(calibration, "images")
        command = [options.halftone, "quantize", "-m", floating(key), "--recipe", "int8-static",
                   "--calib", inner if os.path.isdir(inner) else calibration,
                   "-o", ours(options, key, "int8"), *options.quantize]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        print(f"{key}: quantized", flush=True)


def time_halftone(options, key, precision, threads):
    command = [options.halftone, "bench", ours(options, key, precision), "--json", "-t", str(threads),
               "-r", str(options.runs)]
    answer = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(answer.stdout)["latency_ms_median"]


def time_onnxruntime(options, key, precision, threads):
    command = [sys.executable, __file__, "peer", theirs(options, key, precision), key, "--threads", str(threads),
               "--runs", str(options.runs)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def peer(options):
    """One round of onnxruntime: prints the median of its runs in ms."""
    import onnxruntime

    path, key = options.models
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = options.threads[0]
    settings.inter_op_num_threads = 1
    settings.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, settings, providers=["CPUExecutionProvider"])
    picture = MODELS[key].prepare(load(pictures(MODELS[key].calibration)[0]))[0]
    feed = {session.get_inputs()[0].name: picture}
    times = []
    for _ in range(options.runs + 3):
        start = time.perf_counter()
        session.run(None, feed)
        times.append((time.perf_counter() - start) * 1e3)
    print(statistics.median(times[3:]))


def record(options):
    return os.path.join(options.out, "times.json")


def read_record(options):
    if not os.path.exists(record(options)):
        return {}
    with open(record(options)) as file:
        return json.load(file)


def measure(options):
    for key in options.models:
        for precision in options.precision:
            for threads in options.threads:
                mine, other = [], []
                for _ in range(options.rounds):
                    mine.append(time_halftone(options, key, precision, threads))
                    other.append(time_onnxruntime(options, key, precision, threads))
                times = read_record(options)
                times[f"{key} {precision} {threads}"] = {"halftone": mine, "onnxruntime": other}
                with open(record(options), "w") as file:
                    json.dump(times, file, indent=1)
                print(row(key, precision, threads, mine, other), flush=True)


def row(key, precision, threads, mine, other):
    def cell(times):
        return f"{statistics.median(times):.2f} ({min(times):.2f} - {max(times):.2f})"

    ratios = [b / a for a, b in zip(mine, other)]
    bar = 1.0 if precision == "f32" else BARS[key]
    ratio = statistics.median(ratios)
    return (f"| {TITLES[key]} | {precision} | {threads} | {cell(mine)} | {cell(other)} | "
            f"{ratio:.2f} ({min(ratios):.2f} - {max(ratios):.2f}) | {bar:.1f} {'yes' if ratio >= bar else 'no'} |")


def table(options):
    print("| model | precision | threads | Halftone, ms | onnxruntime, ms | onnxruntime / Halftone | bar |")
    print("|---|---|---|---|---|---|---|")
    times = read_record(options)
    for key in options.models:
        for precision in options.precision:
            for threads in options.threads:
                entry = times.get(f"{key} {precision} {threads}")
                if entry:
                    print(row(key, precision, threads, entry["halftone"], entry["onnxruntime"]))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["prepare", "time", "table", "peer"])
    parser.add_argument("models", nargs="*", metavar="MODEL", help=", ".join(MODELS))
    parser.add_argument("--out", default=".", help="folder of the quantized models and the times")
    parser.add_argument("--halftone", default="build/halftone")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--precision", default="f32,int8")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--quantize", nargs="*", default=[], metavar="OPTION", help="more for `halftone quantize` (--quantize=--no-measure)")
    options = parser.parse_intermixed_args()
    options.threads = [int(count) for count in options.threads.split(",")]
    options.precision = options.precision.split(",")
    options.models = options.models or list(MODELS)
    {"prepare": prepare, "time": measure, "table": table, "peer": peer}[options.what](options)


if __name__ == "__main__":
    main()
