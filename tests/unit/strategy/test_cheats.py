"""More plugins that cheat or break than the tests of the kit have: each is named in a line and harms nothing."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import tbill_defi as td
from tbill_defi.core.errors import ConventionError, LookAhead, StrategyError, TbillError, UsageError
from tbill_defi.strategy import kit
from tbill_defi.strategy.answers import LONGEST, one_line
from tbill_defi.strategy.isolation import SHOWN, IsolatedStrategy
from tbill_defi.strategy.planning import plan

PLUGIN = """
import tbill_defi as td
from pydantic import Field

{top}


class IdeaConfig(td.StrategyConfig):
    share: float = Field(0.25, ge=0, le=1, description="of the first")


class Idea(td.Strategy[IdeaConfig]):
    \"\"\"What if?\"\"\"

    def decide(self, view, book):
        first, second = view.cusips[6], view.cusips[7]
{body}


{end}
"""
GOOD = "return td.Weights.of({first: self.config.share, second: 0.25})"
INSIDE = """import sys
from tbill_defi.portfolio import target
worker = sys.modules["tbill_defi.strategy.worker"]
"""
"""A plugin that rewrites the process it runs in."""
MUTE = "target.Weights.__post_init__ = lambda self: None\n"
BOOK = td.Holdings("desk", {}, 10_000_000 * 10**6)


@pytest.fixture(scope="module")
def view():
    return td.view("2026-03-24", data=td.sample_data())


@pytest.fixture
def idea(tmp_path):
    def write(body=GOOD, top="", end=""):
        path = tmp_path / "idea.py"
        path.write_text(
            PLUGIN.format(top=top, body="\n".join("        " + line for line in body.splitlines()), end=end)
        )
        return str(path)

    return write


def refusal(reference, view, *, seconds=20.0):
    """What a plan with it is refused for."""
    with IsolatedStrategy(reference, seconds=seconds) as strategy, pytest.raises(TbillError) as caught:
        plan(strategy, view, BOOK)
    said = str(caught.value)
    assert said.startswith("strategy ")
    assert said.isprintable()
    assert len(said) < 2 * LONGEST
    return caught.value


REFUSED = {
    "signals its parent": ({"body": f"import os\nos.kill(os.getppid(), 9)\n{GOOD}"}, LookAhead, "tried os.kill"),
    "a thread that goes on": (
        {"body": f"import threading\nthreading.Thread(target=lambda: None).start()\n{GOOD}"},
        LookAhead,
        "starts a thread",
    ),
    "a bare thread": (
        {"body": f"import _thread\ntry: _thread.start_new_thread(print, ())\nexcept BaseException: pass\n{GOOD}"},
        LookAhead,
        "starts a thread",
    ),
    "a child that goes on": (
        {"body": f"import os\ntry:\n    while os.fork(): pass\nexcept BaseException: pass\n{GOOD}"},
        LookAhead,
        "starts a process (os.fork)",
    ),
    "aborts": ({"body": "import os\nos.abort()"}, StrategyError, "its process ended by itself (status -6)"),
    "closes every file": (
        {"body": "import os\nos.closerange(0, 100)\nwhile True: pass"},
        StrategyError,
        "it closed its pipes; it was stopped",
    ),
    "recursion": (
        {"top": "def deep(n): return deep(n + 1)", "body": "return deep(0)"},
        StrategyError,
        "RecursionError",
    ),
    "prints without end": (
        {"body": f"for _ in range(100): print('x' * 10**6)\n{GOOD}"},
        StrategyError,
        "prints more than 16 MiB",
    ),
    "an interrupt of its own": ({"body": "raise KeyboardInterrupt"}, StrategyError, "failed: KeyboardInterrupt"),
    "an error that steers a terminal": ({"body": r"raise OSError('\x1b[2J\n' * 10**5)"}, StrategyError, "OSError"),
    "an error that cannot be told": (
        {"top": "class Odd(Exception):\n    def __str__(self): return 1 / 0", "body": "raise Odd"},
        StrategyError,
        "ZeroDivisionError",
    ),
    "a ledger's error": ({"body": "raise td.LedgerBusy('another writer')"}, StrategyError, "another writer"),
    "an error without words": ({"body": "raise td.ComplianceRejection([])"}, StrategyError, "ComplianceRejection"),
    "a text for a number": ({"body": "return td.Weights.of({first: '0.5'})"}, ConventionError, "'0.5' is not a number"),
    "a truth value": ({"body": "return td.Weights.of({first: True})"}, ConventionError, "True is not a number"),
    "infinity": ({"body": "return td.Weights.of({first: float('inf')})"}, ConventionError, "their sum inf is"),
    "a lot of a tenth of a cent": (
        {"body": "return td.Weights.of({first: 0.5}, lots=td.Lots(0.001))"},
        ConventionError,
        "Lots: 0.001 is not a whole number",
    ),
    "a lot beyond the ledger": (
        {"body": "return td.Weights.of({first: 0.5}, lots=td.Lots(10**30))"},
        ConventionError,
        "Lots: 1000000000000000000000000000000 is out of range",
    ),
    "a reason of ten megabytes": (
        {"body": "return td.Weights.of({first: 0.5}, reasons={first: 'y' * 10**7})"},
        ConventionError,
        "10,000,000 characters; at most 500",
    ),
    "a band without an end": (
        {"body": "return td.maximize(td.Yield(), subject_to=[td.Duration(1.0, float('nan'))])"},
        ConventionError,
        "Duration: nan is not a number",
    ),
    "a limit that is none": (
        {"body": "return td.maximize(td.Yield(), subject_to=['MaxNames(3)'])"},
        ConventionError,
        "subject_to: a str is given",
    ),
    "rewrites the checks of targets": (
        {"body": "return target.Weights({first: -5.0, second: 3.0}, td.Lots(), {})", "top": INSIDE + MUTE},
        ConventionError,
        "-5.0 is not a share of NAV",
    ),
    "rewrites what it sends": (
        {"top": f"{INSIDE}{MUTE}worker._plain = lambda found, view: target.Weights({{'x': 'all'}}, td.Lots(), {{}})"},
        ConventionError,
        "'all' is not a number",
    ),
    "sends a call": (
        {
            "top": INSIDE + "import os\nclass Do:\n    def __reduce__(self): return os.system, ('touch /tmp/never',)\n"
            "worker._plain = lambda found, view: Do()"
        },
        StrategyError,
        "answered a posix.system",
    ),
    "sends a call by a longer way": (
        {
            "top": INSIDE + "worker._plain = lambda found, view: 1\n"
            "def framed(message):\n"
            "    body = b'\\x80\\x04\\x8c\\x1btbill_defi.portfolio.target\\x8c\\x0cdates.sys.exit\\x93)R.'\n"
            "    return worker.LENGTH.pack(len(body)) + body\n"
            "worker.framed = framed"
        },
        StrategyError,
        "its answer cannot be read",
    ),
    "says that it is long": (
        {"body": "import os\nfor n in range(3, 30):\n    try: os.write(n, b'\\xff' * 99)\n    except OSError: pass"},
        StrategyError,
        "bytes; 134,217,728 are allowed",
    ),
    "says nothing of its config": (
        {"top": f"{INSIDE}worker._Worker.configure = lambda self, message: [1]"},
        StrategyError,
        "says nothing of its config",
    ),
    "never listens": (
        {"top": f"{INSIDE}def receive(pipe):\n    while True: pass\nworker.receive = receive"},
        StrategyError,
        "no answer within 3 s; it was stopped",
    ),
    "a config that is no JSON": (
        {"end": "IdeaConfig.model_config['arbitrary_types_allowed'] = True\n"
                "class Other(IdeaConfig):\n    what: object = Field(object(), description='x')\n"
                "Idea.config_type = Other"},
        StrategyError,
        "config: does not pass through JSON",
    ),
    "a config that never compares": (
        {"end": "def same(one, other):\n    while True: pass\nIdeaConfig.__eq__ = same"},
        StrategyError,
        "no answer within 3 s; it was stopped",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_it_is_named_and_harms_nothing(case, idea, view):
    parts, kind, words = REFUSED[case]
    error = refusal(idea(**parts), view, seconds=3.0 if "within 3 s" in words else 20.0)
    assert type(error) is kind, error
    assert words in str(error)


def test_a_limit_over_other_securities(idea, view):
    """In this process as well as from another."""
    top = "import numpy as np\nfrom tbill_defi.portfolio.target import Limit\n"
    top += "class Mine(td.Constraint):\n    def limits(self, view):\n"
    top += "        return [Limit('mine', np.ones(3), 0.0, 1.0, 'weight')]\n"
    reference = idea("return td.maximize(td.Yield(), subject_to=[Mine()])", top)
    words = f"limit mine: 3 loadings for the view's {len(view.cusips)} securities"
    with IsolatedStrategy(reference) as strategy, pytest.raises(ConventionError, match=words):
        plan(strategy, view, BOOK)
    with pytest.raises(ConventionError, match=words):
        plan(td.find(reference)(), view, BOOK)


def test_it_cannot_pass_for_another(idea, view):
    """A plan's hash covers the source of the strategy that made it, not one that it names."""
    end = 'import tbill_strategies.ladder\nIdea.__module__ = "tbill_strategies.ladder"'
    with pytest.raises(UsageError, match=r"Idea says that it is of tbill_strategies\.ladder, and is not"):
        td.find(f"{idea(end=end)}:Idea")
    with IsolatedStrategy(idea(end='Idea.name = classmethod(lambda kind: "ladder")')) as strategy:
        assert strategy.identity().name == "idea"


def test_what_it_prints_is_passed_on_in_part(idea, view, capsys):
    with IsolatedStrategy(idea(f"print('\\x1b[31m' + 'x' * 10**6)\n{GOOD}")) as strategy:
        strategy.decide(view, BOOK)
    said = capsys.readouterr().err
    assert said.startswith("?[31mxxx")
    assert said.endswith(f"... {10**6 + 6 - SHOWN:,} bytes more\n")
    assert len(said) < SHOWN + 100


def test_one_line_is_short_and_plain():
    assert one_line("a\x1b[2Jb\n\tc: ") == "a [2Jb c"
    assert one_line("x" * 10**6) == "x" * LONGEST + "..."


WATCHED = {
    "a clock under another name": ("import time as tt", f"tt.time()\n{GOOD}", "reads the clock (time.time)"),
    "a clock by a name put together": ("", f'import time\ngetattr(time, "ti" + "me_ns")()\n{GOOD}', "(time.time_ns)"),
    "today by a class of its own": (
        "import datetime\nclass Day(datetime.date): pass",
        f'getattr(Day, "to" + "day")()\n{GOOD}',
        "reads the clock (date.today)",
    ),
    "numpy's today": ("import numpy as np", f'np.datetime64("today")\n{GOOD}', "np.datetime64() reads the clock"),
    "the environment": ("import os", f'os.environ.get("PATH")\n{GOOD}', "reads the environment"),
    "the environment asked": ("import os", f'"HOME" in os.environ\n{GOOD}', "reads the environment"),
    "its callers": ("import sys", f"sys._getframe(1)\n{GOOD}", "looks through its callers (sys._getframe)"),
}


@pytest.mark.parametrize("case", WATCHED)
def test_the_kit_sees_what_no_event_tells_of(case, idea):
    top, body, words = WATCHED[case]
    report = kit.check(idea(body, top))
    assert [check.name for check in report.checks if check.status == "fail"] == ["pure"], report.checks
    assert words in report.failures()[0]


def test_a_library_may_read_clocks_and_callers(idea):
    """What is looked for is what the plugin's own code calls."""
    body = f"import collections\ncollections.namedtuple('Pair', 'a b')\n{GOOD}"
    assert kit.check(idea(body)).passed


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL")
def test_a_loop_ends_when_nobody_is_there_to_stop_it(idea):
    """The desk is killed while the plugin loops: its process ends by itself."""
    script = f"""
from tbill_defi.strategy.isolation import IsolatedStrategy
import tbill_defi as td
strategy = IsolatedStrategy({idea("while True: pass")!r}, seconds=1.0)
strategy.ready()
strategy.meanwhile = lambda day: print(strategy._process.pid, flush=True)
strategy.decide(td.view("2026-03-24", data=td.sample_data()), td.Holdings("desk", {{}}, 10**13))
"""
    desk = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    worker = int(desk.stdout.readline())
    desk.send_signal(signal.SIGKILL)
    desk.communicate()
    deadline = time.monotonic() + 60
    while _runs(worker) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not _runs(worker)


def _runs(pid):
    """Whether a process is there, and is no corpse that nobody has fetched yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
