#!/usr/bin/env python3
"""Drives `halftone infer` and `halftone inspect` on ONNX models as a user does.

Usage: infer_command_test.py HALFTONE SOURCE_DIR
"""

import array
import json
import struct
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

PROGRAM = Path(sys.argv[1]).resolve()
SOURCE = Path(sys.argv[2]).resolve()
sys.path.insert(0, str(SOURCE / "tools"))
from make_fuzz_corpus import onnx_model, onnx_node, onnx_tensor, onnx_value, proto  # noqa: E402


def halftone(*arguments):
    return subprocess.run([PROGRAM, *map(str, arguments)], capture_output=True, encoding="utf-8", timeout=120)


def npy(shape, values):
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {tuple(shape)!r}, }}\n".encode()
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header + array.array("f", values).tobytes()


def read_npy(path):
    data = path.read_bytes()
    (length,) = struct.unpack("<H", data[8:10])
    assert len(data[: 10 + length]) % 64 == 0
    return list(array.array("f", data[10 + length :]))


class Infer(unittest.TestCase):
    """y = x W, with x [N, 2] and W [[1, 2, 3], [4, 5, 6]]."""

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.at = Path(self.folder.name)
        self.model = self.at / "model.onnx"
        self.model.write_bytes(onnx_model(17, [
            (1, onnx_node("MatMul", ["x", "w"], ["y"])),
            (5, onnx_tensor("w", [2, 3], 1, array.array("f", [1, 2, 3, 4, 5, 6]).tobytes())),
            (11, onnx_value("x", "N", 2)), (12, onnx_value("y", "N", 3))]))
        (self.at / "x.npy").write_bytes(npy([1, 2], [1, 10]))
        (self.at / "x.raw").write_bytes(array.array("f", [1, 0, 0, 1]).tobytes())

    def fails(self, code, *arguments, saying):
        result = halftone(*arguments)
        self.assertEqual(result.returncode, code, result.stderr)
        self.assertEqual(result.stdout, "")
        self.assertEqual(len(result.stderr.splitlines()), 1, result.stderr)
        self.assertIn(saying, result.stderr)

    def test_more_than_there_is_memory(self):
        """No recipe is told of a graph that has no layers."""
        huge = self.at / "huge.onnx"
        huge.write_bytes(onnx_model(17, [(1, onnx_node("Relu", ["x"], ["y"])), (11, onnx_value("x", 1 << 20, 1 << 20)),
                                         (12, onnx_value("y", 1 << 20, 1 << 20))]))
        self.fails(5, "infer", huge, "--input", f"x={self.at / 'x.npy'}", saying="no recipe makes it fit")

    def test_npy_in_and_out(self):
        result = halftone("infer", self.model, "--input", f"x={self.at / 'x.npy'}", "-o", self.at / "out", "--json")
        self.assertEqual(result.returncode, 0, result.stderr)
        output = json.loads(result.stdout)["runs"][0]["outputs"]["y"]
        self.assertEqual((output["shape"], output["min"], output["max"], output["argmax"]), ([1, 3], 41, 63, 2))
        self.assertEqual(read_npy(self.at / "out/y.npy"), [41, 52, 63])

    def test_a_constant_settles_a_condition(self):
        """y = If(rate > 9) x W else its first row: of two shapes, so only with --constant; every command that takes it does."""
        def branch(name, node):
            return proto((1, name), (6, proto((1, node), (12, proto((1, "made"))))), (20, 5))
        model = self.at / "if.onnx"
        model.write_bytes(onnx_model(17, [
            (1, onnx_node("Greater", ["rate", "nine"], ["fast"])),
            (1, onnx_node("If", ["fast"], ["y"], branch("then_branch", onnx_node("MatMul", ["x", "w"], ["made"])),
                          branch("else_branch", onnx_node("Gather", ["w", "first"], ["made"])))),
            (5, onnx_tensor("w", [2, 3], 1, array.array("f", [1, 2, 3, 4, 5, 6]).tobytes())),
            (5, onnx_tensor("nine", [], 7, struct.pack("<q", 9))), (5, onnx_tensor("first", [], 7, struct.pack("<q", 0))),
            (11, onnx_value("x", "N", 2)), (11, onnx_value("rate", kind=7)), (12, onnx_value("y"))]))
        x, rate = ("--input", f"x={self.at / 'x.npy'}"), ("--constant", "rate=16000")
        self.fails(4, "infer", model, *x, saying='depends on "rate"')
        self.fails(2, "infer", model, *x, "--constant", "rat=1", saying='no input is named "rat"')
        self.fails(2, "infer", model, *x, "--constant", "rate=fast", saying="no number")
        self.fails(2, "plan", "-m", SOURCE / "zoo/llm", *rate, saying="--constant: only ONNX models")
        self.assertEqual(halftone("infer", model, *x, *rate, "-o", self.at / "out").returncode, 0)
        self.assertEqual(read_npy(self.at / "out/y.npy"), [41, 52, 63])
        quantize = ("quantize", "-m", model, "--recipe", "rtn-w8", "-o", self.at / "w8")
        self.fails(4, *quantize, saying='depends on "rate"')
        self.fails(2, *quantize, *rate, "--dim", "N=1", saying="fewer than 1024 elements")  # it was opened

    def test_raw_in_and_out(self):
        result = halftone("infer", self.model, "--input", f"x={self.at / 'x.raw'}", "-o", self.at / "out", "--raw")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("[2, 3]", result.stdout)
        self.assertEqual(list(array.array("f", (self.at / "out/y.raw").read_bytes())), [1, 2, 3, 4, 5, 6])

    def test_outputs_whose_names_make_one_file_have_two(self):
        (self.at / "twins.onnx").write_bytes(onnx_model(17, [
            (1, onnx_node("Neg", ["x"], ["a/b"])), (1, onnx_node("Abs", ["x"], ["a_b"])),
            (11, onnx_value("x", "N", 2)), (12, onnx_value("a/b", "N", 2)), (12, onnx_value("a_b", "N", 2))]))
        result = halftone("infer", self.at / "twins.onnx", "--input", f"x={self.at / 'x.npy'}", "-o", self.at / "out", "--json")
        self.assertEqual(result.returncode, 0, result.stderr)
        outputs = json.loads(result.stdout)["runs"][0]["outputs"]
        self.assertEqual(read_npy(Path(outputs["a/b"]["file"])), [-1, -10])
        self.assertEqual(read_npy(Path(outputs["a_b"]["file"])), [1, 10])

    def test_a_list_is_a_run_a_line(self):
        (self.at / "runs.txt").write_text("# two runs\nx:=x.npy\nx.raw\n")
        result = halftone("infer", self.model, "--input-list", self.at / "runs.txt", "-o", self.at / "out")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(read_npy(self.at / "out/Result_0/y.npy"), [41, 52, 63])
        self.assertEqual(read_npy(self.at / "out/Result_1/y.npy"), [1, 2, 3, 4, 5, 6])

    def test_what_is_wrong_is_said(self):
        x = f"x={self.at / 'x.npy'}"
        self.fails(2, "infer", self.model, saying='input "x" (f32 [N, 2]) is missing: --input x=FILE')
        self.fails(2, "infer", self.model, "--input", x, "--input", f"z={self.at / 'x.npy'}", saying='no input "z"')
        self.fails(2, "infer", self.model, "--input", x, "--dim", "M=1", saying='no dimension is named "M"')
        self.fails(3, "infer", self.model, "--input", x, "--dim", "N=2", saying="expected 2 along dimension 0, found 1")
        self.fails(3, "infer", self.at / "none.onnx", saying="none.onnx")
        self.fails(3, "infer", self.at, saying="config.json")
        (self.at / "short.raw").write_bytes(b"abc")
        self.fails(3, "infer", self.model, "--input", f"x={self.at / 'short.raw'}", saying="3 bytes are no f32 of shape [N, 2]")
        (self.at / "empty.onnx").write_bytes(b"")
        self.fails(3, "inspect", self.at / "empty.onnx", saying="expected an ONNX model, found an empty file")

    def test_inspect_tells_what_it_is(self):
        result = halftone("inspect", self.model, "--dim", "N=4", "--json")
        self.assertEqual(result.returncode, 0, result.stderr)
        report = json.loads(result.stdout)
        self.assertEqual((report["parameters"], report["flops"]), (6, 2 * 4 * 2 * 3))
        self.assertEqual(sum(report["operators"].values()), 1)
        self.assertEqual(report["inputs"], [{"name": "x", "dtype": "f32", "shape": "[4, 2]"}])
        self.assertGreaterEqual(report["arena_bytes"], 48)
        (self.at / "four.npy").write_bytes(npy([4, 2], range(8)))
        for command in (["infer", self.model, "--input", f"x={self.at / 'four.npy'}"], ["bench", self.model, "--dim", "N=4", "-r", "1"]):
            run = json.loads(halftone(*command, "--json").stdout)
            beyond = run["arena_bytes"] - run["workspace_bytes"] - report["arena_bytes"]  # up to where the workspace begins
            self.assertTrue(0 <= beyond < 64, (run, report))
        self.assertIsNone(run["latency_spread"])  # of one run
        self.assertIn("Parameters", halftone("inspect", self.model).stdout)
        result = halftone("inspect", self.model, "--json", "--passes")
        self.assertRegex(result.stderr, r"fold_constants +0 +\d")
        passes = json.loads(result.stdout)["passes"]
        self.assertIn("fold_constants", [done["pass"] for done in passes])
        self.assertTrue(all(done["ms"] >= 0 for done in passes))

    def test_bench_refuses_what_goes_with_language_models(self):
        for flags in (["--recipe", "int8-static"], ["-p", 16], ["--speculate", "ngram"], ["--batch", 4]):
            self.fails(2, "bench", self.model, "--dim", "N=4", *flags, saying="goes with language models")


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0]])
