#!/usr/bin/env python3
"""Writes src/eval/testdata/average_precision.json: made boxes and what COCOeval says of them.

    python3 -m venv venv && venv/bin/pip install pycocotools==2.0.11 numpy
    venv/bin/python tools/goldens/average_precision.py
"""

import contextlib
import io
import json
import pathlib

import numpy
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

TARGET = pathlib.Path(__file__).resolve().parents[2] / "src/eval/testdata/average_precision.json"


def coco(dataset):
    made = COCO()
    made.dataset = dataset
    made.createIndex()
    return made


def case(seed, images, categories):
    """Crowds, boxes that nobody finds, found boxes that are nothing, scores that are equal, more than 100 boxes."""
    random = numpy.random.default_rng(seed)
    truth, found = [], []
    for image in range(images):
        for category in range(categories):
            for _ in range(random.integers(0, 5)):
                left, top = random.uniform(0, 400, 2)
                width, height = random.lognormal(3.6, 0.9, 2)
                box = [round(float(v), 2) for v in (left, top, width, height)]
                truth.append({"image_id": image * 7, "category_id": category + 1, "bbox": box,
                              "area": box[2] * box[3] * 0.8, "iscrowd": int(random.random() < 0.1)})
                for _ in range(random.integers(0, 4)):
                    moved = [v + random.normal(0, 0.15) * s for v, s in zip(box, [width, height, width, height])]
                    found.append((image * 7, category + 1, moved, round(float(random.random()), 1)))
            for _ in range(random.integers(0, 3) + 120 * (image == 0 and category == 0)):
                box = [*random.uniform(0, 400, 2), *random.lognormal(3.6, 0.9, 2)]
                found.append((image * 7, category + 1, box, float(random.random())))
    for i, box in enumerate(truth):
        box["id"] = i + 1
    results = [{"image_id": i, "category_id": c, "bbox": [round(float(v), 3) for v in b], "score": s}
               for i, c, b, s in found if min(b[2:]) > 0]
    return truth, results


def evaluate(truth, results, images, categories):
    dataset = {"info": {}, "images": [{"id": i * 7} for i in range(images)],
               "categories": [{"id": c + 1, "name": str(c)} for c in range(categories)], "annotations": truth}
    with contextlib.redirect_stdout(io.StringIO()):
        reference = coco(dataset)
        judged = COCOeval(reference, reference.loadRes([dict(r) for r in results]), "bbox")
        judged.evaluate()
        judged.accumulate()
        judged.summarize()
    return [float(v) for v in judged.stats[:6]]


def main():
    cases = []
    for seed, images, categories in [(1, 6, 3), (2, 20, 5), (3, 1, 1)]:
        truth, results = case(seed, images, categories)
        expected = evaluate([dict(t) for t in truth], results, images, categories)
        cases.append({
            "truth": [[t["image_id"], t["category_id"], *t["bbox"], t["area"], t["iscrowd"]] for t in truth],
            "found": [[r["image_id"], r["category_id"], *r["bbox"], r["score"]] for r in results],
            "expected": expected,
        })
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_text(json.dumps(cases, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
