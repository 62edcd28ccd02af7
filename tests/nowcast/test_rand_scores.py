from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage
from scipy.spatial import cKDTree
from skimage.metrics import adapted_rand_error, variation_of_information

from nowcast.evaluation import MembraneTally, rand_scores, summarise_membranes
from nowcast.evaluation.membrane_tally import grown, parted
from nowcast.evaluation.rand_scores import partition_sums

SIDE = 96


def tiles(seed: int = 0, cells: int = 12) -> NDArray[np.int32]:
    """Inside (1) and membrane (0) of cells round random points."""
    rng = np.random.default_rng(seed)
    grid = np.stack(np.mgrid[:SIDE, :SIDE], -1).reshape(-1, 2)
    near, _ = cKDTree(rng.uniform(0, SIDE, (cells, 2))).query(grid, 2)
    return (near[:, 1] - near[:, 0] > 3).reshape(SIDE, SIDE).astype(np.int32)


def with_borders_alone(found: NDArray[np.int32]) -> NDArray[np.int64]:
    """Each background pixel a label of its own, from 1."""
    alone = found.astype(np.int64)
    none = alone == 0
    alone[none] = found.max() + 1 + np.arange(none.sum())
    return alone


def noisy_cells(seed: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    inside = tiles(seed)
    rng = np.random.default_rng(seed)
    blurred = ndimage.gaussian_filter(inside + rng.normal(0, 0.6, inside.shape), 1)
    return parted(inside > 0), parted(blurred > 0.55)


@pytest.mark.parametrize("seed", range(3))
def test_parts_of_the_rand_score_equal_those_of_scikit_image(seed: int) -> None:
    truth, found = noisy_cells(seed)
    sums = partition_sums(truth, found)
    # its precision is the challenge's recall: it sums over the true cells
    _, recall, precision = adapted_rand_error(truth, with_borders_alone(found), ignore_labels=(0,))
    n = sums.pixels
    # scikit-image leaves out the pairs of a pixel with itself
    assert (sums.same_both - n) / (sums.same_found - n) == pytest.approx(precision)
    assert (sums.same_both - n) / (sums.same_true - n) == pytest.approx(recall)
    scores = rand_scores(truth, found)
    assert 0.1 < scores.v_rand < 0.99
    assert scores.rand_merge == pytest.approx(precision, abs=1e-2)
    assert scores.rand_split == pytest.approx(recall, abs=1e-2)


@pytest.mark.parametrize("seed", range(3))
def test_entropies_equal_the_variation_of_information_of_scikit_image(seed: int) -> None:
    truth, found = noisy_cells(seed)
    sums = partition_sums(truth, found)
    pair = variation_of_information(truth, with_borders_alone(found), ignore_labels=(0,))
    ours = sums.both_entropy - sums.true_entropy, sums.both_entropy - sums.found_entropy
    np.testing.assert_allclose(np.array(ours) / np.log(2), pair, atol=1e-9)
    scores = rand_scores(truth, found)
    mean = (sums.true_entropy + sums.found_entropy) / 2
    assert scores.v_info == pytest.approx(sums.mutual_information / mean)


def test_worked_examples() -> None:
    truth = np.array([[1, 1, 1, 1, 2, 2, 0]])
    shifted = rand_scores(truth, np.array([[1, 1, 2, 2, 2, 2, 2]]))
    assert shifted[:3] == pytest.approx((12 / 20, 12 / 20, 12 / 20))
    with_gap = rand_scores(truth, np.array([[1, 1, 0, 0, 2, 2, 3]]))
    assert with_gap[:3] == pytest.approx((20 / 30, 10 / 20, 1))
    h_true = np.log(6) - (4 * np.log(4) + 2 * np.log(2)) / 6
    h_found = np.log(6) - (2 * np.log(2) + 2 * np.log(2)) / 6
    assert with_gap[3:] == pytest.approx((2 * h_true / (h_true + h_found), h_true / h_found, 1))
    merged = rand_scores(truth, np.ones_like(truth))
    assert merged == pytest.approx((40 / 56, 1, 20 / 36, 0, 1, 0))


def test_pixels_that_do_not_count_change_nothing() -> None:
    truth, found = noisy_cells(1)
    held = truth.copy()
    held[:, 60:] = -1
    field = np.zeros(truth.shape, bool)
    field[:, :60] = True
    expected = rand_scores(truth[:, :60], found[:, :60])
    assert rand_scores(held, found) == expected
    assert rand_scores(truth, found, field) == expected


def test_one_cell_found_as_one_is_right_and_no_cells_have_no_score() -> None:
    one = np.ones((5, 5), np.int32)
    assert rand_scores(one, one) == (1, 1, 1, 1, 1, 1)
    assert np.isnan(rand_scores(np.zeros((5, 5), np.int32), one)).all()
    with pytest.raises(ValueError, match="expected 0 or more, found -1"):
        rand_scores(one, -one)


def test_the_truth_scores_1_at_every_threshold() -> None:
    inside = tiles()
    tally = MembraneTally()
    row = tally.update(1 - inside, inside, name="one")
    np.testing.assert_allclose(np.array(row.scores), 1, atol=1e-12)
    assert tally.best("v_rand") == (0.1, pytest.approx(1))


def test_thinning_forgives_wide_membranes_but_not_gaps() -> None:
    inside = tiles()
    wide = ndimage.binary_dilation(inside == 0, iterations=3).astype(float)
    gap = np.where(inside == 0, 1.0, 0.0)
    gap[44:52] = 0
    thinned, plain = MembraneTally([0.5]), MembraneTally([0.5], thinned=False)
    for tally in (thinned, plain):
        tally.update(wide, inside, name="wide")
    assert thinned.at(0.5).v_rand > 0.99
    assert plain.at(0.5).v_rand < 0.9
    opened = MembraneTally([0.5])
    opened.update(gap, inside)
    assert opened.at(0.5).rand_split > 0.98
    assert opened.at(0.5).rand_merge < 0.8


def test_grown_cells_keep_their_pixels_and_never_touch() -> None:
    cells = parted(tiles() > 0)
    lines = grown(cells)
    np.testing.assert_array_equal(lines[cells > 0], cells[cells > 0])
    for here, there in ((lines[1:], lines[:-1]), (lines[:, 1:], lines[:, :-1])):
        assert not ((here != there) & (here > 0) & (there > 0)).any()
    assert (lines == 0).sum() < 0.6 * (cells == 0).sum()


def test_the_sweep_finds_the_threshold_that_parts_the_cells() -> None:
    inside = tiles(3)
    membrane = 0.3 * ndimage.gaussian_filter(1.0 - inside, 1) + 0.02
    tally = MembraneTally()
    tally.update(membrane, inside)
    threshold, score = tally.best()
    assert threshold in (0.1, 0.2)
    assert score > 0.95
    assert tally.at(0.9).v_rand < 0.5
    assert score == tally.scores("v_rand").max()


def test_tallies_add_in_any_order_and_means_leave_out_pictures_without_cells() -> None:
    parts = []
    whole = MembraneTally([0.3, 0.6])
    for seed in range(3):
        inside = tiles(seed) if seed else np.zeros((SIDE, SIDE), np.int32)
        membrane = ndimage.gaussian_filter(1.0 - tiles(seed), 2)
        one = MembraneTally([0.3, 0.6])
        one.update(membrane, inside, name=str(seed))
        whole.update(membrane, inside, name=str(seed))
        parts.append(one)
    first, second, third = parts
    both = third + (first + second)
    assert [row.name for row in both.rows] == ["0", "1", "2"]
    for name in ("v_rand", "v_info"):
        np.testing.assert_array_equal(both.scores(name), whole.scores(name))
        np.testing.assert_array_equal(both.scores(name), (second + third).scores(name))
    assert np.isnan(first.best()).all()
    held = json.loads(json.dumps(summarise_membranes(both)))
    assert held["v_rand"] == max(held["v_rand_by_threshold"])
    assert summarise_membranes(MembraneTally())["v_rand"] is None


def test_bad_sweeps_are_refused() -> None:
    tally = MembraneTally([0.5])
    with pytest.raises(ValueError, match=r"expected a threshold of \(0.5,\), found 0.4"):
        tally.at(0.4)
    with pytest.raises(ValueError, match="make both alike"):
        tally + MembraneTally([0.5], thinned=False)
    with pytest.raises(ValueError, match="expected 1 threshold or more"):
        MembraneTally([])
    with pytest.raises(ValueError, match="crop the truth to the network's output"):
        tally.update(np.zeros((4, 4)), np.zeros((5, 5), np.int32))


@pytest.mark.real
def test_membranes_of_real_tissue_drawn_wider_or_thinner(data_dir: Path) -> None:
    label = np.array(Image.open(data_dir / "isbi2012_em" / "label" / "20.png"))
    inside = (label > 0).astype(np.int32)
    cross = ndimage.generate_binary_structure(2, 1)
    wide = ndimage.binary_erosion(inside, cross, border_value=1)
    thin = ndimage.binary_dilation(inside, cross)
    scores = {}
    for name, found in {"truth": inside, "wide": wide, "thin": thin}.items():
        tally = MembraneTally([0.5])
        tally.update(1.0 - found, inside)
        scores[name] = tally.at(0.5)
    np.testing.assert_allclose(scores["truth"], 1, atol=1e-9)
    assert scores["wide"].v_rand > 0.995
    assert scores["thin"].rand_split > 0.999
    assert scores["thin"].rand_merge < scores["wide"].rand_merge
