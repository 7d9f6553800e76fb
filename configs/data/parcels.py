"""Makes configs/parcels.npz: 1,797 parcels, invented around the handwritten digits of scikit-learn.

    python configs/data/parcels.py

A picture of the zone as the sender wrote it, a note, the weight and the shop that took the parcel in. The price follows
from zone, weight and what the note asks for; whether it comes late from the shop and from the note.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

WISHES = {"express": 4.5, "fragile": 2.0, "insured": 3.0, "return": 1.5}
FILLERS = (
    "please",
    "ring",
    "twice",
    "thank",
    "you",
    "leave",
    "at",
    "the",
    "door",
    "books",
    "gift",
    "for",
    "my",
    "aunt",
)
SHOPS = ("centre", "harbour", "north", "station")


def parcels(seed: int = 0) -> dict[str, np.ndarray]:
    """The columns, by name."""
    from sklearn.datasets import load_digits

    rng = np.random.default_rng(seed)
    digits = load_digits()
    zone, rows = digits.target, len(digits.target)
    wishes = rng.random((rows, len(WISHES))) < 0.25
    notes = []
    for asked in wishes:
        words = [word for word, wanted in zip(WISHES, asked, strict=True) if wanted]
        words += rng.choice(FILLERS, rng.integers(2, 7)).tolist()
        notes.append(" ".join(rng.permutation(words)))
    weight = rng.lognormal(0.5, 0.6, rows)
    shop = rng.integers(0, len(SHOPS), rows)
    price = 3 + 0.8 * zone + 1.2 * weight + wishes @ np.array(list(WISHES.values())) + rng.normal(0, 0.3, rows)
    hurry = -2.5 * wishes[:, 0] + np.array([-1.5, 1.0, -0.5, 1.5])[shop] + 0.4 * (weight - 2)
    late = rng.random(rows) < 1 / (1 + np.exp(-hurry))
    return {
        "zone": digits.images.astype(np.uint8)[..., None] * 15,
        "note": np.array(notes),
        "weight": weight.round(2),
        "shop": np.array(SHOPS)[shop],
        "price": price.round(2),
        "late": np.where(late, "yes", "no"),
    }


if __name__ == "__main__":
    np.savez_compressed(Path(__file__).parents[1] / "parcels.npz", **parcels())
