#!/usr/bin/env python3
"""Lets peers quantize a model and save it in their formats, and prints the perplexity that a peer's own reader finds in
each folder beside the one that Halftone finds in the same folder.

    VENV/bin/python tests/peers/read_imports.py --halftone build/halftone [--model zoo/llm] [--text zoo/heldout.txt]
                                                [--imports ct-int4,...] [--windows 52] [--keep FOLDER]

Packages: requirements.txt. K-quants: --gguf FILE, a file of llama.cpp's, is read by transformers with the gguf package.
"""

import argparse
import importlib.util
import json
import logging
import os
import pathlib
import shutil
import tempfile
import warnings

os.environ.setdefault("LLM_COMPRESSOR_LOG_DISABLED", "true")

import torch
import read_exports
from read_exports import ROOT, Halftone, load, of_transformers, windows_of

SAMPLES = 8


def quantize(model, text, modifier, folder):
    """llm-compressor's result, saved by compressed-tensors."""
    from datasets import Dataset
    from llmcompressor import oneshot
    from loguru import logger
    logger.remove()
    loaded = load(model)
    samples = windows_of(model, text, 52)[-SAMPLES:]
    data = Dataset.from_dict({"input_ids": samples, "attention_mask": [[1] * len(s) for s in samples]})
    oneshot(model=loaded, dataset=data, recipe=[modifier], max_seq_length=512, num_calibration_samples=SAMPLES,
            shuffle_calibration_samples=False)
    loaded.save_pretrained(folder, save_compressed=True)


def weights(bits, kind="int", **more):
    return {"group_0": {"targets": ["Linear"], "weights": {"num_bits": bits, "type": kind, "symmetric": True, **more}}}


def scheme(groups, modifier="QuantizationModifier", **more):
    def make(model, text, folder):
        import llmcompressor.modifiers.quantization as modifiers
        quantize(model, text, getattr(modifiers, modifier)(ignore=["lm_head"], config_groups=groups, **more), folder)
    return make


def bitsandbytes(double):
    def make(model, text, folder):
        from transformers import AutoModelForCausalLM, BitsAndBytesConfig
        settings = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=double,
                                      bnb_4bit_compute_dtype=torch.float32)
        AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32, device_map="cpu",
                                             quantization_config=settings).save_pretrained(folder)
    return make


def act_order(version):
    """A GPTQ folder as GPTQModel writes it with desc_act and without static groups: each layer's groups are those of inputs in
    a random order, which g_idx tells. Rounded to nearest here; 4 bits, groups of 32, zero points."""
    def make(model, text, folder):
        from safetensors.torch import save_file
        loaded, draw, tensors = load(model), torch.Generator().manual_seed(1), {}

        def packed(codes):  # int [8 n, m] -> i32 [n, m], the first row in the lowest bits
            parts = codes.reshape(-1, 8, codes.shape[1]).long() << (4 * torch.arange(8))[None, :, None]
            words = parts.sum(1)
            return torch.where(words >= 1 << 31, words - (1 << 32), words).int().contiguous()

        for name, tensor in loaded.state_dict().items():
            if not name.endswith("_proj.weight"):
                tensors[name] = tensor.half().contiguous()
                continue
            weight, inputs, module = tensor.t().float(), tensor.shape[1], name.removesuffix(".weight")
            g_idx = torch.empty(inputs, dtype=torch.int32)
            g_idx[torch.randperm(inputs, generator=draw)] = (torch.arange(inputs) // 32).int()
            groups = torch.stack([weight[g_idx == g] for g in range(inputs // 32)])
            low, high = groups.amin(1).clamp(max=0), groups.amax(1).clamp(min=0)
            scales = ((high - low) / 15).half()
            zeros = (-low / scales.float()).round().clamp(1, 15).int()
            codes = (weight / scales.float()[g_idx] + zeros[g_idx]).round().clamp(0, 15).int()
            tensors |= {module + ".qweight": packed(codes), module + ".scales": scales, module + ".g_idx": g_idx,
                        module + ".qzeros": packed((zeros - int(version == 1)).t()).t().contiguous()}
        tensors.pop("lm_head.weight", None) if loaded.config.tie_word_embeddings else None
        folder.mkdir(parents=True)
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
        config = json.loads((model / "config.json").read_text())
        config["quantization_config"] = {"quant_method": "gptq", "bits": 4, "group_size": 32, "desc_act": True, "sym": False,
                                         "checkpoint_format": "gptq" if version == 1 else "gptq_v2"}
        (folder / "config.json").write_text(json.dumps(config, indent=1))
    return make


GROUPS = dict(strategy="group", group_size=32)
PER_TOKEN = {"num_bits": 8, "type": "int", "symmetric": True, "strategy": "token", "dynamic": True}
PACKAGES = {"ct": "llmcompressor", "gptq": "gptqmodel", "nf4": "bitsandbytes"}
IMPORTS = {
    "ct-int4": ("llm-compressor, pack-quantized, int4 g32", scheme(weights(4, **GROUPS))),
    "ct-int4-affine": ("llm-compressor, pack-quantized, int4 g32 affine", scheme(weights(4, **GROUPS | {"symmetric": False}))),
    "ct-gptq": ("llm-compressor GPTQ, act-order, pack-quantized, int4 g32",
                scheme(weights(4, **GROUPS, actorder="weight"), "GPTQModifier")),
    "ct-int8": ("llm-compressor, pack-quantized, int8 per channel", scheme(weights(8, strategy="channel"))),
    "ct-w8a8": ("llm-compressor, int-quantized W8A8 (both read with floating activations)",
                scheme({"group_0": weights(8, strategy="channel")["group_0"] | {"input_activations": PER_TOKEN}})),
    "ct-fp8": ("llm-compressor, float-quantized, e4m3 per channel", scheme(weights(8, "float", strategy="channel"))),
    "gptq-g_idx": ("this script, GPTQ 1 with g_idx, int4 g32 affine (gptqmodel reads)", act_order(1)),
    "gptq-v2-g_idx": ("this script, GPTQ 2 with g_idx, int4 g32 affine (gptqmodel reads)", act_order(2)),
    "nf4": ("bitsandbytes NF4, saved by transformers", bitsandbytes(False)),
    "nf4-dq": ("bitsandbytes NF4 with nested scales, saved by transformers", bitsandbytes(True)),
}


def without_rounded_activations(model):
    """compressed-tensors rounds activations where the checkpoint says so; Halftone under --exact does not."""
    for module in model.modules():
        if getattr(getattr(module, "quantization_scheme", None), "input_activations", None):
            module.quantization_scheme.input_activations = None
    return model


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--halftone", required=True)
    parser.add_argument("--model", type=pathlib.Path, default=ROOT / "zoo/llm")
    parser.add_argument("--text", type=pathlib.Path, default=ROOT / "zoo/heldout.txt")
    parser.add_argument("--imports", default=",".join(IMPORTS))
    parser.add_argument("--gguf", type=pathlib.Path, action="append", default=[], help="a file of the same model")
    parser.add_argument("--windows", type=int, default=52)
    parser.add_argument("--keep", type=pathlib.Path, help="folder for the peers' folders")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    halftone = Halftone(arguments.halftone)
    windows = windows_of(arguments.model, arguments.text, arguments.windows)
    print("| written by | peer's PPL | Halftone's PPL |\n|---|---|---|", flush=True)

    def row(title, theirs, path):
        print(f"| {title} | {theirs:.4f} | {halftone.perplexity(path, arguments.text, len(windows)):.4f} |", flush=True)

    with tempfile.TemporaryDirectory() as folder:
        for name in filter(None, arguments.imports.split(",")):
            title, make = IMPORTS[name]
            package = PACKAGES[next(start for start in PACKAGES if name.startswith(start))]
            if not importlib.util.find_spec(package):
                print(f"{name}: left out, this python has no {package}")
                continue
            path = (arguments.keep or pathlib.Path(folder)) / name
            if not path.exists():
                make(arguments.model, arguments.text, path)
                for file in arguments.model.glob("*token*"):
                    shutil.copyfile(file, path / file.name)
            row(title, of_transformers(without_rounded_activations(load(path)), windows), path)
    for path in arguments.gguf:
        row(path.name, read_exports.gguf(path, windows, arguments.model), path)


if __name__ == "__main__":
    main()
