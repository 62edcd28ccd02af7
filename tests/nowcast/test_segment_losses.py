"""Errors of pixels: worked numbers, weights, pixels without labels, grids that shrink."""

import json
import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from nowcast.class_losses import shares_of
from nowcast.models import UNet
from nowcast.segment_losses import (
    SEGMENT_LOSSES,
    both_classes,
    cross_entropy,
    dice,
    dice_and_cross_entropy,
    find_segment_loss,
    focal,
    mse,
)
from nowcast.tasks import SegmentTask, task_from_json, task_to_json
from pipeline.batch import Batch

GENERATOR = torch.Generator().manual_seed(4)
LABEL = torch.tensor([[[0, 2, 1], [2, -1, 1]], [[1, 0, 0], [-1, -1, 2]]])
OUTPUT = torch.randn(2, 3, 2, 3, generator=GENERATOR)
WEIGHT = torch.rand(2, 2, 3, generator=GENERATOR) + 0.5
FRAMES = torch.rand(2, 1, 2, 3, generator=GENERATOR)
KNOWN = LABEL >= 0
BINARY = "binary_cross_entropy"


def outputs_of(error: str, output: torch.Tensor = OUTPUT) -> torch.Tensor:
    return output[:, :1] if error == BINARY else output[:, :2]


def task_of(error: str, **options: object) -> SegmentTask:
    return SegmentTask(2, error=error, **options)


def foreground(label: torch.Tensor = LABEL) -> torch.Tensor:
    return label.clamp(max=1)


def test_a_certain_pixel_costs_what_was_worked_out_by_hand() -> None:
    odds = torch.tensor([0.2, 0.8])
    output, shares = odds.log()[None, :, None, None], torch.tensor([0.0, 1])[None, :, None, None]
    weight = torch.ones(1, 1, 1)
    hit = -math.log(0.8)
    assert cross_entropy(output, shares).item() == pytest.approx(hit)
    assert focal(output, shares).item() == pytest.approx(0.2**2 * hit, rel=1e-5)
    assert mse(output, shares).item() == pytest.approx(0.04)
    assert dice(output, shares, weight).item() == pytest.approx(1 - (1.6 + 1) / (0.8 + 1 + 1))
    both = dice_and_cross_entropy(output, shares, weight).item()
    assert both == pytest.approx(hit + 1 - 2.6 / 2.8)


def test_dice_is_of_the_weighted_foreground_of_each_picture() -> None:
    odds, weight = OUTPUT.softmax(1), WEIGHT * KNOWN
    found = dice(OUTPUT, shares_of(LABEL, 3), weight)
    for picture in range(2):
        scores = []
        for kind in (1, 2):
            w, p, g = weight[picture], odds[picture, kind], (LABEL[picture] == kind).float()
            both, either = (w * p * g).sum(), (w * p).sum() + (w * g).sum()
            scores.append((2 * both + 1) / (either + 1))
        expected = 1 - torch.stack(scores).mean()
        torch.testing.assert_close(found[picture], expected.expand(2, 3))


def test_dice_falls_from_one_to_nothing_with_the_overlap() -> None:
    label = torch.zeros(1, 40, 40, dtype=torch.long)
    label[:, :20] = 1
    shares, weight = shares_of(label, 2), torch.ones(1, 40, 40)
    losses = []
    for shift in (0, 10, 20):
        output = 60 * (shares_of(label.roll(shift, 1), 2) - 0.5)
        losses.append(dice(output, shares, weight)[0, 0, 0].item())
    assert losses == pytest.approx([0, 0.5, 1], abs=1e-3)


def test_focal_without_focus_is_the_cross_entropy_and_forgets_what_is_certain() -> None:
    shares = shares_of(LABEL, 3)
    plain = cross_entropy(OUTPUT, shares)
    torch.testing.assert_close(focal(OUTPUT, shares, 0.0), plain)
    assert (focal(OUTPUT, shares) < plain).all()
    sure = 30 * shares
    assert focal(sure, shares).max() < 1e-12


@pytest.mark.parametrize("error", SEGMENT_LOSSES)
def test_one_logit_is_that_of_the_second_class(error: str) -> None:
    logit, weight = OUTPUT[:, :1], WEIGHT * KNOWN
    shares, loss = shares_of(foreground(), 2), find_segment_loss(error)
    two = torch.cat([torch.zeros_like(logit), logit], dim=1)
    torch.testing.assert_close(loss(logit, shares, weight), loss(two, shares, weight))
    torch.testing.assert_close(both_classes(logit).softmax(1)[:, 1:], logit.sigmoid())


@pytest.mark.parametrize("error", SEGMENT_LOSSES)
def test_weights_of_a_batch_count_and_unlabelled_pixels_do_not(error: str) -> None:
    task, output = task_of(error), outputs_of(error)
    example = task.pose(Batch(FRAMES, foreground(), WEIGHT))
    torch.testing.assert_close(example.weight, WEIGHT * KNOWN)
    errors = find_segment_loss(error)(output, shares_of(foreground(), 2), example.weight)
    expected = (example.weight * errors).sum() / example.weight.sum()
    torch.testing.assert_close(task.loss(output, example), expected)
    twice = task.pose(Batch(FRAMES, foreground(), 2 * WEIGHT))
    if "dice" not in error:
        torch.testing.assert_close(task.loss(output, twice), expected)
    other = torch.where(KNOWN[:, None], output, 9.0)
    torch.testing.assert_close(task.loss(other, example), expected)


def test_cross_entropy_is_pytorchs_with_class_weights_and_border_weights() -> None:
    task = SegmentTask(3, class_weights=(0.5, 1.0, 3.0))
    example = task.pose(Batch(FRAMES, LABEL, WEIGHT))
    by_class = torch.tensor(task.class_weights)[LABEL.clamp(min=0)] * WEIGHT * KNOWN
    each = F.cross_entropy(OUTPUT, LABEL, ignore_index=-1, reduction="none")
    expected = (by_class * each).sum() / by_class.sum()
    torch.testing.assert_close(task.loss(OUTPUT, example), expected)
    bce = task_of(BINARY)
    known = foreground()[KNOWN].float()
    theirs = F.binary_cross_entropy_with_logits(OUTPUT[:, 0][KNOWN], known)
    ours = bce.loss(OUTPUT[:, :1], bce.pose(Batch(FRAMES, foreground())))
    torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("error", SEGMENT_LOSSES)
def test_gradients_are_finite_where_nothing_is_labelled_or_all_is_certain(error: str) -> None:
    task = task_of(error)
    for label, size in [
        (torch.full_like(LABEL, -1), 1.0),
        (foreground(), 1.0),
        (foreground(), 1e4),
    ]:
        output = (size * outputs_of(error)).clone().requires_grad_()
        example = task.pose(Batch(FRAMES, label))
        loss = task.loss(output, example)
        loss.backward()
        assert loss.isfinite()
        assert output.grad.isfinite().all()
        lost = (label < 0)[:, None].expand_as(output)
        assert not output.grad[lost].any()
        if size == 1 and (label >= 0).any():
            assert output.grad[~lost].all()


@pytest.mark.parametrize("error", SEGMENT_LOSSES)
def test_sums_of_two_pictures_are_those_of_both(error: str) -> None:
    task, output = task_of(error), outputs_of(error)
    batch = Batch(FRAMES, foreground(), WEIGHT)
    whole = task.scores(output, task.pose(batch))
    for name, value in whole.items():
        parts = []
        for one in (slice(0, 1), slice(1, 2)):
            picture = batch.map(lambda part, one=one: part[one])
            parts.append(task.scores(output[one], task.pose(picture))[name])
        torch.testing.assert_close(value, parts[0] + parts[1])
    expected = {"loss", "weight", "labelled", "correct", "intersection", "union"}
    assert set(whole) == expected


@pytest.mark.parametrize("error", SEGMENT_LOSSES)
def test_a_network_that_answers_less_is_judged_on_the_middle(error: str) -> None:
    torch.manual_seed(0)
    task = task_of(error)
    network = UNet(
        1, task.outputs, widths=(4, 6), norm="none", upsampling="transposed", padding=False
    )
    side, margin = network.input_side(5), network.margin
    frames = torch.rand(2, 1, side, side + 2)
    label = torch.randint(-1, 2, (2, side, side + 2))
    weight = torch.rand(2, side, side + 2)
    output = network(frames)
    inner = (..., slice(margin, -margin), slice(margin, -margin))
    assert output.shape[-2:] == label[inner].shape[-2:]
    whole = task.pose(Batch(frames, label, weight))
    middle = task.pose(Batch(frames[inner], label[inner], weight[inner]))
    torch.testing.assert_close(task.loss(output, whole), task.loss(output, middle))
    torch.testing.assert_close(task.scores(output, whole), task.scores(output, middle))
    with pytest.raises(ValueError, match=r"expected a grid inside of .* cannot lie in its middle"):
        task.loss(output[..., 1:], whole)


@pytest.mark.parametrize("error", SEGMENT_LOSSES)
def test_every_loss_comes_back_from_json_and_descends(error: str) -> None:
    task = task_of(error, focus=1.5)
    assert task_from_json(json.loads(json.dumps(task_to_json(task)))) == task
    output = outputs_of(error).clone().requires_grad_()
    example = task.pose(Batch(FRAMES, foreground()))
    first = task.loss(output, example)
    for _ in range(20):
        (gradient,) = torch.autograd.grad(task.loss(output, example), output)
        output = (output - gradient / gradient.norm()).detach().requires_grad_()
    assert task.loss(output, example) < 0.6 * first


def test_nonsense_about_pixels_is_refused() -> None:
    with pytest.raises(ValueError, match="SegmentTask: expected labels beside the images, found"):
        SegmentTask().pose(Batch(FRAMES))
    with pytest.raises(ValueError, match=r"weights of the labels' shape \(2, 2, 3\), found \(2, 6"):
        SegmentTask().pose(Batch(FRAMES, foreground(), WEIGHT.reshape(2, 6)))
    with pytest.raises(ValueError, match=r"no class loss 'tversky'; there are \['binary_cross"):
        SegmentTask(error="tversky")
    with pytest.raises(ValueError, match=r"no segment loss 'tversky'; the table holds \['binary"):
        find_segment_loss("tversky")
    with pytest.raises(ValueError, match="expected focus >= 0, found -1"):
        replace(SegmentTask(), focus=-1.0)
    with pytest.raises(ValueError, match="expected 2 classes for binary_cross_entropy, found 3"):
        SegmentTask(3, error=BINARY)
