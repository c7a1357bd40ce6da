#!/usr/bin/env python3
"""Drives plan, devices and the check of memory before a model is loaded, as a user does.

Usage: plan_commands_test.py HALFTONE SOURCE_DIR
"""

import json
import pathlib
import struct
import subprocess
import sys
import tempfile

PROGRAM, SOURCE = sys.argv[1], pathlib.Path(sys.argv[2])
ORIN, NANO = "jetson-agx-orin-64gb", "jetson-orin-nano-8gb"


def run(*words, code=0):
    done = subprocess.run([PROGRAM, *map(str, words)], capture_output=True, text=True)
    assert done.returncode == code, f"{words}: {done.returncode}, not {code}\n{done.stdout}{done.stderr}"
    return done


def answer(*words):
    return json.loads(run(*words, "--json").stdout)


def refusal(*words, code):
    return run(*words, code=code).stderr


def check_language_models(folder):
    plan = answer("plan", "-m", "llama-3-8b", "--target", ORIN)
    for key in ("fits", "memory_bytes", "ttft_ms", "tpot_ms", "tokens_per_s", "recommended"):
        assert plan[key], key
    assert not answer("plan", "-m", "llama-3-8b", "--target", NANO, "--recipe", "original")["fits"]
    size = answer("plan", "-m", "llama-3-8b", "--target", NANO, "--for", "size")["recipes"]
    fitting = [r["weight_bytes"] for r in size if r["fits"]]
    assert fitting == sorted(fitting) and fitting
    vision = answer("plan", "-m", "nvila-8b", "--target", ORIN)
    assert vision["image_ms"] > 0 and vision["recipes"][0]["image_tokens"] == 256

    page = folder / "plan.html"
    run("plan", "-m", SOURCE / "zoo/llm", "--target", "rtx-3090", "--html", page)
    text = page.read_text()
    assert "<svg" in text and "Roofline" in text and "http" not in text and "nan" not in text


def check_measured_losses():
    plan = answer("plan", "-m", SOURCE / "zoo/llm", "--target", "cpu-generic", "--for", "accuracy", "--recipe",
                  "original,rtn-w8,rtn-w4,awq-w4g128", "--text", SOURCE / "zoo/heldout.txt", "--max-windows", 2)
    by_name = {r["recipe"]: r for r in plan["recipes"]}
    eight, four, awq = by_name["rtn-w8"], by_name["rtn-w4"], by_name["awq-w4g128"]
    assert 0 <= eight["accuracy_measured"]["kld"] < four["accuracy_measured"]["kld"]
    assert awq["accuracy_measured"] is None and awq["accuracy_prior"]["loss_percent"] > 0
    refused = refusal("plan", "-m", "llama-3-8b", "--target", ORIN, "--text", SOURCE / "zoo/heldout.txt", code=2)
    assert "no weights" in refused, refused


def check_bad_input(folder):
    assert "rtx-3090" in refusal("plan", "-m", "llama-3-8b", "--target", "rtx-3091", code=2)
    assert "jetson-orin-nano" in refusal("devices", "orin-nano", code=2)
    assert "30W" in refusal("plan", "-m", "llama-3-8b", "--target", ORIN, "--power", "31W", code=2)
    assert "llama-3-8b" in refusal("plan", "-m", "llama-3-8c", "--target", ORIN, code=2)
    for wrong in (("--batch", -1), ("--batch", 0), ("-c", -5), ("-p", 0), ("-d", -1), ("--for", "speed"),
                  ("--recipe", "rtn-w9"), ("-c", 100000)):
        assert refusal("plan", "-m", "llama-3-8b", "--target", ORIN, *wrong, code=2).strip(), wrong
    config = folder / "config.json"
    config.write_text('{"architectures": ["LlamaForCausalLM"], "hidden_size": 64}')
    refused = refusal("plan", "-m", config, "--target", ORIN, code=3)
    assert "config.json" in refused and "is missing" in refused, refused
    config.write_text('{"architectures": ["ViTForImageClassification"], "hidden_size": 64}')
    assert "config.json" in refusal("plan", "-m", config, "--target", ORIN, code=3)
    config.write_text('{"architectures": ["MartianForCausalLM"]}')
    assert "MartianForCausalLM" in refusal("plan", "-m", config, "--target", ORIN, code=4)


def large_vit(folder, bytes_wanted):
    """A vision transformer whose weights are a hole in a file of that many bytes."""
    hidden, wide = 64, 1 << 20
    layers = int(bytes_wanted / (2 * hidden * wide * 4)) + 1
    (folder / "config.json").write_text(json.dumps({
        "architectures": ["ViTForImageClassification"], "model_type": "vit", "hidden_size": hidden,
        "num_attention_heads": 2, "intermediate_size": wide, "image_size": 32, "patch_size": 16,
        "num_channels": 3, "num_hidden_layers": layers, "hidden_act": "gelu"}))
    (folder / "preprocessor_config.json").write_text(json.dumps(
        {"image_processor_type": "ViTImageProcessor", "do_resize": True, "size": {"height": 32, "width": 32},
         "resample": 2, "do_rescale": True, "rescale_factor": 1 / 255, "do_normalize": True,
         "image_mean": [0.5] * 3, "image_std": [0.5] * 3}))
    shapes = {"vit.embeddings.cls_token": [1, 1, hidden], "vit.embeddings.position_embeddings": [1, 5, hidden],
              "vit.embeddings.patch_embeddings.projection.weight": [hidden, 3, 16, 16],
              "vit.embeddings.patch_embeddings.projection.bias": [hidden],
              "vit.layernorm.weight": [hidden], "vit.layernorm.bias": [hidden],
              "classifier.weight": [2, hidden], "classifier.bias": [2]}
    for layer in range(layers):
        name = f"vit.encoder.layer.{layer}."
        for part in ("attention.attention.query", "attention.attention.key", "attention.attention.value",
                     "attention.output.dense"):
            shapes |= {name + part + ".weight": [hidden, hidden], name + part + ".bias": [hidden]}
        for part in ("layernorm_before", "layernorm_after"):
            shapes |= {name + part + ".weight": [hidden], name + part + ".bias": [hidden]}
        shapes |= {name + "intermediate.dense.weight": [wide, hidden], name + "intermediate.dense.bias": [wide],
                   name + "output.dense.weight": [hidden, wide], name + "output.dense.bias": [hidden]}
    header, at = {}, 0
    for name, shape in shapes.items():
        size = 4
        for dim in shape:
            size *= dim
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(folder / "model.safetensors", "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.truncate(8 + len(text) + at)


def check_loading_obeys(folder):
    available = next(int(line.split()[1]) for line in pathlib.Path("/proc/meminfo").read_text().splitlines()
                     if line.startswith("MemAvailable")) * 1024
    try:
        large_vit(folder, 1.2 * available)
    except OSError as error:
        return print(f"no file of {available * 1.2:.0f} bytes, hole or not, may be made here: {error}")
    picture = SOURCE / "src/vision/image/testdata"
    picture = next(p for p in sorted(picture.rglob("*")) if p.suffix in (".jpg", ".png"))
    for words in (("classify", folder, picture), ("infer", folder, "--input", "pixel_values=x.npy"),
                  ("bench", folder)):
        refused = refusal(*words, code=5)
        assert "memory will not do: weights" in refused and "--force" in refused, refused
        assert "int8-static it fits" in refused, refused


def check_loading_tells():
    told = answer("run", "-m", SOURCE / "zoo/llm", "-p", "Once", "-n", 4)
    assert told["planned_memory_bytes"] > 1e6 and told["peak_memory_bytes"] > 1e6, told
    told = answer("bench", "-m", SOURCE / "zoo/llm", "-p", 32, "-n", 4, "-r", 1, "--check-plan")
    assert [c["what"] for c in told["plan_check"]] == ["TTFT, 32 tokens", "TPOT at depth 2", "peak memory"], told
    assert told["planned_memory_bytes"] > 1e6


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        check_language_models(folder)
        check_measured_losses()
        check_bad_input(folder)
        check_loading_obeys(folder)
        check_loading_tells()


if __name__ == "__main__":
    main()
