from __future__ import annotations

import numpy as np
import pytest
from mask_folders import discs
from numpy.typing import NDArray
from scipy import ndimage

from pipeline.masks.pixel_weights import (
    PixelWeights,
    border_weights,
    bordered,
    class_weights,
    components,
    separated,
)


def by_the_formula(objects: NDArray[np.int32], w0: float, sigma: float) -> NDArray[np.floating]:
    numbers = np.unique(objects[objects > 0])
    distances = np.sort(
        [ndimage.distance_transform_edt(objects != number) for number in numbers], axis=0
    )
    weights = w0 * np.exp(-((distances[0] + distances[1]) ** 2) / (2 * sigma**2))
    return np.where(objects > 0, 0, weights)


@pytest.mark.parametrize(("seed", "count"), [(0, 9), (1, 6), (2, 25), (3, 60)])
@pytest.mark.parametrize("sigma", [2.0, 5.0])
def test_border_weights_are_those_of_the_formula(seed: int, count: int, sigma: float) -> None:
    objects = separated(discs(90, 70, count, seed).astype(np.int32))
    found = border_weights(objects, 10, sigma)
    assert found.max() > 0.01
    assert np.allclose(found, by_the_formula(objects, 10, sigma), atol=1e-4)


def test_the_gap_between_two_walls_weighs_by_its_width() -> None:
    for gap in (1, 3, 8):
        objects = np.zeros((20, 40), np.int32)
        objects[:, :15], objects[:, 15 + gap :] = 1, 2
        weights = border_weights(objects)
        expected = 10 * np.exp(-((gap + 1) ** 2) / 50)
        assert np.allclose(weights[:, 15 : 15 + gap], expected, rtol=1e-5)
        assert not weights[:, :15].any()


def test_a_single_object_has_no_border_weight() -> None:
    objects = np.zeros((30, 30), np.int32)
    objects[10:20, 10:20] = 7
    assert not border_weights(objects).any()
    assert not border_weights(np.zeros((30, 30), np.int32)).any()


def test_touching_objects_are_parted_by_one_pixel_and_apart_ones_stay() -> None:
    objects = np.zeros((12, 12), np.int32)
    objects[2:6, 2:6], objects[2:6, 6:10], objects[8:, 8:] = 1, 2, 3
    apart = separated(objects)
    _, count = ndimage.label(apart > 0, np.ones((3, 3)))
    assert count == 3
    assert (apart != objects).sum() == 4
    assert np.array_equal(apart == 3, objects == 3)
    crowd = discs(60, 60, 40, 5).astype(np.int32)
    parted = separated(crowd)
    for move in ((0, 1), (1, 0), (1, 1), (1, -1)):
        beside = np.roll(parted, move, (0, 1))[1:-1, 1:-1]
        own = parted[1:-1, 1:-1]
        assert not ((own > 0) & (beside > 0) & (own != beside)).any()
    assert (crowd[parted == 0] > 0).any()


def test_outlines_are_a_class_of_their_own() -> None:
    objects = np.zeros((12, 12), np.int32)
    objects[2:8, 2:8] = 5
    objects[11, 11] = -1
    classes = bordered(objects)
    assert classes[4, 4] == 1
    assert classes[2, 4] == classes[1, 4] == 2
    assert classes[0, 4] == classes[10, 10] == 0
    assert classes[11, 11] == -1
    assert (classes == 1).sum() == 16


def test_components_are_connected_by_their_sides() -> None:
    classes = np.zeros((6, 6), np.int32)
    classes[0, 0] = classes[1, 1] = 1
    classes[4:, 4:] = 2
    assert components(classes).max() == 3
    assert components(classes)[4, 4] == 3
    assert not components(np.zeros((3, 3), np.int32)).any()


def test_balanced_classes_weigh_alike_and_one_on_average() -> None:
    counts = np.array([900, 100, 0])
    weights = np.array(class_weights(counts))
    assert weights[2] == 0
    assert weights[0] * 900 == pytest.approx(weights[1] * 100)
    assert (weights * counts).sum() / counts.sum() == pytest.approx(1)


def test_weights_are_class_and_border_together_and_nothing_where_unknown() -> None:
    objects = separated(discs(40, 40, 12, 4).astype(np.int32))
    classes = np.minimum(objects, 1)
    classes[:5] = -1
    weights = PixelWeights(10, 5)(classes, objects, (0.5, 4))
    border = border_weights(objects, 10, 5)
    inside, outside = classes == 1, classes == 0
    assert not weights[:5].any()
    assert np.allclose(weights[inside], 4)
    assert np.allclose(weights[outside], 0.5 + border[outside])
    plain = PixelWeights(0, 5, balance=False)(classes, objects, ())
    assert (plain[classes >= 0] == 1).all()
    with pytest.raises(ValueError, match="expected border of 0 or more and sigma > 0"):
        PixelWeights(-1)
    with pytest.raises(ValueError, match=r"expected options of .*found \['w0'\]"):
        PixelWeights.of({"w0": 1})
