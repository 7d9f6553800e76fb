"""Classes that are rare, absent from a part, or outnumbered."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from dlrun.profile.finding import Finding, counted, listed

OUTNUMBERED = 10
"""A class is outnumbered where the most frequent one has so many times more train rows."""


def look_at_classes(classes: Mapping[str, Mapping[str, int]], *, random: bool, weighted: bool) -> Iterator[Finding]:
    """What is odd in how the classes are dealt out.

    Args:
        classes: how many rows of each part have each class.
        random: whether rows are drawn at random, so that they could be drawn by class.
        weighted: whether training does something about classes that are outnumbered.
    """
    train = classes["train"]
    stratify = "split: {stratify: true} deals each class out to all parts" if random else "another split, or more data"
    absent = {part: [name for name, count in counts.items() if not count] for part, counts in classes.items()}
    absent = {part: names for part, names in absent.items() if names}
    if absent:
        told = ", and ".join(f"{part} has no row of {_classes(names)}" for part, names in absent.items())
        what = f"{told}: there is nothing to tell how well they are known"
        yield Finding("absent_class", what, stratify, len({name for names in absent.values() for name in names}))
    rare = [name for name, count in train.items() if count == 1]
    if rare:
        what = f"there is a single train row of {_classes(rare)}: nothing general can be learned of it"
        yield Finding("rare_class", what, "join rare classes with others, or leave them out", len(rare))
    most, least = max(train, key=train.__getitem__), min(train, key=train.__getitem__)
    if train[most] > OUTNUMBERED * train[least] and not weighted:
        what = (
            f"{most} has {counted(train[most], 'train row')} and {least} has {train[least]:,}: a network that always "
            f"says {most} would be right in {100 * train[most] / sum(train.values()):.3g}% of them"
        )
        yield Finding("imbalance", what, "loss: {class_weights: balanced}", train[least])


def _classes(names: list[str]) -> str:
    return f"the {'class' if len(names) == 1 else 'classes'} {listed(names)}"
