"""How the profile of data and what was found in it look."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from dlrun.console.errors import wrapped
from dlrun.console.numbers import number, printable
from dlrun.console.results import GAP
from dlrun.console.streams import standard_console

if TYPE_CHECKING:
    from dlrun.profile.column import ColumnProfile
    from dlrun.profile.finding import Finding
    from dlrun.profile.table import Profile
    from dlrun.profile.times import TimeProfile

MOST_SHOWN = 40
"""Columns that are shown; of a wider table the first."""

FEW = 6
"""Classes whose shares are shown."""

NARROW, NARROWER = 80, 60
"""In a terminal of fewer columns the type is left out, and the number of different values."""


def print_profile(profile: Profile, roles: Mapping[str, str]) -> None:
    """A line for each column: what it is for, what it holds.

    Args:
        roles: how each column is used, such as number, target or time; the others are not.
    """
    from rich.table import Table
    from rich.text import Text

    console = standard_console()
    narrow, narrower = console.width < NARROW, console.width < NARROWER
    table = Table(box=None, padding=(0, GAP, 0, 0), header_style="dim")
    table.add_column("column", overflow="fold", max_width=28)
    if roles:
        table.add_column("used as", no_wrap=True)
    if not narrow:
        table.add_column("type", no_wrap=True)
    table.add_column("missing", justify="right", no_wrap=True)
    if not narrower:
        table.add_column("different", justify="right", no_wrap=True)
    table.add_column("holds", overflow="fold")
    for column in profile.columns[:MOST_SHOWN]:
        role = roles.get(column.name, "")
        missing = Text(_share(column), "yellow" if column.missing else "dim")
        cells: list[Text] = [Text(printable(column.name), "bold" if role == "target" else "")]
        cells += [Text(role, "" if role else "dim")] if roles else []
        cells += [] if narrow else [Text(column.type, "dim")]
        distinct = "" if column.distinct is None else f"{column.distinct:,}"
        if column.is_estimated:
            distinct = f"~{float(f'{column.distinct:.2g}'):,.0f}"
        cells += [missing, *([] if narrower else [Text(distinct)]), Text(printable(holds(column)))]
        table.add_row(*cells)
    console.print(table)
    if len(profile.columns) > MOST_SHOWN:
        more = len(profile.columns) - MOST_SHOWN
        console.print(Text(f"and {more:,} more columns, which --json has too", "dim"), soft_wrap=True)
    if profile.time is not None:
        console.print()
        console.print(Text.assemble(("times", "dim"), f"  {times(profile.time)}"), soft_wrap=True)


def print_findings(findings: Sequence[Finding]) -> None:
    """What was found, each with what to do about it."""
    from rich.text import Text

    console = standard_console()
    styles = {"error": "bold red", "warning": "bold yellow"}
    for finding in findings:
        for head, style, text in (
            (finding.severity, styles[finding.severity], finding.what),
            ("mend", "bold green", finding.mend),
        ):
            first = f"{head:>7}: "
            lines = wrapped(printable(text), min(console.width, 120), first, " " * len(first))
            console.print(Text.assemble((first[:-2], style), lines.removeprefix(first[:-2])), soft_wrap=True)
    kinds = ", ".join(dict.fromkeys(finding.kind for finding in findings))
    console.print(Text.assemble((f"{'accept':>7}", "dim"), f": data: {{accept: [{kinds}]}}"), soft_wrap=True)


def _share(column: ColumnProfile) -> str:
    if not column.missing:
        return "-"
    share = 100 * column.missing / column.rows
    return f"{column.missing:,} ({share:.0f}%)" if share >= 1 else f"{column.missing:,} (<1%)"


def holds(column: ColumnProfile) -> str:
    """What a column holds, in a few words."""
    sides = " × ".join(map(str, column.shape))
    match column.type:
        case "empty":
            return "nothing"
        case "image" | "array":
            return f"{sides} from {_number(column.least)} to {_number(column.greatest)}, mean {_number(column.mean)}"
        case "time":
            return f"{column.least} to {column.greatest}"
        case "integer" | "text" | "boolean" if column.counts and len(column.counts) <= FEW:
            return ", ".join(f"{value} {100 * count / column.rows:.0f}%" for value, count in column.counts.items())
        case "text" if column.counts:
            first, *_ = column.counts.items()
            return f"{first[0]} {100 * first[1] / column.rows:.0f}%, …"
        case "text":
            words = f", {number(round(column.words, 1))} words on average" if column.words else ""
            length = f"{column.least} to " if column.least != column.greatest else ""
            return f"{length}{column.greatest} characters{words}"
        case _:
            spread = f"mean {_number(column.mean)} ± {_number(column.deviation)}"
            return f"{_number(column.least)} to {_number(column.greatest)}, {spread}"


def _number(value: float | str | None) -> str:
    if not isinstance(value, int | float):
        return str(value)
    whole = isinstance(value, float) and value.is_integer() and abs(value) < 1e9
    return f"{value:,}" if isinstance(value, int) else f"{value:,.0f}" if whole else number(value)


def times(time: TimeProfile) -> str:
    """From when to when, how far apart, and what is odd."""
    holes = "hole" if time.holes == 1 else "holes"
    odd = {holes: time.holes, "repeated": time.repeated, "out of order": time.unordered, "missing": time.missing}
    told = "".join(f", {count:,} {what}" for what, count in odd.items() if count)
    return f"{time.first} to {time.last}, step {span(time.step)}{told}"


def span(seconds: float) -> str:
    """30 s, 10 min, 1 h, 1 d, 30.5 d."""
    for name, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:g} {name}"
    return f"{seconds:g} s"
