#!/usr/bin/env python3
"""Every command meets broken files with one clear line and an exit code: in bounded time and memory, nothing left behind.

Usage: bad_input_test.py HALFTONE SOURCE_DIR
"""

import array
import json
import math
import os
import resource
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest
import zlib
from pathlib import Path

PROGRAM = Path(sys.argv[1]).resolve()
SOURCE = Path(sys.argv[2]).resolve()
sys.path.insert(0, str(SOURCE / "tools"))
from make_fuzz_corpus import (npy, onnx_int, onnx_ints, onnx_model, onnx_node, onnx_tensor, onnx_value,  # noqa: E402
                              proto)

MOST_MEMORY = 4 << 30
MOST_SECONDS = 20  # of computing


# Sanitizers reserve address space of their own.
SANITIZED = b"__asan_init" in PROGRAM.read_bytes() or b"__tsan_init" in PROGRAM.read_bytes()


def limit():
    if not SANITIZED:
        resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (MOST_SECONDS, MOST_SECONDS))


def halftone(*arguments):
    return subprocess.run([PROGRAM, *map(str, arguments)], capture_output=True, encoding="utf-8", errors="replace",
                          timeout=300, preexec_fn=limit, stdin=subprocess.DEVNULL)


def png(width, height, rows=None):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    pixels = bytes(1 + 3 * width) * height if rows is None else rows
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">2I5B", width, height, 8, 2, 0, 0, 0)) +
            chunk(b"IDAT", zlib.compress(pixels)) + chunk(b"IEND", b""))


def floats(name, *dims):
    count = math.prod(dims)
    return (5, onnx_tensor(name, dims, 1, array.array("f", [(i % 7 - 3) / 4 for i in range(count)]).tobytes()))


def ints(name, *values, dims=None):
    return (5, onnx_tensor(name, [len(values)] if dims is None else dims, 7, struct.pack(f"<{len(values)}q", *values)))


X, Y = (11, onnx_value("x", 1, 3, 8, 8)), (12, onnx_value("y", 1, 4))


def node(op, inputs, outputs, *attributes, **more):
    return (1, onnx_node(op, inputs, outputs, *attributes, **more))


def classifier(*instead, x=X, y=Y):
    """x [1, 3, 8, 8] -> Conv -> pooled -> y [1, 4]; `instead` stands for what makes "c" of x."""
    first = instead or (node("Conv", ["x", "w"], ["c"], onnx_ints("pads", 1, 1, 1, 1)),)
    return onnx_model(17, [*first, node("GlobalAveragePool", ["c"], ["p"]), node("Flatten", ["p"], ["y"]),
                           floats("w", 4, 3, 3, 3), x, y])


def conv(*attributes, w=("w",)):
    return classifier(node("Conv", ["x", *w], ["c"], *attributes))


def with_shape(op, *values, **more):
    """c = op(x, values)"""
    return classifier(node(op, ["x", "v"], ["c"]), ints("v", *values, **more))


def resized(*scales):
    return classifier(node("Resize", ["x", "", "v"], ["c"]),
                      (5, onnx_tensor("v", [len(scales)], 1, struct.pack(f"<{len(scales)}f", *scales))))


def external(location, offset="0", length=None):
    entries = [("location", location), ("offset", offset)] + ([("length", length)] if length else [])
    tensor = proto((1, 4), (1, 3), (1, 3), (1, 3), (2, 1), (8, "v"),
                   *((13, proto((1, key), (2, value))) for key, value in entries), (14, 1))
    return classifier(node("Conv", ["x", "v"], ["c"]), (5, tensor))


def graph_attribute(name):
    return proto((1, name), (6, proto((2, "inner"))), (20, 5))


def unfolding():
    """Functions that each call the next a hundred times, and the last, which holds nothing."""
    def function(name, nodes):
        return (25, proto((1, name), (4, "a"), (5, "b"), *((7, n) for n in nodes), (9, proto((1, "mine"), (2, 1))), (10, "mine")))
    calls = [function(f"f{i}", [onnx_node(f"f{i + 1}", ["a"], [f"t{k}"], domain="mine") for k in range(100)]) for i in range(20)]
    return onnx_model(17, [node("f0", ["x"], ["y"], domain="mine"), X, Y], *calls, function("f20", []))


def many_of_one_name(count=100_000):
    nodes = b"".join(proto((1, proto((1, "x"), (2, f"v{i}"), (3, "same"), (4, "Relu")))) for i in range(count))
    graph = nodes + proto(node("Gibberish", ["x"], ["y"]), X, Y)
    return proto((1, 8), (7, graph), (8, proto((1, ""), (2, 17))))


MANY = 20_000 if SANITIZED else 100_000  # nodes


def chain(*links, count=MANY):
    """x -> a link after the other -> y, both [1, 8]. A link: (operator, what it reads, attributes); None: the link before."""
    nodes, last = [], "x"
    for i in range(count):
        op, reads, *attributes = links[i % len(links)]
        nodes.append(proto(node(op, [last if name is None else name for name in reads], [f"v{i}"], *attributes)))
        last = f"v{i}"
    return nodes, last


def large(nodes, last, *tensors):
    graph = b"".join(nodes) + proto(node("Neg", [last], ["y"]), *tensors, (11, onnx_value("x", 1, 8)), (12, onnx_value("y", 1, 8)))
    return proto((1, 8), (7, graph), (8, proto((1, ""), (2, 17))))


def fan(count=MANY // 2):
    """One value that many read, all of whose results live until the last is made."""
    nodes = [proto(node("Sigmoid", ["x"], [f"s{i}"])) for i in range(count)]
    sums = [proto(node("Add", [f"a{i - 1}" if i > 1 else "s0", f"s{i}"], [f"a{i}"])) for i in range(1, count)]
    return large(nodes + sums, f"a{count - 1}")


LARGE = {
    "chain": large(*chain(("Neg", [None]))),
    "fan": fan(),
    "one value read by all": large(*chain(("Sigmoid", [None]), ("Add", [None, "x"]))),
    "transposes that do nothing": large(*chain(("Transpose", [None], onnx_ints("perm", 0, 1)))),
    "reshapes": large(*chain(("Reshape", [None, "s"])), ints("s", 1, 8)),
    "layers of one weight": large(*chain(("MatMul", [None, "w"]), ("Add", [None, "b"])), floats("w", 8, 8), floats("b", 8)),
    "concats": large(*chain(("Concat", [None, None], onnx_int("axis", 0)), ("ReduceMax", [None], onnx_ints("axes", 0)))),
    "pairs of codes": large(*chain(("QuantizeLinear", [None, "q"]), ("DequantizeLinear", [None, "q"])), floats("q")),
}

GOOD = classifier()
BIG = 1 << 40


# What is wrong with it -> (the file, what the complaint says).
MODELS = {
    "empty": (b"", "empty file"),
    "text": (b"{}\n" * 100, "not an ONNX model"),
    "zeros": (bytes(1000), "not an ONNX model"),
    "cut": (GOOD[: len(GOOD) // 2], "not an ONNX model"),
    "no graph": (proto((1, 8), (8, proto((1, ""), (2, 17)))), "no graph"),
    "two graphs": (GOOD + GOOD, "two graphs"),
    "no operator set": (proto((1, 8), (7, proto(node("Relu", ["x"], ["y"]), X, (12, onnx_value("y", 1, 3, 8, 8))))), "operator set"),
    "operator set of tomorrow": (onnx_model(1000, [node("Relu", ["x"], ["y"]), X, Y]), "operator set 1000"),
    "cycle": (classifier(node("Add", ["x", "d"], ["c"]), node("Relu", ["c"], ["d"])), "has a cycle"),
    "reads itself": (classifier(node("Add", ["x", "c"], ["c"])), "has a cycle"),
    "made twice": (classifier(node("Relu", ["x"], ["c"]), node("Relu", ["x"], ["c"])), "made twice"),
    "input made again": (classifier(node("Relu", ["x"], ["c"]), node("Relu", ["c"], ["x"])), "cycle"),
    "reads nothing": (classifier(node("Relu", ["nowhere"], ["c"])), "nothing makes"),
    "output of nothing": (classifier(y=(12, onnx_value("z", 1, 4))), "nothing makes"),
    "no outputs": (onnx_model(17, [node("Relu", ["x"], ["y"]), X]), "no outputs"),
    "input twice": (classifier(node("Relu", ["x"], ["c"]), X), "declared twice"),
    "contradictory output": (classifier(y=(12, onnx_value("y", 1, 7))), "declared as"),
    "contradictory shapes": (classifier(node("Add", ["x", "v"], ["c"]), floats("v", 5, 8)), "do not broadcast"),
    "dims of 2^40": (classifier(x=(11, onnx_value("x", BIG, BIG, BIG, BIG))), "too many elements"),
    "negative dimension": (classifier(x=(11, onnx_value("x", 1, -3, 8, 8))), "dimension of -3"),
    "tensor of 2^40": (classifier(node("Add", ["x", "v"], ["c"]), (5, onnx_tensor("v", [BIG], 1, bytes(4)))), "takes"),
    "tensor of negative size": (classifier(node("Add", ["x", "v"], ["c"]), (5, onnx_tensor("v", [-4], 1, bytes(16)))), "dimension of -4"),
    "short tensor": (classifier(node("Add", ["x", "v"], ["c"]), (5, onnx_tensor("v", [8], 1, bytes(31)))), "takes 32 bytes, found 31"),
    "unknown type": (classifier(node("Add", ["x", "v"], ["c"]), (5, onnx_tensor("v", [1], 99, bytes(4)))), "elements of"),
    "external above": (external("../weights.bin"), "inside the model's folder"),
    "external absolute": (external("/etc/passwd"), "inside the model's folder"),
    "external missing": (external("none.bin"), "none.bin"),
    "external beyond": (external("weights.bin", "1000"), "has 1000"),
    "external offset": (external("weights.bin", "-1"), "should be a number"),
    "external length": (external("weights.bin", "0", "7"), "its external data 7"),
    "external folder": (external("."), "is no file"),
    "kernel of 0": (classifier(node("MaxPool", ["x"], ["c"], onnx_ints("kernel_shape", 0, 0))), "kernel_shape"),
    "kernel of 2^40": (classifier(node("MaxPool", ["x"], ["c"], onnx_ints("kernel_shape", BIG, BIG))), "kernel_shape"),
    "kernel and pads of 2^30": (classifier(node("AveragePool", ["x"], ["c"], onnx_ints("kernel_shape", 1 << 30, 1 << 30),
                                                onnx_ints("pads", *[1 << 29] * 4))), "kernel_shape"),
    "stride of 0": (conv(onnx_ints("strides", 0, 0)), "strides"),
    "dilation of 0": (conv(onnx_ints("dilations", 0, 1)), "dilations"),
    "negative pads": (conv(onnx_ints("pads", -1, 0, 0, 0)), "pads"),
    "window too large": (conv(onnx_ints("dilations", 9, 9)), "spans"),
    "group of 0": (conv(onnx_int("group", 0)), "groups"),
    "group does not divide": (conv(onnx_int("group", 3)), "groups"),
    "weights of no kernel": (classifier(node("Conv", ["x", "v"], ["c"]), floats("v", 4, 3, 0, 3)), "kernel_shape"),
    "Reshape to two -1": (with_shape("Reshape", -1, -1), "more than one -1"),
    "Reshape does not divide": (with_shape("Reshape", 1, 5, -1, 1), "do not divide"),
    "Reshape to -7": (with_shape("Reshape", -7), "no size"),
    "Reshape to 9 dimensions": (with_shape("Reshape", *[1] * 9), "dimensions"),
    "Expand to 2^62": (with_shape("Expand", 1 << 31, 1 << 31, 1, 3, 8, 8), ""),
    "Tile to 2^62": (with_shape("Tile", 1 << 31, 1 << 31, 1, 1), ""),
    "Pad of 2^50": (with_shape("Pad", 0, 0, 1 << 50, 1 << 50, 0, 0, 0, 0), "pads"),
    "Pad of 2^30": (with_shape("Pad", 0, 0, 1 << 30, 1 << 30, 0, 0, 0, 0), ""),
    "Pad with another type": (classifier(node("Pad", ["x", "v", "f"], ["c"]), ints("v", *[1] * 8),
                                         (5, onnx_tensor("f", [], 3, b"\1"))), "constant_value"),
    "Slice by 0": (classifier(node("Slice", ["x", "v", "v", "v", "v"], ["c"]), ints("v", 0)), "steps"),
    "Transpose twice": (classifier(node("Transpose", ["x"], ["c"], onnx_ints("perm", 0, 1, 1, 3))), "perm"),
    "Gather along axis 9": (classifier(node("Gather", ["x", "v"], ["c"], onnx_int("axis", 9)), ints("v", 0)), "axis 9"),
    "Concat along -9": (classifier(node("Concat", ["x", "x"], ["c"], onnx_int("axis", -9))), "axis -9"),
    "Resize by 0": (resized(1, 1, 0, 1), "scales"),
    "Resize by NaN": (resized(1, 1, math.nan, 1), "scales"),
    "Resize by 1e9": (resized(1, 1, 1e9, 1e9), ""),
    "Resize by infinity": (resized(1, 1, math.inf, 1), "elements"),
    "GroupNormalization of nothing": (classifier(node("GroupNormalization", [], ["c"], onnx_int("num_groups", 1))), "is missing"),
    "If": (classifier(node("If", ["x"], ["c"], graph_attribute("then_branch"), graph_attribute("else_branch"))), "one bool"),
    "Loop": (classifier(node("Loop", ["", "", "x"], ["c"], graph_attribute("body"))), "operator Loop"),
    "unknown operator": (classifier(node("Frobnicate", ["x"], ["c"])), "operator Frobnicate"),
    "too many inputs": (classifier(node("Relu", ["x", "x", "x"], ["c"])), "takes at most"),
    "attribute of the wrong type": (conv(onnx_ints("group", 1)), "wrong type"),
    "calls without end": (onnx_model(17, [node("F", ["x"], ["y"], domain="mine"), X, Y], (25, proto(
        (1, "F"), (4, "a"), (5, "b"), (7, onnx_node("F", ["a"], ["b"], domain="mine")), (10, "mine")))), "calls itself"),
    "functions that unfold": (unfolding(), "unfold"),
    "many of one name": (many_of_one_name(), "Gibberish"),
}


class BadInput(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.at = Path(self.folder.name)
        self.work = self.at / "work"
        self.work.mkdir()
        self.pictures = self.at / "pictures"
        self.pictures.mkdir()
        for name in ("a.png", "b.png"):
            (self.pictures / name).write_bytes(png(8, 8))
        (self.pictures / "labels.txt").write_text("a.png 0\nb.png 1\n")
        self.annotations = self.at / "boxes.json"
        self.annotations.write_text(json.dumps({
            "images": [{"id": 1, "file_name": "a.png"}], "categories": [{"id": 1, "name": "cat"}],
            "annotations": [{"image_id": 1, "category_id": 1, "bbox": [1, 1, 4, 4]}]}))
        (self.at / "weights.bin").write_bytes(bytes(1000))
        self.tensor = self.at / "x.npy"
        self.tensor.write_bytes(npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1, 3, 8, 8), }", bytes(4 * 192)))
        self.model = self.write_model("model.onnx", GOOD)

    def write_model(self, name, data):
        path = self.at / name
        path.write_bytes(data)
        path.with_suffix(".preprocess.json").write_text('{"resize": {"mode": "stretch"}}')
        return path

    def commands(self, model):
        out = self.work / "out"
        picture = self.pictures / "a.png"
        return {
            "inspect": ["inspect", model],
            "infer": ["infer", model, "--input", f"x={self.tensor}", "-o", out],
            "classify": ["classify", model, picture],
            "detect": ["detect", model, picture, "-o", out],
            "quantize": ["quantize", "-m", model, "--recipe", "int8-static", "--calib", self.pictures, "-o", out],
            "export": ["export", "-m", model, "--format", "onnx", "-o", self.work / "out.onnx"],
            "eval top1": ["eval", "top1", "-m", model, "--images", self.pictures],
            "eval map": ["eval", "map", "-m", model, "--images", self.pictures, "--annotations", self.annotations],
            "compare": ["compare", model, self.model, "--images", self.pictures],
            "bench": ["bench", model, "-r", "1"],
        }

    def complaint(self, arguments, codes=(3, 4, 5)):
        """The one line on stderr of a command that fails, and leaves nothing."""
        done = halftone(*arguments)
        self.assertIn(done.returncode, codes, f"{done.stdout[-300:]}{done.stderr[-300:]}")
        lines = done.stderr.splitlines()
        self.assertEqual(len(lines), 1, done.stderr)
        self.assertTrue(lines[0].startswith("halftone: error: "), lines[0])
        self.assertLess(len(lines[0]), 2100)
        self.assertEqual(list(self.work.iterdir()), [], "something is left")
        return lines[0]

    def test_the_good_model_is_good(self):
        for name, arguments in self.commands(self.model).items():
            if name in ("detect", "eval map"):  # no detector
                continue
            done = halftone(*arguments)
            self.assertEqual(done.returncode, 0, f"{name}: {done.stderr}")
            shutil.rmtree(self.work / "out", ignore_errors=True)

    def test_models(self):
        for what, (data, saying) in MODELS.items():
            model = self.write_model("bad.onnx", data)
            commands = self.commands(model)
            some = commands if len(data) < 4000 else {"inspect": commands["inspect"]}
            for name, arguments in some.items():
                with self.subTest(what, command=name):
                    line = self.complaint(arguments)
                    self.assertIn(saying, line)
                    if "memory" not in line:
                        self.assertIn("bad.onnx", line)

    def test_large_models(self):
        """What a file of a few MB asks for grows with it, and no faster."""
        x = self.at / "row.npy"
        x.write_bytes(npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1, 8), }", bytes(32)))
        for what, data in LARGE.items():
            model = self.write_model("large.onnx", data)
            for arguments in (["inspect", model], ["infer", model, "--input", f"x={x}", "-o", self.work / "out"]):
                with self.subTest(what, command=arguments[0]):
                    done = halftone(*arguments)
                    self.assertEqual(done.returncode, 0, done.stderr)

    def test_models_cut_and_changed(self):
        """A file cut or changed anywhere is a model or an error."""
        for i in range(0, len(GOOD), 7):
            for what, data in (("cut", GOOD[:i]), ("changed", GOOD[:i] + bytes([GOOD[i] ^ 0x81]) + GOOD[i + 1:])):
                with self.subTest(what, byte=i):
                    done = halftone(*self.commands(self.write_model("bad.onnx", data))["infer"])
                    self.assertIn(done.returncode, (0, 2, 3, 4, 5), done.stderr)
                    self.assertEqual(len(done.stderr.splitlines()), int(done.returncode != 0), done.stderr)

    def test_models_that_are_no_files(self):
        folder = self.at / "folder.onnx"
        folder.mkdir()
        pipe = self.at / "pipe.onnx"
        os.mkfifo(pipe)
        loop = self.at / "loop.onnx"
        loop.symlink_to(loop)
        long = self.at / ("n" * 5000 + ".onnx")
        for path in (folder, pipe, loop, long, self.at / "none.onnx", Path("/dev/zero")):
            for name, arguments in self.commands(path).items():
                with self.subTest(path.name[:20], command=name):
                    self.assertIn(path.name[:20], self.complaint(arguments, codes=(2, 3)))

    def test_pictures(self):
        picture = self.at / "bad.png"
        lying = png(60000, 60000, rows=b"")
        for what, data in {"empty": b"", "text": b"no picture", "cut": png(8, 8)[:45], "lies about its size": lying,
                           "of no size": png(0, 8), "pixels are missing": png(8, 8, rows=bytes(10)),
                           "JPEG that ends": b"\xff\xd8\xff\xe0", "WebP that ends": b"RIFF\0\0\0\0WEBPVP8 "}.items():
            picture.write_bytes(data)
            with self.subTest(what):
                self.assertIn("bad.png", self.complaint(["classify", self.model, picture], codes=(3,)))
        self.complaint(["classify", self.model, self.at / "none.png"], codes=(3,))
        os.mkfifo(self.at / "pipe.png")
        self.complaint(["classify", self.model, self.at / "pipe.png"], codes=(3,))
        (self.at / "empty").mkdir()
        self.complaint(["classify", self.model, self.at / "empty"], codes=(3,))

    def test_one_broken_picture_among_others(self):
        """The others are answered; what was wrong is said, and the exit code tells."""
        (self.pictures / "a.png").write_bytes(b"broken")
        for arguments in (["classify", self.model, self.pictures], ["eval", "top1", "-m", self.model, "--images", self.pictures]):
            done = halftone(*arguments, "--json")
            self.assertEqual(done.returncode, 3, done.stderr)
            lines = done.stderr.splitlines()
            self.assertIn("a.png: expected a JPEG", lines[0])
            self.assertIn("1 of 2 pictures cannot be read", lines[-1])
            report = json.loads(done.stdout)
            self.assertEqual(report["unreadable"], 1)
            self.assertEqual(report["images"] if "top1" in report else len(report["images"]), 1)
        done = halftone("eval", "top1", "-m", self.model, "--reference", self.model, "--images", self.pictures, "--json")
        self.assertEqual(done.returncode, 3, done.stderr)
        self.assertEqual([line for line in done.stderr.splitlines() if "a.png" in line], done.stderr.splitlines()[:1])
        self.assertIn("1 of 2 pictures cannot be read", done.stderr.splitlines()[-1])
        report = json.loads(done.stdout)
        self.assertEqual((report["unreadable"], report["images"]), (1, 1))
        (self.at / "whole").mkdir()
        (self.at / "whole/a.png").write_bytes(png(8, 8))
        quantize = ["quantize", "-m", self.model, "--recipe", "int8-static", "--calib", self.at / "whole", "--eval-images", self.pictures, "-o"]
        done = halftone(*quantize, self.at / "int8", "--json")
        self.assertEqual(done.returncode, 3, done.stderr)
        self.assertEqual(sum("a.png" in line for line in done.stderr.splitlines()), 1, done.stderr)
        self.assertIn("1 of 2 pictures cannot be read", done.stderr.splitlines()[-1])
        report = json.loads(done.stdout)["evaluation"]
        self.assertEqual((report["unreadable"], report["images"]), (1, 1))
        self.assertEqual(json.loads((self.at / "int8/report.json").read_text())["evaluation"], report)
        # Which pictures there are is read before anything is quantized.
        (self.pictures / "labels.txt").rename(self.at / "labels.txt")
        self.complaint([*quantize, self.work / "out"], codes=(3,))
        (self.at / "labels.txt").rename(self.pictures / "labels.txt")
        (self.pictures / "b.png").write_bytes(b"")
        for arguments in (["classify", self.model, self.pictures], ["eval", "top1", "-m", self.model, "--images", self.pictures]):
            for flags in ([], ["--json"]):
                done = halftone(*arguments, *flags)
                self.assertEqual((done.returncode, done.stdout), (3, ""), done.stderr)
                self.assertIn("none of 2 pictures can be read", done.stderr.splitlines()[-1])

    def test_tensors(self):
        tensor = self.at / "bad.npy"
        def header(descr="<f4", shape="(1, 3, 8, 8)", order="False"):
            return f"{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}"
        for what, data in {
                "empty": b"", "text": b"1, 2, 3", "cut in its head": b"\x93NUMPY\1\0\xff\xff{", "short": npy(header(), bytes(767)),
                "long": npy(header(), bytes(769)), "doubles": npy(header("<f8"), bytes(2 * 768)), "objects": npy(header("|O"), bytes(768)),
                "big end first": npy(header(">f4"), bytes(768)), "huge": npy(header(shape=f"({BIG}, {BIG}, {BIG})"), b""),
                "negative": npy(header(shape="(-1, 3, 8, 8)"), bytes(768)), "another shape": npy(header(shape="(1, 3, 64)"), bytes(768)),
                "of nine dimensions": npy(header(shape="(1, 1, 1, 1, 1, 3, 8, 8, 1)"), bytes(768))}.items():
            tensor.write_bytes(data)
            with self.subTest(what):
                line = self.complaint(["infer", self.model, "--input", f"x={tensor}", "-o", self.work / "out"])
                self.assertTrue("bad.npy" in line or '"x"' in line, line)
        runs = self.at / "runs.txt"
        for what, text in {"empty": "", "comments": "# nothing\n", "missing": "x:=none.npy\n", "unknown": "z:=x.npy\n",
                           "twice": "x:=x.npy x:=x.npy\n", "too many": "x.npy x.npy\n", "no name": ":=x.npy\n",
                           "long": "n" * 100_000 + "\n", "binary": "\0\1\2\n"}.items():
            runs.write_text(text)
            with self.subTest(what):
                self.complaint(["infer", self.model, "--input-list", runs, "-o", self.work / "out"], codes=(3,))

    def test_sidecars(self):
        sidecar = self.model.with_suffix(".preprocess.json")
        for what, text in {
                "empty": "", "no JSON": "{", "a list": "[]", "deep": "[" * 10_000, "unknown key": '{"resiez": 1}',
                "unknown mode": '{"resize": {"mode": "squeeze"}}', "no numbers": '{"mean": ["a", "b", "c"]}', "two means": '{"mean": [1, 2]}',
                "divides by 0": '{"std": [1, 0, 1]}', "infinite": '{"scale": 1e300}', "negative size": '{"crop": [-1, 4]}',
                "huge size": '{"resize": {"mode": "stretch", "size": 1000000000}}', "other size": '{"resize": {"mode": "stretch", "size": 9}}',
                "grey": '{"channels": "grey", "resize": {"mode": "stretch"}}', "pad": '{"resize": {"mode": "letterbox", "pad": 256}}',
                "crop of what is small": '{"crop": 9}', "other labels": '{"labels": 7, "resize": {"mode": "stretch"}}'}.items():
            sidecar.write_text(text)
            with self.subTest(what):
                self.complaint(["classify", self.model, self.pictures / "a.png"])
        sidecar.write_text('{"resize": {"mode": "stretch"}}')
        labels = self.at / "names.txt"
        for text in ("", "one\n", "{}", '["a", 1]', '{"id2label": {"7": "a"}}'):
            labels.write_text(text)
            with self.subTest("labels", text=text):
                self.complaint(["classify", self.model, self.pictures / "a.png", "--labels", labels], codes=(3,))
        for text in ("", "a.png\n", "a.png x\n", "a.png -1\n", "a.png 99999999999\n", "a.png 4\n", "none.png 0\n"):
            (self.pictures / "labels.txt").write_text(text)
            with self.subTest("labels.txt", text=text):
                self.complaint(["eval", "top1", "-m", self.model, "--images", self.pictures], codes=(3,))

    def test_annotations(self):
        whole = json.loads(self.annotations.read_text())
        box = whole["annotations"][0]
        for what, change in {
                "no images": {"images": None}, "no list": {"annotations": {}}, "image twice": {"images": whole["images"] * 2},
                "category twice": {"categories": whole["categories"] * 2}, "unknown image": {"annotations": [{**box, "image_id": 9}]},
                "unknown category": {"annotations": [{**box, "category_id": 9}]}, "short box": {"annotations": [{**box, "bbox": [1, 2]}]},
                "box of words": {"annotations": [{**box, "bbox": "all"}]}, "fraction": {"annotations": [{**box, "image_id": 1.5}]},
                "huge id": {"annotations": [{**box, "image_id": 1 << 70}]}}.items():
            self.annotations.write_text(json.dumps({**whole, **change}))
            with self.subTest(what):
                self.assertIn("boxes.json", self.complaint(self.commands(self.model)["eval map"], codes=(3,)))
        for text in ("", "{", "[]", "[" * 10_000, "\xff"):
            self.annotations.write_text(text, encoding="latin-1")
            with self.subTest("no JSON", text=text[:9]):
                self.assertIn("boxes.json", self.complaint(self.commands(self.model)["eval map"], codes=(3,)))

    def test_encodings_and_recipes(self):
        encodings = self.at / "scales.json"
        quantize = ["quantize", "-m", self.model, "--recipe", "int8-static", "--no-measure", "--calib", self.pictures,
                    "--encodings", encodings, "-o", self.work / "out"]
        one = {"name": "c", "dtype": "INT", "bw": 8, "is_sym": False, "scale": [0.1], "offset": [-1]}
        files = {"empty": "", "no JSON": "{", "a list": "[]", "nothing": "{}", "deep": "[" * 10_000}
        entries = {"words": "all", "no scale": [{**one, "scale": []}], "scale of 0": [{**one, "scale": [0]}],
                   "two and one": [{**one, "scale": [1, 2]}], "offsets": [{**one, "offset": [5]}],
                   "bits": [{**one, "bw": 1e9}], "twice": [one, one], "unknown": [{**one, "name": "nothing"}],
                   "tiny": [{**one, "scale": [1e-300]}]}
        for what, list_of in entries.items():
            files[what] = json.dumps({"version": "1.0.0", "activation_encodings": list_of, "param_encodings": []})
        for what, text in files.items():
            encodings.write_text(text)
            with self.subTest(what):
                self.assertIn("scales.json", self.complaint(quantize, codes=(3, 4)))
        recipe = self.at / "recipe.yaml"
        for what, text in {"empty": "", "a list": "- 1\n", "no YAML": "{", "tabs": "a:\n\t- b", "unknown key": "frobnicate: 1\n",
                           "bomb": "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
                               f"{chr(98 + i)}: &{chr(98 + i)} [" + ",".join([f"*{chr(97 + i)}"] * 9) + "]\n" for i in range(12)),
                           "deep": "[" * 10_000}.items():
            recipe.write_text(text)
            with self.subTest(what):
                self.assertIn("recipe.yaml", self.complaint(
                    ["quantize", "-m", self.model, "--recipe", recipe, "-o", self.work / "out"], codes=(3,)))

    def test_plan_cache_that_was_changed(self):
        """What others wrote, or what was damaged, is packed anew, with a word about it."""
        cache = self.at / "cache"
        infer = ["infer", self.model, "--input", f"x={self.tensor}", "--json", "--plan-cache", cache]
        first = halftone(*infer)
        self.assertEqual(first.returncode, 0, first.stderr)
        plans = list(cache.glob("*.plan"))
        if not plans:
            self.skipTest("nothing of this model is packed here")
        whole = plans[0].read_bytes()
        for i in (0, 9, 30, 40, 50, 70, len(whole) // 2, len(whole) - 1):
            for data in (whole[:i], whole[:i] + bytes([whole[i] ^ 1]) + whole[i + 1:]):
                plans[0].write_bytes(data)
                done = halftone(*infer)
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertEqual(json.loads(done.stdout)["runs"][0]["outputs"], json.loads(first.stdout)["runs"][0]["outputs"])


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0]])
