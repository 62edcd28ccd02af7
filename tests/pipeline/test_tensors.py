from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from tensor_samples import CADENCE, FIRST, half_wet, make_store, numbered

from data_catalog.product import Period
from data_catalog.storms import Storms, write_storms
from pipeline.ingest import ingest
from pipeline.manifest import Acceptance
from pipeline.packed_frame import PackedFrame
from pipeline.packing import MISSING, pack
from pipeline.reflectivity import NO_ECHO, ZR
from pipeline.store import Store
from pipeline.tensor_set import TensorSet
from pipeline.tensors import build_tensors
from pipeline.wetness import block_means, saturation
from pipeline.windows import SPLITS, WindowRule, as_datetime64
from pipeline.writer import StoreWriter


def slots(first: int, last: int) -> tuple[Period, ...]:
    start = datetime(2026, 6, 1)
    cadence = timedelta(minutes=6)
    return (Period(start=start + first * cadence, end=start + last * cadence),)


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_frames_hold_every_used_frame_once_and_no_other(tmp_path: Path) -> None:
    dbz = numbered(40)
    store = make_store(tmp_path / "store.zarr", dbz, lost=(5, 20))
    splits = {"train": slots(0, 18), "test": slots(22, 39)}
    tensors = build_tensors(store, tmp_path / "tensors", splits=splits)
    used = [*range(5), *range(6, 19), *range(22, 40)]
    np.testing.assert_array_equal(tensors.frames, pack(dbz[used]))
    assert isinstance(tensors.frames, np.memmap)


def test_each_window_is_its_consecutive_slots_of_the_store(tmp_path: Path) -> None:
    dbz = numbered(60)
    store = make_store(tmp_path / "store.zarr", dbz, lost=(9, 30, 31))
    rule = WindowRule(4, 1)
    tensors = build_tensors(store, tmp_path / "tensors", rule)
    for split in SPLITS:
        windows = tensors.windows(split)
        assert len(windows) == tensors.manifest.splits[split].windows > 0
        for start, issue_time in zip(windows.start, windows.issue_time, strict=True):
            first = store.slot(issue_time) - rule.past + 1
            np.testing.assert_array_equal(
                tensors.frames[start : start + 5], store.read(first, first + 5)
            )
            assert store.observed[first : first + 5].all()


def test_windows_of_the_splits_share_no_frame_and_lie_in_their_periods(tmp_path: Path) -> None:
    tensors = build_tensors(make_store(tmp_path / "s.zarr", numbered(80)), tmp_path / "t")
    used: set[int] = set()
    for split in SPLITS:
        windows = tensors.windows(split)
        frames = {int(start) + k for start in windows.start for k in range(5)}
        assert not used & frames
        used |= frames
        (period,) = tensors.manifest.splits[split].periods
        assert (windows.issue_time - 2 * CADENCE >= as_datetime64(period.start)).all()
        assert (windows.issue_time + 2 * CADENCE <= as_datetime64(period.end)).all()


def test_the_catalog_s_splits_come_before_the_fractions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = (
        '[products.mine]\ntitle="t"\nprovider="p"\nlicence="l"\nobtain="o"\nreader="cf_netcdf"\n'
        "cadence_minutes=6\nzr_a=200\nzr_b=1.6\n[products.mine.splits]\n"
        "train=[{start=2026-06-01T02:00:00,end=2026-06-01T03:54:00}]\n"
        "test=[{start=2026-06-01T00:00:00,end=2026-06-01T01:00:00}]\n"
    )
    (tmp_path / "mine.toml").write_text(entry)
    monkeypatch.setenv("NOWCAST_CATALOG", str(tmp_path / "mine.toml"))
    store = make_store(tmp_path / "store.zarr", numbered(40), product="mine")
    splits = build_tensors(store, tmp_path / "tensors").manifest.splits
    assert {name: split.windows for name, split in splits.items()} == {"train": 16, "test": 7}


def test_late_and_revised_frames_are_used_like_any_other(tmp_path: Path) -> None:
    dbz = numbered(30)
    store = make_store(tmp_path / "store.zarr", dbz, lost=(12,))
    with StoreWriter(store.address) as writer:
        late = PackedFrame.of(dbz[12], FIRST + 12 * CADENCE, "late.nc", store.zr)
        revised = PackedFrame.of(dbz[3] + 1, FIRST + 3 * CADENCE, "revised.nc", store.zr)
        assert writer.fill([late, revised]) == ["late", "revised"]
    splits = {"train": slots(0, 29)}
    tensors = build_tensors(Store.open(store.address), tmp_path / "tensors", splits=splits)
    assert len(tensors.windows("train")) == 26
    np.testing.assert_array_equal(tensors.frames[3], pack(dbz[3] + 1))
    np.testing.assert_array_equal(tensors.frames[12], pack(dbz[12]))


def test_the_manifest_tells_what_the_set_was_made_from(tmp_path: Path) -> None:
    store = make_store(tmp_path / "store.zarr", numbered(30))
    manifest = build_tensors(
        store, tmp_path / "tensors", WindowRule(2, 3), {"train": slots(4, 29)}, Acceptance(gain=1)
    ).manifest
    assert (manifest.product, manifest.cadence_minutes) == ("made_up", 6)
    assert (manifest.zr_a, manifest.zr_b, manifest.pixel_m) == (200, 1.6, 1000)
    assert (manifest.past, manifest.future, manifest.acceptance.gain) == (2, 3, 1)
    assert (manifest.frames, manifest.height, manifest.width) == (26, 24, 30)
    assert manifest.period == slots(4, 29)[0]
    assert manifest.store_fingerprint == store.fingerprint(slice(4, 30))
    assert manifest.store_fingerprint != store.fingerprint()
    assert (manifest.store, manifest.store_snapshot) == (str(tmp_path / "store.zarr"), None)
    assert {name: n for name, n in manifest.statuses.items() if n} == {"observed": 26}
    assert {name: split.windows for name, split in manifest.splits.items()} == {"train": 22}
    assert TensorSet.open(tmp_path / "tensors").rule == WindowRule(2, 3)
    assert TensorSet.open(tmp_path / "tensors").zr == ZR(200, 1.6)


def test_building_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    store = make_store(tmp_path / "store.zarr", numbered(40))
    build_tensors(store, tmp_path / "one")
    build_tensors(store, tmp_path / "two")
    assert bytes_of(tmp_path / "one") == bytes_of(tmp_path / "two")


def test_a_set_that_is_current_is_left_as_it_is(tmp_path: Path) -> None:
    store = make_store(tmp_path / "store.zarr", numbered(40))
    build_tensors(store, tmp_path / "tensors")
    inode = (tmp_path / "tensors" / "frames.npy").stat().st_ino
    build_tensors(store, tmp_path / "tensors")
    assert (tmp_path / "tensors" / "frames.npy").stat().st_ino == inode


def test_a_set_of_another_record_or_a_damaged_one_is_replaced(tmp_path: Path) -> None:
    out = tmp_path / "tensors"
    build_tensors(make_store(tmp_path / "one.zarr", numbered(40)), out)
    store = make_store(tmp_path / "two.zarr", numbered(50))
    assert build_tensors(store, out).manifest.store_fingerprint == store.fingerprint()
    (out / "frames.npy").write_bytes(b"")
    assert len(build_tensors(store, out).frames) == TensorSet.open(out).manifest.frames


def test_something_else_is_never_replaced(tmp_path: Path) -> None:
    out = tmp_path / "letters"
    out.mkdir()
    (out / "dear.txt").write_text("sir")
    with pytest.raises(FileExistsError, match="expected a tensor set to replace"):
        build_tensors(make_store(tmp_path / "store.zarr", numbered(40)), out)
    assert (out / "dear.txt").read_text() == "sir"


@pytest.mark.parametrize(
    ("count", "lost"), [(1, ()), (4, ()), (15, (2, 5, 8, 11, 14))], ids=["one", "four", "holes"]
)
def test_a_store_without_a_whole_window_is_refused(
    tmp_path: Path, count: int, lost: tuple[int, ...]
) -> None:
    store = make_store(tmp_path / "store.zarr", numbered(count), lost)
    with pytest.raises(ValueError, match=r"store.zarr: expected 5 frames in a row, found none"):
        build_tensors(store, tmp_path / "tensors")
    assert not (tmp_path / "tensors").exists()


def test_a_split_without_a_window_is_refused_by_its_name_and_period(tmp_path: Path) -> None:
    store = make_store(tmp_path / "store.zarr", numbered(30))
    splits = {"train": slots(0, 20), "test": slots(100, 130)}
    with pytest.raises(ValueError, match=r"no 5 frames in a row for test \(2026-06-01 10:00 –"):
        build_tensors(store, tmp_path / "tensors", splits=splits)


@pytest.mark.parametrize("value", [NO_ECHO, np.nan], ids=["dry", "missing"])
def test_a_record_all_dry_or_all_missing_makes_a_set(tmp_path: Path, value: float) -> None:
    store = make_store(tmp_path / "store.zarr", np.full((40, 20, 20), value, np.float32))
    windows = build_tensors(store, tmp_path / "tensors").windows("train")
    assert len(windows) > 0
    assert not windows.wetness.any()
    np.testing.assert_array_equal(windows.seen, np.isfinite(value))


def test_an_event_cut_short_adds_the_windows_it_has(tmp_path: Path) -> None:
    dbz = numbered(40)
    lost = (*range(25, 30), 33)
    tensors = build_tensors(
        make_store(tmp_path / "store.zarr", dbz, lost),
        tmp_path / "tensors",
        splits={"train": slots(0, 29), "test": slots(30, 59)},
    )
    assert len(tensors.windows("train")) == 21
    assert len(tensors.windows("test")) == 2


def test_wetness_is_the_saturated_rain_of_the_window_by_block(tmp_path: Path) -> None:
    dbz = half_wet(20)
    dbz[:, 32:] = np.nan
    store = make_store(tmp_path / "store.zarr", dbz)
    splits = {"train": slots(0, 19)}
    windows = build_tensors(store, tmp_path / "tensors", splits=splits).windows("train")
    wet = 1 - np.exp(-ZR(200, 1.6).rain_rate(np.array(40.0)))
    expected = np.zeros((len(windows), 3, 3))
    expected[:, 0, 0] = wet
    np.testing.assert_allclose(windows.wetness, expected, atol=1e-3)
    np.testing.assert_array_equal(windows.seen, np.broadcast_to([[1], [0], [0]], (16, 3, 3)))


def test_saturation_rises_from_nothing_to_one() -> None:
    table = saturation(ZR(200, 1.6), 1.0)
    dbz = np.array([np.nan, NO_ECHO, 10, 23.01, 40, 60], np.float32)
    found = table[pack(dbz).view(np.uint16)]
    np.testing.assert_allclose(found[[0, 1, 5]], [0, 0, 1], atol=1e-6)
    assert found[3] == pytest.approx(1 - np.exp(-1), abs=1e-3)
    assert (np.diff(found[1:]) > 0).all()


def test_block_means_add_to_the_whole() -> None:
    values = np.random.default_rng(0).random((2, 50, 70)).astype(np.float32)
    means = block_means(values, 32)
    assert means.shape == (2, 2, 3)
    areas = np.outer([32, 18], [32, 32, 6])
    np.testing.assert_allclose((means * areas).sum((1, 2)), values.sum((1, 2)), rtol=1e-5)


def test_windows_of_periods_that_alternate_are_their_split_s_own(tmp_path: Path) -> None:
    dbz = np.full((60, 40, 40), NO_ECHO, np.float32)
    dbz[20:40] = 40
    splits = {"train": slots(0, 19) + slots(40, 59), "test": slots(20, 39)}
    store = make_store(tmp_path / "store.zarr", dbz)
    tensors = build_tensors(store, tmp_path / "tensors", splits=splits)
    train, test = tensors.windows("train"), tensors.windows("test")
    assert (len(train), len(test), len(tensors.windows("validation"))) == (32, 16, 0)
    assert (np.diff(train.issue_time) > 0).all()
    assert train.wetness.max() == 0 < 0.9 < test.wetness.min()
    assert isinstance(train.wetness.base, np.memmap)
    assert isinstance(test.seen.base, np.memmap)


def test_storms_from_files_to_tensors(tmp_path: Path) -> None:
    storms = Storms(height=64, width=80, frames=30, lost=(20,))
    ingest(write_storms(tmp_path / "files", storms), tmp_path / "store.zarr", product="storms")
    tensors = build_tensors(Store.open(tmp_path / "store.zarr"), tmp_path / "tensors")
    assert tensors.manifest.product == "storms"
    np.testing.assert_array_equal(tensors.frames[0] == MISSING, ~storms.visible())
    assert tensors.windows("train").wetness.max() > 0.05
