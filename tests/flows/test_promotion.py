from __future__ import annotations

import shutil
import warnings
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from data_catalog.product import Period
from flows.service import contest
from flows.service.candidate import GUARD, TooFewFramesError, trained_on, undertake, unseen
from flows.service.configuration import Configuration, Training
from flows.service.folders import Folders
from flows.service.journal import records
from flows.service.promotion import Decision, InService, network_in_service, train_and_promote
from flows.training import train_network
from nowcast.checkpoint import load_checkpoint
from nowcast.recipes import RECIPES, Recipe, find_recipe
from nowcast.tasks import NowcastTask
from pipeline.frames import Grid
from pipeline.packed_frame import PackedFrame
from pipeline.reflectivity import NO_ECHO, ZR
from pipeline.store import Store
from pipeline.tensors import build_tensors
from pipeline.windows import as_datetime, as_datetime64
from pipeline.writer import StoreWriter

FIRST = np.datetime64("2026-06-01T00:00", "ns")
NOW = np.datetime64("2026-06-02T02:00", "ns")
LATER = NOW + np.timedelta64(1, "h")
TINY = replace(find_recipe("unet-demo"), name="tiny", batch_size=2, crop=32, steps=2)
TINY = replace(TINY, network_options={**TINY.network_options, "widths": (8, 16)})
# it adds noise to the rain, so that anybody else is better
WILD = replace(
    TINY,
    name="wild",
    network_options={**TINY.network_options, "zero_output": False},
    task=NowcastTask(coordinates="fixed", residual=False),
)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory, small_grid: Grid) -> Path:
    """A store of a day of passing rain every fifteen minutes; read only."""
    address = tmp_path_factory.mktemp("day") / "day.zarr"
    zr, cadence = ZR(200.0, 1.6), np.timedelta64(15, "m")
    Store.create(address, small_grid, zr, product="test", cadence=cadence)
    noise = gaussian_filter(np.random.default_rng(0).normal(size=small_grid.shape), 4, mode="wrap")
    rain = (15 + 15 * noise / noise.std()).astype(np.float32)
    dbz = np.where(rain > 10, rain, np.float32(NO_ECHO))
    with StoreWriter(address) as writer:
        frames = [
            PackedFrame.of(np.roll(dbz, 2 * k, axis=1), FIRST + k * cadence, "rain", zr)
            for k in range(100)
        ]
        writer.fill(frames)
    return address


@pytest.fixture(scope="module")
def wild(filled: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkpoint of a poor network, trained on the first six hours."""
    folder = tmp_path_factory.mktemp("wild")
    start = as_datetime(Store.open(filled).times[0])
    hours = {"train": (0, 2), "validation": (2, 4), "test": (4, 6)}
    splits = {
        name: (Period(start=start + timedelta(hours=a), end=start + timedelta(hours=b)),)
        for name, (a, b) in hours.items()
    }
    tensors = build_tensors(Store.open(filled), folder / "tensors", splits=splits)  # type: ignore[arg-type]
    return quietly_trained(tensors.path, WILD, folder / "run")


def quietly_trained(tensors: Path, recipe: Recipe, run: Path) -> Path:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*of persistence's")
        return train_network([tensors], recipe, run)


@pytest.fixture(autouse=True)
def recipes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(RECIPES, "tiny", TINY)
    monkeypatch.setitem(RECIPES, "wild", WILD)


@pytest.fixture
def configuration(filled: Path, tmp_path: Path) -> Configuration:
    return configured(filled, tmp_path)


def configured(store: Path, folder: Path, recipe: str = "tiny", **given: object) -> Configuration:
    told: dict[str, object] = {
        "store": str(store),
        "out": folder / "service",
        "lead_minutes": 15,
        "training": Training(recipe=recipe, days=2),
        **given,
    }
    return Configuration.model_validate(told)


def models(configuration: Configuration) -> Path:
    return Folders(configuration.out).models


@pytest.fixture(scope="module")
def promoted(
    filled: Path, wild: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Configuration, Decision]:
    """What came of a training with a poor network in service."""
    configuration = configured(filled, tmp_path_factory.mktemp("promoted"), checkpoint=wild)
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*of persistence's")
        patch.setitem(RECIPES, "tiny", TINY)
        return configuration, train_and_promote(configuration, NOW)


def test_no_network_is_in_service_until_one_is_named(configuration: Configuration) -> None:
    assert network_in_service(configuration) is None


def test_the_configured_checkpoint_goes_by_the_name_of_its_recipe(
    filled: Path, tmp_path: Path, wild: Path
) -> None:
    found = network_in_service(configured(filled, tmp_path, checkpoint=wild))
    assert found == InService(
        checkpoint=wild, name="wild", since="", why="The configuration names it."
    )


def test_a_checkpoint_that_is_gone_is_still_named(filled: Path, tmp_path: Path) -> None:
    gone = tmp_path / "gone.safetensors"
    found = network_in_service(configured(filled, tmp_path, checkpoint=gone))
    assert found is not None
    assert (found.checkpoint, found.name) == (gone, "gone")


def test_a_damaged_record_of_what_is_in_service_is_named(configuration: Configuration) -> None:
    models(configuration).mkdir(parents=True)
    (models(configuration) / "in-service.json").write_text('{"checkpoint": ')
    with pytest.raises(ValueError, match=r"in-service\.json: expected the network in service as"):
        network_in_service(configuration)


def test_a_network_that_is_better_goes_into_service(
    promoted: tuple[Configuration, Decision],
) -> None:
    configuration, decision = promoted
    name = "tiny-20260602T0200Z"
    assert decision.promoted
    assert decision.why.startswith(f"{name} is better than wild: CSI at 1 mm/h over all lead times")
    assert "against extrapolation " in decision.why
    found = network_in_service(configuration)
    assert found == InService(
        checkpoint=models(configuration) / "20260602T0200Z" / "run" / "best.safetensors",
        name=name,
        since="2026-06-02T02:00:00.000Z",
        why=decision.why,
    )
    assert decision.checkpoint == found.checkpoint
    assert load_checkpoint(found.checkpoint).recipe.name == name
    assert decision.report is not None
    assert name in decision.report.read_text()


def test_every_decision_is_a_line_of_the_history(
    promoted: tuple[Configuration, Decision],
) -> None:
    configuration, decision = promoted
    (line,) = records([models(configuration) / "history.jsonl"])
    assert line == {"made": "2026-06-02T02:00:00.000Z", **decision.model_dump(mode="json")}


def test_the_same_training_is_not_done_twice(promoted: tuple[Configuration, Decision]) -> None:
    configuration, decision = promoted
    before = (models(configuration) / "in-service.json").stat().st_mtime_ns
    assert train_and_promote(configuration, NOW) == decision
    assert (models(configuration) / "in-service.json").stat().st_mtime_ns == before


def test_the_folder_of_the_service_can_be_moved(
    promoted: tuple[Configuration, Decision], tmp_path: Path
) -> None:
    configuration, _ = promoted
    out = shutil.copytree(configuration.out, tmp_path / "elsewhere")
    found = network_in_service(configuration.model_copy(update={"out": out}))
    assert found is not None
    assert found.checkpoint.is_relative_to(out)
    assert found.checkpoint.is_file()


def test_nobody_is_compared_on_what_the_network_in_service_was_trained_on(
    promoted: tuple[Configuration, Decision], tmp_path: Path
) -> None:
    before, _ = promoted
    out = shutil.copytree(before.out, tmp_path / "service")
    configuration = before.model_copy(update={"out": out})
    decision = train_and_promote(configuration, LATER)
    assert not decision.promoted
    assert "the network in service was trained on frames up to 2026-06-02 00:15" in decision.why
    assert decision.checkpoint is None
    assert not (models(configuration) / "20260602T0300Z").exists()
    found = network_in_service(configuration)
    assert found is not None
    assert found.name == "tiny-20260602T0200Z"


@pytest.mark.filterwarnings("ignore:.*of persistence's")
def test_a_network_that_is_no_better_than_extrapolation_stays_out_of_service(
    configuration: Configuration, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "broken.safetensors"
    broken.write_text("no network")
    configuration = configuration.model_copy(update={"checkpoint": broken})
    with monkeypatch.context() as patch:
        patch.setattr(contest, "verify_period", cut)
        with pytest.raises(InterruptedError):
            train_and_promote(configuration, NOW)
    decision = train_and_promote(configuration, LATER)
    assert not decision.promoted
    assert "is not known to be better than extrapolation: CSI" in decision.why
    assert "the network in service cannot be used: " in decision.why
    begun = models(configuration) / "20260602T0200Z"
    assert decision.checkpoint == begun / "run" / "best.safetensors"
    assert decision.checkpoint.is_file()
    found = network_in_service(configuration)
    assert found is not None
    assert found.checkpoint == broken


def cut(*_: object, **__: object) -> None:
    raise InterruptedError


def test_a_training_that_was_cut_goes_on_where_it_was(configuration: Configuration) -> None:
    store = Store.open(configuration.store)
    cut = undertake(configuration, store, NOW)
    assert undertake(configuration, store, LATER) == cut
    other = configuration.model_copy(update={"training": Training(recipe="wild", days=2)})
    assert undertake(other, store, LATER).folder.name == "20260602T0300Z"
    long_after = NOW + np.timedelta64(3, "D")
    assert undertake(configuration, store, long_after).folder.name == "20260605T0200Z"


@pytest.mark.filterwarnings("ignore:.*of persistence's", "ignore:.*outdated")
def test_a_training_begins_anew_if_frames_were_revised_since(filled: Path, tmp_path: Path) -> None:
    address = shutil.copytree(filled, tmp_path / "store.zarr")
    configuration = configured(address, tmp_path)
    candidate = undertake(configuration, Store.open(address), NOW)
    before = trained_data(candidate.train(Store.open(address)))
    assert trained_data(candidate.train(Store.open(address))) == before
    drizzle = np.full(Store.open(address).grid.shape, 12.0, np.float32)
    with StoreWriter(address) as writer:
        writer.fill([PackedFrame.of(drizzle, FIRST, "revised", Store.open(address).zr)])
    assert trained_data(candidate.train(Store.open(address))) != before


def trained_data(checkpoint: Path) -> str:
    return str(load_checkpoint(checkpoint).provenance["fingerprint"])


def test_the_newest_settled_days_are_trained_on(configuration: Configuration, filled: Path) -> None:
    one = configuration.model_copy(update={"training": Training(recipe="tiny", days=1)})
    splits = undertake(one, Store.open(filled), NOW).plan.splits
    newest = Store.open(filled).newest()
    assert newest is not None
    assert as_datetime64(splits["test"].end) == newest - np.timedelta64(30, "m")
    assert as_datetime64(splits["train"].start) == newest - np.timedelta64(24 * 60 + 30, "m")
    assert splits["train"].end < splits["validation"].start
    assert splits["validation"].end < splits["test"].start


def test_too_few_frames_are_told_and_leave_nothing(
    storm_store: Path, filled: Path, tmp_path: Path
) -> None:
    few = configured(storm_store, tmp_path)
    decision = train_and_promote(few.model_copy(update={"lead_minutes": 12}), NOW)
    assert not decision.promoted
    assert "expected issue times of at least 10 hours to tell who is better, found" in decision.why
    longer = few.model_copy(update={"lead_minutes": 600})
    assert "no forecast of 100 steps can be verified" in train_and_promote(longer, NOW).why
    absent = configured(tmp_path / "no.zarr", tmp_path)
    assert "no store here" in train_and_promote(absent, NOW).why
    assert [path.name for path in models(few).iterdir()] == ["history.jsonl"]
    assert len(list(records([models(few) / "history.jsonl"]))) == 3


def test_a_store_without_a_frame_is_too_few(tmp_path: Path, small_grid: Grid) -> None:
    empty = tmp_path / "empty.zarr"
    Store.create(empty, small_grid, ZR(200.0, 1.6), product="test", cadence=np.timedelta64(15, "m"))
    decision = train_and_promote(configured(empty, tmp_path), NOW)
    assert "the store holds no frame yet; ingest files first" in decision.why


def test_without_a_recipe_nothing_is_trained(filled: Path, tmp_path: Path) -> None:
    decision = train_and_promote(configured(filled, tmp_path, training=Training()), NOW)
    assert decision == Decision(promoted=False, why="training: the configuration names no recipe")
    with pytest.raises(ValueError, match="no recipe 'unknown'; the table holds"):
        train_and_promote(configured(filled, tmp_path, recipe="unknown"), NOW)


def test_only_what_lies_behind_the_training_of_a_network_is_unseen(wild: Path) -> None:
    start = as_datetime(FIRST)
    test = Period(start=start + timedelta(hours=5), end=start + timedelta(hours=12))
    (seen,) = trained_on(wild)
    assert seen.end == start + timedelta(hours=6)
    assert unseen(test, [seen]).start == as_datetime(as_datetime64(seen.end) + GUARD)
    after = Period(start=test.end + timedelta(hours=1), end=test.end + timedelta(hours=2))
    assert unseen(test, [after]) == test
    with pytest.raises(TooFewFramesError, match="leaves nothing of the test up to 2026-06-01 12:0"):
        unseen(test, [seen, test])
