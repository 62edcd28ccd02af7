"""Where forecast rain comes from, as a picture."""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from nowcast.explain import RainSensitivity
from nowcast.report.classes.facts import Figure
from nowcast.report.colours import DIVERGING, MAP_COLOUR, SOUND, rgba
from nowcast.report.inside.pictures import Key, Pixels, Sheet, Tile, as_pixels, signed
from nowcast.report.wording import number

MARGIN = 16
PATCH = 5  # side, odd, of the squares of past pixels that are changed together
CROSS = 4
OUTLINE = (150, 150, 150)
MARK = (0, 0, 0)
RAIN_DBZ = 7.0
FAINT = 0.15  # root of a share of the largest, below which the edge is drawn over it
SMALL = 0.02  # of the largest: what is seen of the gradient


def draw_sensitivity(
    sensitivity: RainSensitivity,
    past: Tensor,
    forecast: Tensor | None = None,
    cadence_minutes: float = 5.0,
) -> Figure:
    """The past frames round what counts, and below each how the forecast pixel hangs on it.

    Args:
        sensitivity: Of `rain_sensitivity`.
        past: (T, H, W) dBZ, the same.
        forecast: (H, W) dBZ of the lead time, beside the past.
        cadence_minutes: Between the frames.
    """
    changes = F.avg_pool2d(sensitivity.gradient, PATCH, 1, PATCH // 2) * PATCH**2
    box, reach = _box(changes, sensitivity.pixel), float(changes.abs().max())
    ages = [-cadence_minutes * (len(past) - 1 - n) for n in range(len(past))]
    above = [Tile(_marked(_rain(frame, box), sensitivity, box)) for frame in past]
    below = [
        Tile(
            _marked(_slopes(slopes, frame, box, reach), sensitivity, box),
            f"{100 * float(share):.0f} % of the influence",
        )
        for slopes, frame, share in zip(changes, past, sensitivity.by_frame, strict=True)
    ]
    headings = ["latest frame" if age == 0 else f"{age:g} min" for age in ages]
    if forecast is not None:
        above.append(Tile(_marked(_rain(forecast, box), sensitivity, box)))
        headings.append(f"forecast, +{sensitivity.lead_minutes:g} min")
    return _figure(sensitivity, Sheet([above, below], 230, headings, (), _keys(reach)))


def _figure(sensitivity: RainSensitivity, sheet: Sheet) -> Figure:
    row, column = sensitivity.pixel
    down, right = (a - b for a, b in zip(sensitivity.source, sensitivity.pixel, strict=True))
    lead, distance = f"{sensitivity.lead_minutes:g} min", math.hypot(down, right)
    words = (
        f"{number(abs(down), 0)} pixels {'above' if down < 0 else 'below'} and "
        f"{number(abs(right), 0)} {'left' if right < 0 else 'right'} of it"
    )
    return Figure(
        f"Where the rain in {lead} comes from",
        sheet.uri(),
        f"Past radar frames and the gradient of the forecast of {sensitivity.forecast:.0f} dBZ at "
        f"row {row}, column {column} with respect to them; the mean place is {words}",
        f"By how many dBZ the forecast for the cross in {lead}, {sensitivity.forecast:.0f} dBZ, "
        f"rises (violet) or falls (orange) if {PATCH} × {PATCH} past pixels rise by 1 dBZ; colours "
        "go by the root, so that little shows, and grey lines are the edge of the rain. What "
        f"counts lies on average {number(distance, 0)} pixels away, {words}.",
    )


def _keys(reach: float) -> list[Key]:
    slopes = Key(DIVERGING, number(-reach, 3), number(reach, 3), "change")
    return [slopes, Key((MAP_COLOUR, *SOUND.colours), "below 5", "60 dBZ", "rain")]


def _box(changes: Tensor, pixel: tuple[int, int]) -> tuple[slice, slice]:
    """Rows and columns of the pixel and all that counts, as a square where the grid allows."""
    size = changes.abs().amax(0)
    places = torch.nonzero(size > SMALL * size.max())
    places = torch.cat([places, torch.tensor([pixel], device=places.device)])
    low, high = places.amin(0).tolist(), places.amax(0).tolist()
    side = max(b - a for a, b in zip(low, high, strict=True)) + 1 + 2 * MARGIN
    slices = []
    for first, last, length in zip(low, high, size.shape, strict=True):
        start = max(min((first + last + 1 - side) // 2, length - side), 0)
        slices.append(slice(start, min(start + side, length)))
    return slices[0], slices[1]


def _rain(frame: Tensor, box: tuple[slice, slice]) -> Pixels:
    colours = rgba(frame[box].cpu().numpy()).astype(float)
    weight = colours[..., 3:] / 255
    ground = np.array(list(bytes.fromhex(MAP_COLOUR[1:])), float)
    return as_pixels(weight * colours[..., :3] + (1 - weight) * ground)


def _slopes(slopes: Tensor, frame: Tensor, box: tuple[slice, slice], reach: float) -> Pixels:
    """The gradient with the edge of the rain."""
    root = slopes[box].sign() * (slopes[box].abs() / reach).sqrt()
    pixels = signed(root, 1.0)
    wet = (frame[box] > RAIN_DBZ).cpu().numpy()
    inner = wet.copy()
    inner[1:-1, 1:-1] = wet[1:-1, 1:-1] & wet[:-2, 1:-1] & wet[2:, 1:-1]
    inner[1:-1, 1:-1] &= wet[1:-1, :-2] & wet[1:-1, 2:]
    faint = (root.abs() < FAINT).cpu().numpy()
    pixels[wet & ~inner & faint] = OUTLINE
    return pixels


def _marked(pixels: Pixels, sensitivity: RainSensitivity, box: tuple[slice, slice]) -> Pixels:
    row, column = (at - own.start for at, own in zip(sensitivity.pixel, box, strict=True))
    marked = pixels.copy()
    for step in (*range(-CROSS, -1), *range(2, CROSS + 1)):
        if 0 <= row + step < len(marked):
            marked[row + step, column] = MARK
        if 0 <= column + step < marked.shape[1]:
            marked[row, column + step] = MARK
    return marked
