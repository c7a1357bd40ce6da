#!/usr/bin/env python3
"""Quantizes the same models with the same calibration tokens through peers and through Halftone, and prints the
divergence from the original of both.

    python3 -m venv VENV && VENV/bin/pip install -r tests/peers/requirements.txt
    VENV/bin/python tests/peers/compare.py --halftone build/halftone --shared ../shared --out TABLE.md

A peer's result is written as a floating-point model of what its codes decode to, so that one program measures both:
`halftone eval kld`. Samples are those that `halftone quantize --calib` draws. With `--keep FOLDER` the peers' models stay
there, and are taken from there when they are wanted again; `--only-peers` makes them and measures nothing.
"""

import argparse
import json
import pathlib
import shutil
import statistics
import subprocess
import tempfile

import draws
import models
import peers

# Method, what the peer is, whether activations are 8 bits, the recipe of both.
METHODS = {
    "rtn": (None, False, "[rtn]"),
    "gptq": (peers.gptq, False, "[gptq]"),
    "awq": (peers.awq, False, "[awq]"),
    "smoothquant": (peers.smoothquant, True, "[smoothquant]"),
    "autoround": (peers.auto_round, False, "[{autoround: {iterations: 200}}]"),
    "nf4": (peers.nf4, False, "[rtn]"),
    "nf4-dq": (peers.nf4_dq, False, "[rtn]"),
    "nf4-search": (peers.nf4, False, "[{rtn: {search_scales: 1}}]"),
    "nf4-dq-search": (peers.nf4_dq, False, "[{rtn: {search_scales: 1}}]"),
}
CALIBRATED = {"gptq", "awq", "smoothquant", "autoround"}
# Without samples to draw: a draw is an order of the MLPs' hidden units, which decides what weights share a block.
REORDERED = {"nf4", "nf4-dq", "nf4-search", "nf4-dq-search"}


def weights_of(method, group):
    if method == "smoothquant":
        return "{format: int8}, activations: {format: int8}"
    if method.startswith("nf4"):
        double = ", double_quant: 256" if "dq" in method else ""
        return "{format: nf4, group: 64, scale: f32%s}" % double
    symmetric = "false" if method == "awq" else "true"
    return "{format: int4, group: %d, symmetric: %s}" % (group, symmetric)


def recipe(method, group, algorithms):
    return (f"algorithms: {algorithms}\ntied: keep\nminimum_elements: 0\nrules:\n"
            f"  - {{match: lm_head, keep: true}}\n  - {{weights: {weights_of(method, group)}}}\n")


class Bench:
    def __init__(self, arguments, work):
        self.halftone = arguments.halftone
        self.keep = arguments.keep
        self.work = work

    def peer(self, model, method, seed):
        """The folder of what the peer makes of the model."""
        folder = (self.keep or self.work) / f"{model.key}-{method}-{seed}"
        if self.keep and folder.exists():
            return folder
        half = folder.with_name(folder.name + ".part")
        for path in (folder, half):
            shutil.rmtree(path, ignore_errors=True)
        METHODS[method][0](model, draws.samples(model, seed) if method in CALIBRATED else None, half)
        half.rename(folder)
        return folder

    def run(self, *words):
        done = subprocess.run([self.halftone, *map(str, words)], capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"halftone {' '.join(map(str, words))}\n{done.stderr}")
        return done.stdout

    def quantize(self, folder, recipe_text, model, seed):
        path = self.work / "recipe.yaml"
        path.write_text(recipe_text)
        out = self.work / "quantized"
        shutil.rmtree(out, ignore_errors=True)
        calibration = [] if seed is None else ["--calib", model.calibration, "--calib-samples", model.samples,
                                               "--calib-length", model.length, "--seed", seed]
        self.run("quantize", "-m", folder, "-o", out, "--recipe", path, "--eval-text", model.text, *calibration)
        return out

    def measure(self, folder, model, exact):
        """Mean KLD to the original, and perplexity."""
        report = json.loads(self.run("eval", "kld", "-m", folder, "--reference", model.folder, "--text", model.text, "--json",
                                     *(["--exact"] if exact else [])))
        return report["kld_mean"], report["perplexity"]


def compare(bench, model, method, seed):
    """(KLD, PPL) of the peer and of Halftone on one draw; the peer's is None where there is none."""
    peer, activations, algorithms = METHODS[method]
    if method in REORDERED:
        model = models.reordered(model, seed, bench.work)
    theirs = None
    if peer:
        folder = bench.peer(model, method, seed)
        if activations:  # the peer smooths; both are then rounded in the same way
            folder = bench.quantize(folder, recipe(method, model.group, "[rtn]"), model, None)
        theirs = bench.measure(folder, model, exact=not activations)
    ours = bench.quantize(model.folder, recipe(method, model.group, algorithms), model,
                          seed if method in CALIBRATED else None)
    return theirs, bench.measure(ours, model, exact=not activations)


def summary(values):
    mean = statistics.fmean(values)
    spread = statistics.stdev(values) if len(values) > 1 else 0.0
    return mean, f"{mean:.6f} ± {spread:.6f}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--halftone", help="the program; required unless --only-peers")
    parser.add_argument("--shared", type=pathlib.Path, required=True)
    parser.add_argument("--out", type=pathlib.Path)
    parser.add_argument("--models", default="zoo,babyllama,outliers")
    parser.add_argument("--methods", default=",".join(METHODS))
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--seeds", help="these draws in place of 1 .. DRAWS: 2,3 (to run draws side by side)")
    parser.add_argument("--keep", type=pathlib.Path, help="folder for the peers' models")
    parser.add_argument("--only-peers", action="store_true", help="with --keep: make the peers' models alone")
    arguments = parser.parse_args()
    if arguments.only_peers and not arguments.keep or not arguments.only_peers and not arguments.halftone:
        parser.error("--halftone PROGRAM, or --only-peers with --keep FOLDER")
    if arguments.keep:
        arguments.keep.mkdir(parents=True, exist_ok=True)
    lines = ["| model | method | peer | peer's KLD | Halftone's KLD | ratio | peer's PPL | Halftone's PPL |",
             "|---|---|---|---|---|---|---|---|"]
    print("\n".join(lines), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        for model in models.make(arguments.models.split(","), arguments.shared, work):
            for method in arguments.methods.split(","):
                seeds = [1]
                if method in CALIBRATED | REORDERED:
                    seeds = range(1, arguments.draws + 1) if not arguments.seeds else map(int, arguments.seeds.split(","))
                if arguments.only_peers:
                    for seed in seeds if METHODS[method][0] else []:
                        Bench(arguments, work).peer(models.reordered(model, seed, work) if method in REORDERED else model,
                                                    method, seed)
                    continue
                results = [compare(Bench(arguments, work), model, method, seed) for seed in seeds]
                ours, ours_text = summary([own[0] for _, own in results])
                ours_ppl = statistics.fmean(own[1] for _, own in results)
                if METHODS[method][0]:
                    theirs, theirs_text = summary([their[0] for their, _ in results])
                    theirs_ppl = f"{statistics.fmean(their[1] for their, _ in results):.4f}"
                    name, ratio = METHODS[method][0].__doc__, f"{ours / theirs:.3f}"
                else:
                    name, theirs_text, theirs_ppl, ratio = "none", "", "", ""
                lines.append(f"| {model.title} | {method} g{model.group if 'nf4' not in method else 64} | {name} | "
                             f"{theirs_text} | {ours_text} | {ratio} | {theirs_ppl} | {ours_ppl:.4f} |")
                print(lines[-1], flush=True)
    if arguments.out:
        arguments.out.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
