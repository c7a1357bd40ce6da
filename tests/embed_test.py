#!/usr/bin/env python3
"""Installs the library under the build folder, builds examples/embed against it with CMake and runs it.

Usage: embed_test.py HALFTONE SOURCE_DIR. Skips (77) where there is no CMake or compiler, and the detector without the
shared material.
"""

import array
import math
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

PROGRAM, SOURCE = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve()
SHARED = pathlib.Path(os.environ.get("HALFTONE_SHARED", SOURCE.parent / "shared"))
sys.path.insert(0, str(SOURCE / "tools"))
from make_fuzz_corpus import onnx_model, onnx_node, onnx_tensor, onnx_value, proto  # noqa: E402


def run(*words, code=0, **more):
    done = subprocess.run(list(map(str, words)), capture_output=True, text=True, **more)
    assert done.returncode == code, f"{words}: {done.returncode}, not {code}\n{done.stdout}{done.stderr}"
    return done


def build(folder):
    """The example, linked with an installed library."""
    prefix = folder / "prefix"
    run("cmake", "--install", PROGRAM.parent, "--prefix", prefix)
    headers = list((prefix / "include/halftone").glob("*.h"))
    assert headers
    for header in headers:  # nothing but the standard library and each other
        for include in re.findall(r'#include ["<]([^">]+)[">]', header.read_text()):
            assert include.startswith("halftone/") or "." not in include, f"{header.name} includes {include}"
    run("cmake", "-S", SOURCE / "examples/embed", "-B", folder / "build", f"-DCMAKE_PREFIX_PATH={prefix}",
        "-DCMAKE_BUILD_TYPE=Release", "-DCMAKE_CXX_FLAGS=-Wall -Wextra -Wpedantic -Werror")
    run("cmake", "--build", folder / "build")
    return folder / "build/embed"


def custom_model(folder, limit, domain="com.example"):
    """y = SoftLimit(x + w)."""
    node = onnx_node("SoftLimit", ["sum"], ["y"], proto((1, "limit"), (2, limit), (20, 1)), domain=domain)
    path = folder / "custom.onnx"
    path.write_bytes(onnx_model(17, [
        (1, onnx_node("Add", ["x", "w"], ["sum"])), (1, node),
        (5, onnx_tensor("w", [3], 1, array.array("f", [0, 1, -3]).tobytes())),
        (11, onnx_value("x", "N", 3)), (12, onnx_value("y", "N", 3))], (8, proto((1, domain), (2, 1)))))
    return path


def main():
    if not shutil.which("cmake"):
        print("no CMake: skipped")
        return 77
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        embed = build(folder)

        model = custom_model(folder, 2.0)
        out = run(embed, "tensors", model).stdout
        numbers = [float(n) for n in out.splitlines()[0].split("]")[1].split()]
        for found, x in zip(numbers, (1, 2, -2), strict=True):
            assert abs(found - 2 * math.tanh(x / 2)) < 1e-5, out
        assert "SoftLimit" in out and "-> SoftLimit" in out, out  # its kernel, not its reference
        assert "positive" in run(embed, "tensors", custom_model(folder, -1.0), code=2).stderr
        assert "SoftLimit" in run(embed, "tensors", custom_model(folder, 1.0, "other"), code=3).stderr
        assert "SoftLimit" in run(PROGRAM, "inspect", model, code=4).stderr

        text = run(embed, "generate", SOURCE / "zoo/llm", "Once upon a time").stdout
        said = run(PROGRAM, "run", "-m", SOURCE / "zoo/llm", "-p", "Once upon a time", "-n", 24, "--temp", 0, "--raw").stdout
        assert text.splitlines()[0] == said.splitlines()[0], (text, said)
        assert "24 tokens, max_tokens" in text, text
        assert "embed:" in run(embed, "generate", folder, "x", code=2).stderr

        if not (SHARED / "models/detect").exists():
            print("no shared models: the detector is skipped")
            return 0
        found = run(embed, "detect", SHARED / "models/detect/nanodet_m_416.onnx",
                    SHARED / "images/coco_val50/images/000000397133.jpg").stdout
        assert "person" in found, found
    return 0


if __name__ == "__main__":
    sys.exit(main())
