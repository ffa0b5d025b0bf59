"""Layers without a GAN: a network that reads digits.

    python examples/digit_classifier.py [STEPS]      600 steps, a few seconds: 95.9 % of the test digits are right

Nothing is written.
"""

import sys

import minigan as mg
from minigan.layers import Conv2D, Dense, Flatten, ReLU

steps = int(sys.argv[1]) if len(sys.argv) > 1 else 600
digits = mg.data.mnist("train")
test = mg.data.mnist("test").with_batches(sampling="epochs")  # so that a batch of 10,000 has each of them once
net = mg.Sequential(
    [  # 28 x 28 x 1
        Conv2D(8, 4, 2, 1), ReLU(),  # 14 x 14 x 8
        Conv2D(16, 4, 2, 1), ReLU(),  # 7 x 7 x 16
        Flatten(), Dense(10),  # 784, then a logit for each digit
    ],
    input_shape=(28, 28, 1), name="classifier",
)  # fmt: skip
loss, optimizer = mg.SoftmaxCrossEntropy(), mg.Adam(net, learning_rate=2e-3)

for step in range(steps):
    x, labels = digits.batch(64, 0, step, net.backend, net.dtype), digits.batch_labels(64, 0, step)
    value, dlogits = loss(net.forward(x), labels)
    net.backward(dlogits, inputs=False)
    optimizer.step()
    if step % 100 == 0 or step == steps - 1:
        print(f"step {step:5,}   loss {float(value):.3f}", flush=True)

logits = net.predict(test.batch(10_000, 0, 0, net.backend, net.dtype))
right = net.backend.to_host(logits).argmax(axis=1) == test.batch_labels(10_000, 0, 0)
print(f"{right.mean():.2%} of {len(right):,} test digits read right")
