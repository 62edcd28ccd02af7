from __future__ import annotations

import base64
import io
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from PIL import Image
from report_samples import make_inputs

from nowcast.report import numbers
from nowcast.report.axes import Axis
from nowcast.report.charts import make_charts
from nowcast.report.figures import Canvas, Line, band, curve, line_chart
from nowcast.report.fractions import make_heat_maps
from nowcast.report.intervals import make_intervals
from nowcast.report.lines import Source
from nowcast.report.numbers import all_numbers, make_downloads
from nowcast.report.odds import ensembles, make_reliability
from nowcast.report.performance import make_diagrams
from nowcast.report.places import KINDS, make_places, spread
from nowcast.report.spectra import make_ratios
from nowcast.report.styles import make_styles
from nowcast.verification.parts import PARTS
from nowcast.verification.uncertainty import Resampling, bootstrap

STYLE = make_styles(["unet"], {})["unet"]
NAMES = ("persistence", "unet", "steps")
LEADS = (6, 30, 60)


def source_of(scores: xr.Dataset, intervals: bool = False) -> Source:
    names = [str(name) for name in scores["forecaster"].values]
    return Source(scores, make_intervals(scores) if intervals else {}, make_styles(names, {}))


@pytest.fixture(scope="module")
def source() -> Source:
    scores, _ = make_inputs(
        NAMES, LEADS, (40, 52), 10, step_minutes=20, members=4, parts=tuple(PARTS)
    )
    return source_of(scores, intervals=True)


def strokes(svg: str) -> list[str]:
    return re.findall(r'class="line" d="([^"]*)"', svg)


def test_a_line_breaks_where_its_score_is_undefined() -> None:
    y = np.array([0.1, np.nan, 0.3, 0.4])
    svg = line_chart(
        "CSI", (6, 12, 18, 24), [Line(STYLE, np.arange(6.0, 30, 6), y)], Axis(0, 1, ())
    )
    (path,) = strokes(svg)
    assert [len(piece.split("L")) for piece in path.split("M")[1:]] == [1, 2]
    assert svg.count("transform=") == 3


def test_a_shade_breaks_where_its_interval_is_undefined() -> None:
    canvas = Canvas(Axis(0, 3, ()), Axis(0, 1, ()), "")
    x, low = np.arange(4.0), np.array([0.1, 0.2, np.nan, 0.1])
    shade = band(canvas, Line(STYLE, x, low + 0.1, low, low + 0.2))
    assert len(re.findall(r"M[^M]*?[Zz]", shade)) == 2
    assert "nan" not in shade
    assert band(canvas, Line(STYLE, x, low)) == ""


def test_intervals_are_those_of_the_bootstrap_and_hold_their_score(source: Source) -> None:
    scores, held = source.scores, source.intervals
    assert {"csi", "matched_csi", "fss", "mae", "crps", "sal_structure"} <= set(held)
    alone = bootstrap("csi", scores, Resampling(block=3, resamples=500))
    xr.testing.assert_allclose(held["csi"]["low"], alone["low"])
    csi = scores["csi"]
    known = held["csi"]["low"].notnull() & csi.notnull()
    assert known.any()
    assert bool((held["csi"]["low"] <= csi + 1e-12).where(known, True).all())
    assert bool((held["csi"]["high"] >= csi - 1e-12).where(known, True).all())


def test_too_few_issue_times_have_no_interval() -> None:
    assert make_intervals(make_inputs(NAMES, LEADS, issues=2)[0]) == {}


def test_performance_diagram_has_its_points_at_success_and_detection(source: Source) -> None:
    scores = source.scores.sel(forecaster=["unet"])
    diagram = make_diagrams(source_of(scores))[1].svg
    (path,) = strokes(diagram)
    points = [tuple(map(float, point.split(","))) for point in re.split("[ML]", path)[1:]]
    canvas = Canvas(Axis.of_shares(), Axis.of_shares(), "", "y", 256)
    at = scores.isel(threshold=1, forecaster=0)
    expected = [
        (canvas.across(float(x)), canvas.down(float(y)))
        for x, y in zip(at["success_ratio"], at["pod"], strict=True)
    ]
    np.testing.assert_allclose(points, expected, atol=0.06)


def test_curves_of_equal_csi_run_through_equal_csi(source: Source) -> None:
    svg = make_diagrams(source)[0].svg
    canvas = Canvas(Axis.of_shares(), Axis.of_shares(), "", "y", 256)
    curves = re.findall(r'class="equal" d="M([^"]*)"', svg)
    assert len(curves) == 9
    for n, path in enumerate(curves, 1):
        for point in path.split("L"):
            x, y = map(float, point.split(","))
            success = (x - canvas.across(0)) / (canvas.across(1) - canvas.across(0))
            detected = (canvas.bottom - y) / canvas.side
            assert 1 / (1 / success + 1 / detected - 1) == pytest.approx(n / 10, abs=2e-3)


def test_a_diagram_leaves_out_leads_where_nothing_was_forecast(source: Source) -> None:
    scores = source.scores.copy(deep=True).sel(forecaster=["unet"])
    scores["success_ratio"][:, 1] = np.nan
    (path,) = strokes(make_diagrams(source_of(scores))[0].svg)
    assert (path.count("M"), path.count("L")) == (2, 0)


def test_heat_map_marks_the_scale_of_use_and_leaves_the_undefined_blank() -> None:
    scores = make_inputs(("unet",), LEADS, issues=1)[0].isel(threshold=[1])
    scores["useful_scale"][0, :, 0] = [1.0, 20.0, np.nan]
    scores["fss"][0, 2, 0] = np.nan
    (chart,) = make_heat_maps(source_of(scores))
    (line,) = re.findall(r'class="useful" d="([^"]*)"', chart.svg)
    heights = [float(y) for y in re.findall(r",([\d.]+)H", line)]
    assert heights[0] - heights[1] == 2 * 18
    assert chart.svg.count('class="blank"') == 4
    assert "Of use at 6 min from 1 km, at 60 min at none" in chart.svg


def test_reliability_joins_only_odds_that_so_many_members_can_give(source: Source) -> None:
    assert list(ensembles(source)) == ["steps"]
    charts = make_reliability(source)
    assert [chart.heading for chart in charts] == [
        *("≥ 0.1 mm/h, 30 min", "≥ 1 mm/h, 30 min", "≥ 5 mm/h, 30 min")
    ]
    (path,) = strokes(charts[1].svg)
    assert (path.count("M"), path.count("L")) == (1, 4)


def test_one_member_has_neither_reliability_nor_ranks() -> None:
    scores, _ = make_inputs(("unet",), LEADS, issues=1, parts=tuple(PARTS))
    titles = {group.title for group in make_charts(source_of(scores))}
    assert titles.isdisjoint({"Reliability", "Rank histogram", "Odds of rain"})
    assert {"Performance diagram", "Power spectra", "By observed intensity"} <= titles


def test_spectra_show_only_wavelengths_of_the_grid(source: Source) -> None:
    charts = make_ratios(source)
    held = int(source.scores["spectrum_observed"].notnull().any("lead_time").sum())
    assert [chart.heading for chart in charts] == [f"Power ratio, {lead} min" for lead in LEADS]
    assert all(chart.svg.count('class="reading"') == held for chart in charts)


def test_cells_begin_at_the_first_corner_and_end_at_the_edge() -> None:
    cells = np.arange(6, dtype=np.uint8).reshape(2, 3)
    pixels = spread(cells, 2, (3, 5))
    assert pixels.tolist() == [[0, 0, 1, 1, 2], [0, 0, 1, 1, 2], [3, 3, 4, 4, 5]]


def test_maps_of_cells_colour_a_known_score(source: Source) -> None:
    csi, bias = KINDS
    assert csi.classify(np.array([0.0, 0.1, 0.95, 1.0, np.nan])).tolist() == [0, 1, 9, 9, 10]
    assert bias.classify(np.array([0.0, 1.0, np.inf, np.nan])).tolist() == [0, 3, 6, 7]
    scores = source.scores.copy(deep=True)
    scores["csi_map"][:] = 0.05
    scores["csi_map"][:, :, :, 0, :] = 0.95
    row = make_places(source_of(scores), (40, 52))[0]
    body = base64.b64decode(row.maps[0].picture.split(",")[1])
    shown = np.asarray(Image.open(io.BytesIO(body)).convert("RGBA"))[..., :3]
    assert shown.shape == (40, 52, 3)
    assert (shown[:16] == list(bytes.fromhex(csi.colours[9][1:]))).all()
    assert (shown[16:] == list(bytes.fromhex(csi.colours[0][1:]))).all()


def test_tables_hold_every_score_of_their_axes_with_its_interval(source: Source) -> None:
    tables = all_numbers(source.scores, source.intervals)
    assert list(tables) == ["scores", "spectra", "intensity", "reliability", "ranks"]
    assert {"rank", "probability", "wavelength"}.isdisjoint(tables["scores"].columns)
    csi = tables["scores"].query("score == 'csi'")
    place = {"forecaster": "unet", "lead_time": 30, "threshold": 1.0}
    row = csi.query("forecaster == 'unet' & lead_minutes == 30 & threshold_mm_h == 1")
    assert row["value"].item() == pytest.approx(float(source.scores["csi"].sel(place)))
    assert row["low"].item() == pytest.approx(float(source.intervals["csi"]["low"].sel(place)))
    power = tables["spectra"].query("score == 'power_ratio'")
    assert len(power) == source.scores["power_ratio"].size
    np.testing.assert_allclose(
        np.sort(power["value"].dropna()),
        np.sort(source.scores["power_ratio"].to_numpy()[source.scores["power_ratio"].notnull()]),
    )
    assert not csi.duplicated(["forecaster", "lead_minutes", "threshold_mm_h"]).any()


def test_the_scores_file_is_in_the_page_where_it_is_small(
    source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = make_downloads(source.scores, source.intervals)[-1]
    head, body = held.address.split(",")
    assert head == "data:application/x-netcdf;base64"
    path = tmp_path / "scores.nc"
    path.write_bytes(base64.b64decode(body))
    with xr.open_dataset(path) as again:
        xr.testing.assert_equal(again["csi"].load(), source.scores["csi"])
        assert again.attrs["protocol_id"] == source.scores.attrs["protocol_id"]
    monkeypatch.setattr(numbers, "LARGEST_HELD", 1000)
    assert make_downloads(source.scores, source.intervals)[-1].address == "scores.nc"


def test_a_point_has_its_tip() -> None:
    canvas = Canvas(Axis.of_shares(), Axis.of_shares(), "")
    line = Line(STYLE, np.array([0.5]), np.array([0.5]))
    assert "<title>a &lt; b</title>" in curve(canvas, line, ["a < b"])


def test_axes_hold_their_values() -> None:
    powers = Axis.of_powers(np.array([0.02, 3e6, np.nan, 0.0]))
    assert [label for _, label in powers.ticks] == ["0.01", "1", "100", "10⁴", "10⁶"]
    assert powers.share(0.01) == 0
    assert powers.share(1e7) == pytest.approx(1)
    octaves = Axis.of_octaves([2.0, 4.0, 8.0, 16.0, 32.0])
    assert [label for _, label in octaves.ticks] == ["32", "8", "2"]
    assert octaves.share(32.0) == 0
    assert octaves.share(8.0) == pytest.approx(0.5)
    signed = Axis.round_zero(np.array([-3.0, 1.0]))
    assert (signed.low, signed.high, signed.marked) == (-3, 1, 0)


def test_hours_without_an_issue_time_break_the_line() -> None:
    scores, _ = make_inputs(("unet",), LEADS, issues=3, step_minutes=120)
    assert pd.DatetimeIndex(scores["issue_time"]).hour.tolist() == [23, 1, 3]
    groups = {group.title: group for group in make_charts(source_of(scores))}
    (path,) = strokes(groups["By hour of the day"].charts[0].svg)
    assert (path.count("M"), path.count("L")) == (3, 0)
