"""Every number that decides a training run; RECIPES is the table."""

from __future__ import annotations

from nowcast.recipes.cleaning import CLEANING
from nowcast.recipes.denoising import DENOISING
from nowcast.recipes.images import IMAGES
from nowcast.recipes.nowcasting import NOWCASTING
from nowcast.recipes.recipe import PRECISIONS, Recipe
from nowcast.recipes.segmentation import SEGMENTATION

__all__ = ["PRECISIONS", "RECIPES", "Recipe", "find_recipe"]

_ALL = (*NOWCASTING, *CLEANING, *IMAGES, *DENOISING, *SEGMENTATION)
RECIPES: dict[str, Recipe] = {recipe.name: recipe for recipe in _ALL}


def find_recipe(name: str) -> Recipe:
    """The recipe of that name.

    Raises:
        ValueError: If the table does not hold it.
    """
    if name not in RECIPES:
        raise ValueError(f"no recipe {name!r}; the table holds {sorted(RECIPES)}")
    return RECIPES[name]
