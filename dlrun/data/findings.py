"""What a deep check can find in data that can be trained on all the same; each can be accepted by its name."""

from __future__ import annotations

from typing import Literal

FindingKind = Literal[
    "constant",
    "id",
    "leak",
    "missing",
    "infinite",
    "mixed",
    "number_text",
    "time_text",
    "empty_text",
    "duplicates",
    "duplicates_across",
    "near_duplicates",
    "conflicting_labels",
    "rare_class",
    "absent_class",
    "imbalance",
    "few_validation",
    "holes",
    "drift",
]
"""What is found."""
