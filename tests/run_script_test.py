#!/usr/bin/env python3
"""bench/cuda/run.sh with programs that only say what they were called with: each part is run, one that fails is told, and
the program itself accepts the flags that a GPU would be measured with.

Usage: run_script_test.py HALFTONE SOURCE_DIR
"""

import os
import resource
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

PROGRAM = Path(sys.argv[1]).resolve()
SCRIPT = Path(sys.argv[2]).resolve() / "bench" / "cuda" / "run.sh"
BENCHES = ("attention_bench", "conv_cuda_bench", "operators_cuda_bench", "gemm_cuda_bench")


class RunScript(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.build = Path(folder.name)
        (self.build / "bench").mkdir()
        for name in ("halftone", *(f"bench/{bench}" for bench in BENCHES)):
            self.program(name, 0)

    def program(self, name, status):
        path = self.build / name
        path.write_text(f'#!/bin/sh\necho "$(basename $0) $*"\nexit {status}\n')
        path.chmod(0o755)

    def run_script(self, stand_in="1"):
        tables = self.build / "tables.md"
        done = subprocess.run(["sh", SCRIPT, self.build, tables], capture_output=True, text=True, timeout=60,
                              env=os.environ | {"STAND_IN": stand_in})
        self.assertEqual(done.stdout, tables.read_text())
        return done

    def test_every_part_is_run(self):
        done = self.run_script()
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stdout.count("halftone bench --device cuda-on-host"), 6)
        for bench in BENCHES:
            self.assertIn(f"\n{bench} ", done.stdout)

    def test_a_part_that_fails_is_told_and_leaves_the_others_to_run(self):
        for failing in ("halftone", "bench/attention_bench", "bench/gemm_cuda_bench"):
            with self.subTest(failing):
                self.program(failing, 3)
                done = self.run_script()
                self.assertEqual(done.returncode, 1)
                self.assertIn("(ended: exit code 3;", done.stdout)
                self.assertIn("\ngemm_cuda_bench --seconds 60", done.stdout)
                self.program(failing, 0)

    def test_a_time_limit_is_no_failure(self):
        self.program("halftone", 124)
        self.assertEqual(self.run_script().returncode, 0)

    def test_the_program_accepts_what_a_gpu_is_measured_with(self):
        lines = [line.split()[1:] for line in self.run_script("").stdout.splitlines() if line.startswith("halftone ")]
        self.assertEqual(len(lines), 6)
        little = lambda: resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
        for line in lines:
            line[line.index("cuda")] = "cpu"
            done = subprocess.run([PROGRAM, *line, "--force"], capture_output=True, text=True, timeout=60, preexec_fn=little)
            self.assertNotIn(done.returncode, (0, 2), (line, done.stderr))  # it ends where memory does


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
