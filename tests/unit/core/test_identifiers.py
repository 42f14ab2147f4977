import pytest

from tbill_defi.core.errors import ConventionError
from tbill_defi.core.identifiers import bytes32, cusip, cusip_check_digit, party_name, text32


@pytest.mark.parametrize("text", ["912797SC2", "91282CPZ8", "912810FA1", "912795E49", "91282CQX2"])
def test_check_digit_of_real_cusips(text):
    assert cusip_check_digit(text[:8]) == text[8]


@pytest.mark.parametrize("text", ["", "91282cpz8", "91282CPZ", "91282CPZ88", "91282 PZ8"])
def test_a_cusip_has_nine_characters(text):
    with pytest.raises(ConventionError, match="nine characters"):
        cusip(text)


@pytest.mark.parametrize("text", ["", "a b", "-desk", "x" * 32, "dësk"])
def test_a_party_has_a_plain_name(text):
    with pytest.raises(ConventionError, match="party"):
        party_name(text)


def test_identifiers_fit_32_bytes_both_ways():
    assert text32(bytes32("91282CPZ8")) == "91282CPZ8"
    assert len(bytes32("USD")) == 32
    with pytest.raises(ConventionError, match="32 ASCII"):
        bytes32("x" * 33)
    with pytest.raises(ConventionError, match="ASCII"):
        bytes32("Zoë")
