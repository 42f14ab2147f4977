"""The tear sheet, opened in a real browser: everything is drawn, nothing is loaded from outside."""

import importlib.util
import shutil
from datetime import date

import pytest

from tbill_defi.backtest.run import run_backtest
from tbill_defi.core.errors import UsageError
from tbill_defi.report import tearsheet
from tbill_defi.strategy.discovery import find
from tests.unit.backtest.support import market

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
CHARTS = ("nav", "drawdown", "pnl", "cumulative", "yield", "duration")
needs_plotly = pytest.mark.skipif(importlib.util.find_spec("plotly") is None, reason="plotly is not installed")


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    return run_backtest(
        find("ladder")(rungs=4, longest_years=4.0),
        first=date(2003, 1, 2),
        last=date(2004, 12, 31),
        capital=1_000_000,
        data=market(),
        out=tmp_path_factory.mktemp("run"),
    )


def test_without_plotly_one_line_says_what_to_install(result, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"pip install 'tbill-defi\[report\]'"):
        tearsheet.write_tearsheet(result)


@needs_plotly
def test_what_a_config_says_is_text(result, tmp_path):
    """A strategy's words cannot become markup."""
    from dataclasses import replace

    strategy = replace(result.settings.strategy, config={"note": "<script>alert(1)</script>"})
    page = tearsheet.render(replace(result, settings=replace(result.settings, strategy=strategy)))
    assert "<script>alert(1)" not in page
    assert "&lt;script&gt;alert(1)" in page


@needs_plotly
@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on the path (Debian: apt-get install chromium)")
@pytest.mark.skipif(importlib.util.find_spec("playwright") is None, reason="playwright is not installed")
def test_opens_in_a_browser(result):
    from playwright.sync_api import sync_playwright

    path = tearsheet.write_tearsheet(result)
    problems, asked = [], []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_context(offline=True, viewport={"width": 1280, "height": 900}).new_page()
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
        page.on("request", lambda request: asked.append(request.url))
        page.goto(path.as_uri())
        for name in CHARTS:
            page.wait_for_selector(f"#chart-{name} .main-svg")
        assert page.title() == "ladder 2003-01-02 to 2004-12-31"
        cards = page.locator(".card b").all_inner_texts()
        assert f"${result.final_nav_units / 1e6:,.0f}" in cards
        assert page.locator("tbody tr").count() == 2
        assert page.locator("#chart-nav .scatterlayer .trace").count() == 1
        assert page.locator("#chart-pnl .barlayer .trace").count() == 4
        assert result.run_hash in page.inner_text("dl")
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        page.set_viewport_size({"width": 420, "height": 900})
        page.wait_for_timeout(300)
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth + 1")
        browser.close()
    assert problems == []
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []
