"""Where does the rain move? Motion from the past frames, and frames moved along it.

Motion is (B, 2, H, W) float32, pixels per step: u to the right, v down the rows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from pipeline.batch import NO_ECHO

FLOOR_DBZ = 7.0
COARSEST = 32  # pixels that are one at the coarsest level of the pyramid
ROUNDS = 2  # a level
REACH = 0.25  # weight of a neighbourhood against the one half as wide
DAMPING = 0.05  # pull towards the coarser level's motion, as a share of the gradient's square
NOISE = 0.005  # the gradient's square, (10 dBZ a pixel)², below which texture tells no motion
TINY = 1e-12
STRIDE = 4  # pixels between the trajectories


def estimate_motion(past: Tensor) -> Tensor:
    """Motion that carries the past frames onto the latest one, by pyramidal Lucas–Kanade.

    The normal equations of every earlier frame against the latest one are summed over a
    neighbourhood whose weight falls off slowly: dry areas take the motion of the rain nearby.
    Zero of a single frame, and where nothing moves, rains or is known.

    Args:
        past: (B, T, H, W) dBZ, NaN where missing, latest last.

    Source: Lucas and Kanade, 1981, Proc. 7th IJCAI, 674-679; Bouguet, 2001, Intel Corporation.
    """
    height, width = past.shape[-2:]
    motion = past.new_zeros((past.shape[0], 2, 1, 1), dtype=torch.float32)
    for fields, known in reversed(_pyramid(past)):
        size = fields.shape[-2:]
        motion = F.interpolate(2 * motion, size, mode="bilinear", align_corners=False)
        for _ in range(ROUNDS if past.shape[1] > 1 else 0):
            motion = _refine(fields, known, motion)
    motion = F.interpolate(2 * motion, scale_factor=2, mode="bilinear", align_corners=False)
    return motion[..., :height, :width].contiguous()


def _pyramid(past: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Rain above FLOOR_DBZ and the known share at 1/2, 1/4 … 1/COARSEST of the resolution."""
    pad = [-past.shape[axis] % COARSEST for axis in (-1, -2)]
    frames = F.pad(past.float(), (0, pad[0], 0, pad[1]), value=math.nan)
    known = (~frames.isnan()).float()
    sums = torch.where(known > 0, frames.clamp(min=FLOOR_DBZ) - FLOOR_DBZ, 0.0) / 10
    levels = []
    for _ in range(int(math.log2(COARSEST))):
        sums, known = F.avg_pool2d(sums, 2), F.avg_pool2d(known, 2)
        levels.append((sums / known.clamp(min=1e-3), (known > 0.5).float()))
    return levels


def _refine(fields: Tensor, known: Tensor, motion: Tensor) -> Tensor:
    """The motion with which the frames agree best, to first order around the given one."""
    change, middle, weight = _compare(fields, known, motion)
    right, down = _gradient(middle)
    u, v = motion.unsqueeze(2).unbind(1)
    target = right * u + down * v - change
    wet = (middle > 0).float()
    terms = (right * right, right * down, down * down, right * target, down * target, wet)
    sums = torch.stack([(weight * term).sum(1) for term in terms], 1)
    xx, xy, yy, xt, yt, wet = _spread(sums).unbind(1)
    u, v = F.interpolate(motion, xx.shape[-2:], mode="area").unbind(1)
    ridge = DAMPING * (xx + yy) + NOISE * wet + TINY
    xx, yy, xt, yt = xx + ridge, yy + ridge, xt + ridge * u, yt + ridge * v
    determinant = xx * yy - xy * xy
    solved = torch.stack((yy * xt - xy * yt, xx * yt - xy * xt), 1) / determinant[:, None]
    return F.interpolate(solved, fields.shape[-2:], mode="bilinear", align_corners=False)


def _compare(fields: Tensor, known: Tensor, motion: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Of each earlier frame moved onto the latest: change a step, mean of both, and weight.

    The weight is 0 where one of them is unknown, and small where growth, not motion, shows.
    """
    here, step_back = _places(motion), 2 * motion / _spans(motion)
    both = torch.stack((fields, known), 2)
    ages = range(fields.shape[1] - 1, 0, -1)
    moved = [_sample(both[:, -1 - age], here - age * step_back) for age in ages]
    earlier, seen = torch.stack(moved, 2).unbind(1)
    step = fields.new_tensor(list(ages))[:, None, None]
    seen = (seen > 0.99).float() * known[:, -1:]
    inside = -F.max_pool2d(-seen, 3, 1, 1)
    latest = fields[:, -1:]
    change = (latest - earlier) / step
    return change, (latest + earlier) / 2, inside / (1 + change * change)


def _gradient(fields: Tensor) -> tuple[Tensor, Tensor]:
    """Central differences to the right and down the rows."""
    framed = F.pad(fields, (1, 1, 1, 1), mode="replicate")
    right = (framed[..., 1:-1, 2:] - framed[..., 1:-1, :-2]) / 2
    down = (framed[..., 2:, 1:-1] - framed[..., :-2, 1:-1]) / 2
    return right, down


def _spread(sums: Tensor) -> Tensor:
    """Each field averaged over blocks of doubling size, a doubling weighing REACH of the last."""
    blocks = [F.avg_pool2d(sums, 4, ceil_mode=True)]
    while min(blocks[-1].shape[-2:]) > 1:
        blocks.append(F.avg_pool2d(blocks[-1], 2, ceil_mode=True))
    total = blocks.pop()
    while blocks:
        finer = blocks.pop()
        up = F.interpolate(total, finer.shape[-2:], mode="bilinear", align_corners=False)
        total = finer + REACH * up
    return total


def advect(frames: Tensor, motion: Tensor, steps: float | Sequence[float]) -> Tensor:
    """Frames as they are after `steps` of motion along steady trajectories.

    Semi-Lagrangian, backward from each pixel, and interpolated once whatever the steps. A pixel
    is missing, dry or wet as the pixel nearest to where its air comes from; wet ones are
    interpolated among wet ones only, so that no echo never dilutes the rim of the rain.

    Args:
        frames: (B, C, H, W) dBZ, NaN where missing.
        motion: (B, 2, H, W) pixels per step.
        steps: One number for all channels or one a channel, when a single channel may be moved
            by several: (B, len(steps), H, W). Negative steps go back in time.

    Missing: where the air comes from missing pixels or from outside the grid.

    Raises:
        ValueError: If there are neither one nor as many channels as steps.

    Source: Germann and Zawadzki, 2002, Monthly Weather Review 130, 2859-2873.
    """
    alike = isinstance(steps, (int, float))
    ages = [float(steps)] if isinstance(steps, (int, float)) else [float(age) for age in steps]
    channels = frames.shape[1]
    if not alike and channels not in (1, len(ages)):
        raise ValueError(f"advect: expected 1 or {len(ages)} channels, found {channels}")
    state = _framed(frames)
    rain = _rain_with_rim(state)
    displacements = _displacements(motion.float(), ages)
    here = _places(state)[..., 1:-1, 1:-1]
    moved = []
    for channel, age in enumerate(ages):
        own = slice(None) if alike or channels == 1 else slice(channel, channel + 1)
        origins = here + _widened(displacements[age], state)
        nearest = _sample(state[:, own], origins, "border", "nearest")
        wet = _sample(rain[:, own], origins, "border")
        moved.append(torch.where(nearest > NO_ECHO, wet, nearest))
    return torch.cat(moved, 1)


def complete_latest(past: Tensor, motion: Tensor) -> Tensor:
    """The latest frame (B, 1, H, W), what it lost from view taken from the frames before it.

    A pixel is lost if an earlier frame saw it; it gets the newest air known to have moved there,
    that of the nearest pixel.
    """
    latest = past[:, -1:].float()
    for age in range(1, past.shape[1]):
        earlier = past[:, -1 - age, None]
        lost = latest.isnan() & ~earlier.isnan()
        if lost.any():
            state = _framed(earlier)
            displacement = _displacements(motion.float(), [age])[age]
            origins = _places(state)[..., 1:-1, 1:-1] + _widened(displacement, state)
            latest = torch.where(lost, _sample(state, origins, "border", "nearest"), latest)
    return latest


def _framed(frames: Tensor) -> Tensor:
    """The frames with one missing pixel around them."""
    return F.pad(frames.float(), (1, 1, 1, 1), value=math.nan)


def _rain_with_rim(state: Tensor) -> Tensor:
    """The rain, continued by the mean of its neighbours one pixel beyond its edge."""
    wet = state > NO_ECHO
    rain = torch.where(wet, state, 0.0)
    return torch.where(wet, rain, _sum_around(rain) / _sum_around(wet.float()).clamp(min=1))


def _sum_around(fields: Tensor) -> Tensor:
    """Sums over 3 × 3 pixels."""
    framed = F.pad(fields, (1, 1, 1, 1))
    rows = framed[..., :-2, :] + framed[..., 1:-1, :] + framed[..., 2:, :]
    return rows[..., :-2] + rows[..., 1:-1] + rows[..., 2:]


def _displacements(motion: Tensor, steps: Sequence[float]) -> dict[float, Tensor]:
    """How far, in pixels, to where the air was so many steps before; for every STRIDE-th pixel."""
    height, width = motion.shape[-2:]
    padding = (0, -width % STRIDE, 0, -height % STRIDE)
    velocity = F.avg_pool2d(F.pad(motion, padding, mode="replicate"), STRIDE)
    here, span = _places(velocity), STRIDE * _spans(velocity)
    found = {0.0: torch.zeros_like(velocity)}
    for sign in (1.0, -1.0):
        moved, done = found[0.0], 0.0
        for target in sorted({abs(step) for step in steps if sign * step > 0}):
            while done < target:
                stride = min(1.0, target - done)
                here_now = here + 2 * moved / span
                middle = moved - sign * stride / 2 * _sample(velocity, here_now, "border")
                here_then = here + 2 * middle / span
                moved = moved - sign * stride * _sample(velocity, here_then, "border")
                done += stride
            found[sign * target] = moved
    return found


def _widened(displacement: Tensor, state: Tensor) -> Tensor:
    """A displacement in pixels as one of places, for each pixel within the frame of a state."""
    height, width = state.shape[-2:]
    scaled = 2 * displacement / _spans(state)
    wide = F.interpolate(scaled, scale_factor=STRIDE, mode="bilinear", align_corners=False)
    return wide[..., : height - 2, : width - 2]


def _spans(like: Tensor) -> Tensor:
    """(2, 1, 1) width and height in pixels."""
    height, width = like.shape[-2:]
    return torch.tensor([width, height], device=like.device, dtype=torch.float32)[:, None, None]


def _places(like: Tensor) -> Tensor:
    """(1, 2, H, W) x and y of each pixel's centre, from −1 to 1 between the grid's outer edges."""
    height, width = like.shape[-2:]
    y = (2 * torch.arange(height, device=like.device, dtype=torch.float32) + 1) / height - 1
    x = (2 * torch.arange(width, device=like.device, dtype=torch.float32) + 1) / width - 1
    return torch.stack((x.expand(height, width), y[:, None].expand(height, width)))[None]


def _sample(
    fields: Tensor, places: Tensor, outside: str = "zeros", mode: str = "bilinear"
) -> Tensor:
    """Values of fields (B, C, H, W) at places (B, 2, h, w)."""
    grid = places.permute(0, 2, 3, 1)
    return F.grid_sample(fields, grid, mode=mode, padding_mode=outside, align_corners=False)
