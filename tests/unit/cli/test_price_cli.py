"""`tbill price`: files of securities, linked securities, shocks."""

from __future__ import annotations

import json
import math
from datetime import date
from pathlib import Path
from typing import Any

import pytest

import tbill_defi as td
from tbill_defi.market.universe import real_terms_from_sheet
from tbill_defi.portfolio.relative_value import middle
from tests.unit.cli.support import NOTE, refused
from tests.unit.cli.test_schemas import valid

BILL = "912797UQ8"
STREET = td.YieldConvention.STREET
SETTLES = date(2026, 3, 25)
HEADER = "kind,cusip,coupon,dated_date,maturity_date,penultimate_coupon_date,issue_date,frequency,call_schedule,"
HEADER += "dated_reference_cpi,price,yield,discount_rate\n"
ROWS = """note,91282CQX2,0.04125,2026-02-15,2036-02-15,,,,,,99-16+,,
note,912828XX0,0.05,2023-08-15,2026-11-30,2026-08-15,,,,,,0.04,
bill,912797XX1,,,2026-09-01,,2026-03-03,,,,,,0.036
corporate,594918BZ6,0.041,2024-02-06,2037-02-06,,,2,2029-02-06 102.05; 2031-02-06 101,,104.5,,
tips,912810XX3,0.0125,2023-02-15,2053-02-15,,,,,298.76,75.25,,
,{note},,,,,,,,,,,
"""


def book(tmp_path: Path, text: str) -> str:
    path = tmp_path / "book.csv"
    path.write_text(text)
    return str(path)


def test_each_row_is_priced_from_what_it_gives(tbill: Any, tmp_path: Path) -> None:
    path = book(tmp_path, HEADER + ROWS.format(note=NOTE))
    value = json.loads(tbill("price", "--file", path, "--json").out)
    assert value["settlement_date"] == "2026-03-25"
    note, odd, bill, corporate, tips, market = value["securities"]
    security = td.read_security(note["security"])
    assert note["clean_price"] == 99.515625
    expected = td.yield_from_clean_price(security, 99.515625, settlement=SETTLES, convention=STREET)
    assert note["yield"] == pytest.approx(expected, abs=1e-12)
    assert odd["yield"] == pytest.approx(0.04, abs=1e-12)
    assert bill["clean_price"] == pytest.approx(100 - 3.6 * 160 / 360, abs=1e-12)
    bond = td.read_security(corporate["security"])
    assert isinstance(bond, td.CorporateBond)
    worst = td.yield_to_worst(bond, 104.5, settlement=SETTLES, convention=STREET)
    assert corporate["yield_to_worst"] == pytest.approx(worst.yield_, abs=1e-12)
    assert corporate["worst_date"] == str(worst.date)
    assert tips["place"] == "book.csv line 6"
    assert market["source"].startswith("bid 2026-03-24")
    alone = json.loads(tbill("price", NOTE, "--price", str(market["clean_price"]), "--json").out)
    assert market["clean_price"] == alone["clean_price"]


def test_shocks_move_the_curve_and_keep_the_spread(tbill: Any, tmp_path: Path) -> None:
    path = book(tmp_path, HEADER + ROWS.format(note=NOTE))
    shocks = ("--shift", "50bp", "--shift", "-50bp", "--steepener", "25bp", "--key-rate", "10y:10bp")
    value = json.loads(tbill("price", "--file", path, *shocks, "--json").out)
    for row in value["securities"]:
        up, down, _steep, _key = (after["change"] for after in row["scenarios"])
        dv01 = row["dv01_per_million"] / 10_000
        assert up < 0 < down
        assert (down - up) / 100 == pytest.approx(dv01, rel=0.05)  # a zero rate is continuous, a yield is not
    note = value["securities"][0]
    assert note["scenarios"][3]["change"] < 0.0
    assert sum(abs(row["scenarios"][3]["change"]) for row in value["securities"][1:3]) < 0.001  # far from ten years
    one = json.loads(tbill("price", NOTE, *shocks, "--json").out)
    assert [after["name"] for after in one["scenarios"]] == [after["name"] for after in note["scenarios"]]
    assert "parallel +50 bp" in tbill("price", NOTE, *shocks).out


def test_a_tips_without_a_sheet_is_shocked_at_its_own_rate(tbill: Any, tmp_path: Path) -> None:
    path = book(tmp_path, HEADER + ROWS.format(note=NOTE))
    value = valid("price", tbill("price", "--file", path, "--shift", "50bp", "--json").out)
    tips = value["securities"][4]
    assert tips["scenario_curve"] == "real rates, flat at its own: no sheet with enough TIPS is known"
    assert value["securities"][0]["scenario_curve"] == "par yields of 2026-03-24"
    security = td.read_security(tips["security"])
    flat = math.log1p(tips["yield"] / 2) * 2 + 0.005  # about: half-years are not all as long
    moved = 2 * math.expm1(flat / 2)
    price = td.clean_price_from_yield(security, moved, settlement=SETTLES, convention=STREET)
    assert tips["scenarios"][0]["clean_price"] == pytest.approx(price, abs=0.02)
    out = tbill("price", "--file", path, "--shift", "50bp").out
    assert "curve of TIPS: real rates, flat at its own" in out
    assert "callable bonds are valued to maturity here" in out
    assert "margin" not in out  # a column that no row fills


@pytest.mark.realdata
def test_prices_of_an_older_sheet_are_shocked_on_the_curve_of_their_settlement(nothing: Any, tmp_path: Path) -> None:
    if not DATA.exists():
        pytest.skip(f"{DATA} is not here")
    assert nothing("market", "import", DATA / "par_yields.csv", DATA / "fedinvest_2026-03-24.csv").code == 0
    path = book(tmp_path, f"cusip\n{NOTE}\n")
    value = valid("price", nothing("price", "--file", path, "--date", "2026-04-24", "--shift", "5bp", "--json").out)
    assert (value["settlement_date"], value["curve_date"]) == ("2026-03-24", "2026-03-24")
    assert value["securities"][0]["scenarios"][0]["change"] < 0


def test_a_tips_needs_no_market(nothing: Any, tmp_path: Path) -> None:
    path = tmp_path / "tips.json"
    terms = {"kind": "tips", "cusip": "9128282L3", "coupon": 0.00375, "dated_reference_cpi": 244.61839}
    path.write_text(json.dumps(terms | {"dated_date": "2017-07-15", "maturity_date": "2027-07-15"}))
    words = ("price", "--terms", path, "--settlement", "2026-03-24", "--price", "99-16+", "--shift", "50bp", "--json")
    value = valid("price", nothing(*words).out)
    assert "index_ratio" not in value
    assert value["scenarios"][0]["change"] == pytest.approx(-50 * value["dv01_per_million"] / 10_000, rel=0.01)


def test_a_given_price_settles_the_next_day_and_a_quote_on_its_own(tbill: Any) -> None:
    market, given = (json.loads(tbill("price", NOTE, *words, "--json").out) for words in ((), ("--yield", "0.04")))
    assert (market["settlement_date"], market["source"]) == ("2026-03-24", "observed 2026-03-24, mid")
    assert (given["settlement_date"], given["source"]) == ("2026-03-25", "given")
    out = tbill("price", NOTE, "--price", "98.7890625").out
    assert "98-252  98.789063" in out  # FedInvest's digits


def test_any_convention(tbill: Any) -> None:
    value = json.loads(tbill("price", BILL, "--convention", "money-market", "--json").out)
    assert value["convention"] == "MONEY_MARKET"
    days = (date.fromisoformat(value["security"]["maturity_date"]) - date.fromisoformat(value["settlement_date"])).days
    assert value["yield"] == pytest.approx((100 / value["clean_price"] - 1) * 360 / days, abs=1e-12)
    assert "yield, TRUE_YIELD" in tbill("price", NOTE, "--convention", "true-yield").out
    refused(tbill("price", NOTE, "--convention", "money-market"), 4, "MONEY_MARKET", NOTE)


@pytest.mark.parametrize(
    ("row", "code", "words"),
    [
        (
            "note,91282CQX2,4.125,2026-02-15,2036-02-15,,,,,,99,,",
            3,
            ["line 2", "91282CQX2", "coupon: 4.125 looks like"],
        ),
        ("note,91282CQX2,0.04,2037-02-15,2036-02-15,,,,,,99,,", 3, ["line 2", "91282CQX2", "dated_date: 2037-02-15"]),
        ("note,91282CQX2,nan,2026-02-15,2036-02-15,,,,,,99,,", 3, ["line 2", "91282CQX2", 'column "coupon"', '"nan"']),
        ("note,91282CQX2,0.04,2015-02-15,2025-02-15,,,,,,99,,", 4, ["line 2", "91282CQX2", "not before the maturity"]),
        ("note,91282CQX2,0.04,2026-02-15,2036-02-15,,,,,,-5,,", 4, ["line 2", "91282CQX2", "clean_price", "positive"]),
        ("note,91282CQX2,0.04,2026-02-15,2036-02-15,,,,,,99,0.04,", 3, ["line 2", "91282CQX2", "price and yield"]),
        ("note,91282CQX2,0.04,2026-02-15,2036-02-15,,,,,,,4.2,", 4, ["line 2", "91282CQX2", "yield", "percent"]),
        ("note,91282CQX2,0.04,2026-02-15,2036-02-15,,,,,,,,0.04", 2, ["line 2", "91282CQX2", "is for bills"]),
        ("note,91282CQX2,0.04,2026-02-15,2036-02-15,,,,,,99-99,,", 3, ["line 2", "91282CQX2", "price", "99-99"]),
        ("note,91282CQX2,0.04,2026-02-15,2036-02-15,,,,,,,,", 3, ["line 2", "91282CQX2", "no price sheet"]),
        (",91282CQX2,0.04,,,,,,,,99,,", 3, ["line 2", "91282CQX2", "coupon is given without kind"]),
        (",912797ZZ9,,,,,,,,,99,,", 3, ["line 2", "912797ZZ9", "is not in the universe"]),
        ("corporate,594918BZ6,0.04,2024-02-06,2037-02-06,,,2,2029-02-06,,99,,", 3, ["line 2", "594918BZ6", "call_sch"]),
        ("corporate,594918BZ6,0.04,2024-02-06,2037-02-06,,,3,,,99,,", 3, ["line 2", "594918BZ6", "frequency"]),
    ],
)
def test_errors_name_line_cusip_and_field(tbill: Any, tmp_path: Path, row: str, code: int, words: list[str]) -> None:
    refused(tbill("price", "--file", book(tmp_path, HEADER + row + "\n")), code, "book.csv", *words)


def test_files_that_cannot_be(tbill: Any, tmp_path: Path) -> None:
    refused(tbill("price", "--file", book(tmp_path, "cusip,colour\n")), 3, "book.csv line 1", "colour")
    refused(tbill("price", "--file", book(tmp_path, "kind,coupon\nnote,0.04\n")), 3, "no column cusip")
    refused(tbill("price", "--file", book(tmp_path, "cusip,price\n")), 3, "has no rows")
    refused(tbill("price", "--file", "book.csv", "--price", "99"), 2, "in its columns")
    refused(tbill("price", NOTE, "--shift", "50"), 4, "shift: '50'", "50bp")
    refused(tbill("price", NOTE, "--key-rate", "9y:25bp"), 4, "key_rate: '9y:25bp'", "10y")


DATA = Path(__file__).resolve().parents[4] / "shared" / "data"


@pytest.mark.realdata
def test_linked_securities_by_cusip(nothing: Any) -> None:
    if not DATA.exists():
        pytest.skip(f"{DATA} is not here")
    names = ("par_yields.csv", "auctions.csv", "reference_cpi.csv", "fedinvest_2026-03-24.csv")
    assert nothing("market", "import", *(DATA / name for name in names)).code == 0
    # a floating rate note on the 13-week auctions of its life
    words = ("price", "91282CQM6", "--date", "2026-06-12", "--price", "100.02")
    value = valid("price", nothing(*words, "--shift", "50bp", "--json").out)
    frn = td.read_security(value["security"])
    assert isinstance(frn, td.Frn)
    settles = date.fromisoformat(value["settlement_date"])
    index = td.FrnIndex.of_auctions(td.read_auctions(DATA / "auctions.csv").iter_rows(named=True))
    margin = td.discount_margin_from_price(frn, 100.02, settlement=settles, index=index)
    assert value["discount_margin"] == pytest.approx(margin, abs=1e-11)
    assert value["yield"] == pytest.approx(value["index_rate"] + margin, abs=1e-11)
    assert abs(value["scenarios"][0]["change"]) < 0.01  # its index follows the curve
    assert "discount margin" in nothing(*words).out
    # a TIPS, real, with the day's index ratio
    value = valid("price", nothing("price", "91282CCA7", "--date", "2026-03-24", "--json").out)
    tips = td.read_security(value["security"])
    assert isinstance(tips, td.Tips)
    cpi = td.ReferenceCpi.of_daily(td.read_reference_cpi(DATA / "reference_cpi.csv").rows())
    day = date(2026, 3, 24)
    assert value["settlement_date"] == str(day)
    assert value["index_ratio"] == td.index_ratio(tips, settlement=day, reference_cpi=cpi)
    real = td.yield_from_clean_price(tips, value["clean_price"], settlement=day, convention=STREET)
    assert value["yield_street"] == pytest.approx(real, abs=1e-11)
    # its shocks move a curve of real rates, fitted to the sheet's TIPS
    shocked = valid("price", nothing("price", "912828Y38", "--date", "2026-03-24", "--shift", "50bp", "--json").out)
    assert shocked["scenario_curve"] == "real rates, a Svensson fit to 52 TIPS of the sheet of 2026-03-24"
    sheet = td.read_fedinvest(DATA / "fedinvest_2026-03-24.csv", price_date=day)
    quoted = [row for row in sheet.iter_rows(named=True) if row["type"] == "TIPS"]
    fitted = [(real_terms_from_sheet(row), middle(row)) for row in quoted if (row["maturity_date"] - day).days > 30]
    curve = td.Curve.svensson(day, *zip(*fitted, strict=True))
    one = td.Book([td.read_security(shocked["security"])])
    spread = one.z_spreads(curve, [shocked["clean_price"]], day)
    after = one.prices_at_spreads(curve, spread + 0.005, day) - one.accrued(day)
    assert shocked["scenarios"][0]["clean_price"] == pytest.approx(after[0], abs=1e-6)
    # one that only the sheet names has no index ratio
    refused(nothing("price", "912810FD5", "--date", "2026-03-24"), 3, "912810FD5 is a TIPS", "reference CPI")
    refused(nothing("price", "91282CKM2", "--date", "2026-03-24"), 3, "91282CKM2 is a FRN", "spread")
    # without the auctions of its index a floating rate note has no price; the error says which are missing
    refused(nothing("price", "91282CPG0", "--date", "2026-03-24"), 3, "13-week bill auction")
