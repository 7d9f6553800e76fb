"""How an error looks to a person."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlrun.console.streams import error_console
from dlrun.errors import DlrunError, Interrupted

if TYPE_CHECKING:
    from rich.console import Console


def print_error(error: DlrunError, console: Console | None = None) -> None:
    """What is wrong, and how to mend it.

    Args:
        error: any error of dlrun's; of a wrong spec every mistake is shown in its place.
        console: where to; stderr by default.
    """
    from rich.text import Text

    console = console or error_console()
    title = ("interrupted", "bold yellow") if isinstance(error, Interrupted) else ("error", "bold red")
    console.print(Text.assemble(title, f": {error.message}"))
    if error.hint:
        console.print(Text.assemble((" mend", "bold green"), f": {error.hint}"))
