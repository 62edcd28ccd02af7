"""What somebody should look at, told once when it begins and once when it is over."""

from __future__ import annotations

from prefect.events import emit_event

from flows.service.configuration import Configuration
from flows.service.events import ALERT_BEGUN, ALERT_OVER
from flows.service.folders import Folders
from flows.service.journal import note, records
from flows.service.moments import wall_clock
from flows.service.problems import span
from flows.service.status import Status

# fewer issue times of a day than these say little about a network
ISSUE_TIMES = 24


def raise_alerts(configuration: Configuration, status: Status) -> bool:
    """Note what has begun or is over since the last look, and tell Prefect's automations.

    Returns:
        Whether there was anything to tell.
    """
    journal = Folders(configuration.out).alerts
    before = {line["kind"]: line["begun"] for line in records([journal])}
    found = alarming(configuration, status)
    kinds = sorted(found.keys() | before.keys())
    changed = [kind for kind in kinds if (kind in found) != before.get(kind, False)]
    for kind in changed:
        begun = kind in found
        told = found.get(kind, f"{kind}: over")
        note(journal, {"time": wall_clock(), "kind": kind, "begun": begun, "sentence": told})
        resource = {"prefect.resource.id": f"nowcast.alert.{kind}", "prefect.resource.name": kind}
        emit_event(ALERT_BEGUN if begun else ALERT_OVER, resource, payload={"sentence": told})
    return bool(changed)


def alarming(configuration: Configuration, status: Status) -> dict[str, str]:
    """Kind of alert → what is wrong, in one sentence."""
    limits, found = configuration.alerts, {}
    if status.age_minutes is not None and status.age_minutes > limits.stale_minutes:
        found["stale-data"] = (
            f"the newest frame is {span(status.age_minutes)} old, "
            f"expected at most {span(limits.stale_minutes)}"
        )
    if status.disk is not None and status.disk.free_gb < limits.disk_free_gb:
        found["disk"] = (
            f"{status.disk.free_gb:.1f} GB are free, expected at least {limits.disk_free_gb:g}"
        )
    skill, network = status.skill, status.network
    if skill is not None and network is not None and skill.issue_times >= ISSUE_TIMES:
        difference = skill.versus_extrapolation.get(network.name)
        if difference is not None and difference < 0:
            found["below-extrapolation"] = (
                f"{network.name} is {-difference:.3f} below extrapolation in CSI over the last day"
            )
    return found
