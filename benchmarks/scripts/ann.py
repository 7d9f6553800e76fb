"""Dense(8)-Dense(1, sigmoid) on ten numbers. Arguments: CSV file, epochs, rate or first-step."""

import sys

import keras
import numpy as np
from keras import layers
from report import report

path, epochs, what = sys.argv[1:]
table = np.loadtxt(path, delimiter=",", skiprows=1, dtype="float32")
x, y = table[:, :10], table[:, 10]
x = (x - x.mean(axis=0)) / x.std(axis=0)

model = keras.Sequential([layers.Dense(8, activation="relu"), layers.Dense(1, activation="sigmoid")])
model.compile(optimizer="adam", loss="binary_crossentropy", metrics=["accuracy"])
model.fit(x, y, batch_size=64, epochs=int(epochs), callbacks=[report(what, len(x))])
