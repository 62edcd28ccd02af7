"""Did it rain where rain was forecast? Scores from counts of events at a threshold."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

STEP_DBZ = 0.01


class Counts(NamedTuple):
    """The contingency table: int64 counts of pixels, any shape."""

    hits: Tensor
    misses: Tensor
    false_alarms: Tensor
    correct_negatives: Tensor


def event_limit(threshold_dbz: float) -> float:
    """The reflectivity in dBZ from which a pixel counts as an event.

    Stored reflectivity comes in steps of STEP_DBZ, so a rate that equals the threshold may be held
    as up to half a step less. The limit lies midway between two steps, below the first that can
    hold the threshold: a pixel at the threshold is an event, stored or not, whatever the rounding.
    """
    first = math.ceil(threshold_dbz / STEP_DBZ - 0.501)
    return (first - 0.5) * STEP_DBZ


def count_events(forecast: Tensor, observed: Tensor, pixels: Tensor) -> Counts:
    """Pixels that were both, one or neither of forecast and observed.

    Args:
        forecast: (..., H, W) bool, events among the compared pixels only.
        observed: (..., H, W) bool, likewise; broadcasts with `forecast`.
        pixels: Number of compared pixels; broadcasts with the counts.
    """
    hits = count_pixels(forecast & observed)
    misses = count_pixels(observed) - hits
    false_alarms = count_pixels(forecast) - hits
    return Counts(hits, misses, false_alarms, pixels - hits - misses - false_alarms)


def count_pixels(planes: Tensor) -> Tensor:
    """Number of true pixels of (..., H, W) bool, int64."""
    # plane by plane and row by row: one sum over all would first copy them to int64
    rows = (
        plane.view(torch.uint8).sum(-1, dtype=torch.int32)
        for plane in planes.reshape(-1, *planes.shape[-2:])
    )
    return torch.stack([counts.sum() for counts in rows]).view(planes.shape[:-2])


def critical_success_index(hits: Tensor, misses: Tensor, false_alarms: Tensor) -> Tensor:
    """Share of events, forecast or observed, that were both.

    CSI = hits / (hits + misses + false_alarms). Range 0 to 1, best 1.
    Also called: threat score, Jaccard index.

    Args:
        hits: Counts of any shape; the three must broadcast.
        misses: Observed but not forecast.
        false_alarms: Forecast but not observed.

    Undefined: NaN where nothing was forecast nor observed.

    Source: Schaefer, 1990, Weather and Forecasting 5, 570-575.
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

    Source: Roebber, 2009, Weather and Forecasting 24, 601-608.
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

    Source: Barnes et al., 2009, Weather and Forecasting 24, 1452-1454.
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

    Source: Roebber, 2009, Weather and Forecasting 24, 601-608.
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

    Source: Roebber, 2009, Weather and Forecasting 24, 601-608.
    """
    return ratio(hits + false_alarms, hits + misses)


def heidke_skill_score(
    hits: Tensor, misses: Tensor, false_alarms: Tensor, correct_negatives: Tensor
) -> Tensor:
    """Share of pixels right beyond those that chance would have got right.

    HSS = 2 (h c − m f) / ((h + m)(m + c) + (h + f)(f + c)) of hits h, misses m, false alarms f
    and correct negatives c. Range −1 to 1, best 1, 0 for chance.
    Also called: Cohen's kappa.

    Args:
        hits: Counts of any shape; the four must broadcast.
        misses: Observed but not forecast.
        false_alarms: Forecast but not observed.
        correct_negatives: Neither forecast nor observed.

    Undefined: NaN where forecast and observed are events everywhere, or nowhere.

    Source: Heidke, 1926, Geografiska Annaler 8, 301-349.
    """
    # products of counts outgrow int64
    h, m, f, c = (
        count.to(torch.float64) for count in (hits, misses, false_alarms, correct_negatives)
    )
    return ratio(2 * (h * c - m * f), (h + m) * (m + c) + (h + f) * (f + c))


def ratio(part: Tensor, whole: Tensor) -> Tensor:
    """`part / whole` in float64, NaN where the whole is 0."""
    whole = whole.to(torch.float64)
    return part.to(torch.float64) / torch.where(whole == 0, math.nan, whole)
