#!/usr/bin/env python3
"""Quantizes a Llama folder with auto-round on the windows of tokens given and writes it back in floating point, so that both it
and Halftone's model can be measured by the same program.

Needs torch, transformers and auto-round (made with 2.13.0, 5.24.0 and 0.16.1 on the CPU).
Usage: peer_auto_round.py MODEL WINDOWS.json OUT [--bits 4] [--group 128] [--affine] [--iterations 200]
WINDOWS.json: a list of lists of token ids, all of one length.
"""

import argparse
import json
import pathlib
import shutil

import torch
from auto_round import AutoRound
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, AutoTokenizer


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("windows", type=pathlib.Path)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--bits", type=int, default=4)
    parser.add_argument("--group", type=int, default=128)
    parser.add_argument("--affine", action="store_true")
    parser.add_argument("--iterations", type=int, default=200)
    parser.add_argument("--seed", type=int, default=42)
    args = parser.parse_args()

    windows = json.loads(args.windows.read_text())
    samples = [torch.tensor([window]) for window in windows]
    model = AutoModelForCausalLM.from_pretrained(args.model, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(args.model)
    rounder = AutoRound(model, tokenizer, scheme="W4A16", bits=args.bits, group_size=args.group, sym=not args.affine,
                        iters=args.iterations, seqlen=len(windows[0]), nsamples=len(windows), batch_size=8,
                        dataset=samples, device_map="cpu", enable_torch_compile=False, seed=args.seed, amp=False)
    quantized, _ = rounder.quantize()
    known = AutoModelForCausalLM.from_pretrained(args.model, dtype=torch.float32).state_dict()
    tensors = {name: value.float().contiguous() for name, value in quantized.state_dict().items() if name in known}
    if model.config.tie_word_embeddings:
        tensors.pop("lm_head.weight", None)
    args.out.mkdir(parents=True, exist_ok=True)
    for file in args.model.iterdir():
        if file.suffix == ".json" or file.name == "tokenizer.model":
            shutil.copy(file, args.out)
    save_file(tensors, args.out / "model.safetensors")
    changed = sum((tensors[name] != known[name]).any().item() for name in tensors)
    print(f"{changed} tensors quantized")


if __name__ == "__main__":
    main()
