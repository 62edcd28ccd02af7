from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.forecasts import read_forecast
from pipeline.frames import Grid
from pipeline.reflectivity import NO_ECHO, ZR

ISSUED = datetime(2026, 6, 1, 1, 0)
PROJECTION = "+proj=aeqd +lat_0=60 +lon_0=25 +units=m +datum=WGS84"
MARSHALL_PALMER = ZR(200, 1.6)


def export(folder: Path, field: NDArray[np.floating], grid: Grid, **choices: Any) -> Path:
    """A file written by pysteps itself: (time, H, W) or (member, time, H, W), rows as told."""
    exporters = pytest.importorskip("pysteps.io.exporters")
    members = len(field) if field.ndim == 4 else 1
    half = grid.pixel_m / 2
    metadata = {
        "projection": choices.get("projection", PROJECTION),
        "x1": grid.x[0] - half,
        "x2": grid.x[-1] + half,
        "y1": grid.y[-1] - half,
        "y2": grid.y[0] + half,
        "yorigin": choices.get("yorigin", "upper"),
        "unit": choices.get("unit", "mm/h"),
        "cartesian_unit": "m",
    }
    steps = choices.get("steps", field.shape[-3])
    started = exporters.initialize_forecast_exporter_netcdf(
        str(folder), "export", ISSUED, 6, steps, grid.shape, metadata, n_ens_members=members
    )
    exporters.export_forecast_dataset(field, started)
    exporters.close_forecast_files(started)
    return folder / "export.nc"


def known_field(grid: Grid, *leading: int) -> NDArray[np.float64]:
    """mm/h, different at every pixel, dry in the north-west and missing in the south-east."""
    rain = np.random.default_rng(0).uniform(0.1, 30, (*leading, *grid.shape))
    rain[..., :5, :5] = 0
    rain[..., -5:, -5:] = np.nan
    return rain


@pytest.mark.parametrize("yorigin", ["upper", "lower"])
@pytest.mark.parametrize("unit", ["mm/h", "dBZ"])
def test_pixels_lie_where_pysteps_put_them(
    tmp_path: Path, small_grid: Grid, yorigin: str, unit: str
) -> None:
    rain = known_field(small_grid, 3)
    field = rain if unit == "mm/h" else MARSHALL_PALMER.dbz(rain)
    rows = field if yorigin == "upper" else field[:, ::-1]
    path = export(tmp_path, rows, small_grid, yorigin=yorigin, unit=unit)
    found = read_forecast(path, MARSHALL_PALMER)
    assert found["reflectivity"].dims == ("issue_time", "lead_time", "y", "x")
    assert found["reflectivity"].attrs["units"] == "dBZ"
    expected = MARSHALL_PALMER.dbz(rain)
    np.testing.assert_allclose(found["reflectivity"][0], expected, rtol=1e-5, atol=1e-4)
    assert (found["reflectivity"].to_numpy()[0, :, :5, :5] == NO_ECHO).all()
    assert np.isnan(found["reflectivity"].to_numpy()[0, :, -5:, -5:]).all()
    assert small_grid.difference(Grid.of(found)) is None


def test_times_and_members_of_an_export_are_told(tmp_path: Path, small_grid: Grid) -> None:
    rain = known_field(small_grid, 4, 2)
    found = read_forecast(export(tmp_path, rain, small_grid), MARSHALL_PALMER)
    assert dict(found.sizes) == {
        "issue_time": 1,
        "realization": 4,
        "lead_time": 2,
        "y": 48,
        "x": 60,
    }
    assert found["issue_time"].to_numpy()[0] == np.datetime64("2026-06-01T01:00")
    assert found["lead_time"].to_numpy().tolist() == [6, 12]
    assert found["valid_time"].to_numpy()[0, 1] == np.datetime64("2026-06-01T01:12")
    expected = MARSHALL_PALMER.dbz(rain)
    np.testing.assert_allclose(found["reflectivity"][0], expected, rtol=1e-5, atol=1e-4)


def test_coordinates_of_32_bits_far_from_the_origin_still_make_a_grid(
    tmp_path: Path, small_grid: Grid
) -> None:
    far = Grid(small_grid.x, small_grid.y - 4_415_002.8, small_grid.crs)
    found = read_forecast(export(tmp_path, known_field(far, 1), far), MARSHALL_PALMER)
    assert far.difference(Grid.of(found)) is None


def test_what_cannot_be_understood_gets_a_sentence(tmp_path: Path, small_grid: Grid) -> None:
    path = export(tmp_path, known_field(small_grid, 2), small_grid)
    with pytest.raises(ValueError, match=r"export\.nc: rain rates become .* a Z–R relation; give"):
        read_forecast(path)
    path = export(tmp_path, known_field(small_grid, 2), small_grid, unit="mm")
    with pytest.raises(ValueError, match="expected precip_intensity in mm h-1 or reflectivity"):
        read_forecast(path, MARSHALL_PALMER)
    path = export(tmp_path, known_field(small_grid, 2), small_grid, steps=[1, 4])
    with pytest.raises(ValueError, match=r"even steps from the first, found \[6.0, 24.0\] minutes"):
        read_forecast(path, MARSHALL_PALMER)
