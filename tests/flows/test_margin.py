from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from flows.service.margin import margin

COUNTS = ("hits", "misses", "false_alarms")


def scores(tmp_path: Path, hours: int = 20, **hits: int) -> Path:
    """A scores file every ten minutes: 1000 events, of which each forecaster hits about so many."""
    rng = np.random.default_rng(0)
    leads, rates = [10, 20, 30], [0.1, 1.0, 5.0]
    shape = (len(hits), 6 * hours, len(leads), len(rates))
    missed = 1000 - np.array(list(hits.values()))[:, None, None, None]
    misses = missed + rng.integers(-20, 21, shape[1:])
    misses[..., 1:, :] += 100
    misses[..., 0] = 0
    values = {"hits": 1000 - misses, "misses": misses, "false_alarms": misses}
    dims = ("forecaster", "issue_time", "lead_time", "threshold")
    start = np.datetime64("2026-06-01", "ns")
    axes = {
        "forecaster": list(hits),
        "issue_time": start + np.timedelta64(10, "m") * np.arange(6 * hours),
        "lead_time": leads,
        "threshold": rates,
    }
    path = tmp_path / "scores.nc"
    xr.Dataset({name: (dims, counts) for name, counts in values.items()}, axes).to_netcdf(path)
    return path


def test_counts_of_all_lead_times_are_pooled(tmp_path: Path) -> None:
    path = scores(tmp_path, new=700, old=600)
    found = margin(path, "new", "old")
    with xr.open_dataset(path) as held:
        sums = held[list(COUNTS)].sel(threshold=1.0).sum(["issue_time", "lead_time"])
        h, m, f = (sums[name].to_numpy() for name in COUNTS)
    assert found.csi == pytest.approx(tuple(h / (h + m + f)))
    assert found.issue_times == 120
    assert (str(found.start)[:16], str(found.end)[:16]) == ("2026-06-01T00:00", "2026-06-01T19:50")


def test_who_is_better_by_more_than_chance_is_ahead(tmp_path: Path) -> None:
    path = scores(tmp_path, new=700, old=600, same=700)
    found, back = margin(path, "new", "old"), margin(path, "old", "new")
    assert 0 < found.low < found.csi[0] - found.csi[1] < found.high
    assert found.ahead
    assert found.sentence().startswith("new is better than old: CSI at 1 mm/h over all lead times")
    assert (back.low, back.high) == pytest.approx((-found.high, -found.low))
    assert not back.ahead
    assert back.sentence().startswith("old is not known to be better than new: CSI at 1 mm/h")
    assert not margin(path, "new", "same").ahead


def test_ten_hours_are_needed(tmp_path: Path) -> None:
    assert margin(scores(tmp_path, 10, new=700, old=600), "new", "old").ahead
    found = margin(scores(tmp_path, 9, new=700, old=600), "new", "old")
    assert np.isnan(found.low)
    assert not found.ahead
    assert "no interval as there are too few issue times, or too few with" in found.sentence()


def test_nobody_is_ahead_in_dry_weather(tmp_path: Path) -> None:
    path = scores(tmp_path, new=700, old=600)
    with xr.open_dataset(path) as held:
        dry = (held * 0).load()
    dry.to_netcdf(path)
    found = margin(path, "new", "old")
    assert np.isnan(found.low)
    assert not found.ahead


def test_a_margin_needs_its_threshold_and_forecasters(tmp_path: Path) -> None:
    path = scores(tmp_path, new=700, old=600)
    with pytest.raises(ValueError, match="no forecaster 'newer'; there are"):
        margin(path, "newer", "old")
    with xr.open_dataset(path) as held:
        other = held.sel(threshold=[0.1, 5.0]).load()
    other.to_netcdf(path)
    with pytest.raises(ValueError, match=r"scores\.nc: expected counts at 1 mm/h, found none"):
        margin(path, "new", "old")
