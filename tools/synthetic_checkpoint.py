#!/usr/bin/env python3
"""Writes a Hugging Face folder of a Llama of any size with random bf16 weights: for measuring what quantizing costs.

    tools/synthetic_checkpoint.py OUT --tokenizer zoo/llm [--layers 32 --hidden 4096 --mlp 14336 --heads 32 --kv-heads 8 --vocab 128256]

The defaults are the shape of Llama-3-8B: 16 GB in shards of about 2 GB. Standard library only.
"""

import argparse
import array
import json
import pathlib
import random
import shutil
import struct

BLOCK = 1 << 22  # elements that are drawn; tensors are filled from random places of them


def bf16_normals(count, deviation, seed):
    draw = random.Random(seed)
    return array.array("H", (struct.unpack("<I", struct.pack("<f", draw.gauss(0, deviation)))[0] >> 16 for _ in range(count)))


def tensors(a):
    yield "model.embed_tokens.weight", (a.vocab, a.hidden)
    head = a.hidden // a.heads
    for i in range(a.layers):
        layer = f"model.layers.{i}."
        yield layer + "input_layernorm.weight", (a.hidden,)
        yield layer + "self_attn.q_proj.weight", (a.heads * head, a.hidden)
        yield layer + "self_attn.k_proj.weight", (a.kv_heads * head, a.hidden)
        yield layer + "self_attn.v_proj.weight", (a.kv_heads * head, a.hidden)
        yield layer + "self_attn.o_proj.weight", (a.hidden, a.heads * head)
        yield layer + "post_attention_layernorm.weight", (a.hidden,)
        yield layer + "mlp.gate_proj.weight", (a.mlp, a.hidden)
        yield layer + "mlp.up_proj.weight", (a.mlp, a.hidden)
        yield layer + "mlp.down_proj.weight", (a.hidden, a.mlp)
    yield "model.norm.weight", (a.hidden,)
    yield "lm_head.weight", (a.vocab, a.hidden)


def elements(shape):
    count = 1
    for n in shape:
        count *= n
    return count


def write_shard(path, shard, normals, draw):
    header, offset = {}, 0
    for name, shape in shard:
        size = 2 * elements(shape)
        header[name] = {"dtype": "BF16", "shape": list(shape), "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    ones = struct.pack("<H", 0x3F80)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for name, shape in shard:
            left = elements(shape)
            if len(shape) == 1:  # a norm
                file.write(ones * left)
                continue
            while left:
                begin = draw.randrange(BLOCK // 2)
                piece = normals[begin:begin + min(left, BLOCK - begin)]
                piece.tofile(file)
                left -= len(piece)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--tokenizer", type=pathlib.Path, required=True, help="a folder to take the tokenizer from")
    for flag, preset in (("layers", 32), ("hidden", 4096), ("mlp", 14336), ("heads", 32), ("kv-heads", 8), ("vocab", 128256)):
        parser.add_argument("--" + flag, type=int, default=preset)
    a = parser.parse_args()
    a.out.mkdir(parents=True)
    config = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": a.vocab, "hidden_size": a.hidden,
              "intermediate_size": a.mlp, "num_hidden_layers": a.layers, "num_attention_heads": a.heads,
              "num_key_value_heads": a.kv_heads, "max_position_embeddings": 8192, "rms_norm_eps": 1e-5,
              "rope_theta": 500000.0, "hidden_act": "silu", "tie_word_embeddings": False, "torch_dtype": "bfloat16"}
    (a.out / "config.json").write_text(json.dumps(config, indent=1))
    for file in a.tokenizer.iterdir():
        if file.name.startswith(("tokenizer", "special_tokens")):
            shutil.copyfile(file, a.out / file.name)

    normals, draw = bf16_normals(BLOCK, a.hidden ** -0.5, 1), random.Random(2)
    shards, size = [[]], 0
    for tensor in tensors(a):
        if size > 2_000_000_000:
            shards.append([])
            size = 0
        shards[-1].append(tensor)
        size += 2 * elements(tensor[1])
    weight_map = {}
    for i, shard in enumerate(shards):
        name = f"model-{i + 1:05}-of-{len(shards):05}.safetensors"
        write_shard(a.out / name, shard, normals, draw)
        weight_map.update({tensor: name for tensor, _ in shard})
    (a.out / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}, indent=1))


if __name__ == "__main__":
    main()
