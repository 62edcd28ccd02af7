"""How much of it was skill? Scores of the whole contingency table, most of them against chance.

Missing: Counts are of compared pixels alone.
"""

from __future__ import annotations

import torch
from torch import Tensor

from nowcast.verification.counts import ratio


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
    h, m, f, c = _exact(hits, misses, false_alarms, correct_negatives)
    return ratio(2 * (h * c - m * f), (h + m) * (m + c) + (h + f) * (f + c))


def gilbert_skill_score(
    hits: Tensor, misses: Tensor, false_alarms: Tensor, correct_negatives: Tensor
) -> Tensor:
    """Share of events, forecast or observed, that were both, beyond what chance gives.

    GSS = (h − r) / (h + m + f − r) with r = (h + m)(h + f) / (h + m + f + c) of hits h, misses m,
    false alarms f and correct negatives c. Range −1/3 to 1, best 1, 0 for chance.
    Also called: equitable threat score, ETS.

    Args:
        hits: Counts of any shape; the four must broadcast.
        misses: Observed but not forecast.
        false_alarms: Forecast but not observed.
        correct_negatives: Neither forecast nor observed.

    Undefined: NaN where forecast and observed are events everywhere, or nowhere.

    Source: Hogan et al., 2010, Weather and Forecasting 25, 710-726, doi:10.1175/2009WAF2222350.1.
    """
    h, m, f, c = _exact(hits, misses, false_alarms, correct_negatives)
    chance = ratio((h + m) * (h + f), h + m + f + c)
    return ratio(h - chance, h + m + f - chance)


def peirce_skill_score(
    hits: Tensor, misses: Tensor, false_alarms: Tensor, correct_negatives: Tensor
) -> Tensor:
    """Share of the observed events that were forecast, less the share of false alarms elsewhere.

    PSS = h / (h + m) − f / (f + c) of hits h, misses m, false alarms f and correct negatives c.
    Range −1 to 1, best 1, 0 for chance.
    Also called: Hanssen and Kuipers discriminant, true skill statistic.

    Args:
        hits: Counts of any shape; the four must broadcast.
        misses: Observed but not forecast.
        false_alarms: Forecast but not observed.
        correct_negatives: Neither forecast nor observed.

    Undefined: NaN where all pixels were observed events, or none.

    Source: Peirce, 1884, Science 4, 453-454.
    """
    return ratio(hits, hits + misses) - ratio(false_alarms, false_alarms + correct_negatives)


def accuracy(
    hits: Tensor, misses: Tensor, false_alarms: Tensor, correct_negatives: Tensor
) -> Tensor:
    """Share of pixels right. Ruled by the dry ones where rain is rare.

    Accuracy = (h + c) / (h + m + f + c) of hits h, misses m, false alarms f and correct
    negatives c. Range 0 to 1, best 1.
    Also called: proportion correct.

    Args:
        hits: Counts of any shape; the four must broadcast.
        misses: Observed but not forecast.
        false_alarms: Forecast but not observed.
        correct_negatives: Neither forecast nor observed.

    Undefined: NaN where no pixel was compared.

    Source: Murphy, 1996, Weather and Forecasting 11, 3-20,
        doi:10.1175/1520-0434(1996)011<0003:TFAASE>2.0.CO;2.
    """
    return ratio(hits + correct_negatives, hits + misses + false_alarms + correct_negatives)


def symmetric_extremal_dependence_index(
    hits: Tensor, misses: Tensor, false_alarms: Tensor, correct_negatives: Tensor
) -> Tensor:
    """Skill for rare events, that does not fade as they grow rarer.

    SEDI = (ln F − ln H + ln(1 − H) − ln(1 − F)) / (ln F + ln H + ln(1 − H) + ln(1 − F)) with
    H = POD and F the share of false alarms where nothing was observed. Range −1 to 1, best 1,
    0 for chance. Read it where frequency bias is near 1.

    Args:
        hits: Counts of any shape; the four must broadcast.
        misses: Observed but not forecast.
        false_alarms: Forecast but not observed.
        correct_negatives: Neither forecast nor observed.

    Undefined: NaN where all pixels were observed events, or none, and where F is 1 or 0 with H as
        much. At the limit 1 where H is 1 or F is 0, and −1 where H is 0 or F is 1.

    Source: Ferro and Stephenson, 2011, Weather and Forecasting 26, 699-713,
        doi:10.1175/WAF-D-10-05030.1.
    """
    detected = ratio(hits, hits + misses)
    false = ratio(false_alarms, false_alarms + correct_negatives)
    off = false.log() + (1 - detected).log()
    on = detected.log() + (1 - false).log()
    found = (off - on) / (off + on)
    return torch.where(off.isinf(), 1.0, torch.where(on.isinf(), -1.0, found)).where(
        ~(detected.isnan() | false.isnan() | (off.isinf() & on.isinf())), torch.nan
    )


def _exact(*counts: Tensor) -> list[Tensor]:
    """In float64: products of counts outgrow int64."""
    return [count.to(torch.float64) for count in counts]
