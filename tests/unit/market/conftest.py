"""An empty store, and files to read."""

import pytest

from tbill_defi.market.store import MarketStore


@pytest.fixture
def store(tmp_path):
    return MarketStore(tmp_path / "home")


@pytest.fixture
def put(tmp_path):
    """Write a file: its path."""

    def write(name, content):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write
