"""Nodes for tests: anvil from npm on a free port of this machine, and a node of Python that answers as it is told."""

from __future__ import annotations

import json
import os
import platform
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

MODULES = Path(__file__).resolve().parents[2] / "contracts" / "node_modules"
SYSTEM = {"Linux": "linux", "Darwin": "darwin", "Windows": "win32"}.get(platform.system(), "")
MACHINE = {"x86_64": "amd64", "AMD64": "amd64", "aarch64": "arm64", "arm64": "arm64"}.get(platform.machine(), "")
ANVIL = MODULES / "@foundry-rs" / f"anvil-{SYSTEM}-{MACHINE}" / "bin" / "anvil"
"""The binary itself: npm's wrapper is a node script that leaves it running when it is stopped."""


@contextmanager
def anvil(*options: str, at: int | None = None) -> Iterator[str]:
    """URL of a fresh anvil; block 0 is at `at`."""
    words = [str(ANVIL), "--silent", *(("--timestamp", str(at)) if at is not None else ()), *options]
    for _ in range(5):  # a port that was free a moment ago may be taken now
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        process = subprocess.Popen([*words, "--port", str(port)], env={**os.environ, "NO_PROXY": "*"})
        try:
            if _answers(process, port):
                yield f"http://127.0.0.1:{port}"
                return
        finally:
            process.terminate()
            process.wait()
    raise AssertionError("anvil does not start")


def _answers(process: subprocess.Popen[bytes], port: int) -> bool:
    deadline = time.monotonic() + 30
    while process.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            time.sleep(0.02)
        else:
            return True
    return False


class Scripted:
    """A node whose answers a test writes: method -> result, exception text as error, or a function of parameters."""

    def __init__(self, answers: dict[str, Any]) -> None:
        self.answers = answers
        self.asked: list[tuple[str, list[Any]]] = []

    def __call__(self, method: str, parameters: Any) -> Any:
        self.asked.append((method, list(parameters)))
        answer = self.answers.get(method, {"error": {"code": -32601, "message": "Method not found"}})
        if callable(answer):
            answer = answer(*parameters)
        if isinstance(answer, dict) and ("error" in answer or "result" in answer):
            return answer
        return {"result": answer}

    def count(self, method: str) -> int:
        return sum(asked == method for asked, _ in self.asked)


@contextmanager
def http_node(answer: Any) -> Iterator[str]:
    """URL of a web server: `answer(body) -> (status, content type, bytes)`."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status, kind, content = answer(body)
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def answering(node: Scripted) -> Any:
    """A web server's answers from a scripted node, batches too."""

    def answer(body: bytes) -> tuple[int, str, bytes]:
        asked = json.loads(body)
        one = not isinstance(asked, list)
        said = [
            {"jsonrpc": "2.0", "id": a["id"], **node(a["method"], a["params"])} for a in ([asked] if one else asked)
        ]
        return 200, "application/json", json.dumps(said[0] if one else said).encode()

    return answer
