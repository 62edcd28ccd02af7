"""Did it rain where rain was forecast? Scores from counts of events at a threshold."""

from __future__ import annotations

from functools import partial

import numpy as np
from torch import Tensor

from nowcast.verification import categorical_skill as skill
from nowcast.verification.counts import count_pixels, ratio
from nowcast.verification.counts import event_limit as event_limit
from nowcast.verification.frame import Frame
from nowcast.verification.part import BY_THRESHOLD, FRACTION, POSITIVE, Part, Score, Sum


def critical_success_index(hits: Tensor, misses: Tensor, false_alarms: Tensor) -> Tensor:
    """Share of events, forecast or observed, that were both.

    CSI = hits / (hits + misses + false_alarms). Range 0 to 1, best 1.
    Also called: threat score, Jaccard index.

    Args:
        hits: Counts of any shape; the three must broadcast.
        misses: Observed but not forecast.
        false_alarms: Forecast but not observed.

    Undefined: NaN where nothing was forecast nor observed.

    Source: Schaefer, 1990, Weather and Forecasting 5, 570-575,
        doi:10.1175/1520-0434(1990)005<0570:TCSIAA>2.0.CO;2.
    """
    return ratio(hits, hits + misses + false_alarms)


def probability_of_detection(hits: Tensor, misses: Tensor) -> Tensor:
    """Share of the observed events that were forecast.

    POD = hits / (hits + misses). Range 0 to 1, best 1.
    Also called: hit rate, recall, sensitivity.

    Args:
        hits: Counts of any shape; the two must broadcast.
        misses: Observed but not forecast.

    Undefined: NaN where nothing was observed.

    Source: Roebber, 2009, Weather and Forecasting 24, 601-608, doi:10.1175/2008WAF2222159.1.
    """
    return ratio(hits, hits + misses)


def false_alarm_ratio(hits: Tensor, false_alarms: Tensor) -> Tensor:
    """Share of the forecast events that were not observed.

    FAR = false_alarms / (hits + false_alarms). Range 0 to 1, best 0.
    Also called: false discovery rate. Not the false alarm rate (probability of false detection).

    Args:
        hits: Counts of any shape; the two must broadcast.
        false_alarms: Forecast but not observed.

    Undefined: NaN where nothing was forecast.

    Source: Barnes et al., 2009, Weather and Forecasting 24, 1452-1454,
        doi:10.1175/2009WAF2222300.1.
    """
    return ratio(false_alarms, hits + false_alarms)


def success_ratio(hits: Tensor, false_alarms: Tensor) -> Tensor:
    """Share of the forecast events that were observed.

    SR = hits / (hits + false_alarms) = 1 − FAR. Range 0 to 1, best 1.
    Also called: precision, positive predictive value.

    Args:
        hits: Counts of any shape; the two must broadcast.
        false_alarms: Forecast but not observed.

    Undefined: NaN where nothing was forecast.

    Source: Roebber, 2009, Weather and Forecasting 24, 601-608, doi:10.1175/2008WAF2222159.1.
    """
    return ratio(hits, hits + false_alarms)


def frequency_bias(hits: Tensor, misses: Tensor, false_alarms: Tensor) -> Tensor:
    """Forecast events for each observed one.

    Bias = (hits + false_alarms) / (hits + misses). Range 0 to ∞, best 1.

    Args:
        hits: Counts of any shape; the three must broadcast.
        misses: Observed but not forecast.
        false_alarms: Forecast but not observed.

    Undefined: NaN where nothing was observed, also where something was forecast.

    Source: Roebber, 2009, Weather and Forecasting 24, 601-608, doi:10.1175/2008WAF2222159.1.
    """
    return ratio(hits + false_alarms, hits + misses)


def missing_share(missing_pixels: Tensor, observed_pixels: Tensor) -> Tensor:
    """Share of the observed pixels that the forecaster left missing.

    Missing share = missing_pixels / observed_pixels. Range 0 to 1, best 0.

    Args:
        missing_pixels: Counts of any shape: observed, missing in the forecast.
        observed_pixels: Counts: observed.

    Undefined: NaN where nothing was observed.
    """
    return ratio(missing_pixels, observed_pixels)


def count(frame: Frame) -> dict[str, Tensor]:
    """The contingency tables of a frame, and how much was compared."""
    pixels = frame.mask.pixels
    forecasters = len(frame.members)
    return {
        **frame.table._asdict(),
        "pixels": pixels.expand(forecasters),
        "observed_pixels": count_pixels(frame.seen).expand(forecasters),
        "missing_pixels": count_pixels(frame.missing & frame.seen),
    }


TABLE = ("hits", "misses", "false_alarms", "correct_negatives")

_events = partial(Sum, dims=BY_THRESHOLD, dtype=np.int64)
_score = partial(Score, dims=BY_THRESHOLD)

PART = Part(
    count,
    {
        "hits": _events("events forecast and observed"),
        "misses": _events("events observed, not forecast"),
        "false_alarms": _events("events forecast, not observed"),
        "correct_negatives": _events("pixels without event"),
        "pixels": Sum("compared pixels", dtype=np.int64),
        "observed_pixels": Sum("observed pixels", dtype=np.int64),
        "missing_pixels": Sum("observed pixels missing in the forecast", dtype=np.int64),
    },
    {
        "csi": _score("critical success index", critical_success_index, TABLE[:3], FRACTION, "1"),
        "pod": _score(
            "probability of detection", probability_of_detection, TABLE[:2], FRACTION, "1"
        ),
        "far": _score("false alarm ratio", false_alarm_ratio, TABLE[::2], FRACTION, "0"),
        "success_ratio": _score("success ratio", success_ratio, TABLE[::2], FRACTION, "1"),
        "frequency_bias": _score("frequency bias", frequency_bias, TABLE[:3], POSITIVE, "1"),
        "accuracy": _score("accuracy", skill.accuracy, TABLE, FRACTION, "1"),
        "hss": _score("Heidke skill score", skill.heidke_skill_score, TABLE, "-1 to 1", "1"),
        "gss": _score("Gilbert skill score", skill.gilbert_skill_score, TABLE, "-1/3 to 1", "1"),
        "peirce": _score("Peirce skill score", skill.peirce_skill_score, TABLE, "-1 to 1", "1"),
        "sedi": _score(
            "symmetric extremal dependence index",
            skill.symmetric_extremal_dependence_index,
            TABLE,
            "-1 to 1",
            "1",
        ),
        "missing_share": Score(
            "share of the observed pixels missing in the forecast",
            missing_share,
            ("missing_pixels", "observed_pixels"),
            FRACTION,
            "0",
        ),
    },
)
