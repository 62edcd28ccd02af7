"""The training loop: all four tasks, exact resume, honest logs."""

import json
import os
import signal
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from lightning_fabric import Fabric

from nowcast.checkpoint import load_checkpoint
from nowcast.recipes import Recipe
from nowcast.tasks import ClassifyTask, DenoiseTask, NowcastTask, SegmentTask
from nowcast.training import BEST, LAST, METRICS, MetricsLog, fit, make_fabric, read_metrics
from nowcast.training import fabric as fabrics
from nowcast.training.weights import learning_rate
from pipeline.batch import NO_ECHO, Batch

UNET = {"widths": (8, 12), "norm": "group"}


@dataclass(frozen=True)
class Made:
    """Batches by a function of (seed, n) alone; validation is the first of them."""

    kind: str
    size: int = 4
    endless: bool = True

    def batch(self, n: int) -> Batch:
        generator = torch.Generator().manual_seed(1000 + n if self.endless else 1000)
        return getattr(self, self.kind)(generator)

    def stream(self, start: int, stop: int) -> Iterator[Batch]:
        for n in range(start, stop):
            yield self.batch(n)

    def sweep(self) -> Iterator[Batch]:
        yield replace(self, endless=False).batch(0)

    def squares(self, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Images of bright squares and, as label, where they are."""
        corner = torch.randint(0, 8, (self.size, 2), generator=generator)
        y, x = torch.meshgrid(torch.arange(16), torch.arange(16), indexing="ij")
        side = [(axis >= at) & (axis < at + 8) for axis, at in ((y, corner[:, :1, None]),)]
        inside = side[0] & (x >= corner[:, 1:, None]) & (x < corner[:, 1:, None] + 8)
        noise = 0.1 * torch.rand(self.size, 16, 16, generator=generator)
        return (noise + 0.8 * inside)[:, None], inside.long()

    def nowcast(self, generator: torch.Generator) -> Batch:
        """Showers that move and fade by 2 dBZ a frame."""
        centre = 8 + 16 * torch.rand(self.size, 1, 1, 1, 2, generator=generator)
        t = torch.arange(5.0)[:, None, None]
        y, x = torch.meshgrid(torch.arange(32.0), torch.arange(32.0), indexing="ij")
        away = (y - centre[..., 0]) ** 2 + (x - t - centre[..., 1]) ** 2
        dbz = 45 - 2 * t - away / 4
        frames = torch.where(dbz > 7, dbz, NO_ECHO)
        frames[0, :, :, :4] = torch.nan
        return Batch(frames)

    def classify(self, generator: torch.Generator) -> Batch:
        """Two kinds of stripes."""
        kind = torch.randint(0, 2, (self.size,), generator=generator)
        wave = torch.sin(torch.arange(16.0))[None, :, None].expand(self.size, 16, 16)
        image = torch.where(kind[:, None, None] == 1, wave, wave.transpose(1, 2))
        noise = torch.rand(self.size, 16, 16, generator=generator)
        return Batch((image + noise)[:, None], kind)

    def denoise(self, generator: torch.Generator) -> Batch:
        clean = self.squares(generator)[0]
        return Batch(clean + 0.3 * torch.randn(clean.shape, generator=generator), clean)

    def segment(self, generator: torch.Generator) -> Batch:
        return Batch(*self.squares(generator))


def small(name: str, **changes: object) -> Recipe:
    recipe = Recipe(
        name, NowcastTask(), "unet", UNET, batch_size=4, crop=32, steps=6, learning_rate=3e-3
    )
    recipe = replace(recipe, warmup=2, ema=0.8, validate_every=3, precision="32-true")
    return replace(recipe, **changes)


RECIPES = {
    "nowcast": small("nowcast", task=NowcastTask(emphasis=0.0), steps=60),
    "classify": small(
        "classify", task=ClassifyTask(2), network="convnet", network_options=UNET, steps=30
    ),
    "denoise": small("denoise", task=DenoiseTask(), steps=60),
    "segment": small("segment", task=SegmentTask(2), steps=30),
}
CONVLSTM = {"network": "convlstm", "network_options": {"widths": (6, 8), "norm": "group"}}
NETWORKS = {
    "unet": small("unet", network_options={"widths": (6, 8), "norm": "batch"}),
    "convlstm": small("convlstm", **CONVLSTM),
}


def cpu() -> Fabric:
    return Fabric(accelerator="cpu", devices=1)


def run(recipe: Recipe, folder: Path, **options: object) -> Path:
    batches = Made(recipe.name if recipe.name in RECIPES else "nowcast")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*of persistence's")
        return fit(recipe, batches, batches, folder, cpu(), **options)


def weights(path: Path) -> dict[str, torch.Tensor]:
    return load_checkpoint(path).network.state_dict()


def steps_of(folder: Path) -> list[int]:
    return [line["step"] for line in read_metrics(folder / METRICS) if "loss" in line]


@pytest.mark.parametrize("name", RECIPES)
def test_one_loop_trains_every_task(name: str, tmp_path: Path) -> None:
    recipe = RECIPES[name]
    best = load_checkpoint(run(recipe, tmp_path))
    assert best.recipe == recipe
    losses = [
        line["validation"]["loss"] / line["validation"]["weight"]
        for line in read_metrics(tmp_path / METRICS)
        if "validation" in line
    ]
    assert min(losses) < 0.7 * losses[0]
    assert best.scores["loss"] / best.scores["weight"] == pytest.approx(min(losses))


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_overfits_a_small_set(name: str, tmp_path: Path) -> None:
    task = NowcastTask(emphasis=0.0, coordinates="fixed", error="mse")
    recipe = replace(NETWORKS[name], task=task, steps=200, learning_rate=4e-3, ema=0.5)
    options = {"widths": (16, 32), "norm": "group", "shuffle": 2}
    recipe = replace(recipe, network_options=options)
    batches = Made("nowcast", 2, endless=False)
    fit(recipe, batches, batches, tmp_path, cpu())
    ratios = [line["loss_over_persistence"] for line in read_metrics(tmp_path / METRICS)]
    assert ratios[-1] < 0.15


@pytest.mark.parametrize("name", NETWORKS)
def test_a_cut_run_ends_where_a_whole_one_does(name: str, tmp_path: Path) -> None:
    recipe = NETWORKS[name]

    def cut(step: int, _: object) -> None:
        if step == 4:
            os.kill(os.getpid(), signal.SIGINT)

    whole = run(recipe, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        run(recipe, tmp_path / "cut", progress=cut)
    assert steps_of(tmp_path / "cut") == [1, 2, 3, 4]
    resumed = run(recipe, tmp_path / "cut", resume=True)
    assert whole.read_bytes() == resumed.read_bytes()
    states = [torch.load(p.parent / LAST, weights_only=True) for p in (whole, resumed)]
    for key in ("network", "averaged"):
        for one, other in zip(*(state[key].values() for state in states), strict=True):
            assert torch.equal(one, other)
    logs = [read_metrics(path.parent / METRICS) for path in (whole, resumed)]
    for line in (*logs[0], *logs[1]):
        line.pop("samples_per_second", None)
    assert logs[0] == logs[1]


def test_a_killed_run_repeats_no_line_and_misses_none(tmp_path: Path) -> None:
    recipe = NETWORKS["unet"]

    def fail(step: int, _: object) -> None:
        if step == 5:
            raise OSError("the power went")

    with pytest.raises(OSError, match="power"):
        run(recipe, tmp_path, progress=fail)
    with (tmp_path / METRICS).open("a") as log:
        log.write('{"step": 6, "lo')
    run(recipe, tmp_path, resume=True)
    assert steps_of(tmp_path) == [1, 2, 3, 4, 5, 6]


def test_sigterm_saves_the_step_at_hand(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGTERM)

    def stop(step: int, _: object) -> None:
        if step == 2:
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(SystemExit) as ended:
        run(NETWORKS["unet"], tmp_path, progress=stop)
    assert ended.value.code == 143
    assert torch.load(tmp_path / LAST, weights_only=True)["step"] == 2
    assert signal.getsignal(signal.SIGTERM) is before


def test_resuming_a_finished_run_changes_nothing(tmp_path: Path) -> None:
    best = run(NETWORKS["unet"], tmp_path)
    before = best.read_bytes(), (tmp_path / METRICS).read_bytes()
    assert run(NETWORKS["unet"], tmp_path, resume=True) == best
    assert (best.read_bytes(), (tmp_path / METRICS).read_bytes()) == before


def test_a_folder_that_holds_a_run_is_refused_untouched(tmp_path: Path) -> None:
    run(NETWORKS["unet"], tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(ValueError, match="holds a run already; resume it or take another folder"):
        run(NETWORKS["unet"], tmp_path)
    with pytest.raises(ValueError, match="expected a run of recipe 'convlstm', found one of 'une"):
        run(NETWORKS["convlstm"], tmp_path, resume=True)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_best_weights_are_the_averaged_ones(tmp_path: Path) -> None:
    best = run(NETWORKS["unet"], tmp_path)
    state = torch.load(tmp_path / LAST, weights_only=True)
    found = weights(best)
    key = "head.weight"
    assert torch.equal(found[key], state["averaged"][key])
    assert not torch.equal(found[key], state["network"][key])


@dataclass(frozen=True)
class Poisoned(Made):
    """An infinity in batch 4."""

    def batch(self, n: int) -> Batch:
        batch = super().batch(n)
        return Batch(batch.frames * torch.inf) if n == 4 and self.endless else batch


def test_an_infinite_gradient_stops_before_the_weights(tmp_path: Path) -> None:
    recipe = small("denoise", task=DenoiseTask(), validate_every=2)
    with pytest.raises(FloatingPointError, match="denoise, step 4: expected a finite gradient"):
        fit(recipe, Poisoned("denoise"), Made("denoise"), tmp_path, cpu())
    state = torch.load(tmp_path / LAST, weights_only=True)
    assert state["step"] == 4
    assert all(value.isfinite().all() for value in state["network"].values())


@dataclass(frozen=True)
class Lost(Made):
    """Nothing known."""

    def batch(self, n: int) -> Batch:
        return Batch(torch.full_like(super().batch(n).frames, torch.nan))


def test_batches_wholly_missing_do_no_harm(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="of persistence's"):
        fit(NETWORKS["unet"], Lost("nowcast"), Made("nowcast"), tmp_path, cpu())
    lines = read_metrics(tmp_path / METRICS)
    assert {line["loss"] for line in lines if "loss" in line} == {0.0}


def test_validation_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="nothing is known in the validation samples"):
        fit(NETWORKS["unet"], Made("nowcast"), Lost("nowcast"), tmp_path, cpu())


def test_a_run_that_stays_near_persistence_warns_and_says_so(tmp_path: Path) -> None:
    recipe = small("stuck", learning_rate=1e-9, network_options={**UNET, "zero_output": True})
    with pytest.warns(UserWarning, match="still 1.000 of persistence's; train longer"):
        fit(recipe, Made("nowcast"), Made("nowcast"), tmp_path, cpu())
    assert "of persistence's" in read_metrics(tmp_path / METRICS)[-1]["warning"]


def test_the_learning_rate_rises_and_falls() -> None:
    recipe = small("rates", steps=100, warmup=10, learning_rate=1.0)
    rates = [learning_rate(recipe, step) for step in range(100)]
    assert rates[:10] == pytest.approx([0.1 * k for k in range(1, 11)])
    assert rates[55] == pytest.approx(0.5)
    assert sorted(rates[10:], reverse=True) == rates[10:]
    assert 0 < rates[-1] < 0.001


def test_the_stream_is_closed_when_training_fails(tmp_path: Path) -> None:
    closed: list[bool] = []

    @dataclass(frozen=True)
    class Held(Made):
        def stream(self, start: int, stop: int) -> Iterator[Batch]:
            try:
                yield from super().stream(start, stop)
            finally:
                closed.append(True)

    def fail(step: int, _: object) -> None:
        raise OSError("full")

    with pytest.raises(OSError, match="full"):
        fit(NETWORKS["unet"], Held("nowcast"), Made("nowcast"), tmp_path, cpu(), progress=fail)
    assert closed == [True]


def test_no_bar_is_drawn_where_nobody_watches(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run(NETWORKS["unet"], tmp_path)
    assert capfd.readouterr() == ("", "")


def test_bfloat16_is_chosen_only_where_the_processor_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = {}
    for flags in ("fpu avx512f avx512_bf16", "fpu amx_bf16 amx_tile", "fpu avx2"):
        (tmp_path / "cpuinfo").write_text(f"processor : 0\nflags\t\t: {flags}\nbugs : no\n")
        monkeypatch.setattr(fabrics, "CPU_INFO", tmp_path / "cpuinfo")
        chosen[flags] = fabrics.prefers_bfloat16("cpu")
    assert list(chosen.values()) == [True, True, False]
    monkeypatch.setattr(fabrics, "CPU_INFO", tmp_path / "absent")
    assert not fabrics.prefers_bfloat16("cpu")


def test_mixed_precision_trains_and_keeps_full_weights(tmp_path: Path) -> None:
    recipe = replace(RECIPES["denoise"], precision="bf16-mixed")
    best = fit(recipe, Made("denoise"), Made("denoise"), tmp_path, make_fabric(recipe, "cpu"))
    assert {value.dtype for key, value in weights(best).items() if "weight" in key} == {
        torch.float32
    }


def test_a_log_drops_what_was_cut_or_comes_later(tmp_path: Path) -> None:
    path = tmp_path / METRICS
    path.write_text('{"step": 1}\n{"step": 2}\n{"step": 3}\n{"ste')
    with MetricsLog(path, 2) as log:
        log.write({"step": 3, "again": True})
        assert [json.loads(line)["step"] for line in path.read_text().splitlines()] == [1, 2, 3]
    assert read_metrics(path)[-1] == {"step": 3, "again": True}


def test_the_folder_of_a_run_holds_what_it_says(tmp_path: Path) -> None:
    best = run(NETWORKS["unet"], tmp_path / "deep" / "run")
    names = sorted(path.name for path in best.parent.iterdir())
    assert names == sorted([BEST, LAST, METRICS])
