from __future__ import annotations

import math
import re
from dataclasses import fields
from typing import Any

import kornia
import numpy as np
import pytest
import torch
from image_samples import pixels
from torch import Tensor

from pipeline.augmentation import Augmentation
from pipeline.batch import Batch

EACH = [
    Augmentation(flip=True),
    Augmentation(crop_padding=2),
    Augmentation(rotate=30),
    Augmentation(zoom=0.3),
    Augmentation(colour=0.5),
    Augmentation(cutout=5),
    Augmentation(mixup=1),
]
ALL = Augmentation(True, 3, 180, 0.9, 0.9, 8, 0.2)


def named(augment: Augmentation) -> str:
    values = [entry.name for entry in fields(augment) if getattr(augment, entry.name)]
    return "+".join(values)


def images(count: int = 12, channels: int = 3, height: int = 10, width: int = 10) -> Tensor:
    return torch.from_numpy(pixels(count, channels, height, width)).float()


def changed(augment: Augmentation, frames: Tensor, seed: int = 0) -> Batch:
    labels = torch.arange(len(frames)) % 4
    return augment(Batch(frames, labels), 4, np.random.default_rng(seed))


@pytest.mark.parametrize("augment", [*EACH, ALL], ids=named)
@pytest.mark.parametrize(("channels", "height", "width"), [(1, 10, 10), (3, 10, 10), (3, 7, 12)])
def test_values_stay_in_their_range_and_shapes_as_they_were(
    augment: Augmentation, channels: int, height: int, width: int
) -> None:
    frames = images(12, channels, height, width)
    before = frames.clone()
    for seed in range(5):
        found = changed(augment, frames, seed).frames
        assert found.shape == frames.shape
        assert found.dtype == torch.float32
        assert torch.isfinite(found).all()
        assert found.min() >= 0
        assert found.max() <= 255
        assert not torch.equal(found, frames)
    assert torch.equal(frames, before), "the batch that came in is as it was"


@pytest.mark.parametrize("augment", [*EACH, ALL], ids=named)
@pytest.mark.parametrize("value", [0.0, 255.0])
@pytest.mark.parametrize("channels", [1, 3])
def test_black_and_white_images_give_no_nan(
    augment: Augmentation, value: float, channels: int
) -> None:
    found = changed(augment, torch.full((6, channels, 9, 9), value)).frames
    assert torch.isfinite(found).all()
    assert ((found >= 0) & (found <= 255)).all()


@pytest.mark.parametrize("augment", [*EACH, ALL], ids=named)
def test_the_generator_decides_everything(augment: Augmentation) -> None:
    frames = images()
    first = changed(augment, frames, 5)
    torch.manual_seed(99)
    again, other = changed(augment, frames, 5), changed(augment, frames, 6)
    assert torch.equal(first.frames, again.frames)
    assert not torch.equal(first.frames, other.frames)


def test_without_a_number_nothing_changes() -> None:
    frames = images()
    found = changed(Augmentation(), frames)
    assert torch.equal(found.frames, frames)
    assert found.label is not None
    assert found.label.tolist() == [0, 1, 2, 3] * 3


def test_half_of_the_images_are_mirrored_as_kornia_does() -> None:
    frames = images(400, 1, 4, 6)
    found = changed(Augmentation(flip=True), frames).frames
    mirrored = kornia.geometry.hflip(frames)
    same = (found == frames).all((1, 2, 3))
    assert torch.equal(found[~same], mirrored[~same])
    assert 160 < same.sum() < 240


def test_a_shifted_crop_is_a_piece_of_the_padded_image() -> None:
    frames = images(300, 2, 6, 6) + 0.5
    found = changed(Augmentation(crop_padding=2), frames).frames
    padded = torch.nn.functional.pad(frames, [2] * 4)
    offsets = set()
    for i in range(len(frames)):
        (place,) = [
            (y, x)
            for y in range(5)
            for x in range(5)
            if torch.equal(found[i], padded[i, :, y : y + 6, x : x + 6])
        ]
        offsets.add(place)
    assert len(offsets) == 25


def test_a_turn_is_that_of_kornia_and_within_its_bound() -> None:
    spot = torch.zeros(200, 1, 41, 41)
    spot[:, 0, 20, 35] = 255
    spot = kornia.filters.gaussian_blur2d(spot, (9, 9), (1.5, 1.5))
    found = changed(Augmentation(rotate=20), spot).frames[:, 0]
    rows, columns = torch.meshgrid(torch.arange(41.0), torch.arange(41.0), indexing="ij")
    mass = found.sum((1, 2))
    y, x = (found * rows).sum((1, 2)) / mass - 20, (found * columns).sum((1, 2)) / mass - 20
    angle, radius = torch.rad2deg(torch.atan2(-y, x)), torch.hypot(x, y)
    assert angle.abs().max() <= 20.5
    assert angle.max() > 17
    assert angle.min() < -17
    torch.testing.assert_close(radius, torch.full((200,), 15.0), atol=0.1, rtol=0)
    one = changed(Augmentation(rotate=20), spot[:1]).frames
    turn = np.random.default_rng(0).uniform(-20, 20, 1).astype(np.float32)
    oracle = kornia.geometry.transform.rotate(spot[:1], torch.from_numpy(turn))
    torch.testing.assert_close(one, oracle, atol=1e-3, rtol=0)


def test_a_zoom_stays_within_its_bound() -> None:
    disc = torch.zeros(200, 1, 41, 41)
    rows, columns = torch.meshgrid(torch.arange(41) - 20, torch.arange(41) - 20, indexing="ij")
    disc[:, 0, rows**2 + columns**2 <= 100] = 255
    area = changed(Augmentation(zoom=0.2), disc).frames.sum((1, 2, 3)) / disc[0].sum()
    factor = area.sqrt()
    assert 0.79 < factor.min() < 0.83
    assert 1.17 < factor.max() < 1.21


def test_grey_stays_grey_when_colours_change() -> None:
    grey = images(20, 1).expand(-1, 3, -1, -1)
    found = changed(Augmentation(colour=0.5), grey).frames
    torch.testing.assert_close(found[:, 0], found[:, 2], atol=0.01, rtol=0)
    assert (found - grey).abs().mean() > 5


def test_saturation_and_hue_change_within_their_bounds() -> None:
    orange = torch.tensor([150.0, 100.0, 50.0])[None, :, None, None].expand(200, 3, 4, 4)
    found = changed(Augmentation(colour=0.3), orange).frames / 255
    turned = kornia.color.rgb_to_hsv(found)[:, 0, 0, 0] - math.radians(30)
    assert turned.abs().max() <= 0.03 * 2 * math.pi + 1e-3
    assert turned.max() > 0.02 * 2 * math.pi
    spread = (found.amax(1) - found.amin(1)) / found.amax(1)
    assert spread.min() < 0.6 < 0.7 < spread.max()


def test_a_square_is_overwritten_with_the_mean() -> None:
    frames = images(200, 3, 12, 12) * 0.5 + 300
    found = changed(Augmentation(cutout=4), frames).frames
    gone = (found != frames).all(1)
    mean = frames.mean((0, 2, 3))
    torch.testing.assert_close(
        found.movedim(1, -1)[gone], mean.expand(int(gone.sum()), 3), atol=1e-3, rtol=0
    )
    for square in gone:
        rows, columns = square.any(1).nonzero(), square.any(0).nonzero()
        height, width = (int(n.max() - n.min()) + 1 for n in (rows, columns))
        assert 2 <= height <= 4
        assert 2 <= width <= 4
        assert square.sum() == height * width
    assert gone.any(0).all(), "every pixel is overwritten in some image"


def test_mixup_adds_two_images_and_their_labels_by_one_share() -> None:
    frames = torch.eye(8)[:, None, None].mul(200).expand(8, 1, 8, 8)
    label = torch.arange(8)
    mixed = Augmentation(mixup=1)(Batch(frames, label), 8, np.random.default_rng(1))
    assert mixed.label is not None
    assert mixed.label.shape == (8, 8)
    torch.testing.assert_close(mixed.label.sum(1), torch.ones(8))
    torch.testing.assert_close(mixed.frames[:, 0, 0] / 200, mixed.label)
    assert len(mixed.label.diagonal().unique()) > 5


def test_mixup_needs_labels() -> None:
    with pytest.raises(ValueError, match="mixup: expected labels beside the images, found none"):
        Augmentation(mixup=1)(Batch(images()), 4, np.random.default_rng(0))
    assert Augmentation(flip=True)(Batch(images()), 4, np.random.default_rng(0)).label is None


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"crop_padding": -1}, "expected crop_padding of 0 or more and below 10000, found -1"),
        ({"rotate": 200}, "expected rotate of 0 or more and below 181, found 200"),
        ({"zoom": 1}, "expected zoom of 0 or more and below 1, found 1"),
        ({"colour": math.nan}, "expected colour of 0 or more and below 1, found nan"),
        ({"mixup": math.inf}, "expected mixup of 0 or more .*, found inf"),
        ({"cutuot": 3}, re.escape("expected options of ['flip', ") + ".*found .'cutuot'."),
    ],
)
def test_nonsense_is_refused(options: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=f"augmentation: {reason}"):
        Augmentation.of(options)


def test_options_make_an_augmentation() -> None:
    assert Augmentation.of({"flip": True, "cutout": 8}) == Augmentation(flip=True, cutout=8)
    assert Augmentation.of({}) == Augmentation()
