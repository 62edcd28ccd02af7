from __future__ import annotations

from datetime import datetime

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from nowcast.report.axes import Axis
from nowcast.report.intervals import Sample
from nowcast.report.maps import LONGEST_SIDE, thin
from nowcast.report.styles import make_styles
from nowcast.report.tables import nearest_to
from nowcast.report.verdict import verdict
from nowcast.report.wording import duration, nearest, percent, rounded, span
from nowcast.verification.scores_file import derive_score
from nowcast.verification.uncertainty import Resampling


def hand_scores(issues: int = 36, swing: float = 0.0, **csi: tuple[float, float]) -> xr.Dataset:
    """Hourly issue times whose CSI is as given, the first's swinging from one to the next."""
    dims = ("forecaster", "issue_time", "lead_time", "threshold")
    wanted = np.repeat(np.array(list(csi.values()))[:, None, :, None], issues, 1)
    wanted[0] += swing * (-1.0) ** np.arange(issues)[:, None, None]
    union = np.where(np.isfinite(wanted), 100_000, 0)
    hits = np.nan_to_num(wanted * union).round()
    misses = np.floor((union - hits) / 2)
    counts = {"hits": hits, "misses": misses, "false_alarms": union - hits - misses}
    sums = xr.Dataset(
        {name: (dims, values.astype(np.int64)) for name, values in counts.items()},
        {
            "forecaster": list(csi),
            "lead_time": [30, 60],
            "threshold": [1.0],
            "issue_time": pd.date_range("2018-06-16", periods=issues, freq="h"),
        },
    )
    return sums.assign(
        csi=derive_score("csi", sums), frequency_bias=derive_score("frequency_bias", sums)
    )


def told_of(scores: xr.Dataset) -> str:
    names = [str(name) for name in scores["forecaster"].values]
    return " ".join(verdict(scores, make_styles(names, {})))


@pytest.mark.parametrize(
    ("scores", "sentence"),
    [
        pytest.param(
            hand_scores(unet=(0.6, 0.3), extrapolation=(0.5, 0.4)),
            "For rain of ≥ 1 mm/h, at 30 min U-Net (CSI 0.600) is better than Extrapolation "
            "(0.500), by 0.100 (95 % interval 0.100 to 0.100); at 60 min Extrapolation (CSI 0.400) "
            "is better than U-Net (0.300), by 0.100 (95 % interval 0.100 to 0.100). ",
            id="each leads once",
        ),
        pytest.param(
            hand_scores(unet=(0.6, 0.5), convlstm=(0.6, 0.5), persistence=(0.4, 0.3)),
            "For rain of ≥ 1 mm/h, at 30 min ConvLSTM (CSI 0.600) is better than Persistence "
            "(0.400), by 0.200 (95 % interval 0.200 to 0.200), but cannot be told apart from U-Net "
            "(0.600) in this sample; at 60 min ",
            id="two are level",
        ),
        pytest.param(
            hand_scores(unet=(0.52, np.nan), persistence=(0.5, np.nan), swing=0.3),
            "For rain of ≥ 1 mm/h, at 30 min U-Net (CSI 0.520) and Persistence (0.500) cannot be "
            "told apart in this sample; at 60 min there was nothing to score. ",
            id="chance",
        ),
        pytest.param(
            hand_scores(unet=(0.6, 0.0), persistence=(np.nan, 0.0)),
            "For rain of ≥ 1 mm/h, at 30 min U-Net, alone here, reaches a CSI of 0.600; "
            "at 60 min no forecast hit any. ",
            id="alone",
        ),
        pytest.param(
            hand_scores(issues=2, unet=(0.6, 0.5), persistence=(0.4, 0.3)),
            "For rain of ≥ 1 mm/h, at 30 min the CSI of U-Net is 0.600, then Persistence (0.400); "
            "at 60 min the CSI of U-Net is 0.500, then Persistence (0.300). ",
            id="two issue times",
        ),
    ],
)
def test_verdict_claims_what_the_numbers_hold(scores: xr.Dataset, sentence: str) -> None:
    assert told_of(scores).startswith(sentence)


@pytest.mark.parametrize(("swing", "issues"), [(0.3, 36), (0.0, 2), (0.0, 1)])
def test_verdict_calls_nobody_better_by_chance_or_on_too_few_cases(
    swing: float, issues: int
) -> None:
    told = told_of(hand_scores(issues, swing, unet=(0.52, 0.42), persistence=(0.5, 0.4)))
    assert "better" not in told


@pytest.mark.parametrize(
    ("issues", "end"),
    [
        (1, "This is a single issue time: it shows one case and ranks nobody."),
        (2, "Only 2 issue times are pooled, fewer than the 3 that intervals need: "
            "too few to tell forecasters apart."),
        (5, "Only 5 issue times are pooled, about 5 independent cases (intervals by bootstrap in "
            "blocks of 1): few, so even the intervals are uncertain."),
        (36, "36 issue times are pooled (intervals by bootstrap in blocks of 1); other weather "
             "may rank them otherwise."),
    ],
)  # fmt: skip
def test_verdict_owns_up_to_few_issue_times(issues: int, end: str) -> None:
    assert told_of(hand_scores(issues, unet=(0.6, 0.5), persistence=(0.4, 0.3))).endswith(end)


def test_verdict_owns_up_to_lost_rain_and_to_blur() -> None:
    scores = hand_scores(unet=(0.6, 0.5), persistence=(0.4, 0.3))
    fair = "At 60 min every forecast area of ≥ 1 mm/h is 0.8 to 1.25 times the observed. "
    assert fair in told_of(scores)
    scores["frequency_bias"][:, 1] = [[0.4], [1.0]]
    lost = "At 60 min the forecast area of ≥ 1 mm/h is 0.40 (U-Net) times the observed, "
    assert f"{lost}so U-Net loses heavy rain. " in told_of(scores)
    axes = {"wavelength": [4.0, 8.0, 16.0]}
    dims = ("forecaster", "lead_time", "wavelength")
    power = np.broadcast_to([[[0.05, 0.1, 0.9]], [[1.0, 0.98, 1.0]]], (2, 2, 3))
    scores = scores.assign_coords(axes).assign(power_ratio=(dims, power))
    matched = np.array([[[0.5], [0.3]], [[0.4], [0.35]]])
    scores = scores.assign(matched_csi=(scores["csi"].dims, matched))
    told = told_of(scores)
    assert "loses heavy rain; U-Net (10 %) holds little of the observed power at 8 km" in told
    assert "with bias taken out the highest CSI is that of Persistence (0.350). " in told


def test_a_block_is_an_hour_of_issue_times_however_far_apart_they_are() -> None:
    times = pd.date_range("2018-06-16", periods=40, freq="6min")
    sample = Sample.of(xr.Dataset(coords={"issue_time": times}))
    assert (sample.count, sample.block, sample.blocks) == (40, 10, 4)
    assert sample.resampling == Resampling(block=10)
    assert Sample.of(xr.Dataset(coords={"issue_time": times[:29]})).resampling is None
    assert Sample.of(xr.Dataset(coords={"issue_time": times[::20]})).block == 1


def test_best_of_the_table_is_nearest_to_the_aim_by_ratio() -> None:
    assert nearest_to(1, np.array([0.5, 1.6, np.nan])).tolist() == [False, True, False]
    assert nearest_to(0, np.array([0.2, 0.1, 0.1])).tolist() == [False, True, True]
    assert not nearest_to(1, np.full(2, np.nan)).any()


def test_styles_differ_and_networks_come_first() -> None:
    names = ["persistence", "unet", "strange", "unet-demo", "extrapolation", "convlstm"]
    styles = make_styles(names, {"strange": "Stranger"})
    ordered = ["convlstm", "unet", "unet-demo", "strange", "extrapolation", "persistence"]
    assert list(styles) == ordered
    assert len({style.colour for style in styles.values()}) == len(names)
    assert styles["unet-demo"].title == "U-Net demo"
    assert styles["strange"].title == "Stranger"
    assert styles["persistence"].dash


def test_bias_axis_marks_one_and_holds_every_ratio() -> None:
    axis = Axis.of_ratios(np.array([0.3, 1.1, np.nan, 0.0]))
    assert [label for _, label in axis.ticks] == ["1/4", "1/2", "1", "2"]
    assert axis.share(0.0) == axis.share(0.25) == 0
    assert axis.share(1.0) == pytest.approx(2 / 3)
    assert axis.share(2.0) == axis.share(100.0) == 1


def test_numbers_and_times_read_well() -> None:
    assert [rounded(value) for value in (0.0751, 1.26, 98.6, 205.3)] == [
        "0.075",
        "1.3",
        "99",
        "210",
    ]
    assert [percent(value) for value in (0, 0.012, 0.5, np.nan)] == ["0 %", "1.2 %", "50 %", "–"]
    told = [duration(seconds) for seconds in (0.042, 75.4, 725, 7800, None)]
    assert told == ["0.042 s", "75 s", "12 min 05 s", "2 h 10 min", "–"]
    late, early = datetime(2018, 6, 17, 1), datetime(2018, 6, 16, 23)
    assert span(early, late) == "16 Jun 2018, 23:00 to 17 Jun 2018, 01:00 UTC"
    assert nearest([5, 10, 60], (6, 7, 58)) == [0, 2]


def test_thinned_map_has_only_values_that_were_there() -> None:
    field = np.random.default_rng(1).normal(size=(3, 1000))
    thinned = thin(field)
    assert thinned.shape == (3, LONGEST_SIDE)
    assert set(thinned.ravel()) <= set(field.ravel())
    assert (thinned[:, 0] == field[:, 0]).all()
    assert (thinned[:, -1] == field[:, -1]).all()
