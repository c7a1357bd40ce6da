#!/usr/bin/env python3
"""Writes the goldens of image decoding and resizing: src/vision/image/testdata/{files,resize}/*.

    python3 -m venv venv && venv/bin/pip install pillow==9.4.0 opencv-python-headless==5.0.0.93 numpy
    venv/bin/python tools/goldens/images.py

Pillow 13 changed the order of the two passes where one side grows and the other shrinks; we keep the older one.

files/NAME.{jpg,png,webp} and NAME.npy, the pixels that Pillow sees (orientation applied, converted to RGB);
resize/source.npy and resize/RESAMPLER_WIDTHxHEIGHT.npy.
"""

import pathlib

import cv2
import numpy
from PIL import Image, ImageOps

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "src/vision/image/testdata"


def picture(width, height):
    """Smooth colours, a sharp edge and some noise: what resamplers and codecs differ on."""
    random = numpy.random.default_rng(width * 1000 + height)
    y, x = numpy.mgrid[0:height, 0:width]
    planes = [127 + 120 * numpy.sin(x / 7 + y / 11), 255 * x / width, numpy.where(x + y > width * 0.7, 230, 15)]
    noisy = numpy.stack(planes, axis=-1) + random.normal(0, 12, (height, width, 3))
    return Image.fromarray(noisy.clip(0, 255).astype(numpy.uint8))


def save(name, image, **options):
    path = FOLDER / "files" / name
    image.save(path, **options)
    seen = ImageOps.exif_transpose(Image.open(path)).convert("RGB")
    numpy.save(path.with_suffix(".npy"), numpy.asarray(seen))


def orientation(value):
    exif = Image.Exif()
    exif[0x0112] = value
    return exif.tobytes()


def files():
    (FOLDER / "files").mkdir(parents=True, exist_ok=True)
    image = picture(37, 29)
    save("plain_420.jpg", image, quality=75)
    save("plain_444.jpg", image, quality=90, subsampling=0)
    save("progressive.jpg", image, quality=80, progressive=True)
    save("grey_jpeg.jpg", image.convert("L"), quality=85)
    save("inks.jpg", image.convert("CMYK"), quality=90)
    for value in range(1, 9):
        save(f"turned_{value}.jpg", image, quality=85, exif=orientation(value))
    save("plain_png.png", image)
    save("grey_png.png", image.convert("L"))
    save("two_tones.png", image.convert("1"))
    save("palette.png", image.convert("P", palette=Image.Palette.ADAPTIVE, colors=11))
    see_through = image.copy()
    see_through.putalpha(image.convert("L"))
    save("alpha.png", see_through)
    deep = numpy.asarray(image).astype(numpy.uint16) * 256 + 200
    cv2.imwrite(str(FOLDER / "files/deep.png"), deep[..., ::-1])
    numpy.save(FOLDER / "files/deep.npy", numpy.asarray(image))  # the upper 8 bits
    save("turned_png.png", image, exif=orientation(6))
    save("lossy.webp", image, quality=80)
    save("lossless.webp", image, lossless=True)
    save("turned_webp.webp", image, lossless=True, exif=orientation(8))


def resize():
    (FOLDER / "resize").mkdir(parents=True, exist_ok=True)
    source = picture(61, 47)
    pixels = numpy.asarray(source)
    numpy.save(FOLDER / "resize/source.npy", pixels)
    resamplers = {
        "pillow_bilinear": lambda size: numpy.asarray(source.resize(size, Image.Resampling.BILINEAR)),
        "pillow_bicubic": lambda size: numpy.asarray(source.resize(size, Image.Resampling.BICUBIC)),
        "opencv_bilinear": lambda size: cv2.resize(pixels, size, interpolation=cv2.INTER_LINEAR),
    }
    for name, resampled in resamplers.items():
        for size in [(20, 13), (61, 30), (33, 47), (97, 80), (122, 5), (1, 1), (30, 94)]:
            numpy.save(FOLDER / f"resize/{name}_{size[0]}x{size[1]}.npy", resampled(size))


if __name__ == "__main__":
    files()
    resize()
