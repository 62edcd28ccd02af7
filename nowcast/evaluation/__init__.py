"""How well images are classified: sums that add, and the scores read from them."""

from __future__ import annotations

from nowcast.evaluation.class_tally import ClassTally, tally_classes
from nowcast.evaluation.judged import Judged
from nowcast.evaluation.paired import PairedTest, compare_paired
from nowcast.evaluation.summary import summarise

__all__ = [
    "ClassTally",
    "Judged",
    "PairedTest",
    "compare_paired",
    "summarise",
    "tally_classes",
]
