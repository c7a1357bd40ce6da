#!/usr/bin/env python3
"""Drives quantize, eval, sweep, bench, inspect and doctor as a user does: their JSON, their errors, what they leave on disk.

Usage: measure_commands_test.py HALFTONE SOURCE_DIR. Uses zoo/llm and its held-out text.
"""

import json
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

PROGRAM = Path(sys.argv[1]).resolve()
ZOO = Path(sys.argv[2]).resolve() / "zoo"
MODEL = ZOO / "llm"
TEXT = ZOO / "heldout.txt"
FEW = ("--text", TEXT, "--window", 128, "--max-windows", 4)


def halftone(*arguments):
    return subprocess.run([PROGRAM, *map(str, arguments)], capture_output=True, encoding="utf-8", timeout=300)


def report(*arguments):
    result = halftone(*arguments, "--json")
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


class Quantize(unittest.TestCase):
    def test_a_stored_model_measures_as_the_one_in_memory(self):
        with tempfile.TemporaryDirectory() as folder:
            output = Path(folder) / "w4"
            made = report("quantize", "-m", MODEL, "-o", output, "--recipe", "rtn-w4g32")
            self.assertLess(made["bytes_after"], 0.4 * made["bytes_before"])
            self.assertAlmostEqual(made["bits_per_quantized_weight"], 5.25, delta=0.3)
            self.assertEqual([p.name for p in Path(folder).iterdir()], ["w4"])
            stored = report("eval", "ppl", "-m", output, *FEW)
            in_memory = report("eval", "ppl", "-m", MODEL, "--recipe", "rtn-w4g32", *FEW)
            self.assertAlmostEqual(stored["perplexity"], in_memory["perplexity"], places=6)
            again = halftone("quantize", "-m", output, "-o", Path(folder) / "w3", "--recipe", "rtn-w3")
            self.assertEqual(again.returncode, 4, again.stderr)
            self.assertEqual([p.name for p in Path(folder).iterdir()], ["w4"])

    def test_a_yaml_recipe_and_a_mistyped_one(self):
        with tempfile.TemporaryDirectory() as folder:
            recipe = Path(folder) / "mixed.yaml"
            recipe.write_text('rules:\n  - match: "*.mlp.*"\n    weights: {format: int4, group: 32}\n')
            made = report("quantize", "-m", MODEL, "-o", Path(folder) / "m", "--recipe", recipe)
            encodings = {layer["encoding"] for layer in made["layers"]}
            self.assertEqual(encodings, {"int4 g32", ""})
            recipe.write_text("rules:\n  - wieghts: {format: int4}\n")
            wrong = halftone("quantize", "-m", MODEL, "-o", Path(folder) / "n", "--recipe", recipe)
            self.assertEqual(wrong.returncode, 3)
            self.assertIn("weights", wrong.stderr)
        unknown = halftone("quantize", "-m", MODEL, "-o", "unused", "--recipe", "rtn-w4g23")
        self.assertEqual(unknown.returncode, 2)
        self.assertIn("did you mean", unknown.stderr)

    def test_a_foreign_folder_is_not_overwritten(self):
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "thesis.txt").write_text("years of work")
            result = halftone("quantize", "-m", MODEL, "-o", folder, "--recipe", "rtn-w8")
            self.assertEqual(result.returncode, 3)
            self.assertEqual((Path(folder) / "thesis.txt").read_text(), "years of work")


class Calibrated(unittest.TestCase):
    CALIB = ("--calib", TEXT, "--calib-samples", 8, "--calib-length", 64, "--recipe", "gptq-w4g32", "-t", 1)

    def test_a_killed_run_goes_on_and_ends_with_the_same_bytes(self):
        with tempfile.TemporaryDirectory() as folder:
            whole, killed = Path(folder) / "whole", Path(folder) / "killed"
            made = report("quantize", "-m", MODEL, "-o", whole, *self.CALIB)
            self.assertEqual(json.loads((whole / "report.json").read_text())["recipe"], "gptq-w4g32")
            self.assertIn("Worst layers", (whole / "report.html").read_text())
            self.assertIn("the end of the calibration text", made["evaluation"]["protocol"])
            self.assertGreaterEqual(made["evaluation"]["top1_agreement"], 0.8)
            self.assertLessEqual(len(made["evaluation"]["worst_layers"]), 10)

            work = Path(folder) / "killed.halftone-work"
            arguments = ["quantize", "-m", MODEL, "-o", killed, *self.CALIB]
            process = subprocess.Popen([PROGRAM, *map(str, arguments)], stderr=subprocess.DEVNULL)
            while process.poll() is None and not (work / "block-0000.json").exists():
                pass
            process.kill()
            process.wait()
            self.assertFalse(killed.exists())
            self.assertTrue(work.exists())
            other = halftone(*arguments, "--resume", "--seed", 2)
            self.assertEqual(other.returncode, 2, other.stderr)
            resumed = report(*arguments, "--resume")
            self.assertTrue(any("gone on after" in remark for remark in resumed["remarks"]))
            self.assertEqual((whole / "model.safetensors").read_bytes(), (killed / "model.safetensors").read_bytes())
            self.assertFalse(work.exists())

    def test_what_is_wrong_is_said(self):
        none = halftone("quantize", "-m", MODEL, "-o", "unused", "--recipe", "gptq-w4g32")
        self.assertEqual(none.returncode, 2)
        self.assertIn("--calib", none.stderr)
        with tempfile.TemporaryDirectory() as folder:
            short = Path(folder) / "short.txt"
            short.write_text("Once upon a time.")
            result = halftone("quantize", "-m", MODEL, "-o", "unused", "--recipe", "gptq-w4g32", "--calib", short)
            self.assertEqual(result.returncode, 3)
            self.assertIn("needs at least", result.stderr)

    def test_observers_of_weights(self):
        with tempfile.TemporaryDirectory() as folder:
            text = Path(folder) / "text.txt"
            text.write_text(TEXT.read_text()[:6000])
            losses = {}
            for flags in ((), ("--observer", "mse"), ("--observer", "percentile", "--percentile", 98)):
                made = report("quantize", "-m", MODEL, "-o", Path(folder) / "made", "--recipe", "rtn-w3", *flags,
                              "--eval-text", text)
                losses[flags[1:2]] = made["evaluation"]["kld_mean"]
            self.assertLess(losses[("mse",)], 0.8 * losses[()])
            self.assertLess(losses[("percentile",)], 0.8 * losses[()])
        for recipe, flags, words in (("rtn-w3", ("--observer", "entropy"), "too few"),
                                     ("rtn-w3", ("--observer", "moving-average"), "weights have none"),
                                     ("rtn-w3", ("--observer", "search"), "weights have their own"),
                                     ("gptq-w4g32", ("--observer", "mse"), "does not round to nearest"),
                                     ("rtn-w3", ("--percentile", 99), "belongs to --observer percentile"),
                                     ("rtn-w3", ("--softmax", "log2"), "no static activations")):
            result = halftone("quantize", "-m", MODEL, "-o", "unused", "--recipe", recipe, *flags)
            self.assertEqual(result.returncode, 2)
            self.assertIn(words, result.stderr)

    def test_layers_are_compared_and_ranked(self):
        with tempfile.TemporaryDirectory() as folder:
            output, page = Path(folder) / "w3", Path(folder) / "page.html"
            report("quantize", "-m", MODEL, "-o", output, "--recipe", "rtn-w3g32", "--no-eval")
            window = ("--text", TEXT, "--window", 64, "--max-windows", 2)
            compared = report("compare", MODEL, output, *window, "--html", page)
            sqnr = [layer["sqnr_db"] for layer in compared["layers"]]
            self.assertEqual(sqnr, sorted(sqnr))
            self.assertIn("<svg", page.read_text())
            itself = report("compare", MODEL, MODEL, *window)
            self.assertEqual({layer["sqnr_db"] for layer in itself["layers"]}, {None})
            ranked = report("sensitivity", "-m", MODEL, "--recipe", "rtn-w3", "--blocks", *window)
            self.assertTrue(all(row["kld_mean"] > 0 for row in ranked["rows"]))


class Measure(unittest.TestCase):
    def test_perplexity_names_its_protocol(self):
        result = report("eval", "ppl", "-m", MODEL, *FEW)
        self.assertEqual(set(result), {"perplexity", "nll", "tokens", "protocol"})
        self.assertEqual(result["tokens"], 4 * 127)
        for part in ("heldout.txt", "windows of 128 tokens", "BOS", "activations f32", "KV cache f16"):
            self.assertIn(part, result["protocol"])

    def test_divergence_from_itself_is_nothing_and_grows_as_bits_go(self):
        itself = report("eval", "kld", "-m", MODEL, "--reference", MODEL, *FEW)
        self.assertEqual(itself["kld_mean"], 0)
        self.assertEqual(itself["top1_agreement"], 1)
        losses = [
            report("eval", "kld", "-m", MODEL, "--reference", MODEL, "--recipe", recipe, *FEW)["kld_mean"]
            for recipe in ("rtn-w8", "rtn-w6g32", "rtn-w4g32", "rtn-w2g32")
        ]
        self.assertEqual(losses, sorted(losses))

    def test_every_isa_gives_the_same_perplexity(self):
        isas = report("doctor", "-t", 1)["isas"]
        values = [
            report("eval", "ppl", "-m", MODEL, "--recipe", "rtn-w4g32", "--isa", isa, *FEW)["perplexity"]
            for isa in isas
            if isa != "scalar"
        ]
        for value in values:
            self.assertAlmostEqual(value / values[0], 1, delta=2e-3)

    def test_sweep_has_a_row_for_each_recipe(self):
        result = report(
            "sweep", "-m", MODEL, "--recipes", "rtn-w8,nf4", "-p", 16, "-n", 4, "-r", 1, *FEW
        )
        self.assertEqual([row["scheme"] for row in result["rows"]], ["original", "rtn-w8", "nf4"])
        self.assertEqual(result["rows"][0]["kld_mean"], 0)
        self.assertEqual(result["rows"][1]["activations"], "int8 per-token dynamic")

    def test_bench_rows(self):
        result = report("bench", "-m", MODEL, "--recipe", "rtn-w8", "-p", 16, "-n", 4, "-d", "0,32", "-r", 1, "-t", 1)
        self.assertEqual([row["test"] for row in result["rows"]], ["pp16", "tg4", "pp16 @ d32", "tg4 @ d32"])
        for row in result["rows"]:
            for key in ("tokens_per_s_median", "bytes_per_token", "roof_share"):
                self.assertGreater(row[key], 0)
            self.assertIsNone(row["tokens_per_s_spread"])  # of one run
        for look in ("before", "after"):
            self.assertGreater(result[f"read_bandwidth_{look}"], 0)
        self.assertRegex(halftone("bench", "-m", MODEL, "-p", 0, "-n", 4, "-r", 2).stdout, r"GB/s \(before [\d.]+, after [\d.]+\)")
        self.assertEqual(halftone("bench", "-p", 16).returncode, 2)
        self.assertEqual(halftone("bench", "--synthetic", "llama-9").returncode, 2)

    def test_every_instruction_set_has_a_roof(self):
        for flags in ([], ["--bf16"]):
            result = report("bench", "-m", MODEL, "--isa", "scalar", *flags, "-p", 8, "-n", 2, "-r", 1)
            for row in result["rows"]:
                self.assertTrue(0 < row["roof_share"] < 10, row)
                self.assertNotEqual(row["roof"], "bf16 peak")

    def test_bench_leaves_out_what_is_longer_than_the_context_asked_for(self):
        result = report("bench", "-m", MODEL, "-c", 48, "-p", "16,32", "-n", 8, "-d", "0,40", "-r", 1)
        self.assertEqual([row["test"] for row in result["rows"]], ["pp16", "pp32", "tg8", "tg8 @ d40"])
        self.assertEqual(result["left_out"], ["pp16 @ d40", "pp32 @ d40"])
        nothing = halftone("bench", "-m", MODEL, "-c", 8, "-p", 16, "-n", 0)
        self.assertEqual((nothing.returncode, "pp16 exceed -c 8" in nothing.stderr), (2, True), nothing.stderr)

    def test_bench_refuses_what_it_would_not_use(self):
        for flags in (["--recipe", "rtn-w8"], ["-p", 16], ["--batch", 2], ["-n", "8,16"], ["-n", 0]):
            done = halftone("bench", "-m", MODEL, "--speculate", "ngram", *flags)
            self.assertEqual((done.returncode, done.stdout), (2, ""), flags)
            self.assertIn("--speculate", done.stderr)
        self.assertEqual(halftone("bench", "-m", MODEL, "--passes").returncode, 2)

    def test_what_needs_calibration_names_the_command_that_takes_it(self):
        for command in (["bench"], ["export", "--format", "awq", "-o", "unused"], ["eval", "ppl", *FEW]):
            done = halftone(*command, "-m", MODEL, "--recipe", "awq-w4g128")
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertIn("halftone quantize --calib", done.stderr)

    def test_bench_says_where_a_step_goes(self):
        result = report("bench", "-m", MODEL, "--recipe", "rtn-w8", "-p", 0, "-n", 4, "-r", 1, "-t", 1, "--layers")
        parts = {part["name"]: part for part in result["rows"][0]["parts"]}
        for name in ("Gemm", "PagedAttention", "RotaryEmbedding", "sampling", "between operators"):
            self.assertIn(name, parts)
        self.assertGreater(parts["Gemm"]["ms"], parts["sampling"]["ms"])
        self.assertEqual(parts["sampling"]["nodes"], 0)

    def test_inspect(self):
        result = report("inspect", "-m", MODEL)
        config = json.loads((MODEL / "config.json").read_text())
        self.assertEqual(result["layers"], config["num_hidden_layers"])
        self.assertEqual(result["hidden"], config["hidden_size"])
        self.assertGreater(result["decode"]["flops"], 2 * 0.9 * result["parameters"])
        self.assertIn("PagedAttention", halftone("inspect", "-m", MODEL, "--graph").stdout)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0]], verbosity=2)
