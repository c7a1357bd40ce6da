#!/usr/bin/env python3
"""Quantizes a Llama folder with auto-round on the calibration samples that `halftone quantize --calib TEXT --calib-samples N
--calib-length L --seed S` draws, and writes it back in floating point: `halftone eval kld` measures both alike.

Needs torch, transformers and auto-round (made with 2.13.0, 5.24.0 and 0.16.1 on the CPU).
Usage: peer_auto_round.py MODEL TEXT OUT [--samples 32] [--length 128] [--seed 1] [--bits 4] [--group 128] [--affine]
                          [--iterations 200]
"""

import argparse
import pathlib
import shutil

import torch
from auto_round import AutoRound
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, AutoTokenizer


def mt19937_64(seed):
    """The numbers of C++'s std::mt19937_64 (Nishimura and Matsumoto's 64-bit Mersenne Twister)."""
    mask = 2**64 - 1
    state = [seed & mask]
    for i in range(1, 312):
        state.append((6364136223846793005 * (state[-1] ^ state[-1] >> 62) + i) & mask)
    while True:
        for i in range(312):
            x = (state[i] & ~0x7FFFFFFF & mask) | (state[(i + 1) % 312] & 0x7FFFFFFF)
            state[i] = state[(i + 156) % 312] ^ x >> 1 ^ (0xB5026F5AA96619E9 if x & 1 else 0)
        for x in state:
            x ^= x >> 29 & 0x5555555555555555
            x ^= x << 17 & 0x71D67FFFEDA60000
            x ^= x << 37 & 0xFFF7EEE000000000
            yield x ^ x >> 43


def draw(ids, samples, length, seed):
    """As src/eval/calibration_text.cpp: random starts in what is not held out."""
    held_out = min(max(len(ids) // 10, length), 8 * length) if len(ids) >= 3 * length else 0
    starts = len(ids) - held_out - length + 1
    numbers = mt19937_64(seed)
    first = [next(numbers) % starts for _ in range(samples)]
    return [torch.tensor([ids[start : start + length]]) for start in first]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("text", type=pathlib.Path)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--samples", type=int, default=32)
    parser.add_argument("--length", type=int, default=128)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--bits", type=int, default=4)
    parser.add_argument("--group", type=int, default=128)
    parser.add_argument("--affine", action="store_true")
    parser.add_argument("--iterations", type=int, default=200)
    args = parser.parse_args()

    tokenizer = AutoTokenizer.from_pretrained(args.model)
    samples = draw(tokenizer.encode(args.text.read_text()), args.samples, args.length, args.seed)
    model = AutoModelForCausalLM.from_pretrained(args.model, dtype=torch.float32)
    known = {name: value.clone() for name, value in model.state_dict().items()}
    rounder = AutoRound(
        model, tokenizer, scheme="W4A16", bits=args.bits, group_size=args.group, sym=not args.affine,
        iters=args.iterations, seqlen=args.length, nsamples=args.samples, batch_size=8, dataset=samples,
        device_map="cpu", enable_torch_compile=False, seed=args.seed, amp=False)
    quantized, _ = rounder.quantize()

    tensors = {name: value.float().contiguous() for name, value in quantized.state_dict().items() if name in known}
    if model.config.tie_word_embeddings:
        tensors.pop("lm_head.weight", None)
    args.out.mkdir(parents=True, exist_ok=True)
    for file in args.model.iterdir():
        if file.suffix == ".json" or file.name == "tokenizer.model":
            shutil.copy(file, args.out)
    save_file(tensors, args.out / "model.safetensors")
    print(sum(bool((tensors[name] != known[name]).any()) for name in tensors), "tensors quantized")


if __name__ == "__main__":
    main()
