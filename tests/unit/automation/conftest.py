"""Homes made once, copied for each test."""

import shutil

import pytest

from tests.unit.automation.busy_day import make_busy_home
from tests.unit.automation.support import make_home


@pytest.fixture(scope="session")
def _template(tmp_path_factory):
    return make_home(tmp_path_factory.mktemp("keeper") / "home")


@pytest.fixture
def home(_template, tmp_path):
    place = tmp_path / "home"
    shutil.copytree(_template, place)
    return place


@pytest.fixture(scope="session")
def _busy_template(tmp_path_factory):
    return make_busy_home(tmp_path_factory.mktemp("busy") / "home")


@pytest.fixture
def busy(_busy_template, tmp_path):
    """A home with everything due at once, on a simulated clock of its own."""
    place = tmp_path / "busy"
    shutil.copytree(_busy_template, place)
    return place
