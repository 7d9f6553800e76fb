"""784-Dense128-Dropout-Dense10 on MNIST. Arguments: .npz file, epochs, rate or first-step."""

import sys

import keras
import numpy as np
from keras import layers
from report import report

path, epochs, what = sys.argv[1:]
with np.load(path) as data:
    x, y = data["x_train"], data["y_train"]
x = x.reshape(-1, 784).astype("float32") / 255

model = keras.Sequential(
    [layers.Dense(128, activation="relu"), layers.Dropout(0.2), layers.Dense(10, activation="softmax")]
)
model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
model.fit(x, y, batch_size=64, epochs=int(epochs), callbacks=[report(what, len(x))])
