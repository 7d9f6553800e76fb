"""Kills trainings hundreds of times, resumes them, and compares each end with that of one that was left alone.

    python tests/soak_resume.py --kills 300 [--seed 1] [--only lstm]

Not a part of the tests, since it takes some seven seconds a kill. It ends with 1 at the first end that is another, and
leaves both runs where it says.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from itertools import cycle
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent / "end_to_end")]

from running import trained
from test_resume import SPECS, assert_same_end, deaths, killed, resumed, spec_of


def soak(name: str, folder: Path, seed: int, most: int) -> int:
    """Trains one spec, killed as often as it can be but no more than `most` times; how often that was."""
    spec = spec_of(name, folder)
    whole, out, when = trained(spec, folder / "whole"), folder / "killed", deaths(f"{seed} {name}")
    if not killed(next(when), "train", spec, "--out", out):
        return 0
    (run,) = out.iterdir()
    kills = 1
    while kills < most and killed(next(when), "resume", run):
        kills += 1
    if kills == most:
        resumed(run)
    assert_same_end(whole, run)
    return kills


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0, help="of the moments; another one dies at others")
    parser.add_argument("--only", choices=sorted(SPECS), help="one kind of network alone")
    options = parser.parse_args()
    kills, folder = 0, Path(tempfile.mkdtemp(prefix="dlrun-soak-"))
    print(f"in {folder}", flush=True)
    for turn, name in enumerate(cycle([options.only] if options.only else SPECS)):
        if kills >= options.kills:
            break
        place = folder / f"{turn:04d}_{name}"
        place.mkdir()
        kills += soak(name, place, options.seed + turn, options.kills - kills)
        print(f"{kills:5d} kills  {name} ended as if it had not been killed", flush=True)


if __name__ == "__main__":
    main()
