#!/usr/bin/env python3
"""Halftone beside onnxruntime on any ONNX file in floating point, by turns in one run.

    python3 -m venv VENV && VENV/bin/pip install onnxruntime onnx numpy
    VENV/bin/python bench/peers/onnx_file.py MODEL.onnx [--dim NAME=SIZE]... [--constant NAME=INTEGER]... [--threads 1,2]

Each round is one `halftone bench` and then onnxruntime (CPU provider, all optimisations) in a process of its own, each the
median of its runs. Printed, one line a number of threads, as rows of Markdown: medians of the rounds, their range, and the
ratio onnxruntime / Halftone of each round: its median, least and most. `--error` adds a line: the largest difference of
each output over its largest number, of `halftone infer` and onnxruntime on the same input (normal numbers; integers and
booleans are 1). Sizes have the names that `halftone` gives them: INPUT.AXIS where the file has none.
"""
import argparse
import glob
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np
import onnx


def pairs(words):
    return {name: int(value) for name, value in (word.split("=") for word in words)}


def feeds(options):
    sizes, constants = pairs(options.dim), pairs(options.constant)
    graph, random = onnx.load(options.model, load_external_data=False).graph, np.random.default_rng(1)
    given = {value.name for value in graph.initializer}
    feed = {}
    for value in graph.input:
        if value.name in given:
            continue
        kind = value.type.tensor_type
        dtype = onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type)
        shape = []
        for axis, size in enumerate(kind.shape.dim):
            open_name = size.dim_param if size.dim_param not in ("", "?") else f"{value.name}.{axis}"
            shape.append(size.dim_value if size.dim_value > 0 else sizes[open_name])
        if value.name in constants:
            feed[value.name] = np.full(shape, constants[value.name], dtype)
        elif np.issubdtype(dtype, np.floating):
            feed[value.name] = random.standard_normal(shape).astype(dtype)
        else:
            feed[value.name] = np.ones(shape, dtype)
    return feed


def session(path, threads):
    import onnxruntime

    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = threads
    settings.inter_op_num_threads = 1
    settings.log_severity_level = 3
    return onnxruntime.InferenceSession(path, settings, providers=["CPUExecutionProvider"])


def flags(options):
    return [word for name in ("dim", "constant") for pair in getattr(options, name) for word in ("--" + name, pair)]


def time_halftone(options, threads):
    command = [options.halftone, "bench", options.model, *flags(options), "--json", "-t", str(threads), "-r", str(options.runs)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)["latency_ms_median"]


def time_onnxruntime(options, threads):
    command = [sys.executable, __file__, options.model, *flags(options), "--peer", "--threads", str(threads),
               "--runs", str(options.runs)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def peer(options):
    """One round of onnxruntime: prints the median of its runs in ms."""
    run, feed, times = session(options.model, int(options.threads)), feeds(options), []
    for _ in range(options.runs + 3):
        start = time.perf_counter()
        run.run(None, feed)
        times.append((time.perf_counter() - start) * 1e3)
    print(statistics.median(times[3:]))


def error(options):
    feed = feeds(options)
    wanted = session(options.model, 1).run(None, feed)
    with tempfile.TemporaryDirectory() as folder:
        inputs = []
        for i, (name, value) in enumerate(feed.items()):
            if name in pairs(options.constant):
                continue
            path = os.path.join(folder, f"{i}.npy")
            np.save(path, value)
            inputs += ["--input", f"{name}={path}"]
        out = os.path.join(folder, "out")
        subprocess.run([options.halftone, "infer", options.model, *flags(options), *inputs, "-t", "1", "-o", out], check=True,
                       stdout=subprocess.DEVNULL)
        names = [value.name for value in onnx.load(options.model, load_external_data=False).graph.output]
        files = {os.path.basename(path)[:-4]: path for path in glob.glob(os.path.join(out, "**", "*.npy"), recursive=True)}
        errors = []
        for name, value in zip(names, wanted):
            got = np.load(files[name.replace("/", "_")])
            errors.append(np.abs(got.astype(np.float64) - value).max() / max(np.abs(value).max(), 1e-30))
        print(f"error {max(errors):.0e}", flush=True)


def cell(times):
    return f"{statistics.median(times):.2f} ({min(times):.2f} - {max(times):.2f})"


def measure(options):
    for threads in map(int, options.threads.split(",")):
        mine, other = [], []
        for _ in range(options.rounds):
            mine.append(time_halftone(options, threads))
            other.append(time_onnxruntime(options, threads))
        ratios = [b / a for a, b in zip(mine, other)]
        print(f"| {os.path.basename(options.model)} | {threads} | {cell(mine)} | {cell(other)} | {cell(ratios)} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--dim", action="append", default=[], metavar="NAME=SIZE")
    parser.add_argument("--constant", action="append", default=[], metavar="NAME=INTEGER")
    parser.add_argument("--halftone", default="build/halftone")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--error", action="store_true")
    parser.add_argument("--peer", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.peer:
        return peer(options)
    if options.error:
        error(options)
    measure(options)


if __name__ == "__main__":
    main()
