"""No password is shown, of a URL that is right or wrong; and nothing else is hidden."""

import pytest

from tbill_defi.core.secrets import without_password

SECRET = "s3cr3t"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (f"postgresql://tbill:{SECRET}@host/desk", "postgresql://tbill:***@host/desk"),
        (f"postgresql+psycopg://tbill:{SECRET}@host:5432/desk", "postgresql+psycopg://tbill:***@host:5432/desk"),
        (f"postgresql://tbill:{SECRET}@{SECRET}@host/desk", "postgresql://tbill:***@host/desk"),
        (f"postgresql://tbill:{SECRET}:/{SECRET}@host/desk", "postgresql://tbill:***@host/desk"),
        (f"postgresql://host/desk?user=tbill&password={SECRET}", "postgresql://host/desk?user=tbill&password=***"),
        (f"postgresql://host/desk?sslpassword={SECRET}&a=b", "postgresql://host/desk?sslpassword=***&a=b"),
        (f"postgresql//tbill:{SECRET}@host/desk", "postgresql//tbill:***@host/desk"),
        (f"postgresql:/tbill:{SECRET}@host/desk", "postgresql:/tbill:***@host/desk"),
        (f" postgresql://tbill:{SECRET}@host", " postgresql://tbill:***@host"),
        (f"tbill:{SECRET}@host/desk", "tbill:***@host/desk"),
        (f"postgresql://tbill@{SECRET}@host", "postgresql://tbill:***@host"),
        (f"postgresql:tbill:{SECRET}@host", "postgresql:***@host"),
    ],
)
def test_a_password_is_hidden(url, shown):
    assert without_password(url) == shown
    assert SECRET not in shown


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://tbill@host:5432/desk",
        "postgresql:///desk?host=/run/postgresql",
        "postgresql://host/desk",
        "sqlite:///a:b@c/desk.db",
        "sqlite:////home/desk/.tbill/ledger/ledger.db",
        "sqlite://",
        "bogus",
        "",
    ],
)
def test_what_has_none_is_as_it_is(url):
    assert without_password(url) == url
