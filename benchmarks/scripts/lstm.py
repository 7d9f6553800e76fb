"""Embedding(5000, 128)-LSTM(64)-Dense(1) on texts of 100 tokens. Arguments: .npz file, epochs, rate or first-step."""

import sys

import keras
import numpy as np
from keras import layers
from report import report

path, epochs, what = sys.argv[1:]
with np.load(path) as data:
    x, y = data["x"], data["y"]

model = keras.Sequential([layers.Embedding(5000, 128), layers.LSTM(64), layers.Dense(1, activation="sigmoid")])
model.compile(optimizer="adam", loss="binary_crossentropy", metrics=["accuracy"])
model.fit(x, y, batch_size=64, epochs=int(epochs), callbacks=[report(what, len(x))])
