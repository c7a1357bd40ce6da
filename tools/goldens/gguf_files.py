#!/usr/bin/env python3
"""Goldens of the GGUF and safetensors readers: src/formats/testdata/gguf_*.{gguf,safetensors}.

Needs the packages gguf, safetensors and numpy. Each .gguf is written by the gguf package; the .safetensors of the same
name, written by the safetensors package, holds what Halftone should read from it as f32 under Hugging Face's names.

gguf_types: random blocks of every tensor type that Halftone reads, and what the gguf package decodes them to.
gguf_llama: a little model of arch "llama" (q and k rows permuted, rope_freqs, some tensors quantized).
gguf_gemma: a little model of arch "gemma3" (1 added to the norms' weights).
gguf_rounded: numbers as the gguf package quantizes them; here the .safetensors holds the numbers themselves.
"""

import pathlib

import numpy as np
from gguf import GGMLQuantizationType as Type
from gguf import GGUFWriter, quants
from gguf.constants import GGML_QUANT_SIZES
from safetensors.numpy import save_file

OUT = pathlib.Path(__file__).resolve().parents[2] / "src/formats/testdata"
QUANTIZED = [Type.Q4_0, Type.Q4_1, Type.Q8_0, Type.Q4_K, Type.Q5_K, Type.Q6_K]
# Where the f16 numbers of a block stand: random bits there could be infinite.
HALVES = {Type.Q4_0: [0], Type.Q4_1: [0, 2], Type.Q8_0: [0], Type.Q4_K: [0, 2], Type.Q5_K: [0, 2], Type.Q6_K: [208]}
rng = np.random.default_rng(5)


def random_blocks(kind, rows, columns):
    block, size = GGML_QUANT_SIZES[kind]
    data = rng.integers(0, 256, (rows * columns // block, size), dtype=np.uint8)
    for at in HALVES[kind]:
        data[:, at : at + 2] = rng.normal(size=(len(data), 1)).astype(np.float16).view(np.uint8)
    return data.reshape(rows, -1)


def bf16(values):
    return quants.quantize(values.astype(np.float32), Type.BF16)


def write(name, arch, fields, tensors):
    """tensors: (GGUF name, array as stored, type or None)."""
    writer = GGUFWriter(OUT / f"{name}.gguf", arch)
    fields(writer)
    for tensor, data, kind in tensors:
        writer.add_tensor(tensor, data, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def types():
    tensors, expected = [], {}
    for kind in QUANTIZED:
        data = random_blocks(kind, 2, 256)
        tensors.append((kind.name, data, kind))
        expected[kind.name] = quants.dequantize(data, kind)
    numbers = rng.normal(size=(3, 5)).astype(np.float32)
    tensors += [("F32", numbers, None), ("F16", numbers.astype(np.float16), None), ("BF16", bf16(numbers), Type.BF16)]
    expected["F32"] = numbers
    expected["F16"] = numbers.astype(np.float16).astype(np.float32)
    expected["BF16"] = quants.dequantize(bf16(numbers), Type.BF16)

    def fields(writer):
        writer.add_uint8("test.u8", 200)
        writer.add_int8("test.i8", -3)
        writer.add_uint16("test.u16", 60000)
        writer.add_int16("test.i16", -30000)
        writer.add_uint32("test.u32", 4000000000)
        writer.add_int32("test.i32", -2000000000)
        writer.add_float32("test.f32", 0.1)
        writer.add_bool("test.bool", True)
        writer.add_string("test.string", "häß")
        writer.add_array("test.strings", ["a", "", "ccc"])
        writer.add_array("test.ints", [1, -2, 3])
        writer.add_array("test.floats", [0.5, -1.5])
        writer.add_uint64("test.u64", 2**63 + 1)
        writer.add_int64("test.i64", -(2**60))
        writer.add_float64("test.f64", 0.1)

    write("gguf_types", "test", fields, tensors)
    save_file(expected, OUT / "gguf_types.safetensors")


def permuted(weight, heads):
    """As converters to GGUF store q and k of arch "llama"."""
    rows = weight.shape[0]
    split = weight.reshape(heads, 2, rows // heads // 2, *weight.shape[1:])
    return np.ascontiguousarray(split.swapaxes(1, 2).reshape(weight.shape))


def llama():
    hidden, heads, kv_heads, head, mlp, vocab = 32, 4, 2, 8, 64, 6

    def normal(*shape):
        return rng.normal(size=shape).astype(np.float32)

    layer = "model.layers.0."
    hf = {
        "model.embed_tokens.weight": normal(vocab, hidden),
        "model.norm.weight": normal(hidden),
        layer + "input_layernorm.weight": normal(hidden),
        layer + "post_attention_layernorm.weight": normal(hidden),
        layer + "self_attn.q_proj.weight": normal(heads * head, hidden),
        layer + "self_attn.k_proj.weight": normal(kv_heads * head, hidden),
        layer + "self_attn.v_proj.weight": normal(kv_heads * head, hidden),
        layer + "self_attn.o_proj.weight": normal(hidden, heads * head),
        layer + "mlp.gate_proj.weight": normal(mlp, hidden),
        layer + "mlp.up_proj.weight": normal(mlp, hidden),
        layer + "mlp.down_proj.weight": normal(hidden, mlp),
    }
    short = {
        "token_embd": "model.embed_tokens",
        "output_norm": "model.norm",
        "blk.0.attn_norm": layer + "input_layernorm",
        "blk.0.ffn_norm": layer + "post_attention_layernorm",
        "blk.0.attn_q": layer + "self_attn.q_proj",
        "blk.0.attn_k": layer + "self_attn.k_proj",
        "blk.0.attn_v": layer + "self_attn.v_proj",
        "blk.0.attn_output": layer + "self_attn.o_proj",
        "blk.0.ffn_gate": layer + "mlp.gate_proj",
        "blk.0.ffn_up": layer + "mlp.up_proj",
        "blk.0.ffn_down": layer + "mlp.down_proj",
    }
    kinds = {"blk.0.attn_q": Type.Q8_0, "blk.0.ffn_up": Type.Q4_0, "blk.0.ffn_down": Type.Q4_1}
    turned = {"blk.0.attn_q": heads, "blk.0.attn_k": kv_heads}
    tensors = []
    for name, long in short.items():
        weight = hf[long + ".weight"]
        kind = kinds.get(name)
        if kind is not None:  # Rows are permuted whole, so quantizing before or after is the same.
            hf[long + ".weight"] = quants.dequantize(quants.quantize(weight, kind), kind)
        stored = permuted(weight, turned[name]) if name in turned else weight
        tensors.append((name + ".weight", quants.quantize(stored, kind) if kind is not None else stored, kind))
    tensors.append(("rope_freqs.weight", np.array([1, 1, 4, 8], dtype=np.float32), None))

    def fields(writer):
        writer.add_context_length(128)
        writer.add_embedding_length(hidden)
        writer.add_block_count(1)
        writer.add_feed_forward_length(mlp)
        writer.add_head_count(heads)
        writer.add_head_count_kv(kv_heads)
        writer.add_rope_dimension_count(head)
        writer.add_rope_freq_base(500000.0)
        writer.add_layer_norm_rms_eps(1e-5)
        writer.add_bos_token_id(1)
        writer.add_eos_token_id(2)

    write("gguf_llama", "llama", fields, tensors)
    save_file(hf, OUT / "gguf_llama.safetensors")


def gemma():
    hidden = 8
    # Values whose sum with 1 is exact.
    hf = {
        "model.embed_tokens.weight": rng.normal(size=(4, hidden)).astype(np.float32),
        "model.norm.weight": rng.integers(-64, 64, hidden).astype(np.float32) / 64,
        "model.layers.0.self_attn.q_norm.weight": rng.integers(-64, 64, hidden).astype(np.float32) / 64,
        "model.layers.0.pre_feedforward_layernorm.weight": rng.integers(-64, 64, hidden).astype(np.float32) / 64,
    }
    tensors = [
        ("token_embd.weight", hf["model.embed_tokens.weight"], None),
        ("output_norm.weight", hf["model.norm.weight"] + 1, None),
        ("blk.0.attn_q_norm.weight", hf["model.layers.0.self_attn.q_norm.weight"] + 1, None),
        ("blk.0.ffn_norm.weight", hf["model.layers.0.pre_feedforward_layernorm.weight"] + 1, None),
    ]

    def fields(writer):
        writer.add_context_length(1024)
        writer.add_embedding_length(hidden)
        writer.add_block_count(1)
        writer.add_feed_forward_length(16)
        writer.add_head_count(2)
        writer.add_head_count_kv(1)
        writer.add_key_length(16)
        writer.add_rope_freq_base(1000000.0)
        writer.add_layer_norm_rms_eps(1e-6)
        writer.add_sliding_window(512)

    write("gguf_gemma", "gemma3", fields, tensors)
    save_file(hf, OUT / "gguf_gemma.safetensors")


def rounded():
    """Rows of many sizes, zeros, one number alone, halves between codes, and what is subnormal in f16."""
    own = np.random.default_rng(11)
    rows = [own.normal(size=128) * scale for scale in (1, 1e-3, 300, 1e-6)]
    rows.append(np.zeros(128))
    rows.append(np.where(np.arange(128) == 5, -0.3, 0))
    rows.append(np.arange(-64, 64) / 2)
    rows.append(np.tile(np.arange(-8, 8) / 2, 8))
    rows.append(own.uniform(2, 3, 128))
    rows.append(own.uniform(-3, -2, 128))
    numbers = np.array(rows, dtype=np.float32)
    kinds = [Type.Q4_0, Type.Q4_1, Type.Q8_0]
    write("gguf_rounded", "test", lambda writer: None, [(kind.name, quants.quantize(numbers, kind), kind) for kind in kinds])
    save_file({"numbers": numbers}, OUT / "gguf_rounded.safetensors")


if __name__ == "__main__":
    OUT.mkdir(exist_ok=True)
    types()
    llama()
    gemma()
    rounded()
