from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from image_samples import CLASSES, encoded, write_class_folders
from PIL import Image

from pipeline.images import Frame, ImageLoader, ImageSet


def zip_parts(folder: Path, into: Path, parts: tuple[str, ...]) -> None:
    into.mkdir()
    for part in parts:
        with zipfile.ZipFile(into / f"{part}.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            for path in sorted((folder / part).rglob("*.png")):
                archive.write(path, path.relative_to(folder))
            archive.writestr(f"__MACOSX/{part}/ant/._0.png", b"no image")


@pytest.mark.parametrize("zipped", [False, True])
def test_folders_of_classes_are_an_image_set(zipped: bool, tmp_path: Path) -> None:
    folder = tmp_path / "files"
    write_class_folders(folder, ("train", "validation", "test"))
    if zipped:
        zip_parts(folder, tmp_path / "zips", ("train", "validation", "test"))
        folder = tmp_path / "zips"
    images = ImageSet.open(folder)
    assert (images.classes, images.channels, images.size) == (CLASSES, 3, None)
    for part in ("train", "validation", "test"):
        split = images.split(part)
        assert split.labels.tolist() == [0] * 4 + [1] * 4 + [2] * 4
        assert split.image(2).shape == (3, 12, 16)
        frames = split.read(range(12), Frame(8))
        np.testing.assert_array_equal(frames[:, 0, 4, 4], 60 * split.labels + 20)
        assert f"images that the set brings for {part}" in split.origin or part == "train"


@pytest.mark.parametrize("names", [("train", "val"), ("training_set", "test_set"), ("Train",)])
def test_parts_that_are_lacking_are_drawn_from_train(
    names: tuple[str, ...], tmp_path: Path
) -> None:
    write_class_folders(tmp_path, names, each=20)
    images = ImageSet.open(tmp_path)
    parts = {part: images.split(part) for part in ("train", "validation", "test")}
    drawn = 3 - len(names)
    assert parts["train"].counts.tolist() == [20 - 2 * drawn] * 3
    assert sorted(len(part) for part in parts.values()) == sorted(
        [60 - 6 * drawn, *[6] * drawn, *[60] * (2 - drawn)]
    )
    named = [{part.name_of(i) for i in range(len(part))} for part in parts.values()]
    assert len(set.union(*named)) == sum(map(len, named)) == 60 * len(names)


def test_classes_alone_are_for_training(tmp_path: Path) -> None:
    write_class_folders(tmp_path / "deep", (".",), each=10)
    images = ImageSet.open(tmp_path / "deep")
    assert [images.split(p).counts.tolist() for p in ("train", "validation", "test")] == [
        [8] * 3, [1] * 3, [1] * 3,
    ]  # fmt: skip


def test_other_files_are_passed_over(tmp_path: Path) -> None:
    write_class_folders(tmp_path)
    for name in ("README.md", "train/Thumbs.db", "train/ant/notes.txt", "train/ant/.hidden.png"):
        (tmp_path / name).write_bytes(b"text")
    (tmp_path / "cover.png").write_bytes(encoded(Image.new("L", (4, 4))))
    (tmp_path / "train/.cache").mkdir()
    assert len(ImageSet.open(tmp_path).split("validation")) == 12


def test_an_empty_class_is_refused(tmp_path: Path) -> None:
    write_class_folders(tmp_path)
    (tmp_path / "train" / "dog").mkdir()
    with pytest.raises(ValueError, match=r"train/dog: expected images \(.bmp.* found none; remove"):
        ImageSet.open(tmp_path)


def test_a_class_that_train_does_not_know_is_refused(tmp_path: Path) -> None:
    write_class_folders(tmp_path)
    (tmp_path / "val" / "bee").rename(tmp_path / "val" / "bees")
    with pytest.raises(ValueError, match=r"class of \['ant', 'bee', 'cow'\] in validation, found"):
        ImageSet.open(tmp_path)


def test_a_folder_without_train_is_refused(tmp_path: Path) -> None:
    write_class_folders(tmp_path, ("val", "test"))
    with pytest.raises(
        ValueError, match=r"expected a folder of images .* in train, found \[\]|for"
    ):
        ImageSet.open(tmp_path)


def test_the_classes_are_those_of_the_catalog_in_its_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog = tmp_path / "mine.toml"
    catalog.write_text("""
[image_sets.animals]
title = "Animals"
task = "classify"
licence = "CC0-1.0"
format = "class_folders"
classes = ["cow", "ant", "bee"]
obtain = "the meadow"
""")
    monkeypatch.setenv("NOWCAST_CATALOG", str(catalog))
    write_class_folders(tmp_path / "animals", ("train", "val"))
    images = ImageSet.open("animals", tmp_path)
    assert images.classes == ("cow", "ant", "bee")
    frames = images.split("validation").read(range(12), Frame(8))
    assert frames[:, 0, 4, 4].tolist() == [140] * 4 + [20] * 4 + [80] * 4
    shutil.rmtree(tmp_path / "animals" / "train" / "bee")
    with pytest.raises(ValueError, match=r"class of \['ant', 'bee', 'cow'\] in train, found \['an"):
        ImageSet.open("animals", tmp_path)


def test_a_broken_zip_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "train.zip").write_bytes(b"PK nonsense")
    with pytest.raises(
        ValueError, match=r"train.zip: expected a zip file of images, found .*obtain"
    ):
        ImageSet.open(tmp_path)


def test_a_spoilt_member_of_a_zip_is_named(tmp_path: Path) -> None:
    write_class_folders(tmp_path / "files", ("train",))
    zip_parts(tmp_path / "files", tmp_path / "zips", ("train",))
    path = tmp_path / "zips" / "train.zip"
    content = bytearray(path.read_bytes())
    start = content.index(b"train/bee/1.png") + len("train/bee/1.png")
    content[start + 10 : start + 30] = bytes(20)
    path.write_bytes(bytes(content))
    split = ImageSet.open(tmp_path / "zips").split("train")
    names = [split.name_of(i) for i in range(len(split))]
    with pytest.raises(
        ValueError, match=r"train.zip/train/bee/1.png: expected a whole image, foun"
    ):
        split.read(range(len(split)), Frame(8))
    assert f"{path}/train/bee/1.png" in names
    assert len(ImageLoader(split, 4, size=8, broken="skip")) == len(split) - 1


def test_threads_read_one_zip_together(tmp_path: Path) -> None:
    write_class_folders(tmp_path / "files", ("train", "val", "test"), each=30)
    zip_parts(tmp_path / "files", tmp_path / "zips", ("train", "val", "test"))
    split = ImageSet.open(tmp_path / "zips").split("train")
    for batch in ImageLoader(split, 5, size=8, threads=4, kept_bytes=0).stream(0, 36):
        assert batch.label is not None
        assert batch.frames[:, 0, 4, 4].tolist() == (60 * batch.label + 20).tolist()


@pytest.mark.real
def test_the_real_photographs_are_read(data_dir: Path) -> None:
    cats = ImageSet.open("cats_vs_dogs", data_dir)
    assert (cats.classes, cats.channels, cats.size) == (("cats", "dogs"), 3, None)
    assert cats.split("validation").counts.tolist() == [30, 30]
    assert (cats.split("train").counts + cats.split("test").counts).tolist() == [100, 100]
    loader = ImageLoader(cats.split("validation"), 32, size=64)
    frames = [batch.frames for batch in loader.sweep()]
    assert [f.shape for f in frames] == [(32, 3, 64, 64), (28, 3, 64, 64)]
    assert all(20 < f.std() < 120 and f.min() >= 0 and f.max() <= 255 for f in frames)


@pytest.mark.real
def test_the_real_zipped_folders_are_read(data_dir: Path) -> None:
    images = ImageSet.open("cifar10_jpg", data_dir)
    assert (images.channels, images.size) == (3, (32, 32))
    assert images.split("train").counts.tolist() == [360] * 10
    assert images.split("validation").counts.tolist() == [40] * 10
    assert images.split("test").counts.tolist() == [100] * 10
    mean, _ = ImageLoader(images.split("test"), 100).statistics()
    assert np.array(mean) / 255 == pytest.approx([0.4914, 0.4822, 0.4465], abs=0.02)
