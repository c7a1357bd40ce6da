"""The models that are compared, each with the text that calibrates it and another that measures it."""

import dataclasses
import pathlib
import shutil

import torch
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

ROOT = pathlib.Path(__file__).resolve().parents[2]


@dataclasses.dataclass
class Model:
    key: str
    title: str
    folder: pathlib.Path
    group: int
    calibration: pathlib.Path
    text: pathlib.Path
    samples: int
    length: int


def cut(path, begin, end, to):
    to.write_text(path.read_text()[begin:end])
    return to


def outlier_llama(folder):
    """A Llama of random weights whose norms blow up six channels thirty times, with the tokenizer of the zoo's."""
    torch.manual_seed(1)
    config = LlamaConfig(vocab_size=4096, hidden_size=256, intermediate_size=512, num_hidden_layers=3,
                         num_attention_heads=8, num_key_value_heads=4, max_position_embeddings=512,
                         initializer_range=0.05, tie_word_embeddings=False, bos_token_id=4094, eos_token_id=4095)
    model = LlamaForCausalLM(config)
    with torch.no_grad():
        for layer in model.model.layers:
            for norm in (layer.input_layernorm, layer.post_attention_layernorm):
                norm.weight[torch.randperm(256)[:6]] *= 30
            layer.mlp.up_proj.weight[torch.randperm(512)[:6]] *= 30
    model.save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
        shutil.copy(ROOT / "zoo/llm" / name, folder / name)


def make(names, shared, work):
    tiny = shared / "text/exl3_cal_tiny.utf8"
    made = []
    if "zoo" in names:
        made.append(Model("zoo", "zoo/llm", ROOT / "zoo/llm", 128, cut(tiny, 0, 200_000, work / "zoo-calibration.txt"),
                          cut(ROOT / "zoo/heldout.txt", 0, 60_000, work / "zoo-text.txt"), 16, 256))
    if "babyllama" in names:
        made.append(Model("babyllama", "babyllama105", shared / "models/llm/babyllama105", 32,
                          cut(tiny, 0, 100_000, work / "baby-calibration.txt"),
                          cut(tiny, 230_000, 250_000, work / "baby-text.txt"), 16, 256))
    if "outliers" in names:
        outlier_llama(work / "outliers")
        made.append(Model("outliers", "random Llama with outliers", work / "outliers", 128,
                          cut(tiny, 0, 200_000, work / "outlier-calibration.txt"),
                          cut(ROOT / "zoo/heldout.txt", 0, 30_000, work / "outlier-text.txt"), 16, 256))
    return made


def reordered(model, seed, work):
    """The same model with the hidden units of its MLPs in another order: it computes what it did, and other weights share
    a block. Seed 1 leaves them as they are."""
    if seed == 1:
        return model
    folder = work / f"{model.key}-order-{seed}"
    if not folder.exists():
        draw = torch.Generator().manual_seed(seed)
        loaded = load(model)
        with torch.no_grad():
            for layer in loaded.model.layers:
                mlp = layer.mlp
                order = torch.randperm(mlp.gate_proj.out_features, generator=draw)
                mlp.gate_proj.weight.copy_(mlp.gate_proj.weight[order].clone())
                mlp.up_proj.weight.copy_(mlp.up_proj.weight[order].clone())
                mlp.down_proj.weight.copy_(mlp.down_proj.weight[:, order].clone())
        save(model, loaded, folder)
    return dataclasses.replace(model, folder=folder)


def load(model):
    return AutoModelForCausalLM.from_pretrained(model.folder, torch_dtype=torch.float32)


def save(model, quantized, folder):
    """Weights alone change: configuration and tokenizer stay as they are."""
    quantized.save_pretrained(folder, safe_serialization=True)
    for file in model.folder.iterdir():
        if file.name.startswith(("tokenizer", "special_tokens", "config.json")):
            (folder / file.name).unlink(missing_ok=True)
            shutil.copyfile(file, folder / file.name)
