"""Train the networks that judge digits: their weights in minigan/metrics/weights come from here.

    python examples/digit_features.py [FOLDER [STEPS]]    11,250 steps, two minutes: 99.3 % of the test digits right

Two networks in a row: the first makes 64 features of an image, the second a logit for each digit of them. Both are
written to FOLDER, digit_features by default, which must not hold them.
"""

import sys
from pathlib import Path

import minigan as mg
from minigan.layers import BatchNorm, Conv2D, Dense, Dropout, Flatten, LeakyReLU

folder = Path(sys.argv[1] if len(sys.argv) > 1 else "digit_features")
steps = int(sys.argv[2]) if len(sys.argv) > 2 else 11_250
N = 64  # images in a batch: 937 are an epoch
digits = mg.data.mnist("train").with_batches(sampling="epochs")
test = mg.data.mnist("test").with_batches(sampling="epochs")  # so that a batch of 10,000 has each of them once
features = mg.Sequential(
    [  # 28 x 28 x 1
        Conv2D(16, 4, 2, 1), BatchNorm(), LeakyReLU(0.1),  # 14 x 14 x 16
        Conv2D(32, 4, 2, 1), BatchNorm(), LeakyReLU(0.1),  # 7 x 7 x 32
        Conv2D(32, 3, 2, 1), BatchNorm(), LeakyReLU(0.1),  # 4 x 4 x 32
        Flatten(), Dropout(0.2), Dense(64), LeakyReLU(0.1),
    ],
    input_shape=(28, 28, 1), name="digits",
)  # fmt: skip
classes = mg.Sequential([Dense(10)], input_shape=64, name="digit_classes")
loss, optimizers = mg.SoftmaxCrossEntropy(), [mg.Adam(net, learning_rate=2e-3) for net in (features, classes)]

for step in range(steps):
    for optimizer in optimizers:
        optimizer.learning_rate = 2e-3 * (1 - step / steps)
    x, labels = digits.batch(N, 0, step, features.backend, features.dtype), digits.batch_labels(N, 0, step)
    value, dlogits = loss(classes.forward(features.forward(x)), labels)
    features.backward(classes.backward(dlogits), inputs=False)
    for optimizer in optimizers:
        optimizer.step()
    if step % 500 == 0 or step == steps - 1:
        print(f"step {step:6,}   loss {float(value):.3f}", flush=True)

logits = classes.predict(features.predict(test.batch(10_000, 0, 0, features.backend, features.dtype)))
right = classes.backend.to_host(logits).argmax(axis=1) == test.batch_labels(10_000, 0, 0)
print(f"{right.mean():.2%} of {len(right):,} test digits read right")
folder.mkdir(parents=True, exist_ok=True)
for net in (features, classes):
    mg.save_model(folder / f"{net.name}.npz", net, overwrite=False)
    print(folder / f"{net.name}.npz")
