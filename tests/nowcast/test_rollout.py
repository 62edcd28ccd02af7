"""A network is rolled out to any lead time, and loaded by its checkpoint."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from moving_cells import storm
from torch import Tensor, nn

from nowcast.checkpoint import save_checkpoint
from nowcast.forecasters import FORECASTERS, Rollout, load_forecaster
from nowcast.recipes import RECIPES, Recipe
from nowcast.tasks import DenoiseTask, NowcastTask
from pipeline.batch import NO_ECHO


class Unchanging(nn.Module):
    """Adds nothing to the latest frame."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs[:, :2] * self.weight


def test_a_network_that_changes_nothing_extrapolates() -> None:
    past = storm(2, 1)
    rollout = Rollout(Unchanging(), NowcastTask(coordinates="moving"))
    expected = FORECASTERS["extrapolation"]().forecast(past, 6)
    torch.testing.assert_close(
        rollout.forecast(past, 6), expected, equal_nan=True, atol=0.05, rtol=0
    )


class Growing(Unchanging):
    """Adds to the latest frame one scaled unit at its first step, two at its second."""

    def forward(self, inputs: Tensor) -> Tensor:
        gain = torch.tensor([0.01, 0.02]).view(1, 2, 1, 1)
        return gain.expand(inputs.shape[0], 2, *inputs.shape[-2:])


def test_a_rollout_feeds_its_frames_back() -> None:
    task = NowcastTask(coordinates="fixed")
    past = torch.full((1, 3, 8, 8), 20.0)
    forecast = Rollout(Growing(), task).forecast(past, 7)[0, :, 4, 4]
    growth = torch.diff(task.scaling.encode(torch.cat([torch.tensor([20.0]), forecast])))
    torch.testing.assert_close(growth, torch.full((7,), 0.01), atol=1e-4, rtol=0)


def roughness(frame: Tensor) -> float:
    """Mean difference of neighbours in rain."""
    left, right = frame[..., :-1], frame[..., 1:]
    return float((right - left).abs()[(left > 20) & (right > 20)].mean())


def test_texture_half_a_pixel_off_comes_back_a_lead_later() -> None:
    rollout = Rollout(Growing(), NowcastTask(coordinates="moving"))
    past = storm(1.5, 0.5)
    y, x = torch.meshgrid(torch.arange(96), torch.arange(128), indexing="ij")
    past = torch.where(((x + y) % 2 == 0) & (past > NO_ECHO), past + 10, past)
    forecast = rollout.forecast(past, 6)[0]
    assert roughness(forecast[2]) < 0.3 * roughness(past[0, -1])
    assert roughness(forecast[5]) > 0.4 * roughness(past[0, -1])


def small_recipe(recipe: Recipe) -> Recipe:
    return replace(recipe, network_options={"widths": (4, 8), "norm": "group"})


def saved(path: Path, recipe: Recipe) -> Path:
    torch.manual_seed(0)
    save_checkpoint(path, recipe.build_network(), recipe, step=1, scores={"loss": 1.0})
    return path


@pytest.mark.parametrize("name", FORECASTERS)
def test_a_forecaster_of_the_table_is_loaded_by_its_name(name: str) -> None:
    assert load_forecaster(name).name == name


def test_a_checkpoint_is_loaded_as_a_forecaster(tmp_path: Path) -> None:
    recipe = small_recipe(RECIPES["unet"])
    forecaster = load_forecaster(str(saved(tmp_path / "best.safetensors", recipe)))
    assert isinstance(forecaster, Rollout)
    assert forecaster.name == recipe.name
    assert len(forecaster.fingerprint) == 16
    assert forecaster.forecast(storm(2, 1), 3).shape == (1, 3, 96, 128)


def test_an_unknown_forecaster_is_refused_with_the_choices() -> None:
    with pytest.raises(ValueError, match=r"no forecaster 'magic'; .*'extrapolation', 'persist"):
        load_forecaster("magic")


def test_a_checkpoint_of_another_task_is_refused(tmp_path: Path) -> None:
    recipe = replace(small_recipe(RECIPES["unet"]), task=DenoiseTask())
    path = saved(tmp_path / "best.safetensors", recipe)
    with pytest.raises(ValueError, match="trained for NowcastTask, found DenoiseTask"):
        load_forecaster(str(path))
