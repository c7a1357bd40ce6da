"""Goldens of the LLM families: logits of small models by Hugging Face transformers.

    python3 -m venv venv && venv/bin/pip install torch==2.13.0 transformers==5.23.0 numpy
    venv/bin/python tools/goldens/families.py [CASE...]

writes src/models/testdata/CASE/ for each case: `config.json` (as a checkpoint on the hub would have it),
`golden.json` (token ids, the context length, and for every weight its shape, centre and amplitude) and `logits.npy`
(f32 [tokens, vocabulary], eager attention, the whole sequence at once).

Weights are not stored. Element i of the tensor NAME is

    centre + amplitude * (2 * u - 1),   u = (splitmix64(fnv1a64(NAME) + i) >> 40) / 2^24,

computed in f64 and rounded to f32, so that the C++ test makes the same ones.
"""

import json
import math
import pathlib
import sys

import numpy as np
import torch
import transformers

OUTPUT = pathlib.Path(__file__).resolve().parents[2] / "src" / "models" / "testdata"
TOKENS = 24

BASE = dict(
    hidden_size=64,
    intermediate_size=96,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=2,
    vocab_size=96,
    max_position_embeddings=64,
    rms_norm_eps=1e-5,
    hidden_act="silu",
    rope_theta=10000.0,
    tie_word_embeddings=False,
    bos_token_id=1,
    eos_token_id=2,
)


def config(architecture, model_type, **changes):
    return {"architectures": [architecture], "model_type": model_type, **BASE, **changes}


def llama(**changes):
    return config("LlamaForCausalLM", "llama", **changes)


def qwen2(**changes):
    return config("Qwen2ForCausalLM", "qwen2", rms_norm_eps=1e-6, rope_theta=1e6, **changes)


def qwen3(**changes):
    return config("Qwen3ForCausalLM", "qwen3", rms_norm_eps=1e-6, rope_theta=1e6, head_dim=24, **changes)


def gemma(architecture, model_type, **changes):
    own = dict(
        rms_norm_eps=1e-6,
        head_dim=24,
        num_hidden_layers=3,
        hidden_act="gelu_pytorch_tanh",
        hidden_activation="gelu_pytorch_tanh",
        query_pre_attn_scalar=20,
        sliding_window=8,
        tie_word_embeddings=True,
        bos_token_id=2,
        eos_token_id=1,
    )
    return config(architecture, model_type, **{**own, **changes})


def gemma3(**changes):
    return gemma(
        "Gemma3ForCausalLM",
        "gemma3_text",
        sliding_window_pattern=3,
        rope_theta=1e6,
        rope_local_base_freq=10000.0,
        rope_scaling={"rope_type": "linear", "factor": 8.0},
        **changes,
    )


def phi3(**changes):
    return config("Phi3ForCausalLM", "phi3", **{"pad_token_id": 0, "sliding_window": None, **changes})


def factors(start, step, count):
    return [round(start + step * i, 4) for i in range(count)]


CASES = {
    "llama": llama(),
    "llama_biases_linear": llama(
        attention_bias=True,
        mlp_bias=True,
        head_dim=24,
        tie_word_embeddings=True,
        rope_scaling={"type": "linear", "factor": 4.0},
    ),
    "llama_llama3": llama(
        rope_theta=500000.0,
        eos_token_id=[2, 5],
        rope_scaling={
            "rope_type": "llama3",
            "factor": 8.0,
            "low_freq_factor": 1.0,
            "high_freq_factor": 4.0,
            "original_max_position_embeddings": 32,
        },
    ),
    "llama_dynamic": llama(max_position_embeddings=16, rope_scaling={"type": "dynamic", "factor": 2.0}),
    "mistral_window": config("MistralForCausalLM", "mistral", sliding_window=8),
    "qwen2": qwen2(tie_word_embeddings=True, use_sliding_window=False, sliding_window=8, max_window_layers=1),
    "qwen2_window": qwen2(num_hidden_layers=3, use_sliding_window=True, sliding_window=8, max_window_layers=1),
    "qwen3": qwen3(tie_word_embeddings=True),
    "qwen3_yarn": qwen3(
        attention_bias=True,
        rope_scaling={"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 16},
    ),
    "gemma2": gemma("Gemma2ForCausalLM", "gemma2", attn_logit_softcapping=5.0, final_logit_softcapping=3.0),
    "gemma3": gemma3(),
    "gemma3_rope_parameters": gemma3(final_logit_softcapping=4.0),
    "phi3": phi3(sliding_window=8),
    "phi3_longrope_short": phi3(
        partial_rotary_factor=0.75,
        tie_word_embeddings=True,
        original_max_position_embeddings=32,
        rope_scaling={"type": "longrope", "short_factor": factors(1, 0.1, 6), "long_factor": factors(2, 1.5, 6)},
    ),
    "phi3_longrope_long": phi3(
        original_max_position_embeddings=16,
        rope_scaling={"type": "longrope", "short_factor": factors(1, 0.1, 8), "long_factor": factors(1, 1.5, 8)},
    ),
}
# Contexts other than max_position_embeddings: scalings that depend on the length take it from there.
CONTEXTS = {"llama_dynamic": TOKENS, "phi3_longrope_short": 32}
# Written as transformers 5 writes it (rope_parameters in place of rope_theta and rope_scaling).
NEW_FORM = {"llama_llama3", "qwen3_yarn", "gemma3_rope_parameters", "phi3_longrope_long"}


def splitmix64(x):
    with np.errstate(over="ignore"):
        x = (x + np.uint64(0x9E3779B97F4A7C15)).astype(np.uint64)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return x ^ (x >> np.uint64(31))


def fnv1a64(text):
    state = 0xCBF29CE484222325
    for byte in text.encode():
        state = (state ^ byte) * 0x100000001B3 % 2**64
    return state


def generate(name, shape, centre, amplitude):
    with np.errstate(over="ignore"):
        bits = splitmix64(np.uint64(fnv1a64(name)) + np.arange(math.prod(shape), dtype=np.uint64))
    uniform = (bits >> np.uint64(40)).astype(np.float64) / 2.0**24
    return (centre + amplitude * (2 * uniform - 1)).astype(np.float32).reshape(shape)


def spread(name, shape, model_type):
    """Centre and amplitude: unit variance through matrices, norms around what they multiply by, biases not zero."""
    if len(shape) == 1 and "norm" in name:
        return (0.0 if model_type.startswith("gemma") else 1.0), 0.4
    if len(shape) == 1:
        return 0.0, 0.5
    return 0.0, 1.0 if "embed" in name else round(math.sqrt(3 / shape[1]), 6)


def make_case(name, settings):
    loaded = transformers.AutoConfig.for_model(settings["model_type"], **{k: v for k, v in settings.items() if k != "model_type"})
    loaded._attn_implementation = "eager"
    model = transformers.AutoModelForCausalLM.from_config(loaded).float().eval()
    if settings["tie_word_embeddings"]:
        model.tie_weights()
    weights = {}
    state = model.state_dict()
    for key, tensor in state.items():
        if key == "lm_head.weight" and settings["tie_word_embeddings"]:
            continue
        shape = list(tensor.shape)
        centre, amplitude = spread(key, shape, settings["model_type"])
        weights[key] = {"shape": shape, "centre": centre, "amplitude": amplitude}
        tensor.copy_(torch.from_numpy(generate(key, shape, centre, amplitude)))
    ids = [1] + [int(x) for x in splitmix64(np.arange(TOKENS - 1, dtype=np.uint64)) % np.uint64(settings["vocab_size"])]
    with torch.no_grad():
        logits = model(torch.tensor([ids]), use_cache=False).logits[0].numpy()
    assert np.isfinite(logits).all()

    folder = OUTPUT / name
    folder.mkdir(parents=True, exist_ok=True)
    written = settings
    if name in NEW_FORM:
        written = {**loaded.to_dict(), "architectures": settings["architectures"]}
        written = {k: v for k, v in sorted(written.items()) if k != "transformers_version"}
    (folder / "config.json").write_text(json.dumps(written, indent=1) + "\n")
    rows = ",\n".join(f'  "{k}": {json.dumps(v)}' for k, v in weights.items())
    context = CONTEXTS.get(name, settings["max_position_embeddings"])
    (folder / "golden.json").write_text(f'{{\n "context": {context},\n "ids": {ids},\n "tensors": {{\n{rows}\n }}\n}}\n')
    np.save(folder / "logits.npy", logits.astype(np.float32))
    print(f"{name}: logits {logits.shape}, std {logits.std():.3f}, max {np.abs(logits).max():.3f}")


if __name__ == "__main__":
    torch.manual_seed(0)
    torch.set_num_threads(1)
    for name in sys.argv[1:] or CASES:
        make_case(name, CASES[name])
