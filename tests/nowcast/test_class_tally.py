from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.special import softmax
from sklearn import metrics
from torch import Tensor

from nowcast.evaluation import ClassTally, compare_paired, summarise, tally_classes
from nowcast.evaluation.calibration import overconfidence
from nowcast.evaluation.confusion import matthews_correlation, most_confused, wilson_interval

COUNT, CLASSES = 3000, 7


def drawn(
    count: int = COUNT, classes: int = CLASSES, seed: int = 3, sure: float = 2.0
) -> tuple[Tensor, Tensor, Tensor]:
    """Logits that lean to the label, labels of uneven number, places."""
    rng = np.random.default_rng(seed)
    weights = np.arange(1, classes + 1)
    label = rng.choice(classes, count, p=weights / weights.sum())
    logits = rng.normal(size=(count, classes)) * sure
    logits[np.arange(count), label] += 1.5 * sure
    held = torch.from_numpy(logits.astype(np.float32)), torch.from_numpy(label)
    return *held, torch.arange(count)


@pytest.fixture(scope="module")
def images() -> tuple[Tensor, Tensor, Tensor]:
    return drawn()


@pytest.fixture(scope="module")
def tally(images: tuple[Tensor, Tensor, Tensor]) -> ClassTally:
    return tally_classes([images], CLASSES)


@pytest.fixture(scope="module")
def odds(images: tuple[Tensor, Tensor, Tensor]) -> NDArray[np.float64]:
    return softmax(images[0].double().numpy(), 1)


def alike(here: ClassTally, there: ClassTally) -> None:
    assert here.sums.keys() == there.sums.keys()
    for name, sums in here.sums.items():
        np.testing.assert_array_equal(sums, there.sums[name], err_msg=name)
    assert here.mistakes == there.mistakes
    assert here.least_sure == there.least_sure


def test_confusion_and_shares_equal_scikit_learn(
    images: tuple[Tensor, Tensor, Tensor], tally: ClassTally
) -> None:
    logits, label, _ = images
    taken = logits.argmax(1)
    np.testing.assert_array_equal(tally.confusion(), metrics.confusion_matrix(label, taken))
    assert tally.accuracy() == metrics.accuracy_score(label, taken)
    assert matthews_correlation(tally.confusion()) == pytest.approx(
        metrics.matthews_corrcoef(label, taken)
    )
    by_class = metrics.precision_recall_fscore_support(label, taken)
    for ours, theirs in zip(
        (tally.precision(), tally.recall(), tally.f1(), tally.support), by_class, strict=True
    ):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12)


@pytest.mark.parametrize("average", ["macro", "weighted"])
def test_averages_over_classes_equal_scikit_learn(
    images: tuple[Tensor, Tensor, Tensor], tally: ClassTally, average: str
) -> None:
    theirs = metrics.precision_recall_fscore_support(
        images[1], images[0].argmax(1), average=average
    )
    ours = [
        tally.averaged(held, average) for held in (tally.precision(), tally.recall(), tally.f1())
    ]
    assert ours == pytest.approx(list(theirs[:3]))


@pytest.mark.parametrize("count", [1, 2, 5])
def test_top_k_equals_scikit_learn(
    images: tuple[Tensor, Tensor, Tensor], tally: ClassTally, count: int
) -> None:
    theirs = metrics.top_k_accuracy_score(images[1].numpy(), images[0].numpy(), k=count)
    assert tally.top(count) == pytest.approx(theirs, abs=0)


def test_every_class_is_among_the_top_of_all(tally: ClassTally) -> None:
    assert tally.top(CLASSES) == 1.0
    assert tally.top(1) == tally.accuracy()


def test_log_loss_equals_scikit_learn(
    images: tuple[Tensor, Tensor, Tensor], tally: ClassTally, odds: NDArray[np.float64]
) -> None:
    assert tally.log_loss() == pytest.approx(metrics.log_loss(images[1], odds), rel=1e-7)


@pytest.mark.parametrize("bins", [64, 8192])
def test_auc_is_that_of_scikit_learn_within_its_own_error(
    images: tuple[Tensor, Tensor, Tensor], odds: NDArray[np.float64], bins: int
) -> None:
    tally = ClassTally(CLASSES, score_bins=bins)
    tally.update(*images)
    label = images[1].numpy()
    theirs = np.array([metrics.roc_auc_score(label == k, odds[:, k]) for k in range(CLASSES)])
    error = tally.auc_error()
    assert (np.abs(tally.auc() - theirs) <= error + 1e-12).all()
    assert (error > 0).all()
    assert error.max() < 7 / bins


def test_roc_goes_through_points_of_scikit_learns(
    images: tuple[Tensor, Tensor, Tensor], tally: ClassTally, odds: NDArray[np.float64]
) -> None:
    false_rate, true_rate = tally.roc(2)
    theirs = metrics.roc_curve(images[1] == 2, odds[:, 2], drop_intermediate=False)
    points = set(zip(theirs[0].round(9).tolist(), theirs[1].round(9).tolist(), strict=True))
    ours = zip(false_rate.round(9).tolist(), true_rate.round(9).tolist(), strict=True)
    assert set(ours) <= points
    assert len(false_rate) > 500
    assert (false_rate[0], true_rate[0], false_rate[-1], true_rate[-1]) == (0, 0, 1, 1)


def test_area_under_the_drawn_curve_is_the_area(tally: ClassTally) -> None:
    for label in range(CLASSES):
        assert metrics.auc(*tally.roc(label)) == pytest.approx(tally.auc()[label])


def test_reliability_equals_scikit_learns_calibration_curve(
    images: tuple[Tensor, Tensor, Tensor], odds: NDArray[np.float64]
) -> None:
    from sklearn.calibration import calibration_curve

    tally = tally_classes([images], CLASSES)
    right = odds.argmax(1) == images[1].numpy()
    share, mean = calibration_curve(right, odds.max(1), n_bins=15)
    held = tally.reliability()
    filled = held.images > 0
    np.testing.assert_allclose(held.accuracy[filled], share, rtol=1e-12)
    np.testing.assert_allclose(held.confidence[filled], mean, rtol=1e-8)
    assert 0 < filled.sum() < 15


def test_calibration_error_is_the_mean_gap_by_hand() -> None:
    tally = ClassTally(2, confidence_bins=2)
    sure, unsure = math.log(0.9 / 0.1), math.log(0.6 / 0.4)
    logits = torch.tensor([sure, sure, -unsure, -unsure], dtype=torch.float64)
    tally.update(logits, torch.tensor([1, 0, 0, 1]), torch.arange(4))
    assert tally.calibration_error() == pytest.approx(abs((0.9 + 0.9 + 0.6 + 0.6) / 4 - 0.5))
    assert overconfidence(tally.reliability()) == pytest.approx(0.25)


def test_a_perfect_classifier_is_perfect_in_every_score() -> None:
    label = torch.arange(30) % 3
    logits = 200.0 * torch.nn.functional.one_hot(label, 3)
    tally = tally_classes([(logits, label, torch.arange(30))], 3)
    for score in (tally.accuracy(), tally.top(1), *tally.f1(), *tally.auc()):
        assert score == 1
    assert tally.log_loss() == tally.calibration_error() == 0
    assert tally.mistakes == ()
    assert matthews_correlation(tally.confusion()) == 1


def test_parts_in_any_order_add_to_the_whole(
    images: tuple[Tensor, Tensor, Tensor], tally: ClassTally
) -> None:
    parts = [tally_classes([tuple(held[n::5] for held in images)], CLASSES) for n in range(5)]
    together = parts[3] + parts[0] + (parts[4] + parts[2]) + parts[1]
    alike(together, tally)
    shuffled = torch.from_numpy(np.random.default_rng(0).permutation(COUNT))
    one_by_one = ClassTally(CLASSES)
    for few in shuffled.split(37):
        one_by_one.update(*(held[few] for held in images))
    alike(one_by_one, tally)


def test_a_sum_leaves_both_parts_as_they_were(images: tuple[Tensor, Tensor, Tensor]) -> None:
    first, second = (tally_classes([images], CLASSES) for _ in range(2))
    whole = first + second
    alike(first, second)
    assert whole.images == 2 * COUNT


def test_mistakes_are_the_most_confident_ones(
    images: tuple[Tensor, Tensor, Tensor], tally: ClassTally, odds: NDArray[np.float64]
) -> None:
    label, taken = images[1].numpy(), odds.argmax(1)
    wrong = np.flatnonzero(taken != label)
    wanted = wrong[np.argsort(-odds.max(1)[wrong])][: tally.keep]
    assert [image.index for image in tally.mistakes] == wanted.tolist()
    for image in tally.mistakes:
        assert image.label == label[image.index] != image.predicted == taken[image.index]
        assert image.probability == pytest.approx(odds[image.index, image.predicted])


def test_least_sure_are_those_of_the_lowest_best_probability(
    tally: ClassTally, odds: NDArray[np.float64]
) -> None:
    wanted = np.argsort(odds.max(1))[: tally.keep]
    assert [image.index for image in tally.least_sure] == wanted.tolist()


def test_one_logit_is_that_of_the_second_of_two_classes() -> None:
    logits = torch.linspace(-4, 4, 50)
    label = (torch.arange(50) % 3 == 0).long()
    both = torch.stack([torch.zeros(50), logits], 1)
    wanted = tally_classes([(both, label, torch.arange(50))], 2)
    for given in (logits, logits[:, None]):
        alike(tally_classes([(given, label, torch.arange(50))], 2), wanted)
    assert wanted.auc()[0] == pytest.approx(wanted.auc()[1])


def test_unlabelled_images_do_not_count(images: tuple[Tensor, Tensor, Tensor]) -> None:
    logits, label, index = images
    hidden = torch.where(index % 2 == 0, label, -1)
    alike(
        tally_classes([(logits, hidden, index)], CLASSES),
        tally_classes([(logits[::2], label[::2], index[::2])], CLASSES),
    )


def test_of_equal_logits_the_first_class_is_predicted_and_ranked_first() -> None:
    tally = ClassTally(4)
    tally.update(torch.zeros(4, 4), torch.arange(4), torch.arange(4))
    assert tally.confusion()[:, 0].tolist() == [1, 1, 1, 1]
    assert [tally.top(count) for count in (1, 2, 3, 4)] == [0.25, 0.5, 0.75, 1.0]
    assert tally.auc().tolist() == [0.5] * 4


def test_huge_logits_are_told_apart_where_probabilities_are_all_one() -> None:
    logits = torch.tensor([[30.0, 0.0], [25.0, 0.0], [24.0, 0.0], [0.0, 30.0]])
    tally = tally_classes([(logits, torch.tensor([0, 0, 1, 1]), torch.arange(4))], 2)
    assert tally.auc().tolist() == [1.0, 1.0]


def test_scores_without_images_or_of_an_absent_class_are_undefined() -> None:
    empty = ClassTally(3)
    empty.update(torch.zeros(1, 3), torch.tensor([-1]), torch.tensor([0]))
    assert empty.images == 0
    for score in (empty.accuracy(), empty.top(5), empty.log_loss(), empty.calibration_error()):
        assert math.isnan(score)
    tally = tally_classes(
        [(torch.tensor([[9.0, 0, 0]] * 2), torch.tensor([0, 1]), torch.arange(2))], 3
    )
    assert np.isnan(tally.precision()).tolist() == [False, True, True]
    assert np.isnan(tally.recall()).tolist() == [False, False, True]
    assert np.isnan(tally.f1()).tolist() == [False, False, True]
    assert np.isnan(tally.auc()).tolist() == [False, False, True]
    assert tally.averaged(tally.recall()) == 0.5
    assert math.isnan(matthews_correlation(tally.confusion()))


def test_wilson_interval_is_scipys() -> None:
    from scipy.stats import binomtest

    for right, count in ((0, 10), (94, 100), (9412, 10000), (7, 7)):
        theirs = binomtest(right, count).proportion_ci(0.95, "wilson")
        assert wilson_interval(right, count) == pytest.approx((theirs.low, theirs.high), abs=1e-12)
    assert np.isnan(wilson_interval(0, 0)).all()


def test_most_confused_are_the_largest_off_the_diagonal() -> None:
    confusion = np.array([[90, 8, 2], [8, 80, 0], [11, 0, 7]])
    assert most_confused(confusion, 3) == [(2, 0, 11), (0, 1, 8), (1, 0, 8)]
    assert most_confused(confusion, 9)[-1] == (0, 2, 2)


def test_paired_test_is_the_sign_test_of_images_that_one_alone_had_right() -> None:
    first = np.array([True] * 8 + [False] * 2 + [True] * 20)
    second = np.array([False] * 8 + [True] * 2 + [True] * 20)
    found = compare_paired(first, second)
    assert (found.only_first, found.only_second, found.images) == (8, 2, 30)
    assert found.p_value == pytest.approx(2 * (45 + 10 + 1) / 1024)
    assert found.difference == pytest.approx(0.2)
    assert not found.differ
    assert compare_paired(first, first).p_value == 1


def test_paired_test_refuses_other_images() -> None:
    with pytest.raises(ValueError, match="expected the same images of both, found 3 and 4"):
        compare_paired(np.ones(3, bool), np.ones(4, bool))


def test_summary_is_plain_json_with_none_where_undefined(tally: ClassTally) -> None:
    names = [f"class {n}" for n in range(CLASSES)]
    summary = summarise(tally, names)
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary
    assert summary["accuracy"] == tally.accuracy()
    assert summary["macro_f1"] == tally.averaged(tally.f1())
    assert summary["confusion"] == tally.confusion().tolist()
    assert len(summary["reliability"]["accuracy"]) == 15
    assert None in summary["reliability"]["accuracy"]
    with pytest.raises(ValueError, match="expected the names of 7 classes, found 2"):
        summarise(tally, names[:2])


@pytest.mark.parametrize(
    ("logits", "label", "index", "complaint"),
    [
        (torch.zeros(2, 4), [0, 1], [0, 1], r"expected logits \(2, 3\) .*found logits \(2, 4\)"),
        (torch.zeros(2, 3), [0, 1], [0], r"indices \(1,\)"),
        (torch.zeros(2, 3), [0, 3], [0, 1], "expected labels from 0 to 2, or -1 .*found 3"),
        (torch.zeros(2, 3), [0, -2], [0, 1], "expected labels from 0 to 2, or -1 .*found -2"),
        (torch.tensor([[0.0, 1, 2], [0, math.nan, 1]]), [0, 1], [5, 6], "1 of 2 .* index 6"),
    ],
)
def test_what_cannot_be_counted_is_refused(
    logits: Tensor, label: list[int], index: list[int], complaint: str
) -> None:
    tally = ClassTally(3)
    with pytest.raises(ValueError, match=complaint):
        tally.update(logits, torch.tensor(label), torch.tensor(index))
    assert tally.images == 0


def test_tallies_of_other_shape_do_not_add() -> None:
    with pytest.raises(ValueError, match=r"expected two of .*'classes': 3.* make both alike"):
        ClassTally(3) + ClassTally(4)
    with pytest.raises(ValueError, match="expected 2 classes or more, found 1"):
        ClassTally(1)
