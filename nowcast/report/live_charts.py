"""The two charts of the live page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from markupsafe import Markup

from nowcast.report.axes import Axis
from nowcast.report.figures import Canvas, Line, curve, line_chart, nothing, readings
from nowcast.report.lines import drawn, reach
from nowcast.report.live_facts import SkillFacts
from nowcast.report.live_movie import Play, Shown
from nowcast.report.maps import tick_step
from nowcast.report.spectra import OBSERVED
from nowcast.report.styles import Style
from nowcast.report.wording import clock, percent


def rain_area(play: Play) -> Markup:
    """Wet share of each map, observed and forecast, by minutes from the newest frame."""
    maps = [*play.past, *(shown for future in play.future.values() for shown in future)]
    times = sorted({shown.minutes: shown for shown in maps}.items())
    minutes = [at for at, _ in times]
    lines = [_line(OBSERVED, play.past, minutes)]
    for name, future in play.future.items():
        # a forecast's line begins where observation ends
        lines.append(_line(play.styles[name], (play.past[-1], *future), minutes))
    across = _minutes_axis(minutes[0], minutes[-1])
    canvas = Canvas(across, Axis.from_zero(reach(lines)), "minutes from the newest frame", "%")
    end = f"M{canvas.across(0):.1f},{canvas.top}V{canvas.bottom}"
    labels = [clock(shown.valid) for _, shown in times]
    return drawn(
        canvas.picture(
            _told(play),
            nothing(canvas, lines),
            f'<path class="one" d="{end}"/>',
            *(curve(canvas, line) for line in reversed(lines)),
            readings(canvas, lines, labels),
        )
    )


def skill(facts: SkillFacts, styles: Mapping[str, Style]) -> Markup:
    """CSI by lead time of all forecasters."""
    leads = np.array(facts.lead_minutes, np.float64)
    lines = [
        Line(style, leads, np.array(facts.csi[name], np.float64))
        for name, style in styles.items()
        if name in facts.csi
    ]
    title = f"CSI at {facts.threshold:g} mm/h"
    return drawn(line_chart(title, facts.lead_minutes, lines, Axis.from_zero(reach(lines))))


def _line(style: Style, maps: Iterable[Shown], minutes: Sequence[int]) -> Line:
    held = {shown.minutes: 100 * shown.rain.wet_share for shown in maps}
    shares = [held.get(at, np.nan) for at in minutes]
    return Line(style, np.array(minutes, np.float64), np.array(shares))


def _minutes_axis(first: int, last: int) -> Axis:
    step = int(max(tick_step(max(last - first, 1), most=6), 1))
    ticks = range(-(-first // step) * step, last + 1, step)
    labels = [f"{at}".replace("-", "−") for at in ticks]
    return Axis(first, max(last, first + 1), tuple(zip(ticks, labels, strict=True)))


def _told(play: Play) -> str:
    told = [f"Observed {percent(play.past[-1].rain.wet_share)} at {clock(play.past[-1].valid)}"]
    for name, future in play.future.items():
        if future:
            last = future[-1]
            share = percent(last.rain.wet_share)
            told.append(f"{play.styles[name].title} {share} at {clock(last.valid)}")
    return f"Wet share of the map. {'; '.join(told)}"
