#!/usr/bin/env python3
"""Writes a model in every format that Halftone exports, lets the peers' own readers read it, and prints the perplexity that
each finds beside Halftone's.

    VENV/bin/python tests/peers/read_exports.py --halftone build/halftone [--model zoo/llm] [--text zoo/heldout.txt]
                                                [--exports awq,gptq,...] [--windows 52]

Readers that this python does not have are named and left out: see tests/peers/README.md for which needs what.
"""

import argparse
import importlib
import json
import logging
import math
import os
import pathlib
import subprocess
import tempfile
import warnings

os.environ.setdefault("TORCHDYNAMO_DISABLE", "1")  # or kernels are compiled for minutes
ROOT = pathlib.Path(__file__).resolve().parents[2]

# Name, --format, arguments of export, readers.
EXPORTS = [
    ("awq", "awq", ["--recipe", "rtn-w4g32-affine"], ["gptqmodel", "autoawq"]),
    ("gptq", "gptq", ["--recipe", "rtn-w4g32"], ["gptqmodel"]),
    ("gptq-affine", "gptq", ["--recipe", "rtn-w4g32-affine"], ["gptqmodel"]),
    ("gptq-v2", "gptq-v2", ["--recipe", "rtn-w4g32-affine"], ["gptqmodel"]),
    ("gptq-w8", "gptq", ["--recipe", "rtn-w8"], ["gptqmodel"]),
    ("ct-int4", "compressed-tensors", ["--recipe", "rtn-w4g32-affine"], ["compressed_tensors"]),
    ("ct-fp8", "compressed-tensors", ["--recipe", "fp8-e4m3"], ["compressed_tensors"]),
    ("gguf-bf16", "gguf", [], ["gguf", "llama_cpp"]),
    ("gguf-f32", "gguf", ["--type", "f32"], ["gguf", "llama_cpp"]),
    ("gguf-q4_0", "gguf", ["--type", "q4_0"], ["gguf", "llama_cpp"]),
    ("gguf-q4_1", "gguf", ["--type", "q4_1"], ["gguf", "llama_cpp"]),
    ("gguf-q8_0", "gguf", ["--type", "q8_0"], ["gguf", "llama_cpp"]),
    ("gguf-w4g128", "gguf", ["--recipe", "rtn-w4g128"], ["gguf", "llama_cpp"]),
    ("gguf-w4g32-affine", "gguf", ["--recipe", "rtn-w4g32-affine"], ["gguf", "llama_cpp"]),
]


def perplexity(windows, nll_of):
    return math.exp(sum(nll_of(window) for window in windows) / sum(len(window) - 1 for window in windows))


def of_transformers(model, windows):
    import torch

    def nll(window):
        ids = torch.tensor([window])
        with torch.no_grad():
            logits = model(ids).logits.float()
        return torch.nn.functional.cross_entropy(logits[0, :-1], ids[0, 1:], reduction="sum").item()

    return perplexity(windows, nll)


def load(path, **more):
    import torch
    from transformers import AutoModelForCausalLM
    torch.set_num_threads(1)  # small matrices: more threads wait for each other
    return AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32, device_map="cpu", **more).eval()


def gptqmodel(path, windows, plain):
    """transformers, gptqmodel's kernels"""
    return of_transformers(load(path), windows)


def compressed_tensors(path, windows, plain):
    """transformers, compressed-tensors"""
    return of_transformers(load(path), windows)


def gguf(path, windows, plain):
    """transformers (gguf_file=), the gguf package"""
    return of_transformers(load(path.parent, gguf_file=path.name), windows)


def autoawq(path, windows, plain):
    """autoawq's dequantize_gemm on each layer"""
    import torch
    from awq.utils.packing_utils import dequantize_gemm
    from safetensors.torch import load_file
    settings = json.loads((path / "config.json").read_text())["quantization_config"]
    model = load(plain)
    tensors = load_file(path / "model.safetensors")
    state = {name: tensor for name, tensor in tensors.items() if name.endswith((".weight", ".bias"))}
    for name in tensors:
        if name.endswith(".qweight"):
            module = name.removesuffix(".qweight")
            state[module + ".weight"] = dequantize_gemm(tensors[name], tensors[module + ".qzeros"],
                                                        tensors[module + ".scales"].float(), settings["bits"],
                                                        settings["group_size"]).t().contiguous()
    missing, unexpected = model.load_state_dict(state, strict=False)
    assert not unexpected and set(missing) <= {"lm_head.weight"}, (missing, unexpected)
    return of_transformers(model, windows)


def llama_cpp(path, windows, plain):
    """llama.cpp"""
    import llama_cpp as peer
    import numpy as np
    defaults = peer.llama_cpp.llama_model_default_params

    def without_extra_buffers():  # its AMX buffers crash where the machine names AMX and does not allow it
        parameters = defaults()
        parameters.use_extra_bufts = False
        return parameters

    peer.llama_cpp.llama_model_default_params = without_extra_buffers
    model = peer.Llama(model_path=str(path), n_ctx=max(map(len, windows)), logits_all=True, verbose=False, n_threads=1,
                       type_k=0, type_v=0)  # f32, as Halftone's cache here

    def nll(window):
        model.reset()
        model.eval(window)
        logits = np.array(model.scores[: len(window) - 1], dtype=np.float64)
        highest = logits.max(axis=1)
        total = np.log(np.exp(logits - highest[:, None]).sum(axis=1)) + highest
        return float((total - logits[np.arange(len(window) - 1), window[1:]]).sum())

    return perplexity(windows, nll)


READERS = {"gptqmodel": gptqmodel, "compressed_tensors": compressed_tensors, "gguf": gguf, "llama_cpp": llama_cpp,
           "autoawq": autoawq}
PACKAGES = {"autoawq": "awq"}


def has(reader):
    """Whether this python can import it; transformers serves all but llama.cpp."""
    try:
        for name in [PACKAGES.get(reader, reader)] + ([] if reader == "llama_cpp" else ["transformers"]):
            importlib.import_module(name)
    except ImportError:
        return False
    return True


class Halftone:
    def __init__(self, program):
        self.program = program

    def run(self, *words):
        done = subprocess.run([self.program, *map(str, words)], capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"halftone {' '.join(map(str, words))}\n{done.stderr}")
        return json.loads(done.stdout)

    def perplexity(self, model, text, windows):
        return self.run("eval", "ppl", "-m", model, "--text", text, "--window", 512, "--max-windows", windows, "--exact", "--kv",
                        "f32", "--json")["perplexity"]


def windows_of(model, text, count):
    """Token windows as `halftone eval ppl` cuts them: BOS once, 512 tokens each, the tail dropped."""
    from tokenizers import Tokenizer
    tokenizer = Tokenizer.from_file(str(model / "tokenizer.json"))
    tokenizer.encode_special_tokens = True  # a text's "<|endoftext|>" is letters
    ids = tokenizer.encode(text.read_text()).ids
    return [ids[begin:begin + 512] for begin in range(0, len(ids) - 511, 512)][:count]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--halftone", required=True)
    parser.add_argument("--model", type=pathlib.Path, default=ROOT / "zoo/llm")
    parser.add_argument("--text", type=pathlib.Path, default=ROOT / "zoo/heldout.txt")
    parser.add_argument("--exports", default=",".join(name for name, *_ in EXPORTS))
    parser.add_argument("--windows", type=int, default=52)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    halftone = Halftone(arguments.halftone)
    windows = windows_of(arguments.model, arguments.text, arguments.windows)
    here = {reader for reader in READERS if has(reader)}
    print("| export | reader | its PPL | Halftone's PPL |\n|---|---|---|---|", flush=True)
    for name, form, words, readers in EXPORTS:
        present = [reader for reader in readers if reader in here]
        if name not in arguments.exports.split(",") or not present:
            continue
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / ("model.gguf" if form == "gguf" else "model")
            halftone.run("export", "-m", arguments.model, "--format", form, *words, "-o", path, "--json")
            ours = halftone.perplexity(path, arguments.text, len(windows))
            for reader in present:
                theirs = READERS[reader](path, windows, arguments.model)
                shown = " ".join(["export", "--format", form, *words])
                print(f"| `{shown}` | {READERS[reader].__doc__} | {theirs:.4f} | {ours:.4f} |", flush=True)
    if absent := sorted(set(READERS) - here):
        print(f"not in this python: {', '.join(absent)}")


if __name__ == "__main__":
    main()
