"""The trained cleaner of radar, with networks whose answer is known."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from nowcast.checkpoint import save_checkpoint
from nowcast.cleaner import (
    NO_RAIN,
    RAIN,
    RAIN_BELOW,
    Cleaner,
    EchoBatches,
    echo_classes,
)
from nowcast.recipes.cleaning import CLEANING
from nowcast.recipes.nowcasting import NOWCASTING
from nowcast.scaling import Clip
from nowcast.tasks import DenoiseTask, SegmentTask
from pipeline.batch import NO_ECHO, Batch

NAN = float("nan")
TASK = SegmentTask(classes=3, scaling=Clip(-10.0, 60.0, 30.0))
(RECIPE,) = CLEANING


class Told(nn.Module):
    """Takes echoes above 50 dBZ for no rain and those of 40 to 50 for rain below an echo."""

    def forward(self, frames: Tensor) -> Tensor:
        dbz = TASK.scaling.decode(frames[:, 0])
        kind = torch.full(dbz.shape, RAIN).where(dbz < 40, RAIN_BELOW).where(dbz < 50, NO_RAIN)
        return 2 * nn.functional.one_hot(kind, 3).movedim(-1, 1).float()


def frame(*rows: list[float]) -> np.ndarray:
    return np.array(rows, np.float32)


def test_echoes_are_told_apart_by_the_clean_frame() -> None:
    noisy = torch.tensor([[NO_ECHO, 20.0, 20.0, 20.0, NAN, 20.0, 22.9]])
    clean = torch.tensor([[NO_ECHO, NO_ECHO, 20.0, 10.0, 20.0, NAN, 20.0]])
    classes = echo_classes(noisy, clean)
    assert classes.tolist() == [[-1, NO_RAIN, RAIN, RAIN_BELOW, -1, -1, RAIN]]


def test_batches_for_training_have_the_classes_as_label() -> None:
    class Pairs:
        def stream(self, start: int, stop: int) -> Iterator[Batch]:
            wet, dry = torch.full((2, 1, 4, 4), 20.0), torch.full((2, 1, 4, 4), NO_ECHO)
            return (Batch(wet, dry) for _ in range(start, stop))

        def sweep(self) -> Iterator[Batch]:
            return iter([Batch(torch.zeros(2, 1, 4, 4))])

    first, second = EchoBatches(Pairs()).stream(0, 2)
    assert first.label is not None
    assert first.label.shape == (2, 4, 4)
    assert (first.label == NO_RAIN).all()
    assert torch.equal(first.frames, second.frames)
    with pytest.raises(ValueError, match="expected clean frames beside the noisy ones, found none"):
        next(iter(EchoBatches(Pairs()).sweep()))


def test_what_is_no_rain_goes_and_what_hides_rain_falls_to_the_rain_around() -> None:
    dbz = frame([20, 20, 55, NO_ECHO], [20, 45, 30, NO_ECHO], [NAN, 20, 20, 55])
    expected = dbz.copy()
    expected[0, 2] = expected[2, 3] = NO_ECHO
    expected[1, 1] = 20
    np.testing.assert_array_equal(Cleaner(Told(), TASK)(dbz), expected)


def test_an_echo_with_nothing_trusted_around_it_stays() -> None:
    dbz = frame([45, NAN], [NAN, NAN])
    np.testing.assert_array_equal(Cleaner(Told(), TASK)(dbz), dbz)


@pytest.mark.parametrize("shape", [(1, 1), (5, 3), (17, 23), (2, 9, 14)])
@pytest.mark.parametrize("strictness", [0.0, 0.5, 1.0])
def test_all_that_is_not_doubted_stays_to_the_bit(
    shape: tuple[int, ...], strictness: float
) -> None:
    rng = np.random.default_rng(0)
    dbz = np.where(rng.random(shape) < 0.5, NO_ECHO, rng.uniform(-30, 60, shape))
    dbz = np.where(rng.random(shape) < 0.2, np.nan, dbz).astype(np.float32)
    torch.manual_seed(0)
    cleaner = Cleaner(RECIPE.build_network(), RECIPE.task, strictness)
    cleaned = cleaner(dbz)
    assert cleaned.shape == shape
    assert cleaned.dtype == np.float32
    np.testing.assert_array_equal(np.isnan(cleaned), np.isnan(dbz))
    seen = ~np.isnan(dbz)
    assert (cleaned[seen] <= dbz[seen]).all()
    if strictness == 0:
        np.testing.assert_array_equal(cleaned, dbz)
    if len(shape) == 3:
        np.testing.assert_array_equal(cleaned[1], cleaner(dbz[1]))


def test_a_stricter_cleaner_keeps_no_more() -> None:
    rng = np.random.default_rng(1)
    dbz = rng.uniform(0, 60, (24, 24)).astype(np.float32)
    torch.manual_seed(0)
    cleaner = Cleaner(RECIPE.build_network(), RECIPE.task)
    touched = [(cleaner.at(share)(dbz) != dbz) for share in (0.2, 0.35, 0.5)]
    assert 0 < touched[0].sum() < touched[1].sum() < touched[2].sum()


@pytest.mark.parametrize("value", [NAN, NO_ECHO])
def test_missing_and_dry_frames_stay(value: float) -> None:
    dbz = np.full((3, 10, 12), value, np.float32)
    torch.manual_seed(0)
    cleaner = Cleaner(RECIPE.build_network(), RECIPE.task, 1.0)
    np.testing.assert_array_equal(cleaner(dbz), dbz)


def test_a_checkpoint_comes_back_as_the_cleaner_it_was(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network, path = RECIPE.build_network().eval(), tmp_path / "best.safetensors"
    save_checkpoint(path, network, RECIPE, 1, {"loss": 1.0, "weight": 1.0})
    dbz = np.random.default_rng(2).uniform(0, 60, (16, 16)).astype(np.float32)
    loaded = Cleaner.load(path, strictness=0.4)
    assert loaded.strictness == 0.4
    assert len(loaded.fingerprint) == 16
    np.testing.assert_array_equal(loaded(dbz), Cleaner(network, RECIPE.task, 0.4)(dbz))
    assert (loaded(dbz) != dbz).any()


def test_what_makes_no_sense_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"expected a strictness of 0 to 1, found 1\.5"):
        Cleaner(Told(), TASK, 1.5)
    with pytest.raises(ValueError, match=r"names the 3 kinds of echo .* found DenoiseTask; train"):
        Cleaner(Told(), DenoiseTask())
    with pytest.raises(ValueError, match=r"cleaner: expected \(H, W\) or \(T, H, W\), found shape"):
        Cleaner(Told(), TASK)(np.zeros(5, np.float32))
    other, path = NOWCASTING[-1], tmp_path / "other.safetensors"
    save_checkpoint(path, other.build_network(), other, 1, {"loss": 1.0, "weight": 1.0})
    with pytest.raises(ValueError, match=r"other.safetensors: cleaner: .* found NowcastTask"):
        Cleaner.load(path)
