from __future__ import annotations

from datetime import datetime

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from nowcast.report.figures import Axis
from nowcast.report.maps import LONGEST_SIDE, thin
from nowcast.report.styles import make_styles
from nowcast.report.tables import nearest_to
from nowcast.report.verdict import verdict
from nowcast.report.wording import duration, nearest, percent, rounded, span


def hand_scores(**csi: tuple[float, float]) -> xr.Dataset:
    values = np.array(list(csi.values()))[..., None]
    dims = ("forecaster", "lead_time", "threshold")
    return xr.Dataset(
        {"csi": (dims, values), "frequency_bias": (dims, np.ones_like(values))},
        {
            "forecaster": list(csi),
            "lead_time": [30, 60],
            "threshold": [1.0],
            "issue_time": pd.date_range("2018-06-16", periods=3),
        },
    )


@pytest.mark.parametrize(
    ("scores", "sentence"),
    [
        (
            hand_scores(unet=(0.6, 0.3), extrapolation=(0.5, 0.4)),
            "For rain of ≥ 1 mm/h, U-Net leads at 30 min (CSI 0.600, next Extrapolation 0.500) "
            "and Extrapolation leads at 60 min (CSI 0.400, next U-Net 0.300).",
        ),
        (
            hand_scores(unet=(0.6, 0.5), persistence=(0.4, 0.3)),
            "For rain of ≥ 1 mm/h, U-Net leads at 30 min (CSI 0.600, next Persistence 0.400) "
            "and at 60 min (CSI 0.500, next Persistence 0.300).",
        ),
        (
            hand_scores(unet=(0.60004, 0.0), persistence=(0.6, 0.0)),
            "For rain of ≥ 1 mm/h, U-Net and Persistence are level at 30 min (CSI 0.600) "
            "and no forecast hit any at 60 min.",
        ),
        (
            hand_scores(unet=(0.6, np.nan)),
            "For rain of ≥ 1 mm/h, U-Net, alone here, reaches a CSI of 0.600 at 30 min "
            "and there was nothing to score at 60 min.",
        ),
    ],
)
def test_verdict_claims_what_the_numbers_hold(scores: xr.Dataset, sentence: str) -> None:
    names = [str(name) for name in scores["forecaster"].to_numpy()]
    told = verdict(scores, make_styles(names, {}))
    assert told.startswith(sentence)
    assert told.endswith("Counts of 3 issue times are pooled; no confidence interval is given.")


def test_verdict_owns_up_to_one_case_and_to_lost_rain() -> None:
    scores = hand_scores(unet=(0.6, 0.5), persistence=(0.4, 0.3)).isel(issue_time=[0])
    scores["frequency_bias"][:, 1] = 0.4
    told = verdict(scores, make_styles(["unet", "persistence"], {}))
    assert "At 60 min U-Net forecasts 0.40 times the observed rain area." in told
    assert told.endswith("it shows one case and ranks nobody.")


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
    assert axis.height(0.0) == axis.height(0.25)
    assert axis.height(1.0) == pytest.approx((2 * axis.height(2.0) + axis.height(0.25)) / 3)


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
