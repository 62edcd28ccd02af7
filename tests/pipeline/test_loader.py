from __future__ import annotations

import gc
import threading
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from tensor_samples import half_wet, make_store, numbered

from data_catalog.storms import Storms
from pipeline.batch import Batches
from pipeline.loader import WindowLoader, turned
from pipeline.manifest import Acceptance
from pipeline.packing import pack, unpack
from pipeline.prefetch import prefetch
from pipeline.reflectivity import NO_ECHO, ZR
from pipeline.tensor_set import TensorSet
from pipeline.tensors import build_tensors
from pipeline.windows import WindowRule


@pytest.fixture(scope="module")
def storms(tmp_path_factory: pytest.TempPathFactory) -> TensorSet:
    folder = tmp_path_factory.mktemp("storms")
    dbz = Storms(height=160, width=176, frames=40, seed=1).dbz()
    return build_tensors(make_store(folder / "store.zarr", dbz, lost=(7,)), folder / "tensors")


def tensors_of(
    folder: Path, dbz: np.ndarray, rule: WindowRule | None = None, name: str = "tensors"
) -> TensorSet:
    return build_tensors(make_store(folder / f"{name}.zarr", dbz), folder / name, rule)


def same(one: torch.Tensor, other: torch.Tensor) -> bool:
    return torch.equal(one.nan_to_num(-999), other.nan_to_num(-999))


def test_a_batch_is_float32_dbz_with_nan_where_missing(storms: TensorSet) -> None:
    frames, label, _ = WindowLoader([storms], batch_size=6, crop=64).batch(0)
    assert (frames.shape, frames.dtype, label) == ((6, 5, 64, 64), torch.float32, None)
    dry, missing = frames == NO_ECHO, torch.isnan(frames)
    assert (dry | missing | ((frames >= 7) & (frames < 60))).all()
    assert dry.any()
    assert missing.any()


def test_every_sample_is_a_piece_of_consecutive_frames(tmp_path: Path) -> None:
    dbz = numbered(60)
    tensors = tensors_of(tmp_path, dbz)
    loader = WindowLoader([tensors], batch_size=20, crop=16, augment=False)
    crops, batch = loader.draw(3), loader.batch(3).frames.numpy()
    starts = tensors.windows("train").start[crops.window]
    for sample, start, top, left in zip(batch, starts, crops.top, crops.left, strict=True):
        whole = unpack(pack(dbz[start : start + 5]))
        np.testing.assert_array_equal(sample, whole[:, top : top + 16, left : left + 16])


def test_batch_n_depends_on_the_seed_and_n_alone(storms: TensorSet) -> None:
    loader = WindowLoader([storms], batch_size=4, crop=48, seed=5)
    batches = [loader.batch(n).frames for n in range(4)]
    assert all(same(loader.batch(n).frames, batches[n]) for n in (3, 1, 0, 2))
    again = WindowLoader([storms], batch_size=4, crop=48, seed=5)
    assert same(again.batch(2).frames, batches[2])
    other = WindowLoader([storms], batch_size=4, crop=48, seed=6)
    assert not same(other.batch(2).frames, batches[2])
    assert not same(batches[0], batches[1])


@pytest.mark.parametrize("threads", [0, 1, 4])
def test_the_stream_is_the_same_with_any_number_of_threads(storms: TensorSet, threads: int) -> None:
    loader = WindowLoader([storms], batch_size=3, crop=48, threads=threads)
    stream = list(loader.stream(2, 14))
    assert len(stream) == 12
    assert all(same(batch.frames, loader.batch(2 + k).frames) for k, batch in enumerate(stream))


def test_a_resumed_stream_goes_on_as_the_whole_one(storms: TensorSet) -> None:
    loader = WindowLoader([storms], batch_size=3, crop=48)
    whole = list(loader.stream(0, 9))
    cut = [*loader.stream(0, 4), *loader.stream(4, 9)]
    assert all(same(a.frames, b.frames) for a, b in zip(whole, cut, strict=True))


def test_wet_crops_are_favoured_and_dry_ones_still_drawn(tmp_path: Path) -> None:
    tensors = tensors_of(tmp_path, half_wet(40))
    loader = WindowLoader([tensors], batch_size=64, crop=32, augment=False)
    left = np.concatenate([loader.draw(n).left for n in range(30)])
    uniform_wet_share = np.mean(np.arange(65) < 16)
    assert np.mean(left < 16) > 2.5 * uniform_wet_share
    dry_share = np.mean(left >= 48)
    uniform_dry_share = np.mean(np.arange(65) >= 48)
    assert 0 < dry_share < 0.2 * uniform_dry_share


def test_windows_are_drawn_as_often_as_their_acceptance_says(tmp_path: Path) -> None:
    dbz = np.full((70, 40, 40), NO_ECHO, np.float32)
    dbz[:18] = 15
    acceptance = Acceptance(least=0.1, gain=1.5)
    store = make_store(tmp_path / "store.zarr", dbz)
    tensors = build_tensors(store, tmp_path / "tensors", acceptance=acceptance)
    loader = WindowLoader([tensors], batch_size=64, crop=40)
    drawn = np.concatenate([loader.draw(n).window for n in range(150)])
    counts = np.bincount(drawn, minlength=len(loader))
    wetness = np.zeros(len(loader))
    for k in range(5):
        wetness[: 18 - k] += (1 - np.exp(-ZR(200, 1.6).rain_rate(np.array(15.0)))) / 5
    expected = 0.1 + 1.5 * wetness
    expected *= drawn.size / expected.sum()
    assert expected.max() > 4 * expected.min()
    assert np.abs(counts - expected).max() < 5 * np.sqrt(expected.max())


def test_without_gain_windows_are_drawn_uniformly(tmp_path: Path) -> None:
    store = make_store(tmp_path / "store.zarr", half_wet(60))
    acceptance = Acceptance(least=1, gain=0)
    tensors = build_tensors(store, tmp_path / "tensors", acceptance=acceptance)
    loader = WindowLoader([tensors], batch_size=64, crop=32)
    left = np.concatenate([loader.draw(n).left for n in range(40)])
    assert np.mean(left < 16) == pytest.approx(np.mean(np.arange(65) < 16), abs=0.03)


def test_a_sweep_is_every_window_once_in_order_and_not_favoured(tmp_path: Path) -> None:
    dbz = numbered(60)
    tensors = tensors_of(tmp_path, dbz)
    loader = WindowLoader([tensors], "train", batch_size=8, crop=16)
    frames = torch.cat([batch.frames for batch in loader.sweep()]).numpy()
    starts = tensors.windows("train").start
    assert len(frames) == len(loader) == len(starts)
    for sample, start in zip(frames, starts, strict=True):
        whole = unpack(pack(dbz[start : start + 5]))
        np.testing.assert_array_equal(sample, whole[:, 4:20, 7:23])


def test_sweeps_of_all_splits_share_no_frame(tmp_path: Path) -> None:
    tensors = tensors_of(tmp_path, np.full((80, 20, 20), 0.0) + np.arange(80)[:, None, None] / 2)
    seen: set[float] = set()
    for split in ("train", "validation", "test"):
        loader = WindowLoader([tensors], split, crop=8)
        values = set(torch.cat([b.frames.flatten() for b in loader.sweep()]).tolist())
        drawn = set(loader.batch(0).frames.flatten().tolist())
        assert drawn <= values
        assert not seen & values
        seen |= values


@pytest.mark.parametrize("turn", range(8))
def test_a_turn_is_one_of_the_eight_and_leaves_time_alone(turn: int) -> None:
    frames = np.arange(18, dtype=np.int16).reshape(2, 3, 3)
    result = turned(frames, turn)
    expected = np.rot90(frames[0, :, ::-1] if turn >= 4 else frames[0], turn % 4)
    np.testing.assert_array_equal(result[0], expected)
    np.testing.assert_array_equal(result[1] - result[0], 9)


def test_all_eight_turns_are_drawn_and_none_without_augmentation(storms: TensorSet) -> None:
    turns = [
        {int(t) for n in range(8) for t in WindowLoader([storms], augment=a, crop=64).draw(n).turn}
        for a in (True, False)
    ]
    assert turns == [set(range(8)), {0}]


def test_a_turned_batch_holds_the_same_pixels(storms: TensorSet) -> None:
    loader = WindowLoader([storms], batch_size=16, crop=64, seed=2)
    plain = loader._gather(loader.draw(0)._replace(turn=np.zeros(16, np.int64))).frames
    batch, turns = loader.batch(0).frames, loader.draw(0).turn.tolist()
    assert len(set(turns)) > 3
    for sample, original, turn in zip(batch.numpy(), plain.numpy(), turns, strict=True):
        views = [turned(original, k) for k in range(8)]
        matches = [np.array_equal(sample, view, equal_nan=True) for view in views]
        assert any(matches)
        assert matches[0] == (turn == 0)


def test_crops_are_at_least_half_seen_where_they_can_be(tmp_path: Path) -> None:
    dbz = half_wet(40, 128, 128)
    dbz[:, :64] = np.nan
    loader = WindowLoader([tensors_of(tmp_path, dbz)], batch_size=64, crop=32)
    for n in range(4):
        latest = loader.batch(n).frames[:, 2]
        assert torch.isfinite(latest).float().mean((1, 2)).min() >= 0.5


@pytest.mark.parametrize("value", [NO_ECHO, np.nan], ids=["dry", "missing"])
def test_a_record_all_dry_or_all_missing_still_gives_batches(tmp_path: Path, value: float) -> None:
    tensors = tensors_of(tmp_path, np.full((40, 40, 40), value, np.float32))
    frames = WindowLoader([tensors], batch_size=8, crop=32).batch(0).frames
    assert frames.shape == (8, 5, 32, 32)
    assert (torch.isnan(frames) if np.isnan(value) else frames == value).all()
    assert len(set(WindowLoader([tensors], batch_size=8, crop=32).draw(0).window.tolist())) > 2


def test_a_grid_smaller_than_the_crop_is_padded_with_missing_pixels(tmp_path: Path) -> None:
    dbz = numbered(40, 20, 31)
    tensors = tensors_of(tmp_path, dbz)
    loader = WindowLoader([tensors], batch_size=4, crop=32, augment=False)
    for frames in (loader.batch(0).frames, next(loader.sweep()).frames):
        known = torch.isfinite(frames)
        assert known[:, :, 6:26, 1:32].sum() == known.sum() == 4 * 5 * 20 * 31
    turned_frames = WindowLoader([tensors], batch_size=4, crop=32).batch(0).frames
    assert torch.isfinite(turned_frames).sum() == 4 * 5 * 20 * 31


def test_several_radars_with_grids_of_their_own_mix_in_one_batch(tmp_path: Path) -> None:
    wide = tensors_of(tmp_path, np.full((40, 40, 70), 20, np.float32), name="wide")
    small = tensors_of(tmp_path, np.full((40, 20, 20), 30, np.float32), name="small")
    loader = WindowLoader([wide, small], batch_size=32, crop=32)
    assert len(loader) == len(wide.windows("train")) + len(small.windows("train"))
    batch = loader.batch(0).frames
    assert {20.0, 30.0} == set(batch[torch.isfinite(batch)].tolist())
    swept = torch.cat([b.frames for b in loader.sweep()])
    middle = swept[:, 0, 16, 16].tolist()
    assert middle == [20] * len(wide.windows("train")) + [30] * len(small.windows("train"))


def test_sets_of_different_window_rules_are_refused(tmp_path: Path) -> None:
    one = tensors_of(tmp_path, numbered(40), name="one")
    other = tensors_of(tmp_path, numbered(40), WindowRule(2, 2), name="other")
    with pytest.raises(ValueError, match="expected tensor sets of one window rule, found 2"):
        WindowLoader([one, other])
    with pytest.raises(ValueError, match="one window rule, found 0"):
        WindowLoader([])


@pytest.mark.parametrize("wrong", [{"batch_size": 0}, {"crop": 0}])
def test_empty_batches_are_refused(storms: TensorSet, wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="batch_size and crop of 1 or more"):
        WindowLoader([storms], **wrong)


def test_the_loader_is_what_training_asks_for(storms: TensorSet) -> None:
    batches: Batches = WindowLoader([storms], batch_size=2, crop=32)
    assert next(batches.stream(0, 1)).frames.shape == next(batches.sweep()).frames.shape


def test_a_stream_stays_only_a_few_batches_ahead() -> None:
    made: list[int] = []

    def make(n: int) -> int:
        made.append(n)
        return n

    stream = prefetch(make, range(10**9), threads=2)
    assert list(islice(stream, 3)) == [0, 1, 2]
    time.sleep(0.05)
    assert len(made) <= 3 + 2 * 2 + 1


def wait_for_no_loader_thread() -> list[str]:
    for _ in range(100):
        names = [t.name for t in threading.enumerate() if t.name.startswith("loader")]
        if not names:
            return []
        time.sleep(0.02)
    return names


@pytest.mark.parametrize("way", ["close", "forget"])
def test_a_consumer_that_stops_early_leaves_no_thread(storms: TensorSet, way: str) -> None:
    stream: Iterator[object] | None = WindowLoader([storms], crop=32, threads=3).stream(0, 10**9)
    assert stream is not None
    next(stream)
    if way == "close":
        stream.close()  # type: ignore[attr-defined]
    stream = None
    gc.collect()
    assert wait_for_no_loader_thread() == []


def test_what_fails_in_a_thread_reaches_the_consumer() -> None:
    def make(n: int) -> int:
        if n == 3:
            raise OSError("disk is gone")
        return n

    stream = prefetch(make, range(9), threads=2)
    assert list(islice(stream, 3)) == [0, 1, 2]
    with pytest.raises(OSError, match="disk is gone"):
        next(stream)
    assert wait_for_no_loader_thread() == []
