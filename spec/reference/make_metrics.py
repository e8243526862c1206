"""Writes metrics.lua beside this file: what numpy and scipy say that two sets of features measure.

    python3 spec/reference/make_metrics.py        (numpy, scipy)

Everything is computed in float64, by the definitions of the papers, written anew with dense matrices: scipy's sqrtm for
the Frechet distance, whole matrices of distances and kernels, one estimate for each sample left out.
"""

import os

import numpy
import scipy.linalg
import scipy.spatial.distance
import scipy.stats

HERE = os.path.dirname(os.path.abspath(__file__))
random = numpy.random.default_rng(7)


def features(n, d, scale, shift):
    mix = random.normal(size=(d, d)) / d ** 0.5
    return numpy.round(random.normal(size=(n, d)) @ (numpy.eye(d) + 0.4 * mix) * scale + shift, 3)


def frechet(a, b):
    ca, cb = numpy.cov(a, rowvar=False), numpy.cov(b, rowvar=False)
    root = scipy.linalg.sqrtm(ca @ cb)
    return float(((a.mean(0) - b.mean(0)) ** 2).sum() + numpy.trace(ca + cb) - 2 * numpy.trace(root.real))


def mmd(a, b):
    d = a.shape[1]

    def kernel(x, y):
        return (x @ y.T / d + 1) ** 3

    m, n = len(a), len(b)
    aa, bb = kernel(a, a), kernel(b, b)
    return (aa.sum() - numpy.trace(aa)) / (m * (m - 1)) + (bb.sum() - numpy.trace(bb)) / (n * (n - 1)) \
        - 2 * kernel(a, b).mean()


def jackknife(a, b):
    variance = 0
    for x, without in ((a, lambda i: mmd(numpy.delete(a, i, 0), b)), (b, lambda i: mmd(a, numpy.delete(b, i, 0)))):
        values = numpy.array([without(i) for i in range(len(x))])
        variance += (len(x) - 1) / len(x) * ((values - values.mean()) ** 2).sum()
    return variance ** 0.5


def subset_kid(a, b, subsets=400, size=20):
    """KID as it is published: the mean over random subsets."""
    values = [mmd(a[random.choice(len(a), size, False)], b[random.choice(len(b), size, False)]) for _ in range(subsets)]
    return float(numpy.mean(values))


def radii(x, k):
    return numpy.sort(scipy.spatial.distance.cdist(x, x), axis=1)[:, k]


def prdc(real, fake, k):
    cross = scipy.spatial.distance.cdist(real, fake)
    r, f = radii(real, k), radii(fake, k)
    return {
        "precision": (cross < r[:, None]).any(0).mean(), "recall": (cross < f[None, :]).any(1).mean(),
        "density": (cross < r[:, None]).sum(0).mean() / k, "coverage": (cross.min(1) < r).mean(),
    }


def sliced(a, b, directions):
    squares = []
    for theta in directions:
        theta = theta / numpy.linalg.norm(theta)
        x, y = numpy.sort(a @ theta), numpy.sort(b @ theta)
        # Quantile functions on a grid that has all steps of both.
        steps = numpy.unique(numpy.concatenate([numpy.arange(len(x) + 1) * len(y), numpy.arange(len(y) + 1) * len(x)]))
        middle, width = (steps[1:] + steps[:-1]) / 2, numpy.diff(steps) / (len(x) * len(y))
        squares.append((width * (x[(middle // len(y)).astype(int)] - y[(middle // len(x)).astype(int)]) ** 2).sum())
    return float(numpy.mean(squares) ** 0.5)


def score(p):
    return float(numpy.exp((p * (numpy.log(p) - numpy.log(p.mean(0)))).sum(1).mean()))


def text(x):
    if isinstance(x, numpy.ndarray):
        rows = ["    { %s }," % ", ".join("%.9g" % v for v in row) for row in numpy.atleast_2d(x)]
        broken = []
        for row in rows:
            while len(row) > 118:
                at = row.rfind(", ", 0, 118) + 1
                broken.append(row[:at])
                row = "      " + row[at + 1:]
            broken.append(row)
        return "{\n%s\n  }" % "\n".join(broken)
    return "%.10g" % x


d = 6
real, fake, held_out = features(60, d, 1, 0), features(45, d, 1.2, 0.3), features(30, d, 1, 0)
fake[0] = real[3]  # two copies
fake[1] = real[9]
directions = numpy.round(random.normal(size=(7, d)), 3)
logits = random.normal(size=(24, 5)) * 2
probabilities = numpy.round(numpy.exp(logits) / numpy.exp(logits).sum(1, keepdims=True), 6)
near = scipy.spatial.distance.cdist(fake, real).min(1)
theirs = scipy.spatial.distance.cdist(held_out, real).min(1)
u = scipy.stats.mannwhitneyu(near, theirs, use_continuity=False, alternative="less", method="asymptotic")
whole = prdc(real, fake, 3), prdc(real, fake, 5)
out = {
    "real": real, "fake": fake, "held_out": held_out, "directions": directions, "probabilities": probabilities,
    "frechet": frechet(real, fake), "kid": mmd(real, fake), "kid_error": jackknife(real, fake),
    "kid_of_subsets": subset_kid(real, fake),
    "precision": whole[0]["precision"], "recall": whole[0]["recall"],
    "density": whole[1]["density"], "coverage": whole[1]["coverage"],
    "sliced_wasserstein": sliced(real, fake, directions), "classifier_score": score(probabilities),
    "score_of_three": float(numpy.mean([score(p) for p in numpy.split(probabilities, 3)])),
    "copying_z": float(scipy.stats.norm.ppf(u.pvalue)), "copying_closer": 1 - float(u.statistic) / (len(fake) * 30),
}
with open(os.path.join(HERE, "metrics.lua"), "w") as file:
    file.write("-- Two sets of features and what they measure; made by make_metrics.py with numpy and scipy.\nreturn {\n")
    for name, value in out.items():
        file.write("  %s = %s,\n" % (name, text(value)))
    file.write("}\n")
