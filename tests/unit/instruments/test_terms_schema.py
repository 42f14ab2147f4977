"""docs/terms.schema.json is the file format of terms."""

import json
from pathlib import Path

from tbill_defi.instruments import ANY_SECURITY

PAGE = Path(__file__).resolve().parents[3] / "docs" / "terms.schema.json"


def test_the_published_schema_is_the_one_that_reads() -> None:
    made = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Terms of a security"}
    assert json.loads(PAGE.read_text()) == made | ANY_SECURITY.json_schema()
