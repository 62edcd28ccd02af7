from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from mask_folders import discs, one_picture, write_set

from pipeline.deformation import Deformation
from pipeline.masks import MaskSet, MaskSplit
from pipeline.masks.intensity import normalised
from pipeline.masks.loader import MaskLoader, mirrored
from pipeline.masks.pixel_weights import PixelWeights


@pytest.fixture
def split(tmp_path: Path) -> MaskSplit:
    write_set(tmp_path, [f"cell {k}x" for k in range(8)], objects=True, size=(50, 60))
    return MaskSet.open(tmp_path).split("train")


def loader_of(split: MaskSplit, seed: int = 0, threads: int = 0) -> MaskLoader:
    return MaskLoader(
        split, 3, 32, seed=seed, deformation=Deformation(), pixel_weights=PixelWeights(),
        threads=threads,
    )  # fmt: skip


def test_batch_n_depends_on_seed_and_n_alone(split: MaskSplit) -> None:
    whole = list(loader_of(split, threads=2).stream(0, 5))
    (again,) = loader_of(split).stream(3, 4)
    (other,) = loader_of(split, seed=1).stream(3, 4)
    assert all(torch.equal(a, b) for a, b in zip(whole[3], again, strict=True) if a is not None)
    assert not torch.equal(again.frames, other.frames)
    assert not torch.equal(whole[0].frames, whole[1].frames)


def test_batches_are_the_same_whether_pictures_are_kept_or_made_anew(split: MaskSplit) -> None:
    batches = [
        MaskLoader(split, 2, 32, kept_bytes=kept, threads=0).batch(n)
        for kept in (0, 10**9)
        for n in (0, 1)
    ]
    assert torch.equal(batches[0].frames, batches[2].frames)
    assert torch.equal(batches[1].frames, batches[3].frames)


def test_a_batch_is_pictures_labels_and_weights(split: MaskSplit) -> None:
    batch = loader_of(split).batch(0)
    assert batch.label is not None
    assert batch.weight is not None
    assert batch.frames.shape == (3, 1, 32, 32)
    assert batch.label.shape == batch.weight.shape == (3, 32, 32)
    assert batch.frames.dtype == batch.weight.dtype == torch.float32
    assert batch.label.dtype == torch.int64
    bright = batch.frames[:, 0] > 115
    assert (bright == (batch.label > 0)).float().mean() > 0.97
    assert MaskLoader(split, 2, 32).batch(0).weight is None


def test_every_picture_comes_once_before_any_comes_again(split: MaskSplit) -> None:
    loader = loader_of(split)
    count = len(loader)
    drawn = np.concatenate([loader.draw(n) for n in range(count)])
    for turn in range(3):
        assert np.array_equal(np.sort(drawn[turn * count : (turn + 1) * count]), np.arange(count))


def test_an_epoch_has_as_many_pixels_as_the_pictures(split: MaskSplit) -> None:
    loader = MaskLoader(split, 2, 16, threads=0)
    crops = loader.steps_per_epoch * 2
    assert 0 <= crops * 16**2 - len(split) * 50 * 60 < 2 * 16**2
    assert MaskLoader(split, 2, 4096, threads=0).steps_per_epoch == -(-len(split) // 2)


def test_the_sweep_gives_whole_pictures_mirrored_to_the_multiple(split: MaskSplit) -> None:
    batches = list(loader_of(split).sweep())
    assert len(batches) == len(split)
    frames, label, weight = batches[1]
    assert label is not None
    assert weight is not None
    assert frames.shape == (1, 1, 64, 64)
    assert np.array_equal(frames[0, :, :50, :60].numpy(), split.picture(1))
    assert np.array_equal(frames[0, 0, 50:, :60].numpy(), split.picture(1)[0, 48:34:-1])
    assert (label[0, 50:] == -1).all()
    assert (label[0, :, 60:] == -1).all()
    assert (label[0, :50, :60] >= 0).all()
    assert not weight[label == -1].any()


def test_a_network_without_padding_sees_beyond_the_crop_that_counts(split: MaskSplit) -> None:
    loader = MaskLoader(split, 2, 44, margin=12, multiple=4, threads=0)
    (frames, label, _), *_ = loader.sweep()
    assert label is not None
    inner = label[0, 12 : 12 + 50, 12 : 12 + 60]
    assert (inner >= 0).all()
    assert int((label >= 0).sum()) == inner.numel()
    assert np.array_equal(frames[0, :, 12:62, 12:72].numpy(), split.picture(0))
    assert all((side - 44) % 4 == 0 for side in frames.shape[2:])


def test_what_counts_of_a_crop_lies_in_the_picture_and_reaches_its_edges(tmp_path: Path) -> None:
    ramp = np.broadcast_to(np.arange(60, dtype=np.uint8), (50, 60)).copy()
    split = one_picture(tmp_path, ramp, discs(50, 60))
    loader = MaskLoader(split, 4, 44, margin=12, multiple=4, threads=0)
    frames = torch.cat([loader.batch(n).frames for n in range(60)])[:, 0]
    assert (frames[:, 0, 12:32].diff() == 1).all()
    assert frames[:, 0, 12].min() == 0
    assert frames[:, 0, 31].max() == 59
    assert (frames.diff() == -1).any()


def test_pictures_smaller_than_the_crop_are_mirrored(tmp_path: Path) -> None:
    objects = discs(9, 9, 1)
    small = one_picture(tmp_path, np.full((9, 9), 7, np.uint8), objects)
    loader = MaskLoader(small, 1, 32, deformation=Deformation(), threads=0)
    assert torch.allclose(loader.batch(0).frames, torch.tensor(7.0))
    assert loader.batch(0).frames.shape == (1, 1, 32, 32)
    for start, count in ((-30, 70), (3, 2), (-5, 5)):
        expected = np.pad(np.arange(9), 40, mode="reflect")[start + 40 : start + 40 + count]
        assert np.array_equal(mirrored(start, count, 9).numpy(), expected)
    assert not mirrored(-3, 7, 1).any()


def test_targets_part_touching_objects_or_outline_them(tmp_path: Path) -> None:
    objects = np.zeros((32, 32), np.uint16)
    objects[4:20, 4:16], objects[4:20, 16:28] = 1, 2
    split = one_picture(tmp_path, np.zeros((32, 32), np.uint8), objects)
    labels = {}
    for target in ("classes", "separated", "border"):
        loader = MaskLoader(split, 1, 32, target=target, threads=0)  # type: ignore[arg-type]
        label = loader.whole(0).label
        assert label is not None
        labels[target] = label[0]
    assert (labels["classes"][4:20, 4:28] == 1).all()
    assert (labels["separated"][4:20, 16] == 0).all()
    assert (labels["separated"][4:20, 15] == 1).all()
    assert labels["border"][10, 10] == 1
    assert (labels["border"][4:20, 15:17] == 2).all()
    loader = MaskLoader(split, 1, 32, target="border", threads=0)
    assert loader.classes == ("background", "inside", "border")


def test_validation_takes_the_class_weights_of_training(split: MaskSplit, tmp_path: Path) -> None:
    train = loader_of(split)
    other = one_picture(tmp_path / "one", np.zeros((32, 32), np.uint8), discs(32, 32, 1))
    validation = MaskLoader(
        other, 1, 32, pixel_weights=PixelWeights(), by_class=train.samples.by_class, threads=0
    )
    weight = validation.whole(0).weight
    assert weight is not None
    assert np.allclose(np.unique(weight), np.sort(train.samples.by_class))


def test_nuclei_are_bright_whatever_the_stain() -> None:
    objects = discs(40, 40, 3) > 0
    dark = np.where(objects, 60, 10).astype(np.float32)[None]
    stained = np.stack([np.where(objects, 90, 220), np.where(objects, 70, 190),
                        np.where(objects, 160, 210)]).astype(np.float32)  # fmt: skip
    for picture in (dark, stained):
        found = normalised(picture, "nuclei", 1)
        assert found.shape == (1, 40, 40)
        assert (found[0][objects] == 255).all()
        assert (found[0][~objects] == 0).all()
    assert np.array_equal(normalised(dark, "none", 1), dark)
    assert normalised(stained, "percentiles", 3).max() == 255
    with pytest.raises(ValueError, match="no normalisation 'best'"):
        normalised(dark, "best", 1)  # type: ignore[arg-type]


def test_nonsense_is_refused(split: MaskSplit) -> None:
    with pytest.raises(ValueError, match="a crop beyond both margins, found 1, 16, 20 and 40"):
        MaskLoader(split, 1, 40, margin=20)
    with pytest.raises(ValueError, match=r"expected a target of .*found 'outline'"):
        MaskLoader(split, 1, 40, target="outline")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="train: expected pictures, found none"):
        MaskLoader(MaskSplit("train", "", (), 1, split.values), 1, 40)
