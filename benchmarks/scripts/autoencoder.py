"""784-64-784 autoencoder on MNIST. Arguments: .npz file, epochs, rate or first-step."""

import sys

import keras
import numpy as np
from keras import layers
from report import report

path, epochs, what = sys.argv[1:]
with np.load(path) as data:
    x = data["x_train"].reshape(-1, 784).astype("float32") / 255

model = keras.Sequential([layers.Dense(64, activation="relu"), layers.Dense(784, activation="sigmoid")])
model.compile(optimizer="adam", loss="mse")
model.fit(x, x, batch_size=64, epochs=int(epochs), callbacks=[report(what, len(x))])
