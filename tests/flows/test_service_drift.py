"""How far today's rain is from that of the training."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest

from flows.service import drift as drifting
from flows.service.drift import (
    LEAST_DAYS,
    compare,
    find_drift,
    training_counts,
    wasserstein,
    wet_share,
)
from flows.training import provenance_of
from nowcast.checkpoint import save_checkpoint
from nowcast.recipes import find_recipe
from pipeline.intensities import CLASSES, Intensities
from pipeline.store import Store
from pipeline.tensors import TensorSet, build_tensors

SHAPE = np.exp(-0.5 * ((np.arange(CLASSES - 2) - 5) / 1.2) ** 2)


def day(shift: int = 0, wet: float = 0.1, pixels: int = 1_000_000) -> np.ndarray:
    """Pixels of a day whose reflectivity is `shift` classes of 5 dBZ above the usual."""
    shape = np.roll(SHAPE, shift)
    classes = np.round(pixels * wet * shape / shape.sum()).astype(np.int64)
    return np.array([pixels // 10, pixels - classes.sum(), *classes])


def checkpoint(path: Path, provenance: dict[str, object]) -> Path:
    recipe = find_recipe("unet-demo")
    save_checkpoint(path, recipe.build_network(), recipe, 1, {}, provenance)
    return path


@pytest.fixture(scope="module")
def tensors(storm_store: Path, tmp_path_factory: pytest.TempPathFactory) -> TensorSet:
    return build_tensors(Store.open(storm_store), tmp_path_factory.mktemp("t") / "tensors")


def test_the_distance_of_equal_rain_is_zero_and_does_not_depend_on_how_much_rain() -> None:
    assert wasserstein(day(), day()) == 0
    assert wasserstein(day(wet=0.4), day(wet=0.1)) == pytest.approx(0, abs=1e-3)
    assert wasserstein(day(), np.array([7, 5, *day()[2:]])) == 0


@pytest.mark.parametrize("shift", [-1, 1, 2])
def test_the_distance_of_shifted_rain_is_the_shift(shift: int) -> None:
    assert wasserstein(day(), day(shift)) == pytest.approx(5 * abs(shift), rel=0.05)
    assert wasserstein(day(shift), day()) == wasserstein(day(), day(shift))


def test_the_distance_is_that_of_moving_the_pixels() -> None:
    here, there = np.zeros((2, CLASSES), np.int64)
    here[2], there[[2, 12]] = 4, (3, 1)
    assert wasserstein(here, there) == pytest.approx(0.25 * 50)


def test_the_distance_agrees_with_scipy() -> None:
    from scipy.stats import wasserstein_distance

    here, there = np.random.default_rng(2).integers(0, 100, (2, CLASSES))
    places = 5 * np.arange(CLASSES - 2)
    expected = wasserstein_distance(places, places, here[2:], there[2:])
    assert wasserstein(here, there) == pytest.approx(expected)


def test_the_wet_share_is_of_the_observed_pixels() -> None:
    counts = np.zeros(CLASSES, np.int64)
    assert wet_share(counts) is None
    counts[[0, 1, 5]] = 1000, 30, 10
    assert wet_share(counts) == 0.25


def test_a_day_farther_off_than_any_of_the_training_is_outside_and_another_is_not() -> None:
    training = np.stack([day(shift=k % 2) for k in range(8)])
    found = compare(training, day(shift=3, wet=0.2))
    assert found.outside is True
    assert found.distance == pytest.approx(12.5, rel=0.05)
    assert found.sentence.startswith("Unlike the training: the rain of the last day is 12.")
    assert "farther than on any of its 8 days with rain (at most 2.9 dB)" in found.sentence
    assert "20.0% of the observed pixels are wet, 2.0 times as many" in found.sentence
    assert found.wet_share_today == pytest.approx(0.2, abs=1e-4)
    assert found.wet_share_training == pytest.approx(0.1, abs=1e-4)
    usual = compare(training, day())
    assert usual.outside is False
    assert usual.sentence.startswith("Like the training: the rain of the last day is 2.5 dB")


def test_a_few_training_days_do_not_tell_what_is_unusual() -> None:
    dry = day(wet=0)
    training = np.stack([*[day()] * (LEAST_DAYS - 1), dry, dry])
    found = compare(training, day(shift=3))
    assert found.outside is None
    assert found.distance == pytest.approx(15, rel=0.05)
    assert "too few days with rain to tell" in found.sentence


@pytest.mark.parametrize("wet", [0, 0.0007])
def test_a_dry_day_has_no_distance(wet: float) -> None:
    found = compare(np.stack([day()] * 8), day(wet=wet))
    assert (found.distance, found.outside) == (None, None)
    assert found.sentence.startswith(f"Too dry to compare: {wet:.1%} of the last day was wet, 10.0")


def test_a_day_on_which_nothing_was_seen_has_no_wet_share() -> None:
    found = compare(np.stack([day()] * 8), np.array([99, *[0] * (CLASSES - 1)]))
    assert found.distance is found.wet_share_today is None
    assert "an unknown share of the last day was wet" in found.sentence


def test_a_checkpoint_tells_what_its_network_was_trained_on(
    tmp_path: Path, tensors: TensorSet
) -> None:
    held = tensors.manifest.training_intensities
    assert held is not None
    path = checkpoint(tmp_path / "best.safetensors", provenance_of([tensors]))
    counts = training_counts(path, "storms")
    assert counts is not None
    assert counts.tolist() == [list(row) for row in held.days.values()]
    assert counts[:, 2:].sum() > 1000


def test_the_product_counts_where_several_radars_trained(tmp_path: Path) -> None:
    first = date(2026, 6, 1)
    sets = [
        {"product": name, "training_intensities": Intensities(days=days).model_dump(mode="json")}
        for name, days in (
            ("here", {first: tuple(day())}),
            ("there", {first: tuple(day(1)), first + timedelta(days=1): tuple(day(2))}),
            ("here", {first: tuple(day(3)), first + timedelta(days=2): tuple(day(4))}),
        )
    ]
    path = checkpoint(tmp_path / "best.safetensors", {"tensor_sets": sets})
    here, every = training_counts(path, "here"), training_counts(path, "elsewhere")
    assert here is not None
    assert every is not None
    assert here.tolist() == [(day() + day(3)).tolist(), day(4).tolist()]
    assert every.sum() == sum(counts.sum() for counts in map(day, range(5)))
    assert len(every) == 3


@pytest.mark.parametrize(
    "provenance",
    [
        {},
        {"tensor_sets": []},
        {"tensor_sets": [{"product": "storms"}]},
        {"tensor_sets": [{"product": "storms", "training_intensities": None}]},
        {"tensor_sets": [{"product": "storms", "training_intensities": {"days": {"x": [1]}}}]},
    ],
)
def test_a_checkpoint_that_does_not_tell_has_no_drift(
    tmp_path: Path, storm_store: Path, provenance: dict[str, object]
) -> None:
    path = checkpoint(tmp_path / "best.safetensors", provenance)
    assert find_drift(path, Store.open(storm_store), slice(0, 10)) is None


@pytest.mark.parametrize("content", [None, b"", b"no weights at all"])
def test_what_is_no_checkpoint_has_no_drift(
    tmp_path: Path, storm_store: Path, content: bytes | None
) -> None:
    path = tmp_path / "best.safetensors"
    if content is not None:
        path.write_bytes(content)
    assert find_drift(path, Store.open(storm_store), slice(0, 10)) is None


def test_the_frames_that_trained_are_not_far_from_the_training(
    tmp_path: Path, storm_store: Path, tensors: TensorSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store.open(storm_store)
    path = checkpoint(tmp_path / "best.safetensors", provenance_of([tensors]))
    training = tensors.manifest.splits["train"].periods[0]
    start, end = (np.datetime64(time, "ns") for time in (training.start, training.end))
    monkeypatch.setattr(drifting, "SAMPLED", 1000)
    same = find_drift(path, store, store.slots_between(start, end))
    assert same is not None
    assert same.distance == pytest.approx(0, abs=0.3)
    assert same.wet_share_today == pytest.approx(same.wet_share_training, rel=0.1)


def test_a_bounded_number_of_frames_is_read_from_the_first_to_the_newest(
    tmp_path: Path, storm_store: Path, tensors: TensorSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store.open(storm_store)
    path = checkpoint(tmp_path / "best.safetensors", provenance_of([tensors]))
    read, taken = store.read, list[int]()

    def counted(start: int, stop: int) -> np.ndarray:
        taken.extend(range(start, stop))
        if start == 0:
            raise RuntimeError("a damaged frame")
        return read(start, stop)

    monkeypatch.setattr(store, "read", counted)
    monkeypatch.setattr(drifting, "SAMPLED", 6)
    assert find_drift(path, store, slice(0, 34)) is not None
    assert len(taken) == 6
    assert (taken[0], taken[-1]) == (0, 33)
