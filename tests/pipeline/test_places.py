from __future__ import annotations

import os
import pickle
import signal
import sys
from pathlib import Path

import numpy as np
import pytest
import zarr
from place_samples import frames_of, holder_of, lay_out_frames, made

from pipeline.places import place_of
from pipeline.places.moving import in_order


def test_a_store_exists_once_it_is_whole(address: str) -> None:
    place = place_of(address)
    assert not place.exists()
    with place.creating() as objects:
        lay_out_frames(objects, [1, 2, 3])
        assert not place_of(address).exists()
    assert place.exists()
    assert place_of(address).exists()


def test_what_was_written_is_read_back(address: str) -> None:
    place = made(place_of(address), [1, 2, 3])
    with place.locked():
        zarr.open_group(place.writing(), mode="r+")["frames"][1] = 9
        place.save("one frame")
    assert frames_of(place_of(address)) == [1, 9, 3]


def test_an_error_while_it_is_made_leaves_no_store_and_the_next_try_makes_one(
    address: str,
) -> None:
    def make_and_cut() -> None:
        with place_of(address).creating() as objects:
            lay_out_frames(objects, [1, 2, 3])
            raise RuntimeError("cut")

    with pytest.raises(RuntimeError, match="cut"):
        make_and_cut()
    assert not place_of(address).exists()
    assert frames_of(made(place_of(address), [4, 5])) == [4, 5]


def test_readers_cannot_write(address: str) -> None:
    place = made(place_of(address), [1])
    with pytest.raises((ValueError, OSError), match=r"read.?only"):
        zarr.open_group(place.reading(), mode="r")["frames"][:] = 2
    assert frames_of(place) == [1]


def test_what_is_read_may_be_sent_to_another_process(address: str) -> None:
    objects = pickle.loads(pickle.dumps(made(place_of(address), [1, 2]).reading()))
    assert zarr.open_group(objects, mode="r")["frames"][:, 0, 0].tolist() == [1, 2]


def test_one_writer_at_a_time_and_a_killed_ones_lock_is_free(address: str) -> None:
    made(place_of(address), [1])
    with holder_of(address) as other:
        with (
            pytest.raises(BlockingIOError, match="is writing to this store; try again"),
            place_of(address).locked(),
        ):
            pytest.fail("two writers")
        os.kill(other.pid, signal.SIGKILL)
        other.wait()
        with place_of(address).locked():
            assert frames_of(place_of(address)) == [1]


def test_a_lock_is_free_at_once_when_its_holder_is_done(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited = "pipeline.places.lease.Lease._await_standstill"
    monkeypatch.setattr(waited, lambda *_: pytest.fail("waited"))
    made(place_of(address), [1])
    with holder_of(address) as other:
        assert other.communicate("write\n")[0] == "written\n"
        with place_of(address).locked():
            assert frames_of(place_of(address)) == [7]


def shifted(key: str) -> str | None:
    name, chunk, index = key.partition("/c/")
    if not chunk:
        return key
    number, _, rest = index.partition("/")
    return f"{name}/c/{int(number) + 2}/{rest}" if number != "1" else None


def test_objects_get_other_numbers_all_at_once(address: str) -> None:
    place = made(place_of(address), [1, 2, 3])
    if address.startswith("s3:"):
        with pytest.raises(ValueError, match="make the store anew from its earliest files"):
            place.renumbered(shifted)
        assert frames_of(place) == [1, 2, 3]
        return
    with place.locked(), place.renumbered(shifted) as objects:
        frames = zarr.open_group(objects, mode="r+", use_consolidated=False)["frames"]
        frames.resize((6, 2, 2))
        frames[5] = 8
        assert frames_of(place_of(address)) == [1, 2, 3]
    assert frames_of(place_of(address)) == [0, 0, 1, 0, 3, 8]


def test_an_error_while_objects_get_numbers_leaves_the_old(address: str) -> None:
    place = made(place_of(address), [1, 2, 3])
    with pytest.raises((RuntimeError, ValueError)), place.renumbered(shifted):
        raise RuntimeError("cut")
    assert frames_of(place_of(address)) == [1, 2, 3]


def test_a_store_says_how_much_it_takes_up(address: str) -> None:
    place = made(place_of(address), [1, 2, 3])
    assert place.objects() >= 4
    before, noise = place.size_bytes(), np.frombuffer(os.urandom(5000), np.uint8)
    zarr.open_group(place.writing(), mode="r+").create_array("more", data=noise)
    place.save("more")
    assert 5000 <= place.size_bytes() - before < 12_000


def test_a_repository_and_a_bucket_tidy_up_without_loss(address: str) -> None:
    place = made(place_of(address), [1, 2])
    with place.locked():
        place.tidy()
    assert frames_of(place_of(address)) == [1, 2]


@pytest.mark.parametrize("nonsense", ["gopher://there/store", "https://there/store"])
def test_an_address_of_no_known_kind_is_refused(nonsense: str) -> None:
    with pytest.raises(ValueError, match="expected a folder, s3://BUCKET/PREFIX or icechunk:PATH"):
        place_of(nonsense)


def test_a_repository_is_not_made_where_something_else_is(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    place = place_of(f"icechunk:{tmp_path}")
    assert not place.exists()
    with (
        pytest.raises(FileExistsError, match="expected an empty folder or none"),
        place.creating(),
    ):
        pytest.fail("made a repository")


def test_moves_free_a_place_before_they_fill_it() -> None:
    moves = {"a": "b", "b": "c", "x": "y"}
    order = list(in_order(moves))
    assert sorted(order) == sorted(moves.items())
    assert order.index(("b", "c")) < order.index(("a", "b"))
    with pytest.raises(ValueError, match="found a circle"):
        list(in_order({"a": "b", "b": "a"}))


@pytest.mark.parametrize(
    ("kind", "package"), [("s3://bucket/store", "bucket"), ("icechunk:store", "icechunk")]
)
def test_a_kind_whose_packages_are_not_installed_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, kind: str, package: str
) -> None:
    monkeypatch.setitem(sys.modules, f"pipeline.places.{package}", None)
    with pytest.raises(ValueError, match=r"needs more packages; install them with `pip install"):
        place_of(kind)
