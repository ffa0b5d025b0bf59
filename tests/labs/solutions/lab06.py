def predictions():
    return {
        "D's accuracy after 100 steps": "above 0.9",
        "D's loss at the end": "between 0 and 2 log 2",
        "G's loss from step 600 to the end": "stays",
        "the digits after 600 steps": "strokes",
    }


def prepare(images):
    return (images / 127.5 - 1).astype(np.float32)


def feature_matching_gradient(fake, real, W, b):
    h = np.tanh(fake @ W + b)
    apart = np.tanh(real @ W + b).mean(axis=0) - h.mean(axis=0)
    return (-2 / len(fake) * apart * (1 - h**2)) @ W.T


def dropout_backward(dy, x, v, epsilon):
    return dy * (1 + np.exp(v) * epsilon), (dy * x * epsilon * np.exp(v)).sum(axis=0)


def nearest_training_images(fake, training):
    a, b = (images.reshape(len(images), -1).astype(float) for images in (fake, training))
    squares = ((a[:, None] - b) ** 2).sum(axis=2)
    return squares.argmin(axis=1), np.sqrt(squares.min(axis=1))


def train_digits(digits, seed):
    G, D = mg.models.mnist_mlp(seed=seed)
    gan = mg.GAN(G, D, seed=seed)
    mg.train(gan, digits, steps=1500, batch_size=64, progress=False)
    return gan
