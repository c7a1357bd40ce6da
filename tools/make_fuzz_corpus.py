#!/usr/bin/env python3
"""Writes the seeds that the fuzz targets of model files start from: fuzz/corpus/{safetensors,gguf,config,onnx}/seed_*.

Needs nothing but Python. Inputs that fuzzing found, and that are worth keeping, lie beside them under other names.
"""

import json
import pathlib
import struct

ROOT = pathlib.Path(__file__).resolve().parents[1]


def save(target, name, data):
    folder = ROOT / "fuzz/corpus" / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"seed_{name}").write_bytes(data if isinstance(data, bytes) else data.encode())


def safetensors(entries, size, metadata=None):
    header = {} if metadata is None else {"__metadata__": metadata}
    for name, dtype, shape, begin, end in entries:
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + bytes(i & 1 for i in range(size))


def string(text):
    return struct.pack("<Q", len(text)) + text.encode()


def entry(key, kind, value):
    return string(key) + struct.pack("<I", kind) + value


def tensor(name, dims, kind, offset):
    return string(name) + struct.pack(f"<I{len(dims)}QIQ", len(dims), *dims, kind, offset)


def gguf(entries, tensors, data, version=3, alignment=32):
    head = b"GGUF" + struct.pack("<IQQ", version, len(tensors), len(entries)) + b"".join(entries) + b"".join(tensors)
    return head + bytes(-len(head) % alignment) + data


def u32(key, value):
    return entry(key, 4, struct.pack("<I", value))


def f32(key, value):
    return entry(key, 6, struct.pack("<f", value))


def llama_entries():
    return [
        entry("general.architecture", 8, string("llama")),
        u32("llama.context_length", 64),
        u32("llama.embedding_length", 32),
        u32("llama.block_count", 1),
        u32("llama.feed_forward_length", 32),
        u32("llama.attention.head_count", 2),
        u32("llama.attention.head_count_kv", 1),
        f32("llama.attention.layer_norm_rms_epsilon", 1e-5),
    ]


def seed_safetensors():
    save("safetensors", "empty", safetensors([], 0))
    save("safetensors", "dtypes", safetensors(
        [("a", "F32", [2], 0, 8), ("b", "BF16", [2, 1], 8, 12), ("c", "F16", [], 12, 14), ("d", "BOOL", [2], 14, 16),
         ("e", "F8_E4M3", [3], 16, 19), ("f", "I64", [0, 4], 19, 19)], 19, {"format": "pt"}))
    save("safetensors", "overlap", safetensors([("a", "I8", [4], 0, 4), ("b", "I8", [4], 2, 6)], 6))
    save("safetensors", "hole", safetensors([("a", "I8", [2], 0, 2), ("b", "I8", [2], 4, 6)], 6))
    save("safetensors", "length", struct.pack("<Q", 1 << 40) + b"{}")


def seed_gguf():
    kinds = [
        entry("u8", 0, b"\1"), entry("i8", 1, b"\1"), entry("u16", 2, b"\1\0"), entry("i16", 3, b"\1\0"), u32("u32", 1),
        entry("i32", 5, bytes(4)), f32("f32", 1.5), entry("bool", 7, b"\1"), entry("string", 8, string("text")),
        entry("array", 9, struct.pack("<IQ", 8, 2) + string("a") + string("b")),
        entry("nested", 9, struct.pack("<IQIQ", 9, 1, 4, 1) + bytes(4)),
        entry("u64", 10, bytes(8)), entry("i64", 11, bytes(8)), entry("f64", 12, bytes(8)),
        u32("general.alignment", 64),
    ]
    save("gguf", "metadata", gguf(kinds, [], b""))
    save("gguf", "version2", gguf([], [tensor("t", [3], 0, 0)], bytes(12), version=2))
    blocks = [(2, 32, 18), (3, 32, 20), (8, 32, 34), (12, 256, 144), (13, 256, 176), (14, 256, 210)]
    tensors, data = [], b""
    for kind, elements, size in blocks:
        tensors.append(tensor(f"t{kind}", [elements], kind, len(data)))
        data += bytes(i * 7 & 63 for i in range(size))
        data += bytes(-len(data) % 32)
    save("gguf", "blocks", gguf([], tensors, data))
    names = [("token_embd.weight", [32, 4], 0, 512), ("blk.0.attn_q.weight", [32, 32], 8, 1088),
             ("blk.0.attn_k.bias", [16], 1, 32), ("output_norm.weight", [32], 30, 64), ("rope_freqs.weight", [8], 0, 32)]
    tensors, data = [], b""
    for name, dims, kind, size in names:
        tensors.append(tensor(name, dims, kind, len(data)))
        data += bytes(i & 31 for i in range(size))
        data += bytes(-len(data) % 32)
    save("gguf", "llama", gguf(llama_entries(), tensors, data))


def seed_config():
    base = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4,
            "num_key_value_heads": 2, "vocab_size": 100, "max_position_embeddings": 256, "rms_norm_eps": 1e-5,
            "hidden_act": "silu", "rope_theta": 10000.0}
    save("config", "llama", json.dumps({"architectures": ["LlamaForCausalLM"], "model_type": "llama", **base}))
    save("config", "generation", json.dumps({"eos_token_id": [1, 2], "temperature": 0.7, "top_p": 0.9, "do_sample": True}))
    int4 = {"format": "int4", "granularity": "per_group", "group": 32, "symmetric": True, "scale_dtype": "f16"}
    int8 = {"format": "int8", "granularity": "per_token", "symmetric": True, "timing": "dynamic", "scale_dtype": "f32"}
    graph = {
        "name": "tiny",
        "symbols": [{"name": "tokens", "min": 1, "max": 64}],
        "inputs": [{"name": "ids", "dtype": "i64", "shape": ["tokens"]}],
        "constants": [
            {"name": "embed", "dtype": "bf16", "shape": [10, 64], "encoding": int4},
            {"name": "norm.weight", "dtype": "f32", "shape": [64]},
            {"name": "up.weight", "dtype": "f32", "shape": [128, 64], "encoding": int4},
            {"name": "two", "dtype": "f32", "shape": []},
        ],
        "nodes": [
            {"op": "Gather", "name": "rows", "inputs": ["embed", "ids"], "outputs": ["rows"]},
            {"op": "RMSNormalization", "name": "norm", "inputs": ["rows", "norm.weight"], "outputs": ["norm"],
             "attributes": {"epsilon": {"float": 1e-5}, "axis": {"int": -1}}},
            {"op": "Gemm", "name": "up", "inputs": ["norm", "up.weight", None], "outputs": ["up"],
             "attributes": {"transB": {"int": 1}}, "use_encodings": {"0": int8}},
            {"op": "Transpose", "name": "turned", "inputs": ["up"], "outputs": ["turned"],
             "attributes": {"perm": {"ints": [1, 0]}}},
            {"op": "Split", "name": "halves", "inputs": ["up"], "outputs": ["a", "b"],
             "attributes": {"axis": {"int": 1}, "num_outputs": {"int": 2}}},
            {"op": "Concat", "name": "whole", "inputs": ["a", "b"], "outputs": ["whole"], "attributes": {"axis": {"int": 1}}},
            {"op": "Mul", "name": "twice", "inputs": ["whole", "two"], "outputs": ["twice"]},
            {"op": "Softmax", "name": "soft", "inputs": ["twice"], "outputs": ["soft"]},
        ],
        "outputs": [{"name": "y", "value": "soft"}],
    }
    save("config", "graph", json.dumps({"format": "halftone", "version": 1, "graph": graph}))


def varint(number):
    out = b""
    number &= (1 << 64) - 1
    while number >= 0x80:
        out += bytes([number & 0x7F | 0x80])
        number >>= 7
    return out + bytes([number])


def proto(*fields):
    """A protobuf message of (number, value): an int, a float, or bytes or text."""
    out = b""
    for number, value in fields:
        if isinstance(value, int):
            out += varint(number << 3) + varint(value)
        elif isinstance(value, float):
            out += varint(number << 3 | 5) + struct.pack("<f", value)
        else:
            data = value.encode() if isinstance(value, str) else value
            out += varint(number << 3 | 2) + varint(len(data)) + data
    return out


def onnx_value(name, *dims, kind=1):
    shape = proto(*((1, proto((1 if isinstance(d, int) else 2, d))) for d in dims))
    return proto((1, name), (2, proto((1, proto((1, kind), (2, shape))))))


def onnx_tensor(name, dims, kind, raw):
    return proto(*((1, d) for d in dims), (2, kind), (8, name), (9, raw))


def onnx_node(op, inputs, outputs, *attributes, domain=""):
    return proto(*((1, i) for i in inputs), *((2, o) for o in outputs), (4, op), *((5, a) for a in attributes), (7, domain))


def onnx_ints(name, *values):
    return proto((1, name), *((8, v) for v in values), (20, 7))


def onnx_int(name, value):
    return proto((1, name), (3, value), (20, 2))


def onnx_model(version, graph, *more):
    return proto((1, 8), (7, proto(*graph)), (8, proto((1, ""), (2, version))), *more)


def seed_onnx():
    x, y = onnx_value("x", "N", 4), onnx_value("y", "N", 4)
    floats = struct.pack("<4f", 1, 2, 3, 4)
    save("onnx", "linear", onnx_model(17, [
        (1, onnx_node("MatMul", ["x", "w"], ["h"])), (1, onnx_node("Relu", ["h"], ["y"])),
        (5, onnx_tensor("w", [4, 4], 1, floats * 4)), (11, x), (12, y)]))
    save("onnx", "shapes", onnx_model(13, [
        (1, onnx_node("Reshape", ["x", "shape"], ["y"])),
        (1, onnx_node("Concat", ["batch", "rest"], ["shape"], onnx_int("axis", 0))),
        (1, onnx_node("Gather", ["sizes", "zero"], ["batch"])), (1, onnx_node("Shape", ["x"], ["sizes"])),
        (5, onnx_tensor("zero", [1], 7, bytes(8))), (5, onnx_tensor("rest", [1], 7, b"\xff" * 8)),
        (11, onnx_value("x", 2, 3, 4)), (12, onnx_value("y", 2, 12))]))
    save("onnx", "older", onnx_model(9, [
        (1, onnx_node("Softmax", ["x"], ["s"])),
        (1, onnx_node("Slice", ["s"], ["t"], onnx_ints("starts", 0), onnx_ints("ends", 1))),
        (1, onnx_node("Squeeze", ["t"], ["y"], onnx_ints("axes", 0))), (11, onnx_value("x", 2, 3, 4)), (12, y)]))
    lists = proto((1, 2), (2, 1), (4, struct.pack("<2f", 1, 2)), (8, "listed"))
    save("onnx", "lists", onnx_model(17, [
        (1, onnx_node("Constant", [], ["c"], proto((1, "value"), (5, lists), (20, 4)))),
        (1, onnx_node("Identity", ["c"], ["y"])), (5, lists), (12, onnx_value("y", 2))]))
    function = proto((1, "F"), (4, "a"), (5, "b"), (7, onnx_node("Relu", ["a"], ["b"])), (9, proto((1, ""), (2, 17))), (10, "mine"))
    save("onnx", "function", onnx_model(17, [(1, onnx_node("F", ["x"], ["y"], domain="mine")), (11, x), (12, y)], (25, function)))
    external = proto((1, 4), (2, 1), (8, "w"), (13, proto((1, "location"), (2, "weights.bin"))), (14, 1))
    save("onnx", "external", onnx_model(17, [(1, onnx_node("Add", ["x", "w"], ["y"])), (5, external), (11, x), (12, y)]))
    save("onnx", "cycle", onnx_model(17, [(1, onnx_node("Add", ["x", "y"], ["a"])), (1, onnx_node("Relu", ["a"], ["y"])), (11, x), (12, y)]))
    save("onnx", "empty", b"")


if __name__ == "__main__":
    seed_safetensors()
    seed_gguf()
    seed_config()
    seed_onnx()
