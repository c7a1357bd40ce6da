#!/usr/bin/env python3
"""Halftone against onnxruntime on ONNX models, floating point, the two by turns in the same minutes.

    python3 -m venv peers && peers/bin/pip install onnxruntime
    peers/bin/python bench/peers/onnxruntime_vision.py MODEL.onnx... [--halftone build/halftone] [--threads 1,2]

Each round runs `halftone bench MODEL --json` and then as many runs of onnxruntime (CPU provider, all graph
optimisations, sequential) in this process. The table shows the median of the rounds' medians, and their range.
"""

import argparse
import json
import os
import statistics
import subprocess
import time


def ours(program, model, threads, runs):
    command = [program, "bench", model, "--json", "-t", str(threads), "-r", str(runs)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)["latency_ms_median"]


class Peer:
    def __init__(self, model, threads):
        import numpy
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        options.log_severity_level = 3
        self.session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        random = numpy.random.default_rng(1)
        self.inputs = {}
        for entry in self.session.get_inputs():
            shape = [size if isinstance(size, int) else 1 for size in entry.shape]
            integers = "int" in entry.type
            self.inputs[entry.name] = (
                numpy.zeros(shape, numpy.int64) if integers else random.standard_normal(shape, numpy.float32)
            )

    def median_ms(self, runs):
        times = []
        for i in range(runs + 3):
            start = time.perf_counter()
            self.session.run(None, self.inputs)
            times.append((time.perf_counter() - start) * 1e3)
        return statistics.median(times[3:])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+")
    parser.add_argument("--halftone", default="build/halftone")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--runs", type=int, default=20)
    options = parser.parse_args()
    print(f"{'model':28} {'threads':>7} {'halftone ms':>22} {'onnxruntime ms':>22} {'ratio':>6}")
    for model in options.models:
        for threads in (int(count) for count in options.threads.split(",")):
            peer = Peer(model, threads)
            mine, theirs = [], []
            for _ in range(options.rounds):
                mine.append(ours(options.halftone, model, threads, options.runs))
                theirs.append(peer.median_ms(options.runs))

            def cell(times):
                return f"{statistics.median(times):.3f} ({min(times):.3f}-{max(times):.3f})"

            ratio = statistics.median(theirs) / statistics.median(mine)
            name = os.path.splitext(os.path.basename(model))[0]
            print(f"{name:28} {threads:7} {cell(mine):>22} {cell(theirs):>22} {ratio:6.2f}", flush=True)


if __name__ == "__main__":
    main()
