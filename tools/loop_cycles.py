#!/usr/bin/env python3
"""What the innermost loops of a kernel would take on a processor that is not here, by llvm-mca.

    tools/loop_cycles.py src/backend/cpu/gemm/gemm_int_neondot.cpp --counts sdot [--cpu neoverse-n2] [--least 16]

Compiles the source as cmake/folder.cmake does for the instruction set in its name, finds loops that contain no other and at least
--least of the instructions that start with --counts, and prints for each: its function, its instructions, the cycles of one round
and the counted instructions in a cycle. The model knows execution units, latencies and the front end, not caches or branches; a
loop's round is taken as it stands in the text, skipped parts included. Needs LLVM's llvm-mca (16 or later) and, for Arm, Debian's
g++-aarch64-linux-gnu.
"""

import argparse
import collections
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ARM_SETS = ("neon", "neondot", "neoni8mm")
FEATURES = {"aarch64": ["-march=aarch64", "-mattr=+dotprod,+i8mm,+bf16,+fullfp16"], "x86-64": ["-march=x86-64"]}
ROUNDS = 200


def instruction_set(source):
    return source.stem.rsplit("_", 1)[-1]


def compiler_flags(isa):
    """Those of HALFTONE_ISA_FLAGS_<isa>, names of other sets' flags resolved."""
    text = (ROOT / "cmake/folder.cmake").read_text()
    found = re.search(rf"set\(HALFTONE_ISA_FLAGS_{isa} ([^)]*)\)", text)
    if not found:
        sys.exit(f"loop_cycles: cmake/folder.cmake has no flags for '{isa}': the source's name must end with its instruction set")
    flags = []
    for word in found[1].split():
        other = re.fullmatch(r"\$\{HALFTONE_ISA_FLAGS_(\w+)\}", word)
        flags += compiler_flags(other[1]) if other else [word]
    return flags


def assembly(source, isa):
    compiler = "aarch64-linux-gnu-g++" if isa in ARM_SETS else "g++"
    command = [compiler, "-O3", "-DNDEBUG", "-std=c++20", "-ffp-contract=off", *compiler_flags(isa), f"-I{ROOT}/src", "-S", "-o", "-", source]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()


def innermost_loops(lines):
    """(function, instructions of the body without the branch back)."""
    labels, function, loops = {}, "", []
    for at, line in enumerate(lines):
        label = re.match(r"([\w.$]+):", line)
        if label:
            labels[label[1]] = at
            function = function if label[1].startswith(".") else label[1]
        branch = re.match(r"\s+(?:b\.?\w*|cbn?z|tbn?z|j\w+)\s+(?:\w+, )?(?:#?\d+, )?(\.L\w+)\s*$", line)
        if branch and branch[1] in labels:
            loops.append((function, labels[branch[1]], at))
    for function, begin, end in loops:
        if not any(b >= begin and e <= end and (b, e) != (begin, end) for _, b, e in loops):
            yield function, [line for line in lines[begin:end] if re.match(r"\s+[a-z{]", line)]


def cycles(mca, body, machine, cpu):
    straight = [line for line in body if not re.match(r"\s+(b\.?\w{0,2}|cbn?z|tbn?z|j\w+|call|bl)\s", line)]
    made = subprocess.run([mca, *FEATURES[machine], f"-mcpu={cpu}", f"-iterations={ROUNDS}", "-instruction-info=false"],
                          input="\n".join(straight) + "\n", capture_output=True, text=True)
    total = re.search(r"Total Cycles:\s+(\d+)", made.stdout)
    if not total:
        sys.exit(f"loop_cycles: {mca} said: {made.stderr.strip().splitlines()[0]}")
    return int(total[1]) / ROUNDS


def readable(function):
    name = subprocess.run(["c++filt", function], check=True, capture_output=True, text=True).stdout.strip()
    for noise in ("halftone::cpu::(anonymous namespace)::", "halftone::cpu::", "(anonymous namespace)::"):
        name = name.replace(noise, "")
    return re.sub(r"^void ", "", re.sub(r"(?<=>)\(.*", "", re.sub(r"\((Mode|Products)\)", "", name)))


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("source", type=Path)
    options.add_argument("--counts", required=True, help="instructions whose rate is asked for, as they begin: sdot, fmla, vpdpbusd")
    options.add_argument("--cpu", help="llvm-mca's -mcpu (neoverse-n2 for Arm, znver3 for x86-64)")
    options.add_argument("--least", type=int, default=8, help="loops with fewer of them are left out")
    asked = options.parse_args()
    # Older ones take the newer processors for old ones.
    mca = next((name for name in (f"llvm-mca-{version}" for version in range(30, 15, -1)) if shutil.which(name)), None)
    if not mca:
        sys.exit("loop_cycles: no llvm-mca-16 or later here (Debian: llvm-16)")
    isa = instruction_set(asked.source)
    machine = "aarch64" if isa in ARM_SETS else "x86-64"
    cpu = asked.cpu or ("neoverse-n2" if machine == "aarch64" else "znver3")
    for function, body in innermost_loops(assembly(asked.source, isa)):
        names = collections.Counter(line.replace("{vex}", "").split()[0] for line in body)
        counted = sum(n for name, n in names.items() if name.startswith(asked.counts))
        if counted < asked.least:
            continue
        took = cycles(mca, body, machine, cpu)
        listed = ", ".join(f"{n} {name}" for name, n in names.most_common(6))
        print(f"{readable(function)}: {took:.1f} cycles, {counted / took:.2f} a cycle ({listed})")


if __name__ == "__main__":
    main()
