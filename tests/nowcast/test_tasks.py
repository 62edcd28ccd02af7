"""Contracts of every task in the table, and what a nowcast is."""

import json
import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from nowcast.models import UNet
from nowcast.scaling import Linear, MinMax
from nowcast.tasks import (
    TASKS,
    ClassifyTask,
    DenoiseTask,
    NowcastTask,
    SegmentTask,
    Task,
    align,
    task_from_json,
    task_to_json,
)
from pipeline.batch import NO_ECHO, Batch

MADE: dict[str, Task] = {
    "nowcast": NowcastTask(scaling=Linear(40.0), coordinates="fixed", residual=False),
    "classify": ClassifyTask(classes=4, scaling=MinMax(0, 255)),
    "denoise": DenoiseTask(channels=2, error="mae"),
    "segment": SegmentTask(classes=3, channels=2),
}


class Constant(nn.Module):
    """Answers one number everywhere."""

    def __init__(self, value: float, outputs: int = 2) -> None:
        super().__init__()
        self.value, self.outputs = value, outputs

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs.new_full((len(inputs), self.outputs, *inputs.shape[-2:]), self.value)


def blobs(frames: int = 5, speed: float = 3.0, size: int = 64) -> Tensor:
    """(1, frames, size, size) dBZ of a gaussian shower that moves to the right."""
    y, x = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    moved = [x - size / 3 - speed * t for t in range(frames)]
    dbz = torch.stack([45 - ((m**2 + (y - size / 2) ** 2) / 8) for m in moved])
    return torch.where(dbz > 7, dbz, NO_ECHO)[None]


def batch_of(name: str) -> Batch:
    generator = torch.Generator().manual_seed(2)
    images = torch.rand(3, 2, 8, 8, generator=generator)
    images[0, 0, 0, 0] = math.nan
    if name == "nowcast":
        frames = blobs().repeat(2, 1, 1, 1)
        frames[0, :, :9] = math.nan
        return Batch(frames)
    if name == "classify":
        return Batch(images[:, :1], torch.tensor([1, 3, -1]))
    if name == "segment":
        return Batch(images, torch.randint(-1, 3, (3, 8, 8), generator=generator))
    return Batch(images)


def output_of(name: str) -> Tensor:
    generator = torch.Generator().manual_seed(3)
    target = MADE[name].pose(batch_of(name)).target
    shape = (
        target.shape if target.is_floating_point() else (3, MADE[name].outputs, *target.shape[1:])
    )
    return torch.randn(shape, generator=generator, requires_grad=True)


def test_every_task_is_made_here() -> None:
    assert {name: type(task) for name, task in MADE.items()} == TASKS


@pytest.mark.parametrize("name", TASKS)
def test_inputs_are_finite_and_as_many_as_the_task_says(name: str) -> None:
    inputs, target, weight = MADE[name].pose(batch_of(name))
    assert inputs.isfinite().all()
    assert inputs.shape[1] == MADE[name].inputs
    assert weight.shape == target.shape
    assert not (target.isnan() & (weight > 0)).any()
    assert (weight == 0).any()


@pytest.mark.parametrize("name", TASKS)
def test_the_loss_is_the_quotient_of_the_scores(name: str) -> None:
    task, output = MADE[name], output_of(name)
    example = task.pose(batch_of(name))
    scores = task.scores(output, example)
    torch.testing.assert_close(task.loss(output, example), scores["loss"] / scores["weight"])
    assert not any(value.requires_grad or value.ndim for value in scores.values())


@pytest.mark.parametrize("name", TASKS)
def test_what_is_unknown_teaches_nothing(name: str) -> None:
    task, output = MADE[name], output_of(name)
    example = task.pose(batch_of(name))
    task.loss(output, example).backward()
    gradient = output.grad if output.shape == example.weight.shape else output.grad.abs().sum(1)
    assert gradient.isfinite().all()
    assert not gradient[example.weight == 0].any()


@pytest.mark.parametrize("name", TASKS)
def test_a_batch_is_posed_the_same_way_twice(name: str) -> None:
    first, again = (MADE[name].pose(batch_of(name)) for _ in range(2))
    for one, other in zip(first, again, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize("name", TASKS)
def test_a_task_comes_back_from_json(name: str) -> None:
    assert task_from_json(json.loads(json.dumps(task_to_json(MADE[name])))) == MADE[name]


def test_a_nowcast_sees_frames_with_their_masks() -> None:
    inputs, target, weight = MADE["nowcast"].pose(batch_of("nowcast"))
    frames = batch_of("nowcast").frames
    torch.testing.assert_close(inputs[1, ::2], frames[1, :3] / 40)
    assert inputs[1, 1::2].all()
    assert not inputs[0, 1::2, :9].any()
    assert (inputs[0, ::2, :9] == NO_ECHO / 40).all()
    torch.testing.assert_close(target, frames[:, 3:] / 40, equal_nan=True)
    assert torch.equal(weight == 0, frames[:, 3:].isnan())


def test_persistence_is_scored_beside_the_network() -> None:
    frames = blobs()
    for residual in (True, False):
        task = NowcastTask(coordinates="fixed", emphasis=0.0, residual=residual)
        example = task.pose(Batch(frames))
        scores = task.scores(torch.zeros_like(example.target), example)
        clipped = frames.clamp(5, 75) / 30
        expected = (clipped[:, 3:] - clipped[:, 2:3]).abs().sum()
        torch.testing.assert_close(scores["persistence_loss"], expected)
    assert scores["loss"] > expected


def test_moving_coordinates_leave_growth_and_decay_alone() -> None:
    frames = blobs(speed=4.0)
    lost = {}
    for coordinates in ("fixed", "moving"):
        task = NowcastTask(coordinates=coordinates)
        example = task.pose(Batch(frames))
        lost[coordinates] = task.scores(torch.zeros_like(example.target), example)
    assert lost["moving"]["persistence_loss"] < 0.25 * lost["fixed"]["persistence_loss"]
    assert lost["moving"]["weight"] < lost["fixed"]["weight"]


def test_aligned_frames_agree_with_the_latest() -> None:
    past = blobs(3)
    motion = torch.zeros(1, 2, 64, 64)
    motion[:, 0] = 3.0
    aligned = align(past, motion)
    assert torch.equal(aligned[:, -1], past[:, -1])
    inner = (aligned[:, :-1] - past[:, -1:])[..., 12:]
    assert inner.abs().mean() < 0.05 * (past[:, :-1] - past[:, -1:])[..., 12:].abs().mean()
    assert torch.equal(align(past[:, :1], motion), past[:, :1])


@pytest.mark.parametrize("residual", [True, False])
@pytest.mark.parametrize("count", [1, 2, 3, 6])
def test_a_step_takes_any_number_of_frames(count: int, residual: bool) -> None:
    torch.manual_seed(0)
    task = NowcastTask(residual=residual)
    network = UNet(task.inputs, task.outputs, widths=(4, 6), norm="none").eval()
    past = blobs(count, size=33)
    future = task.step(network, past)
    assert future.shape == (1, 2, 33, 33)
    assert ((future == NO_ECHO) | (future > 5)).all()
    oldest = past[:, :1].expand(-1, max(3 - count, 0), -1, -1)
    torch.testing.assert_close(future, task.step(network, torch.cat([oldest, past[:, -3:]], 1)))


def test_a_step_of_nothing_learned_is_persistence() -> None:
    past = blobs(3)
    future = NowcastTask().step(Constant(0.0), past)
    torch.testing.assert_close(future, past[:, -1:].expand_as(future), rtol=1e-6, atol=1e-4)


def test_a_step_is_missing_only_where_the_latest_frame_is() -> None:
    past = blobs(3)
    past[:, 0, :30], past[:, 2, 50:] = math.nan, math.nan
    future = NowcastTask().step(Constant(0.1), past)
    assert torch.equal(future.isnan(), past[:, 2:].isnan().expand_as(future))
    lost = NowcastTask().step(Constant(0.1), torch.full((1, 3, 9, 7), math.nan))
    assert lost.isnan().all()


def test_a_dry_past_stays_dry_beside_a_wet_one() -> None:
    past = torch.cat([torch.full((1, 3, 64, 64), NO_ECHO), blobs(3)])
    future = NowcastTask().step(Constant(0.2), past)
    assert (future[0] == NO_ECHO).all()
    assert (future[1] > NO_ECHO).all()


@pytest.mark.parametrize("scaling", [Linear(30.0), MinMax(NO_ECHO, 75.0)])
def test_a_step_below_no_echo_is_no_echo(scaling: object) -> None:
    future = NowcastTask(scaling=scaling).step(Constant(-9.0), blobs(3))
    assert (future == NO_ECHO).all()


def test_noisy_images_have_the_clean_ones_for_target_and_others_themselves() -> None:
    clean = torch.rand(2, 1, 4, 5)
    clean[0, 0, 0, 0] = torch.nan
    noisy = clean + 0.1
    noisy[0, 0, 1, 1] = torch.nan
    task = DenoiseTask()
    inputs, target, weight = task.pose(Batch(noisy, clean))
    assert inputs[0, 0, 1, 1] == 0
    assert torch.equal(weight == 0, clean.isnan())
    assert torch.equal(target[1], clean[1])
    inputs, target, _ = task.pose(Batch(clean))
    assert torch.equal(inputs, target.nan_to_num())


def test_segments_are_counted() -> None:
    label = torch.tensor([[[0, 1, 1, -1]]])
    logits = torch.tensor([[[[2.0, 0, 2, 0]], [[0.0, 2, 0, 2]]]])
    task = SegmentTask()
    scores = task.scores(logits, task.pose(Batch(torch.rand(1, 1, 1, 4), label)))
    counts = {key: scores[key].item() for key in ("weight", "correct", "intersection", "union")}
    assert counts == {"weight": 3, "correct": 2, "intersection": 1, "union": 2}


def test_nonsense_is_refused() -> None:
    with pytest.raises(ValueError, match=r"expected 3 \+ 2 frames a sample, found 4"):
        NowcastTask().pose(Batch(blobs(4)))
    with pytest.raises(ValueError, match="coordinates 'fixed' or 'moving', found 3, 2 and 'polar'"):
        replace(NowcastTask(), coordinates="polar")
    with pytest.raises(ValueError, match="ClassifyTask: expected labels beside the images"):
        ClassifyTask().pose(Batch(torch.rand(1, 1, 4, 4)))
    with pytest.raises(ValueError, match="no task 'sort'; the table holds"):
        task_from_json({"name": "sort"})
    with pytest.raises(ValueError, match=r"task 'nowcast': .*'history'"):
        task_from_json({"name": "nowcast", "history": 3})
    with pytest.raises(ValueError, match="no loss 'ssim'"):
        DenoiseTask(error="ssim")
