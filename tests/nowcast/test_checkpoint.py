"""A checkpoint holds all that is needed to apply a network, and nothing half."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from nowcast.checkpoint import (
    code_version,
    fingerprint,
    load_checkpoint,
    load_state,
    save_checkpoint,
    save_state,
)
from nowcast.recipes import RECIPES, Recipe, find_recipe
from nowcast.tasks import ClassifyTask, NowcastTask

RECIPE = Recipe(
    "small", NowcastTask(), "unet", {"widths": [4, 6], "norm": "batch"}, steps=5, crop=16
)


def saved(folder: Path, recipe: Recipe = RECIPE) -> tuple[Path, torch.nn.Module]:
    network = recipe.build_network().to(memory_format=torch.channels_last).eval()
    save_checkpoint(folder / "best.safetensors", network, recipe, 3, {"loss": 1.5, "weight": 2.0})
    return folder / "best.safetensors", network


def test_a_checkpoint_comes_back_as_it_was(tmp_path: Path) -> None:
    path, network = saved(tmp_path)
    found = load_checkpoint(path)
    frames = torch.randn(1, 6, 20, 20)
    torch.testing.assert_close(found.network(frames), network(frames))
    assert found.recipe == RECIPE
    assert found.task == RECIPE.task
    assert (found.step, found.scores) == (3, {"loss": 1.5, "weight": 2.0})
    assert found.code_version == code_version()
    assert not found.network.training


def test_loading_leaves_the_random_numbers_alone(tmp_path: Path) -> None:
    path, _ = saved(tmp_path)
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    load_checkpoint(path)
    assert torch.equal(torch.rand(3), expected)


def test_the_fingerprint_is_of_the_content(tmp_path: Path) -> None:
    path, network = saved(tmp_path)
    before = load_checkpoint(path).fingerprint
    assert before == fingerprint(path)
    with torch.no_grad():
        network.head.bias += 1
    save_checkpoint(path, network, RECIPE, 3, {})
    assert load_checkpoint(path).fingerprint != before


def test_writing_leaves_only_whole_files(tmp_path: Path) -> None:
    saved(tmp_path)
    save_state(tmp_path / "last.pt", RECIPE, {"step": 2})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["best.safetensors", "last.pt"]


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_comes_back_from_json_and_builds(name: str) -> None:
    recipe = find_recipe(name)
    assert recipe.name == name
    assert Recipe.from_json(recipe.to_json()) == recipe
    images = type(recipe.task) is ClassifyTask
    free = isinstance(recipe.task, NowcastTask)
    size = (30, 26) if free else (recipe.crop, recipe.crop)
    with torch.device("meta"):
        network = recipe.build_network()
        answer = network(torch.zeros(2, recipe.task.inputs, *size))
    kept = [side - 2 * getattr(network, "margin", 0) for side in size]
    assert answer.shape == (2, recipe.task.outputs, *(() if images else kept))


def test_a_recipe_refuses_nonsense() -> None:
    with pytest.raises(ValueError, match=r"no recipe 'gan'; the table holds \[.*'convlstm'"):
        find_recipe("gan")
    with pytest.raises(ValueError, match="'small': expected steps > 0, found 0"):
        replace(RECIPE, steps=0)
    with pytest.raises(ValueError, match="'small': expected 0 <= ema < 1, found 1"):
        replace(RECIPE, ema=1.0)
    with pytest.raises(ValueError, match="no precision '64-true'"):
        replace(RECIPE, precision="64-true")
    with pytest.raises(ValueError, match=r"network 'unet' has no option 'hidden'"):
        replace(RECIPE, network_options={"hidden": 3})
    with pytest.raises(ValueError, match=r"recipe: expected what to_json writes, found '\{\}'"):
        Recipe.from_json("{}")


def test_files_that_are_no_checkpoint_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    with pytest.raises(ValueError, match=r"x\.safetensors: no such checkpoint"):
        load_checkpoint(path)
    path.write_bytes(b"PK not weights at all")
    with pytest.raises(ValueError, match=r"x\.safetensors: expected a checkpoint in safetensors"):
        load_checkpoint(path)
    save_file({"a": torch.zeros(2)}, path)
    with pytest.raises(ValueError, match=r"expected format 'nowcast checkpoint 1', found None"):
        load_checkpoint(path)
    whole, _ = saved(tmp_path)
    path.write_bytes(whole.read_bytes()[:-100])
    with pytest.raises(ValueError, match=r"x\.safetensors: expected a checkpoint in safetensors"):
        load_checkpoint(path)


def test_weights_of_another_recipe_are_refused(tmp_path: Path) -> None:
    path, network = saved(tmp_path)
    other = replace(RECIPE, network_options={"widths": (4, 8)})
    save_checkpoint(path, network, other, 1, {})
    with pytest.raises(ValueError, match="its weights do not fit its recipe"):
        load_checkpoint(path)
    unknown = json.loads(RECIPE.to_json()) | {"network": "gan"}
    about = {"format": "nowcast checkpoint 1", "recipe": unknown}
    save_file({"a": torch.zeros(2)}, path, {"nowcast": json.dumps(about)})
    with pytest.raises(ValueError, match="do not fit its recipe: no network 'gan'"):
        load_checkpoint(path)


def test_a_state_of_another_recipe_or_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "last.pt"
    save_state(path, RECIPE, {"step": 2, "network": RECIPE.build_network().state_dict()})
    assert load_state(path, RECIPE)["step"] == 2
    with pytest.raises(ValueError, match="found one of 'small' with other learning_rate, steps;"):
        load_state(path, replace(RECIPE, steps=9, learning_rate=1.0))
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(ValueError, match=r"last\.pt: expected the state of a run, found"):
        load_state(path, RECIPE)
    torch.save({"step": 1}, path)
    with pytest.raises(ValueError, match=r"last\.pt: expected the state of a run, found"):
        load_state(path, RECIPE)


def test_a_checkpoint_names_what_it_was_trained_on(tmp_path: Path) -> None:
    path, network = saved(tmp_path)
    assert load_checkpoint(path).provenance == {}
    provenance = {"fingerprint": "ab", "tensor_sets": [{"product": "fmi", "snapshot": None}]}
    save_checkpoint(path, network, RECIPE, 3, {}, provenance)
    assert load_checkpoint(path).provenance == provenance
    metadata = safe_open(path, framework="pt").metadata()
    assert json.loads(metadata["nowcast"])["provenance"]["tensor_sets"][0]["product"] == "fmi"


def test_a_state_of_a_run_on_other_data_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "last.pt"
    save_state(path, RECIPE, {"step": 2}, {"fingerprint": "ab", "snapshot": "X"})
    assert load_state(path, RECIPE, {"fingerprint": "ab", "snapshot": "Y"}) == {"step": 2}
    with pytest.raises(ValueError, match=r"last\.pt: expected a run on data of fingerprint cd, fo"):
        load_state(path, RECIPE, {"fingerprint": "cd"})
    with pytest.raises(ValueError, match="fingerprint unknown, found ab: they changed since it"):
        load_state(path, RECIPE)
    save_state(path, RECIPE, {"step": 2})
    assert load_state(path, RECIPE) == {"step": 2}
    with pytest.raises(ValueError, match=r"cd, found unknown: .*; take another folder, or remove"):
        load_state(path, RECIPE, {"fingerprint": "cd"})


def test_a_state_with_code_in_it_is_not_run(tmp_path: Path) -> None:
    path = tmp_path / "last.pt"
    torch.save({"format": Path("x"), "run": Recipe}, path)
    with pytest.raises(ValueError, match="found other objects"):
        load_state(path, RECIPE)
