"""What the page of a denoising tells of its networks and their rivals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from flows.denoising.codes import Classifier, Realism, width_curves
from flows.denoising.data import DenoiseRun
from flows.denoising.effects import Effects, effects_of
from flows.denoising.entrants import TUNED_ON, Restorer, entrants_of, methods_of
from flows.denoising.figures import Inside, look_inside
from flows.denoising.judge import Contest
from flows.images.facts import data_facts, machine
from nowcast.checkpoint import code_version
from nowcast.report.classes.words import grouped
from nowcast.report.denoise.facts import DenoiseFacts, MethodFacts, NoiseFacts
from nowcast.report.denoise.methods import method_styles
from pipeline.image_loader import ImageLoader

TITLES = {
    "gaussian": "Gaussian noise",
    "salt_and_pepper": "salt-and-pepper noise",
    "masking": "masking",
    "poisson": "photon noise",
    "speckle": "speckle",
}


@dataclass(frozen=True)
class Judged:
    """What became of all methods.

    Args:
        facts: For the page.
        realism: Name of a network that draws images → how real they are.
    """

    facts: DenoiseFacts
    realism: Mapping[str, Realism]


def judged(
    contest: Contest,
    runs: Sequence[DenoiseRun],
    restorers: Sequence[Restorer],
    against: Sequence[str],
    classifier: Classifier | None,
) -> Judged:
    """All methods on the same test images, and what the networks hold."""
    train = runs[0].images.train
    entrants = entrants_of(restorers, contest, train, against)
    found = contest.judged(entrants, TUNED_ON)
    methods = methods_of(entrants, found, contest)
    widths = width_curves(restorers, contest, train)
    inside = _inside(restorers, contest, train, classifier)
    methods = tuple(_noted(held, inside) for held in methods)
    effects = _effects(runs, restorers, contest, methods)
    data = data_facts(runs[0].images)
    facts = DenoiseFacts(
        f"{data.title}: {methods[0].shown}",
        data,
        methods[0],
        methods[1:],
        noise=_noise_facts(contest, runs),
        rows=contest.rows(found),
        widths=widths,
        figures=(*effects.figures, *(one for each in inside.values() for one in each.figures)),
        effects=effects.charts,
        peculiar=_peculiar(contest, methods, coded=bool(widths)),
        code_version=code_version(),
        machine=machine(restorers[0].trained.device),
    )
    return Judged(facts, {name: each.realism for name, each in inside.items() if each.realism})


def _inside(
    restorers: Sequence[Restorer],
    contest: Contest,
    train: ImageLoader,
    classifier: Classifier | None,
) -> dict[str, Inside]:
    """Name of a network → what there is to see in it."""
    held = [each.trained.facts for each in restorers]
    titles = [facts.shown if len(held) > 1 else "" for facts in held]
    return {
        facts.name: look_inside(each, contest, train, classifier, title)
        for each, facts, title in zip(restorers, held, titles, strict=True)
    }


def _effects(
    runs: Sequence[DenoiseRun],
    restorers: Sequence[Restorer],
    contest: Contest,
    methods: Sequence[MethodFacts],
) -> Effects:
    """What settings do, in the colours of the page."""
    looks = {style.title: style for style in method_styles(methods).values()}
    return effects_of(runs, restorers, contest.clean(), looks)


def _noted(method: MethodFacts, inside: Mapping[str, Inside]) -> MethodFacts:
    """With what its codes are like."""
    more = inside[method.name].note if method.name in inside else ""
    return replace(method, note="; ".join(part for part in (method.note, more) if part))


def _noise_facts(contest: Contest, runs: Sequence[DenoiseRun]) -> NoiseFacts | None:
    noise = contest.noise
    if noise is None:
        return None
    trained = {run.noise.level if run.noise else None for run in runs}
    both = trained.pop() if len(trained) == 1 else None
    return NoiseFacts(TITLES[noise.kind], noise.words, contest.main, both)


def _peculiar(contest: Contest, methods: Sequence[MethodFacts], coded: bool) -> tuple[str, ...]:
    judged, test = len(contest.chosen), len(contest.test)
    told = []
    if judged < test:
        told.append(
            f"All methods are judged on the same {grouped(judged)} of {grouped(test)} test images, "
            "evenly chosen."
        )
    fewer = [held for held in methods if held.tally and held.tally.images < judged]
    told += [
        f"{held.shown} is slow, so that it is judged on {held.tally.images} of these images."
        for held in fewer
        if held.tally
    ]
    if coded:
        told.append(
            "Of a code the table tells the share of its values within 0.05 of 0, and the norm of "
            "its derivative by the pixels, mean over some images."
        )
    return tuple(told)
