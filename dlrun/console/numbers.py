"""How numbers are written for people: four significant digits, thousands apart, units named."""

from __future__ import annotations

import math
from typing import Any

LONGEST_TEXT = 32
"""Characters of a text in a table."""

LONGEST_LIST = 6
"""Values; of a longer list the first ones are shown."""


def number(value: float) -> str:
    """A measured number with four significant digits: 0.9870, 12.35, 41,203, 3.100e-05."""
    if isinstance(value, int) or not math.isfinite(value) or value == 0:
        return f"{value:,.0f}"
    scientific = f"{value:.3e}"
    exponent = int(scientific.partition("e")[2])
    return f"{value:,.{max(3 - exponent, 0)}f}" if -5 < exponent < 9 else scientific


def spread(mean: float, deviation: float | None) -> str:
    """A mean with its standard deviation to two significant digits, 0.977 ± 0.028; the number alone without one."""
    if deviation is None or not math.isfinite(deviation):
        return number(mean)
    if deviation == 0:
        return f"{number(mean)} ± 0"
    digits = max(1 - int(f"{deviation:.1e}".partition("e")[2]), 0)
    return f"{mean:,.{digits}f} ± {deviation:,.{digits}f}" if digits <= 6 else f"{mean:.3e} ± {deviation:.1e}"


def setting(value: Any) -> str:
    """A value of the spec, exactly and shortly: 0.001, 1e-05, true, [32, 64, … 10 values]."""
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case float():
            return f"{value:g}" if float(f"{value:g}") == value else repr(value)
        case list() if len(value) > LONGEST_LIST:
            shown = ", ".join(setting(item) for item in value[: LONGEST_LIST - 2])
            return f"[{shown}, … {len(value)} values]"
        case list():
            return f"[{', '.join(setting(item) for item in value)}]"
        case _:
            text = printable(str(value))
            return text if len(text) <= LONGEST_TEXT else text[: LONGEST_TEXT - 1] + "…"


def printable(text: str) -> str:
    """A text without anything that a terminal would not show or would obey; lines stay lines."""
    if text.isprintable():
        return text
    from dlrun.spec.render import printable as escaped

    return "\n".join(escaped(line) for line in text.splitlines())


def duration(seconds: float) -> str:
    """0.04 s, 4.1 s, 2 min 05 s, 1 h 02 min, 3 d 04 h."""
    if seconds < 0.1:
        return f"{seconds:.2f} s"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    minutes, hours, days = whole // 60, whole // 3600, whole // 86400
    if whole < 3600:
        return f"{minutes} min {whole % 60:02} s"
    if whole < 86400:
        return f"{hours} h {minutes % 60:02} min"
    return f"{days} d {hours % 24:02} h"


def rate(examples_per_second: float) -> str:
    """41,203 examples/s."""
    return f"{number(examples_per_second)} examples/s"
