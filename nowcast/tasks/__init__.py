"""What is input, what is target, what is the loss; TASKS is the table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields

from nowcast.scaling import scaling_from_json, scaling_to_json
from nowcast.tasks.classes import ClassifyTask
from nowcast.tasks.images import DenoiseTask
from nowcast.tasks.nowcasting import NowcastTask, align
from nowcast.tasks.segmentation import SegmentTask
from nowcast.tasks.task import Example, Task

__all__ = [
    "TASKS",
    "ClassifyTask",
    "DenoiseTask",
    "Example",
    "NowcastTask",
    "SegmentTask",
    "Task",
    "align",
    "task_from_json",
    "task_to_json",
]

AnyTask = NowcastTask | ClassifyTask | DenoiseTask | SegmentTask

TASKS: dict[str, type[AnyTask]] = {
    "nowcast": NowcastTask,
    "classify": ClassifyTask,
    "denoise": DenoiseTask,
    "segment": SegmentTask,
}


def task_to_json(task: Task) -> dict[str, object]:
    """The task's name in the table and everything that it was made with.

    Raises:
        ValueError: If the task is not of the table.
    """
    for name, kind in TASKS.items():
        if type(task) is kind:
            made_with = {entry.name: getattr(task, entry.name) for entry in fields(task)}
            return {"name": name, **made_with, "scaling": scaling_to_json(task.scaling)}
    raise ValueError(f"no task of type {type(task).__name__}; the table holds {sorted(TASKS)}")


def task_from_json(entries: Mapping[str, object]) -> Task:
    """The task that `task_to_json` wrote.

    Raises:
        ValueError: If the name or one of the entries is unknown.
    """
    made_with = dict(entries)
    name = str(made_with.pop("name", None))
    if name not in TASKS:
        raise ValueError(f"no task {name!r}; the table holds {sorted(TASKS)}")
    scaling = made_with.pop("scaling", None)
    if isinstance(scaling, Mapping):
        made_with["scaling"] = scaling_from_json(scaling)
    kind: type[Task] = TASKS[name]
    try:
        return kind(**made_with)
    except TypeError as error:
        raise ValueError(f"task {name!r}: {error}") from error
