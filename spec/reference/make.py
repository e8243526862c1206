"""Writes the reference numbers of this folder: what PyTorch says that layers, losses, optimisers and functions give.

    /usr/bin/python3 spec/reference/make.py        (Debian: python3-torch, python3-numpy)

Everything is computed in float64 from inputs that are rounded to three decimals, and written with nine digits. Tensors
are made in ganlua's layout (images N x H x W x C, convolution weights kh x kw x in x out, transposed ones kh x kw x out
x in, linear weights in x out) and permuted into PyTorch's inside each function, so that gradients come back in ganlua's
layout. Only who wants other numbers needs this script; the specs read the committed .lua files.
"""

import math
import os

import numpy
import torch
import torch.nn.functional as F

HERE = os.path.dirname(os.path.abspath(__file__))
random = numpy.random.default_rng(2024)


# ---- Tensors and Lua text ----

def rand(*shape, low=None, high=None, away=0.0):
    """Normal numbers of three decimals (uniform in low..high if given), none nearer to 0 than `away`."""
    x = random.normal(size=shape) if low is None else random.uniform(low, high, size=shape)
    x = numpy.where(numpy.abs(x) < away, numpy.where(x < 0, x - away, x + away), x)
    return torch.tensor(numpy.round(x, 3), dtype=torch.float64)


def tensor(values):
    return torch.tensor(values, dtype=torch.float64)


def number(x):
    x = float(x)
    if math.isinf(x):
        return "1/0" if x > 0 else "-1/0"
    assert not math.isnan(x)
    text = "%.9g" % (x + 0.0)
    return "0" if text == "-0" else text


class Lua(str):
    """Text that goes into the file as it stands."""


def lua(value, indent=0, before=0):
    """A value as a Lua expression; `before` columns of its line are taken. Tensors: { shape = {...}, numbers... }."""
    if isinstance(value, Lua):
        return str(value)
    if isinstance(value, str):
        return '"%s"' % value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return number(value)
    if isinstance(value, torch.Tensor):
        return tensor_text(value.detach(), indent, before)
    pad = " " * (indent + 2)
    if isinstance(value, dict):
        lines = []
        for key, item in value.items():
            key = key if key.isidentifier() and key not in ("end", "or", "and", "not") else '["%s"]' % key
            lines.append("%s%s = %s,\n" % (pad, key, lua(item, indent + 2, len(key) + 3)))
    else:
        lines = ["%s%s,\n" % (pad, lua(item, indent + 2)) for item in value]
    return "{\n" + "".join(lines) + " " * indent + "}"


def tensor_text(value, indent, before):
    lines, line = [], "{ shape = {%s}" % ", ".join(map(str, value.shape))
    for x in value.reshape(-1).tolist():
        text = number(x)
        if before + indent + len(line) + len(text) + 5 > 120:
            lines.append(line + ",")
            line, before = "  " + text, 0
        else:
            line += ", " + text
    lines.append(line + " }")
    return ("\n" + " " * indent).join(lines)


def write(name, what, cases):
    path = os.path.join(HERE, name + ".lua")
    with open(path, "w") as out:
        out.write("-- %s\n-- Made by make.py beside this file with PyTorch %s in float64; not to be edited.\n"
                  % (what, torch.__version__))
        out.write("return " + lua(cases) + "\n")


def backward(y, upstream, leaves):
    """Gradients of sum(y * upstream); zeros where y does not depend on a leaf."""
    grads = torch.autograd.grad(y, leaves, upstream, allow_unused=True)
    return [torch.zeros_like(leaf) if g is None else g for g, leaf in zip(grads, leaves)]


def sp(u):
    """log(1 + e^u), right at any u, in its gradient too."""
    return -F.logsigmoid(-u)


# ---- Layers ----

def nchw(x):
    return x.permute(0, 3, 1, 2)


def nhwc(x):
    return x.permute(0, 2, 3, 1)


def kernel(w):
    """kh x kw x in x out -> out x in x kh x kw; for transposed ones kh x kw x out x in -> in x out x kh x kw."""
    return w.permute(3, 2, 0, 1)


layers = []


def layer(name, make, x, call, parameters=None, buffers=None, mode="train", differentiable=True, beside=None):
    """One case: `call(x, p, b)` computes with dicts of parameters and buffers, and leaves in b what buffers become.
    With `beside` (labels, a style) the layer is called with that too, and the call is call(x, p, b, beside)."""
    parameters, buffers = parameters or {}, buffers or {}
    before = {key: b.clone() for key, b in buffers.items()}
    leaves = [t.clone().requires_grad_() for t in parameters.values()]
    inputs = x.clone().requires_grad_(differentiable)
    y = call(inputs, dict(zip(parameters, leaves)), buffers, *([] if beside is None else [beside]))
    upstream = rand(*y.shape)
    targets = leaves + ([inputs] if differentiable else [])
    grads = backward(y, upstream, targets)
    case = {"name": name, "make": Lua("function(nn)\n      return %s\n    end" % make), "mode": mode, "input": x,
            "output": y, "grad_output": upstream}
    if beside is not None:
        case["beside"] = beside
    if differentiable:
        case["grad_input"] = grads[-1]
    if parameters:
        case["parameters"] = parameters
        case["grad"] = dict(zip(parameters, grads))
    if buffers:
        case["buffers"] = before
        case["buffers_after"] = dict(buffers)
    layers.append(case)


def make_layers():
    layer("linear", "nn.linear{out = 3}", rand(4, 5), lambda x, p, b: x @ p["weight"] + p["bias"],
          {"weight": rand(5, 3), "bias": rand(3)})
    layer("linear without bias", "nn.linear{out = 3, bias = false}", rand(4, 5), lambda x, p, b: x @ p["weight"],
          {"weight": rand(5, 3)})

    for text, size, k, stride, pad in (
            ("", (2, 5, 6, 3), 3, 1, 0), (", padded", (2, 4, 5, 2), 3, 1, 1), (", stride 2", (2, 8, 6, 2), 4, 2, 1),
            (", stride 2 that leaves a rest", (1, 8, 7, 2), 3, 2, 0), (", stride 3, pad 2", (1, 7, 7, 2), 5, 3, 2),
            (", kernel 1", (2, 3, 3, 4), 1, 1, 0)):
        layer("conv2d" + text, "nn.conv2d{out = 3, kernel = %d, stride = %d, pad = %d}" % (k, stride, pad),
              rand(*size),
              lambda x, p, b: nhwc(F.conv2d(nchw(x), kernel(p["weight"]), p["bias"], stride, pad)),
              {"weight": rand(k, k, size[3], 3), "bias": rand(3)})
    layer("conv2d without bias", "nn.conv2d{out = 2, kernel = 3, bias = false}", rand(1, 4, 4, 2),
          lambda x, p, b: nhwc(F.conv2d(nchw(x), kernel(p["weight"]))), {"weight": rand(3, 3, 2, 2)})

    for text, size, k, stride, pad, more in (
            ("", (2, 3, 4, 3), 3, 1, 0, 0), (", stride 2", (2, 3, 2, 3), 4, 2, 1, 0),
            (", stride 2, output_pad 1", (1, 3, 4, 2), 3, 2, 1, 1),
            (", stride 3, output_pad 2", (1, 2, 3, 2), 5, 3, 1, 2),
            (" of one pixel", (2, 1, 1, 4), 4, 1, 0, 0)):
        layer("conv_transpose2d" + text,
              "nn.conv_transpose2d{out = 3, kernel = %d, stride = %d, pad = %d, output_pad = %d}"
              % (k, stride, pad, more), rand(*size),
              lambda x, p, b: nhwc(F.conv_transpose2d(nchw(x), kernel(p["weight"]), p["bias"], stride, pad, more)),
              {"weight": rand(k, k, 3, size[3]), "bias": rand(3)})

    def batch_norm(training, momentum, eps):
        def call(x, p, b):
            channels_second = nchw(x) if x.dim() == 4 else x
            y = F.batch_norm(channels_second, b["running_mean"], b["running_var"], p.get("weight"), p.get("bias"),
                             training, momentum, eps)
            return nhwc(y) if x.dim() == 4 else y
        return call

    def moments(c):
        return {"running_mean": rand(c), "running_var": rand(c, low=0.5, high=2)}

    affine = {"weight": rand(3), "bias": rand(3)}
    layer("batch_norm of pictures, training", "nn.batch_norm{}", rand(2, 3, 2, 3), batch_norm(True, 0.1, 1e-5),
          affine, moments(3))
    layer("batch_norm of pictures, evaluating", "nn.batch_norm{}", rand(2, 3, 2, 3), batch_norm(False, 0.1, 1e-5),
          affine, moments(3), "eval")
    layer("batch_norm of vectors, training", "nn.batch_norm{momentum = 0.3, eps = 1e-3}", rand(5, 3),
          batch_norm(True, 0.3, 1e-3), affine, moments(3))
    layer("batch_norm without affine, training", "nn.batch_norm{affine = false}", rand(4, 2, 2, 3),
          batch_norm(True, 0.1, 1e-5), {}, moments(3))

    def unit(n):
        return F.normalize(rand(n, 1), dim=0)

    def spectral(b, w):
        """w, a matrix (rest x out), divided by its largest singular value: one power iteration, u and v constants."""
        layer = torch.nn.utils.spectral_norm(torch.nn.Linear(*w.shape, bias=False).double())
        del layer.weight_orig
        layer.weight_orig = w.t()
        layer.weight_u, layer.weight_v = b["weight_u"][:, 0], b["weight_v"][:, 0]
        layer(torch.zeros(1, w.shape[0], dtype=torch.float64))
        b["weight_u"], b["weight_v"] = layer.weight_u[:, None], layer.weight_v[:, None]
        return layer.weight.t()

    def swapped(w):
        return w.transpose(2, 3)

    layer("spectral_norm of linear", "nn.spectral_norm(nn.linear{out = 4})", rand(3, 5),
          lambda x, p, b: x @ spectral(b, p["weight"]) + p["bias"], {"weight": rand(5, 4), "bias": rand(4)},
          {"weight_u": unit(4), "weight_v": unit(5)})
    layer("spectral_norm of conv2d", "nn.spectral_norm(nn.conv2d{out = 3, kernel = 3, stride = 2, pad = 1})",
          rand(2, 4, 4, 2),
          lambda x, p, b: nhwc(F.conv2d(nchw(x), kernel(spectral(b, p["weight"].reshape(18, 3)).reshape(3, 3, 2, 3)),
                                        p["bias"], 2, 1)),
          {"weight": rand(3, 3, 2, 3), "bias": rand(3)}, {"weight_u": unit(3), "weight_v": unit(18)})
    layer("spectral_norm of conv_transpose2d", "nn.spectral_norm(nn.conv_transpose2d{out = 3, kernel = 2, stride = 2})",
          rand(1, 2, 3, 2),
          lambda x, p, b: nhwc(F.conv_transpose2d(
              nchw(x), kernel(swapped(spectral(b, swapped(p["weight"]).reshape(8, 3)).reshape(2, 2, 2, 3))),
              p["bias"], 2)),
          {"weight": rand(2, 2, 3, 2), "bias": rand(3)}, {"weight_u": unit(3), "weight_v": unit(8)})

    x = torch.cat([rand(4, 5, away=0.05), tensor([[-30, -8, 0.07, 8, 30]])])
    for name, make, call in (
            ("relu", "nn.relu{}", F.relu), ("leaky_relu", "nn.leaky_relu{}", lambda x: F.leaky_relu(x, 0.2)),
            ("leaky_relu of slope 0.01", "nn.leaky_relu{slope = 0.01}", lambda x: F.leaky_relu(x, 0.01)),
            ("elu", "nn.elu{}", F.elu), ("gelu", "nn.gelu{}", F.gelu), ("silu", "nn.silu{}", F.silu),
            ("tanh", "nn.tanh{}", torch.tanh), ("sigmoid", "nn.sigmoid{}", torch.sigmoid),
            ("softplus", "nn.softplus{}", sp)):
        layer(name, make, x, lambda x, p, b: call(x))

    layer("flatten", "nn.flatten{}", rand(2, 2, 3, 2), lambda x, p, b: x.flatten(1))
    layer("reshape", "nn.reshape{2, 3, 2}", rand(2, 12), lambda x, p, b: x.reshape(2, 2, 3, 2))
    for scale in (2, 3):
        for mode in ("nearest", "bilinear"):
            layer("upsample, %s, by %d" % (mode, scale), 'nn.upsample{scale = %d, mode = "%s"}' % (scale, mode),
                  rand(2, 3, 2, 2),
                  lambda x, p, b: nhwc(F.interpolate(nchw(x), scale_factor=scale, mode=mode,
                                                     align_corners=False if mode == "bilinear" else None)))
    layer("upsample, bilinear, of one pixel", 'nn.upsample{scale = 2, mode = "bilinear"}', rand(2, 1, 1, 2),
          lambda x, p, b: nhwc(F.interpolate(nchw(x), scale_factor=2, mode="bilinear", align_corners=False)))
    layer("avg_pool", "nn.avg_pool{kernel = 2}", rand(2, 4, 6, 2), lambda x, p, b: nhwc(F.avg_pool2d(nchw(x), 2)))
    layer("avg_pool that leaves a rest", "nn.avg_pool{kernel = 3}", rand(1, 5, 7, 2),
          lambda x, p, b: nhwc(F.avg_pool2d(nchw(x), 3)))
    layer("global_sum_pool", "nn.global_sum_pool{}", rand(2, 3, 4, 3), lambda x, p, b: x.sum(dim=(1, 2)))
    layer("embedding", "nn.embedding{count = 5, dim = 3}", tensor([0, 4, 2, 4]),
          lambda x, p, b: F.embedding(x.long(), p["weight"]), {"weight": rand(5, 3)}, differentiable=False)
    layer("layer_norm", "nn.layer_norm{}", rand(4, 6), lambda x, p, b: F.layer_norm(x, (6,), p["weight"], p["bias"]),
          {"weight": rand(6), "bias": rand(6)})
    layer("layer_norm of whole pictures", "nn.layer_norm{dims = 3, eps = 1e-3}", rand(2, 2, 3, 2),
          lambda x, p, b: F.layer_norm(x, (2, 3, 2), p["weight"], p["bias"], 1e-3),
          {"weight": rand(2, 3, 2), "bias": rand(2, 3, 2)})
    layer("residual", "nn.residual{main = nn.sequential{nn.linear{out = 4}, nn.tanh{}}}", rand(3, 4),
          lambda x, p, b: x + torch.tanh(x @ p["main.1.weight"] + p["main.1.bias"]),
          {"main.1.weight": rand(4, 4), "main.1.bias": rand(4)})
    layer("residual with a skip",
          "nn.residual{main = nn.conv2d{out = 3, kernel = 3, pad = 1}, skip = nn.conv2d{out = 3, kernel = 1}}",
          rand(1, 4, 3, 2),
          lambda x, p, b: nhwc(F.conv2d(nchw(x), kernel(p["main.weight"]), p["main.bias"], 1, 1)
                               + F.conv2d(nchw(x), kernel(p["skip.weight"]), p["skip.bias"])),
          {"main.weight": rand(3, 3, 2, 3), "main.bias": rand(3), "skip.weight": rand(1, 1, 2, 3),
           "skip.bias": rand(3)})

    def discriminator(x, p, b):
        h = F.leaky_relu(F.conv2d(nchw(x), kernel(p["1.weight"]), p["1.bias"], 2, 1), 0.2)
        h = F.conv2d(h, kernel(p["3.weight"]), None, 2, 1)
        h = F.batch_norm(h, b["4.running_mean"], b["4.running_var"], p["4.weight"], p["4.bias"], True, 0.1, 1e-5)
        return nhwc(F.leaky_relu(h, 0.2)).flatten(1) @ p["7.weight"] + p["7.bias"]

    layer("a small discriminator",
          "nn.sequential{\n"
          "      nn.conv2d{out = 3, kernel = 4, stride = 2, pad = 1}, nn.leaky_relu{},\n"
          "      nn.conv2d{out = 4, kernel = 4, stride = 2, pad = 1, bias = false}, nn.batch_norm{}, nn.leaky_relu{},\n"
          "      nn.flatten{}, nn.linear{out = 1},\n"
          "    }", rand(3, 8, 8, 1), discriminator,
          {"1.weight": rand(4, 4, 1, 3), "1.bias": rand(3), "3.weight": rand(4, 4, 3, 4), "4.weight": rand(4),
           "4.bias": rand(4), "7.weight": rand(16, 1), "7.bias": rand(1)},
          {"4.running_mean": rand(4), "4.running_var": rand(4, low=0.5, high=2)})


# ---- Losses ----

def hinge_d(margin):
    return lambda r, f: F.relu(margin - r).mean() + F.relu(margin + f).mean()


def log_loss_value(r, f):
    return -(sp(-r).mean() + sp(f).mean())


def differentiate(function, *arguments):
    """[value, gradient to each argument]"""
    leaves = [a.clone().requires_grad_() for a in arguments]
    y = function(*leaves)
    grads = torch.autograd.grad(y, leaves, allow_unused=True)
    return [y] + [torch.zeros_like(leaf) if g is None else g for g, leaf in zip(grads, leaves)]


def make_losses():
    scores = {
        "ordinary": (rand(6, 1), rand(6, 1)),
        "the discriminator sure": (tensor([20, 35.5, 90, 300]), tensor([-25, -60, -99.5, -400])),
        "the discriminator wrong": (tensor([-20, -35.5, -90, -3e4]), tensor([25, 60, 99.5, 3e4])),
    }
    adversarial = []
    for name, make, d, g, value in (
            ("minimax", "loss.minimax{}", lambda r, f: sp(-r).mean() + sp(f).mean(), lambda f, r: -sp(f).mean(),
             log_loss_value),
            ("nonsaturating", "loss.nonsaturating{}", lambda r, f: sp(-r).mean() + sp(f).mean(),
             lambda f, r: sp(-f).mean(), log_loss_value),
            ("hinge", "loss.hinge{}", hinge_d(1), lambda f, r: -f.mean(), lambda r, f: hinge_d(1)(r, f) - f.mean()),
            ("hinge of margin 0.3", "loss.hinge{margin = 0.3}", hinge_d(0.3), lambda f, r: -f.mean(),
             lambda r, f: hinge_d(0.3)(r, f) - f.mean()),
            ("margin_ranking", "loss.margin_ranking{margin = 0.7}", lambda r, f: F.relu(0.7 - r + f).mean(),
             lambda f, r: F.relu(0.7 - f + r).mean(), None)):
        for kind, (r, f) in scores.items():
            d_value, d_real, d_fake = differentiate(d, r, f)
            g_value, g_fake, g_real = differentiate(g, f, r)
            case = {"name": "%s, %s" % (name, kind), "make": Lua("function(loss) return %s end" % make),
                    "real": r, "fake": f, "d": d_value, "d_grad_real": d_real, "d_grad_fake": d_fake,
                    "g": g_value, "g_grad_fake": g_fake}
            if name == "margin_ranking":
                case["g_grad_real"] = g_real
            if value:
                case["value"] = value(r, f)
            adversarial.append(case)
    p, q = rand(5, low=0.05, high=0.95), rand(5, low=0.05, high=0.95)
    tiny, nearly = tensor([1e-6, 0.25]), tensor([0.75, 0.999])
    prob = []
    for kind, x, z in (("ordinary", p, q), ("extreme", tiny, nearly),
                       ("certain and right", tensor([1, 1]), tensor([0, 0])),
                       ("certain and wrong", tensor([0, 1]), tensor([1, 0]))):
        def d(a, b):
            return -(torch.log(a).mean() + torch.log(1 - b).mean())

        def g(b):
            return torch.log(1 - b).mean()
        finite = kind != "certain and wrong"
        case = {"name": kind, "real": x, "fake": z, "d": d(x, z), "g": g(z)}
        if finite:
            _, case["d_grad_real"], case["d_grad_fake"] = differentiate(d, x, z)
            _, case["g_grad_fake"] = differentiate(g, z)
        prob.append(case)

    signs = tensor([1, -1, 1, -1, 1, -1])
    classification = []
    large = tensor([[900, -900, 0], [-50, 60, 70], [1e4, 2e4, -1e4]])
    for name, call, y, t, function in (
            ("svm_hinge", "svm_hinge", rand(6), signs, lambda y, t: F.relu(1 - t * y).mean()),
            ("svm_hinge, extreme", "svm_hinge", tensor([1e4, 3e3, -2e3, -500, 0.5, 0.5]), signs,
             lambda y, t: F.relu(1 - t * y).mean()),
            ("cross_entropy", "cross_entropy", rand(4, 5), tensor([0, 4, 2, 2]),
             lambda y, t: F.cross_entropy(y, t.long())),
            ("cross_entropy, extreme", "cross_entropy", large, tensor([1, 2, 1]),
             lambda y, t: F.cross_entropy(y, t.long())),
            ("bce_with_logits", "bce_with_logits", rand(6), tensor([0, 1, 0.9, 0.1, 0.5, 1]),
             F.binary_cross_entropy_with_logits),
            ("bce_with_logits, extreme", "bce_with_logits", tensor([-900, 900, 1e4, -1e4, 60, -60]),
             tensor([0, 1, 0, 1, 0.9, 0.9]), F.binary_cross_entropy_with_logits),
            ("mse", "mse", rand(3, 4), rand(3, 4), F.mse_loss),
            ("mse, extreme", "mse", tensor([1e3, -1e6]), tensor([-1e3, 1e6]), F.mse_loss)):
        value, grad = differentiate(lambda y: function(y, t), y)
        classification.append({"name": name, "call": call, "scores": y, "target": t, "value": value, "grad": grad})
    return {"adversarial": adversarial, "minimax_prob": prob, "classification": classification}


def smooth_hinge(u, m):
    """h(u), from its three pieces."""
    return torch.where(u <= 0, m / 2 - u, torch.where(u < m, (m - u) ** 2 / (2 * m), torch.zeros_like(u))).mean()


def relativistic(on_real):
    return lambda r, f: on_real(r - f).mean(), lambda f, r: on_real(f - r).mean()


def average(on_real, on_fake):
    def d(r, f):
        return on_real(r - f.mean()).mean() + on_fake(f - r.mean()).mean()
    return d, lambda f, r: d(f, r)


def log_mean_exp(f):
    return torch.logsumexp(f, 0).squeeze() - math.log(f.numel())


def contrast(a, b):
    """log(1 + sum_j e^(b_j - a_i)), averaged over i: the row [0, b - a_i] against its first place."""
    gaps = b.reshape(1, -1) - a.reshape(-1, 1)
    return torch.logsumexp(torch.cat([torch.zeros_like(gaps[:, :1]), gaps], 1), 1).mean()


def make_more_losses():
    """The losses beside the first ones, with random numbers of their own: the other files' numbers stay."""
    global random
    kept, random = random, numpy.random.default_rng(7)
    scores = {
        "ordinary": (rand(7), rand(7)), "wide": (rand(5, low=-6, high=6), rand(5, low=-6, high=6)),
        "far out": (tensor([-1e4, 4e3, 0.3, -0.7]), tensor([1e4, -4e3, -0.2, 0.6])),
    }
    js = math.log(2)

    def divergence(a, c):
        return lambda r, f: -a(r).mean() + c(f).mean(), lambda f, r: -c(f).mean()

    def zero_sum(pair):
        return pair + (lambda r, f: -pair[0](r, f),)

    def usual(d, g):
        return d, g, lambda r, f: d(r, f) + g(f, r)

    def minus_f(f, r):
        return -f.mean()

    rows = {
        "squared_hinge{}": usual(lambda r, f: (F.relu(1 - r) ** 2).mean() + (F.relu(1 + f) ** 2).mean(), minus_f),
        "squared_hinge{margin = 0.4}":
            usual(lambda r, f: (F.relu(0.4 - r) ** 2).mean() + (F.relu(0.4 + f) ** 2).mean(), minus_f),
        "smooth_hinge{}": usual(lambda r, f: smooth_hinge(r, 1) + smooth_hinge(-f, 1), minus_f),
        "smooth_hinge{margin = 2.5}": usual(lambda r, f: smooth_hinge(r, 2.5) + smooth_hinge(-f, 2.5), minus_f),
        "least_squares{}": usual(lambda r, f: ((r - 1) ** 2).mean() / 2 + (f ** 2).mean() / 2,
                                 lambda f, r: ((f - 1) ** 2).mean() / 2),
        "least_squares{real = 0.9, fake = -1, gen = 0.25}":
            usual(lambda r, f: ((r - 0.9) ** 2).mean() / 2 + ((f + 1) ** 2).mean() / 2,
                  lambda f, r: ((f - 0.25) ** 2).mean() / 2),
        "wasserstein{}": zero_sum((lambda r, f: f.mean() - r.mean(), minus_f)),
        "nonsaturating{smooth = 0.1}":
            (lambda r, f: F.binary_cross_entropy_with_logits(r, torch.full_like(r, 0.9)) + sp(f).mean(),
             lambda f, r: sp(-f).mean(), log_loss_value),
        "minimax{smooth = 0.2}":
            (lambda r, f: F.binary_cross_entropy_with_logits(r, torch.full_like(r, 0.8)) + sp(f).mean(),
             lambda f, r: -sp(f).mean(), log_loss_value),
        "relativistic{}": usual(*relativistic(lambda u: sp(-u))),
        'relativistic{base = "hinge"}': usual(*relativistic(lambda u: F.relu(1 - u))),
        'relativistic{base = "least_squares"}': usual(*relativistic(lambda u: (u - 1) ** 2)),
        "relativistic{base = loss.squared_hinge{margin = 2}}": usual(*relativistic(lambda u: F.relu(2 - u) ** 2)),
        "relativistic_average{}": usual(*average(lambda u: sp(-u), sp)),
        'relativistic_average{base = "hinge"}': usual(*average(lambda u: F.relu(1 - u), lambda u: F.relu(1 + u))),
        'relativistic_average{base = "least_squares"}':
            usual(*average(lambda u: (u - 1) ** 2, lambda u: (u + 1) ** 2)),
        'f_divergence{kind = "kl"}': zero_sum(divergence(lambda v: v, lambda v: torch.exp(v - 1))),
        'f_divergence{kind = "reverse_kl"}': zero_sum(divergence(lambda v: -torch.exp(-v), lambda v: v - 1)),
        'f_divergence{kind = "pearson"}': zero_sum(divergence(lambda v: v, lambda v: v ** 2 / 4 + v)),
        'f_divergence{kind = "jensen_shannon"}': zero_sum(divergence(lambda v: js - sp(-v), lambda v: sp(v) - js)),
        'f_divergence{kind = "total_variation"}':
            zero_sum(divergence(lambda v: torch.tanh(v) / 2, lambda v: torch.tanh(v) / 2)),
        "kl_wasserstein{}": zero_sum((lambda r, f: log_mean_exp(f) - r.mean(), lambda f, r: -log_mean_exp(f))),
        "dual_contrastive{}": zero_sum((lambda r, f: contrast(r, f) + contrast(-f, -r),
                                        lambda f, r: -contrast(r, f) - contrast(-f, -r))),
    }
    adversarial = []
    for text, (d, g, value) in rows.items():
        for kind, (r, f) in scores.items():
            if kind == "far out" and ('"kl"' in text or '"reverse_kl"' in text):
                continue  # e^10000 is no number; loss_spec.lua says what comes out
            d_value, d_real, d_fake = differentiate(d, r, f)
            g_value, g_fake = differentiate(lambda f: g(f, r), f)
            adversarial.append({"name": "%s, %s" % (text.replace('"', "'"), kind),
                                "make": Lua("function(loss) return loss.%s end" % text), "real": r, "fake": f,
                                "d": d_value, "d_grad_real": d_real, "d_grad_fake": d_fake,
                                "g": g_value, "g_grad_fake": g_fake, "value": value(r, f)})
    classification = []
    for name, call, y, t, function in (
            ("multiclass_hinge", "multiclass_hinge", rand(5, 4), tensor([0, 3, 1, 1, 2]),
             None),
            ("multiclass_hinge, extreme", "multiclass_hinge", tensor([[1e4, -1e4, 0], [5, 5.5, -1e4]]),
             tensor([1, 1]), None),
            ("l1", "l1", rand(3, 4), rand(3, 4), F.l1_loss),
            ("l1, extreme", "l1", tensor([1e4, -1e4]), tensor([-1e4, 0]), F.l1_loss)):
        if call == "multiclass_hinge":  # PyTorch's sums over the other classes; Crammer & Singer's is the largest
            def function(y, t):
                own = F.one_hot(t.long(), y.shape[1]).bool()
                return F.relu(1 + y.masked_fill(own, -math.inf).max(1)[0] - y[own]).mean()
        value, grad = differentiate(lambda y: function(y, t), y)
        classification.append({"name": name, "call": call, "scores": y, "target": t, "value": value, "grad": grad})
    random = kept
    return {"adversarial": adversarial, "minimax_prob": {}, "classification": classification}


# ---- Optimisers ----

def make_optimisers():
    cases = []
    for name, kind, options, make in (
            ("adam", "adam", {"lr": 0.01, "betas": [0.5, 0.999], "eps": 1e-8, "weight_decay": 0},
             lambda p: torch.optim.Adam(p, lr=0.01, betas=(0.5, 0.999), eps=1e-8)),
            ("adam with weight decay", "adam", {"lr": 0.02, "betas": [0.9, 0.99], "eps": 1e-6, "weight_decay": 0.1},
             lambda p: torch.optim.Adam(p, lr=0.02, betas=(0.9, 0.99), eps=1e-6, weight_decay=0.1)),
            ("sgd", "sgd", {"lr": 0.1, "momentum": 0, "weight_decay": 0}, lambda p: torch.optim.SGD(p, lr=0.1)),
            ("sgd with momentum and weight decay", "sgd", {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.05},
             lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.05))):
        start = [rand(2, 3), rand(4)]
        parameters = [p.clone().requires_grad_() for p in start]
        optimiser = make(parameters)
        steps = []
        for _ in range(5):
            grads = [rand(*p.shape) for p in parameters]
            for p, g in zip(parameters, grads):
                p.grad = g.clone()
            optimiser.step()
            steps.append({"grads": grads, "parameters": [p.detach().clone() for p in parameters]})
        cases.append({"name": name, "kind": kind, "options": options, "start": start, "steps": steps})
    return cases


# ---- Functions of tensors ----

def make_functions():
    cases = []

    def case(name, call, function, *inputs):
        leaves = [x.clone().requires_grad_() for x in inputs]
        y = function(*leaves)
        upstream = rand(*y.shape)
        text = "function(%s) return %s end" % ("x, y" if len(inputs) == 2 else "x", call)
        cases.append({"name": name, "call": Lua(text), "inputs": list(inputs), "output": y, "grad_output": upstream,
                      "grads": backward(y, upstream, leaves)})

    x, positive = rand(2, 3, 4, away=0.01), rand(2, 3, 4, low=0.2, high=3)
    for dim in (1, 2, -1):
        torch_dim = dim - 1 if dim > 0 else dim
        for name, function in (("softmax", torch.softmax), ("log_softmax", torch.log_softmax)):
            case("%s over dimension %d" % (name, dim), "x:%s(%d)" % (name, dim), lambda x: function(x, dim=torch_dim),
                 x)
    case("log_softmax of large numbers", "x:log_softmax(2)", lambda x: torch.log_softmax(x, 1),
         tensor([[1e4, 0, -1e4], [80, 81, 79]]))
    for name, function in (
            ("sum", torch.sum), ("mean", torch.mean),
            ("var", lambda x, dim=(0, 1, 2), keepdim=False: x.var(dim, True, keepdim)),
            ("norm", lambda x, dim=(0, 1, 2), keepdim=False: x.norm(2, dim, keepdim))):
        case(name + " of all", "x:%s()" % name, function, x)
        case(name + " over dimension 2", "x:%s(2)" % name, lambda x: function(x, dim=1), x)
        case(name + " over dimensions 1 and 3, kept", "x:%s({1, 3}, {keepdim = true})" % name,
             lambda x: function(x, dim=(0, 2), keepdim=True), x)
    for name in ("max", "min"):
        function = getattr(torch, name)
        case(name + " of all", "x:%s()" % name, function, x)
        case(name + " over dimension 2", "x:%s(2)" % name, lambda x: function(x, 1)[0], x)
        case(name + " over dimension -1", "x:%s(-1)" % name, lambda x: function(x, -1)[0], x)
    for name in ("exp", "sin", "cos", "tanh", "sigmoid", "abs", "relu"):
        case(name, "x:%s()" % name, getattr(torch, name), x)
    for name in ("log", "sqrt"):
        case(name, "x:%s()" % name, getattr(torch, name), positive)
    case("pow", "x ^ 1.7", lambda x: x ** 1.7, positive)
    case("pow with a whole exponent of negative numbers", "x ^ 3", lambda x: x ** 3, x)
    case("softplus", "x:softplus()", sp, x)
    case("gelu", "x:gelu()", F.gelu, x)
    case("silu", "x:silu()", F.silu, x)
    case("elu", "x:elu()", F.elu, x)
    case("clamp", "x:clamp(-0.5, 0.8)", lambda x: x.clamp(-0.5, 0.8), x)
    case("add, broadcast", "x + y", torch.add, rand(2, 1, 4), rand(3, 1))
    case("sub, broadcast", "x - y", torch.sub, rand(3, 1), rand(2, 1, 4))
    case("mul, broadcast", "x * y", torch.mul, rand(2, 1, 4), rand(3, 4))
    case("div, broadcast", "x / y", torch.div, rand(4), rand(2, 3, 1, low=0.5, high=2))
    case("matmul", "x:matmul(y)", torch.matmul, rand(3, 4), rand(4, 2))
    case("matmul of a batch", "x:matmul(y)", torch.matmul, rand(2, 3, 4), rand(2, 4, 2))
    case("transpose", "x:transpose(1, 3)", lambda x: x.transpose(0, 2), x)
    case("permute", "x:permute{3, 1, 2}", lambda x: x.permute(2, 0, 1), x)
    case("narrow", "x:narrow(3, 2, 2)", lambda x: x.narrow(2, 1, 2), x)
    case("concat", 'require "ganlua".concat({x, y}, 2)',
         lambda x, y: torch.cat([x, y], 1), rand(2, 1, 2), rand(2, 3, 2))
    case("index", 'x:index(2, require "ganlua".tensor{3, 1, 3, 3})',
         lambda x: x.index_select(1, torch.tensor([2, 0, 2, 2])), x)
    return cases


def make_more_layers():
    affine = {"weight": rand(6), "bias": rand(6)}
    x = rand(2, 3, 2, 6)
    for groups in (1, 2, 6):
        layer("group_norm of %d groups" % groups, "nn.group_norm{groups = %d}" % groups, x,
              lambda x, p, b: nhwc(F.group_norm(nchw(x), groups, p["weight"], p["bias"])), affine)
    layer("group_norm of vectors", "nn.group_norm{groups = 2, affine = false, eps = 1e-3}", rand(3, 6),
          lambda x, p, b: F.group_norm(x, 2, eps=1e-3))
    layer("instance_norm", "nn.instance_norm{}", x, lambda x, p, b: nhwc(F.instance_norm(nchw(x))))
    layer("instance_norm with weights", "nn.instance_norm{affine = true}", x,
          lambda x, p, b: nhwc(F.instance_norm(nchw(x), weight=p["weight"], bias=p["bias"])), affine)
    layer("pixel_norm", "nn.pixel_norm{}", x, lambda x, p, b: x * torch.rsqrt(x.square().mean(3, True) + 1e-8))
    layer("maxout", "nn.maxout{pieces = 3}", x, lambda x, p, b: x.reshape(2, 3, 2, 2, 3).amax(4))
    layer("global_avg_pool", "nn.global_avg_pool{}", x, lambda x, p, b: x.mean(dim=(1, 2)))

    def deviations(x, p, b):
        """Picture i is in group i modulo 2."""
        each = [(x[k::2].var(0, unbiased=False) + 1e-8).sqrt().mean() for k in range(2)]
        return torch.cat([x, torch.stack(each * 2).reshape(4, 1, 1, 1).expand(4, 2, 2, 1)], 3)

    layer("minibatch_stddev", "nn.minibatch_stddev{group = 2}", rand(4, 2, 2, 3), deviations)

    for text, size, k in (("", (2, 4, 6, 2), 2), (" that leaves a rest", (1, 7, 5, 3), 3)):
        layer("max_pool" + text, "nn.max_pool{kernel = %d}" % k, rand(*size),
              lambda x, p, b: nhwc(F.max_pool2d(nchw(x), k)))
    ties = rand(1, 4, 4, 1).round()
    layer("max_pool of equal numbers", "nn.max_pool{kernel = 2}", ties, lambda x, p, b: nhwc(F.max_pool2d(nchw(x), 2)))

    def attention(x, p, b):
        """Written with columns of pixels, as the paper has it: s_ij = f(x_i)' g(x_j), a softmax over i."""
        f, g, h = (F.conv2d(nchw(x), kernel(p[n + ".weight"])).flatten(2) for n in ("key", "query", "value"))
        beta = torch.softmax(f.transpose(1, 2) @ g, 1)
        seen = (h @ beta).reshape(x.shape[0], -1, *x.shape[1:3])
        return x + p["gamma"] * nhwc(F.conv2d(seen, kernel(p["out.weight"])))

    for text, make, c in (("", "nn.self_attention{reduce = 2}", 2), (" of few channels", "nn.self_attention{}", 1)):
        weights = {n + ".weight": rand(1, 1, 4, c) for n in ("query", "key", "value")}
        layer("self_attention" + text, make, rand(2, 3, 2, 4), attention,
              {"gamma": rand(1), **weights, "out.weight": rand(1, 1, c, 4)})

    labels = tensor([2, 0, 2])

    def conditional(x, p, b, y):
        z = nhwc(F.batch_norm(nchw(x), b["running_mean"], b["running_var"], None, None, True, 0.1, 1e-5))
        pick = y.long()
        return z * p["weight"][pick][:, None, None] + p["bias"][pick][:, None, None]

    layer("conditional_batch_norm", "nn.conditional_batch_norm{classes = 3}", rand(3, 2, 2, 2), conditional,
          {"weight": rand(3, 2), "bias": rand(3, 2)}, {"running_mean": rand(2), "running_var": rand(2, low=0.5, high=2)},
          beside=labels)
    layer("projection", "nn.projection{classes = 3}", rand(3, 4),
          lambda x, p, b, y: F.linear(x, p["psi.weight"].t(), p["psi.bias"])
          + (F.embedding(y.long(), p["embed.weight"]) * x).sum(1, True),
          {"psi.weight": rand(4, 1), "psi.bias": rand(1), "embed.weight": rand(3, 4)}, beside=labels)
    layer("concat_embedding", "nn.concat_embedding{classes = 3, dim = 2}", rand(3, 4),
          lambda x, p, b, y: torch.cat([x, F.embedding(y.long(), p["weight"])], 1), {"weight": rand(3, 2)}, beside=labels)

    def modulated(demodulate, k):
        def call(x, p, b, w):
            """StyleGAN2's own way: a weight for each picture, all in one grouped convolution."""
            n, h, wide, c = x.shape
            s = w @ (p["style.weight"] / math.sqrt(w.shape[1])) + p["style.bias"]
            weight = kernel(p["weight"])[None] / math.sqrt(k * k * c) * s[:, None, :, None, None]
            if demodulate:
                weight = weight * torch.rsqrt(weight.square().sum(dim=(2, 3, 4), keepdim=True) + 1e-8)
            out = weight.shape[1]
            y = F.conv2d(nchw(x).reshape(1, n * c, h, wide), weight.flatten(0, 1), padding=k // 2, groups=n)
            return nhwc(y.reshape(n, out, h, wide)) + p["bias"]
        return call

    for demodulate, k in ((True, 3), (False, 1)):
        layer("modulated_conv2d%s" % ("" if demodulate else " without demodulation"),
              "nn.modulated_conv2d{out = 3, kernel = %d, demodulate = %s}" % (k, "true" if demodulate else "false"),
              rand(2, 3, 4, 2), modulated(demodulate, k),
              {"weight": rand(k, k, 2, 3), "bias": rand(3), "style.weight": rand(4, 2), "style.bias": rand(2)},
              beside=rand(2, 4))
    layer("equalized linear", "nn.equalized{nn.linear{out = 2}, gain = 1.5, rate = 0.1}", rand(3, 4),
          lambda x, p, b: x @ (p["weight"] * (1.5 * 0.1 / 2)) + p["bias"] * 0.1, {"weight": rand(4, 2), "bias": rand(2)})


make_layers()
write("layers", "Forward results and gradients of the layers of gan.nn.", layers)
write("losses", "Values and gradients of the losses of gan.loss, at ordinary and at extreme scores.", make_losses())
write("more_losses", "Values and gradients of the further losses of gan.loss, at ordinary scores and far out.",
      make_more_losses())
write("optimisers", "Five steps of each optimiser with given gradients.", make_optimisers())
write("functions", "Functions of tensors and their gradients.", make_functions())
layers.clear()
make_more_layers()
write("more_layers", "Forward results and gradients of further layers of gan.nn.", layers)
