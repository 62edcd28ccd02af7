"""Is the service well?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from flows import terminal
from flows.commands.service import ConfigFile
from flows.options import Json

if TYPE_CHECKING:
    from datetime import datetime

    from flows.service.status import Status

ALERTS_SHOWN = 3

Rows = list[tuple[str, str]]


def status(config: ConfigFile = None, as_json: Json = False) -> None:
    """Show whether the service is well: frames, forecasts, skill, drift, disk and problems.

    Exit code: 0 if all is well, 1 if there are problems, 2 if the configuration is wrong.
    """
    from datetime import UTC, datetime

    from flows.service.configuration import Configuration
    from flows.service.moments import stamp
    from flows.service.status import look

    seen = look(Configuration.load(config), stamp(datetime.now(UTC)))
    if as_json:
        terminal.show_json(seen.model_dump(mode="json"))
    else:
        terminal.show_facts(seen.store, [*_frames(seen), *_forecasts(seen), *_place(seen)])
    raise typer.Exit(int(not seen.healthy))


def _frames(seen: Status) -> Rows:
    rows = [("healthy", "yes" if seen.healthy else "no"), ("problems", _lines(seen.problems))]
    if seen.newest_frame is None or seen.age_minutes is None:
        return [*rows, ("newest frame", "none")]
    from flows.service.problems import span

    newest = f"{_clock(seen.newest_frame)} UTC, {span(seen.age_minutes)} old"
    frames = f"{seen.frames_last_day} frames, {seen.missing_last_day} missing"
    gaps = [_clock(a) if a == b else f"{_clock(a)} to {_clock(b)}" for a, b in seen.gaps]
    return [*rows, ("newest frame", newest), ("last day", frames), ("gaps", _lines(gaps))]


def _forecasts(seen: Status) -> Rows:
    rows: Rows = []
    if seen.latest is not None:
        made = seen.latest.forecasters.items()
        names = [f"{name} in {_seconds(how.seconds)}" for name, how in made]
        rows.append(("newest forecasts", f"{_clock(seen.latest.issue_time)}: {', '.join(names)}"))
    late = seen.latency
    if late.count:
        rest = f"95 % within {_seconds(late.p95)}, at most {_seconds(late.max)}"
        rows.append(("latency", f"half within {_seconds(late.p50)}, {rest}; {late.count} cycles"))
    if seen.network is not None:
        since = f" since {seen.network.since}" if seen.network.since else ""
        rows.append(("network", f"{seen.network.name}{since}, {seen.network.checkpoint}"))
    return [*rows, *_skill(seen)]


def _skill(seen: Status) -> Rows:
    skill = seen.skill
    if skill is None:
        return [("skill", "nothing scored yet")]
    first, last = skill.lead_minutes[0], skill.lead_minutes[-1]
    lines = [
        f"CSI at {skill.threshold:g} mm/h, {first} to {last} min, {skill.issue_times} issue times"
    ]
    for name, csi in skill.csi.items():
        gain = skill.versus_extrapolation.get(name)
        against = "" if gain is None else f", {gain:+.3f} against extrapolation"
        lines.append(f"{name} {_score(csi[0])} to {_score(csi[-1])}{against}")
    return [("skill", "\n".join(lines))]


def _place(seen: Status) -> Rows:
    rows = [("drift", seen.drift.sentence)] if seen.drift else []
    if seen.disk:
        rows.append(("disk", f"{seen.disk.free_gb:.1f} of {seen.disk.total_gb:.1f} GB free"))
    alerts = [f"{line.get('time')} {line.get('sentence')}" for line in seen.alerts[-ALERTS_SHOWN:]]
    return [*rows, ("alerts", _lines(alerts))]


def _lines(lines: tuple[str, ...] | list[str]) -> str:
    return "\n".join(lines) or "none"


def _clock(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M}"


def _seconds(seconds: float | None) -> str:
    return "an unknown time" if seconds is None else f"{seconds:.1f} s"


def _score(score: float | None) -> str:
    return "–" if score is None else f"{score:.2f}"
