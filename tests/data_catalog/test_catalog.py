from __future__ import annotations

import hashlib
import os
import re
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from data_catalog import ImageSet, Period, Product, load_catalog

ENTRY: dict[str, Any] = {
    "name": "x",
    "title": "X",
    "licence": "CC0-1.0",
    "obtain": "the shelf",
    "provider": "P",
    "reader": "cf_netcdf",
    "cadence_minutes": 5,
    "zr_a": 200,
    "zr_b": 1.6,
}
FILE = {"source_url": "https://example.org/b.zip?x=/c", "sha256": "0" * 64}
SHIPPED = load_catalog()
TOML = """
[products.mine]
title = "Mine"
provider = "Me"
licence = "CC0-1.0"
obtain = "my desk"
reader = "cf_netcdf"
cadence_minutes = 15
zr_a = 200
zr_b = 1.6
[[products.mine.splits.train]]
start = 2020-01-01T00:00:00
end = 2020-06-30T23:45:00
"""


@pytest.fixture(autouse=True)
def _no_catalog_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOWCAST_CATALOG", raising=False)


@pytest.mark.parametrize("entry", [*SHIPPED.products.values(), *SHIPPED.image_sets.values()],
                         ids=lambda entry: entry.name)  # fmt: skip
def test_every_entry_is_named_licensed_and_obtainable(entry: Product | ImageSet) -> None:
    assert re.fullmatch(r"[a-z0-9]+(_[a-z0-9]+)*", entry.name)
    assert entry.title
    assert entry.licence
    assert entry.obtain
    named = {**SHIPPED.products, **SHIPPED.image_sets}
    assert named[entry.name] is entry


def test_products_and_image_sets_share_no_name() -> None:
    assert not set(SHIPPED.products) & set(SHIPPED.image_sets)


@pytest.mark.parametrize("product", SHIPPED.products.values(), ids=lambda p: p.name)
def test_no_two_periods_of_a_product_overlap(product: Product) -> None:
    periods = sorted((p.start, p.end) for split in product.splits.values() for p in split)
    assert all(end < start for (_, end), (start, _) in pairwise(periods))
    assert product.cadence == timedelta(minutes=product.cadence_minutes)


def test_a_name_that_is_not_there_is_answered_with_those_that_are() -> None:
    with pytest.raises(ValueError, match=r"^no product 'fm'; the catalog holds \['bom_melb.*'fmi'"):
        SHIPPED.product("fm")
    with pytest.raises(ValueError, match=r"^no image set 'fmi'; the catalog holds .*'mnist'"):
        SHIPPED.image_set("fmi")
    assert SHIPPED.product("fmi").reader == "fmi_pgm"
    assert SHIPPED.image_set("mnist").classes[3] == "3"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"cadence_minutes": -5}, "greater than 0"),
        ({"cadence_minutes": 0}, "greater than 0"),
        ({"cadence_minutes": 2.5}, "valid integer"),
        ({"zr_a": 0}, "greater than 0"),
        ({"zr_b": float("nan")}, "finite number"),
        ({"name": "Not-Snake"}, "should match pattern"),
        ({"title": ""}, "at least 1 character"),
        ({"colour": "blue"}, "Extra inputs are not permitted"),
        ({"source_url": "https://example.org/a.zip"}, "source_url and sha256 together"),
        ({"sha256": "0" * 64}, "source_url and sha256 together"),
        ({"source_url": "file:///etc/passwd", "sha256": "0" * 64}, "should match pattern"),
        ({"source_url": "https://example.org/a", "sha256": "abc"}, "should match pattern"),
        ({"files": [{"source_url": "ftp://a.org/b", "sha256": "0" * 64}]}, "should match pattern"),
        ({"files": [{"source_url": "https://a.org/b"}]}, "Field required"),
        ({"files": [FILE, FILE]}, "files of different names, found one name twice"),
        ({"files": [FILE], **FILE}, "source_url or files, found both"),
        ({"tolerance_seconds": 150}, "below half the cadence of 5 min, found 150"),
        ({"tolerance_seconds": -1}, "greater than or equal to 0"),
        ({"splits": {"holdout": []}}, "'train', 'validation' or 'test'"),
    ],
)
def test_a_product_refuses_nonsense(changes: dict[str, Any], reason: str) -> None:
    Product(**ENTRY)
    with pytest.raises(ValidationError, match=reason):
        Product(**(ENTRY | changes))


def test_a_product_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Product(**ENTRY).cadence_minutes = 6  # type: ignore[misc]


def test_a_period_runs_forward_in_plain_utc() -> None:
    noon = datetime(2020, 1, 1, 12)
    assert Period(start=noon, end=noon).end == noon
    with pytest.raises(ValidationError, match="end at or after 2020-01-01 12:00:00, found 2019"):
        Period(start=noon, end=datetime(2019, 1, 1))
    with pytest.raises(ValidationError, match="without an offset"):
        Period.model_validate({"start": "2020-01-01T00:00:00+02:00", "end": noon})


def test_periods_that_overlap_across_splits_are_refused() -> None:
    days = [datetime(2020, 1, day) for day in (1, 2, 3)]
    first, second = Period(start=days[0], end=days[1]), Period(start=days[1], end=days[2])
    with pytest.raises(ValidationError, match="periods that do not overlap, found 2020-01-02"):
        Product(**ENTRY, splits={"train": (first,), "test": (second,)})
    later = Period(start=days[1] + timedelta(minutes=5), end=days[2])
    assert Product(**ENTRY, splits={"train": (first,), "test": (later,)}).splits["test"] == (later,)


def test_a_user_adds_entries_by_argument_and_by_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, yours = tmp_path / "mine.toml", tmp_path / "yours.toml"
    mine.write_text(TOML)
    yours.write_text(TOML.replace("mine", "yours"))
    monkeypatch.setenv("NOWCAST_CATALOG", os.pathsep.join([str(yours), ""]))
    catalog = load_catalog([mine])
    assert set(catalog.products) == {*SHIPPED.products, "mine", "yours"}
    assert catalog.product("mine").splits["train"][0].end == datetime(2020, 6, 30, 23, 45)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("products = ", "expected a catalog in TOML"),
        ("[prodcts.a]", r"expected tables \['products', 'image_sets'\], found 'prodcts'"),
        ("products = 3", "found 'products'"),
        ("[products]\nmine = 3", "entry 'mine': expected a table"),
        (TOML.replace("15", "-15"), "entry 'mine': cadence_minutes: .*greater than 0, found -15"),
        (TOML.replace('title = "Mine"', ""), "entry 'mine': title: Field required"),
        (TOML.replace("mine", "fmi"), "entry 'fmi' is in the catalog already"),
        (TOML.replace("-06-30T", "-06-30Z"), "expected a catalog in TOML"),
    ],
)
def test_a_bad_catalog_is_refused_in_one_sentence(text: str, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(ValueError, match=reason) as refusal:
        load_catalog([path])
    assert str(refusal.value).startswith(f"{path}: ")
    assert "\n" not in str(refusal.value)


def test_a_catalog_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="expected a catalog in TOML, found"):
        load_catalog([tmp_path / "none.toml"])


def test_an_entry_lists_what_there_is_to_download() -> None:
    assert Product(**ENTRY).downloads == ()
    (one,) = Product(**ENTRY, **FILE).downloads
    (same,) = Product(**ENTRY, files=[FILE]).downloads
    assert one == same
    assert one.name == "b.zip"


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist"])
def test_the_idx_sets_are_fetched_by_the_names_that_are_read(name: str) -> None:
    found = [file.name for file in SHIPPED.image_set(name).downloads]
    assert found == [
        f"{part}-{kind}-ubyte.gz"
        for part in ("train", "t10k")
        for kind in ("images-idx3", "labels-idx1")
    ]


@pytest.mark.real
def test_the_checksums_are_those_of_the_files_that_are_official(data_dir: Path) -> None:
    for file in SHIPPED.image_set("fashion_mnist").downloads:
        if "labels" in file.name:
            content = (data_dir / "fashion_mnist" / file.name).read_bytes()
            assert hashlib.sha256(content).hexdigest() == file.sha256


def test_cifar_comes_as_the_archives_of_its_page() -> None:
    assert [len(SHIPPED.image_set(name).classes) for name in ("cifar10", "cifar100")] == [10, 100]
    names = [SHIPPED.image_set(name).downloads[0].name for name in ("cifar10", "cifar100")]
    assert names == ["cifar-10-python.tar.gz", "cifar-100-python.tar.gz"]
