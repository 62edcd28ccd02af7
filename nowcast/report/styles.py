"""One name, colour, dash and marker for each forecaster, the same all over the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

GREY = "#8a8a8a"
# Okabe and Ito's colours for all kinds of colour vision, without yellow and black
SPARE_COLOURS = ("#56b4e9", "#e69f00", "#cc79a7", "#0072b2", "#009e73", "#d55e00")
MARKERS = ("circle", "square", "triangle", "diamond", "down", "cross")


@dataclass(frozen=True)
class Style:
    """How one forecaster looks."""

    name: str
    title: str
    colour: str
    marker: str
    dash: str = ""


KNOWN = (
    Style("convlstm", "ConvLSTM", "#d55e00", "circle"),
    Style("unet", "U-Net", "#0072b2", "square"),
    Style("steps", "STEPS", "#e69f00", "cross"),
    Style("sprog", "S-PROG", "#cc79a7", "diamond"),
    Style("extrapolation", "Extrapolation", "#009e73", "triangle"),
    Style("persistence", "Persistence", GREY, "down", "5 4"),
)


def known_style(name: str) -> Style | None:
    """The style of a forecaster of ours; "unet-demo" is a kind of "unet"."""
    return next((style for style in KNOWN if name.split("-")[0] == style.name), None)


def reading_order(names: Sequence[str]) -> list[str]:
    """Our networks first, then strangers, then what they must beat."""
    order = [style.name for style in KNOWN]
    order.insert(order.index("unet") + 1, "")

    def rank(name: str) -> int:
        known = known_style(name)
        return order.index(known.name if known else "")

    return sorted(names, key=rank)


def make_styles(names: Sequence[str], titles: Mapping[str, str]) -> dict[str, Style]:
    """A style for each forecaster, in reading order; colours repeat only beyond nine or so.

    Args:
        names: Of the forecasters.
        titles: Name → title, where one is given.
    """
    ordered = reading_order(names)
    taken: set[str] = set()
    styles: dict[str, Style] = {}
    for name in sorted(ordered, key=lambda name: name not in {style.name for style in KNOWN}):
        known = known_style(name)
        title = titles.get(name) or _title(name, known)
        if known and known.colour not in taken:
            styles[name] = Style(name, title, known.colour, known.marker, known.dash)
        else:
            styles[name] = _spare(name, title, taken, len(styles))
        taken.add(styles[name].colour)
    return {name: styles[name] for name in ordered}


def _title(name: str, known: Style | None) -> str:
    if known is None:
        return name
    return f"{known.title} {name[len(known.name) :].strip('-')}".strip()


def _spare(name: str, title: str, taken: set[str], count: int) -> Style:
    free = [colour for colour in SPARE_COLOURS if colour not in taken]
    colour = free[0] if free else SPARE_COLOURS[count % len(SPARE_COLOURS)]
    return Style(name, title, colour, MARKERS[count % len(MARKERS)], "" if free else "2 3")
