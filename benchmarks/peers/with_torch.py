"""The models of scripts/ in PyTorch. Arguments: model, .npz file, epochs, eager or compiled.

As an expert would have it on a CPU: the data in two tensors, rows picked by index, the fused Adam, sums kept as
tensors; compiled, with one graph for each size of batch. The metrics are those of the scripts.
"""

import sys
import time

import numpy as np
import torch
from torch import nn
from torch.nn import functional

BATCH = 64
name, path, epochs, how = sys.argv[1:]


class Lstm(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(5000, 128)
        self.lstm = nn.LSTM(128, 64, batch_first=True)
        self.output = nn.Linear(64, 1)

    def forward(self, tokens):
        states, _ = self.lstm(self.embedding(tokens))  # (batch, time, units)
        return self.output(states[:, -1])[:, 0]


def hits(predicted, truth):
    return (predicted == truth).sum()


def on_digits(*layers):
    """Logits of ten classes."""
    with np.load(path) as data:
        x, y = torch.from_numpy(data["x_train"]).float() / 255, torch.from_numpy(data["y_train"]).long()
    return x[:, None], y, nn.Sequential(*layers), functional.cross_entropy, lambda z, y: hits(z.argmax(1), y)


def mlp():
    return on_digits(nn.Flatten(), nn.Linear(784, 128), nn.ReLU(), nn.Dropout(0.2), nn.Linear(128, 10))


def cnn():
    convolution = [nn.Conv2d(1, 32, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()]
    return on_digits(*convolution, nn.Linear(13 * 13 * 32, 128), nn.ReLU(), nn.Linear(128, 10))


def autoencoder():
    x = on_digits()[0].flatten(1)
    model = nn.Sequential(nn.Linear(784, 64), nn.ReLU(), nn.Linear(64, 784), nn.Sigmoid())
    return x, x, model, functional.mse_loss, lambda z, y: 0


def lstm():
    with np.load(path) as data:
        x, y = torch.from_numpy(data["x"]).long(), torch.from_numpy(data["y"]).float().flatten()
    return x, y, Lstm(), functional.binary_cross_entropy_with_logits, lambda z, y: hits(z > 0, y > 0)


x, y, model, loss_of, hits_of = {"mlp": mlp, "cnn": cnn, "autoencoder": autoencoder, "lstm": lstm}[name]()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)


def forward(x, y):
    outputs = model(x)
    return loss_of(outputs, y), hits_of(outputs.detach(), y)


if how == "compiled":
    forward = torch.compile(forward, dynamic=False)

for _ in range(int(epochs)):
    started = time.perf_counter()
    total, hit = torch.zeros(()), torch.zeros((), dtype=torch.int64)
    for rows in torch.randperm(len(x)).split(BATCH):
        batch = x[rows]
        loss, right = forward(batch, batch if y is x else y[rows])
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        total += loss.detach() * len(rows)
        hit += right
    print(f"loss {total.item() / len(x):.4f} accuracy {hit.item() / len(x):.4f}")
    print(f"examples_per_second {len(x) / (time.perf_counter() - started)}", flush=True)
