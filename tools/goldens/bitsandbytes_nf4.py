#!/usr/bin/env python3
"""Goldens of src/scheme: bitsandbytes' dynamic code book, and NF4 with double quantization as bitsandbytes codes it.

Needs torch and bitsandbytes (made with 0.50.2 on the CPU). Usage: bitsandbytes_nf4.py [src/scheme/testdata]
"""

import pathlib
import sys

import bitsandbytes.functional as F
import torch

BLOCKS, BLOCK = 300, 64


def values():
    """The same numbers as bitsandbytes_golden_test.cpp makes: exact in doubles, then rounded to f32."""
    state, out = 1, []
    for i in range(BLOCKS * BLOCK):
        state = (state * 1103515245 + 12345) % 2**31
        u = state / 2**30 - 1
        out.append(u * u * u * (1 + (i // BLOCK) % 7))
    return torch.tensor(out, dtype=torch.float64).to(torch.float32)


def main():
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "src/scheme/testdata")
    book = F.create_dynamic_map().tolist()
    (folder / "bitsandbytes_dynamic_codebook.txt").write_text("".join(f"{x:.9g}\n" for x in book))

    packed, state = F.quantize_4bit(values(), quant_type="nf4", blocksize=BLOCK, compress_statistics=True)
    lines = [
        bytes(packed.flatten().tolist()).hex(),  # two codes a byte, the first in the high nibble
        bytes(state.absmax.tolist()).hex(),
        " ".join(f"{x:.9g}" for x in state.state2.absmax.tolist()),
        f"{state.offset.item():.9g}",
    ]
    (folder / "bitsandbytes_nf4.txt").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
