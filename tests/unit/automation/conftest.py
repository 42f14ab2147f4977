"""A home made once, copied for each test."""

import shutil

import pytest

from tests.unit.automation.support import make_home


@pytest.fixture(scope="session")
def _template(tmp_path_factory):
    return make_home(tmp_path_factory.mktemp("keeper") / "home")


@pytest.fixture
def home(_template, tmp_path):
    place = tmp_path / "home"
    shutil.copytree(_template, place)
    return place
