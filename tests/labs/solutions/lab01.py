def d_gradients(a, b, real, fake):
    on_real, on_fake = -sigmoid(-(a + b * real)), sigmoid(a + b * fake)
    return on_real.mean() + on_fake.mean(), (on_real * real).mean() + (on_fake * fake).mean()


def g_gradient(theta, a, b, z):
    return -b * sigmoid(-(a + b * (z + theta))).mean()


def g_gradient_saturating(theta, a, b, z):
    return -b * sigmoid(a + b * (z + theta)).mean()


def train(draw_real, rng):
    a = b = theta = 0.0
    tail = []
    for k in range(2000):
        for _ in range(5):
            real, fake = draw_real(100), rng.normal(size=100) + theta
            da, db = d_gradients(a, b, real, fake)
            a, b = a - 0.1 * da, b - 0.1 * db
        theta -= 0.03 * g_gradient(theta, a, b, rng.normal(size=100))
        if k >= 1000:
            tail.append(theta)
    return np.mean(tail)
