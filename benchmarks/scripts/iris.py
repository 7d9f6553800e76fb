"""Dense(16)-Dense(3) on iris, with validation. Arguments: CSV file, epochs, epochs."""

import sys

import keras
import numpy as np
from keras import layers
from report import report

path, epochs, what = sys.argv[1:]
table = np.random.default_rng(0).permutation(np.loadtxt(path, delimiter=",", dtype="float32"))
x, y = table[:, :4], table[:, 4]
x = (x - x.mean(axis=0)) / x.std(axis=0)

model = keras.Sequential([layers.Dense(16, activation="relu"), layers.Dense(3, activation="softmax")])
model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
validation = x[90:120], y[90:120]
model.fit(x[:90], y[:90], 64, int(epochs), validation_data=validation, callbacks=[report(what, 90)])
