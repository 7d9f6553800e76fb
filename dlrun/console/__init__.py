"""All that a person sees in a terminal. Light to import: rich is loaded when something is shown.

streams.py      where it goes: the terminal, a pipe, a log file beside it
numbers.py      how numbers, durations and values are written
errors.py       how an error looks
last_words.py   an error that is told though native code holds everything
training.py     the live display of a training
results.py      the end of a run
comparison.py   runs side by side
profile.py      what data holds, and what is odd in it
answers.py      the answers of the short commands
diagnosis.py    the answer of doctor
"""

from dlrun.console.answers import (
    print_checked,
    print_datasets,
    print_next,
    print_predicted,
    print_result,
    print_shown,
    print_warning,
)
from dlrun.console.comparison import print_comparison
from dlrun.console.diagnosis import print_diagnosis
from dlrun.console.errors import print_error
from dlrun.console.results import print_summary
from dlrun.console.streams import capture_native_stderr, error_console, prepare_streams, standard_console
from dlrun.console.training import TrainingDisplay

__all__ = [
    "TrainingDisplay",
    "capture_native_stderr",
    "error_console",
    "prepare_streams",
    "print_checked",
    "print_comparison",
    "print_datasets",
    "print_diagnosis",
    "print_error",
    "print_next",
    "print_predicted",
    "print_result",
    "print_shown",
    "print_summary",
    "print_warning",
    "standard_console",
]
