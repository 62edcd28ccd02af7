"""Three sentences made from the numbers: who is better, what is blurred, on how much evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr

from nowcast.report.intervals import FEW_BLOCKS, FEWEST_BLOCKS, Sample, Standing, make_standing
from nowcast.report.styles import Style
from nowcast.report.wording import listed, nearest, number, percent, rounded

LEADS = (30, 60)
THRESHOLD = 1.0
FAIR_BIAS = (0.8, 1.25)
FAIR_POWER = 0.5
DETAIL_KM = 8.0


def verdict(scores: xr.Dataset, styles: Mapping[str, Style]) -> tuple[str, str, str]:
    """Who is better by CSI at 30 and 60 minutes for 1 mm/h, or the nearest there are; whose heavy
    rain is lost; and how many issue times say so.

    A forecaster is better only where the interval of the difference excludes zero.
    """
    return _ranking(scores, styles), _blur(scores, styles), _evidence(scores)


def _ranking(scores: xr.Dataset, styles: Mapping[str, Style]) -> str:
    place = nearest(scores["threshold"], [THRESHOLD])
    rain = f"≥ {float(scores['threshold'][place[0]]):g} mm/h"
    told = []
    for lead in nearest(scores["lead_time"], LEADS):
        chosen = scores.isel(threshold=place, lead_time=[lead])
        when = f"at {int(scores['lead_time'][lead])} min"
        told.append(f"{when} {_claim(make_standing(chosen, list(styles)), styles)}")
    return f"For rain of {rain}, {'; '.join(told)}."


def _claim(standing: Standing | None, styles: Mapping[str, Style]) -> str:
    if standing is None:
        return "there was nothing to score"
    first, best = styles[standing.first].title, standing.values[standing.first]
    if best == 0:
        return "no forecast hit any"
    if len(standing.values) == 1:
        return f"{first}, alone here, reaches a CSI of {number(best, 3)}"
    level = listed([_beside(name, standing, styles) for name in standing.level])
    if not standing.gains:
        return f"the CSI of {first} is {number(best, 3)}, then {level}"
    if not standing.beaten:
        return f"{first} (CSI {number(best, 3)}) and {level} cannot be told apart in this sample"
    beaten = listed([_beside(name, standing, styles) for name in standing.beaten])
    gain = _gain(standing.gains[standing.beaten[0]], len(standing.beaten) > 1)
    besides = f", but cannot be told apart from {level} in this sample" if level else ""
    return f"{first} (CSI {number(best, 3)}) is better than {beaten}, {gain}{besides}"


def _beside(name: str, standing: Standing, styles: Mapping[str, Style]) -> str:
    return f"{styles[name].title} ({number(standing.values[name], 3)})"


def _gain(gain: tuple[float, float, float], several: bool) -> str:
    estimate, low, high = (number(value, 3) for value in gain)
    whose = "the nearest of these by" if several else "by"
    return f"{whose} {estimate} (95 % interval {low} to {high})"


def _blur(scores: xr.Dataset, styles: Mapping[str, Style]) -> str:
    last = scores.isel(lead_time=-1)
    bias = last["frequency_bias"].sel(forecaster=list(styles))
    judged = np.flatnonzero(bias.notnull().all("forecaster"))
    if not judged.size:
        return "Whether heavy rain is blurred cannot be told: none was observed."
    when = f"At {int(last['lead_time'])} min"
    rain = f"≥ {float(scores['threshold'][judged[-1]]):g} mm/h"
    values = {name: float(bias.isel(threshold=judged[-1]).sel(forecaster=name)) for name in styles}
    low, high = FAIR_BIAS
    unfair = {name: value for name, value in values.items() if not low <= value <= high}
    if not unfair:
        fair = f"{when} every forecast area of {rain} is {low:g} to {high:g} times the observed"
        return f"{fair}{_smoothness(last, styles)}."
    areas = listed([f"{number(unfair[name], 2)} ({styles[name].title})" for name in unfair])
    losers = [styles[name].title for name in unfair if unfair[name] < low]
    lost = f", so {listed(losers)} {_verb(losers, 'lose')} heavy rain" if losers else ""
    area = f"{when} the forecast area of {rain} is {areas} times the observed"
    return f"{area}{lost}{_smoothness(last, styles)}{_matched(last, styles)}."


def _matched(last: xr.Dataset, styles: Mapping[str, Style]) -> str:
    """Who has the highest CSI once bias is taken out, where it is another."""
    if "matched_csi" not in last:
        return ""
    place = nearest(last["threshold"], [THRESHOLD])[0]
    held = last[["csi", "matched_csi"]].isel(threshold=place).sel(forecaster=list(styles))
    known = held.where(held["matched_csi"].notnull() & held["csi"].notnull(), drop=True)
    if known.sizes["forecaster"] < 2:
        return ""
    raw, matched = (str(known[name].idxmax("forecaster").item()) for name in ("csi", "matched_csi"))
    if raw == matched:
        return ""
    csi = number(float(known["matched_csi"].sel(forecaster=matched)), 3)
    return f"; with bias taken out the highest CSI is that of {styles[matched].title} ({csi})"


def _smoothness(last: xr.Dataset, styles: Mapping[str, Style]) -> str:
    """Whose power at short wavelengths is low; nothing where nobody's is."""
    if "power_ratio" not in last:
        return ""
    ratio = last["power_ratio"].sel(forecaster=list(styles))
    chosen = ratio.isel(wavelength=np.flatnonzero(ratio.notnull().all("forecaster")))
    if not chosen.sizes["wavelength"]:
        return ""
    chosen = chosen.isel(wavelength=nearest(chosen["wavelength"], [DETAIL_KM])[0])
    power = {name: float(chosen.sel(forecaster=name)) for name in styles}
    smooth = [name for name in styles if power[name] < FAIR_POWER]
    if not smooth:
        return ""
    told = listed([f"{styles[name].title} ({percent(power[name])})" for name in smooth])
    where = f"the observed power at {rounded(float(chosen['wavelength']))} km wavelength"
    return f"; {told} {_verb(smooth, 'hold')} little of {where}: blurred"


def _verb(subjects: Sequence[str], plural: str) -> str:
    return plural if len(subjects) > 1 else f"{plural}s"


def _evidence(scores: xr.Dataset) -> str:
    sample = Sample.of(scores)
    if sample.count == 1:
        return "This is a single issue time: it shows one case and ranks nobody."
    counted = f"{sample.count} issue times are pooled"
    if sample.resampling is None:
        return (
            f"Only {counted}, fewer than the {FEWEST_BLOCKS * sample.block} that intervals need: "
            "too few to tell forecasters apart."
        )
    drawn = f"intervals by bootstrap in blocks of {sample.block}"
    if sample.blocks < FEW_BLOCKS:
        cases = f"{sample.blocks:.1f}".removesuffix(".0")
        return (
            f"Only {counted}, about {cases} independent cases ({drawn}): few, so even the "
            "intervals are uncertain."
        )
    return f"{counted[0].upper()}{counted[1:]} ({drawn}); other weather may rank them otherwise."
