"""Drafts beside a target: of this process until it ends, and swept after it."""

import os
import signal
import subprocess
import sys

import pytest

from tbill_defi.core import drafts

pytestmark = pytest.mark.skipif(os.name != "posix", reason="locks folders")
MAKE = """
import sys
from pathlib import Path
from tbill_defi.core.drafts import draft_file, draft_folder
target = Path(sys.argv[1])
with draft_file(target), draft_folder(target) as folder:
    (folder / "in").write_text("half")
    print("made", flush=True)
    sys.stdin.read()
"""


def test_a_live_process_keeps_its_drafts_and_a_killed_one_does_not(tmp_path):
    target = tmp_path / "a"
    maker = subprocess.Popen([sys.executable, "-c", MAKE, str(target)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert maker.stdout.readline() == b"made\n"
    drafts.sweep(target)
    assert len(list(tmp_path.iterdir())) == 2
    maker.send_signal(signal.SIGKILL)
    maker.communicate()
    assert len(list(tmp_path.iterdir())) == 2
    drafts.sweep(tmp_path / "b")
    assert len(list(tmp_path.iterdir())) == 2, "another target's"
    drafts.sweep(target)
    assert list(tmp_path.iterdir()) == []


def test_only_drafts_are_swept(tmp_path):
    names = ["a", ".a.new", ".a.0123456789abcdef", ".a.0123456789abcdeg.new", ".a.b.0123456789abcdef.new", ".b.new"]
    for name in names:
        (tmp_path / name).write_text("kept")
    (tmp_path / ".a.1123456789abcdef.new").symlink_to(tmp_path / "a")
    os.mkfifo(tmp_path / ".a.2123456789abcdef.new")
    (tmp_path / ".a.3123456789abcdef.new").write_text("left")
    drafts.sweep(tmp_path / "a")
    assert {one.name for one in tmp_path.iterdir()} == {*names, ".a.1123456789abcdef.new"}
    drafts.sweep(tmp_path / "none" / "a")


@pytest.mark.parametrize("make", [drafts.draft_file, drafts.draft_folder])
def test_one_that_is_swept_before_it_is_locked_is_made_again(tmp_path, monkeypatch, make):
    """A sweep falls between the making of the first one and its lock, and holds the second one's."""
    target, lock, seen = tmp_path / "a", drafts._lock, []

    def late(descriptor):
        if len(seen) < 2:
            seen.append(descriptor)
            if len(seen) == 1:
                monkeypatch.setattr(drafts, "_lock", lock)
                drafts.sweep(target)
                monkeypatch.setattr(drafts, "_lock", late)
            else:
                return False
        return lock(descriptor)

    monkeypatch.setattr(drafts, "_lock", late)
    with make(target) as made:
        monkeypatch.setattr(drafts, "_lock", lock)
        draft = made[0] if isinstance(made, tuple) else made
        drafts.sweep(target)
        assert draft.exists()
    assert len(seen) == 2
    drafts.sweep(target)
    assert list(tmp_path.iterdir()) == []


def test_where_nothing_can_be_locked_nothing_is_swept(tmp_path, monkeypatch):
    monkeypatch.setattr(drafts, "_lock", lambda descriptor: None)
    left = tmp_path / ".a.0123456789abcdef.new"
    left.write_text("whose?")
    drafts.sweep(tmp_path / "a")
    assert left.exists()
    with drafts.draft_file(tmp_path / "a") as (draft, _):
        assert draft.exists()


@pytest.mark.parametrize("make", [drafts.draft_file, drafts.draft_folder])
def test_what_cannot_be_made_is_named_as_it_was_asked_for(tmp_path, make):
    target = tmp_path / "nowhere" / "file"
    with pytest.raises(FileNotFoundError) as error, make(target):
        pass
    assert error.value.filename == str(target)
