from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage
from skimage.metrics import contingency_table

from nowcast.evaluation import Fate, ObjectTally, object_errors, summarise_objects
from nowcast.evaluation.overlaps import contingency, overlaps
from nowcast.evaluation.tracking_scores import detection_costs

Labels = NDArray[np.int32]


def line(*runs: tuple[int, int]) -> Labels:
    """One row of pixels from pairs (label, length)."""
    return np.concatenate([np.full(length, label, np.int32) for label, length in runs])[None]


def scattered(seed: int) -> tuple[Labels, Labels]:
    """Two label images of blobs that overlap more or less, with gaps in the labels."""
    rng = np.random.default_rng(seed)
    field = ndimage.gaussian_filter(rng.normal(size=(60, 70)), 2)
    moved = field + 0.4 * ndimage.gaussian_filter(rng.normal(size=field.shape), 2)
    true, found = (ndimage.label(one > 0.05)[0].astype(np.int32) for one in (field, moved))
    return true * 3, found * 7


@pytest.mark.parametrize("far", [1, 1000])
def test_contingency_equals_that_of_scikit_image(far: int) -> None:
    truth, found = scattered(0)
    table = contingency(truth * far, found * far)
    expected = contingency_table(truth, found).tocoo()
    assert table.pixels.sum() == truth.size
    dense = np.zeros(expected.shape, np.int64)
    dense[table.true // far, table.found // far] = table.pixels
    np.testing.assert_array_equal(dense, expected.toarray())


def test_overlaps_equal_those_counted_pair_by_pair() -> None:
    truth, found = scattered(1)
    held = overlaps(truth, found)
    assert set(held.true_labels) == set(truth.flat) - {0}
    assert set(held.found_labels) == set(found.flat) - {0}
    for true, other, iou in zip(held.true, held.found, held.iou, strict=True):
        here, there = truth == held.true_labels[true], found == held.found_labels[other]
        assert iou == (here & there).sum() / (here | there).sum()
    assert len(held.pixels) == len(np.unique((truth * 10_000 + found)[(truth > 0) & (found > 0)]))


def test_objects_match_above_the_limit_and_not_at_it() -> None:
    truth = line((1, 20), (0, 5), (2, 20), (0, 5), (3, 20))
    found = line((4, 10), (0, 15), (5, 11), (0, 14), (6, 20))
    tally = ObjectTally()
    row = tally.update(truth, found)
    assert row.matched == (2,) + (1,) * 9
    np.testing.assert_allclose(tally.precision(), [2 / 3] + [1 / 3] * 9)
    np.testing.assert_allclose(tally.recall(), tally.f1())
    assert row.average_precision == pytest.approx((2 / 4 + 9 * 1 / 5) / 10)


def test_the_truth_scores_1() -> None:
    truth, _ = scattered(2)
    tally = ObjectTally()
    tally.update(truth, truth * 2)
    np.testing.assert_array_equal(tally.f1(), 1)
    scores = tally.mean_average_precision(), tally.seg(), tally.det()
    assert scores == (1, 1, 1)
    assert tally.count_error() == tally.count_bias() == 0
    assert object_errors(truth, truth).counts()["right"] == tally.true_objects > 5


def test_seg_and_det_of_a_worked_example() -> None:
    """3 of 4 pixels and one outside; exactly half of 4 pixels, which is not enough."""
    truth = line((1, 4), (0, 4), (2, 4))
    found = line((0, 1), (7, 4), (0, 3), (8, 2), (0, 2))
    tally = ObjectTally()
    row = tally.update(truth, found)
    assert tally.seg() == pytest.approx((3 / 5 + 0) / 2)
    assert tuple(row.costs) == (0, 1, 1)
    assert tally.det() == pytest.approx(1 - (10 + 1) / 20)


def test_det_counts_a_merge_of_three_as_two_splits() -> None:
    truth = line((1, 5), (2, 5), (3, 5), (0, 5), (4, 5))
    merged = line((9, 15), (0, 5), (4, 5))
    costs = detection_costs(overlaps(truth, merged))
    assert tuple(costs) == (2, 0, 0)
    assert costs.cost == 10
    tally = ObjectTally()
    tally.update(truth, merged)
    assert tally.det() == 1 - 10 / 40
    assert tally.seg() == pytest.approx((1 / 3 * 3 + 1) / 4)


def test_det_is_never_below_finding_nothing() -> None:
    truth = line((1, 2), (0, 40))
    many = np.concatenate([np.zeros((1, 2), np.int32), np.arange(1, 41, dtype=np.int32)[None]], 1)
    tally = ObjectTally()
    tally.update(truth, many)
    assert tally.det() == tally.seg() == 0


def test_empty_pictures() -> None:
    none, one = np.zeros((3, 3), np.int32), np.ones((3, 3), np.int32)
    tally = ObjectTally()
    tally.update(none, none, name="neither")
    assert np.isnan([tally.f1()[0], tally.seg(), tally.det(), tally.mean_average_precision()]).all()
    assert tally.count_error() == 0
    tally.update(none, one, name="false")
    assert tally.mean_average_precision() == tally.f1()[0] == 0
    tally.update(one, none, name="missed")
    assert (tally.seg(), tally.det()) == (0, 0)
    assert (tally.count_error(), tally.count_bias()) == (2 / 3, 0)
    assert np.isnan(ObjectTally().count_error())
    held = json.loads(json.dumps(summarise_objects(tally)))
    assert held["f1_by_picture"] == {"neither": None, "false": 0, "missed": 0}


def test_tallies_add_in_any_order() -> None:
    whole, parts = ObjectTally(), []
    for seed in range(3):
        truth, found = scattered(seed)
        whole.update(truth, found, name=str(seed))
        one = ObjectTally()
        one.update(truth, found, name=str(seed))
        parts.append(one)
    first, second, third = parts
    assert (third + (second + first)).rows == whole.rows
    assert 0 < whole.f1()[0] < 1
    assert (np.diff(whole.matched) <= 0).all()


def test_errors_are_sorted_and_drawn() -> None:
    truth = line((1, 9), (0, 3), (2, 9), (0, 3), (3, 9), (4, 9), (0, 3), (5, 12), (0, 9), (6, 9))
    found = line((1, 9), (0, 15), (2, 18), (0, 3), (3, 6), (4, 6), (0, 2), (5, 5), (0, 2), (6, 4))
    found = np.concatenate([found, line((0, truth.shape[1] - found.shape[1]))], 1)
    held = object_errors(truth, found)
    assert [Fate(fate) for fate in held.of_true] == [
        Fate.RIGHT,
        Fate.MISSED,
        Fate.MERGED,
        Fate.MERGED,
        Fate.SPLIT,
        Fate.INEXACT,
    ]
    assert [Fate(fate) for fate in held.of_found] == [
        Fate.RIGHT,
        Fate.MERGED,
        Fate.SPLIT,
        Fate.SPLIT,
        Fate.FALSE,
        Fate.INEXACT,
    ]
    names = ("right", "inexact", "missed", "false", "merged", "split")
    assert held.counts() == dict(zip(names, (1, 1, 1, 1, 2, 1), strict=True))
    drawn = held.drawn[0]
    np.testing.assert_array_equal(drawn[:12], [Fate.RIGHT] * 9 + [Fate.NONE] * 3)
    assert (drawn[found[0] == 5] == Fate.FALSE).all()
    assert (drawn[truth[0] == 6] == Fate.INEXACT).all()
    assert set(drawn) == set(Fate)


def test_what_does_not_count_is_cut_from_objects_and_drawing() -> None:
    truth, found = scattered(1)
    field = np.zeros(truth.shape, bool)
    field[:, :40] = True
    held, cut = object_errors(truth, found, field), object_errors(truth[:, :40], found[:, :40])
    assert held.counts() == cut.counts()
    np.testing.assert_array_equal(held.drawn[:, :40], cut.drawn)
    assert not held.drawn[:, 40:].any()
    ignored = np.where(field, truth, -1)
    np.testing.assert_array_equal(object_errors(ignored, found).drawn, held.drawn)


def test_bad_labels_are_refused() -> None:
    truth, found = scattered(0)
    with pytest.raises(ValueError, match="expected truth, found and field of one shape"):
        overlaps(truth, found[1:])
    with pytest.raises(ValueError, match="give background the label 0"):
        overlaps(truth, found - 1)


@pytest.mark.real
def test_real_nuclei_against_themselves_and_with_one_lost(data_dir: Path) -> None:
    paths = sorted((data_dir / "dsb2018_nuclei" / "labels").glob("*.png"))[:6]
    tally, lost = ObjectTally(), ObjectTally()
    for path in paths:
        truth = np.array(Image.open(path)).astype(np.int32)
        tally.update(truth, truth, name=path.stem)
        lost.update(truth, np.where(truth == 1, 0, truth), name=path.stem)
    assert tally.seg() == tally.det() == tally.mean_average_precision() == 1
    assert lost.recall()[0] == 1 - len(paths) / tally.true_objects
    assert lost.seg() == pytest.approx(lost.recall()[0])
    assert lost.det() == pytest.approx(lost.recall()[0])
    assert lost.count_bias() == -1
