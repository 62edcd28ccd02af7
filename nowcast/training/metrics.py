"""The log of a run: one JSON line a step, each handed to the system before the next."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self


class MetricsLog:
    """Appends lines {"step": …} to a file; a context that closes it.

    Args:
        path: The file; made if absent.
        step: Lines of later steps, and a line cut short, are dropped: the run goes on from here.
    """

    def __init__(self, path: Path, step: int) -> None:
        kept = [line for line in read_metrics(path) if line["step"] <= step]
        partial = path.with_name(path.name + ".partial")
        partial.write_text("".join(json.dumps(line) + "\n" for line in kept), encoding="utf-8")
        partial.replace(path)
        self._file = path.open("a", encoding="utf-8")

    def write(self, line: Mapping[str, Any]) -> None:
        """Append one line."""
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """The whole lines of a log, in order; none if there is no such file.

    A line holds "step" with "loss", "learning_rate", "gradient_norm", "samples_per_second" and,
    where the task has something to beat, "loss_over_persistence", or where it has classes,
    "accuracy"; or "step" with "validation", the sums of the task's scores, "train", those of all
    steps since the last such line, and "epoch" where the recipe counts them; or "step" with
    "warning"; or "step" with "stopped", the reason to end early.
    """
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    return [json.loads(line) for line in lines if line.endswith("\n") and line.strip()]


@dataclass(frozen=True)
class CurvePoint:
    """How a run stood at a validation; the training figures are means since the one before.

    Args:
        step: After how many steps.
        epoch: After how many passes over the data; None where the recipe counts steps.
        learning_rate: Of the last step.
        train_loss: With the weights as they were, step by step.
        validation_loss: With the averaged weights.
        train_accuracy: Share of the labels that were found; None of a task without classes.
        validation_accuracy: The same.
    """

    step: int
    epoch: float | None
    learning_rate: float
    train_loss: float
    validation_loss: float
    train_accuracy: float | None
    validation_accuracy: float | None


def learning_curve(path: Path) -> list[CurvePoint]:
    """The validations of a log, in order; those of older logs without "train" are left out."""
    return [_point(line) for line in read_metrics(path) if line.keys() >= {"validation", "train"}]


def _point(line: Mapping[str, Any]) -> CurvePoint:
    train, validation = line["train"], line["validation"]
    classes = "correct" in validation
    return CurvePoint(
        step=line["step"],
        epoch=line.get("epoch"),
        learning_rate=line["learning_rate"],
        train_loss=train["loss"] / (train["weight"] or 1),
        validation_loss=validation["loss"] / validation["weight"],
        train_accuracy=accuracy(train) if classes else None,
        validation_accuracy=accuracy(validation) if classes else None,
    )


def accuracy(sums: Mapping[str, float]) -> float:
    """Share of the labels that were found. Range 0 to 1, best 1.

    Undefined: 0 where there was no label.
    """
    return sums["correct"] / (sums.get("labelled", sums["weight"]) or 1)


def over_persistence(sums: Mapping[str, float]) -> dict[str, float]:
    """Loss ÷ persistence loss, where a task has one that is not 0."""
    persistence = sums.get("persistence_loss", 0.0)
    return {"loss_over_persistence": sums["loss"] / persistence} if persistence else {}
