"""The demo: its figures agree with each other, it needs no network and leaves nothing behind."""

import io
import re
import socket
import tempfile
from datetime import date
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal
from pathlib import Path

import pytest

import tbill_defi as td
from tbill_defi.backtest.run import run_backtest
from tbill_defi.cli.main import run
from tbill_defi.ledger.open import PASSPHRASE_VARIABLE
from tbill_defi.pricing.repo import carry as repo_carry

BAND = (Decimal("1.9"), Decimal("2.1"))
CENT = Decimal("0.01")
ROOT = Path(__file__).resolve().parents[2]
SAMPLE = td.view("2026-03-24", data=td.sample_data())
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
        for name in ("TBILL_HOME", PASSPHRASE_VARIABLE, "COLUMNS", "FORCE_COLOR"):
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


def test_the_readme_shows_what_it_says(text):
    """Line by line, but for the time that it took."""
    (shown,) = re.findall(r"```text\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    said = re.sub(r"[0-9]+ ms in all", "N ms in all", " ".join(text.split()))
    for line in re.sub(r"[0-9]+ ms in all", "N ms in all", shown).splitlines():
        for part in line.split(" ... "):
            assert " ".join(part.split()) in said, part


def test_it_fits_a_narrow_screen(monkeypatch, tmp_path):
    """80 columns: every line fits, no hash or address is broken, and tables name the columns they leave out."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    said = _run(monkeypatch, ["demo"])
    assert [line for line in said.splitlines() if len(line.rstrip()) > 80] == []
    assert {len(word) for word in re.findall(r"0x[0-9a-f]+(?![0-9a-f…])", said)} == {42, 66}
    assert len(re.findall("not shown at this width: .*carry", said)) == 1
    assert "not shown at this width: oracle dirty, short after" in said
    assert "not shown at this width: face free $, on hold $" in said


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


def rows(part, count):
    """Rows of a table that begin with a CUSIP, cells apart by two spaces."""
    lines = [line.rstrip() for line in part.splitlines() if re.match(r"[0-9]{5}[0-9A-Z]{4} ", line)]
    assert len(lines) == count
    return [re.split(r" {2,}", line) for line in lines]


def test_the_book_is_financed(text):
    part = text.split("The book is financed by repo")[1].split("Margin call")[0]
    lent = interest = Decimal(0)
    for cusip, face, dirty, cash, due, forward, carry in rows(part, 4):
        value = dollars(face) * Decimal(dirty) / 100
        assert dollars(cash) == (value * Decimal("0.98")).quantize(CENT, rounding=ROUND_DOWN)
        assert dollars(due) == (dollars(cash) * Decimal("0.0363") * 7 / 360).quantize(CENT)
        i = SAMPLE.index(cusip)
        lent_at = SAMPLE.settled_clean_price(i)
        assert lent_at == pytest.approx(float(SAMPLE.clean_price[i]), abs=1e-6)  # bid and offer settle at 6 decimals
        held = repo_carry(
            SAMPLE.securities[i],
            lent_at,
            settlement=SAMPLE.date,
            horizon=date(2026, 3, 31),
            repo_rate=0.0363,
        )
        assert (f"{held.forward_clean_price:.6f}", f"{held.carry:+.6f}") == (forward, carry)
        lent, interest = lent + dollars(cash), interest + dollars(due)
    assert dollars(found(r"(\$[0-9,.]+) from lender", part)) == lent
    assert abs(dollars(found(r"(\$[0-9,.]+) to repay", part)) - lent - interest) <= CENT * 2


def test_margin_is_called_and_met(text):
    financed = rows(text.split("The book is financed by repo")[1].split("Margin call")[0], 4)
    part = text.split("Margin call")[1].split("A covered call")[0]
    for (cusip, _, dirty, *_), row in zip(financed, rows(part, 4), strict=True):
        same, shocked, owed, lends, called, met_with, short = row
        security, i = SAMPLE.securities[SAMPLE.index(cusip)], SAMPLE.index(cusip)
        assert same == cusip
        fall = 1 - Decimal(shocked) / Decimal(dirty)
        assert abs(float(fall) - 0.005 * SAMPLE.modified_duration[i]) < 6e-4, security.cusip
        assert abs(dollars(called) - (dollars(owed) - dollars(lends))) <= CENT
        assert dollars(called) > 0
        amount, what = met_with.split()
        if what == "cash":
            assert abs(dollars(amount) - dollars(called)) < CENT
        else:
            worth = dollars(amount) * Decimal(shocked) / 100 * Decimal("0.98")
            assert dollars(called) <= worth < dollars(called) + 100
        assert short == "$0.00"
    coupon, paid, interest = map(
        dollars,
        re.search(r"brings (\S+); repurchased for (\S+), (\S+) of it interest", " ".join(part.split())).groups(),
    )
    assert coupon == (Decimal(2_947_000) * Decimal("0.019375")).quantize(CENT, rounding=ROUND_HALF_UP)
    assert paid > 9_800_000
    assert 0 < interest < coupon


def test_a_covered_call_over_a_coupon(text):
    part = text.split("A covered call over a coupon date")[1].split("A rogue plan")[0]
    flat = " ".join(part.split())
    price, delta = found(r"90 bp: ([0-9.]+) per 100, delta \+([0-9.]+)", flat)
    steps = {
        line.split()[1]: re.split(r" {2,}", line.strip()) for line in part.splitlines() if line.startswith("2026-")
    }
    assert list(steps) == ["written:", "bought", "coupon,", "exercised"]
    assert [row[-2] for row in (steps["bought"], steps["coupon,"])] == ["1,000,000"] * 2, "on hold over the coupon"
    assert dollars(steps["bought"][-1][1:]) == Decimal(price) * 10_000
    assert dollars(steps["coupon,"][-1][1:]) == Decimal(2_982_000) * Decimal("0.0175")
    clean = Decimal(found(r"exercised at clean ([0-9.]+)", flat))
    assert clean > Decimal("99.4375"), "the holder exercises what is worth it"
    accrued = td.accrued_interest(SAMPLE.securities[SAMPLE.index("91282CPE5")], settlement=date(2026, 5, 1))
    assert abs(dollars(steps["exercised"][-1][1:]) - Decimal(994_375) - Decimal(accrued * 10_000)) <= CENT
    assert 0 < Decimal(delta) < 1
    market = td.view("2026-05-01", data=td.sample_data())
    i = market.index("91282CPE5")
    assert abs(float(clean) - (market.mid_dirty[i] - market.accrued[i])) < 5e-5


def test_a_rogue_plan_is_stopped(text):
    part = " ".join(text.split("A rogue plan is stopped")[1].split("A backtest")[0].split())
    refused = found(r"refused: mandate of pension: duration would be ([0-9.]+) years, 1\.700000 to 2\.300000", part)
    assert Decimal(found(r"bullet, 20 years ([0-9.]+) y", part)) == round(Decimal(refused), 2) > Decimal("2.3")
    assert "nothing was sent; every balance is what it was" in part
    assert Decimal("1.7") <= Decimal(found(r"duration-target ([0-9.]+) y", part)) <= Decimal("2.3")
    assert re.search(r"settled in block [0-9]+", part)


def test_the_backtest_is_certified(text, tmp_path):
    part = text.split("A backtest certified on the contracts")[1].split("Audit")[0]
    months = [line.split() for line in part.splitlines() if re.match(r"2026-0[3-6] ", line)]
    assert sum(int(row[1]) for row in months) == 69
    flat = " ".join(part.split())
    assert found(r"on all ([0-9]+); run", flat) == "69"
    arrays = run_backtest(
        td.find("ladder")(rungs=6, longest_years=5.0),
        first=date(2026, 3, 24),
        last=date(2026, 6, 30),
        capital=10_000_000,
        data=td.sample_data(),
        out=tmp_path / "run",
    )
    assert arrays.run_hash.startswith(found(r"run (0x[0-9a-f]{16})…", flat))
    assert dollars(months[-1][-1]) == (Decimal(arrays.final_nav_units) / 10**6).quantize(CENT, rounding=ROUND_HALF_UP)


def test_the_audit_names_block_and_column(text):
    part = " ".join(text.split("\nAudit ")[1].split())
    assert "and it contains the given head" in part
    block = found(r"one byte flipped in a copy: block ([0-9]+), transactions\.raw: ", part)
    assert block == found(r"consistent to height ([0-9]+)", part)


def test_it_closes_with_settlement_in_dollars(text):
    part = text.split("This trade, T+1 against atomic")[1].split("The book is financed")[0]
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
    assert "pension" in capsys.readouterr().out
    assert run(["demo", "--keep", str(home)]) == 2
    assert capsys.readouterr().err.startswith("error: keep: ")
