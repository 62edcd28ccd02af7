from __future__ import annotations

import re
from importlib.resources import files

import numpy as np
import pytest

from nowcast.report.archive import amount, length
from nowcast.report.archive_facts import Totals
from nowcast.report.calendars import PRESENT_CLASSES, WET_CLASSES, present, wet_class


def test_a_lost_frame_never_rounds_away() -> None:
    slots = [(315_000, 0), (314_999, 1), (0, 288), (1, 99_999)]
    told = [present(Totals({"observed": seen, "missing": lost})) for seen, lost in slots]
    assert told == ["100 %", "99.9 %", "0 %", "under 0.1 %"]


def test_totals_add() -> None:
    one, other = Totals({"late": 1, "missing": 2}, 1, 0.5, 1), Totals({"late": 3}, 0, 0.1, 2)
    both = one + other
    assert both == Totals({"late": 4, "missing": 2}, 1, 0.6, 3)
    assert (both.frames, both.count, both.wet_share) == (4, 6, pytest.approx(0.2))
    assert np.isnan(Totals().wet_share)


def test_sizes_and_lengths_are_told_in_their_unit() -> None:
    sizes = (0, 999, 1000, 9_940, 999_600, 1_400_000, 38e9, 2.5e12)
    assert [amount(size) for size in sizes] == [
        *("0 B", "999 B", "1.0 kB", "9.9 kB", "1.0 MB", "1.4 MB", "38 GB", "2.5 TB")
    ]
    spans = (90, 360, 3600, 12_000, 86_400, 187_200)
    assert [length(span) for span in spans] == [
        *("90 s", "6 min", "1 h", "3 h 20 min", "1 d", "2 d 4 h")
    ]


def test_wet_classes_begin_at_their_edges() -> None:
    shares = (0, 0.00099, 0.001, 0.0999, 0.2, 0.4, 1, np.nan)
    assert [wet_class(share) for share in shares] == ["w0", "w0", "w1", "w3", "w5", "w6", "w6", "x"]


def luminance(colour: str) -> float:
    rgb = np.array(list(bytes.fromhex(colour[1:]))) / 255
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


@pytest.mark.parametrize(("letter", "classes"), [("p", PRESENT_CLASSES), ("w", WET_CLASSES)])
@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_colours_keep_their_order_in_grey(
    letter: str, classes: tuple[str, ...], theme: int
) -> None:
    css = files("nowcast.report").joinpath("archive.css").read_text()
    colours = re.findall(rf"--{letter}\d: (#\w+);", css)
    count = len(classes)
    assert len(colours) == 2 * count
    scale = np.array([luminance(colour) for colour in colours[theme * count :][:count]]) + 0.05
    steps = scale[1:] / scale[:-1] if theme else scale[:-1] / scale[1:]
    assert np.all(steps > 1.2)
