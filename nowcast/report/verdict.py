"""One line made from the numbers: who leads, by how much, and on how much evidence."""

from __future__ import annotations

from collections.abc import Mapping

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
    place = nearest(scores["threshold"].to_numpy(), [THRESHOLD])
    chosen = scores.isel(threshold=place[0], lead_time=nearest(scores["lead_time"], LEADS))
    rain = f"≥ {float(chosen['threshold']):g} mm/h"
    clauses = [_clause(chosen.isel(lead_time=lead), styles) for lead in range(chosen.lead_time.size)]
    sentence = f"For rain of {rain}, {listed(clauses)}."
    return " ".join(filter(None, (sentence, _bias(chosen, styles), _evidence(scores))))


def _ranked(at_lead: xr.Dataset, styles: Mapping[str, Style]) -> list[tuple[float, str]]:
    csi = {name: float(at_lead["csi"].sel(forecaster=name)) for name in styles}
    defined = [(round(value, 3), name) for name, value in csi.items() if np.isfinite(value)]
    return sorted(defined, key=lambda pair: -pair[0])


def _clause(at_lead: xr.Dataset, styles: Mapping[str, Style]) -> str:
    when = f"at {int(at_lead['lead_time'])} min"
    ranked = _ranked(at_lead, styles)
    if not ranked:
        return f"{when} there was none, observed or forecast, to score"
    best = ranked[0][0]
    level = [styles[name].title for value, name in ranked if value == best]
    if best == 0:
        return f"{when} no forecast hit any"
    if len(styles) == 1:
        return f"{level[0]} reaches a CSI of {number(best, 3)} {when}"
    if len(level) > 1:
        return f"{listed(level)} are level {when} (CSI {number(best, 3)})"
    behind = [(value, name) for value, name in ranked if value < best]
    if not behind:
        return f"{level[0]} alone has a CSI {when} ({number(best, 3)})"
    value, name = behind[0]
    return (
        f"{level[0]} leads {when} (CSI {number(best, 3)}, "
        f"next {styles[name].title} {number(value, 3)})"
    )


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
    return f"Counts of {count} issue times are pooled; differences carry no interval here."
