#!/usr/bin/env python3
"""Fails on an #include that the layering of src/ does not allow.

A folder may include itself, the folders named beside it, and whatever those may include.
"""

import pathlib
import re
import sys

ALLOWED = {
    "base": [],
    "core": ["base"],
    "scheme": ["core"],
    "ops": ["scheme"],
    "graph": ["ops"],
    "grad": ["graph"],
    "formats": ["graph", "scheme"],
    "tokenizer": ["base"],
    "backend": ["ops", "scheme"],
    "backend/cpu": ["backend"],
    "backend/cuda": ["backend"],
    "runtime": ["graph", "backend"],
    "quant": ["runtime", "grad"],
    "models": ["graph", "formats"],
    "cost": ["runtime"],
    "llm": ["runtime", "tokenizer", "models", "cost"],
    "vision": ["runtime", "models", "cost"],
    "eval": ["llm", "quant", "vision"],
    "tune": ["eval", "quant", "cost"],
}

INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.MULTILINE)


def closure(folder):
    """The folder and all it may include, directly or through others."""
    seen = {folder}
    for next_folder in ALLOWED[folder]:
        seen |= closure(next_folder)
    return seen


def folder_of(path):
    parts = path.split("/")
    pair = "/".join(parts[:2])
    return pair if pair in ALLOWED else parts[0]


def main():
    root = pathlib.Path(__file__).resolve().parent.parent / "src"
    bad = []
    files = [f for pattern in ("*.h", "*.cpp", "*.cu", "*.inl", "*.inc") for f in root.rglob(pattern)]
    for file in sorted(files):
        inside = file.relative_to(root).as_posix()
        folder = folder_of(inside)
        if folder not in ALLOWED:
            bad.append(f"src/{inside}: folder {folder} is not in the table of tools/check_includes.py")
            continue
        for target in INCLUDE.findall(file.read_text()):
            if file.stem.endswith("_test") and (root.parent / "tests" / target).exists():
                continue
            if not (root / target).exists():
                bad.append(f"src/{inside}: {target} does not exist under src/")
            elif folder_of(target) not in closure(folder):
                bad.append(f"src/{inside}: {folder}/ may not include {target}")
    print("\n".join(bad) if bad else f"{len(files)} files keep to the layering")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
