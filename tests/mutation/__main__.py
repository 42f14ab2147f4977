"""`python -m tests.mutation contracts|python`: changes the code in small ways and counts the changes that tests notice.

    --size N        how many mutants, each file by its share (default 200)
    --seed S        which ones (default 1)
    --only GLOB     of these files alone
    --again         runs those that survived and have no answer once more, after tests were added
    --table         runs nothing; shows what is known

A run that is ended goes on where it was: results lie in .mutation/. A survivor is either noticed by a new test or
answered by name in answers.toml, with the reason why no test can notice it.
"""

from __future__ import annotations

import argparse
from fnmatch import fnmatch

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from tests.mutation import forge, modules, solidity
from tests.mutation.mutants import Log, Mutant, answers, sample, scores


def main() -> int:
    """Exit code: 1 if a mutant survived that is not answered."""
    words = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__.splitlines()[0])
    words.add_argument("what", choices=["contracts", "python"])
    words.add_argument("--size", type=int, default=200)
    words.add_argument("--seed", type=int, default=1)
    words.add_argument("--only", default="*")
    words.add_argument("--again", action="store_true")
    words.add_argument("--table", action="store_true")
    asked = words.parse_args()
    found = solidity.mutants(forge.SUBJECTS) if asked.what == "contracts" else modules.mutants(modules.SUBJECTS)
    taken = [one for one in sample(found, asked.size, asked.seed) if fnmatch(one.file, asked.only)]
    log, console = Log(asked.what), Console()
    waiting = [one for one in taken if one.name not in log.results or (asked.again and _is_open(log, one))]
    if waiting and not asked.table:
        runner = forge.Forge(waiting) if asked.what == "contracts" else modules.Modules(waiting)
        console.print(f"{len(found):,} mutants, {len(taken)} taken, {len(waiting)} to run; building")
        runner.build()
        runner.check()
        _run(runner, log, console)
    console.print(_table(taken, log))
    open_ones = [one for one in taken if _is_open(log, one)]
    for one in open_ones:
        console.print(f"survived: {one.name}", markup=False, highlight=False, soft_wrap=True)
    return int(bool(open_ones))


def _is_open(log: Log, mutant: Mutant) -> bool:
    """Whether it survived, and nobody said why."""
    return log.results.get(mutant.name, {}).get("outcome") == "survived" and mutant.name not in answers()


def _run(runner: forge.Forge | modules.Modules, log: Log, console: Console) -> None:
    bars = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("{task.description}"))
    with Progress(*bars, console=console) as progress:
        task = progress.add_task("", total=len(runner.mutants()))
        for mutant in runner.mutants():
            progress.update(task, description=mutant.name[:90])
            outcome, by = runner.run(mutant)
            log.add(mutant, outcome, by)
            progress.advance(task)


def _table(taken: list[Mutant], log: Log) -> Table:
    table = Table("file", "killed", "survived", "equivalent", "rate")
    for file, score in scores(taken, log).items():
        counts = (score.killed, score.survived, score.equivalent)
        table.add_row(file, *(str(one) for one in counts), f"{score.rate:.1%}")
    return table


if __name__ == "__main__":
    raise SystemExit(main())
