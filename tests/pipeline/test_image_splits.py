from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from image_samples import write_idx_set

from pipeline.image_split import held_out
from pipeline.images import ImageLoader, ImageSet


@pytest.mark.parametrize("parts", [1, 2])
def test_held_out_parts_share_nothing_and_are_balanced(parts: int) -> None:
    labels = np.repeat([0, 1, 2, 3], [200, 100, 40, 4])[np.random.default_rng(0).permutation(344)]
    groups = held_out(labels, parts)
    assert sorted(np.concatenate(groups).tolist()) == list(range(344))
    for group in groups[1:]:
        assert np.bincount(labels[group]).tolist() == [20, 10, 4, 1]
        assert (np.diff(group) > 0).all()
    for one, again in zip(groups, held_out(labels, parts), strict=True):
        np.testing.assert_array_equal(one, again)


def test_held_out_images_are_drawn_from_everywhere() -> None:
    _, held = held_out(np.zeros(1000, np.int64), 1)
    assert np.bincount(held // 200, minlength=5).min() > 5
    assert np.diff(held).max() > 20 > np.diff(held).min()
    assert held.tolist() != held_out(np.zeros(1000, np.int64), 1, seed=1)[1].tolist()


def test_nothing_to_hold_out_leaves_all() -> None:
    (all_of_it,) = held_out(np.array([0, 1, 0, 1]), 0)
    assert all_of_it.tolist() == [0, 1, 2, 3]
    alone = held_out(np.array([0]), 1)
    assert [group.tolist() for group in alone] == [[0], []]


def test_train_and_validation_of_a_set_do_not_overlap(tmp_path: Path) -> None:
    write_idx_set(tmp_path, count=90)
    images = ImageSet.open(tmp_path)
    seen = [
        {
            i
            for b in ImageLoader(images.split(part), 8).sweep()
            for i in b.frames[:, 0, 0, 0].tolist()
        }
        for part in ("train", "validation")
    ]
    assert not seen[0] & seen[1]
    assert seen[0] | seen[1] == set(range(90))
    assert images.split("validation").counts.tolist() == [3, 3, 3]
    assert "9 of the set's 90 images" in images.split("validation").origin
