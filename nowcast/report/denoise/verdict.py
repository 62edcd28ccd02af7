"""Sentences made from the numbers of a denoising."""

from __future__ import annotations

import math

import numpy as np

from nowcast.report.classes.words import grouped, per_cent
from nowcast.report.denoise.charts import lead_at
from nowcast.report.denoise.facts import DenoiseFacts, MethodFacts, WidthCurve
from nowcast.report.denoise.methods import best_rival, gain_of, in_order, lead_of
from nowcast.report.denoise.radar import cleaners, left_at, place_of
from nowcast.report.wording import duration, listed, number

SHORT = 24  # letters of a parameter that a sentence has room for


def denoise_verdict(facts: DenoiseFacts) -> list[str]:
    """How well, against whom, at which noise, at what cost, how it was trained."""
    told = [
        *_restored(facts),
        _rivals(facts),
        _networks(facts),
        _levels(facts),
        _widths(facts),
        *_cleaned(facts),
        _time(facts),
        _course(facts),
        *facts.peculiar,
    ]
    return [sentence[0].upper() + sentence[1:] for sentence in told if sentence]


def _restored(facts: DenoiseFacts) -> list[str]:
    method, noise = facts.method, facts.noise
    if method.tally is None:
        return []
    if not method.tally.images:
        return ["No test image was judged."]
    what = "reproduces" if noise is None else "restores"
    told = f"{method.shown} {what} {grouped(method.tally.images)} test images of {facts.data.title}"
    if noise is not None:
        told += f" with {noise.title} ({noise.knob}: {noise.level:g})"
    low, high = method.tally.psnr_interval()
    told += f" to {number(method.tally.psnr(), 2)} dB PSNR"
    if math.isfinite(low):
        told += f" (95 % interval {number(low, 2)} to {number(high, 2)})"
    if math.isfinite(method.tally.ssim()):
        told += f" and {number(method.tally.ssim(), 3)} SSIM"
    raw = next((held.tally for held in facts.others if held.kind == "nothing"), None)
    if raw is None or not raw.images:
        return [f"{told}."]
    had = f"{number(raw.psnr(), 2)} dB"
    if math.isfinite(raw.ssim()):
        had += f" and {number(raw.ssim(), 3)}"
    return [f"{told}; untouched they have {had}."]


def _rivals(facts: DenoiseFacts) -> str:
    """The best classic method against the page's."""
    best = best_rival(facts.method, facts.others)
    if facts.method.kind != "network" or best is None or not _judged(facts.method):
        return ""
    named = _named(facts, best)
    gain = gain_of(facts.method, best)
    if gain is None:
        gap = lead_of(facts.method, best)
        word = "ahead of" if gap > 0 else "behind"
        return f"It is {number(abs(gap), 2)} dB {word} the best classic method, {named}."
    ends = sorted(abs(end) for end in (gain.low, gain.high))
    if not gain.low * gain.high > 0:
        return f"It is not to be told apart from the best classic method, {named}."
    word = "ahead of" if gain.mean > 0 else "behind"
    return (
        f"It is {number(abs(gain.mean), 2)} dB {word} the best classic method, {named} "
        f"(95 % interval {number(ends[0], 2)} to {number(ends[1], 2)} dB), and better on "
        f"{per_cent(gain.share, 0)} of the images."
    )


def _named(facts: DenoiseFacts, rival: MethodFacts) -> str:
    """With what was tuned, and how many images it was judged on where they are fewer."""
    told = rival.shown
    if 0 < len(rival.parameter) <= SHORT and rival.parameter not in told:
        told += f" with {rival.parameter}"
    judged = [held.tally.images for held in (rival, facts.method) if held.tally]
    return f"{told}, judged on {grouped(judged[0])} images" if judged[0] < judged[-1] else told


def _networks(facts: DenoiseFacts) -> str:
    """The page's network against the others."""
    parts = []
    for other in in_order(facts.methods)[1:]:
        if other.kind == "network" and _judged(other) and _judged(facts.method):
            gain = gain_of(facts.method, other)
            gap = lead_of(facts.method, other)
            if gain is not None and not gain.low * gain.high > 0:
                parts.append(f"level with {other.shown}")
            else:
                word = "better" if gap > 0 else "worse"
                parts.append(f"{number(abs(gap), 2)} dB {word} than {other.shown}")
    return f"It is {listed(parts)}." if parts else ""


def _levels(facts: DenoiseFacts) -> str:
    """At which levels the page's network beats all classic methods."""
    method = facts.method
    if facts.noise is None or method.kind != "network":
        return ""
    gaps = {level: lead_at(method, facts.others, level) for level in sorted(method.by_level)}
    gaps = {level: gap for level, gap in gaps.items() if math.isfinite(gap)}
    if len(gaps) < 2:
        return ""
    behind = [f"{level:g}" for level, gap in gaps.items() if gap <= 0]
    if not behind:
        least, most = (number(float(end(list(gaps.values()))), 1) for end in (np.min, np.max))
        return (
            f"At every level from {min(gaps):g} to {max(gaps):g} it is ahead of every classic "
            f"method, by {least} to {most} dB."
        )
    if len(behind) == len(gaps):
        return "At no level is it ahead of all classic methods."
    return f"At level{'s' if len(behind) > 1 else ''} {listed(behind)} a classic method is better."


def _widths(facts: DenoiseFacts) -> str:
    exact = next((held for held in facts.widths if held.exact), None)
    if exact is None:
        return ""
    told = [part for held in facts.widths if not held.exact and (part := _beside(held, exact))]
    return f"Beside {exact.name} of as many values in the code, {listed(told)}." if told else ""


def _beside(held: WidthCurve, exact: WidthCurve) -> str:
    least = dict(zip(exact.widths, exact.mse, strict=True))
    shared = [
        (width, error)
        for width, error in zip(held.widths, held.mse, strict=True)
        if least.get(width, 0) > 0
    ]
    if not shared:
        return ""
    width, error = min(shared, key=lambda point: point[1] / least[point[0]])
    share = number(error / least[width], 2)
    best = ", where it does best" if len(shared) > 1 else ""
    return f"{held.name} errs {share} times as much at {width} values{best}"


def _cleaned(facts: DenoiseFacts) -> list[str]:
    """Clutter left and rain lost, and what the others leave at equal loss."""
    radar, tally = facts.radar, facts.method.cleaned
    if radar is None or tally is None:
        return []
    lost, left = place_of(tally, radar.threshold)
    if not (math.isfinite(lost) and math.isfinite(left)):
        return ["There was no clutter or no rain to judge the cleaner by."]
    told = (
        f"{facts.method.shown} leaves {per_cent(left)} of the clutter and loses "
        f"{per_cent(lost, 2)} of the rain of {radar.threshold:g} mm/h or more, on "
        f"{grouped(tally.frames)} radar field{'s' if tally.frames != 1 else ''}."
    )
    others = [
        f"{other.shown} {per_cent(left_at(other, radar.threshold, lost))}"
        for other in cleaners(facts)
        if other is not facts.method and other.kind != "nothing"
    ]
    return [told, f"Where they lose as much rain, others leave: {listed(others)}."][
        : 1 + bool(others)
    ]


def _time(facts: DenoiseFacts) -> str:
    spent = facts.method.seconds_per_1000
    if not spent:
        return ""
    told = f"It takes {duration(spent)} for 1000 images"
    best = best_rival(facts.method, facts.others)
    if best is None or not best.seconds_per_1000:
        return f"{told}."
    return f"{told}, {best.shown} {duration(best.seconds_per_1000)}."


def _course(facts: DenoiseFacts) -> str:
    training = facts.method.training
    if training is None or not training.epochs:
        return ""
    told = f"{training.epochs:.3g} epoch{'s' if training.epochs != 1 else ''}"
    told += f" in {duration(training.seconds_training)}" if training.seconds_training else ""
    best = training.best_epoch
    return f"Trained for {told}{f'; the weights after epoch {best:.3g} were kept' if best else ''}."


def _judged(method: MethodFacts) -> bool:
    return method.tally is not None and method.tally.images > 0
