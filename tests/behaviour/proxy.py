"""An HTTP proxy between the framework and a node that breaks what it is told to break, before or after the node."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.request import ProxyHandler, Request, build_opener

HTML = b"<!DOCTYPE html><html><body><h1>502 Bad Gateway</h1></body></html>"
SEND = "eth_sendRawTransaction"
LATE = 1.6
"""Seconds by which a slow answer comes late."""
KINDS = ("lost", "slow", "error 500", "html", "cut off", "half a document", "empty", "dropped", "refused 503")
"""All but the last two after the node has answered: it did what it was asked."""
BEFORE = ("dropped", "refused 503")

_straight = build_opener(ProxyHandler({}))


@dataclass
class Proxy:
    """What passes, and what becomes of it.

    Attributes
    ----------
    fault
        (methods of a request) -> kind, or None to let it pass.
    passed
        Methods that the node was asked, in order.
    sent
        Raw transactions that reached the node, in order.
    """

    target: str
    fault: Callable[[list[str]], str | None] = lambda methods: None
    url: str = ""
    passed: list[str] = field(default_factory=list)
    sent: list[str] = field(default_factory=list)

    def once(self, kind: str, method: str = SEND, *, times: int = 1, skip: int = 0) -> None:
        """Break the next `times` requests of a method, after letting `skip` of them pass."""
        left = [None] * skip + [kind] * times
        self.fault = lambda methods: left.pop(0) if method in methods and left else None

    def forward(self, body: bytes) -> bytes:
        """The node's answer."""
        asked = json.loads(body)
        for one in asked if isinstance(asked, list) else [asked]:
            self.passed.append(one["method"])
            if one["method"] == SEND:
                self.sent.append(one["params"][0])
        request = Request(self.target, body, {"Content-Type": "application/json"})
        with _straight.open(request, timeout=30) as answer:
            return bytes(answer.read())

    def answer(self, body: bytes) -> tuple[int, bytes, int] | None:
        """Status, content and the length that is claimed; None: the line goes dead."""
        asked = json.loads(body)
        kind = self.fault([one["method"] for one in (asked if isinstance(asked, list) else [asked])])
        if kind in BEFORE:
            return None if kind == "dropped" else (503, b"overloaded", 10)
        content = self.forward(body)
        if kind == "slow":
            time.sleep(LATE)
        half = content[: len(content) // 2]
        broken: dict[str | None, tuple[int, bytes, int] | None] = {
            "lost": None,
            "error 500": (500, b"Internal Server Error", 21),
            "html": (200, HTML, len(HTML)),
            "cut off": (200, half, len(content)),
            "half a document": (200, half, len(half)),
            "empty": (200, b"", 0),
        }
        return broken.get(kind, (200, content, len(content)))


@contextmanager
def proxy(target: str) -> Iterator[Proxy]:
    """A proxy on a port of its own before a node."""
    made = Proxy(target)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            found = made.answer(self.rfile.read(int(self.headers["Content-Length"])))
            self.close_connection = found is None
            if found is None:
                return
            status, content, claimed = found
            self.close_connection = len(content) != claimed
            with suppress(OSError):  # who waited no longer
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(claimed))
                self.end_headers()
                self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    made.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
