from __future__ import annotations

from datetime import timedelta
from itertools import islice, pairwise
from pathlib import Path

import numpy as np
import pytest

from data_catalog.cells import Cells
from data_catalog.storms import (
    NO_ECHO,
    WEAKEST_ECHO,
    Storms,
    demo_events,
    event_periods,
    write_storms,
)
from data_catalog.texture import textures
from pipeline.frames import Grid, zr_of
from pipeline.readers.cf_netcdf import read
from pipeline.reflectivity import ZR

SMALL = Storms(height=96, width=112, frames=12, seed=1)


def moved(frame: np.ndarray, motion: np.ndarray, steps: int) -> np.ndarray:
    """The frame carried along, pixel by pixel; NaN where the air comes from outside."""
    y, x = np.indices(frame.shape)
    column = np.rint(x - steps * motion[0]).astype(int)
    row = np.rint(y - steps * motion[1]).astype(int)
    inside = (row >= 0) & (row < frame.shape[0]) & (column >= 0) & (column < frame.shape[1])
    return np.where(inside, frame[row * inside, column * inside], np.nan)


def csi(forecast: np.ndarray, observed: np.ndarray, threshold: float) -> float:
    known = np.isfinite(forecast) & np.isfinite(observed)
    f, o = forecast[known] >= threshold, observed[known] >= threshold
    return np.count_nonzero(f & o) / np.count_nonzero(f | o)


def test_one_seed_gives_one_event_and_another_seed_another() -> None:
    again, other = Storms(96, 112, frames=12, seed=1), Storms(96, 112, frames=12, seed=2)
    np.testing.assert_array_equal(SMALL.dbz(), again.dbz())
    assert np.mean(SMALL.dbz() == other.dbz()) < 0.95
    assert np.abs(SMALL.motion() - other.motion()).max() > 1


def test_a_pixel_is_missing_dry_or_rain_and_nothing_between() -> None:
    dbz = SMALL.dbz()
    assert dbz.dtype == np.float32
    missing, dry = np.isnan(dbz), dbz == NO_ECHO
    rain = (dbz >= WEAKEST_ECHO) & (dbz < 60)
    assert (missing | dry | rain).all()
    assert min(missing.mean(), dry.mean(), rain.mean()) > 0.02


def test_the_radar_sees_a_circle_with_a_sector_missing() -> None:
    visible = Storms().visible()
    y, x = np.indices(visible.shape) - (np.array(visible.shape) - 1).reshape(2, 1, 1) / 2
    distance = np.hypot(x, y)
    near = distance < 0.5 * min(visible.shape)
    assert not visible[distance > 0.57 * min(visible.shape)].any()
    assert 0.005 < 1 - visible[near].mean() < 0.05
    np.testing.assert_array_equal(np.isnan(Storms(frames=1).dbz()[0]), ~visible)


def test_lost_frames_are_missing_and_change_no_other() -> None:
    lost = Storms(96, 112, frames=12, seed=1, lost=(3, 7)).dbz()
    assert np.isnan(lost[[3, 7]]).all()
    kept = np.setdiff1d(np.arange(12), (3, 7))
    np.testing.assert_array_equal(lost[kept], SMALL.dbz()[kept])


def test_speckle_is_scattered_pixels_on_top_of_the_rain() -> None:
    visible = SMALL.visible()
    truth = np.stack(list(SMALL.truth()))[:, visible]
    clean = Storms(96, 112, frames=12, seed=1, speckle=0).dbz()[:, visible]
    np.testing.assert_array_equal(clean, truth)
    share = np.mean(SMALL.dbz()[:, visible] != truth)
    assert 0.5e-4 < share < 4e-4


def test_a_lone_cell_moves_by_the_motion_it_is_said_to_have() -> None:
    storms = Storms(height=192, width=192, seed=3)
    motion, place, peaks = storms.motion(), np.float32([90]), []
    cell = Cells(place, place, *(np.float32([v]) for v in (-10, 20, 50, 3, 1, 0)))
    for t in (0, 1):
        dbz = cell.dbz(t, np.linalg.matrix_power(storms._step(), t), (192, 192))
        weight = 10 ** (dbz / 10)
        peaks.append([(weight * axis).sum() / weight.sum() for axis in np.indices(dbz.shape)[::-1]])
    np.testing.assert_allclose(np.subtract(*peaks[::-1]), motion[:, 90, 90], atol=0.05)


@pytest.mark.parametrize("seed", range(4))
def test_extrapolation_is_good_at_first_and_loses_skill(seed: int) -> None:
    storms = Storms(seed=seed)
    dbz, motion = storms.dbz()[8:], storms.motion()
    threshold = ZR(200, 1.6).threshold_dbz(1.0)
    skill = [csi(moved(dbz[0], motion, lead), dbz[lead], threshold) for lead in (1, 5, 10)]
    persistence = [csi(dbz[0], dbz[lead], threshold) for lead in (1, 5, 10)]
    assert skill[0] > 0.6
    assert skill[0] > skill[1] > skill[2] > 0.03
    assert all(better > worse for better, worse in zip(skill, persistence, strict=True))
    assert persistence[1] < 0.5 * skill[1]


@pytest.mark.parametrize("event", demo_events(), ids=lambda event: f"seed{event.seed}")
def test_each_event_of_the_demonstration_is_wet_but_not_drowned(event: Storms) -> None:
    dbz = event.dbz()
    rate = ZR(200, 1.6).rain_rate(dbz[np.isfinite(dbz)])
    assert 0.1 < np.mean(rate >= 0.1) < 0.4
    assert 0.003 < np.mean(rate >= 5) < 0.05
    assert np.mean(rate >= 10) > 0.001


def test_events_are_hours_apart_and_head_elsewhere() -> None:
    events, periods = demo_events(), event_periods()
    assert len(periods) == len(events) >= 5
    for (_, end), (start, _) in pairwise(periods):
        assert start - end > timedelta(hours=2)
    drift = [event.motion().mean((1, 2)) for event in events]
    for one, next_one in pairwise(drift):
        cosine = one @ next_one / np.linalg.norm(one) / np.linalg.norm(next_one)
        assert cosine < 0.8


def test_demonstrations_with_other_seeds_share_no_event() -> None:
    assert not {e.seed for e in demo_events(0)} & {e.seed for e in demo_events(1)}


def test_files_read_back_as_the_frames_they_were_made_of(tmp_path: Path) -> None:
    storms = Storms(96, 112, pixel_m=500, frames=5, seed=2, lost=(2,))
    paths = write_storms(tmp_path, storms)
    assert [path.name for path in paths] == [
        f"storms_20260601{minute:04}.nc" for minute in (0, 6, 18, 24)
    ]
    frames = [read(path) for path in paths]
    kept = [0, 1, 3, 4]
    read_back = np.concatenate([frame.to_numpy() for frame in frames])
    np.testing.assert_allclose(read_back, storms.dbz()[kept], atol=0.0051)
    np.testing.assert_array_equal(read_back == NO_ECHO, storms.dbz()[kept] == NO_ECHO)
    times = np.concatenate([frame["time"].to_numpy() for frame in frames])
    np.testing.assert_array_equal(times, storms.valid_times[kept])
    assert zr_of(frames[0]) == ZR(200, 1.6)


def test_the_grid_of_the_files_is_centred_at_25_east_60_north(tmp_path: Path) -> None:
    (path,) = write_storms(tmp_path, Storms(97, 113, pixel_m=500, frames=1))
    grid = Grid.of(read(path))
    assert grid.shape == (97, 113)
    assert grid.pixel_m == pytest.approx(500)
    longitude, latitude = grid.longitude_latitude()
    assert (longitude[48, 56], latitude[48, 56]) == pytest.approx((25, 60))
    assert latitude[0, 56] > latitude[-1, 56]
    assert longitude[48, 0] < longitude[48, -1]


@pytest.mark.parametrize(("height", "width", "frames"), [(2, 2, 1), (33, 50, 2), (301, 7, 3)])
def test_any_size_will_do(height: int, width: int, frames: int) -> None:
    storms = Storms(height, width, frames=frames)
    assert storms.dbz().shape == (frames, height, width)
    assert storms.motion().shape == (2, height, width)


@pytest.mark.parametrize("wrong", [{"frames": 0}, {"height": 1}, {"width": 0}])
def test_nonsense_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="expected at least one frame of 2 × 2 pixels, found"):
        Storms(**wrong)


def test_texture_has_unit_variance_and_forgets_small_scales_first() -> None:
    noise = list(islice(textures(256, 1.0, 6, np.random.default_rng(0)), 6))
    for coarse, fine in noise:
        assert abs(coarse.std() - 1) < 0.3
        assert abs(fine.std() - 1) < 0.1
    coarse, fine = (
        np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(*noise[::5], strict=True)
    )
    assert coarse > fine + 0.1
