#!/usr/bin/env python3
"""What quantize says and does when its calibration or its model is not sound: a clear word, or a fallback that the receipt tells.

Usage: calibration_troubles_test.py HALFTONE SOURCE_DIR. Uses changed copies of zoo/llm.
"""

import json
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

PROGRAM = Path(sys.argv[1]).resolve()
ZOO = Path(sys.argv[2]).resolve() / "zoo"
MODEL = ZOO / "llm"
TEXT = (ZOO / "heldout.txt").read_text()
ALL = ("gptq", "awq", "smoothquant", "autoround: {iterations: 2}", "adaround: {iterations: 2}", "omniquant: {epochs: 1}")


def bfloat16(value):
    return struct.unpack("<I", struct.pack("<f", value))[0] >> 16


class Weights:
    """The model.safetensors of a folder, to be changed in place."""

    def __init__(self, folder):
        self.path = Path(folder) / "model.safetensors"
        self.bytes = bytearray(self.path.read_bytes())
        size = struct.unpack("<Q", self.bytes[:8])[0]
        self.header = json.loads(self.bytes[8:8 + size])
        self.start = 8 + size

    def put(self, name, elements, value):
        offset = self.start + self.header[name]["data_offsets"][0]
        for i in elements:
            struct.pack_into("<H", self.bytes, offset + 2 * i, bfloat16(value))

    def write(self):
        self.path.write_bytes(self.bytes)


class Troubles(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def model(self, change=lambda weights: None):
        """A copy of the zoo's model with changed weights."""
        copy = self.folder / "model"
        shutil.copytree(MODEL, copy)
        weights = Weights(copy)
        change(weights)
        weights.write()
        return copy

    def text(self, text):
        path = self.folder / "text.txt"
        path.write_text(text)
        return path

    def recipe(self, algorithm, embedding="keep"):
        path = self.folder / "recipe.yaml"
        path.write_text(f"algorithms: [{{{algorithm if ':' in algorithm else algorithm + ': {}'}}}]\ntied: {embedding}\n"
                        "rules:\n  - {weights: {format: int4, group: 64, symmetric: false}}\n")
        return path

    def quantize(self, model, text, algorithm, *more, samples=4, length=32):
        shutil.rmtree(self.folder / "out", ignore_errors=True)
        return subprocess.run([PROGRAM, *map(str, ("quantize", "-m", model, "-o", self.folder / "out", "--recipe", self.recipe(algorithm),
                                                   "--calib", text, "--calib-samples", samples, "--calib-length", length, "-t", 1, *more))],
                              capture_output=True, encoding="utf-8", timeout=300)

    def report(self, *arguments, **numbers):
        result = self.quantize(*arguments, "--json", **numbers)
        self.assertEqual(result.returncode, 0, result.stderr)
        return json.loads(result.stdout)

    def fallbacks(self, report):
        return [f'{note["layer"]}: {note["algorithm"]}: {note["text"]}' for note in report["notes"] if note["fallback"]]

    def assert_one(self, words, texts):
        self.assertTrue(any(all(word in text for word in words) for text in texts), (words, texts))

    def test_activations_that_do_not_vary(self):
        text = self.text("the " * 3000)
        for algorithm in ALL:
            report = self.report(MODEL, text, algorithm)
            self.assert_one(["different tokens"], report["remarks"])
            self.assertLess(report["evaluation"]["perplexity"], 1e4, algorithm)

    def test_a_hessian_that_is_not_positive_definite(self):
        report = self.report(MODEL, self.text("the " * 3000), "gptq: {damping: 1.0e-6}")
        self.assert_one(["gptq", "needed a damping"], self.fallbacks(report))

    def test_dead_channels(self):
        model = self.model(lambda weights: weights.put("model.layers.1.input_layernorm.weight", range(7), 0.0))
        for algorithm in ALL:
            report = self.report(model, self.text(TEXT[:20000]), algorithm)
            self.assert_one(["layers.1", "7 of 256 inputs are always 0"], self.fallbacks(report))
            self.assertLess(report["evaluation"]["kld_mean"], 1, algorithm)

    def test_samples_that_give_no_finite_activations(self):
        token = json.loads((MODEL / "tokenizer.json").read_text())["model"]["vocab"]["~"]
        model = self.model(lambda weights: weights.put("model.embed_tokens.weight", [token * 256], float("nan")))
        text = self.text(" ~ ".join(TEXT[400 * i:400 * i + 400] for i in range(8)) + TEXT[4000:20000])
        for algorithm in ("gptq", "awq"):
            report = self.report(model, text, algorithm, samples=40)
            self.assert_one(["of 40 samples left out", "is nan"], self.fallbacks(report))
            self.assertIn("not finite", report["not_evaluated"])  # the table gives the logits too

    def test_no_sample_gives_finite_activations(self):
        model = self.model(lambda weights: weights.put("model.layers.2.mlp.up_proj.weight", range(256), 3e38))
        for algorithm in ("awq", "autoround: {iterations: 2}"):
            report = self.report(model, self.text(TEXT[:20000]), algorithm)
            self.assert_one(["layers.2", "4 of 4 samples left out"], self.fallbacks(report))
            self.assert_one(["layers.4", "rounded to nearest"], self.fallbacks(report))
            self.assertFalse(any("layers.0" in text and "finite" in text for text in self.fallbacks(report)))
            self.assertIn("not finite", report["not_evaluated"])
        report = self.report(model, self.text(TEXT[:20000]), "gptq")  # sees the quantized model, whose scales end at f16's
        self.assert_one(["layers.2.mlp.up_proj", "rounded to nearest"], self.fallbacks(report))

    def test_weights_that_are_no_numbers(self):
        model = self.model(lambda weights: weights.put("model.layers.3.mlp.up_proj.weight", [700], float("nan")))
        for algorithm in ("rtn", *ALL):
            result = self.quantize(model, self.text(TEXT[:20000]), algorithm)
            self.assertEqual(result.returncode, 3, (algorithm, result.stderr))
            self.assertIn("model.layers.3.mlp.up_proj.weight", result.stderr)
            self.assertIn("nan", result.stderr)
            self.assertFalse((self.folder / "out").exists())

    def test_a_tokenizer_of_another_model(self):
        model = self.model()
        path = model / "tokenizer.json"
        whole = json.loads(path.read_text())
        vocabulary = whole["model"]["vocab"]
        single = [word for word in vocabulary if len(word) > 1]
        ids = [vocabulary[word] for word in single]
        for word, other in zip(single, reversed(ids)):
            vocabulary[word] = other
        path.write_text(json.dumps(whole))
        report = self.report(model, self.text(TEXT[:20000]), "gptq")
        self.assert_one(["worse than that of guessing"], report["remarks"])

    def test_text_and_lengths_that_do_not_do(self):
        for text, numbers, words in (("", {}, "no text"), ("Once.", {}, "needs at least"), (TEXT[:9000], {"length": 9999}, "context"),
                                     (TEXT[:9000], {"samples": 0}, "--calib-samples")):
            result = self.quantize(MODEL, self.text(text), "gptq", **numbers)
            self.assertIn(result.returncode, (2, 3), result.stderr)
            self.assertIn(words, result.stderr)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
