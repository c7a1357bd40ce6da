#!/usr/bin/env python3
"""ONNX graphs whose sizes stay open, or are fixed by --dim and --constant, in the commands that calibrate and compare.

Usage: open_sizes_test.py HALFTONE SOURCE_DIR
"""

import array
import json
import math
import struct
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

PROGRAM = Path(sys.argv[1]).resolve()
SOURCE = Path(sys.argv[2]).resolve()
sys.path.insert(0, str(SOURCE / "tools"))
from make_fuzz_corpus import onnx_int, onnx_ints, onnx_model, onnx_node, onnx_tensor, onnx_value  # noqa: E402


def halftone(*arguments):
    return subprocess.run([PROGRAM, *map(str, arguments)], capture_output=True, encoding="utf-8", timeout=120)


def numbers(count, seed):
    return array.array("f", (math.sin(1.7 * i + seed) for i in range(count)))


def weights(name, *dims):
    count = math.prod(dims)
    scaled = array.array("f", (x / math.sqrt(count / dims[0]) for x in numbers(count, len(name) + dims[0])))
    return (5, onnx_tensor(name, dims, 1, scaled.tobytes()))


def write_npy(path, shape, values):
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {tuple(shape)!r}, }}\n".encode()
    path.write_bytes(b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header + values.tobytes())


def read_npy(path):
    data = path.read_bytes()
    return array.array("f", data[10 + struct.unpack("<H", data[8:10])[0]:])


class OpenSizes(unittest.TestCase):
    """Two convolutions of stride 2 over a picture of any size times "gain", side by side, then a third; the sizes of the
    halves have no names, so the Concat and the sum show that they are one only when the model runs."""

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.at = Path(self.folder.name)
        halved = onnx_ints("strides", 2, 2), onnx_ints("pads", 1, 1, 1, 1)
        self.model = self.at / "model.onnx"
        self.model.write_bytes(onnx_model(17, [
            (1, onnx_node("Mul", ["x", "gain"], ["louder"])),
            (1, onnx_node("Conv", ["louder", "a.w"], ["a"], *halved)), (1, onnx_node("Conv", ["louder", "b.w"], ["b"], *halved)),
            (1, onnx_node("Relu", ["a"], ["a+"])), (1, onnx_node("Sigmoid", ["b"], ["b+"])),
            (1, onnx_node("Concat", ["a+", "b+"], ["joined"], onnx_int("axis", 1))), (1, onnx_node("Add", ["a+", "b+"], ["sum"])),
            (1, onnx_node("Conv", ["joined", "c.w"], ["c"])), (1, onnx_node("Conv", ["sum", "d.w"], ["d"])),
            (1, onnx_node("Add", ["c", "d"], ["y"])),
            weights("a.w", 8, 3, 3, 3), weights("b.w", 8, 3, 3, 3), weights("c.w", 4, 16, 1, 1), weights("d.w", 4, 8, 1, 1),
            (11, onnx_value("x", "N", 3, "H", "W")), (11, onnx_value("gain")), (12, onnx_value("y"))]))
        self.shapes = [(1, 3, 12, 16), (1, 3, 9, 7), (2, 3, 16, 10)]
        self.list = self.at / "runs.txt"
        with self.list.open("w") as lines:
            for i, shape in enumerate(self.shapes):
                write_npy(self.at / f"x{i}.npy", shape, numbers(math.prod(shape), i))
                lines.write(f"x:=x{i}.npy\n")
        self.fixed = ("--constant", "gain=2")

    def works(self, *arguments):
        result = halftone(*arguments)
        self.assertEqual(result.returncode, 0, result.stderr)
        return result.stdout

    def fails(self, code, *arguments, saying):
        result = halftone(*arguments)
        self.assertEqual(result.returncode, code, result.stderr)
        self.assertIn(saying, result.stderr)

    def quantize(self, recipe="int8-static"):
        self.works("quantize", "-m", self.model, *self.fixed, "--recipe", recipe, "--no-measure", "--input-list", self.list, "-o",
                   self.at / "int8")
        return json.loads((self.at / "int8/report.json").read_text())

    def test_static_int8_of_open_sizes(self):
        report = self.quantize()
        self.assertEqual(len(report["layers"]), 4)
        for flags, folder in (((self.model, *self.fixed), "floats"), ((self.at / "int8",), "codes")):
            self.works("infer", *flags, "--input-list", self.list, "-o", self.at / folder)
        for i, (batch, _, height, width) in enumerate(self.shapes):
            wanted, found = [read_npy(self.at / folder / f"Result_{i}/y.npy") for folder in ("floats", "codes")]
            self.assertEqual(len(found), batch * 4 * ((height + 1) // 2) * ((width + 1) // 2))
            error = sum((a - b) ** 2 for a, b in zip(wanted, found)) / sum(a * a for a in wanted)
            self.assertLess(error, 1e-2)

    def test_layers_that_stay_floating_fit_into_the_share(self):
        """The share is one of multiply-adds, which need sizes: those of a sample."""
        (self.at / "recipe.yaml").write_text("rules: [{weights: {format: int8}}]\nminimum_elements: 0\n"
                                             "static_activations: {noise: 90, floating_share: 0.5, measure: false}\n")
        report = self.quantize(self.at / "recipe.yaml")
        floating = [layer["layer"] for layer in report["layers"] if layer.get("kept")]
        self.assertTrue(0 < len(floating) < 4, floating)

    def test_compare_and_sensitivity_take_what_is_fixed(self):
        self.quantize()
        compared = json.loads(self.works("compare", self.model, self.at / "int8", *self.fixed, "--input-list", self.list, "--json"))
        self.assertTrue(all(layer["sqnr_db"] > 20 for layer in compared["layers"]), compared)
        # The one run of that size alone: --dim settles the others.
        (self.at / "one.txt").write_text("x:=x1.npy\n")
        dims = ("--dim", "N=1", "--dim", "H=9", "--dim", "W=7")
        rows = json.loads(self.works("sensitivity", "-m", self.model, *self.fixed, *dims, "--recipe", "int8-dynamic", "--input-list",
                                     self.at / "one.txt", "--json"))["rows"]
        self.assertEqual(len(rows), 4)
        self.fails(3, "compare", self.model, self.at / "int8", *self.fixed, *dims, "--input-list", self.list, saying="expected 9")
        self.fails(2, "compare", self.at / "int8", self.at / "int8", *self.fixed, "--input-list", self.list, saying="only ONNX models")

    def test_export_takes_what_is_fixed(self):
        self.works("export", "-m", self.model, *self.fixed, "--dim", "H=12", "--format", "onnx", "-o", self.at / "out.onnx")
        report = json.loads(self.works("inspect", self.at / "out.onnx", "--json"))
        self.assertEqual([i["name"] for i in report["inputs"]], ["x"])
        self.assertIn("12", report["inputs"][0]["shape"])

    def test_what_is_wrong_is_said(self):
        one = ("--dim", "M=1")
        for command in (("sensitivity", "-m", self.model, "--input-list", self.list),
                        ("compare", self.model, self.model, "--input-list", self.list),
                        ("export", "-m", self.model, "--format", "onnx", "-o", self.at / "out.onnx"),
                        ("detect", self.model, self.at / "x.png"), ("classify", self.model, self.at / "x.png")):
            (self.at / "x.png").write_bytes(b"")
            self.fails(2, *command, *one, saying='no dimension is named "M"')
        for command in (("sensitivity", "-m", SOURCE / "zoo/llm", "--text", SOURCE / "zoo/heldout.txt"),
                        ("export", "-m", SOURCE / "zoo/llm", "--format", "gguf", "-o", self.at / "out.gguf")):
            self.fails(2, *command, *one, saying="--dim: only ONNX models are fixed so")


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0]])
