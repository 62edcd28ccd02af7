"""Chromium without a window, by its own DevTools protocol."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
OPTIONS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--disable-dev-shm-usage", "--remote-debugging-port=0", "about:blank"),
)
COMPLAINTS = {"Runtime.exceptionThrown", "Log.entryAdded", "Runtime.consoleAPICalled"}


class Browser:
    """One tab; remembers what it asked for and complained of."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.last = 0
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self.loaded = False
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.send(f"{domain}.enable")

    def send(self, method: str, **params: Any) -> dict[str, Any]:
        self.last += 1
        self.socket.send(json.dumps({"id": self.last, "method": method, "params": params}))
        while True:
            answer = json.loads(self.socket.recv(timeout=30))
            if answer.get("id") == self.last:
                assert "error" not in answer, answer
                result: dict[str, Any] = answer["result"]
                return result
            self._note(answer.get("method", ""), answer.get("params", {}))

    def _note(self, method: str, params: dict[str, Any]) -> None:
        if method == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])
        elif method in COMPLAINTS and params.get("type", "error") in {"error", "warning"}:
            self.complaints.append(json.dumps(params))
        elif method == "Page.loadEventFired":
            self.loaded = True

    def open(self, page: Path) -> None:
        self.loaded = False
        self.send("Page.navigate", url=page.as_uri())
        until = time.monotonic() + 20
        while not self.loaded and time.monotonic() < until:
            time.sleep(0.05)
            self.send("Runtime.evaluate", expression="0")
        assert self.loaded

    def run(self, script: str) -> Any:
        """The value of an expression in the page."""
        answer = self.send(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def resize(self, width: int, height: int) -> None:
        self.send(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )

    def prefer(self, scheme: str) -> None:
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.send("Emulation.setEmulatedMedia", features=features)

    def picture(self) -> bytes:
        shot = self.send("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        return base64.b64decode(shot["data"])

    def pdf(self) -> bytes:
        return base64.b64decode(self.send("Page.printToPDF", printBackground=True)["data"])


@contextmanager
def chromium(profile: Path) -> Iterator[Browser]:
    """A browser with a profile of its own, ended in the end."""
    assert CHROMIUM
    process = subprocess.Popen(
        [CHROMIUM, f"--user-data-dir={profile}", *OPTIONS],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        with connect(_address(profile), max_size=None, proxy=None) as socket:
            yield Browser(socket)
            socket.send(json.dumps({"id": 0, "method": "Browser.close"}))
    finally:
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _address(profile: Path) -> str:
    """Of the first tab."""
    port_file = profile / "DevToolsActivePort"
    until = time.monotonic() + 20
    while time.monotonic() < until:
        if port_file.exists() and "\n" in (held := port_file.read_text()):
            server = HTTPConnection("127.0.0.1", int(held.split()[0]), timeout=5)
            server.request("GET", "/json")
            tabs = [tab for tab in json.load(server.getresponse()) if tab["type"] == "page"]
            server.close()
            if tabs:
                return str(tabs[0]["webSocketDebuggerUrl"])
        time.sleep(0.05)
    raise TimeoutError(f"chromium: expected a tab within 20 s, found none in {profile}")
