from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from nowcast.evaluation import ObjectTally
from nowcast.instances import (
    Separation,
    count_objects,
    filled,
    separate,
    separations,
    tune_separation,
)

Y, X = np.mgrid[:48, :64]


def disc(row: float, column: float, radius: float) -> NDArray[np.bool_]:
    return (Y - row) ** 2 + (X - column) ** 2 <= radius**2


def touching() -> tuple[NDArray[np.bool_], NDArray[np.int32]]:
    """Two discs that touch, one cut by the picture's edge, one alone."""
    truth = np.zeros(Y.shape, np.int32)
    for label, where in enumerate(
        [disc(20, 14, 10), disc(20, 32, 10), disc(47, 20, 8), disc(20, 56, 5)], 1
    ):
        truth[where & (truth == 0)] = label
    return truth > 0, truth


@pytest.mark.parametrize("method", ["h_maxima", "peaks"])
def test_watershed_separates_what_touches(method: str) -> None:
    inside, truth = touching()
    assert separate(inside, Separation()).max() == 3
    found = separate(inside, Separation(method))
    assert found.max() == 4
    np.testing.assert_array_equal(found > 0, inside)
    tally = ObjectTally()
    tally.update(truth, found)
    assert tally.matched[8] == 4


def test_a_class_of_borders_separates_and_is_given_back() -> None:
    inside, truth = touching()
    border = inside & (ndimage.grey_dilation(truth, 5) != ndimage.grey_erosion(truth, 5))
    odds = np.stack([~inside, inside & ~border, border]).astype(np.float32)
    found = separate(odds, Separation("border"))
    np.testing.assert_array_equal(found > 0, inside)
    tally = ObjectTally()
    tally.update(truth, found)
    assert tally.matched[8] == count_objects(found) == 4
    assert separate(odds, Separation()).max() == 3


def test_objects_without_a_seed_are_kept() -> None:
    dot = np.zeros((9, 9), bool)
    dot[4, 4] = True
    odds = np.stack([~dot, np.zeros_like(dot), dot]).astype(np.float32)
    np.testing.assert_array_equal(separate(odds, Separation("border")), dot)
    for separation in (Separation("h_maxima", h=3), Separation("peaks", min_distance=20)):
        inside = dot | np.pad(np.ones((2, 2), bool), ((0, 7), (0, 7)))
        found = separate(inside, separation)
        np.testing.assert_array_equal(found > 0, inside)
        assert found.max() == 2


def test_higher_rises_are_asked_for_fewer_objects() -> None:
    inside, _ = touching()
    counts = [separate(inside, Separation("h_maxima", h=h)).max() for h in (0.5, 2, 8)]
    assert counts == [4, 4, 3]


def test_small_objects_are_left_out_and_labels_have_no_gaps() -> None:
    inside, truth = touching()
    small = int((truth == 4).sum())
    kept = separate(inside, Separation("h_maxima", min_size=small))
    without = separate(inside, Separation("h_maxima", min_size=small + 1))
    assert (kept.max(), without.max()) == (4, 3)
    assert not without[truth == 4].any()
    assert list(np.unique(kept)) == [0, 1, 2, 3, 4]
    _, first = np.unique(kept, return_index=True)
    assert (np.diff(first[1:]) > 0).all()


def test_only_closed_holes_up_to_the_size_are_filled() -> None:
    ring = disc(20, 20, 12) & ~disc(20, 20, 2)
    ring[30:, 20] = False
    hole = int(disc(20, 20, 2).sum())
    assert filled(ring, hole)[20, 20]
    assert not filled(ring, hole - 1)[20, 20]
    np.testing.assert_array_equal(filled(ring, 0), ring)
    corner = np.ones((6, 6), bool)
    corner[0, 0] = False
    assert not filled(corner, 10)[0, 0]
    assert filled(np.ones((3, 3), bool), 5).all()


@pytest.mark.parametrize("method", ["components", "h_maxima", "peaks", "border"])
@pytest.mark.parametrize("whole", [0.0, 1.0])
def test_empty_and_full_pictures(method: str, whole: float) -> None:
    odds = np.stack([np.full((7, 9), 1 - whole), np.full((7, 9), whole), np.zeros((7, 9))])
    found = separate(odds, Separation(method, hole_size=4, min_size=3))
    assert found.shape == (7, 9)
    assert found.dtype == np.int32
    np.testing.assert_array_equal(found, whole)


def test_the_threshold_is_that_of_all_classes_but_background() -> None:
    odds = np.array([[[0.6, 0.4, 0.3]], [[0.2, 0.3, 0.1]], [[0.2, 0.3, 0.6]]])
    np.testing.assert_array_equal(separate(odds, Separation()), [[0, 1, 1]])
    np.testing.assert_array_equal(separate(odds, Separation(threshold=0.35)), [[1, 1, 1]])
    np.testing.assert_array_equal(separate(odds[0], Separation(threshold=0.5)), [[1, 0, 0]])


def test_tuning_finds_the_separation_that_the_truth_asks_for() -> None:
    inside, truth = touching()
    grid = separations(Separation(), method=["components", "h_maxima"], threshold=[0.2, 0.5])
    assert len(grid) == 4
    odds = np.where(inside, 0.9, 0.3)
    best = tune_separation([odds, odds[:, :40]], [truth, truth[:, :40]], grid)
    assert best == Separation("h_maxima", threshold=0.5)
    merged, _ = ndimage.label(inside)
    assert tune_separation([odds], [merged.astype(np.int32)], grid) == Separation("components")


def test_bad_requests_are_refused() -> None:
    odds = np.zeros((4, 5, 5))
    with pytest.raises(ValueError, match=r"expected a method of .* found 'magic'"):
        Separation("magic")
    with pytest.raises(ValueError, match="expected threshold from 0 to 1, found 2"):
        Separation(threshold=2)
    with pytest.raises(ValueError, match=r"found shape \(4, 5, 5\)"):
        separate(odds, Separation())
    with pytest.raises(ValueError, match="use another method"):
        separate(odds[:2], Separation("border"))
    with pytest.raises(ValueError, match="a truth for each picture, found 1 separations, 1 pict"):
        tune_separation([odds[0]], [], [Separation()])


@pytest.mark.real
def test_watershed_of_the_true_mask_separates_most_touching_nuclei(data_dir: Path) -> None:
    paths = sorted((data_dir / "dsb2018_nuclei" / "labels").glob("*.png"))[:12]
    plain, parted = ObjectTally(), ObjectTally()
    for path in paths:
        truth = np.array(Image.open(path)).astype(np.int32)
        plain.update(truth, separate(truth > 0, Separation()), name=path.stem)
        found = separate(truth > 0, Separation("h_maxima", min_size=10))
        parted.update(truth, found, name=path.stem)
    assert parted.f1()[0] > plain.f1()[0] + 0.02
    assert parted.f1()[0] > 0.93
    assert parted.count_error() < plain.count_error()
