"""Errors of class scores: PyTorch's numbers, soft labels, weights, one output, a teacher."""

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from nowcast.checkpoint import save_checkpoint
from nowcast.class_losses import CLASS_LOSSES, distillation, find_class_loss, shares_of, smoothed
from nowcast.recipes import Recipe
from nowcast.tasks import ClassifyTask, DenoiseTask, SegmentTask, task_from_json, task_to_json
from pipeline.batch import Batch

LABEL = torch.tensor([0, 2, 1, 2, -1])
KNOWN = LABEL >= 0
OUTPUT = torch.randn(5, 3, generator=torch.Generator().manual_seed(1))
FRAMES = torch.rand(5, 1, 6, 6, generator=torch.Generator().manual_seed(2))


def loss_of(
    task: ClassifyTask, output: torch.Tensor = OUTPUT, label: torch.Tensor = LABEL
) -> float:
    example = task.pose(Batch(FRAMES[: len(label)], label))
    scores = task.scores(output, example)
    loss = task.loss(output, example)
    torch.testing.assert_close(loss, scores["loss"] / scores["weight"])
    return loss.item()


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("weights", [(), (0.5, 1.0, 3.0)])
def test_cross_entropy_is_pytorchs(smoothing: float, weights: tuple[float, ...]) -> None:
    task = ClassifyTask(3, label_smoothing=smoothing, class_weights=weights)
    each = F.cross_entropy(OUTPUT[KNOWN], LABEL[KNOWN], reduction="none", label_smoothing=smoothing)
    weight = torch.tensor(weights or (1.0,) * 3)[LABEL[KNOWN]]
    assert loss_of(task) == pytest.approx(((weight * each).sum() / weight.sum()).item(), rel=1e-5)
    if not smoothing:
        theirs = F.cross_entropy(
            OUTPUT, LABEL, ignore_index=-1, weight=torch.tensor(weights) if weights else None
        )
        assert loss_of(task) == pytest.approx(theirs.item(), rel=1e-5)


@pytest.mark.parametrize("error", ["cross_entropy", "mse"])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("weights", [(), (0.5, 1.0, 3.0)])
def test_shares_of_one_class_count_as_the_class(
    error: str, smoothing: float, weights: tuple[float, ...]
) -> None:
    task = ClassifyTask(3, error=error, label_smoothing=smoothing, class_weights=weights)
    shares = shares_of(LABEL, 3)
    shares[~KNOWN] = math.nan
    assert loss_of(task, label=shares) == pytest.approx(loss_of(task), rel=1e-5)


def test_the_loss_of_a_mixture_is_the_mixture_of_the_losses() -> None:
    first, second = LABEL[KNOWN], LABEL[KNOWN].flip(0)
    mixed = 0.3 * shares_of(first, 3) + 0.7 * shares_of(second, 3)
    task, output = ClassifyTask(3), OUTPUT[KNOWN]
    parts = [loss_of(task, output, label) for label in (first, second)]
    assert loss_of(task, output, mixed) == pytest.approx(0.3 * parts[0] + 0.7 * parts[1], rel=1e-5)


def test_one_output_tells_two_classes_apart() -> None:
    task = ClassifyTask(2, error="binary_cross_entropy")
    logit, label = torch.tensor([[2.0], [-1.0], [0.5], [9.0]]), torch.tensor([1, 0, 0, -1])
    expected = F.binary_cross_entropy_with_logits(logit[:3, 0], label[:3].float())
    assert task.outputs == 1
    assert loss_of(task, logit, label) == pytest.approx(expected.item(), rel=1e-5)
    two = task.logits(logit)
    torch.testing.assert_close(two.softmax(1)[:, 1], logit[:, 0].sigmoid())
    other = loss_of(ClassifyTask(2), two, label)
    assert other == pytest.approx(expected.item(), rel=1e-5)
    scores = task.scores(logit, task.pose(Batch(FRAMES[:4], label)))
    assert (scores["correct"], scores["labelled"]) == (2, 3)


def test_mean_square_is_that_of_the_shares() -> None:
    expected = F.mse_loss(OUTPUT[KNOWN], shares_of(LABEL[KNOWN], 3))
    assert loss_of(ClassifyTask(3, error="mse")) == pytest.approx(expected.item(), rel=1e-5)


@pytest.mark.parametrize("error", ["cross_entropy", "binary_cross_entropy"])
def test_pixels_are_named_as_images_are(error: str) -> None:
    label = torch.tensor([[[0, 1, -1]]])
    output = torch.randn(1, 1 if error == "binary_cross_entropy" else 2, 1, 3)
    task = SegmentTask(error=error, label_smoothing=0.1)
    example = task.pose(Batch(FRAMES[:1, :, :1, :3], label))
    errors = [
        find_class_loss(error)(output[..., k], smoothed(shares_of(label[..., k], 2), 0.1))
        for k in (0, 1)
    ]
    expected = torch.stack([error.reshape(()) for error in errors]).mean()
    torch.testing.assert_close(task.loss(output, example), expected)


def test_smoothing_keeps_the_sum() -> None:
    spread = smoothed(torch.tensor([[1.0, 0, 0, 0]]), 0.2)
    torch.testing.assert_close(spread, torch.tensor([[0.85, 0.05, 0.05, 0.05]]))


def test_distillation_is_a_divergence() -> None:
    teacher = torch.randn(4, 3)
    assert distillation(teacher + 7, teacher, 3.0).abs().max() < 1e-5
    found = distillation(OUTPUT[:4], teacher, 2.0)
    ours, theirs = F.log_softmax(OUTPUT[:4] / 2, 1), F.softmax(teacher / 2, 1)
    expected = 4 * F.kl_div(ours, theirs, reduction="none").sum(1)
    torch.testing.assert_close(found, expected)
    assert (found > 0).all()


def teacher_of(folder: Path, task: object) -> tuple[str, torch.nn.Module]:
    recipe = Recipe("teacher", task, "convnet", {"widths": (4,), "norm": "none"})
    network = recipe.build_network().eval()
    path = folder / f"{type(task).__name__}.safetensors"
    save_checkpoint(path, network, recipe, 1, {})
    return str(path), network


@pytest.mark.parametrize("share", [0.0, 0.4, 1.0])
def test_a_teacher_is_agreed_with(share: float, tmp_path: Path) -> None:
    path, network = teacher_of(tmp_path, ClassifyTask(3))
    task = ClassifyTask(3, error="kl", teacher=path, temperature=2.0, teacher_share=share)
    example = task.pose(Batch(FRAMES, LABEL))
    assert not example.target.requires_grad
    with torch.no_grad():
        answers = network(FRAMES)
    soft = distillation(OUTPUT[KNOWN], answers[KNOWN], 2.0).mean()
    hard = F.cross_entropy(OUTPUT, LABEL, ignore_index=-1)
    assert loss_of(task) == pytest.approx((share * soft + (1 - share) * hard).item(), rel=1e-4)
    scores = task.scores(OUTPUT, example)
    assert scores["correct"] == (OUTPUT.argmax(1) == LABEL).sum()
    mixed = task.pose(Batch(FRAMES, shares_of(LABEL, 3)))
    torch.testing.assert_close(mixed.target, example.target)


def test_a_teacher_of_another_kind_is_refused(tmp_path: Path) -> None:
    for other, found in (
        (ClassifyTask(4), "ClassifyTask of 4 outputs"),
        (DenoiseTask(), "DenoiseTask of 1 outputs"),
    ):
        path = teacher_of(tmp_path, other)[0] if found[0] == "C" else denoiser(tmp_path)
        task = ClassifyTask(3, error="kl", teacher=path)
        with pytest.raises(ValueError, match=f"a teacher that names 3 classes, found {found}"):
            task.pose(Batch(FRAMES, LABEL))


def denoiser(folder: Path) -> str:
    return teacher_of(folder, DenoiseTask())[0]


@pytest.mark.parametrize(
    "task",
    [
        ClassifyTask(3, label_smoothing=0.1, class_weights=(1.0, 2.0, 3.0), error="mse"),
        ClassifyTask(3, error="kl", teacher="teacher.safetensors", temperature=3.0),
        ClassifyTask(2, error="binary_cross_entropy"),
    ],
    ids=lambda task: task.error,
)
def test_options_come_back_from_json(task: ClassifyTask) -> None:
    assert task_from_json(json.loads(json.dumps(task_to_json(task)))) == task


def test_an_older_task_comes_back_with_the_defaults() -> None:
    entries = {"name": "classify", "classes": 4, "channels": 3}
    assert task_from_json(entries) == ClassifyTask(4, 3)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"error": "hinge"}, r"no class loss 'hinge'; there are \['binary_cross_entropy'"),
        ({"error": "binary_cross_entropy"}, "expected 2 classes for binary_cross_entropy, found 3"),
        ({"error": "kl"}, "expected a teacher with error 'kl' and with no other, found error 'kl'"),
        ({"teacher": "x"}, "found error 'cross_entropy' and teacher 'x'"),
        ({"class_weights": (1.0, 2.0)}, r"expected 3 class_weights > 0, found \(1.0, 2.0\)"),
        ({"label_smoothing": 1.0}, "expected 0 <= label_smoothing < 1"),
        ({"temperature": 0.0}, "temperature > 0, found 0.0, 1.0 and 0.0"),
    ],
)
def test_nonsense_is_refused_by_the_task(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(ClassifyTask(3), **changes)
    with pytest.raises(ValueError, match=r"no class loss 'hinge'; the table holds \['binary"):
        find_class_loss("hinge")


def test_every_class_loss_is_finite_with_gradients_everywhere() -> None:
    for name in CLASS_LOSSES:
        outputs = 1 if name == "binary_cross_entropy" else 2
        output = torch.randn(4, outputs, requires_grad=True)
        shares = torch.tensor([[0.2, 0.8]]).repeat(4, 1)
        find_class_loss(name)(output, shares).sum().backward()
        assert output.grad.isfinite().all()
        assert output.grad.all()
