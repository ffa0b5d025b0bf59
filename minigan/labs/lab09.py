"""Lab 9: a circle, packs, penalties, and a GAN that loses its modes."""

from .catalogue import start_of
from .draw import Draw
from .gradients import Gradient
from .milestone import Milestone
from .task import Lab, Names, Question, Task, Wrong, array_of, number, require_close

MODES, STEPS, BATCH = 7, 1_000, 128


def _dirac_step(question: Question) -> None:
    """Both gradients by differences, at the old place."""
    d_loss, g_loss, h = question.start["dirac_d_loss"], question.start["dirac_g_loss"], 1e-5
    for again in range(4):
        draw = Draw(f"{question.words} {again}", 1)
        theta, psi, rate = draw.number(-2, 2), draw.number(-2, 2), draw.number(0.1, 1)
        gamma = 0.0 if again == 0 else draw.number(0.2, 3)
        found = question.function(theta, psi, rate, gamma)
        if not isinstance(found, tuple) or len(found) != 2:
            raise Wrong("dirac_step has to return two numbers: the new theta, the new psi")
        of_theta = (g_loss(theta + h, psi) - g_loss(theta - h, psi)) / (2 * h)
        of_psi = (d_loss(psi + h, theta, gamma) - d_loss(psi - h, theta, gamma)) / (2 * h)
        place = f"theta = {theta:.3f}, psi = {psi:.3f}, rate = {rate:.3f}, gamma = {gamma:.3f}"
        require_close(number(found[0], "theta"), theta - rate * of_theta, "the new theta",
                      f"down the gradient of L_G at the old place: {place}", 1e-6, 1e-8)  # fmt: skip
        require_close(number(found[1], "psi"), psi - rate * of_psi, "the new psi",
                      f"down the gradient of L_D at the old place, R1 included: {place}", 1e-6, 1e-8)  # fmt: skip


def _packs(draw: Draw) -> Names:
    m = draw.fixed(2, 3)
    return {"x": draw.normal(draw.n * m, draw.size(1, 3), draw.size(2, 3), draw.fixed(1, 3)), "m": m}


def _critic(draw: Draw) -> Names:
    d, k = draw.size(2, 4), draw.size(2, 4)
    return {"W1": draw.normal(d, k), "b1": draw.normal(k), "w2": draw.normal(k), "x": draw.normal(draw.n, d)}


def _r1(draw: Draw) -> Names:
    return {**_critic(draw), "gamma": draw.number(0.5, 3)}


def _one_sided(draw: Draw) -> Names:
    """Slopes on both sides of 1, most of them above."""
    critic = _critic(draw)
    return {**critic, "w2": 2 * critic["w2"], "weight": draw.number(0.5, 3)}


def _gentle(draw: Draw) -> Names:
    """All slopes below 1: nothing is to be paid."""
    critic = _one_sided(draw)
    return critic | {"w2": 0.02 * critic["w2"]}


def _cured(question: Question, seed: int) -> float:
    """The modes that are left, with a student's penalty."""
    import minigan as mg
    from minigan.gradcheck import check
    from minigan.metrics import mixture_modes

    penalty = question.function()
    if not isinstance(penalty, mg.Penalty) or type(penalty).__module__ != question.student["__name__"]:
        raise Wrong(
            f"cure returned a {type(penalty).__name__}; wanted an object of a class in your file, made of mg.Penalty"
        )
    report = check(penalty)
    if not report:
        raise Wrong(f"its term is not right:\n{report}")
    G, D = mg.models.toy2d(latent=16, seed=seed)
    ring = mg.data.ring(8)
    of_G, of_D = mg.Adam(G, 1e-3, 0.5), mg.Adam(D, 1e-3, 0.5)
    gan = mg.GAN(G, D, g_optimizer=of_G, d_optimizer=of_D, penalty=penalty, seed=seed)
    mg.train(gan, ring, steps=STEPS, batch_size=BATCH, progress=False)
    points = array_of(gan.sample(2_500), (2_500, 2), "the GAN's points")
    return mixture_modes(points, ring.centres, ring.std).hit


OF_D = ("W1", "b1", "w2")

LAB = Lab(
    "09",
    "Why do GANs fail, and what is a cure?",
    start_of("09"),
    (
        Task(
            "dirac_step",
            2,
            _dirac_step,
            (
                "The derivative of softplus is the sigmoid.",
                "dL_G/dtheta = -psi sigmoid(-psi theta). And dL_D/dpsi has a second term.",
                "dL_D/dpsi = theta sigmoid(psi theta) + gamma psi. Compute both before you move either number.",
            ),
        ),
        Task(
            "pack_backward",
            2,
            Gradient("pack_forward", _packs),
            (
                "Nothing is computed, numbers only change places: they have to go back.",
                "Split the channels into (m, c) first, then undo the transpose.",
                "dy as (n, h, w, m, c), transposed to (n, m, h, w, c), then x's shape.",
            ),
        ),
        Task(
            "r1_gradients",
            4,
            Gradient("r1_penalty", _r1, OF_D, loss=True),
            (
                "Hold u = dP/dg = gamma g / n fixed. P's gradient is then that of the sum of u g, seen as a "
                "function of the "
                "weights.",
                "The sum of u g is the sum over rows and units of (u W1) (1 - h^2) w2: t = u W1 is a tangent. W1 "
                "stands in t and "
                "in h.",
                "q = t (1 - h^2); dw2 = the sum of q over the rows; da = t w2 (-2 h (1 - h^2)); db1 its sum over "
                "the rows; dW1 = x^T da "
                "+ u^T ((1 - h^2) w2).",
            ),
        ),
        Task(
            "gradient_penalty_gradients",
            3,
            Gradient("one_sided_penalty", _one_sided, OF_D, loss=True, edges=(_gentle,)),
            (
                "As in task 3, with another u and another activation. What is dP/dg for a slope below 1?",
                "u = 2 weight / n (r - 1) g / r where r > 1, else 0. The slope of the unit is sigmoid(a), and its "
                "derivative "
                "sigmoid(a) (1 - sigmoid(a)).",
                "With p = sigmoid(a) and t = u W1: dw2 sums t p, da = t w2 p (1 - p), dW1 = x^T da + u^T (p w2).",
            ),
        ),
        Task(
            "cure",
            4,
            Milestone(
                _cured,
                MODES,
                "modes of 8 that are left",
                "With twenty seeds R1 of weight 0.1 kept 8, all twenty; with a weight of 0.0001 three kept 7 or more.",
            ),
            (
                "Flat where the data are: which penalty asks for that?",
                "A mean of squared slopes at the real points; begin with a weight of 0.1, and try ten times more "
                "and less.",
                "images returns x_real; term returns gamma / 2 times the mean over the rows of the squared length, "
                "and gamma g / n.",
            ),
            seconds=300,
        ),
    ),
    allow=("numpy", "math", "minigan"),
)
