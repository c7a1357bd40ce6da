#!/usr/bin/env python3
"""Writes the seeds that the fuzz targets of binary files and of JSON start from: fuzz/corpus/TARGET/seed_*.

Needs nothing but Python. Inputs that fuzzing found, and that are worth keeping, lie beside them under other names.
"""

import json
import math
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
    seed_onnx_picture()
    seed_onnx_codes()


def onnx_floats(name, *dims):
    count = math.prod(dims)
    return (5, onnx_tensor(name, dims, 1, struct.pack(f"<{count}f", *((i % 7 - 3) / 4 for i in range(count)))))


def seed_onnx_picture():
    """What a detector is made of: convolution, SiLU, pooling, upsampling, Concat, Slice, and a list of chosen boxes."""
    save("onnx", "picture", onnx_model(17, [
        (1, onnx_node("Conv", ["x", "w", "b"], ["c"], onnx_ints("pads", 1, 1, 1, 1), onnx_ints("strides", 2, 2),
                      onnx_ints("kernel_shape", 3, 3))),
        (1, onnx_node("Sigmoid", ["c"], ["s"])), (1, onnx_node("Mul", ["c", "s"], ["a"])),
        (1, onnx_node("MaxPool", ["a"], ["p"], onnx_ints("kernel_shape", 2, 2), onnx_ints("strides", 2, 2))),
        (1, onnx_node("Resize", ["p", "", "scales"], ["u"])),
        (1, onnx_node("Concat", ["a", "u"], ["k"], onnx_int("axis", 1))),
        (1, onnx_node("Pad", ["k", "edges"], ["e"])),
        (1, onnx_node("ConvTranspose", ["e", "t"], ["y"], onnx_ints("strides", 2, 2))),
        onnx_floats("w", 4, 3, 3, 3), onnx_floats("b", 4), onnx_floats("t", 8, 1, 2, 2),
        (5, onnx_tensor("scales", [4], 1, struct.pack("<4f", 1, 1, 2, 2))),
        (5, onnx_tensor("edges", [8], 7, struct.pack("<8q", 0, 0, 1, 1, 0, 0, 1, 1))),
        (11, onnx_value("x", 1, 3, 8, 8)), (12, onnx_value("y", 1, 1, 12, 12))]))
    save("onnx", "boxes", onnx_model(17, [
        (1, onnx_node("TopK", ["x", "k"], ["best", "where"], onnx_int("axis", 1))),
        (1, onnx_node("GatherElements", ["x", "where"], ["g"], onnx_int("axis", 1))),
        (1, onnx_node("Slice", ["g", "from", "to", "axis"], ["part"])),
        (1, onnx_node("Softmax", ["part"], ["p"])), (1, onnx_node("NonZero", ["p"], ["n"])),
        (1, onnx_node("Transpose", ["n"], ["y"], onnx_ints("perm", 1, 0))),
        *((5, onnx_tensor(name, [1], 7, struct.pack("<q", value))) for name, value in
          [("k", 3), ("from", -3), ("to", 9), ("axis", 1)]),
        (11, onnx_value("x", 2, 6)), (12, onnx_value("y", "n", 2, kind=7))]))


def seed_onnx_codes():
    """Quantized models: pairs of QuantizeLinear and DequantizeLinear, and QLinear operators."""
    scale = (5, onnx_tensor("s", [], 1, struct.pack("<f", 0.05)))
    zero = (5, onnx_tensor("z", [], 2, b"\x80"))
    codes = [scale, zero, (5, onnx_tensor("w", [4, 2, 3, 3], 3, bytes(i * 5 % 256 for i in range(72)))),
             (5, onnx_tensor("ws", [4], 1, struct.pack("<4f", 0.01, 0.02, 0.03, 0.04))), (5, onnx_tensor("wz", [4], 3, bytes(4)))]
    ends = [(11, onnx_value("x", 1, 2, 6, 6)), (12, onnx_value("y", 1, 4, 6, 6))]
    pads = onnx_ints("pads", 1, 1, 1, 1)
    save("onnx", "qdq", onnx_model(17, [
        (1, onnx_node("QuantizeLinear", ["x", "s", "z"], ["xq"])), (1, onnx_node("DequantizeLinear", ["xq", "s", "z"], ["xd"])),
        (1, onnx_node("DequantizeLinear", ["w", "ws", "wz"], ["wd"], onnx_int("axis", 0))),
        (1, onnx_node("Conv", ["xd", "wd"], ["c"], pads)), (1, onnx_node("Relu", ["c"], ["r"])),
        (1, onnx_node("QuantizeLinear", ["r", "s", "z"], ["rq"])), (1, onnx_node("DequantizeLinear", ["rq", "s", "z"], ["y"])),
        *codes, *ends]))
    save("onnx", "qlinear", onnx_model(17, [
        (1, onnx_node("QuantizeLinear", ["x", "s", "z"], ["xq"])),
        (1, onnx_node("QLinearConv", ["xq", "s", "z", "w", "ws", "wz", "s", "z"], ["cq"], pads)),
        (1, onnx_node("DequantizeLinear", ["cq", "s", "z"], ["y"])), *codes, *ends]))
    save("onnx", "integers", onnx_model(17, [
        (1, onnx_node("DynamicQuantizeLinear", ["x"], ["q", "qs", "qz"])),
        (1, onnx_node("MatMulInteger", ["q", "m", "qz"], ["i"])), (1, onnx_node("Cast", ["i"], ["f"], onnx_int("to", 1))),
        (1, onnx_node("Mul", ["f", "qs"], ["y"])), (5, onnx_tensor("m", [4, 3], 3, bytes(range(12)))),
        (11, onnx_value("x", "N", 4)), (12, onnx_value("y", "N", 3))]))


def npy(header, data, version=1):
    text = header.encode() + b"\n"
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack("<H" if version == 1 else "<I", len(text)) + text + data


def seed_npy():
    def header(descr, shape, order=False):
        return f"{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}"
    save("npy", "f32", npy(header("<f4", (2, 3)), bytes(24)))
    save("npy", "f16_version2", npy(header("<f2", (1,)), bytes(2), version=2))
    save("npy", "scalar", npy(header("<i8", ()), bytes(8)))
    save("npy", "fortran", npy(header("|u1", (2, 2), True), bytes(4)))
    save("npy", "huge", npy(header("<f8", (1 << 40, 1 << 40)), b""))


def seed_preprocess():
    save("preprocess", "letterbox", json.dumps({
        "channels": "bgr", "resize": {"mode": "letterbox", "size": [24, 32], "resampler": "opencv_bilinear", "place": "top_left",
                                      "pad": 114, "rounding": "down", "enlarge": False}, "scale": 1, "labels": "coco80"}))
    save("preprocess", "crop", json.dumps({
        "resize": {"mode": "shorter_side", "size": 16, "resampler": "pillow_bicubic"}, "crop": 12, "scale": 1 / 255,
        "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}))
    save("preprocess", "grey", json.dumps({"channels": "grey", "resize": {"mode": "stretch", "size": 8}, "mean": 3, "std": 0.5}))
    save("preprocess", "transformers", json.dumps({
        "do_resize": True, "resample": 2, "size": {"height": 24, "width": 24}, "do_rescale": True, "rescale_factor": 1 / 255,
        "do_normalize": True, "image_mean": [0.5] * 3, "image_std": [0.5] * 3}))
    save("preprocess", "shortest_edge", json.dumps({
        "do_resize": True, "resample": 3, "size": {"shortest_edge": 20}, "do_center_crop": True, "crop_size": {"height": 16, "width": 16},
        "image_mean": [0.5] * 3, "image_std": [0.5] * 3}))


def seed_encodings():
    one = {"dtype": "INT", "bw": 8, "is_sym": False}
    save("encodings", "lists", json.dumps({
        "version": "1.0.0",
        "activation_encodings": [{"name": "a", **one, "scale": [0.5], "offset": [-3]}, {"name": "x", "dtype": "FLOAT", "bw": 32}],
        "param_encodings": [{"name": "a.w", **one, "bw": 4, "scale": [0.25, 0.05], "offset": [-8, -8]}]}))
    whole = {"bitwidth": 8, "dtype": "int", "is_symmetric": "False"}
    save("encodings", "objects", json.dumps({
        "version": "0.6.1",
        "activation_encodings": {"pool": [{**whole, "min": -1.5, "max": 126}], "a": [{**whole, "min": -1.5, "max": 126}]},
        "param_encodings": {"y.w": [{**whole, "scale": 0.25, "offset": -128}]}}))


def seed_annotations():
    box = {"image_id": 1, "category_id": 3, "bbox": [1, 2, 30, 40.5]}
    save("annotations", "boxes", json.dumps({
        "images": [{"id": 1, "file_name": "a.jpg"}, {"id": 2, "file_name": "b.jpg"}],
        "categories": [{"id": 3, "name": "cat"}, {"id": 7, "name": "dog"}],
        "annotations": [box, {**box, "bbox": [2, 2, 30, 40], "area": 700.5, "iscrowd": 1}, {**box, "image_id": 2, "category_id": 7}]}))


def seed_plan_file():
    """PlanFileHeader, the model's name, a table of two constants, the constants at multiples of 4096 bytes; digests are zeros."""
    name, table = b"model", [(4096, 24), (8192, 8)]
    front = b"HTPLAN01" + bytes(16) + struct.pack("<3Q", len(name), len(table), 8200) + bytes(16) + name
    front += b"".join(struct.pack("<2Q", *place) + bytes(16) for place in table)
    save("plan_file", "two", front + bytes(4096 - len(front)) + bytes(4096) + bytes(range(8)))


if __name__ == "__main__":
    seed_safetensors()
    seed_gguf()
    seed_config()
    seed_onnx()
    seed_npy()
    seed_preprocess()
    seed_encodings()
    seed_annotations()
    seed_plan_file()
