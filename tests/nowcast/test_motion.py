"""Motion is found, frames are carried along it, and what is not known stays unknown."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from nowcast.motion import advect, complete_latest, estimate_motion
from pipeline.batch import NO_ECHO

CELLS = [(60.0, 50.0, 9.0), (95.0, 88.0, 12.0), (52.0, 104.0, 7.0), (110.0, 45.0, 10.0)]
Field = Callable[[Tensor, Tensor], Tensor]
VELOCITIES = [(3.0, -2.0), (0.6, 0.4), (-1.5, 5.0), (11.0, 4.0)]


def rain(x: Tensor, y: Tensor) -> Tensor:
    """Reflectivity of a few cells at any place, below 12 dBZ no echo."""
    linear = torch.zeros_like(x)
    for column, row, radius in CELLS:
        linear += torch.exp(-((x - column) ** 2 + (y - row) ** 2) / (2 * radius**2))
    dbz = 45 + 20 * torch.log10(linear + 1e-6)
    return torch.where(dbz > 12, dbz, NO_ECHO)


def places(height: int = 150, width: int = 161) -> tuple[Tensor, Tensor]:
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return x.float(), y.float()


def moving(u: float, v: float, ages: range = range(-2, 1)) -> Tensor:
    """(1, T, H, W) frames of the cells, each `age` steps from when they stand at CELLS."""
    x, y = places()
    return torch.stack([rain(x - u * age, y - v * age) for age in ages])[None]


def waves(x: Tensor, y: Tensor) -> Tensor:
    """Rain everywhere, with enough texture for spin to be seen."""
    lengths = [(0.31, 0.12), (-0.17, 0.28), (0.05, -0.36), (0.22, 0.21), (-0.33, 0.04)]
    return 25 + 4 * sum(torch.sin(a * x + b * y + 9 * a) for a, b in lengths)


def turning(field: Field, angle: float, ages: range = range(-2, 1)) -> Tensor:
    """Frames of a field turning about (80, 75) by an angle (radians) a step, clockwise."""
    frames = []
    for age in ages:
        x, y = places()
        x, y = x - 80, y - 75
        cos, sin = math.cos(age * angle), math.sin(age * angle)
        frames.append(field(80 + cos * x + sin * y, 75 - sin * x + cos * y))
    return torch.stack(frames)[None]


def rotation(angle: float) -> Tensor:
    x, y = places()
    return angle * torch.stack((75 - y, x - 80))[None]


def agrees(motion: Tensor, truth: Tensor, where: Tensor) -> bool:
    """Whether the mean error is within 5 % of the mean speed, or a twentieth of a pixel."""
    error = (motion - truth).norm(dim=1)[where].mean()
    speed = truth.expand_as(motion).norm(dim=1)[where].mean()
    return bool(error < max(0.05 * speed, 0.05))


@pytest.mark.parametrize("velocity", VELOCITIES)
def test_the_speed_of_moving_cells_is_found(velocity: tuple[float, float]) -> None:
    past = moving(*velocity)
    motion = estimate_motion(past)
    truth = torch.tensor(velocity).view(1, 2, 1, 1)
    assert motion.shape == (1, 2, 150, 161)
    assert motion.dtype == torch.float32
    assert agrees(motion, truth, past[:, -1] > NO_ECHO)


@pytest.mark.parametrize("velocity", VELOCITIES)
def test_dry_areas_take_the_motion_of_the_rain_nearby(velocity: tuple[float, float]) -> None:
    past = moving(*velocity)
    truth = torch.tensor(velocity).view(1, 2, 1, 1)
    assert agrees(estimate_motion(past), truth, past[:, -1] == NO_ECHO)


@pytest.mark.parametrize("count", [2, 3, 4, 5])
def test_two_to_five_frames_tell_the_same_motion(count: int) -> None:
    past = moving(2, 3, range(1 - count, 1))
    truth = torch.tensor([2.0, 3.0]).view(1, 2, 1, 1)
    assert agrees(estimate_motion(past), truth, past[:, -1] > NO_ECHO)


def test_a_frame_missing_in_between_does_not_hide_the_motion() -> None:
    past = moving(2, 3)
    past[:, 1] = math.nan
    truth = torch.tensor([2.0, 3.0]).view(1, 2, 1, 1)
    assert agrees(estimate_motion(past), truth, past[:, -1] > NO_ECHO)


def test_the_edge_of_sight_is_not_taken_for_rain_that_stands_still() -> None:
    past = moving(3, -2)
    x, y = places()
    past[:, :, (x - 80) ** 2 + (y - 75) ** 2 > 50**2] = math.nan
    past[:, 1, 40:60, 90:110] = math.nan
    motion = estimate_motion(past)
    truth = torch.tensor([3.0, -2.0]).view(1, 2, 1, 1)
    assert motion.isfinite().all()
    assert agrees(motion, truth, past[:, -1] > NO_ECHO)


@pytest.mark.parametrize("angle", [0.01, 0.03, -0.05])
def test_the_angular_speed_of_turning_rain_is_found(angle: float) -> None:
    motion, turn = estimate_motion(turning(waves, angle)), rotation(1.0)
    found = float((motion * turn).sum() / turn.square().sum())
    assert found == pytest.approx(angle, rel=0.05)
    assert (motion - found * turn).norm(dim=1).mean() < 0.1 * (angle * turn).norm(dim=1).mean()


def test_two_storms_may_move_apart() -> None:
    left, right = moving(-2, 0), moving(2, 0)
    x, _ = places()
    past = torch.where(x < 78, left, right)
    found = estimate_motion(past)[0, 0]
    wet = past[0, -1] > NO_ECHO
    assert found[wet & (x < 55)].mean() < -1.5
    assert found[wet & (x > 100)].mean() > 1.5


@pytest.mark.parametrize(
    "past",
    [
        torch.full((2, 3, 40, 50), NO_ECHO),
        torch.full((2, 3, 40, 50), math.nan),
        torch.full((2, 3, 40, 50), 30.0),
        moving(3, 2)[:, -1:],
        moving(0, 0),
    ],
    ids=["dry", "missing", "uniform", "one frame", "at rest"],
)
def test_what_does_not_show_motion_is_still(past: Tensor) -> None:
    assert estimate_motion(past).abs().max() < 1e-3


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (7, 31), (33, 65), (64, 1)])
def test_motion_of_any_size_is_finite(size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    past = torch.where(torch.rand(2, 3, *size) > 0.5, 40 * torch.rand(2, 3, *size), NO_ECHO)
    motion = estimate_motion(past)
    assert motion.shape == (2, 2, *size)
    assert motion.isfinite().all()


def test_motion_turns_with_the_frames() -> None:
    past = moving(3, -2)[..., :128, :128]
    turned = estimate_motion(past.rot90(1, (-2, -1)))
    u, v = estimate_motion(past).rot90(1, (-2, -1)).unbind(1)
    torch.testing.assert_close(turned, torch.stack((v, -u), 1), atol=2e-3, rtol=0)


def test_motion_of_a_sample_does_not_depend_on_its_batch() -> None:
    pair = torch.cat([moving(3, -2), moving(-1, 1)])
    alone = torch.cat([estimate_motion(pair[:1]), estimate_motion(pair[1:])])
    torch.testing.assert_close(estimate_motion(pair), alone)


def test_the_frames_given_are_left_as_they_are() -> None:
    past = moving(3, -2)
    past[..., :20] = math.nan
    before = past.clone()
    advect(past, estimate_motion(past), 2)
    complete_latest(past, estimate_motion(past))
    torch.testing.assert_close(past, before, equal_nan=True, rtol=0, atol=0)


def uniform(u: float, v: float, height: int = 40, width: int = 50, batch: int = 1) -> Tensor:
    return torch.tensor([u, v]).view(1, 2, 1, 1).expand(batch, 2, height, width)


def patchy(height: int = 40, width: int = 50) -> Tensor:
    """One frame of rain of 20 to 50 dBZ, no echo and a missing patch, each in blocks."""
    generator = torch.Generator().manual_seed(1)
    dbz = 20 + 30 * torch.rand(1, 1, height, width, generator=generator)
    dbz[..., 5:18, 4:20] = NO_ECHO
    dbz[..., 22:30, 30:44] = math.nan
    return dbz


def test_no_steps_change_nothing() -> None:
    frames = patchy()
    moved = advect(frames, uniform(3, 2), 0)
    torch.testing.assert_close(moved, frames, equal_nan=True, rtol=1e-5, atol=1e-3)


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_whole_pixels_of_motion_shift_the_frame(steps: int) -> None:
    frames = patchy()
    moved = advect(frames, uniform(3, -2), steps)
    expected = torch.full_like(frames, math.nan)
    expected[..., : -2 * steps, 3 * steps :] = frames[..., 2 * steps :, : -3 * steps]
    torch.testing.assert_close(moved, expected, equal_nan=True, rtol=1e-5, atol=2e-3)


def test_negative_steps_go_back_in_time() -> None:
    moved = advect(patchy(), uniform(3, -2), -2)
    expected = advect(patchy(), uniform(-3, 2), 2)
    torch.testing.assert_close(moved, expected, equal_nan=True)


def test_there_and_back_again_is_where_it_was() -> None:
    motion = rotation(0.04)
    latest = moving(0, 0)[:, -1:]
    returned = advect(advect(latest, motion, 6), motion, -6)
    wet = (latest > 20) & ~returned.isnan()
    assert (returned - latest)[wet].abs().mean() < 0.5


def test_steady_rotation_carries_a_cell_round() -> None:
    angle = math.pi / 2 / 12
    moved = advect(moving(0, 0)[:, -1:], rotation(angle), 12)
    expected = turning(rain, angle, range(12, 13))
    both = (moved > 20) & (expected > 20)
    assert both.sum() > 0.95 * ((moved > 20) | (expected > 20)).sum()
    assert (moved - expected)[both].abs().mean() < 0.5


def test_no_echo_never_dilutes_the_rim_of_the_rain() -> None:
    frames = torch.full((1, 1, 40, 50), NO_ECHO)
    frames[..., 10:20, 15:30] = 30.0
    moved = advect(frames, uniform(0.37, 0.71), [1, 2, 3, 4])
    moved = moved[~moved.isnan()]
    assert ((moved == NO_ECHO) | ((moved - 30).abs() < 1e-3)).all()


def test_motion_neither_makes_nor_loses_rain() -> None:
    frames = torch.full((1, 1, 40, 50), NO_ECHO)
    frames[..., 10:20, 15:30] = 30.0
    moved = advect(frames, uniform(0.37, 0.71), range(1, 11))
    wet = (moved > NO_ECHO).sum((-1, -2))
    assert ((wet - 150).abs() <= 15).all()


def test_many_leads_of_one_frame_are_each_what_they_are_alone() -> None:
    frames, motion = patchy(150, 161), rotation(0.03)
    steps = [-2, 0.5, 1, 3.25]
    together = advect(frames, motion, steps)
    alone = torch.cat([advect(frames, motion, step) for step in steps], 1)
    torch.testing.assert_close(together, alone, equal_nan=True, rtol=0, atol=0.05)


def test_each_channel_may_have_its_own_steps() -> None:
    frames, motion = moving(3, -2), rotation(0.03)
    together = advect(frames, motion, [2, 1, 0])
    alone = [advect(frames[:, k, None], motion, 2 - k) for k in range(3)]
    torch.testing.assert_close(together, torch.cat(alone, 1), equal_nan=True)


def test_channels_that_do_not_fit_the_steps_are_refused() -> None:
    with pytest.raises(ValueError, match="expected 1 or 2 channels, found 3"):
        advect(moving(3, -2), rotation(0.03), [1, 2])


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (5, 1), (33, 65)])
def test_frames_of_any_size_are_moved(size: tuple[int, int]) -> None:
    moved = advect(torch.full((2, 1, *size), 25.0), uniform(0.3, 0.3, *size, batch=2), [1, 100])
    assert moved.shape == (2, 2, *size)
    assert (moved[:, 0] - 25).abs().max() < 1e-3
    assert moved[:, 1, :29, :29].isnan().all()


def test_gradients_pass_through_the_motion() -> None:
    frames = patchy().requires_grad_()
    moved = advect(frames, uniform(1.5, 0.5), 2)
    moved[moved > NO_ECHO].sum().backward()
    assert frames.grad is not None
    assert frames.grad.isfinite().all()
    assert frames.grad.abs().sum() > 0


def test_a_sector_that_drops_out_is_filled_from_the_frame_before() -> None:
    past = moving(3, -2)
    truth = past[:, -1:].clone()
    past[:, -1, 40:100, 40:100] = math.nan
    motion = uniform(3, -2, 150, 161)
    completed = complete_latest(past, motion)
    torch.testing.assert_close(completed, truth, rtol=0, atol=1e-2)


def test_what_no_frame_saw_stays_missing() -> None:
    past = moving(3, -2)
    past[:, :, 40:100, 40:100] = math.nan
    completed = complete_latest(past, uniform(3, -2, 150, 161))
    torch.testing.assert_close(completed, past[:, -1:], equal_nan=True, rtol=0, atol=0)
