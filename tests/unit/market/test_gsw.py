"""The Federal Reserve's curve parameters, and the zero yields it publishes beside them."""

from datetime import date

import numpy as np
import pytest

import tbill_defi as td
from tbill_defi.core.errors import DataError
from tbill_defi.market.gsw import parse_gsw, read_gsw

# https://www.federalreserve.gov/data/nominal-yield-curve.htm, rows of 1961-06-14 and 2026-07-31, percent
FILE = """\
Note: This is not an official Federal Reserve statistical release.

"Zero-coupon yield, continuously compounded",SVENYXX
Date,BETA0,BETA1,BETA2,BETA3,SVENY01,SVENY10,TAU1,TAU2
1961-06-14,3.91760612208239,-1.2779552459795,-1.94939709504669,0,2.9825,NA,0.339217585301823,-999.99
1961-06-15,NA,NA,NA,NA,NA,NA,NA,NA
2026-07-31,0.00333568845488353,4.07984987183707,-453.541782211023,465.498100569302,4.1434,4.8348,13.5322235142735,13.7200141026744
"""


def test_parameters_are_decimal_and_days_without_a_curve_are_left_out(tmp_path):
    path = tmp_path / "feds200628.csv"
    path.write_text(FILE)
    found = read_gsw(path)
    assert found["date"].to_list() == [date(1961, 6, 14), date(2026, 7, 31)]
    assert found.row(0)[1:] == (
        0.0391760612208239,
        -0.012779552459795,
        -0.0194939709504669,
        None,
        0.339217585301823,
        None,
    )
    assert found.row(1)[1] == 0.0000333568845488353


def test_curves_of_the_rows_have_the_published_zero_yields():
    old, new = parse_gsw(FILE, "f").rows()
    early = td.Curve.nelson_siegel(old[0], parameters=[*old[1:4], old[5]])
    late = td.Curve.svensson(new[0], parameters=new[1:])
    assert early.zero_rates(np.array([1.0])) * 100 == pytest.approx(np.array([2.9825]), abs=5.1e-5)
    assert late.zero_rates(np.array([1.0, 10.0])) * 100 == pytest.approx(np.array([4.1434, 4.8348]), abs=5.1e-5)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("TAU1", "TAU9"), r'f: no header line with "Date", "BETA0"'),
        (("-1.2779552459795", "x"), r'f line 5, column "BETA1": "x" is not a number'),
        (("-1.2779552459795", "NA"), r'f line 5, column "BETA1": "NA" is missing beside other parameters'),
        (("0.339217585301823", "0"), r'f line 5, column "TAU1": "0" is out of range'),
        (("13.7200141026744", "NA"), r'f line 7, column "TAU2": "NA" is missing beside a BETA3'),
        (("1961-06-15", "1961-06-14"), r'f line 6, column "Date": "1961-06-14" is a duplicate: line 5'),
        ((",4.1434", ""), r"f line 7: has 8 fields \(expected 9\)"),
    ],
)
def test_a_broken_file_is_refused_whole(change, words):
    with pytest.raises(DataError, match=words):
        parse_gsw(FILE.replace(*change), "f")
