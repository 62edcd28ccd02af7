"""Cleaning radar from stores to a page, and the cleaner as a step of ingest."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from flows.cleaner_step import cleaner_step
from flows.cleaning import RadarCleaning, clean_radar
from flows.cleaning.data import Pieces, recipe_of
from flows.cleaning.judge import (
    CLASSIC,
    NETWORK,
    NOTHING,
    RATES,
    Comparison,
    best_settings,
    judge_event,
    pooled,
)
from flows.cli import app
from flows.denoising import denoise
from flows.denoising.data import Denoising
from flows.service.configuration import Configuration
from flows.service.intake import take_in
from nowcast.checkpoint import save_checkpoint
from nowcast.cleaner import Cleaner
from nowcast.evaluation import CleaningTally
from nowcast.recipes import find_recipe
from pipeline.check import check_store
from pipeline.ingest import ingest
from pipeline.noise import noise_of
from pipeline.radar_frames import RadarFrames, Record
from pipeline.reflectivity import NO_ECHO, ZR
from pipeline.store import Store

RECIPE = find_recipe("radar-cleaner")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cleaner that was never trained and doubts some echoes."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("run") / "best.safetensors"
    save_checkpoint(path, RECIPE.build_network(), RECIPE, 0, {"loss": 1.0, "weight": 1.0})
    return path


def test_a_store_is_cleaned_from_frames_to_page(storm_store: Path, tmp_path: Path) -> None:
    request = RadarCleaning((str(storm_store),), tmp_path, steps=2, frames=2, levels=(0.4,))
    cleaned = clean_radar(request)
    page = cleaned.report.read_text()
    assert "<html" in page
    assert "speckle filter" in page
    assert "Rates by Z = " in page
    assert "it is of the same generator that trained the cleaner." in page
    spent = re.search(r"<dt>Time spent</dt><dd>training (.*?), judging (.*?); together", page)
    assert spent is not None
    assert "all" not in spent[0]
    assert [row["method"] for row in cleaned.table] == [NETWORK, *CLASSIC, NOTHING]
    untouched = cleaned.table[-1]
    assert untouched["clutter_left"] == 1
    assert untouched["left_at_equal_loss"] == 1
    scores = json.loads(cleaned.scores.read_text())
    (event,) = scores["events"].values()
    assert event["frames"] == 2
    assert scores["pooled"]["median"]["3 × 3 pixels"]["clutter_left"][1] < 0.9
    assert Cleaner.load(cleaned.checkpoint).strictness == 0.5
    assert "of the clutter left and" in cleaned.sentence()
    with pytest.raises(ValueError, match="holds a run already; resume it or take another folder"):
        clean_radar(request)


def test_test_frames_never_train(storm_store: Path, tmp_path: Path) -> None:
    own = Pieces.of(RadarCleaning((str(storm_store),), tmp_path))
    slots = [set(part[0].slots.tolist()) for part in (own.train, own.validation, own.test)]
    assert max(slots[0]) < min(slots[1])
    assert max(slots[1]) < min(slots[2])
    assert sum(map(len, slots)) == Store.open(storm_store).observed.sum()
    shutil.copytree(storm_store, tmp_path / "other.zarr")
    tests = (str(tmp_path / "other.zarr"),)
    apart = Pieces.of(RadarCleaning((str(storm_store),), tmp_path, tests))
    assert len(apart.test[0]) == sum(map(len, slots))
    assert {str(record.store.address) for record in apart.train} == {str(storm_store)}
    with pytest.raises(ValueError, match="expected other stores to test than to train, found it"):
        Pieces.of(RadarCleaning((str(storm_store),), tmp_path, (str(storm_store),)))
    (tmp_path / "link.zarr").symlink_to(storm_store)
    parent = storm_store.parent
    for same in (f"{storm_store}/", f"{parent}/../{parent.name}/{storm_store.name}"):
        with pytest.raises(ValueError, match="expected other stores to test than to train"):
            Pieces.of(RadarCleaning((str(storm_store),), tmp_path, (same,)))
    with pytest.raises(
        ValueError, match=r"link\.zarr: expected other stores to test than to train"
    ):
        Pieces.of(RadarCleaning((str(storm_store),), tmp_path, (str(tmp_path / "link.zarr"),)))


def test_settings_are_chosen_by_the_rates_at_which_the_csi_is_known() -> None:
    drizzle, rain, dry = (torch.tensor([[value]]) for value in (20.0, 40.0, NO_ECHO))

    def tally(cleaned: torch.Tensor, clean: torch.Tensor) -> CleaningTally:
        held = CleaningTally(RATES, ZR(200, 1.6))
        held.update(cleaned, rain, clean)
        return held

    strict, mild = tally(dry, drizzle), tally(drizzle, drizzle)
    assert np.isnan(mild.csi()[1])
    assert best_settings({"median": {"strict": strict, "mild": mild}}) == {"median": "mild"}
    with pytest.raises(ValueError, match="median filter: expected validation frames with rain"):
        best_settings({"median": {"strict": tally(dry, dry)}})


def test_a_request_for_images_becomes_one_for_radar(tmp_path: Path) -> None:
    asked = Denoising(
        "a.zarr,s3://b/c", RECIPE.name, tmp_path, noise="clutter", levels=(0.02, 0.05)
    )
    request = RadarCleaning.of(replace(asked, tests=("d.zarr",)))
    assert request.stores == ("a.zarr", "s3://b/c")
    assert request.tests == ("d.zarr",)
    assert Denoising("fashion_mnist", "denoise-unet", tmp_path).stores == ()
    recipe = recipe_of(request)
    assert recipe.noise == {"kind": "clutter", "level": (0.02, 0.05)}
    assert recipe.steps == RECIPE.steps
    with pytest.raises(ValueError, match="expected a noise of radar, found 'gaussian'"):
        recipe_of(RadarCleaning(("a.zarr",), tmp_path, noise="gaussian"))


def test_stores_that_train_and_stores_that_test_are_named_one_by_one(
    storm_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = []
    monkeypatch.setattr(
        "flows.cleaning.cleaned.train_cleaner", lambda _, pieces, *__: trained.append(pieces)
    )
    for name in ("b.zarr", "c.zarr"):
        shutil.copytree(storm_store, tmp_path / name)
    words = ["--data", str(storm_store), "--data", str(tmp_path / "b.zarr")]
    words += ["--test", str(tmp_path / "c.zarr"), "--out", str(tmp_path / "run")]
    CliRunner().invoke(app, ["denoise", *words, "--recipe", RECIPE.name])
    ((pieces),) = trained
    assert [Path(str(held.store.address)).name for held in pieces.train] == [
        *(storm_store.name, "b.zarr")
    ]
    assert [Path(str(held.store.address)).name for held in pieces.test] == ["c.zarr"]
    assert pieces.apart


def test_images_are_not_tested_on_stores(tmp_path: Path) -> None:
    asked = Denoising("fashion_mnist", "denoise-unet", tmp_path, tests=("c.zarr",))
    with pytest.raises(ValueError, match=r"--test: expected stores of radar \(.zarr\) as data"):
        denoise(asked)


def test_batch_n_of_noisy_frames_depends_on_the_seed_and_n_alone(storm_store: Path) -> None:
    noise = noise_of(RECIPE.noise)
    records = [Record.whole(Store.open(storm_store))]

    def batches(seed: int) -> RadarFrames:
        return RadarFrames(records, noise, batch_size=5, crop=24, seed=seed)

    (third,) = batches(0).stream(2, 3)
    *_, again = batches(0).stream(0, 3)
    assert third.label is not None
    assert again.label is not None
    torch.testing.assert_close(third.frames, again.frames, rtol=0, atol=0, equal_nan=True)
    torch.testing.assert_close(third.label, again.label, rtol=0, atol=0, equal_nan=True)
    (other,) = batches(1).stream(2, 3)
    assert not torch.equal(third.frames.nan_to_num(), other.frames.nan_to_num())
    assert third.frames.shape == (5, 1, 24, 24)
    assert (third.frames.nan_to_num(99) != third.label.nan_to_num(99)).any()
    assert (third.label > NO_ECHO).any()
    with pytest.raises(ValueError, match="expected stores with frames, found none"):
        RadarFrames([], noise)


def test_cleaners_are_judged_on_the_same_noise(storm_store: Path, checkpoint: Path) -> None:
    record = Record.whole(Store.open(storm_store)).some(2)
    noise = noise_of({"kind": "clutter", "level": 0.05})
    one, two = (judge_event(Cleaner.load(checkpoint), record, noise, seed=3) for _ in range(2))
    for method, settings in one.tallies.items():
        for setting, tally in settings.items():
            other = two.tallies[method][setting]
            assert all((tally.counts[name] == other.counts[name]).all() for name in tally.counts)
            assert (tally.counts["clutter"] > 0).all()
    both = pooled([one, two])["median"]["5 × 5 pixels"]
    np.testing.assert_allclose(both.csi(), one.tallies["median"]["5 × 5 pixels"].csi())
    assert both.frames == 4
    assert one.zr == record.store.zr
    comparison = Comparison(Cleaner.load(checkpoint), [one], best_settings(pooled([one])))
    assert [row.zr for row in comparison.rows()] == [record.store.zr]


def test_the_cleaner_is_a_step_of_ingest(
    storm_files: list[Path], storm_store: Path, checkpoint: Path, tmp_path: Path
) -> None:
    files, address = storm_files[:4], tmp_path / "cleaned.zarr"
    ingest(files, address, product="storms", quality=[f"cleaner:{checkpoint}:0.4"])
    store, cleaner = Store.open(address), Cleaner.load(checkpoint, 0.4)
    assert store.quality == (f"cleaner:{cleaner.fingerprint}:0.4",)
    raw = Store.open(storm_store)
    slots = [raw.slot(time) for time in store.times]
    for slot, was in enumerate(slots):
        expected = cleaner(raw.dbz(was, was + 1)[0])
        np.testing.assert_allclose(store.dbz(slot, slot + 1)[0], expected, atol=0.006)
    assert not set(store.content_hash) <= set(raw.content_hash)
    assert not check_store(address).damaged
    moved = shutil.copy(checkpoint, tmp_path / "moved.safetensors")
    for quality in (None, [f"cleaner:{moved}:0.4"]):
        assert dict(ingest(files, address, quality=quality).frames) == {"unchanged": 4}
    with pytest.raises(ValueError, match=rf"began with, cleaner:{cleaner.fingerprint}:0.4, found"):
        ingest(files, address, quality=[f"cleaner:{checkpoint}"])


def test_the_service_cleans_by_the_product(
    storm_files: list[Path], checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog = tmp_path / "mine.toml"
    catalog.write_text(
        '[products.mine]\ntitle = "t"\nprovider = "p"\nlicence = "CC0-1.0"\nobtain = "made up"\n'
        'reader = "cf_netcdf"\ncadence_minutes = 6\nzr_a = 200\nzr_b = 1.6\n'
        f'quality = ["speckle", "cleaner:{checkpoint}"]\n'
    )
    monkeypatch.setenv("NOWCAST_CATALOG", str(catalog))
    (tmp_path / "incoming").mkdir()
    for file in storm_files[:2]:
        shutil.copy(file, tmp_path / "incoming")
    configuration = Configuration(product="mine").rooted(tmp_path)
    assert take_in(configuration).changed
    fingerprint = Cleaner.load(checkpoint).fingerprint
    assert Store.open(configuration.store).quality == (
        "speckle:3:-32",
        f"cleaner:{fingerprint}:0.5",
    )


def test_a_cleaner_that_is_not_there_is_named(tmp_path: Path, checkpoint: Path) -> None:
    with pytest.raises(ValueError, match=r"'cleaner:.*none': expected cleaner:CHECKPOINT or"):
        cleaner_step(str(tmp_path / "none"))
    with pytest.raises(ValueError, match=r"expected a strictness of 0 to 1, found 3\.0"):
        cleaner_step(f"{checkpoint}:3")
