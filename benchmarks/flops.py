"""How much arithmetic an example is, counted by hand.

A product of (1, n) by (n, m) takes 2 n m operations forwards, and as many again backwards for each of its two
gradients: that of the kernel, and that of the input, which the first layer does not need. So a layer costs 6 n m, and
the first one 4 n m. Biases, activations, dropout, pooling and the optimizer are not counted.
"""

POSITIONS = 26 * 26
"""Of a 3 × 3 window in a picture of 28 × 28."""

FLOPS = {
    "mlp": 4 * 784 * 128 + 6 * 128 * 10,
    "autoencoder": 4 * 784 * 64 + 6 * 64 * 784,
    # after pooling by 2 there are 13 × 13 positions of 32 channels
    "cnn": 4 * POSITIONS * (3 * 3 * 1) * 32 + 6 * (13 * 13 * 32) * 128 + 6 * 128 * 10,
    # 100 tokens; four gates, each from the embedding (128) and the state (64); the embedding wants its gradient
    "lstm": 100 * 6 * (128 + 64) * (4 * 64) + 6 * 64 * 1,
}
"""For one example, forwards and backwards."""
