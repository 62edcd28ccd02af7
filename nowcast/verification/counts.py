"""Events at a threshold, counted exactly."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from pipeline.batch import NO_ECHO, ZR

STEP_DBZ = 0.01


class Counts(NamedTuple):
    """The contingency table: int64 counts of pixels, any shape."""

    hits: Tensor
    misses: Tensor
    false_alarms: Tensor
    correct_negatives: Tensor


def event_limit(threshold_dbz: float) -> float:
    """The reflectivity in dBZ from which a pixel counts as an event.

    Stored reflectivity comes in steps of STEP_DBZ, so a rate that equals the threshold may be held
    as up to half a step less. The limit lies midway between two steps, below the first that can
    hold the threshold: a pixel at the threshold is an event, stored or not, whatever the rounding.
    """
    first = math.ceil(threshold_dbz / STEP_DBZ - 0.501)
    return (first - 0.5) * STEP_DBZ


def at_least(field: Tensor, limit: float) -> Tensor:
    """Where a float32 field reaches a limit; NaN does not."""
    if field.is_cpu:  # numpy compares eight times as fast
        return torch.from_numpy(field.numpy() >= np.float32(limit))
    return field >= limit


def reach_each(fields: Tensor, limits: Sequence[float]) -> Tensor:
    """Where float32 fields (..., H, W) reach each limit, (..., T, H, W); NaN does not."""
    shape = (*fields.shape[:-2], len(limits), *fields.shape[-2:])
    reached = torch.empty(shape, dtype=torch.bool, device=fields.device)
    for level, limit in enumerate(limits):
        plane = reached[..., level, :, :]
        if fields.is_cpu:  # numpy compares eight times as fast
            np.greater_equal(fields.numpy(), np.float32(limit), out=plane.numpy())
        else:
            torch.ge(fields, limit, out=plane)
    return reached


def without_missing(field: Tensor) -> tuple[Tensor, Tensor]:
    """A float32 field with NO_ECHO for NaN, and where it was not NaN.

    Raises:
        ValueError: If a value is infinite.
    """
    finite = torch.from_numpy(np.isfinite(field.numpy())) if field.is_cpu else field.isfinite()
    if count_pixels(finite).sum() == finite.numel():
        return field, finite
    if bool(np.isinf(field.numpy()).any() if field.is_cpu else field.isinf().any()):
        raise ValueError("tally: expected finite dBZ or NaN, found an infinity")
    return field.nan_to_num(NO_ECHO), finite


def are_alike(here: Tensor, there: Tensor) -> bool:
    """Whether two bool planes of one shape and device are the same."""
    if here.is_cpu:  # numpy compares many times as fast
        return bool((here.numpy() == there.numpy()).all())
    return torch.equal(here, there)


def rain_rates(zr: ZR, field: Tensor) -> Tensor:
    """Rain rate in mm/h of reflectivity in dBZ."""
    return torch.from_numpy(zr.rain_rate(field.numpy())) if field.is_cpu else zr.rain_rate(field)


def count_pixels(planes: Tensor) -> Tensor:
    """Number of true pixels of (..., H, W) bool, int64."""
    if not planes.is_cpu:
        return planes.sum((-2, -1))
    flat = planes.reshape(-1, *planes.shape[-2:]).numpy()
    return torch.tensor([np.count_nonzero(plane) for plane in flat]).view(planes.shape[:-2])


def count_events(forecast: Tensor, observed: Tensor, pixels: Tensor) -> Counts:
    """Pixels that were both, one or neither of forecast and observed.

    Args:
        forecast: (..., H, W) bool, events among the compared pixels only.
        observed: (..., H, W) bool, likewise; broadcasts with `forecast`.
        pixels: Number of compared pixels; broadcasts with the counts.
    """
    hits = count_pixels(forecast & observed)
    misses = count_pixels(observed) - hits
    false_alarms = count_pixels(forecast) - hits
    return Counts(hits, misses, false_alarms, pixels - hits - misses - false_alarms)


def ratio(part: Tensor, whole: Tensor) -> Tensor:
    """`part / whole` in float64, NaN where the whole is 0."""
    whole = whole.to(torch.float64)
    return part.to(torch.float64) / torch.where(whole == 0, math.nan, whole)


def dot(here: Tensor, there: Tensor) -> Tensor:
    """Sum of products of two float32 fields of one shape: runs in float32, their sum in float64."""
    size = here.numel()
    flat = here.reshape(-1), there.reshape(-1)
    cuts = range(0, size, RUN)
    runs = [torch.dot(*(field[cut : cut + RUN] for field in flat)) for cut in cuts]
    return torch.stack(runs).double().sum()


def total(field: Tensor) -> Tensor:
    """Sum of a float32 field (H, W): rows in float32, their sum in float64."""
    return field.sum(-1).sum(dtype=torch.float64)


RUN = 1 << 17
