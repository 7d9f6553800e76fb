"""Texts as times, and the parts of a time: year, month, weekday and the like."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

from dlrun.data.features.values import as_text

if TYPE_CHECKING:
    import numpy as np

Part = Literal["year", "month", "day", "day_of_year", "weekday", "hour", "minute"]

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")

LABELS: dict[Part, tuple[str, ...]] = {
    "month": MONTHS,
    "day": tuple(str(day) for day in range(1, 32)),
    "day_of_year": tuple(str(day) for day in range(1, 367)),
    "weekday": WEEKDAYS,
    "hour": tuple(str(hour) for hour in range(24)),
    "minute": tuple(str(minute) for minute in range(60)),
}
"""What the values of each part are called that comes again and again; the first is 0."""

DAY = 86_400_000_000
"""Microseconds."""

NOT_A_TIME = -(2**63)
"""How NumPy writes a missing time as microseconds."""


def as_times(values: np.ndarray, form: str | None) -> tuple[np.ndarray, np.ndarray]:
    """The values as datetime64[us] (rows,), NaT where missing, and the positions of those that are no times.

    Times with a zone are told in UTC.

    Args:
        values: times, or an object array of texts; where a form is given, numbers too.
        form: how texts are written, as Python's `strptime` has it; None: as ISO 8601.
    """
    import numpy as np

    if values.dtype.kind == "M":
        return values.astype("datetime64[us]"), np.zeros(0, np.int64)
    texts = as_text(values)
    read = {text: None if text is None else _time(text, form) for text in set(texts)}
    times = np.array([read[text] for text in texts], "datetime64[us]")
    bad = [at for at, text in enumerate(texts) if text is not None and read[text] is None]
    return times, np.array(bad, np.int64)


def _time(text: str, form: str | None) -> dt.datetime | None:
    try:
        time = dt.datetime.fromisoformat(text.strip()) if form is None else dt.datetime.strptime(text.strip(), form)
    except ValueError:
        return None
    return time.astimezone(dt.UTC).replace(tzinfo=None) if time.tzinfo else time


def parts_of(microseconds: Any, divided: Callable[[Any, int], Any]) -> dict[Part, Any]:
    """The parts of times, whole numbers: the year itself, the others counted from 0, weekdays from Monday.

    Only `+ - *` and a division are used, so that it is the same for NumPy's arrays and for Keras's tensors.
    Days of the proleptic Gregorian calendar after Hinnant, https://howardhinnant.github.io/date_algorithms.html

    Args:
        microseconds: since 1970-01-01 00:00 UTC, int64 (rows, …).
        divided: floor division of such numbers by a whole number.
    """
    days = divided(microseconds, DAY)
    minutes = divided(microseconds - days * DAY, 60_000_000)
    shifted = days + 719_468  # from 0000-03-01 on: a leap day is then the last of its year
    era = divided(shifted, 146_097)
    day_of_era = shifted - era * 146_097
    leaps = divided(day_of_era, 1_460) - divided(day_of_era, 36_524) + divided(day_of_era, 146_096)
    year_of_era = divided(day_of_era - leaps, 365)
    day_of_shifted = day_of_era - (365 * year_of_era + divided(year_of_era, 4) - divided(year_of_era, 100))
    month_from_march = divided(5 * day_of_shifted + 2, 153)
    day = day_of_shifted - divided(153 * month_from_march + 2, 5)
    next_year = divided(month_from_march, 10)  # 1 in January and February
    month = month_from_march + 2 - 12 * next_year
    year = year_of_era + era * 400 + next_year
    before = year - 1
    new_year = 365 * before + divided(before, 4) - divided(before, 100) + divided(before, 400) - 719_162
    return {
        "year": year,
        "month": month,
        "day": day,
        "day_of_year": days - new_year,
        "weekday": days + 3 - 7 * divided(days + 3, 7),
        "hour": divided(minutes, 60),
        "minute": minutes - 60 * divided(minutes, 60),
    }
