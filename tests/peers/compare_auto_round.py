#!/usr/bin/env python3
"""auto-round and Halftone's AutoRound side by side: the same model, calibration samples and settings, several draws of the
samples; KL divergence to the unquantized model on held-out text, both measured by Halftone with floating activations.

Usage: compare_auto_round.py HALFTONE PEER_PYTHON MODEL CALIBRATION_TEXT EVALUATION_TEXT [--draws 3] [--bits 4] [--group 128]
                             [--samples 32] [--length 128] [--iterations 200]
PEER_PYTHON: the python of a virtual environment with what peer_auto_round.py needs.
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import tempfile

HERE = pathlib.Path(__file__).resolve().parent


def main():
    parser = argparse.ArgumentParser()
    for name in ("halftone", "peer_python", "model", "calibration", "evaluation"):
        parser.add_argument(name)
    for name, preset in (("draws", 3), ("bits", 4), ("group", 128), ("samples", 32), ("length", 128),
                         ("iterations", 200), ("windows", 24)):
        parser.add_argument(f"--{name}", type=int, default=preset)
    args = parser.parse_args()

    def divergence(model):
        command = [args.halftone, "eval", "kld", "-m", model, "--reference", args.model, "--text", args.evaluation,
                   "--window", args.length, "--max-windows", args.windows, "--exact", "--kv", "f32", "--json"]
        out = subprocess.run(list(map(str, command)), check=True, capture_output=True, text=True).stdout
        return json.loads(out)["kld_mean"]

    rows = []
    for seed in range(1, args.draws + 1):
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            recipe = folder / "recipe.yaml"
            recipe.write_text(f"algorithms:\n  - autoround: {{iterations: {args.iterations}}}\n"
                              f"rules:\n  - weights: {{format: int{args.bits}, group: {args.group}}}\ntied: keep\n")
            shared = ["--seed", seed]
            ours = [args.halftone, "quantize", "-m", args.model, "--recipe", recipe, "--calib", args.calibration,
                    "--calib-samples", args.samples, "--calib-length", args.length, "-o", folder / "ours", *shared]
            peer = [args.peer_python, HERE / "peer_auto_round.py", args.model, args.calibration, folder / "peer",
                    "--samples", args.samples, "--length", args.length, "--bits", args.bits, "--group", args.group,
                    "--iterations", args.iterations, *shared]
            for command in (ours, peer):
                subprocess.run(list(map(str, command)), check=True, capture_output=True)
            rows.append((divergence(folder / "ours"), divergence(folder / "peer")))
            print(f"draw {seed}: Halftone {rows[-1][0]:.6f}, auto-round {rows[-1][1]:.6f}", flush=True)
    ours, peer = (statistics.mean(column) for column in zip(*rows))
    print(f"mean: Halftone {ours:.6f}, auto-round {peer:.6f}, ratio {ours / peer:.3f}")


if __name__ == "__main__":
    main()
