"""Archives: the same files give the same bytes, and nothing but what the manifest lists is ever written."""

import io
import json
import tarfile

import pytest

from tbill_defi.core.archive import MANIFEST, pack, read_manifest, unpack
from tbill_defi.core.errors import DataError


def quiet(done, total):
    assert 0 <= done <= total


@pytest.fixture
def packed(tmp_path):
    """An archive of two files."""
    source = tmp_path / "source"
    source.mkdir()
    (source / "a").write_bytes(b"first" * 1000)
    (source / "b").write_bytes(b"")
    files = {"a": source / "a", "deep/er/b": source / "b"}
    pack(tmp_path / "one.tar", files, {"note": "x"}, quiet)
    return tmp_path / "one.tar"


def test_there_and_back(packed, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    assert unpack(packed, out, quiet)["note"] == "x"
    assert (out / "a").read_bytes() == b"first" * 1000
    assert (out / "deep/er/b").read_bytes() == b""
    assert packed.stat().st_mode & 0o077 == 0
    pack(tmp_path / "two.tar", {"a": out / "a", "deep/er/b": out / "deep/er/b"}, {"note": "x"}, quiet)
    assert (tmp_path / "two.tar").read_bytes() == packed.read_bytes()


def test_never_over_a_file(packed, tmp_path):
    before = packed.read_bytes()
    with pytest.raises(DataError, match="there is a file already"):
        pack(packed, {}, {}, quiet)
    assert packed.read_bytes() == before
    assert not list(tmp_path.glob(".*.part"))


def test_every_flipped_byte_is_told_or_harmless(packed, tmp_path):
    content = bytearray(packed.read_bytes())
    for at in range(0, len(content), 37):
        broken = tmp_path / "broken.tar"
        changed = bytearray(content)
        changed[at] ^= 1
        broken.write_bytes(changed)
        out = tmp_path / f"out{at}"
        out.mkdir()
        try:
            manifest = unpack(broken, out, quiet)
        except DataError:
            continue
        assert manifest["files"] == read_manifest(packed)["files"]
        assert (out / "a").read_bytes() == b"first" * 1000


def forged(path, members, listed):
    """An archive with this manifest and these members."""
    with tarfile.open(path, "w") as tar:
        text = json.dumps({"version": 1, "files": listed}).encode()
        head = tarfile.TarInfo(MANIFEST)
        head.size = len(text)
        tar.addfile(head, io.BytesIO(text))
        for member, content in members:
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


@pytest.mark.parametrize("name", ["../out", "/etc/x", "a/../../b", "", "c:\\x", "c:/x"])
def test_a_path_that_leads_elsewhere(tmp_path, name):
    bad = forged(tmp_path / "bad.tar", [(tarfile.TarInfo(name), b"x")], {name: {"bytes": 1, "sha256": "0"}})
    out = tmp_path / "in" / "out"
    out.mkdir(parents=True)
    with pytest.raises(DataError):
        unpack(bad, out, quiet)
    assert list(out.iterdir()) == []
    assert not (tmp_path / "in" / "b").exists()


def test_members_that_are_no_files_or_not_listed_or_missing(tmp_path):
    link = tarfile.TarInfo("a")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    listed = {"a": {"bytes": 0, "sha256": "0"}}
    for members, files in (
        ([(link, b"")], listed),
        ([(tarfile.TarInfo("b"), b"")], listed),
        ([], listed),
        ([(tarfile.TarInfo("a"), b""), (tarfile.TarInfo("a"), b"")], listed),
    ):
        out = tmp_path / "out"
        out.mkdir()
        bad = forged(tmp_path / "bad.tar", members, files)
        with pytest.raises(DataError):
            unpack(bad, out, quiet)
        for left in out.iterdir():
            left.unlink()
        out.rmdir()


@pytest.mark.parametrize("content", [b"", b"no archive", b"\0" * 2048])
def test_what_is_no_archive(tmp_path, content):
    (tmp_path / "x.tar").write_bytes(content)
    with pytest.raises(DataError, match=r"x\.tar"):
        read_manifest(tmp_path / "x.tar")
