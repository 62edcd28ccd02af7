from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("data_catalog", "pipeline", "nowcast", "flows")
MAY_IMPORT = {
    "data_catalog": set(),
    "pipeline": {"data_catalog"},
    "nowcast": {"pipeline.batch"},
    "flows": {"data_catalog", "pipeline", "nowcast"},
}
FORBIDDEN_LIBRARIES = {
    "data_catalog": {"torch", "prefect", "zarr"},
    "pipeline": {"prefect"},
    "nowcast": {"prefect", "zarr", "netCDF4", "h5py"},
    "flows": set(),
}
ONLY_HERE = {"urllib": {"data_catalog/download.py"}, "http": {"data_catalog/download.py"}}


def sources(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def within(name: str, allowed: str) -> bool:
    return name == allowed or name.startswith(f"{allowed}.")


@pytest.mark.parametrize("package", PACKAGES)
def test_imports_go_one_way(package: str) -> None:
    for path in sources(package):
        for name in imported(path):
            if name.split(".")[0] in PACKAGES and not within(name, package):
                assert any(within(name, allowed) for allowed in MAY_IMPORT[package]), (
                    f"{path.relative_to(ROOT)} imports {name}"
                )


@pytest.mark.parametrize("package", PACKAGES)
def test_each_package_keeps_to_its_libraries(package: str) -> None:
    for path in sources(package):
        roots = {name.split(".")[0] for name in imported(path)}
        assert not roots & FORBIDDEN_LIBRARIES[package], path.relative_to(ROOT)
        for library, homes in ONLY_HERE.items():
            if str(path.relative_to(ROOT)) not in homes:
                assert library not in roots, path.relative_to(ROOT)


def test_no_code_folder_but_the_house() -> None:
    folders = {path.parent for path in ROOT.glob("*/*.py")}
    assert {folder.name for folder in folders} <= {*PACKAGES, "tests"}


def test_no_drawer_for_odds_and_ends() -> None:
    stems = {path.stem for package in PACKAGES for path in sources(package)}
    assert not stems & {"utils", "util", "common", "helpers", "base", "misc"}
