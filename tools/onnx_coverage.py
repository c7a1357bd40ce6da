#!/usr/bin/env python3
"""Runs ONNX's backend tests, adds those that have come to pass to the lists, and writes docs/onnx-coverage.md.

Usage: onnx_coverage.py BUILD      (BUILD holds tests/onnx_conformance_test; the archive of tests lies in the shared material)
"""

import collections
import os
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
LISTS = ROOT / "tests/testdata/onnx"
PAGE = ROOT / "docs/onnx-coverage.md"
SHARED = pathlib.Path(os.environ.get("HALFTONE_SHARED", ROOT / ".." / "shared"))
MODES = ("raw", "frozen")


def run_suite(build):
    """{mode: {test: (operators, outcome)}}"""
    with tempfile.TemporaryDirectory() as folder:
        report = pathlib.Path(folder) / "report.tsv"
        subprocess.run([build / "tests/onnx_conformance_test", "--gtest_brief=1"],
                       env={**os.environ, "HALFTONE_ONNX_REPORT": str(report)}, check=False)
        results = collections.defaultdict(dict)
        for line in report.read_text().splitlines():
            name, mode, operators, outcome = line.split("\t")
            results[mode][name] = (operators.split(), outcome)
    return results


def read_names(path):
    if not path.exists():
        return set()
    return {line.split("\t")[0] for line in path.read_text().splitlines() if line and not line.startswith("#")}


def grow_list(mode, results):
    path = LISTS / f"passing_{mode}.txt"
    listed = read_names(path)
    passing = {name for name, (_, outcome) in results.items() if outcome == "pass"}
    lost = listed - passing
    if lost:
        sys.exit(f"{len(lost)} listed tests fail ({mode}): {' '.join(sorted(lost)[:10])}")
    LISTS.mkdir(parents=True, exist_ok=True)
    path.write_text("# Tests of ONNX's suite that pass; may only grow (tools/onnx_coverage.py)\n"
                    + "".join(f"{name}\n" for name in sorted(passing)))
    return len(passing - listed)


def general(reason):
    """The reason without what is one test's own."""
    reason = re.sub(r"^\S*/(?:in|out)put_\d+\.pb: tensor \"[^\"]*\": ", "", reason)
    reason = re.sub(r'^node "[^"]*": ', "", reason)
    reason = re.sub(r'^(?:in|out)put "[^"]*": ', "", reason)
    reason = re.sub(r"^[\w./-]+ \((\w+)\): ", r"\1: ", reason)
    reason = re.sub(r'"[^"]*"', "...", reason)
    reason = re.sub(r"^output \S+: ", "", reason)
    reason = re.sub(r"element \d+: expected \S+, found \S+", "another number than expected", reason)
    return re.sub(r"expected \w+ \[[^]]*\], found \w+ \[[^]]*\]", "another type or shape than expected", reason)


def rate(names, results):
    passed = sum(results[name][1] == "pass" for name in names)
    return f"{passed} / {len(names)}"


def page(results, core):
    raw, frozen = results["raw"], results["frozen"]
    by_operator = collections.defaultdict(list)
    for name in core:
        for operator in raw[name][0]:
            by_operator[operator].append(name)
    reasons = collections.defaultdict(list)
    for name, (_, outcome) in raw.items():
        if outcome != "pass":
            reasons[general(outcome)].append(name)
    text = ["# ONNX coverage", "",
            "ONNX's own backend tests (1.22), each run by the scalar references and by the CPU's kernels, within a relative tolerance of",
            "1e-3: raw, and with every input but the first frozen to a constant, as weights are in real models. The core tests are those",
            "whose operators belong to vision models and language models. `tools/onnx_coverage.py build` writes this page and",
            "the lists in `tests/testdata/onnx/`, which may only grow: a listed test that fails fails the build's tests.", "",
            "| tests | raw | inputs frozen |", "|---|---|---|",
            f"| core | {rate(core, raw)} | {rate(core, frozen)} |",
            f"| all | {rate(list(raw), raw)} | {rate(list(frozen), frozen)} |", "",
            "## By operator", "",
            "Core tests in which the operator occurs, alone or among others.", "",
            "| operator | raw | inputs frozen |", "|---|---|---|"]
    for operator in sorted(by_operator):
        names = by_operator[operator]
        text.append(f"| {operator} | {rate(names, raw)} | {rate(names, frozen)} |")
    text += ["", "## What does not pass, and why", "", "Over all tests, raw.", "", "| reason | tests | for example |", "|---|---|---|"]
    for reason, names in sorted(reasons.items(), key=lambda item: (-len(item[1]), item[0])):
        in_core = sum(name in core for name in names)
        count = f"{len(names)} ({in_core} core)" if in_core else str(len(names))
        text.append(f"| {reason.replace('|', '/')} | {count} | {sorted(names)[0]} |")
    PAGE.write_text("\n".join(text) + "\n")


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    results = run_suite(pathlib.Path(sys.argv[1]).resolve())
    if set(results) != set(MODES):
        sys.exit("the suite did not run: is the archive of tests there?")
    core = sorted(read_names(SHARED / "onnx-core-tests.tsv"))
    for mode in MODES:
        print(f"{mode}: {grow_list(mode, results[mode])} new")
    page(results, core)


if __name__ == "__main__":
    main()
