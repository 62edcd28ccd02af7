"""Frames are carried along the motion, and what is not known stays unknown."""

import math

import pytest
import torch
from moving_cells import moving, rain, rotation, turning, uniform
from torch import Tensor

from nowcast.motion import advect, complete_latest, estimate_motion
from pipeline.batch import NO_ECHO


def test_the_frames_given_are_left_as_they_are() -> None:
    past = moving(3, -2)
    past[..., :20] = math.nan
    before = past.clone()
    advect(past, estimate_motion(past), 2)
    complete_latest(past, estimate_motion(past))
    torch.testing.assert_close(past, before, equal_nan=True, rtol=0, atol=0)


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
