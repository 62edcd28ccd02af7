"""The motion of the rain is found, and what is not known tells none."""

import math

import pytest
import torch
from moving_cells import moving, places, rotation, turning, waves
from torch import Tensor

from nowcast.motion import estimate_motion
from pipeline.batch import NO_ECHO

VELOCITIES = [(3.0, -2.0), (0.6, 0.4), (-1.5, 5.0), (11.0, 4.0)]


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
