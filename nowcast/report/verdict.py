"""One line made from the numbers: who leads, by how much, and on how much evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
import xarray as xr

from nowcast.report.styles import Style
from nowcast.report.wording import listed, nearest, number

LEADS = (30, 60)
THRESHOLD = 1.0
FAIR_BIAS = (0.8, 1.25)


def verdict(scores: xr.Dataset, styles: Mapping[str, Style]) -> str:
    """Who leads by CSI at 30 and 60 minutes for 1 mm/h, or the nearest there are.

    Ties are ties in the digits shown. Nothing is said of significance.
    """
    place = nearest(scores["threshold"], [THRESHOLD])
    leads = nearest(scores["lead_time"], LEADS)
    chosen = scores.isel(threshold=place[0], lead_time=leads)
    rain = f"≥ {float(chosen['threshold']):g} mm/h"
    clauses = [_clause(chosen.isel(lead_time=lead), styles) for lead in range(len(leads))]
    sentence = f"For rain of {rain}, {_joined(clauses)}."
    return " ".join(filter(None, (sentence, _bias(chosen, styles), _evidence(scores))))


def _joined(clauses: Sequence[tuple[str, str]]) -> str:
    told = []
    for before, (claim, figures) in pairwise((("", ""), *clauses)):
        told.append(figures if claim == before[0] else f"{claim} {figures}")
    return listed(told)


def _ranked(at_lead: xr.Dataset, styles: Mapping[str, Style]) -> list[tuple[float, str]]:
    csi = {name: float(at_lead["csi"].sel(forecaster=name)) for name in styles}
    defined = [(round(value, 3), name) for name, value in csi.items() if np.isfinite(value)]
    return sorted(defined, key=lambda pair: -pair[0])


def _clause(at_lead: xr.Dataset, styles: Mapping[str, Style]) -> tuple[str, str]:
    when = f"at {int(at_lead['lead_time'])} min"
    ranked = _ranked(at_lead, styles)
    if not ranked:
        return "there was nothing to score", when
    best = ranked[0][0]
    level = [styles[name].title for value, name in ranked if value == best]
    if best == 0:
        return "no forecast hit any", when
    if len(ranked) == 1:
        return f"{level[0]}, alone here, reaches", f"a CSI of {number(best, 3)} {when}"
    if len(level) > 1:
        return f"{listed(level)} are level", f"{when} (CSI {number(best, 3)})"
    value, name = ranked[1]
    behind = f"next {styles[name].title} {number(value, 3)}"
    return f"{level[0]} leads", f"{when} (CSI {number(best, 3)}, {behind})"


def _bias(chosen: xr.Dataset, styles: Mapping[str, Style]) -> str:
    last = chosen.isel(lead_time=-1)
    ranked = _ranked(last, styles)
    if not ranked or ranked[0][0] == 0:
        return ""
    leader = styles[ranked[0][1]]
    bias = float(last["frequency_bias"].sel(forecaster=leader.name))
    if not np.isfinite(bias) or FAIR_BIAS[0] <= bias <= FAIR_BIAS[1]:
        return ""
    when = f"At {int(last['lead_time'])} min"
    return f"{when} {leader.title} forecasts {number(bias, 2)} times the observed rain area."


def _evidence(scores: xr.Dataset) -> str:
    count = scores.sizes["issue_time"]
    if count == 1:
        return "This is a single issue time: it shows one case and ranks nobody."
    return f"Counts of {count} issue times are pooled; no confidence interval is given."
