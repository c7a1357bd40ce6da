"""Writes a Hugging Face Llama folder (f32 safetensors, sentencepiece-like tokenizer.json) as a GGUF file, with the
standard library alone: for tests."""

import json
import struct

UINT32, FLOAT32, BOOL, STRING, ARRAY, INT32 = 4, 6, 7, 8, 9, 5
PACKED = {UINT32: "<I", FLOAT32: "<f", BOOL: "<?", INT32: "<i"}
ALIGNMENT = 32


def string(text):
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def value(kind, item):
    return string(item) if kind == STRING else struct.pack(PACKED[kind], item)


def field(key, kind, item):
    return string(key) + struct.pack("<I", kind) + value(kind, item)


def array(key, kind, items):
    head = string(key) + struct.pack("<IIQ", ARRAY, kind, len(items))
    return head + b"".join(value(kind, item) for item in items)


def read_safetensors(path):
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    body = data[8 + length :]
    return {
        name: (entry["shape"], body[slice(*entry["data_offsets"])])
        for name, entry in header.items()
        if name != "__metadata__"
    }


def interleaved(shape, data, heads):
    """Rows of q or k as GGUF stores them: the two halves of each head, row by row."""
    row = len(data) // shape[0]
    half = shape[0] // heads // 2
    rows = [data[i * row : (i + 1) * row] for i in range(shape[0])]
    order = [(h * 2 + j) * half + i for h in range(heads) for i in range(half) for j in range(2)]
    return b"".join(rows[i] for i in order)


NAMES = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
}


def gguf_name(name):
    if name.startswith("model.layers."):
        layer, module = name[len("model.layers.") : -len(".weight")].split(".", 1)
        return f"blk.{layer}.{NAMES[module]}.weight"
    return {"model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight"}[name]


def write_gguf(folder, path, chat_template=None):
    config = json.loads((folder / "config.json").read_text())
    model = json.loads((folder / "tokenizer.json").read_text())["model"]
    pieces = sorted(model["vocab"], key=model["vocab"].get)
    # The rank of the merge that makes a piece is its score.
    merges = {"".join(pair.split(" ") if isinstance(pair, str) else pair): i for i, pair in enumerate(model["merges"])}
    kinds = [2 if i == 0 else 3 if i < 3 else 6 if p.startswith("<0x") else 1 for i, p in enumerate(pieces)]
    heads, kv_heads = config["num_attention_heads"], config["num_key_value_heads"]
    fields = [
        field("general.architecture", STRING, "llama"),
        field("llama.context_length", UINT32, config["max_position_embeddings"]),
        field("llama.embedding_length", UINT32, config["hidden_size"]),
        field("llama.block_count", UINT32, config["num_hidden_layers"]),
        field("llama.feed_forward_length", UINT32, config["intermediate_size"]),
        field("llama.attention.head_count", UINT32, heads),
        field("llama.attention.head_count_kv", UINT32, kv_heads),
        field("llama.attention.layer_norm_rms_epsilon", FLOAT32, config["rms_norm_eps"]),
        field("llama.rope.freq_base", FLOAT32, config["rope_theta"]),
        field("llama.rope.dimension_count", UINT32, config["hidden_size"] // heads),
        field("tokenizer.ggml.model", STRING, "llama"),
        array("tokenizer.ggml.tokens", STRING, pieces),
        array("tokenizer.ggml.scores", FLOAT32, [-float(merges.get(p, 1e6)) for p in pieces]),
        array("tokenizer.ggml.token_type", INT32, kinds),
        field("tokenizer.ggml.bos_token_id", UINT32, 1),
        field("tokenizer.ggml.eos_token_id", UINT32, 2),
        field("tokenizer.ggml.add_bos_token", BOOL, True),
    ]
    if chat_template:
        fields.append(field("tokenizer.chat_template", STRING, chat_template))
    infos, body = b"", b""
    tensors = read_safetensors(folder / "model.safetensors")
    for name, (shape, data) in tensors.items():
        if "q_proj" in name or "k_proj" in name:
            data = interleaved(shape, data, heads if "q_proj" in name else kv_heads)
        body += b"\0" * (-len(body) % ALIGNMENT)
        dims = shape[::-1]
        infos += string(gguf_name(name)) + struct.pack(f"<I{len(dims)}QIQ", len(dims), *dims, 0, len(body))
        body += data
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(fields)) + b"".join(fields) + infos
    path.write_bytes(head + b"\0" * (-len(head) % ALIGNMENT) + body)
