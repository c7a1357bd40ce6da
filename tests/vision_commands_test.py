#!/usr/bin/env python3
"""Drives classify, detect, eval top1 and eval map as a user does, on a few of the shared pictures.

Usage: vision_commands_test.py HALFTONE SOURCE_DIR. Skips (77) without the shared models and pictures.
"""

import json
import math
import os
import pathlib
import struct
import subprocess
import sys
import tempfile

PROGRAM, SOURCE = sys.argv[1], pathlib.Path(sys.argv[2])
SHARED = pathlib.Path(os.environ.get("HALFTONE_SHARED", SOURCE.parent / "shared"))
MODELS, IMAGES = SHARED / "models", SHARED / "images"


def run(*words, code=0):
    done = subprocess.run([PROGRAM, *map(str, words)], capture_output=True, text=True)
    assert done.returncode == code, f"{words}: {done.returncode}, not {code}\n{done.stdout}{done.stderr}"
    return done


def answer(*words):
    return json.loads(run(*words, "--json").stdout)


def subset(folder, pictures, every):
    """Every n-th picture of a labelled set, under its own labels.txt."""
    lines = (IMAGES / pictures / "labels.txt").read_text().splitlines()[::every]
    for line in lines:
        os.symlink(IMAGES / pictures / line.rsplit(" ", 1)[0], folder / line.rsplit(" ", 1)[0])
    (folder / "labels.txt").write_text("\n".join(lines) + "\n")


def check_classify():
    bird = IMAGES / "imagenet_500/008_n01514859_hen.jpg"
    top = answer("classify", MODELS / "vit/vit_tiny_patch16_224_hf", bird)["images"][0]["classes"]
    assert len(top) == 5 and top[0]["name"] == "hen", top
    same = answer("classify", MODELS / "vit/vit_tiny_patch16_224.onnx", bird)["images"][0]["classes"]
    assert [c["class"] for c in same] == [c["class"] for c in top], same
    for a, b in zip(same, top):
        assert abs(a["probability"] - b["probability"]) < 1e-4, (a, b)
    text = run("classify", MODELS / "classify/resnet20_cifar10.onnx", IMAGES / "cifar10_1000/0_airplane_0000.jpg",
               "--top", 2)
    assert "preset cifar10" in text.stderr and "pictures/s" in text.stdout, text
    with tempfile.TemporaryDirectory() as folder:
        names = pathlib.Path(folder) / "names.txt"
        names.write_text("cat\ndog\n")
        wrong = run("classify", MODELS / "classify/squeezenet1.1_227.onnx", bird, "--labels", names, code=3)
        assert "2 names, where the model has 1000 classes" in wrong.stderr, wrong


def check_eval(folder):
    subset(folder, "imagenet_500", 10)
    for model in ("vit/vit_tiny_patch16_224_hf", "classify/squeezenet1.1_227.onnx"):
        result = answer("eval", "top1", "-m", MODELS / model, "--images", folder)
        assert result["images"] == 50 and result["top1"] >= 50 and result["top5"] >= result["top1"], result


def check_detect(folder):
    dogs = IMAGES / "coco_val50/images"
    for model, head in (("yolox_nano_416", "yolox"), ("nanodet_m_416", "nanodet")):
        out = folder / model
        report = answer("detect", MODELS / f"detect/{model}.onnx", dogs / "000000397133.jpg", "--out", out)
        assert report["head"] == head, report
        names = {d["name"] for d in report["images"][0]["detections"]}
        assert "person" in names, names
        assert json.loads((out / "000000397133.json").read_text()) == report["images"][0]
        assert (out / "000000397133.jpg").read_bytes()[:2] == b"\xff\xd8"
    twins = folder / "twins"
    twins.mkdir()
    for name in ("a.jpg", "a.png"):
        os.symlink(dogs / "000000397133.jpg", twins / name)
    yolox = MODELS / "detect/yolox_nano_416.onnx"
    assert "both be written to a.json" in run("detect", yolox, twins, "--out", folder / "boxes", code=2).stderr
    (folder / "file").write_text("no folder")
    assert "cannot create the folder" in run("detect", yolox, dogs / "000000397133.jpg", "--out", folder / "file/boxes", code=5).stderr
    truth = json.loads((dogs.parent / "instances.json").read_text())
    truth["images"] = truth["images"][:3]
    kept = {image["id"] for image in truth["images"]}
    truth["annotations"] = [box for box in truth["annotations"] if box["image_id"] in kept]
    truth["images"][0]["file_name"] = "none.jpg"
    (folder / "boxes.json").write_text(json.dumps(truth))
    missing = run("quantize", "-m", yolox, "--recipe", "rtn-w8", "--eval-images", dogs.parent,
                  "--annotations", folder / "boxes.json", "-o", folder / "w8", "--json", code=3)
    assert missing.stderr.count("none.jpg") == 1 and "1 of 3 pictures cannot be read" in missing.stderr, missing.stderr
    lost = json.loads(missing.stdout)["evaluation"]
    whole = run("eval", "map", "-m", folder / "w8", "--images", dogs.parent, "--annotations", folder / "boxes.json", "--json", code=3)
    assert lost["unreadable"] == 1 and lost["ap"] == json.loads(whole.stdout)["ap"], lost


def check_quantized_onnx(folder):
    """A folder, the ONNX file exported from it, and the file that quantize writes at once answer alike."""
    pictures = folder / "pictures"
    pictures.mkdir()
    subset(pictures, "cifar10_1000", 20)
    resnet = MODELS / "classify/resnet20_cifar10.onnx"
    quantize = ("quantize", "-m", resnet, "--recipe", "int8-static", "--no-measure", "--calib", pictures)
    run(*quantize, "-o", folder / "int8")
    run("export", "-m", folder / "int8", "--format", "encodings", "-o", folder / "scales.json")
    run("quantize", "-m", resnet, "--recipe", "int8-static", "--no-measure", "--encodings", folder / "scales.json", "-o",
        folder / "again")
    run("export", "-m", folder / "again", "--format", "encodings", "-o", folder / "again.json")
    scales, again = (json.loads((folder / name).read_text()) for name in ("scales.json", "again.json"))
    assert again["activation_encodings"] == scales["activation_encodings"]  # weights were smoothed before in one alone
    scales["activation_encodings"][3]["name"] = "logit"
    (folder / "scales.json").write_text(json.dumps(scales))
    wrong = run(*quantize, "--encodings", folder / "scales.json", "-o", folder / "no", code=3).stderr
    assert "did you mean 'logits'" in wrong, wrong
    report = answer("export", "-m", folder / "int8", "--format", "onnx-qdq", "-o", folder / "exported.onnx")
    assert len(report["packed"]) == 20 and not report["kept"], report
    run(*quantize, "--format", "onnx-qdq", "-o", folder / "quantized.onnx")
    assert json.loads((folder / "quantized.onnx.report.json").read_text())["recipe"] == "int8-static"
    results = [answer("eval", "top1", "-m", folder / name, "--images", pictures)["top1"]
               for name in ("int8", "exported.onnx", "quantized.onnx")]
    assert results[0] == results[1] == results[2] >= 60, results
    kernels = run("infer", folder / "exported.onnx", "--explain", "--input", "input=missing.npy", code=3).stderr
    assert "DequantizeLinear" not in kernels and "conv_int8" in kernels, kernels
    assert "zero point" in run("export", "-m", folder / "int8", "--format", "onnx-qdq", "--target", "tensorrt", "-o",
                               folder / "rt.onnx", code=4).stderr
    assert not (folder / "rt.onnx").exists()
    run(*quantize, "--format", "onnx-qdq", "--target", "tensorrt", "-o", folder / "rt.onnx")
    run("export", "-m", resnet, "--format", "onnx", "-o", folder / "floats.onnx")
    assert ".onnx" in run("export", "-m", folder / "int8", "--format", "onnx-qdq", "-o", folder / "no", code=2).stderr
    assert "same for all targets" in run("export", "-m", resnet, "--format", "onnx", "--target", "tensorrt", "-o",
                                         folder / "no.onnx", code=2).stderr


def check_layers(folder):
    """Layers of a graph, on pictures and on tensors; tensors as calibration data."""
    pictures = folder / "pictures"
    pictures.mkdir()
    subset(pictures, "cifar10_1000", 100)
    resnet, tensors = MODELS / "classify/resnet20_cifar10.onnx", folder / "list"
    run("infer", resnet, "--input", f"input={MODELS / 'classify/golden'}", code=3)  # a folder is no tensor
    with tensors.open("w") as lines:
        for i in range(3):
            values = [((7 * k + 13 * i) % 101) / 50 - 1 for k in range(3 * 32 * 32)]
            (folder / f"{i}.raw").write_bytes(struct.pack(f"<{len(values)}f", *values))
            lines.write(f"input:={i}.raw\n")
    run("quantize", "-m", resnet, "--recipe", "int8-static", "--no-measure", "--input-list", tensors, "-o", folder / "int8")
    assert "3 runs" in json.loads((folder / "int8/report.json").read_text())["calibration"]

    def calibrated(*flags, code=0):
        done = run("quantize", "-m", resnet, "--recipe", "int8-static", "--no-measure", "-o", folder / "some", *flags, code=code)
        return json.loads((folder / "some/report.json").read_text()) if code == 0 else done.stderr

    chosen = {seed: calibrated("--calib", pictures, "--calib-samples", 5, "--seed", seed) for seed in (1, 2)}
    assert chosen[1]["calibration"].startswith("5 of the 10 pictures of"), chosen[1]["calibration"]
    assert chosen[1]["layers"] != chosen[2]["layers"]  # other pictures, other scales
    assert calibrated("--calib", pictures, "--calib-samples", 5, "--seed", 1)["layers"] == chosen[1]["layers"]
    assert any("there are only 3" in remark for remark in calibrated("--input-list", tensors, "--calib-samples", 9)["remarks"])
    (folder / "nan.raw").write_bytes(struct.pack("<3072f", *[math.nan] * 3072))
    (folder / "nan.list").write_text("input:=nan.raw\n")
    (folder / "mixed.list").write_text(tensors.read_text() + "input:=nan.raw\n")
    notes = calibrated("--input-list", folder / "mixed.list")["notes"]
    assert any(note["fallback"] and "1 of 4 samples left out" in note["text"] for note in notes), notes
    assert "1 of 1 samples left out" in calibrated("--input-list", folder / "nan.list", code=3)
    for flags in (("--images", pictures), ("--input-list", tensors)):
        report = answer("compare", resnet, folder / "int8", *flags, "--html", folder / "layers.html")
        assert len(report["layers"]) == 20 and report["outputs"][0]["layer"] == "logits", report
        levels = [math.inf if layer["sqnr_db"] is None else layer["sqnr_db"] for layer in report["layers"]]
        assert levels == sorted(levels) and (20 if flags[0] == "--input-list" else 0) < levels[0] < 45, levels
    assert "layer3.2.relu" in (folder / "layers.html").read_text()
    # Batch normalization is folded into layers as a model is compiled, which decodes weights without integer activations.
    run("quantize", "-m", resnet, "--recipe", "rtn-w4", "--observer", "percentile", "--percentile", 99, "-o", folder / "w4")
    layers = answer("compare", resnet, folder / "w4", "--input-list", tensors)["layers"]
    assert sum(layer["weights"] == "int4 per-channel" for layer in layers) == 18, layers
    rows = answer("sensitivity", "-m", resnet, "--images", pictures, "--recipe", "rtn-w4")["rows"]
    assert len(rows) == 18 and all(row["model_output"]["sqnr_db"] > 0 for row in rows), rows
    assert "not both" in run("compare", resnet, folder / "int8", "--images", pictures, "--input-list", tensors, code=2).stderr
    other = run("compare", resnet, MODELS / "classify/squeezenet1.1_227.onnx", "--images", pictures, code=3).stderr
    assert "in common" in other, other


def check_errors(folder):
    resnet = MODELS / "classify/resnet20_cifar10.onnx"
    picture = folder / "picture.jpg"
    picture.write_bytes(b"")
    assert "empty file" in run("classify", resnet, picture, code=3).stderr
    picture.write_bytes((IMAGES / "cifar10_1000/0_airplane_0000.jpg").read_bytes()[:300])
    assert "broken JPEG" in run("classify", resnet, picture, code=3).stderr
    assert "no such file" in run("classify", resnet, folder / "nothing*.jpg", code=3).stderr
    unknown = folder / "unknown.onnx"
    os.symlink(resnet, unknown)
    message = run("classify", unknown, IMAGES / "cifar10_1000/0_airplane_0000.jpg", code=2).stderr
    assert "name a preset" in message and "imagenet-vit" in message, message
    run("classify", unknown, IMAGES / "cifar10_1000/0_airplane_0000.jpg", "--preset", "cifar10")
    assert "did you mean 'cifar10'" in run("classify", unknown, picture, "--preset", "cifar1", code=2).stderr


def main():
    if not (MODELS / "vit").exists() or not IMAGES.exists():
        print("no shared models and pictures: skipped")
        return 77
    for check in (check_eval, check_detect, check_quantized_onnx, check_layers, check_errors):
        with tempfile.TemporaryDirectory() as folder:
            check(pathlib.Path(folder))
    check_classify()
    return 0


if __name__ == "__main__":
    sys.exit(main())
