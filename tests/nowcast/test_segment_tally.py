from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage
from scipy.special import softmax
from sklearn import metrics

from nowcast.evaluation import SegmentTally, summarise_pixels

SHAPE = (40, 50)


def drawn(classes: int = 2, seed: int = 0) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Probabilities that lean to a label in patches, with pixels that do not count."""
    rng = np.random.default_rng(seed)
    smooth = ndimage.gaussian_filter(rng.normal(size=(classes, *SHAPE)), (0, 3, 3))
    label = smooth.argmax(0).astype(np.int32)
    label[rng.random(SHAPE) < 0.05] = -1
    odds = softmax(30 * smooth + rng.normal(size=smooth.shape), 0)
    return odds.astype(np.float32), label


@pytest.mark.parametrize("classes", [2, 3])
def test_scores_equal_those_of_scikit_learn(classes: int) -> None:
    odds, label = drawn(classes)
    tally = SegmentTally(classes)
    tally.update(odds, label)
    true, found = label[label >= 0], odds.argmax(0)[label >= 0]
    np.testing.assert_allclose(tally.iou(), metrics.jaccard_score(true, found, average=None))
    np.testing.assert_allclose(tally.dice(), metrics.f1_score(true, found, average=None))
    np.testing.assert_allclose(tally.sensitivity(), metrics.recall_score(true, found, average=None))
    np.testing.assert_allclose(
        tally.precision(), metrics.precision_score(true, found, average=None)
    )
    assert tally.accuracy() == pytest.approx(metrics.accuracy_score(true, found))
    assert tally.pixel_error() == pytest.approx(1 - tally.accuracy())
    for one in range(classes):
        others = metrics.recall_score(true != one, found != one)
        assert tally.specificity()[one] == pytest.approx(others)


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("bins", [64, 8192])
def test_area_under_the_curve_is_within_its_bound_of_scikit_learns(classes: int, bins: int) -> None:
    odds, label = drawn(classes)
    tally = SegmentTally(classes, bins=bins)
    tally.update(odds, label)
    known = label >= 0
    for one in range(classes):
        exact = metrics.roc_auc_score(label[known] == one, odds[one][known].astype(np.float64))
        assert 0.6 < exact < 1
        assert abs(tally.auc()[one] - exact) <= tally.auc_error()[one] + 1e-12
    assert (tally.auc_error() > 0).all()
    if bins == 8192:
        assert (tally.auc_error() < 1e-3).all()


def test_only_the_field_of_view_counts() -> None:
    odds, label = drawn()
    field = np.zeros(SHAPE, bool)
    field[:20] = True
    inside, cut = SegmentTally(2), SegmentTally(2)
    inside.update(odds, label, field=field)
    cut.update(odds[:, :20], label[:20])
    np.testing.assert_array_equal(inside.confusion(), cut.confusion())
    np.testing.assert_array_equal(inside.auc(), cut.auc())
    assert inside.confusion().sum() == (label[:20] >= 0).sum() < (label >= 0).sum()


def test_tallies_add_in_any_order() -> None:
    tallies = []
    whole = SegmentTally(3)
    for seed in range(3):
        odds, label = drawn(3, seed)
        whole.update(odds, label, name=f"picture {seed}")
        one = SegmentTally(3)
        one.update(odds, label, name=f"picture {seed}")
        tallies.append(one)
    first, second, third = tallies
    both = third + (second + first)
    np.testing.assert_array_equal(both.of_class, whole.of_class)
    np.testing.assert_array_equal(both.of_others, whole.of_others)
    np.testing.assert_array_equal(both.confusion(), whole.confusion())
    np.testing.assert_array_equal(both.mean_dice(), whole.mean_dice())
    assert [row.name for row in both.rows] == [f"picture {seed}" for seed in range(3)]


def test_mean_dice_leaves_out_pictures_without_the_class() -> None:
    tally = SegmentTally(2)
    empty, full = np.zeros((4, 4), np.int32), np.ones((4, 4), np.int32)
    half = np.repeat([[0, 0, 1, 1]], 4, 0).astype(np.int32)
    tally.update_classes(empty, empty)
    assert np.isnan(tally.mean_dice()[1])
    assert np.isnan(tally.dice()[1])
    tally.update_classes(half, full)
    np.testing.assert_allclose(tally.mean_dice()[1], 2 / 3)
    tally.update_classes(full, empty)
    np.testing.assert_allclose(tally.mean_dice()[1], 1 / 3)


def test_classes_of_a_human_have_scores_but_no_curve() -> None:
    tally = SegmentTally(2)
    tally.update_classes(np.array([[1, 1, 0, 0]]), np.array([[1, 0, 1, 0]]))
    np.testing.assert_array_equal(tally.dice(), [0.5, 0.5])
    np.testing.assert_array_equal(tally.sensitivity(), [0.5, 0.5])
    assert np.isnan(tally.auc()).all()
    assert np.isnan([*tally.best_threshold(), tally.similarity_error()]).all()


def test_the_best_threshold_gives_the_dice_that_it_promises() -> None:
    odds, label = drawn()
    tally = SegmentTally(2)
    tally.update(odds, label)
    threshold, promised = tally.best_threshold()
    chosen = SegmentTally(2, threshold=threshold)
    chosen.update(odds[1], label)
    assert chosen.dice()[1] == pytest.approx(promised, abs=1e-12)
    assert promised >= tally.dice()[1]
    assert tally.similarity_error() == 1 - promised
    precision, recall, _ = metrics.precision_recall_curve(label[label >= 0], odds[1][label >= 0])
    assert promised == pytest.approx(
        (2 * precision * recall / (precision + recall)).max(), abs=1e-3
    )


def test_certain_probabilities_are_counted_in_the_end_bins() -> None:
    tally = SegmentTally(2)
    tally.update(np.array([[0.0, 1.0]]), np.array([[0, 1]]))
    np.testing.assert_array_equal(tally.auc(), [1, 1])
    assert tally.of_class[1, -1] == tally.of_others[1, 0] == 1


def test_the_summary_is_plain_json() -> None:
    odds, label = drawn()
    tally = SegmentTally(2)
    tally.update(odds, label, name="one")
    held = json.loads(json.dumps(summarise_pixels(tally, ["background", "vessel"])))
    assert held["dice_by_class"] == tally.dice().tolist()
    assert held["dice_by_picture"] == {"one": tally.dice().tolist()}
    nothing = summarise_pixels(SegmentTally(2), ["background", "vessel"])
    assert nothing["pixel_error"] is None
    assert nothing["auc_by_class"] == [None, None]
    with pytest.raises(ValueError, match="expected the names of 2 classes, found 1"):
        summarise_pixels(tally, ["vessel"])


def test_bad_pictures_are_refused() -> None:
    odds, label = drawn()
    tally = SegmentTally(2)
    with pytest.raises(ValueError, match="crop the truth to the network's output"):
        tally.update(odds[:, :30], label)
    with pytest.raises(ValueError, match="apply the softmax first"):
        tally.update(np.log(odds), label)
    with pytest.raises(ValueError, match=r"expected probabilities \(2, H, W\)"):
        tally.update(np.full((3, *SHAPE), 1 / 3), label)
    with pytest.raises(ValueError, match="turn labels of objects into classes first"):
        tally.update(odds, np.full(SHAPE, 7))
    with pytest.raises(ValueError, match="make both alike"):
        tally + SegmentTally(2, bins=64)
    with pytest.raises(ValueError, match="a threshold with 2 only, found 3"):
        SegmentTally(3, threshold=0.5)
    assert not tally.rows


@pytest.mark.real
def test_the_second_observer_of_the_vessels_is_scored_against_the_first(data_dir: Path) -> None:
    tally = SegmentTally(2)
    shared = drawn_by_either = 0
    for eye in ("01L", "02R"):
        stem = data_dir / "chase_db1" / f"Image_{eye}"
        first, second = (np.array(Image.open(f"{stem}_{by}HO.png")) for by in ("1st", "2nd"))
        tally.update_classes(second.astype(np.int64), first.astype(np.int64), name=eye)
        shared += int((first & second).sum())
        drawn_by_either += int(first.sum() + second.sum())
    assert tally.dice()[1] == pytest.approx(2 * shared / drawn_by_either)
    np.testing.assert_allclose([row.dice[1] for row in tally.rows], [0.817, 0.739], atol=5e-4)
    assert tally.specificity()[1] > 0.98
