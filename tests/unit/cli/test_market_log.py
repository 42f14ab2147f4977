"""`tbill market log` and what `tbill market show` says of revised figures."""

from tests.unit.cli.support import refused

PAR = "Date,1 Mo,10 Yr\n2026-03-23,3.73,4.34\n2026-03-24,3.74,4.40\n"


def test_a_revised_yield_is_listed_and_shown_with_its_date(tbill, tmp_path):
    assert tbill("market", "log").out == "nothing that was imported has been revised\n"
    file = tmp_path / "par.csv"
    file.write_text(PAR)
    assert tbill("market", "import", file).code == 0
    listed = tbill("market", "log")
    assert "0.0439" in listed.out
    assert "0.044 " in listed.out
    assert "not noted" in listed.out
    assert "par.csv" in listed.out
    shown = tbill("market", "show", "--date", "2026-03-24")
    assert "Revised values" in shown.out
    file.write_text(PAR.replace("4.34", "4.35"))
    assert tbill("market", "import", file).code == 0
    assert len(tbill("market", "log", "--json").json) == 2
    one = tbill("market", "log", "--last", "1")
    assert "0.0435" in one.out
    assert "the last 1 of 2; --last shows more" in one.out


def test_an_unknown_kind_is_named(tbill):
    refused(tbill("market", "log", "--kind", "bonds"), 2, "kind: 'bonds' is not one of par_yields, auctions")
