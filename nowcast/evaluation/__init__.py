"""How well images are classified, restored, segmented: sums that add, scores read from them."""

from __future__ import annotations

from nowcast.evaluation.class_tally import ClassTally, tally_classes
from nowcast.evaluation.cleaning import CleaningTally
from nowcast.evaluation.frechet import FeatureTally, frechet_distance
from nowcast.evaluation.judged import Judged
from nowcast.evaluation.membrane_tally import MembraneTally
from nowcast.evaluation.object_errors import Fate, ObjectErrors, object_errors
from nowcast.evaluation.object_matching import ObjectTally
from nowcast.evaluation.paired import PairedTest, compare_paired
from nowcast.evaluation.rand_scores import RandScores, rand_scores
from nowcast.evaluation.restoration import (
    Gain,
    RestorationTally,
    compare_restored,
    image_psnr,
    image_ssim,
)
from nowcast.evaluation.segment_summary import (
    summarise_membranes,
    summarise_objects,
    summarise_pixels,
)
from nowcast.evaluation.segment_tally import SegmentTally
from nowcast.evaluation.summary import summarise

__all__ = [
    "ClassTally",
    "CleaningTally",
    "Fate",
    "FeatureTally",
    "Gain",
    "Judged",
    "MembraneTally",
    "ObjectErrors",
    "ObjectTally",
    "PairedTest",
    "RandScores",
    "RestorationTally",
    "SegmentTally",
    "compare_paired",
    "compare_restored",
    "frechet_distance",
    "image_psnr",
    "image_ssim",
    "object_errors",
    "rand_scores",
    "summarise",
    "summarise_membranes",
    "summarise_objects",
    "summarise_pixels",
    "tally_classes",
]
