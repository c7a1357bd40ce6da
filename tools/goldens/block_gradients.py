#!/usr/bin/env python3
"""Golden of src/grad: torch's gradients of one decoder block (RMS norms, rotary positions, grouped causal attention, a
gated MLP, residuals) with respect to its input and each of its weights.

Needs torch (made with 2.13.0 on the CPU). Usage: block_gradients.py [src/grad/testdata]
"""

import pathlib
import sys

import torch

TOKENS, WIDTH, HEADS, KV_HEADS, DIM, HIDDEN = 7, 20, 4, 2, 6, 28


def numbers(seed, *shape):
    """The same numbers as block_golden_test.cpp makes: exact in doubles, then rounded to f32."""
    state, out = seed, []
    for _ in range(torch.Size(shape).numel()):
        state = (state * 1103515245 + 12345) % 2**31
        out.append(state / 2**30 - 1)
    return torch.tensor(out, dtype=torch.float64).reshape(shape).to(torch.float32).double()


def norm(x, scale):
    return x / torch.sqrt((x * x).mean(-1, keepdim=True) + 1e-5) * scale


def rotate(x, heads):
    angles = torch.arange(TOKENS).double()[:, None] * 0.5 ** torch.arange(DIM // 2).double()
    cos, sin = (f(angles).float().double()[:, None] for f in (torch.cos, torch.sin))
    a, b = x.view(TOKENS, heads, DIM).chunk(2, dim=-1)
    return torch.cat([a * cos - b * sin, a * sin + b * cos], -1)


def main():
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "src/grad/testdata")
    shapes = [(TOKENS, WIDTH), (WIDTH,), (HEADS * DIM, WIDTH), (KV_HEADS * DIM, WIDTH), (KV_HEADS * DIM, WIDTH),
              (WIDTH, HEADS * DIM), (WIDTH,), (HIDDEN, WIDTH), (HIDDEN, WIDTH), (WIDTH, HIDDEN)]
    leaves = [numbers(i + 1, *shape).requires_grad_() for i, shape in enumerate(shapes)]
    x, norm1, wq, wk, wv, wo, norm2, gate, up, down = leaves

    h = norm(x, norm1)
    q, k = rotate(h @ wq.T, HEADS), rotate(h @ wk.T, KV_HEADS)
    v = (h @ wv.T).view(TOKENS, KV_HEADS, DIM)
    k, v = (t.repeat_interleave(HEADS // KV_HEADS, dim=1) for t in (k, v))
    scores = torch.einsum("qhd,khd->hqk", q, k) / DIM**0.5
    hidden = torch.ones(TOKENS, TOKENS).triu(1).bool()
    weights = scores.masked_fill(hidden, float("-inf")).softmax(-1)
    x = x + torch.einsum("hqk,khd->qhd", weights, v).reshape(TOKENS, -1) @ wo.T
    h = norm(x, norm2)
    y = x + (torch.nn.functional.silu(h @ gate.T) * (h @ up.T)) @ down.T
    (y * numbers(99, TOKENS, WIDTH)).sum().backward()

    lines = [" ".join(f"{g:.9g}" for g in leaf.grad.flatten().tolist()) for leaf in leaves]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "block_gradients.txt").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
