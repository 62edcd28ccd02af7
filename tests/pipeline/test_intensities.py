"""How many pixels of the training frames are missing, dry and wet."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pytest
from tensor_samples import FIRST, make_store, numbered, periods

from pipeline.intensities import CLASSES, EDGES_DBZ, Intensities, count_intensities
from pipeline.manifest import Manifest
from pipeline.packing import pack
from pipeline.quality import Shares
from pipeline.reflectivity import NO_ECHO, ZR
from pipeline.store import Store
from pipeline.tensors import build_tensors

MARSHALL_PALMER = ZR(200, 1.6)


def test_each_pixel_is_in_the_class_of_its_reflectivity() -> None:
    dbz = [np.nan, np.nan, NO_ECHO, 7.0, 7.02, 9.99, 10, 14.99, 15, 64.99, 65, 90]
    (counts,) = count_intensities(pack(np.array(dbz).reshape(1, 3, 4)), MARSHALL_PALMER)
    missing, dry, *wet = counts.tolist()
    assert (missing, dry) == (2, 2)
    met = {edge: count for edge, count in zip((0, *EDGES_DBZ), wet, strict=True) if count}
    assert met == {5: 2, 10: 2, 15: 1, 60: 1, 65: 2}


def test_every_pixel_is_counted_once_and_wet_ones_are_those_of_the_wet_share() -> None:
    rng = np.random.default_rng(3)
    dbz = rng.uniform(-40, 80, (5, 30, 40))
    dbz[rng.random(dbz.shape) < 0.2] = np.nan
    packed = pack(dbz)
    counts = count_intensities(packed, ZR(256, 1.42))
    assert counts.shape == (5, CLASSES)
    assert (counts.sum(1) == 30 * 40).all()
    for frame, row in zip(packed, counts, strict=True):
        assert row[2:].sum() / row[1:].sum() == Shares.of(frame, ZR(256, 1.42)).wet


def test_intensities_are_kept_by_day() -> None:
    counts = np.arange(3 * CLASSES).reshape(3, CLASSES)
    times = np.array(["2026-06-01T23:55", "2026-06-02T00:00", "2026-06-01T00:00"], "M8[ns]")
    days = Intensities.of(times, counts).days
    assert days[date(2026, 6, 1)] == tuple(counts[0] + counts[2])
    assert days[date(2026, 6, 2)] == tuple(counts[1])


def test_a_set_tells_the_intensities_of_the_frames_that_train_and_of_no_others(
    tmp_path: Path,
) -> None:
    dbz = numbered(50)
    dbz[30:] = 40
    splits = {"train": periods((0, 29)), "validation": periods((30, 39)), "test": periods((40, 49))}
    store = make_store(tmp_path / "store.zarr", dbz, lost=(9,))
    manifest = build_tensors(store, tmp_path / "tensors", splits=splits).manifest
    trained = [slot for slot in range(30) if slot != 9]
    expected = count_intensities(pack(dbz[trained]), store.zr).sum(0)
    assert manifest.training_intensities is not None
    assert manifest.training_intensities.days == {FIRST.astype("M8[D]").item(): tuple(expected)}
    told = manifest.provenance()["training_intensities"]
    assert Intensities.model_validate(told) == manifest.training_intensities


def test_a_set_from_before_intensities_is_read_and_is_the_same_set(tmp_path: Path) -> None:
    store = make_store(tmp_path / "store.zarr", numbered(40))
    built = build_tensors(store, tmp_path / "tensors")
    older = built.manifest.model_copy(update={"training_intensities": None})
    path = tmp_path / "tensors" / "manifest.json"
    path.write_text(older.model_dump_json(exclude={"training_intensities"}))
    assert Manifest.read(built.path).training_intensities is None
    written = path.stat().st_mtime_ns
    assert build_tensors(store, built.path).manifest.content() == built.manifest.content()
    assert path.stat().st_mtime_ns == written


def test_counts_of_other_classes_are_refused() -> None:
    with pytest.raises(ValueError, match="intensities of 2026-06-01: expected 16 counts, found 2"):
        Intensities(days={date(2026, 6, 1): (1, 2)})


def test_a_set_whose_store_moved_keeps_its_intensities(tmp_path: Path) -> None:
    store = make_store(tmp_path / "store.zarr", numbered(50))
    before = build_tensors(store, tmp_path / "tensors").manifest
    Path(store.address).rename(tmp_path / "moved.zarr")
    build_tensors(Store.open(tmp_path / "moved.zarr"), tmp_path / "tensors")
    after = Manifest.read(tmp_path / "tensors")
    assert after.store != before.store
    assert after.training_intensities == before.training_intensities is not None
