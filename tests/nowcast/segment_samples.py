"""Pages of segmentations that never were."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from nowcast.evaluation import MembraneTally, ObjectTally, SegmentTally, object_errors
from nowcast.evaluation.membrane_tally import grown, parted
from nowcast.instances import Separation, separate
from nowcast.report.classes.facts import DataFacts
from nowcast.report.segment.facts import PictureFacts, SegmentFacts, SegmentRunFacts
from nowcast.report.training_facts import Curve, Curves, TrainingFacts

Kind = Literal["objects", "membranes", "vessels", "tissues"]
CLASSES = {
    "objects": ("background", "nucleus"),
    "membranes": ("membrane", "cell"),
    "vessels": ("background", "vessel"),
    "tissues": ("background", "stroma", "gland"),
}
SIDE = 48
CHOSEN = "2 pictures of validation"


def make_objects(seed: int, side: int = SIDE) -> NDArray[np.int32]:
    """Discs, some of which touch."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side]
    labels = np.zeros((side, side), np.int32)
    for n, (row, column) in enumerate([(12, 12), (12, 23), (34, 14), (33, 34)], 1):
        labels[np.hypot(y - row, x - column - rng.integers(0, 2)) < 6 + rng.integers(0, 2)] = n
    return labels


def make_truth(kind: Kind, seed: int) -> NDArray[np.int32]:
    """Classes of a picture."""
    objects = make_objects(seed)
    if kind == "membranes":
        y, x = np.mgrid[:SIDE, :SIDE]
        return ((y % 16 > 1) & (x % 16 > 1)).astype(np.int32)
    if kind == "tissues":
        return np.where(objects > 2, 2, np.minimum(objects, 1)).astype(np.int32)
    return np.minimum(objects, 1).astype(np.int32)


def make_odds(truth: NDArray[np.int32], classes: int, noise: float, seed: int) -> NDArray[Any]:
    """Probabilities that are wrong here and there, the more so the greater the noise."""
    rng = np.random.default_rng(seed + 100)
    rough = rng.normal(size=(classes, SIDE // 6, SIDE // 6)).repeat(6, 1).repeat(6, 2)
    logits = 3 * (truth == np.arange(classes)[:, None, None]) + noise * rough
    odds = np.exp(logits)
    return (odds / odds.sum(0)).astype(np.float32)


def make_training(name: str, **known: Any) -> TrainingFacts:
    at = tuple(float(epoch) for epoch in range(1, 9))
    loss = tuple(0.1 + 0.5 / epoch for epoch in at)
    curves = Curves(Curve(at, loss), Curve(at, tuple(1.1 * value for value in loss)))
    recipe = {"Network": name, "Crop": "32 × 32"}
    told = {"parameters": 31_030_658, "epochs": 8.0, "best_epoch": 7.0, "seconds_training": 300.0}
    return TrainingFacts(name, network="U-Net", recipe=recipe, curves=curves, **{**told, **known})


class Judge:
    """Tallies and pictures of one run."""

    def __init__(self, kind: Kind) -> None:
        classes = len(CLASSES[kind])
        self.kind = kind
        self.pixels = SegmentTally(classes, threshold=0.5 if classes == 2 else None)
        self.second = SegmentTally(classes)
        self.objects = ObjectTally() if kind == "objects" else None
        self.membranes = MembraneTally() if kind == "membranes" else None
        self.pictures: list[PictureFacts] = []

    def hear(self, seed: int, noise: float) -> None:
        name, truth = f"picture-{seed}", make_truth(self.kind, seed)
        odds = make_odds(truth, self.pixels.classes, noise, seed)
        row = self.pixels.update(odds, truth, name=name)
        numbers: dict[str, Any] = {"picture": name, "pixel_error": row.pixel_error}
        numbers["dice"] = float(np.nanmean(row.dice[1:]))
        found = odds.argmax(0).astype(np.int32)
        true_objects, objects, fates = self._fates(seed, truth, odds, numbers)
        second = np.roll(truth, 1, 0) if self.kind == "vessels" else None
        if second is not None:
            other = self.second.update_classes(second, truth, name=name)
            numbers["second_dice"] = float(other.dice[1])
        score = float(numbers.get("f1", numbers.get("v_rand", numbers["dice"])))
        pixels = np.random.default_rng(seed).uniform(0, 60, (1, SIDE, SIDE)) + 150 * (truth > 0)
        self.pictures.append(
            PictureFacts(
                name,
                pixels,
                truth,
                odds,
                found,
                true_objects=true_objects,
                found_objects=objects,
                fates=fates,
                second=second,
                score=score,
                numbers={**numbers, "score": score},
            )
        )

    def _fates(
        self, seed: int, truth: NDArray[np.int32], odds: NDArray[Any], numbers: dict[str, Any]
    ) -> tuple[Any, Any, Any]:
        name = str(numbers["picture"])
        if self.objects is not None:
            true, found = make_objects(seed), separate(odds, Separation("h_maxima", min_size=4))
            row = self.objects.update(true, found, name=name)
            numbers |= {"f1": row.f1, "objects": row.true_objects, "merged_unseparated": 2}
            numbers["objects_found"] = row.found_objects
        elif self.membranes is not None:
            scores = self.membranes.update(odds[0], truth, name=name).scores
            numbers |= scores[self.membranes.thresholds.index(0.5)]._asdict()
            true, found = parted(truth > 0), grown(parted(odds[0] < 0.5))
        else:
            return None, None, None
        errors = object_errors(true, found)
        numbers |= errors.counts()
        return true, found, errors.drawn


def make_run(kind: Kind, name: str, noise: float, **known: Any) -> tuple[SegmentRunFacts, Judge]:
    judge = Judge(kind)
    for seed in range(3):
        judge.hear(seed, noise + 0.3 * seed)
    ordered = sorted((held.numbers for held in judge.pictures), key=lambda row: row["score"])
    told: dict[str, Any] = {
        "objects": judge.objects,
        "unseparated": judge.objects,
        "membranes": judge.membranes,
        "rows": tuple(ordered),
        "threshold": judge.pixels.threshold,
        "membrane": 0.5 if judge.membranes else None,
        "chosen": CHOSEN,
        "separation": "watershed of the distance" if judge.objects else "",
        "seconds_prediction": 2.0,
        "megapixels_per_second": 0.5,
    }
    return SegmentRunFacts(make_training(name), judge.pixels, **{**told, **known}), judge


def make_facts(kind: Kind = "objects", **known: Any) -> SegmentFacts:
    """A run and a worse one."""
    run, judge = make_run(kind, f"unet-{kind}", 1.2)
    other, _ = make_run(kind, "fcn-8", 2.2)
    data = DataFacts(
        "Made pictures", CLASSES[kind], f"{SIDE} × {SIDE} pixels, grey", 20, 2, 3, "by picture"
    )
    told: dict[str, Any] = {
        "reference": judge.second if judge.second.rows else None,
        "pictures": tuple(judge.pictures),
        "things": ("nucleus", "nuclei") if kind == "objects" else ("object", "objects"),
        "machine": "2 cores",
        "seconds": {"training": 300.0, "prediction": 2.0},
    }
    return SegmentFacts(f"Segmentation of {kind}", data, run, (other,), **{**told, **known})
