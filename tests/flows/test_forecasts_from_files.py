from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from numpy.typing import NDArray

from flows.cases import choose_cases
from flows.forecasting import issue_forecast
from flows.periods import issue_slots
from flows.publishing import verify_period
from flows.scoring import score_period
from flows.verification import Comparison, Request
from pipeline.forecasts import make_forecast, write_forecast
from pipeline.frames import Grid
from pipeline.reflectivity import ZR
from pipeline.store import Store

FIRST, SECOND = (np.datetime64(f"2026-06-01T0{hour}:00", "ns") for hour in (1, 2))
STEPS = 5


def what_came(store: Store, issued: np.datetime64, steps: int = STEPS) -> NDArray[np.float32]:
    """(steps, H, W) dBZ observed after an issue time: a perfect forecast."""
    slot = store.slot(issued)
    return store.dbz(slot + 1, slot + 1 + steps)


def perfect_file(path: Path, store: Store, issued: np.datetime64 = FIRST, **changes: Any) -> Path:
    """A forecast file that holds what the radar saw, but for the changes."""
    came = changes.pop("dbz", None)
    known = {
        "dbz": what_came(store, issued) if came is None else came,
        "cadence": store.cadence,
        "grid": store.grid,
    }
    known |= {"zr": store.zr, "name": "oracle"} | changes
    dbz, cadence, grid = known["dbz"][None], known["cadence"], known["grid"]
    provenance = {"forecaster": known["name"]}
    return write_forecast(
        path, make_forecast(dbz, [issued], cadence, grid, known["zr"], provenance)
    )


def scored(store: Path, files: list[Path], out: Path, *names: str) -> xr.Dataset:
    request = Request(str(store), names, tuple(files))
    period = (np.datetime64("2026-06-01T00:00"), np.datetime64("2026-06-01T04:00"))
    path = score_period(Comparison.load(request), request, period, out).path
    return xr.load_dataset(path, decode_timedelta=False)


@pytest.mark.parametrize("suffix", [".nc", ".zarr"])
def test_a_file_of_what_came_is_a_perfect_forecast(
    tmp_path: Path, storm_store: Path, suffix: str
) -> None:
    store = Store.open(storm_store)
    files = [
        perfect_file(tmp_path / f"{n}{suffix}", store, issued)
        for n, issued in enumerate((FIRST, SECOND))
    ]
    scores = scored(storm_store, files, tmp_path / "v", "extrapolation")
    names = ["persistence", "extrapolation", "oracle"]
    assert scores["forecaster"].to_numpy().tolist() == names
    assert scores["issue_time"].to_numpy().tolist() == [int(FIRST), int(SECOND)]
    assert scores["lead_time"].to_numpy().tolist() == [6, 12, 18, 24, 30]
    oracle = scores.sel(forecaster="oracle")
    assert (oracle["csi"].sel(threshold=1.0) == 1).all()
    assert (oracle["mae"] < 0.01).all()
    assert (scores["csi"].sel(forecaster="persistence", threshold=1.0) < 1).all()


def test_a_forecast_from_a_file_scores_as_the_forecaster_does(
    tmp_path: Path, storm_store: Path
) -> None:
    forecast = issue_forecast(storm_store, "extrapolation", "2026-06-01T02:00", 30)
    forecast.attrs["forecaster"] = "filed"
    file = write_forecast(tmp_path / "f.nc", forecast)
    counts = scored(storm_store, [file], tmp_path / "v", "extrapolation")[["hits", "false_alarms"]]
    live, filed = (counts.sel(forecaster=name, drop=True) for name in ("extrapolation", "filed"))
    assert float(np.abs(live["hits"] - filed["hits"]).max()) <= 1
    assert live["hits"].sum() > 100


@pytest.mark.parametrize("yorigin", ["upper", "lower"])
@pytest.mark.parametrize("unit", ["mm/h", "dBZ"])
def test_a_pysteps_export_of_what_came_is_perfect_and_its_mirror_image_is_not(
    tmp_path: Path, storm_store: Path, yorigin: str, unit: str
) -> None:
    store = Store.open(storm_store)
    dbz = what_came(store, FIRST)
    for name, field in (("right", dbz), ("mirrored", dbz[:, ::-1])):
        values = store.zr.rain_rate(field) if unit == "mm/h" else field
        rows = values if yorigin == "upper" else values[:, ::-1]
        exported(tmp_path, name, rows, store.grid, unit, yorigin)
    files = [tmp_path / "right.nc", tmp_path / "mirrored.nc"]
    csi = scored(storm_store, files, tmp_path / "v")["csi"].sel(threshold=1.0)
    assert (csi.sel(forecaster="right") == 1).all()
    assert (csi.sel(forecaster="mirrored") < 0.7).all()


def exported(
    folder: Path, name: str, field: NDArray[np.floating], grid: Grid, unit: str, yorigin: str
) -> None:
    """Let pysteps write (time, H, W), or (member, time, H, W)."""
    exporters = pytest.importorskip("pysteps.io.exporters")
    half = grid.pixel_m / 2
    metadata = {
        "x1": grid.x[0] - half,
        "x2": grid.x[-1] + half,
        "y1": grid.y[-1] - half,
        "y2": grid.y[0] + half,
        "unit": unit,
        "yorigin": yorigin,
        "cartesian_unit": "m",
        "projection": grid.crs.to_proj4(),
    }
    members = len(field) if field.ndim == 4 else 1
    issued = datetime(2026, 6, 1, 1)
    started = exporters.initialize_forecast_exporter_netcdf(
        str(folder), name, issued, 6, field.shape[-3], grid.shape, metadata, n_ens_members=members
    )
    exporters.export_forecast_dataset(field, started)
    exporters.close_forecast_files(started)


def test_an_ensemble_is_scored_by_its_odds_and_by_its_mean(
    tmp_path: Path, storm_store: Path
) -> None:
    store = Store.open(storm_store)
    rates = store.zr.rain_rate(what_came(store, FIRST))
    exported(tmp_path, "ens", np.stack([0.5 * rates, 1.5 * rates]), store.grid, "mm/h", "upper")
    scores = scored(storm_store, [tmp_path / "ens.nc"], tmp_path / "v")
    ensemble = scores.sel(forecaster="ens")
    assert scores.sizes["rank"] == 3
    assert (ensemble["mae"] < 0.01).all()
    assert (ensemble["spread_skill"] > 10).all()
    assert (ensemble["crps"] < scores["crps"].sel(forecaster="persistence")).all()
    case = Comparison.load(Request(str(storm_store), files=(tmp_path / "ens.nc",)))
    fields = case.case(store.slot(FIRST))["forecast"]
    assert fields.dims == ("forecaster", "lead_time", "y", "x")
    shown = store.zr.rain_rate(fields.sel(forecaster="ens").to_numpy())
    np.testing.assert_allclose(shown, rates, atol=0.02, rtol=1e-4)


def test_a_file_that_does_not_fit_gets_a_sentence(tmp_path: Path, storm_store: Path) -> None:
    store = Store.open(storm_store)
    grid = store.grid
    moved = Grid(grid.x + 5000, grid.y, grid.crs)
    off = FIRST + np.timedelta64(1, "m")
    came = what_came(store, FIRST)
    mistakes = {
        r"f\.nc: expected the grid of .*, x from .* found": {"grid": moved},
        r"f\.nc: expected zr_a, zr_b of .*, 200, 1.6, found 316, 1.5": {"zr": ZR(316, 1.5)},
        r"f\.nc: expected lead times every 6M from": {"cadence": np.timedelta64(300, "s")},
    }
    for sentence, change in mistakes.items():
        with pytest.raises(ValueError, match=sentence):
            scored(storm_store, [perfect_file(tmp_path / "f.nc", store, **change)], tmp_path / "v")
    file = perfect_file(tmp_path / "f.nc", store, off, dbz=came)
    with pytest.raises(ValueError, match=r"f\.nc: issue time does not fit the store: .*01:01"):
        scored(storm_store, [file], tmp_path / "v")
    files = [perfect_file(tmp_path / name, store) for name in ("f.nc", "g.nc")]
    with pytest.raises(ValueError, match=r"g\.nc: oracle of 2026-06-01 01:00 is in .*f\.nc too"):
        scored(storm_store, files, tmp_path / "v")
    assert not (tmp_path / "v").exists()


def test_members_must_be_as_many_in_all_files(tmp_path: Path, storm_store: Path) -> None:
    store = Store.open(storm_store)
    came = what_came(store, FIRST)
    two = perfect_file(tmp_path / "two.nc", store, dbz=np.stack([came] * 2))
    three = perfect_file(tmp_path / "three.nc", store, SECOND, dbz=np.stack([came] * 3))
    with pytest.raises(
        ValueError, match=r"three\.nc: expected 2 members of oracle as in .*found 3"
    ):
        scored(storm_store, [two, three], tmp_path / "v")
    other = perfect_file(tmp_path / "other.nc", store, dbz=np.stack([came] * 3), name="other")
    with pytest.raises(ValueError, match="expected the same number of members, found"):
        scored(storm_store, [two, other], tmp_path / "v")


def test_issue_times_without_frames_to_verify_them_are_left_out_and_told(
    tmp_path: Path, storm_store: Path
) -> None:
    store = Store.open(storm_store)
    early = np.datetime64("2026-06-01T00:06", "ns")
    files = [perfect_file(tmp_path / f"{n}.nc", store, t) for n, t in enumerate((early, FIRST))]
    with pytest.warns(UserWarning, match="1 of 2 issue times of the forecast files are left out"):
        scores = scored(storm_store, files, tmp_path / "v")
    assert scores["issue_time"].to_numpy().tolist() == [int(FIRST)]
    with pytest.raises(ValueError, match="none of the 1 issue times that all forecast files have"):
        scored(storm_store, files[:1], tmp_path / "w")


def test_without_a_period_that_of_the_files_is_taken(tmp_path: Path, storm_store: Path) -> None:
    file = perfect_file(tmp_path / "f.nc", Store.open(storm_store))
    request = Request(str(storm_store), files=(file,))
    published = verify_period(request, (None, None), tmp_path / "v")
    assert published.counted == 1
    assert json.loads(json.dumps(published.records()))[1] == {
        "forecaster": "oracle",
        **{f"{lead} min": 1.0 for lead in (6, 12, 18, 24, 30)},
    }
    with pytest.raises(ValueError, match="expected --from and --to, or forecast files to take"):
        verify_period(Request(str(storm_store), ("extrapolation",)), (None, None), tmp_path / "w")


def test_cases_are_chosen_by_their_scores(tmp_path: Path, storm_store: Path) -> None:
    store = Store.open(storm_store)
    comparison = Comparison.of(store, ["extrapolation"], 30)
    slots = issue_slots(store, store.times[0], store.times[-1], comparison.steps)
    request = Request(str(storm_store), ("extrapolation",), lead_minutes=30)
    path = score_period(comparison, request, (store.times[0], store.times[-1]), tmp_path).path
    scores = xr.load_dataset(path, decode_timedelta=False)
    chosen = {why.split(":")[0]: slot for slot, why in choose_cases(comparison, slots, scores)}
    at_1 = scores.sel(forecaster="extrapolation", threshold=1.0)
    csi = at_1["hits"] / (at_1["hits"] + at_1["misses"] + at_1["false_alarms"])
    events = (at_1["hits"] + at_1["misses"]).sum("lead_time")
    by_time = csi.mean("lead_time").where(events >= 0.1 * events.mean()).to_series().dropna()
    assert 10 < len(by_time) < len(slots)
    order = by_time.sort_values(kind="stable").index
    assert order[0] == store.times[chosen["the worst"]]
    assert order[(len(order) - 1) // 2] == store.times[chosen["typical"]]
    shares = np.nan_to_num(store.wet_share)
    wet = [shares[slot + 1 : slot + 6].mean() for slot in slots]
    assert chosen["the wettest 30 minutes"] == slots[int(np.argmax(wet))]


def test_a_dry_period_has_one_case(tmp_path: Path, storm_store: Path) -> None:
    store = Store.open(storm_store)
    comparison = Comparison.of(store, [], 30)
    slots = issue_slots(store, store.times[0], store.times[-1], comparison.steps)
    request = Request(str(storm_store), lead_minutes=30)
    path = score_period(comparison, request, (store.times[0], store.times[-1]), tmp_path).path
    scores = xr.load_dataset(path, decode_timedelta=False)
    dry = scores.assign({name: 0 * scores[name] for name in ("hits", "misses", "false_alarms")})
    assert len(choose_cases(comparison, slots, dry)) == 1


def test_the_issue_times_of_a_year_are_found_at_once() -> None:
    class Year:
        """What `issue_slots` asks of a store, 5-minute slots with a gap each day."""

        address, cadence = "year", np.timedelta64(300, "s")
        times = np.datetime64("2025-01-01", "ns") + 300 * np.arange(105_120) * np.timedelta64(
            1, "s"
        )

        def slots_between(self, start: np.datetime64, end: np.datetime64) -> slice:
            return slice(*np.searchsorted(self.times, [start, end + np.timedelta64(1, "ns")]))

        def column(self, _: str, stretch: slice) -> NDArray[np.int8]:
            return (np.arange(stretch.start, stretch.stop) % 288 != 100).astype(np.int8)

    year: Any = Year()
    slots = issue_slots(year, year.times[0], year.times[-1], 12)
    slow = [slot for slot in range(2, 600) if slot % 288 != 100]
    assert slots[: len(slow)] == slow
    assert slots[-1] == 105_120 - 13
