from __future__ import annotations

import logging
import uuid
from collections.abc import Iterator

import pytest

BUCKET = "radar-stores"


@pytest.fixture(scope="session")
def s3_port() -> Iterator[int]:
    """The port of an object store on this machine that speaks S3, with one bucket."""
    import boto3
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    port = server.get_host_and_port()[1]
    boto3.client(
        "s3",
        endpoint_url=f"http://127.0.0.1:{port}",
        region_name="us-east-1",
        aws_access_key_id="user",
        aws_secret_access_key="word",  # noqa: S106
    ).create_bucket(Bucket=BUCKET)
    yield port
    server.stop()


@pytest.fixture
def bucket_prefix(s3_port: int, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of an unused prefix of the bucket; the environment says where that is."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{s3_port}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "user")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "word")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_METADATA_ENDPOINT", "http://127.0.0.1:9")
    return f"s3://{BUCKET}/stores/{uuid.uuid4().hex}"


@pytest.fixture
def quick_lease(monkeypatch: pytest.MonkeyPatch) -> None:
    """A crash is told after 1.2 s."""
    monkeypatch.setattr("pipeline.places.lease.LEASE_SECONDS", 1.2)
    monkeypatch.setattr("pipeline.places.lease.BEAT_SECONDS", 0.1)


@pytest.fixture(params=["folder", "bucket", "icechunk"])
def address(request: pytest.FixtureRequest, tmp_path: pytest.TempPathFactory) -> str:
    """Where a store may be made, of each kind of place."""
    if request.param == "bucket":
        request.getfixturevalue("quick_lease")
        return str(request.getfixturevalue("bucket_prefix"))
    return f"{'icechunk:' if request.param == 'icechunk' else ''}{tmp_path}/stores/store"
