"""Numbers of a classification as readers see them."""

from __future__ import annotations

import numpy as np

from nowcast.report.wording import UNDEFINED, number


def per_cent(share: float, decimals: int = 1) -> str:
    """A share with fixed decimals; 100 % and 0 % only where it is all or none."""
    if not np.isfinite(share):
        return number(share, decimals)
    shown = 100 * share
    step = 10.0**-decimals
    if 0 < share < 1:
        shown = min(max(shown, step), 100 - step)
        if 100 * share < step:
            return f"< {number(step, decimals)} %"
        if 100 * share > 100 - step:
            return f"> {number(100 - step, decimals)} %"
    return f"{number(shown, decimals)} %"


def grouped(count: float) -> str:
    """A count with thin gaps between thousands; a dash where it is undefined."""
    if not np.isfinite(count):
        return UNDEFINED
    return f"{round(count):,}".replace(",", "\u202f")


def multiply_adds(count: int | None) -> str:
    """ "3.87 billion", "5.1 million", "840"."""
    if count is None:
        return UNDEFINED
    for size, name in ((10**9, "billion"), (10**6, "million")):
        if count >= size:
            return f"{count / size:.3g} {name}"
    return grouped(count)


def signed(value: float, decimals: int) -> str:
    """A number with its sign, also above 0."""
    text = number(value, decimals)
    return f"+{text}" if float(f"{value:.{decimals}f}") > 0 else text
