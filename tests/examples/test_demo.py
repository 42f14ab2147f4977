"""The demo: its figures agree with each other, it needs no network and leaves nothing behind."""

import io
import re
import socket
import tempfile
from decimal import Decimal

import pytest

from tbill_defi.cli.main import run
from tbill_defi.core.home import VARIABLE
from tbill_defi.ledger.open import PASSPHRASE_VARIABLE

BAND = (Decimal("1.9"), Decimal("2.1"))
CENT = Decimal("0.01")
ORDER = re.compile(
    r"^(buy|sell) +([0-9A-Z]{9}) .*? ([0-9,]+) +[0-9+.-]+ .* ([0-9.]+) +([0-9,]+\.[0-9]{2})  observed", re.M
)


def dollars(text):
    return Decimal(re.sub(r"[$,]", "", text))


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """Two runs of the demo without a network: what they said, and the folders they ran in."""
    folder = tmp_path_factory.mktemp("demo")
    (folder / "work").mkdir()
    (folder / "temporary").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        said = []
        for name in (VARIABLE, PASSPHRASE_VARIABLE, "COLUMNS", "FORCE_COLOR"):
            patch.delenv(name, raising=False)
        patch.chdir(folder / "work")
        patch.setattr(tempfile, "tempdir", str(folder / "temporary"))
        patch.setattr(socket, "socket", _no_network)
        for _ in range(2):
            said.append(_run(patch, ["demo"]))
    return said, folder


def _no_network(*_, **__):
    raise AssertionError("the demo asks for a network")


def _run(patch, words):
    out = io.StringIO()
    patch.setattr("sys.stdout", out)
    assert run(words) == 0
    return out.getvalue()


@pytest.fixture(scope="module")
def text(demo):
    return demo[0][0]


def found(pattern, text):
    match = re.search(pattern, text)
    assert match, pattern
    return match.groups() if len(match.groups()) > 1 else match[1]


def test_it_leaves_nothing_behind(demo):
    _, folder = demo
    assert sorted(path.name for path in folder.rglob("*")) == ["temporary", "work"]


def test_it_opens_with_what_is_wrong(text):
    assert text.index("issuance:") < text.index("funding:") < text.index("The desk's book")
    before, over = found(r"duration ([0-9.]+) is above the mandate's 1\.9-2\.1: \$([0-9,]+) of DV01 too much", text)
    nav, duration, dv01 = found(r"(\$[0-9,]+) in 10 securities.* duration ([0-9.]+) y.* DV01 (\$[0-9,]+)", text)
    assert before == duration
    assert Decimal(duration) > BAND[1]
    assert abs(dollars(nav) - 25_000_000) < 100_000
    assert abs(dollars(dv01) - dollars(nav) * Decimal(duration) / 10_000) < dollars(nav) * CENT / 10_000
    assert abs(dollars(over) - (dollars(dv01) - BAND[1] * dollars(nav) / 10_000)) <= 2


def test_two_plans_side_by_side(text):
    durations = found(r"\nduration +([0-9.]+) y +([0-9.]+) y", text)
    assert BAND[0] <= Decimal(durations[0]) <= BAND[1]
    moved, _ = found(r"\nDV01 +\$[0-9,]+ \(-\$([0-9,]+)\) +\$[0-9,]+ \(-\$([0-9,]+)\)", text)
    after, _ = found(r"\nDV01 +(\$[0-9,]+) .* (\$[0-9,]+) ", text)
    assert abs(dollars(found(r"DV01 (\$[0-9,]+)\nwrong", text)) - dollars(moved) - dollars(after)) <= 1
    days = int(found(r"\nbreak-even +([0-9]+) days", text))
    cost = dollars(found(r"\ncost +(\$[0-9,.]+) = ", text))
    gain = Decimal(found(r"\nyield +[0-9.]+% \(\+([0-9.]+) bp\)", text)) / 10_000
    nav = dollars(found(r"now: (\$[0-9,]+) in", text))
    assert abs(cost / (gain * nav) * 365 - days) / days < Decimal("0.02")
    assert re.search(r"\nbinding limit +duration: [0-9.]+ bp per 0\.1 y", text)


def test_it_settles_the_orders_it_shows(text):
    orders = ORDER.findall(text.split("Three refusals")[0])
    count, _ = found(r"\norders, legs +([0-9]+), ([0-9]+)", text)
    assert len(orders) == int(count)
    bought = {side: sum(dollars(cash) for s, *_, cash in orders if s == side) for side in ("buy", "sell")}
    for _, _, face, dirty, cash in orders:
        assert abs(dollars(face) * Decimal(dirty) / 100 - dollars(cash)) <= CENT / 2
    left = dollars(found(r"; cash (\$[0-9.,]+)", text))
    assert abs(200_000 + bought["sell"] - bought["buy"] - left) <= CENT * len(orders)
    paid = dollars(found(r"net cash paid +\$[0-9,.]+ +(\$[0-9,.]+)", text))
    assert abs(bought["buy"] - bought["sell"] - paid) <= CENT * len(orders)
    cost, per_face = found(r"\ncost +(\$[0-9,.]+) = ([0-9.]+)/32", text)
    face = sum(dollars(face) for _, _, face, _, _ in orders)
    assert abs(dollars(cost) / face * 3200 - Decimal(per_face)) <= CENT / 2
    assert found(r"settled ([0-9]+) legs atomically", text) == str(len(orders) + 1)
    digest = found(r"; plan\s+(0x[0-9a-f]{64})", text)
    assert found(r"\nplan hash +(0x[0-9a-f]{8})…", text) == digest[:10]
    assert BAND[0] <= Decimal(found(r"now: .* duration ([0-9.]+) y", text)) <= BAND[1]


def test_the_plan_is_the_same_in_every_run(demo):
    """Chain ids and keys differ; nothing of them is in a plan."""
    first, second = demo[0]
    digests = [found(r"; plan\s+(0x[0-9a-f]{64})", text) for text in (first, second)]
    assert digests[0] == digests[1]
    chains = [found(r"of chain ([0-9]+)", " ".join(text.split())) for text in (first, second)]
    assert chains[0] != chains[1]


def test_three_refusals(text):
    part = " ".join(text.split("Three refusals")[1].split("Fractions")[0].split())
    first, second, third = re.split(r" [23]\. ", part.split("1. ", 1)[1])
    assert "rule identity, code 2" in first
    assert "passes: $0.00" in first
    assert "rule trade-limit, code 7" in second
    assert "passes: $1,000,000.00" in second
    assert int(found(r"([0-9]+) legs refused before anything was sent", second)) > 1
    assert "is frozen" in third
    assert "none settles: ERC7943InsufficientUnfrozenBalance" in third
    assert "every balance is what it was before" in third


def test_fractions_are_paid_for(text):
    part = text.split("Fractions for investors")[1]
    for name, face in (("alice", "137.25"), ("bob", "0.75")):
        left = dollars(found(rf"\n{name}: .*\n.*\n.* {re.escape(face)} .*\nUSD +([0-9.,]+)", part))
        paid = dollars(found(rf"USD +{name} +desk +([0-9.,]+)", part))
        assert left + paid == 1_000
        assert re.search(rf"desk +{name} +{re.escape(face)} ", part)


def test_the_audit_names_block_and_column(text):
    part = " ".join(text.split("\nAudit ")[1].split())
    assert "and it contains the given head" in part
    block = found(r"one byte flipped in a copy: block ([0-9]+), transactions\.raw: ", part)
    assert block == found(r"consistent to height ([0-9]+)", part)


def test_it_closes_with_settlement_in_dollars(text):
    part = text.split("This trade, T+1 against atomic")[1]
    later, now = found(r"settles +([0-9-]+) +([0-9-]+)", part)
    assert (later, now) == ("2026-03-25", "2026-03-24")
    later, now = map(dollars, found(r"net cash paid +(\$[0-9,.]+) +(\$[0-9,.]+)", part))
    repo = Decimal(found(r"repo ([0-9.]+)%", part)) / 100
    assert abs(now * (1 + repo / 360) - later) < CENT * 5
    for assumption in ("1 day", "5.19 bp", "TMPG", "3.50%"):
        assert assumption in part


def test_a_home_that_is_kept(tmp_path, capsys, monkeypatch):
    monkeypatch.delenv(PASSPHRASE_VARIABLE, raising=False)
    home = tmp_path / "kept"
    assert run(["demo", "--keep", str(home)]) == 0
    assert f"left in {home}" in " ".join(capsys.readouterr().out.split())
    assert run(["audit", "verify", "--home", str(home)]) == 0
    assert "consistent to height" in capsys.readouterr().out
    assert run(["tape", "--last", "1", "--home", str(home)]) == 0
    assert "bob" in capsys.readouterr().out
    assert run(["demo", "--keep", str(home)]) == 2
    assert capsys.readouterr().err.startswith("error: keep: ")
