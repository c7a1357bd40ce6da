#!/usr/bin/env python3
"""Golden vectors of src/models/vision_tower.cpp: small random CLIP and SigLIP towers of transformers, each with a
projector as VILA's has it. Writes tests/testdata/vision_tower/NAME/{config.json, model.safetensors,
pixel_values.npy, tokens.npy}.

Usage: tools/goldens/vision_tower.py (needs torch, transformers, safetensors, numpy; tried with transformers 5.17)
"""

import json
import pathlib

import numpy
import torch
from safetensors.torch import save_file
from transformers import CLIPVisionConfig, CLIPVisionModel, SiglipVisionConfig, SiglipVisionModel

FOLDER = pathlib.Path(__file__).parents[2] / "tests/testdata/vision_tower"
SIZES = dict(hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2, image_size=16,
             patch_size=4, num_channels=3)
LANGUAGE = 12  # width of the language model


def join_neighbours(tokens):
    """2 x 2 tokens become one: along a row first, then rows, as VILA's DownSampleBlock orders them."""
    n, count, width = tokens.shape
    side = int(count**0.5)
    x = tokens.reshape(n, side, side // 2, 2 * width).transpose(1, 2)
    return x.reshape(n, side // 2, side // 2, 4 * width).reshape(n, -1, 4 * width)


def write(name, config, tensors, pixels, tokens):
    folder = FOLDER / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    save_file({key: value.contiguous() for key, value in tensors.items()}, folder / "model.safetensors")
    numpy.save(folder / "pixel_values.npy", pixels.numpy())
    numpy.save(folder / "tokens.npy", tokens.reshape(-1, LANGUAGE).numpy())


def tensors_of(model):
    """Under the names that checkpoints have, without the pooling head, in f32 with spread that is not trivial."""
    tensors = {}
    for name, value in model.state_dict().items():
        if "head" in name or "position_ids" in name:
            continue
        tensors[name if name.startswith("vision_model.") else "vision_model." + name] = value
    return tensors


@torch.no_grad()
def main():
    torch.manual_seed(7)
    pixels = torch.randn(2, 3, 16, 16)

    clip = CLIPVisionModel(CLIPVisionConfig(**SIZES)).eval()
    for value in clip.parameters():
        value.add_(0.2 * torch.randn_like(value))
    projector = torch.nn.Linear(16, LANGUAGE)
    hidden = clip(pixels, output_hidden_states=True).hidden_states[-1][:, 1:]
    tensors = tensors_of(clip) | {"mm_projector.layers.0." + k: v for k, v in projector.state_dict().items()}
    write("clip", {"vision_config": {"model_type": "clip_vision_model", **SIZES}, "projector": "linear",
                   "hidden_size": LANGUAGE}, tensors, pixels, projector(hidden))

    siglip = SiglipVisionModel(SiglipVisionConfig(**SIZES)).eval()
    for value in siglip.parameters():
        value.add_(0.2 * torch.randn_like(value))
    norm, up, down = torch.nn.LayerNorm(64), torch.nn.Linear(64, LANGUAGE), torch.nn.Linear(LANGUAGE, LANGUAGE)
    for value in norm.parameters():
        value.add_(0.2 * torch.randn_like(value))
    hidden = siglip(pixels).last_hidden_state
    tokens = down(torch.nn.functional.gelu(up(norm(join_neighbours(hidden)))))
    tensors = tensors_of(siglip)
    for layer, module in (("1", norm), ("2", up), ("4", down)):
        tensors |= {f"mm_projector.layers.{layer}." + k: v for k, v in module.state_dict().items()}
    write("siglip", {"vision_config": {"model_type": "siglip_vision_model", **SIZES},
                     "projector": "mlp_downsample", "hidden_size": LANGUAGE}, tensors, pixels, tokens)


if __name__ == "__main__":
    main()
