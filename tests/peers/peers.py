"""The peers: each takes a model and samples of tokens and writes what its codes decode to as floats."""

import bitsandbytes.functional
import torch
from compressed_tensors.quantization.lifecycle.forward import fake_quantize
from datasets import Dataset
from llmcompressor import oneshot
from llmcompressor.modifiers.awq import AWQModifier
from llmcompressor.modifiers.quantization import GPTQModifier
from llmcompressor.modifiers.smoothquant import SmoothQuantModifier
from llmcompressor.pipelines.cache import IntermediatesCache
from transformers import AutoTokenizer

import models

IntermediatesCache.pin_memory = lambda *_: None  # it pins memory for an accelerator even where there is none
torch.set_num_threads(1)  # small matrices: more threads wait for each other


def int4(group, symmetric):
    return {"group_0": {"targets": ["Linear"],
                        "weights": {"num_bits": 4, "type": "int", "symmetric": symmetric, "strategy": "group",
                                    "group_size": group}}}


def calibrate(model, samples, modifiers, folder):
    loaded = models.load(model)
    data = Dataset.from_dict({"input_ids": samples, "attention_mask": [[1] * len(s) for s in samples]})
    oneshot(model=loaded, dataset=data, recipe=modifiers, max_seq_length=model.length,
            num_calibration_samples=len(samples), shuffle_calibration_samples=False)
    with torch.no_grad():
        for module in loaded.modules():
            scheme = getattr(module, "quantization_scheme", None)
            if not scheme or not scheme.weights:
                continue
            module.weight.copy_(fake_quantize(module.weight, module.weight_scale,
                                              getattr(module, "weight_zero_point", None), scheme.weights,
                                              getattr(module, "weight_g_idx", None)))
    plain = models.load(model)
    state = loaded.state_dict()
    plain.load_state_dict({name: state[name] for name in plain.state_dict()})
    models.save(model, plain, folder)


def gptq(model, samples, folder):
    """llm-compressor GPTQModifier"""
    calibrate(model, samples, [GPTQModifier(ignore=["lm_head"], config_groups=int4(model.group, True),
                                            dampening_frac=0.01, actorder=None)], folder)


def awq(model, samples, folder):
    """llm-compressor AWQModifier"""
    calibrate(model, samples, [AWQModifier(ignore=["lm_head"], config_groups=int4(model.group, False))], folder)


def smoothquant(model, samples, folder):
    """llm-compressor SmoothQuantModifier, alpha 0.5"""
    calibrate(model, samples, [SmoothQuantModifier(smoothing_strength=0.5)], folder)


def auto_round(model, samples, folder):
    """auto-round, 200 iterations"""
    from auto_round import AutoRound  # changes torch's settings as it is imported
    rounder = AutoRound(models.load(model), AutoTokenizer.from_pretrained(model.folder), scheme="W4A16", bits=4,
                        group_size=model.group, sym=True, iters=200, seqlen=model.length, nsamples=len(samples),
                        batch_size=8, dataset=[torch.tensor([sample]) for sample in samples], device_map="cpu",
                        enable_torch_compile=False, seed=1, amp=False)
    quantized, _ = rounder.quantize()
    models.save(model, quantized, folder)


def bitsandbytes_nf4(model, folder, double):
    """Blocks run over the ends of rows. bitsandbytes' CPU decoder begins a new one at each row, so it is given one block a row."""
    loaded = models.load(model)
    with torch.no_grad():
        for name, module in loaded.named_modules():
            if isinstance(module, torch.nn.Linear) and name != "lm_head":
                codes, state = bitsandbytes.functional.quantize_4bit(module.weight.reshape(-1, 64).contiguous(), blocksize=64,
                                                                     quant_type="nf4", compress_statistics=double)
                blocks = bitsandbytes.functional.dequantize_4bit(codes, state)
                module.weight.copy_(blocks.reshape(module.weight.shape))
    models.save(model, loaded, folder)


def nf4(model, samples, folder):
    """bitsandbytes quantize_4bit"""
    bitsandbytes_nf4(model, folder, False)


def nf4_dq(model, samples, folder):
    """bitsandbytes quantize_4bit, double quantization"""
    bitsandbytes_nf4(model, folder, True)
