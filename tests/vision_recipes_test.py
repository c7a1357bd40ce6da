#!/usr/bin/env python3
"""Recipes for models of pictures beside int8-static as it is: integers only, powers of two, twin scales, dynamic int8,
bf16; what is measured on labelled pictures; starts from the plan cache.

Usage: vision_recipes_test.py HALFTONE SOURCE_DIR. Skips (77) without the shared models and pictures.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile

PROGRAM, SOURCE = sys.argv[1], pathlib.Path(sys.argv[2])
SHARED = pathlib.Path(os.environ.get("HALFTONE_SHARED", SOURCE.parent / "shared"))
MODELS, IMAGES = SHARED / "models", SHARED / "images"
RESNET = MODELS / "classify/resnet20_cifar10.onnx"


def run(*words, code=0):
    done = subprocess.run([PROGRAM, *map(str, words)], capture_output=True, text=True)
    assert done.returncode == code, f"{words}: {done.returncode}, not {code}\n{done.stdout}{done.stderr}"
    return done


def answer(*words):
    return json.loads(run(*words, "--json").stdout)


def subset(folder, pictures, every):
    folder.mkdir()
    lines = (IMAGES / pictures / "labels.txt").read_text().splitlines()[::every]
    for line in lines:
        os.symlink(IMAGES / pictures / line.rsplit(" ", 1)[0], folder / line.rsplit(" ", 1)[0])
    (folder / "labels.txt").write_text("\n".join(lines) + "\n")
    return folder


def kernels(model, *flags):
    """Operator and kernel of each node, as --explain prints them."""
    text = run("infer", model, "--explain", "--input", "input=missing.npy", *flags, code=3).stderr
    return [(line.split()[0], line.split(" -> ")[1].split()[0]) for line in text.splitlines() if " -> " in line]


def check_integers_only(folder):
    pictures = subset(folder / "pictures", "cifar10_1000", 20)
    report = answer("quantize", "-m", RESNET, "--recipe", "int8-static", "--integer-only", "--calib", pictures, "-o",
                    folder / "only", "--eval-images", pictures)
    figures = report["evaluation"]
    assert figures["images"] == 50 and figures["top1_agreement"] >= 94, figures
    assert figures["top1_interval"] >= 0 and 0 <= figures["kld_mean"] < 0.1, figures
    assert json.loads((folder / "only/report.json").read_text())["evaluation"] == figures
    assert "Top-1 agreement" in (folder / "only/report.html").read_text()
    # The picture becomes codes at the start, the logits floats at the end; all between is on codes.
    found = kernels(folder / "only")
    assert all("codes" in kernel or "int8" in kernel or kernel in ("alias", "pad") for _, kernel in found), found
    same = answer("eval", "top1", "-m", folder / "only", "--images", pictures, "--reference", RESNET)
    assert same["top1"] == figures["top1"] and same["top1_agreement"] == figures["top1_agreement"], (same, figures)
    wrong = run("quantize", "-m", RESNET, "--recipe", "rtn-w8", "--integer-only", "-o", folder / "no", code=2).stderr
    assert "--integer-only" in wrong, wrong


def check_vit(folder):
    """Every operator of a ViT has integer arithmetic; the options change what they should."""
    vit = MODELS / "vit/vit_tiny_patch16_224.onnx"
    pictures = folder / "pictures"
    pictures.mkdir()
    for name in sorted(os.listdir(IMAGES / "imagenet_calib_128"))[:8]:
        os.symlink(IMAGES / "imagenet_calib_128" / name, pictures / name)
    for name, flags in (("only", ["--integer-only", "--gelu", "polynomial"]), ("options", ["--softmax", "log2", "--gelu", "twin", "--no-measure"])):
        recipe = folder / f"{name}.yaml"
        recipe.write_text("rules: [{weights: {format: int8, scale: f32}}]\nminimum_elements: 0\n"
                          "static_activations: {observer: minmax, floating_share: 0}\n")
        run("quantize", "-m", vit, "--recipe", recipe, *flags, "--calib", pictures, "-o", folder / name)
        graph = run("inspect", folder / name, "--graph").stdout
        assert ('softmax="log2"' in graph) == (name == "options"), graph[:4000]
        assert ("/positive" in graph) == (name == "options"), graph[:4000]
        assert ('approximate="polynomial"' in graph) == (name == "only"), graph[:4000]
        assert (", 32768" in graph) == (name == "only"), graph[:4000]  # the zero of codes of 16 bits
        top = answer("classify", folder / name, IMAGES / "imagenet_500/008_n01514859_hen.jpg")["images"][0]["classes"]
        assert len(top) == 5 and 8 in [c["class"] for c in top], (name, top)


def check_dynamic_and_bf16(folder):
    pictures = subset(folder / "pictures", "cifar10_1000", 20)
    for recipe, least in (("int8-dynamic", 94), ("bf16", 98)):
        report = answer("quantize", "-m", RESNET, "--recipe", recipe, "-o", folder / recipe, "--eval-images", pictures)
        assert report["evaluation"]["top1_agreement"] >= least, report["evaluation"]
        found = [kernel for operator, kernel in kernels(folder / recipe) if operator == "Conv"]
        assert all(kernel.startswith("conv_") for kernel in found), found
        exact = [kernel for operator, kernel in kernels(folder / recipe, "--exact") if operator == "Conv"]
        assert all(kernel.startswith(("conv_float", "conv_planar", "conv_winograd_float")) for kernel in exact), exact
        if recipe == "int8-dynamic":
            assert all("conv_int8_dynamic" in kernel for kernel in found), found
        else:
            assert any(kernel.startswith(("conv_bf16", "conv_rounded")) for kernel in found), found
            assert any("rounded to bf16" in note["text"] for note in report["notes"]), report["notes"]
            assert report["bytes_after"] < 0.6 * report["bytes_before"], report


def check_boxes(folder):
    """AP of a detector and its original in the receipt."""
    (folder / "images").mkdir()
    annotations = json.loads((IMAGES / "coco_val50/instances.json").read_text())
    annotations["images"] = annotations["images"][:3]
    kept = {image["id"] for image in annotations["images"]}
    annotations["annotations"] = [a for a in annotations["annotations"] if a["image_id"] in kept]
    (folder / "instances.json").write_text(json.dumps(annotations))
    for image in annotations["images"]:
        os.symlink(IMAGES / "coco_val50/images" / image["file_name"], folder / "images" / image["file_name"])
    nanodet = MODELS / "detect/nanodet_m_416.onnx"
    report = answer("quantize", "-m", nanodet, "--recipe", "bf16", "-o", folder / "bf16", "--eval-images", folder,
                    "--annotations", folder / "instances.json")
    figures = report["evaluation"]
    assert figures["reference_ap"] > 5 and abs(figures["ap"] - figures["reference_ap"]) < 3, figures
    wrong = run("quantize", "-m", nanodet, "--recipe", "bf16", "-o", folder / "no", "--annotations", folder / "instances.json",
                code=2).stderr
    assert "--eval-images" in wrong, wrong


def check_plan_cache(folder):
    """The second start of every command finds the packed weights."""
    yolox, cache = MODELS / "detect/yolox_nano_416.onnx", folder / "cache"
    picture = IMAGES / "coco_val50/images/000000397133.jpg"
    starts = [
        ("detect", yolox, picture, "--out", folder / "boxes"),
        ("bench", yolox, "-r", 1),
        ("classify", MODELS / "classify/squeezenet1.1_227.onnx", picture),
    ]
    for words in starts:
        first = run(*words, "--plan-cache", cache, "--explain").stderr
        second = run(*words, "--plan-cache", cache, "--explain").stderr
        expected = "packed now" if words[0] != "bench" else "packed weights found"  # detect kept the same plan
        assert f"plan cache: {expected}" in first, (words, first[:200])
        assert "plan cache: packed weights found" in second, (words, second[:200])
    assert answer("bench", yolox, "-r", 1, "--plan-cache", cache)["first_inference_ms"] > 0


def main():
    if not MODELS.exists() or not IMAGES.exists():
        print("skipped: no shared models and pictures")
        return 77
    for check in (check_integers_only, check_vit, check_dynamic_and_bf16, check_boxes, check_plan_cache):
        with tempfile.TemporaryDirectory() as folder:
            check(pathlib.Path(folder))
    return 0


if __name__ == "__main__":
    sys.exit(main())
