#!/usr/bin/env python3
"""Prints the table of docs/planner.md: what `halftone plan` predicts beside what others published.

Usage: tools/plan_table.py PROGRAM
"""

import json
import subprocess
import sys
import tempfile

# The published 4-bit figures keep the output projection in 16 bits (AWQ) and write the rest in groups of 128.
AWQ_LIKE = """
name: w4g128-head16
tied: keep
rules:
  - match: lm_head
    keep: true
  - weights: {format: int4, group: 128}
"""

ORIN = "jetson-agx-orin-64gb"
# what, shape, recipe, device, published milliseconds a token, whose figure
ROWS = [
    ("Llama-3-8B fp16", "llama-3-8b", "original", ORIN, 96.0, "TinyChat"),
    ("Llama-3-8B int4", "llama-3-8b", "awq", ORIN, 32.5, "TinyChat"),
    ("Llama-2-7B fp16", "llama-2-7b", "original", ORIN, 83.95, "TinyChat"),
    ("Llama-2-7B int4", "llama-2-7b", "awq", ORIN, 25.94, "TinyChat"),
    ("Llama-2-13B fp16", "llama-2-13b", "original", ORIN, 162.33, "TinyChat"),
    ("Llama-2-13B int4", "llama-2-13b", "awq", ORIN, 47.67, "TinyChat"),
    ("Vicuna-7B fp16", "vicuna-7b", "original", ORIN, 84.77, "TinyChat"),
    ("Vicuna-7B int4", "vicuna-7b", "awq", ORIN, 26.34, "TinyChat"),
    ("VILA-7B fp16", "vila-7b", "original", ORIN, 86.95, "TinyChat"),
    ("VILA-7B int4", "vila-7b", "awq", ORIN, 28.09, "TinyChat"),
    ("VILA-13B fp16", "vila-13b", "original", ORIN, None, "TinyChat: out of memory"),
    ("VILA-13B int4", "vila-13b", "awq", ORIN, 57.14, "TinyChat"),
    ("NVILA-2B fp16 (text part: Qwen2-1.5B)", "qwen2.5-1.5b", "original", ORIN, 24.22, "TinyChat"),
    ("NVILA-2B int4 (text part)", "qwen2.5-1.5b", "awq", ORIN, 22.25, "TinyChat"),
    ("NVILA-8B fp16", "nvila-8b", "original", ORIN, 86.24, "TinyChat"),
    ("NVILA-8B int4", "nvila-8b", "awq", ORIN, 30.48, "TinyChat"),
    ("Qwen3-8B int4", "qwen3-8b", "awq", ORIN, 1e3 / 30.6, "Edge-LLM, 30.6 tokens/s"),
    ("Llama-3-8B Q4_0", "llama-3-8b", "rtn-w4g32", "rtx-3090", 1e3 / 156.6, "llama.cpp, 156.6 tokens/s"),
    ("Llama-2-70B W4", "llama-2-70b", "awq", ORIN, None, "does it fit?"),
]


def main():
    program = sys.argv[1]
    print("| model | device | predicted ms | published ms | error | one picture ms | memory predicted | whose |")
    print("|---|---|---|---|---|---|---|---|")
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as recipe:
        recipe.write(AWQ_LIKE)
        recipe.flush()
        for what, shape, name, device, published, whose in ROWS:
            asked = recipe.name if name == "awq" else name
            command = [program, "plan", "-m", shape, "--target", device, "--recipe", asked, "--json",
                       "-c", "2048", "-p", "512", "-d", "256"]
            plan = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            ms = plan["tpot_ms"]
            error = f"{(ms / published - 1) * 100:+.1f} %" if published else ""
            picture = plan.get("image_ms")
            fits = "fits" if plan["fits"] else "does not fit"
            print(f"| {what} | {device} | {ms:.2f} | {published and f'{published:.2f}' or '-'} | {error} | "
                  f"{f'{picture:.0f}' if picture else ''} | {plan['memory_bytes'] / 1e9:.1f} GB of {plan['available_bytes'] / 1e9:.1f}, {fits} | {whose} |")


if __name__ == "__main__":
    main()
