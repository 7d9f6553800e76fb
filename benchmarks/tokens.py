"""Writes the train texts of specs/lstm.yaml as dlrun encodes them, and their targets. Argument: the .npz file."""

import sys
from pathlib import Path

import numpy as np

from dlrun.reading import load_data, read_experiment

spec = Path(__file__).parent / "specs" / "lstm.yaml"
dataset = load_data(*read_experiment(spec), spec)[1]
np.savez(sys.argv[1], x=dataset.train.inputs["text"], y=dataset.train.target)
