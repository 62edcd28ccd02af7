from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from datetime import timedelta
from socket import gethostname
from typing import Any

import numpy as np
import obstore
import pytest
import zarr
from faulty_network import FaultyNetwork, faulty_network
from obstore.store import S3Store
from place_samples import frames_of, holder_of, made
from store_samples import FIRST, FIVE_MINUTES, fill, new_store, pixels
from zarr.abc.store import Store as ZarrStore

from pipeline.check import check_store
from pipeline.frames import Grid
from pipeline.places import place_of
from pipeline.places.lease import Lease, LeaseRecord
from pipeline.store import Store

BUCKET = "radar-stores"
QUICK = {
    "max_retries": 1,
    "backoff": {
        "init_backoff": timedelta(seconds=0.05),
        "max_backoff": timedelta(seconds=0.1),
        "base": 2,
    },
    "retry_timeout": timedelta(seconds=1),
}


@pytest.fixture
def network(
    bucket_prefix: str, s3_port: int, monkeypatch: pytest.MonkeyPatch
) -> Iterator[FaultyNetwork]:
    """The network to the object store."""
    with faulty_network(s3_port) as network:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{network.port}")
        yield network


def write(objects: ZarrStore, slot: int, value: int) -> None:
    zarr.open_group(objects, mode="r+", use_consolidated=False)["frames"][slot] = value


def add_noise(objects: ZarrStore, name: str) -> None:
    noise = np.frombuffer(os.urandom(200_000), np.uint8)
    zarr.open_group(objects, mode="r+").create_array(name, data=noise, chunks=(50_000,))


def test_a_write_goes_on_after_the_network_was_lost_for_a_second(
    bucket_prefix: str, network: FaultyNetwork
) -> None:
    place = made(place_of(bucket_prefix), [1, 2, 3])
    network.cut_after(100_000, outage=1)
    objects = place.writing()
    add_noise(objects, "noise")
    write(objects, 1, 9)
    assert network.cuts == 1
    assert network.refused >= 1
    assert frames_of(place_of(bucket_prefix)) == [1, 9, 3]


def test_a_read_goes_on_after_the_network_was_lost_for_a_second(
    bucket_prefix: str, network: FaultyNetwork
) -> None:
    made(place_of(bucket_prefix), [1, 2, 3])
    network.cut_after(100, outage=1)
    assert frames_of(place_of(bucket_prefix)) == [1, 2, 3]
    assert network.cuts == 1


def test_a_network_that_stays_down_is_one_sentence_and_what_was_saved_is_whole(
    bucket_prefix: str, network: FaultyNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.places.bucket.RETRIES", QUICK)
    place = made(place_of(bucket_prefix), [1, 2, 3])
    objects = place.writing()
    write(objects, 0, 7)
    network.cut_after(100_000, outage=3600)
    with pytest.raises(ConnectionError, match=r"the object store at .* failed .* try again when"):
        add_noise(objects, "noise")
    with pytest.raises(ConnectionError, match="try again when it answers"):
        place_of(bucket_prefix).exists()
    network.mend()
    assert frames_of(place_of(bucket_prefix)) == [7, 2, 3]


def test_a_store_whose_making_lost_the_network_does_not_exist_and_is_made_later(
    bucket_prefix: str, network: FaultyNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.places.bucket.RETRIES", QUICK)
    network.cut_after(3_000, outage=3600)
    with pytest.raises(ConnectionError):
        made(place_of(bucket_prefix), [1, 2, 3])
    network.mend()
    assert place_of(bucket_prefix).objects() > 0
    assert not place_of(bucket_prefix).exists()
    assert frames_of(made(place_of(bucket_prefix), [4, 5, 6])) == [4, 5, 6]


@pytest.mark.parametrize("size", [4_000, 40_000])
def test_frames_whose_writing_lost_the_network_go_in_later(
    bucket_prefix: str,
    network: FaultyNetwork,
    size: int,
    small_grid: Grid,
    quick_lease: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("pipeline.places.bucket.RETRIES", QUICK)
    fill(new_store(bucket_prefix, small_grid), small_grid, [0, 1, 3])
    network.cut_after(size, outage=3600)
    with pytest.raises(ConnectionError, match="try again when it answers"):
        fill(bucket_prefix, small_grid, [2, 30])
    network.mend()
    store = Store.open(bucket_prefix)
    for k in (np.flatnonzero(store.observed) - store.slot(FIRST)).tolist():
        slot = store.slot(FIRST + k * FIVE_MINUTES)
        np.testing.assert_array_equal(store.read(slot, slot + 1)[0], pixels(k, small_grid))
    fill(bucket_prefix, small_grid, [2, 30])
    assert Store.open(bucket_prefix).observed.sum() == 5
    assert check_store(bucket_prefix).damaged == ()


def test_a_busy_object_store_is_asked_again(bucket_prefix: str, network: FaultyNetwork) -> None:
    made(place_of(bucket_prefix), [1, 2, 3])
    network.busy = 2
    assert frames_of(place_of(bucket_prefix)) == [1, 2, 3]
    assert network.busy == 0


def test_a_missing_bucket_is_one_sentence(bucket_prefix: str) -> None:
    with pytest.raises(OSError, match=r"no bucket 'nowhere' at http.*; make it, or mend"):
        place_of("s3://nowhere/store").exists()


def test_missing_credentials_are_one_sentence(
    bucket_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.places.bucket.RETRIES", QUICK)
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(PermissionError, match="access was refused; set AWS_ACCESS_KEY_ID"):
        place_of(bucket_prefix).exists()


@pytest.mark.parametrize("address", ["s3://bucket", "s3://bucket/", "s3:///store"])
def test_an_address_without_a_prefix_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match="expected s3://BUCKET/PREFIX"):
        place_of(address)


def test_a_store_is_not_made_among_other_objects(bucket_prefix: str) -> None:
    made(place_of(f"{bucket_prefix}/inner"), [1])
    with pytest.raises(FileExistsError, match=r"found inner/\S+; delete it or take another"):
        made(place_of(bucket_prefix), [2])
    assert frames_of(place_of(f"{bucket_prefix}/inner")) == [1]


def test_of_two_that_make_a_store_one_wins(
    bucket_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = obstore.put

    def put_after_a_rival(objects: S3Store, key: str, content: bytes, **mode: Any) -> Any:
        if key == "zarr.json":
            put(objects, key, b"{}")
        return put(objects, key, content, **mode)

    monkeypatch.setattr("obstore.put", put_after_a_rival)
    with pytest.raises(FileExistsError, match="another process made this store; ingest into it"):
        made(place_of(bucket_prefix), [1])


def test_a_request_whose_answer_was_lost_counts_as_made(
    bucket_prefix: str, quick_lease: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = obstore.put

    def put_twice(objects: S3Store, key: str, content: bytes, **mode: Any) -> Any:
        put(objects, key, content, **mode)
        return put(objects, key, content, **mode)

    monkeypatch.setattr("obstore.put", put_twice)
    monkeypatch.setattr(Lease, "_await_standstill", lambda *_: pytest.fail("waited for itself"))
    place = place_of(bucket_prefix)
    with place.locked():
        made(place, [1])
        place.save("nothing")
    assert frames_of(place) == [1]


def test_a_lease_is_renewed_for_as_long_as_it_is_held(
    bucket_prefix: str, quick_lease: None
) -> None:
    place = made(place_of(bucket_prefix), [1])
    with place.locked():
        time.sleep(1.5)
        with (
            pytest.raises(BlockingIOError, match=rf"process {os.getpid()} on {gethostname()} is"),
            place_of(bucket_prefix).locked(),
        ):
            pytest.fail("two writers")
        write(place.writing(), 0, 3)
        place.save("one frame")
    assert frames_of(place) == [3]


def test_a_writer_that_was_suspended_notices_who_took_over(
    bucket_prefix: str, quick_lease: None
) -> None:
    made(place_of(bucket_prefix), [1])
    with holder_of(bucket_prefix) as suspended:
        os.kill(suspended.pid, signal.SIGSTOP)
        place = place_of(bucket_prefix)
        with place.locked():
            write(place.writing(), 0, 5)
            os.kill(suspended.pid, signal.SIGCONT)
            said = suspended.communicate("write\n")[0]
            place.save("one frame")
    assert "another process took over while this one stood still" in said
    assert frames_of(place_of(bucket_prefix)) == [5]


def test_of_two_that_take_over_from_a_crashed_writer_one_wins(
    bucket_prefix: str, quick_lease: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    with holder_of(bucket_prefix) as crashed:
        os.kill(crashed.pid, signal.SIGKILL)
        crashed.wait()
    rival = place_of(bucket_prefix).locked()
    wait = Lease._await_standstill

    def wait_while_a_rival_takes_over(lease: Lease, held: LeaseRecord, version: str) -> str:
        waited = wait(lease, held, version)
        monkeypatch.setattr(Lease, "_await_standstill", wait)
        rival.__enter__()
        return waited

    monkeypatch.setattr(Lease, "_await_standstill", wait_while_a_rival_takes_over)
    with (
        pytest.raises(BlockingIOError, match="is writing to this store"),
        place_of(bucket_prefix).locked(),
    ):
        pytest.fail("two writers")
    rival.__exit__(None, None, None)


def test_an_object_that_is_no_lease_is_left_alone(bucket_prefix: str) -> None:
    parent, _, name = bucket_prefix.removeprefix(f"s3://{BUCKET}/").rpartition("/")
    objects = S3Store(BUCKET, prefix=parent, client_options={"allow_http": True})
    obstore.put(objects, f".{name}.lock", b"mine")
    with (
        pytest.raises(ValueError, match=r"expected a writer's lease in .*; delete it if no one"),
        place_of(bucket_prefix).locked(),
    ):
        pytest.fail("took it")
    assert bytes(obstore.get(objects, f".{name}.lock").bytes()) == b"mine"
