from __future__ import annotations

import hashlib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import pytest

from data_catalog import Entry, fetch

CONTENT = np.random.default_rng(0).bytes(300_000)


class Server(ThreadingHTTPServer):
    """Serves CONTENT; can cut answers short, fail at first, or know no ranges."""

    cuts: list[int]
    failures: list[int]
    ranges = True
    asked: list[tuple[str, str | None]]


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        wanted = self.headers["Range"]
        self.server.asked.append((self.path, wanted))
        if self.server.failures:
            return self.send_error(self.server.failures.pop(0))
        if not self.path.startswith("/data.bin"):
            return self.send_error(404)
        start = int(wanted[6:-1]) if wanted and self.server.ranges else 0
        if start >= len(CONTENT):
            return self.send_error(416)
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(CONTENT) - start))
        self.end_headers()
        length = self.server.cuts.pop(0) if self.server.cuts else len(CONTENT)
        self.wfile.write(CONTENT[start:][:length])
        return None

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(("127.0.0.1", 0), Handler) as server:
        server.cuts, server.failures, server.asked = [], [], []
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def entry(server: Server, path: str = "/data.bin", content: bytes = CONTENT) -> Entry:
    return Entry(
        name="sample",
        title="Sample",
        licence="CC0-1.0",
        obtain="the shelf",
        source_url=f"http://127.0.0.1:{server.server_port}{path}",
        sha256=hashlib.sha256(content).hexdigest(),
    )


def test_a_file_is_fetched_once(server: Server, tmp_path: Path) -> None:
    folder = tmp_path / "new" / "folder"
    path = fetch(entry(server, "/data.bin?version=2"), folder)
    assert path == folder / "data.bin"
    assert path.read_bytes() == CONTENT
    assert fetch(entry(server), folder) == path
    assert len(server.asked) == 1
    assert list(folder.iterdir()) == [path]


def test_a_wrong_checksum_keeps_nothing(server: Server, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"data.bin: expected SHA-256 \w{64}, found \w{64}"):
        fetch(entry(server, content=b"other"), tmp_path, pause_seconds=0)
    assert len(server.asked) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_not_there_is_asked_for_once(server: Server, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="/gone: expected a file, found HTTP 404 Not Found"):
        fetch(entry(server, "/gone"), tmp_path, pause_seconds=0)
    assert len(server.asked) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_broken_download_is_resumed_where_it_broke_off(server: Server, tmp_path: Path) -> None:
    server.cuts = [100_000, 50_000]
    path = fetch(entry(server), tmp_path, pause_seconds=0)
    assert path.read_bytes() == CONTENT
    assert [wanted for _, wanted in server.asked] == [None, "bytes=100000-", "bytes=150000-"]


def test_the_next_call_resumes_what_the_last_gave_up(server: Server, tmp_path: Path) -> None:
    server.cuts = [100_000]
    with pytest.raises(ValueError, match="the connection ended after 100000 of 300000 bytes"):
        fetch(entry(server), tmp_path, attempts=1)
    assert [path.name for path in tmp_path.iterdir()] == ["data.bin.part"]
    assert fetch(entry(server), tmp_path).read_bytes() == CONTENT
    assert server.asked[-1][1] == "bytes=100000-"


def test_a_server_without_ranges_sends_all_again(server: Server, tmp_path: Path) -> None:
    server.cuts, server.ranges = [100_000], False
    assert fetch(entry(server), tmp_path, pause_seconds=0).read_bytes() == CONTENT


@pytest.mark.parametrize("left", [b"something else", CONTENT[:-1] + b"!", CONTENT + b"more"])
def test_a_spoilt_remainder_is_thrown_away(left: bytes, server: Server, tmp_path: Path) -> None:
    (tmp_path / "data.bin.part").write_bytes(left)
    assert fetch(entry(server), tmp_path, pause_seconds=0).read_bytes() == CONTENT


def test_a_whole_remainder_is_kept(server: Server, tmp_path: Path) -> None:
    (tmp_path / "data.bin.part").write_bytes(CONTENT)
    assert fetch(entry(server), tmp_path).read_bytes() == CONTENT
    assert server.asked == [("/data.bin", "bytes=300000-")]


def test_a_busy_server_is_asked_again(server: Server, tmp_path: Path) -> None:
    server.failures = [503, 429]
    assert fetch(entry(server), tmp_path, pause_seconds=0).read_bytes() == CONTENT
    server.failures = [500] * 9
    with pytest.raises(ValueError, match="found HTTP 500"):
        fetch(entry(server), tmp_path / "2", attempts=3, pause_seconds=0)
    assert len(server.asked) == 6


def test_a_server_that_does_not_answer_is_named(server: Server, tmp_path: Path) -> None:
    away = entry(server).model_copy(update={"source_url": "http://127.0.0.1:9/data.bin"})
    with pytest.raises(ValueError, match=r"^http://127.0.0.1:9/data.bin: expected a whole file"):
        fetch(away, tmp_path, attempts=2, pause_seconds=0)


def test_an_entry_without_address_says_where_to_obtain_it(tmp_path: Path) -> None:
    shelf = Entry(name="sample", title="S", licence="CC0-1.0", obtain="the shelf")
    with pytest.raises(ValueError, match=r"^sample: no address .* obtain it from the shelf$"):
        fetch(shelf, tmp_path)
