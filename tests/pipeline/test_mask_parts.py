from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from mask_folders import save, write_set

from pipeline.masks import MaskSet, MaskSplit
from pipeline.masks.parts import Parts, by_block, by_picture, by_subject, without_scenes

PARTS = ("train", "validation", "test")


def names_of(split: MaskSplit) -> set[str]:
    return {split.name_of(i) for i in range(len(split))}


@pytest.mark.parametrize("count", [3, 7, 10, 50])
def test_pictures_fall_into_three_parts_of_which_none_shares_one(count: int) -> None:
    members = by_picture(["one"] * count, [1] * count, "here").members
    together = np.concatenate([members[part] for part in PARTS])
    assert np.array_equal(np.sort(together), np.arange(count))
    assert all(members[part].size for part in PARTS)
    again = by_picture(["one"] * count, [1] * count, "here").members
    assert all(np.array_equal(members[part], again[part]) for part in PARTS)


def test_no_picture_tests_of_whose_scene_another_part_has_a_piece() -> None:
    members = {"train": np.array([0, 1]), "validation": np.array([2]), "test": np.array([3, 4, 5])}
    parts = Parts(members, "drawn")
    names = ["a", "b", "c", "d", "e", "f"]
    left = without_scenes(parts, names, [("a", "d"), ("c", "f"), ("e", "g"), ("a", "b")])
    assert left.members["test"].tolist() == [4]
    assert left.members["train"].tolist() == [0, 1]
    assert left.how == "drawn, 2 that share scenes with another part left out of the test"
    assert without_scenes(parts, names, [("d", "e"), ("x", "y")]) is parts


@pytest.mark.real
def test_no_nucleus_of_the_test_lies_beside_one_of_another_part(data_dir: Path) -> None:
    images = MaskSet.open("dsb2018_nuclei", data_dir)
    apart = names_of(images.split("train")) | names_of(images.split("validation"))
    for scene in images.scenes:
        assert not names_of(images.split("test")) & set(scene) or not apart & set(scene)
    assert "1 picture that shares its scene with another part" in images.split("test").origin


def test_every_kind_and_every_size_comes_into_every_part() -> None:
    kinds = ["dark"] * 40 + ["light"] * 10
    sizes = [100, 200] * 20 + [100] * 10
    members = by_picture(kinds, sizes, "here").members
    for part, share in (("validation", 0.1), ("test", 0.2)):
        own = members[part]
        assert sum(kinds[i] == "light" for i in own) == 10 * share
        dark = [sizes[i] for i in own if kinds[i] == "dark"]
        assert dark.count(100) == dark.count(200) == 20 * share


@pytest.mark.parametrize("count", [5, 12, 24, 30])
def test_blocks_of_slices_leave_one_out_at_both_seams(count: int) -> None:
    members = by_block(count, "here").members
    assert members["train"][0] == 0
    assert members["test"][-1] == count - 1
    for earlier, later in (("train", "validation"), ("validation", "test")):
        assert members[later][0] - members[earlier][-1] == 2
    assert all((np.diff(members[part]) == 1).all() for part in PARTS)
    with pytest.raises(ValueError, match=r"at least 5 slices .*found 4"):
        by_block(4, "here")


def test_no_subject_is_in_two_parts() -> None:
    subjects = [f"child {k // 2}" for k in range(20)]
    members = by_subject(subjects, "here").members
    groups = [{subjects[i] for i in members[part]} for part in PARTS]
    assert [len(group) for group in groups] == [7, 1, 2]
    assert len(set.union(*groups)) == 10
    with pytest.raises(ValueError, match=r"at least 3 subjects .*found 2"):
        by_subject(["a", "b", "a"], "here")


def test_parts_that_a_folder_names_are_taken(tmp_path: Path) -> None:
    pictures = [f"p{k}x" for k in range(10)]
    write_set(tmp_path / "train", pictures)
    write_set(tmp_path / "test", ["t1x", "t2x"])
    found = MaskSet.open(tmp_path)
    train, validation, test = (found.split(part) for part in PARTS)  # type: ignore[arg-type]
    assert names_of(test) == {"t1x", "t2x"}
    assert names_of(train) | names_of(validation) == set(pictures)
    assert (len(train), len(validation)) == (9, 1)
    assert test.origin == "the 2 pictures of the folder test"


def test_both_eyes_stay_together_and_both_observers_are_read(tmp_path: Path) -> None:
    vessel = np.zeros((40, 40), bool)
    vessel[18:21] = True
    yy, xx = np.ogrid[:40, :40]
    eye = np.where((yy - 20) ** 2 + (xx - 20) ** 2 < 300, 120, 4).astype(np.uint8)
    for child in range(1, 6):
        for side in "LR":
            save(np.stack([eye] * 3, 2), tmp_path / f"Image_{child:02d}{side}.jpg", quality=95)
            save(vessel, tmp_path / f"Image_{child:02d}{side}_1stHO.png")
            save(vessel.T, tmp_path / f"Image_{child:02d}{side}_2ndHO.png")
    found = MaskSet.open(tmp_path)
    test = found.split("test")
    assert found.split_by == "subject"
    assert len(test) == 2
    assert len({name[:-1] for name in names_of(test)}) == 1
    assert np.array_equal(test.label(0), vessel)
    second = test.second(0)
    assert second is not None
    assert np.array_equal(second, vessel.T)
    wrong = test.field(0) != (eye > 100)
    assert 0 <= wrong.mean() < 0.12
    assert not test.field(0)[0, 0]


@pytest.mark.real
@pytest.mark.parametrize(
    ("name", "kind", "split_by", "sizes"),
    [
        ("isbi2012_em", "semantic", "block", (15, 2, 5)),
        ("dsb2018_nuclei", "instances", "picture", (35, 5, 9)),
        ("chase_db1", "semantic", "subject", (14, 2, 4)),
    ],
)
def test_the_sets_of_the_catalog_are_split_by_what_resembles(
    data_dir: Path, name: str, kind: str, split_by: str, sizes: tuple[int, ...]
) -> None:
    found = MaskSet.open(name, data_dir)
    splits = [found.split(part) for part in PARTS]  # type: ignore[arg-type]
    assert (found.kind, found.split_by) == (kind, split_by)
    assert tuple(map(len, splits)) == sizes
    groups = [names_of(split) for split in splits]
    assert sum(map(len, groups)) == len(set.union(*groups))
    picture, label = splits[2].picture(0), splits[2].label(0)
    assert picture.shape == (found.channels, *label.shape)
    assert 0.01 < (splits[2].semantic(0) > 0).mean() < 0.9
