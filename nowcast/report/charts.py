"""Which scores a report draws, and what it says of each."""

from __future__ import annotations

from nowcast.report import conditions, fractions, leads, odds, performance, spectra
from nowcast.report.lines import ChartGroup, Source


def make_charts(source: Source) -> list[ChartGroup]:
    """All charts that a scores file has the scores for, in reading order."""
    groups = [
        *leads.by_lead(source),
        _performance(source),
        _fractions(source),
        *_spectra(source),
        *_ensembles(source),
        *_conditions(source),
    ]
    return [group for group in groups if group.charts]


def _performance(source: Source) -> ChartGroup:
    return ChartGroup(
        "Performance diagram",
        "Detected share of the observed rain against the share of the forecast rain that came "
        "true; up and right is best. Curves are equal CSI, rays equal frequency bias. A line "
        f"runs from {source.leads[0]} min, ringed, to {source.leads[-1]} min; it breaks where "
        "nothing was forecast.",
        performance.make_diagrams(source),
        source.key,
        "squares",
    )


def _fractions(source: Source) -> ChartGroup:
    return ChartGroup(
        "Fractions skill score by scale",
        "FSS in hundredths by window and lead time. Above the line windows are wide enough to "
        "be of use (FSS over a half plus half the observed share of rain); no line where none "
        "is. Blank is undefined.",
        fractions.make_heat_maps(source),
    )


def _spectra(source: Source) -> list[ChartGroup]:
    return [
        ChartGroup(
            "Power spectra",
            "Mean power of the reflectivity by wavelength, observed and forecast: a forecast "
            "whose line falls below the observed at short wavelengths is smoother than the rain.",
            spectra.make_spectra(source),
            (*source.key, spectra.OBSERVED),
        ),
        ChartGroup(
            "Forecast over observed power",
            "1 is best; below it the forecast is smoother than the rain, above it rougher.",
            spectra.make_ratios(source),
            source.key,
        ),
    ]


def _conditions(source: Source) -> list[ChartGroup]:
    return [
        ChartGroup(
            "By hour of the day",
            "CSI of the issue times of each hour, UTC. Hours with few issue times say little.",
            conditions.by_hour(source),
            source.key,
        ),
        ChartGroup(
            "By observed intensity",
            "Mean error of the rain rate where so much was observed. 0 is best; below 0 the "
            "forecast is too weak. Any forecast that errs in place is too weak in heavy rain and "
            "too strong in light.",
            conditions.by_intensity(source),
            source.key,
        ),
    ]


def _ensembles(source: Source) -> list[ChartGroup]:
    return [
        ChartGroup(
            "Odds of rain",
            "Mean error of the whole distribution (CRPS, 0 is best; of a single forecast its mean "
            "absolute error), and spread for each unit of error: 1 is best, below it an ensemble "
            "is too sure of itself.",
            odds.by_lead(source),
            source.key,
        ),
        ChartGroup(
            "Reliability",
            "How often rain came where it was forecast with such a probability. On the diagonal "
            "the odds are right; the bars below are the share of the pixels, on a scale of "
            "square roots.",
            odds.make_reliability(source),
            tuple(odds.ensembles(source).values()),
            "squares",
        ),
        ChartGroup(
            "Rank histogram",
            "Share of the pixels by the number of members below the observed. Even is best; a "
            "valley means too little spread, a slope a bias. Where members equal the observed, as "
            "in dry places, it is spread evenly over their ranks.",
            odds.make_ranks(source),
        ),
    ]
