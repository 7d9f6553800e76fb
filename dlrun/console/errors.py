"""How an error looks to a person."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlrun.console.numbers import printable
from dlrun.console.streams import error_console
from dlrun.errors import DlrunError, Interrupted, SpecError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from dlrun.spec.render import Report

LINES_WIDTH = 120
"""Columns at most for the mistakes of a spec: longer lines are hard to read."""


def print_error(error: DlrunError, console: Console | None = None) -> None:
    """What is wrong, and how to mend it.

    Args:
        error: any error of dlrun's; of a wrong spec every mistake is shown in its place.
        console: where to; stderr by default.
    """
    from rich.text import Text

    console = console or error_console()
    if isinstance(error, SpecError):
        _print_problems(error, console)
        return
    title = ("interrupted", "bold yellow") if isinstance(error, Interrupted) else ("error", "bold red")
    for head, text in ((title, error.message), ((" mend", "bold green"), error.hint)):
        if text:
            first = f"{head[0]}: "
            words = wrapped(printable(text), console.width, first)
            console.print(Text.assemble(head, words.removeprefix(head[0])), soft_wrap=True)


def wrapped(text: str, width: int, first: str = "", others: str = "") -> str:
    """The text in lines, broken between words only, so that a path in it can be copied whole.

    Args:
        first, others: what the first line and the ones after it begin with.
    """
    import textwrap

    wrapper = textwrap.TextWrapper(
        max(width, 40), subsequent_indent=others, break_long_words=False, break_on_hyphens=False
    )
    lines: list[str] = []
    for line in text.splitlines():
        wrapper.initial_indent = others if lines else first
        lines.append(wrapper.fill(line))
    return "\n".join(lines)


def _print_problems(error: SpecError, console: Console) -> None:
    from rich.text import Text

    from dlrun.spec.render import MOST_SHOWN, report

    width = min(console.width, LINES_WIDTH)
    for problem in error.document.ordered(error.problems)[:MOST_SHOWN]:
        for line in _problem_lines(report(problem, error.document, width), width):
            console.print(line, soft_wrap=True)
        console.print()
    count = len(error.problems)
    if count > MOST_SHOWN:
        console.print(f"and {count - MOST_SHOWN:,} more")
    mistakes = "1 mistake" if count == 1 else f"{count:,} mistakes"
    console.print(Text.assemble((mistakes, "bold red"), f" in {printable(error.document.name)}"), soft_wrap=True)


def _problem_lines(shown: Report, width: int) -> list[Text]:
    """What `dlrun.spec.render.render` lays out, in colour."""
    from rich.text import Text

    path = f"{shown.path}: " if shown.path else ""
    lines = [Text.assemble((shown.place, "cyan"), "  ", (path, "bold"), (shown.message, "bold red"))]
    if excerpt := shown.excerpt:
        lines.append(Text.assemble((f"{excerpt.number:>5} | ", "dim"), excerpt.text))
        lines.append(Text.assemble((f"{'':>5} | ", "dim"), (excerpt.caret, "bold red")))
    for label, text in shown.details:
        head = f"{'':8}{label:<10}"
        line = Text(wrapped(text, width, head, " " * len(head)), style="green" if label == "mend" else "")
        line.stylize("dim", 0, len(head))
        lines.append(line)
    return lines
