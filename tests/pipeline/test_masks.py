from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from mask_folders import discs, save, write_set, write_stack

from pipeline.masks import MaskSet

NAMES = [f"cell {letter}" for letter in "abcdefghij"]


def test_a_folder_of_images_and_masks_is_found_whatever_its_files(tmp_path: Path) -> None:
    write_set(tmp_path / "jpg", NAMES, suffix=".jpg", places=("image", "label"))
    write_set(tmp_path / "tif", NAMES, suffix=".tif", places=("Images", "labels"))
    for kind in ("jpg", "tif"):
        found = MaskSet.open(tmp_path / kind)
        assert (found.kind, found.classes) == ("semantic", ("background", "foreground"))
        split = found.split("train")
        expected = discs(seed=NAMES.index(split.name_of(0))) > 0
        assert np.array_equal(split.label(0), expected)
        picture = split.picture(0)
        assert picture.shape == (1, 24, 32)
        assert picture.dtype == np.float32
        assert picture[0][expected].mean() > 150 > picture[0][~expected].mean()


def test_masks_of_16_bits_are_objects(tmp_path: Path) -> None:
    write_set(tmp_path, NAMES, objects=True)
    split = MaskSet.open(tmp_path).split("train")
    assert split.kind == "instances"
    objects = discs(seed=NAMES.index(split.name_of(1)))
    assert np.array_equal(split.label(1), objects)
    assert np.array_equal(split.semantic(1), objects > 0)
    assert split.second(1) is None
    assert split.field(1).all()


def test_65535_objects_deep_masks_are_unknown_there(tmp_path: Path) -> None:
    write_set(tmp_path, NAMES, objects=True)
    mask = discs()
    mask[:3] = 65535
    for name in NAMES:
        save(mask, tmp_path / "masks" / f"{name}.png")
    split = MaskSet.open(tmp_path).split("test")
    assert (split.label(0)[:3] == -1).all()
    assert (split.semantic(0)[:3] == -1).all()
    assert (split.label(0)[3:] >= 0).all()


def test_255_among_class_numbers_is_unknown_and_classes_have_names(tmp_path: Path) -> None:
    write_set(tmp_path, NAMES)
    mask = np.zeros((24, 32), np.uint8)
    mask[:8], mask[8:16], mask[20:] = 1, 2, 255
    for name in NAMES:
        save(mask, tmp_path / "masks" / f"{name}.png")
    found = MaskSet.open(tmp_path)
    assert found.classes == ("background", "class 1", "class 2")
    assert np.array_equal(np.unique(found.split("train").label(0)), [-1, 0, 1, 2])
    (tmp_path / "classes.txt").write_text("sky\nroad\ncar\nman\n")
    assert MaskSet.open(tmp_path).classes == ("sky", "road", "car", "man")


def test_samples_of_16_bits_keep_their_precision(tmp_path: Path) -> None:
    write_set(tmp_path, NAMES)
    deep = np.linspace(0, 65535, 24 * 32).reshape(24, 32).astype(np.uint16)
    for name in NAMES:
        save(deep, tmp_path / "images" / f"{name}.png")
    picture = MaskSet.open(tmp_path).split("train").picture(0)
    assert picture.max() == 255
    assert np.allclose(picture[0], deep / 257, atol=1e-4)
    assert np.unique(picture).size == deep.size


def test_pages_of_a_stack_are_slices(tmp_path: Path) -> None:
    masks = [discs(seed=k) for k in range(12)]
    write_stack(tmp_path / "images" / "volume.tif", [np.full((24, 32), k, np.uint8)
                                                     for k in range(12)])  # fmt: skip
    write_stack(tmp_path / "labels" / "volume.tif", [np.where(m > 0, 255, 0).astype(np.uint8)
                                                     for m in masks])  # fmt: skip
    found = MaskSet.open(tmp_path)
    assert found.split_by == "block"
    split = found.split("test")
    assert [split.name_of(i) for i in range(len(split))] == ["volume 10", "volume 11"]
    assert (split.picture(1) == 11).all()
    assert np.array_equal(split.label(1), masks[11] > 0)


def test_jpeg_masks_and_masks_saved_in_colour_are_read(tmp_path: Path) -> None:
    write_set(tmp_path, NAMES)
    for seed, name in enumerate(NAMES):
        mask = np.where(discs(seed=seed) > 0, 255, 0).astype(np.uint8)
        (tmp_path / "masks" / f"{name}.png").unlink()
        if seed % 2:
            save(mask, tmp_path / "masks" / f"{name}_mask.jpg", quality=80)
        else:
            save(np.stack([mask] * 3, 2), tmp_path / "masks" / f"{name}_mask.png")
    split = MaskSet.open(tmp_path).split("train")
    for i in range(len(split)):
        assert np.array_equal(split.label(i), discs(seed=NAMES.index(split.name_of(i))) > 0)


def _no_mask(folder: Path) -> None:
    (folder / "masks" / "cell c.png").unlink()


def _another_size(folder: Path) -> None:
    save(np.zeros((20, 32), np.uint8), folder / "masks" / "cell c.png")


def _unknown_values(folder: Path) -> None:
    save(np.full((24, 32), 128, np.uint8), folder / "masks" / "cell c.png")


def _colours(folder: Path) -> None:
    colours = np.zeros((24, 32, 3), np.uint8)
    colours[..., 1] = 255
    save(colours, folder / "masks" / "cell c.png")


def _broken_picture(folder: Path) -> None:
    (folder / "images" / "cell c.png").write_bytes(b"no picture")


def _no_images(folder: Path) -> None:
    for path in (folder / "images").iterdir():
        path.unlink()


def _no_image_folder(folder: Path) -> None:
    (folder / "images").rename(folder / "things")


def _no_mask_folder(folder: Path) -> None:
    (folder / "masks").rename(folder / "things")


@pytest.mark.parametrize(
    ("harm", "sentence"),
    [
        (_no_mask, r"masks: .*found no mask for image cell c\.png; give the mask the image's name"),
        (_another_size, r"cell c\.png: expected a mask of 24 × 32 as .* has, found 20 × 32"),
        (
            _unknown_values,
            r"cell c\.png: expected mask values 0 and 255.*found \[0, 128, 255\]; "
            "save it without smoothing, or threshold it",
        ),
        (_colours, r"cell c\.png: expected a mask of one number a pixel, found colours"),
        (_broken_picture, r"cell c\.png: expected a whole image .*found no image; replace"),
        (_no_images, r"images: expected images \(.*found no images$"),
        (_no_image_folder, r"expected folders images and labels .*found no images folder; put"),
        (_no_mask_folder, r"expected masks beside images in one of .*found none$"),
    ],
)
def test_each_mistake_of_a_folder_is_told_in_one_sentence(
    tmp_path: Path, harm: object, sentence: str
) -> None:
    write_set(tmp_path, NAMES)
    assert callable(harm)
    harm(tmp_path)
    with pytest.raises(ValueError, match=sentence):
        MaskSet.open(tmp_path).split("train").label(0)


def test_a_set_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"nowhere: expected a folder .* found neither"):
        MaskSet.open("nowhere")
    with pytest.raises(ValueError, match=r"chase_db1: expected its files in one of .*obtain it"):
        MaskSet.open("chase_db1", tmp_path)
    write_set(tmp_path, NAMES[:2])
    with pytest.raises(ValueError, match=r"expected at least 3 pictures .*found 2; add some"):
        MaskSet.open(tmp_path).split("train")
    with pytest.raises(ValueError, match=r"expected a part of .*found 'exam'"):
        MaskSet.open(tmp_path).split("exam")
