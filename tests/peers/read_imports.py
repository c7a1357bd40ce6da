#!/usr/bin/env python3
"""Lets peers quantize a model and save it in their formats, and prints the perplexity that a peer's own reader finds in
each folder beside the one that Halftone finds in the same folder.

    VENV/bin/python tests/peers/read_imports.py --halftone build/halftone [--model zoo/llm] [--text zoo/heldout.txt]
                                                [--imports ct-int4,...] [--windows 52] [--keep FOLDER]

Packages: requirements.txt. K-quants: --gguf FILE, a file of llama.cpp's, is read by transformers with the gguf package.
"""

import argparse
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


GROUPS = dict(strategy="group", group_size=32)
PER_TOKEN = {"num_bits": 8, "type": "int", "symmetric": True, "strategy": "token", "dynamic": True}
IMPORTS = {
    "ct-int4": ("llm-compressor, pack-quantized, int4 g32", scheme(weights(4, **GROUPS))),
    "ct-int4-affine": ("llm-compressor, pack-quantized, int4 g32 affine", scheme(weights(4, **GROUPS | {"symmetric": False}))),
    "ct-gptq": ("llm-compressor GPTQ, act-order, pack-quantized, int4 g32",
                scheme(weights(4, **GROUPS, actorder="weight"), "GPTQModifier")),
    "ct-int8": ("llm-compressor, pack-quantized, int8 per channel", scheme(weights(8, strategy="channel"))),
    "ct-w8a8": ("llm-compressor, int-quantized W8A8 (both read with floating activations)",
                scheme({"group_0": weights(8, strategy="channel")["group_0"] | {"input_activations": PER_TOKEN}})),
    "ct-fp8": ("llm-compressor, float-quantized, e4m3 per channel", scheme(weights(8, "float", strategy="channel"))),
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
