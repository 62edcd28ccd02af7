"""Image sets of a few pictures, made on the spot."""

from __future__ import annotations

import gzip
import io
import pickle
import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.image_split import ImageSplit
from pipeline.pictures import ArrayPictures

CLASSES = ("ant", "bee", "cow")


def pixels(*shape: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def idx_bytes(array: NDArray[np.uint8]) -> bytes:
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
    return header + array.tobytes()


def write_idx_set(folder: Path, count: int = 60, zipped: bool = True) -> NDArray[np.uint8]:
    """Image i of train is all i; labels go round the three classes."""
    folder.mkdir(parents=True, exist_ok=True)
    images = np.arange(count, dtype=np.uint8)[:, None, None].repeat(6, 1).repeat(6, 2)
    for part, content in (("train", images), ("t10k", images[: count // 2])):
        labels = (np.arange(len(content)) % 3).astype(np.uint8)
        for kind, array in (("images-idx3", content), ("labels-idx1", labels)):
            path = folder / f"{part}-{kind}-ubyte{'.gz' if zipped else ''}"
            path.write_bytes(gzip.compress(idx_bytes(array)) if zipped else idx_bytes(array))
    return images


def split_of(count: int, size: int = 6, channels: int = 1, classes: int = 3) -> ImageSplit:
    """Image i is all i, of class i % classes."""
    values = (np.arange(count) % 256).astype(np.uint8)
    images = np.broadcast_to(values[:, None, None, None], (count, channels, size, size)).copy()
    pictures = ArrayPictures("sample", images, np.arange(count) % classes)
    names = tuple(f"class {k}" for k in range(classes))
    return ImageSplit("train", names, "made up", pictures, np.arange(count))


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def write_class_folders(
    folder: Path, parts: tuple[str, ...] = ("train", "val"), each: int = 4
) -> None:
    """Files of many sizes: a picture of class k is all 60 k + 20."""
    for part in parts:
        for k, name in enumerate(CLASSES):
            (folder / part / name).mkdir(parents=True)
            for i in range(each):
                size = (10 + 3 * i, 14 - i % 8)
                image = Image.new("RGB", size, (60 * k + 20,) * 3)
                (folder / part / name / f"{i}.png").write_bytes(encoded(image))


def cifar_pickle(
    count: int, classes: int, labels: bytes = b"labels", protocol: int = 2, seed: int = 0
) -> bytes:
    held = {
        b"data": pixels(count, 3072, seed=seed),
        labels: [i % classes for i in range(count)],
        b"filenames": [b"x.png"] * count,
    }
    return pickle.dumps(held, protocol)


def write_cifar(folder: Path, count: int = 20, protocol: int = 2) -> None:
    """CIFAR-10 of three classes."""
    folder.mkdir(parents=True)
    names = [*(f"data_batch_{k}" for k in range(1, 6)), "test_batch"]
    for k, name in enumerate(names):
        (folder / name).write_bytes(cifar_pickle(count, 3, protocol=protocol, seed=k))
    meta = {b"label_names": [name.encode() for name in CLASSES]}
    (folder / "batches.meta").write_bytes(pickle.dumps(meta, protocol))
