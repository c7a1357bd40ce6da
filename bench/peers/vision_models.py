"""The shared vision models: how pictures become inputs, and outputs answers (as models/README.md there says)."""
import glob
import json
import os

import numpy as np
from PIL import Image

IMAGENET_MEAN = np.array([0.485, 0.456, 0.406], np.float32)
IMAGENET_STD = np.array([0.229, 0.224, 0.225], np.float32)


def batch(hwc):
    return np.ascontiguousarray(hwc.transpose(2, 0, 1)[None], dtype=np.float32)


def plain_bilinear(image, width, height):
    """Half-pixel centres, clamped, no antialias: OpenCV's INTER_LINEAR, rounded to grey levels."""
    pixels = np.asarray(image, np.float32)

    def axis(new, old):
        at = np.clip((np.arange(new) + 0.5) * old / new - 0.5, 0, old - 1)
        low = np.floor(at).astype(int)
        return low, np.minimum(low + 1, old - 1), (at - low).astype(np.float32)

    y0, y1, fy = axis(height, pixels.shape[0])
    x0, x1, fx = axis(width, pixels.shape[1])
    rows = pixels[y0] * (1 - fy)[:, None, None] + pixels[y1] * fy[:, None, None]
    return np.rint(rows[:, x0] * (1 - fx)[None, :, None] + rows[:, x1] * fx[None, :, None])


def vit(image):
    small = np.asarray(image.resize((224, 224), Image.BICUBIC), np.float32)
    return batch((small / 255 - 0.5) / 0.5), None


def squeezenet(image):
    width, height = image.size
    if width < height:
        image = image.resize((256, int(256 * height / width)), Image.BILINEAR)
    else:
        image = image.resize((int(256 * width / height), 256), Image.BILINEAR)
    left, top = (image.size[0] - 227) // 2, (image.size[1] - 227) // 2
    crop = np.asarray(image.crop((left, top, left + 227, top + 227)), np.float32)
    return batch(crop[:, :, ::-1] - np.array([104, 117, 123], np.float32)), None


def resnet20(image):
    return batch((np.asarray(image, np.float32) / 255 - IMAGENET_MEAN) / IMAGENET_STD), None


def yolox(image):
    ratio = min(416 / image.size[1], 416 / image.size[0])
    height, width = int(image.size[1] * ratio), int(image.size[0] * ratio)
    canvas = np.full((416, 416, 3), 114, np.float32)
    canvas[:height, :width] = plain_bilinear(image, width, height)
    return batch((canvas / 255 - IMAGENET_MEAN) / IMAGENET_STD), (ratio, 0, 0)


def nanodet(image):
    ratio = min(416 / image.size[1], 416 / image.size[0])
    height, width = int(image.size[1] * ratio + 0.5), int(image.size[0] * ratio + 0.5)
    top, left = (416 - height) // 2, (416 - width) // 2
    canvas = np.zeros((416, 416, 3), np.float32)
    canvas[top:top + height, left:left + width] = plain_bilinear(image, width, height)
    mean, std = np.array([103.53, 116.28, 123.675], np.float32), np.array([57.375, 57.12, 58.395], np.float32)
    return batch((canvas[:, :, ::-1] - mean) / std), (ratio, left, top)


def grid(size, stride):
    y, x = np.mgrid[:size, :size]
    return np.stack([x.ravel(), y.ravel()], 1).astype(np.float32), np.full(size * size, stride, np.float32)


def yolox_boxes(outputs, place):
    out = outputs[0][0]
    cells, strides = zip(*(grid(416 // s, s) for s in (8, 16, 32)))
    cells, strides = np.concatenate(cells), np.concatenate(strides)[:, None]
    centre, size = (out[:, :2] + cells) * strides, np.exp(out[:, 2:4]) * strides
    boxes = np.concatenate([centre - size / 2, centre + size / 2], 1) / place[0]
    return boxes, out[:, 4:5] * out[:, 5:], 0.01, 0.65


def nanodet_boxes(outputs, place):
    ratio, left, top = place
    boxes, scores = [], []
    for level, stride in enumerate((8, 16, 32)):
        score, bins = outputs[2 * level][0], outputs[2 * level + 1][0].reshape(-1, 4, 8)
        weights = np.exp(bins - bins.max(-1, keepdims=True))
        sides = (weights / weights.sum(-1, keepdims=True) * np.arange(8)).sum(-1) * stride
        cells, _ = grid(416 // stride, stride)
        centre = cells * stride + 0.5 * (stride - 1)
        corner = np.concatenate([centre - sides[:, :2], centre + sides[:, 2:]], 1)
        boxes.append((corner - np.array([left, top, left, top])) / ratio)
        scores.append(score)
    return np.concatenate(boxes), np.concatenate(scores), 0.05, 0.6


class Model:
    def __init__(self, file, prepare, calibration, evaluation, boxes=None, outputs=None):
        self.file, self.prepare, self.calibration, self.evaluation = file, prepare, calibration, evaluation
        self.boxes, self.outputs = boxes, outputs


MODELS = {
    "squeezenet": Model("classify/squeezenet1.1_227.onnx", squeezenet, "imagenet_calib_128", "imagenet_500"),
    "resnet20": Model("classify/resnet20_cifar10.onnx", resnet20, "cifar10_calib_250", "cifar10_1000"),
    "yolox": Model("detect/yolox_nano_416.onnx", yolox, "coco_train50", "coco_val50", yolox_boxes),
    "nanodet": Model("detect/nanodet_m_416.onnx", nanodet, "coco_train50", "coco_val50", nanodet_boxes,
                     ["792", "795", "814", "817", "836", "839"]),
    "vit": Model("vit/vit_tiny_patch16_224.onnx", vit, "imagenet_calib_128", "imagenet_500"),
}


def shared():
    return os.environ.get("HALFTONE_SHARED", os.path.join(os.path.dirname(__file__), "../../../shared"))


def pictures(folder):
    return sorted(glob.glob(os.path.join(shared(), "images", folder, "**", "*.jpg"), recursive=True))


def load(path):
    return Image.open(path).convert("RGB")


def labels(folder):
    found = {}
    with open(os.path.join(shared(), "images", folder, "labels.txt")) as file:
        for line in file:
            name, label = line.split()[:2]
            found[name] = int(label)
    return found


def non_maximum(boxes, scores, limit):
    order, kept = scores.argsort()[::-1], []
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    while order.size:
        i, rest = order[0], order[1:]
        kept.append(i)
        low, high = np.maximum(boxes[i, :2], boxes[rest, :2]), np.minimum(boxes[i, 2:], boxes[rest, 2:])
        shared_area = np.prod(np.clip(high - low, 0, None), 1)
        order = rest[shared_area / (area[i] + area[rest] - shared_area) <= limit]
    return kept


def average_precision(model, answers):
    """AP in percent of {picture: outputs} by pycocotools."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    truth = COCO(os.path.join(shared(), "images", model.evaluation, "instances.json"))
    categories, found = sorted(truth.getCatIds()), []
    names = {os.path.basename(entry["file_name"]): key for key, entry in truth.imgs.items()}
    for path, (outputs, place) in answers.items():
        boxes, scores, threshold, overlap = model.boxes(outputs, place)
        here = []
        for c in range(scores.shape[1]):
            chosen = np.flatnonzero(scores[:, c] > threshold)
            for i in chosen[non_maximum(boxes[chosen], scores[chosen, c], overlap)] if chosen.size else []:
                here.append((float(scores[i, c]), boxes[i], c))
        for score, (x0, y0, x1, y1), c in sorted(here, key=lambda one: -one[0])[:100]:
            found.append({"image_id": names[os.path.basename(path)], "category_id": COCO_IDS[c], "score": score,
                          "bbox": [float(x0), float(y0), float(x1 - x0), float(y1 - y0)]})
    run = COCOeval(truth, truth.loadRes(found), "bbox")
    run.params.imgIds = sorted(names.values())
    run.evaluate()
    run.accumulate()
    run.summarize()
    return 100 * run.stats[0]


COCO_IDS = [i for i in range(1, 91) if i not in (12, 26, 29, 30, 45, 66, 68, 69, 71, 83)]
