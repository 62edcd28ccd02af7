"""A new network against the one in service."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data_catalog.product import Period
from flows.forecasting import fitting_forecaster
from flows.publishing import verify_period
from flows.service.candidate import Candidate, trained_on, unseen
from flows.service.configuration import Configuration
from flows.service.margin import Margin, margin
from flows.service.moments import stamp
from flows.service.promotion import InService
from flows.verification import Request
from pipeline.clock import clock
from pipeline.store import Store

REFERENCE = "extrapolation"


@dataclass(frozen=True)
class Rival:
    """Whom a new network must beat.

    Args:
        name: How scores call it.
        checkpoint: Of the network in service; None for REFERENCE.
        test: The period to be compared on, none of which it was trained on.
        remark: What to know of it, in words that end a sentence.
    """

    name: str
    checkpoint: Path | None
    test: Period
    remark: str = ""


@dataclass(frozen=True)
class Verdict:
    """How a comparison ended.

    Args:
        promoted: Whether the new network is better than its rival.
        why: One sentence.
        report: The page.
    """

    promoted: bool
    why: str
    report: Path


def find_rival(in_service: InService | None, store: Store, test: Period) -> Rival:
    """The network in service, or REFERENCE where there is none that can be used.

    Raises:
        TooFewFramesError: If the network in service was trained on all of the test.
    """
    if in_service is None:
        return Rival(REFERENCE, None, test, "no network is in service")
    checkpoint = in_service.checkpoint
    try:
        name, seen = fitting_forecaster(str(checkpoint), store).name, trained_on(checkpoint)
    except (ValueError, OSError) as error:
        return Rival(REFERENCE, None, test, f"the network in service cannot be used: {error}")
    left = unseen(test, seen)
    remark = "" if seen else f"what {name} was trained on is not known"
    if left.start > test.start:
        until = clock(np.datetime64(max(period.end for period in seen), "ns"))
        remark = f"what {name} was trained on, up to {until}, is left out"
    return Rival(name, checkpoint, left, remark)


def compare(
    configuration: Configuration, candidate: Candidate, checkpoint: Path, rival: Rival
) -> Verdict:
    """Verify a new network, its rival and REFERENCE on the same issue times.

    Raises:
        ValueError: If nothing can be verified.
    """
    networks = [str(path) for path in (checkpoint, rival.checkpoint) if path is not None]
    request = Request(
        configuration.store, (REFERENCE, *networks), lead_minutes=configuration.lead_minutes
    )
    period = (stamp(rival.test.start), stamp(rival.test.end))
    published = verify_period(request, period, candidate.verification)
    against = [rival.name] if rival.checkpoint is None else [rival.name, REFERENCE]
    first, *others = [margin(published.scores, candidate.name, name) for name in against]
    return Verdict(first.ahead, _why(first, others, rival.remark), published.report)


def _why(first: Margin, others: list[Margin], remark: str) -> str:
    clauses = [first.sentence()]
    clauses += [f"against {other.second} {other.numbers()}" for other in others]
    return "; ".join([*clauses, remark] if remark else clauses)
