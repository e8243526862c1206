"""Writes penalties.lua of this folder: what PyTorch says that the penalties of gan.penalty and their gradients are.

    /usr/bin/python3 spec/reference/make_penalties.py        (Debian: python3-torch)

D(x) = tanh(x a + b) c, G(z) = tanh(z e) f. Computed in float64 from inputs of three decimals. What a penalty draws at
random is drawn here and given to the spec.
"""

import os
import textwrap

import torch

torch.manual_seed(7)
torch.set_default_dtype(torch.float64)


def rand(*shape):
    return (torch.randn(*shape) * 1000).round() / 1000


inputs = {
    "real": rand(5, 3), "z": rand(5, 2),
    "a": rand(3, 4), "b": rand(4), "c": rand(4, 1), "e": rand(2, 3), "f": rand(3, 3),
    "share": (torch.rand(5, 1) * 1000).round() / 1000, "noise": (torch.rand(5, 3) * 1000).round() / 1000,
    "direction": rand(5, 3),
}
for name in "a", "b", "c", "e", "f", "real", "z":
    inputs[name].requires_grad_(True)
i = inputs


def D(x):
    return torch.tanh(x @ i["a"] + i["b"]) @ i["c"]


def G(z):
    return torch.tanh(z @ i["e"]) @ i["f"]


def slopes(y, x):
    return torch.autograd.grad(y.sum(), x, create_graph=True)[0]


def excess(u, target, one_sided):
    u = u.detach().requires_grad_(True)
    gap = slopes(D(u), u).norm(dim=1) - target
    return (torch.relu(gap) if one_sided else gap).square().mean()


def mixture():
    return i["share"] * i["real"] + (1 - i["share"]) * G(i["z"])


def r2():
    fake = G(i["z"]).detach().requires_grad_(True)
    return slopes(D(fake), fake).square().sum(1).mean() / 2


def lecam():
    real, fake = D(i["real"]), D(G(i["z"]).detach())
    return (real - fake.mean().item()).square().mean() + (fake - real.mean().item()).square().mean()


def consensus():
    real, fake = D(i["real"]), D(G(i["z"]))
    d = torch.nn.functional.softplus(-real).mean() + torch.nn.functional.softplus(fake).mean()
    g = torch.nn.functional.softplus(-fake).mean()
    v = torch.autograd.grad(d, [i["a"], i["b"], i["c"]], create_graph=True)
    v += torch.autograd.grad(g, [i["e"], i["f"]], create_graph=True)
    return sum(x.square().sum() for x in v) / 2


def path_length():
    lengths = slopes(G(i["z"]) * i["direction"], i["z"]).norm(dim=1)
    return (lengths - 0.1 * lengths.mean().item()).square().mean()


def features(x):
    return torch.tanh(x @ i["a"] + i["b"])


def feature_matching():
    return (features(i["real"]).mean(0).detach() - features(G(i["z"])).mean(0)).square().sum()


x = i["real"]
rows = [
    ("gradient_penalty", "weight = 3", 3, "abc", lambda: excess(mixture(), 1, False)),
    ("gradient_penalty", "target = 0.5", 10, "abc", lambda: excess(mixture(), 0.5, False)),
    ("gradient_penalty", "target = 0.9, one_sided = true", 10, "abc", lambda: excess(mixture(), 0.9, True)),
    ("dragan", "", 10, "abc", lambda: excess(x + i["noise"] * 0.5 * x.std(), 1, False)),
    ("r1", "weight = 2", 2, "ac", lambda: slopes(D(x), x).square().sum(1).mean() / 2),
    ("r2", "", 10, "ac", r2),
    ("drift", "", 1e-3, "abc", lambda: D(x).square().mean()),
    ("consistency", "augment = function(x) return x * 0.5 + 0.1 end", 10, "abc",
     lambda: (D(x) - D(x.detach() * 0.5 + 0.1)).square().mean()),
    ("lecam", "", 0.3, "abc", lecam),
    ("consensus", "weight = 2", 2, "abcef", consensus),
    ("path_length", "decay = 0.9", 2, "ef", path_length),
    ("feature_matching", "features = features", 1, "ef", feature_matching),
]


def lua(t):
    if t.dim() == 0:
        return "%.9g" % t.item()
    return "{ " + ", ".join(lua(part) for part in t) + " }"


def field(indent, name, value):
    text = "%s%s = %s,\n" % (indent, name, lua(value.detach()))
    if len(text) <= 120:
        return text
    return textwrap.fill(text, 119, subsequent_indent=indent + "  ", break_long_words=False) + "\n"


with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "penalties.lua"), "w") as out:
    out.write("-- Values of the penalties of gan.penalty, and gradients to the parameters that are named.\n")
    out.write("-- Made by make_penalties.py beside this file with PyTorch %s in float64; not to be edited.\n"
              % torch.__version__)
    out.write("return {\n  inputs = {\n")
    for name, value in inputs.items():
        out.write(field("    ", name, value))
    out.write("  },\n")
    for name, options, weight, parameters, value in rows:
        y = weight * value()
        out.write("  {\n    name = \"%s\",\n" % name)
        out.write("    options = function(features) return { %s } end,\n" % options if "features" in options
                  else "    options = function() return { %s } end,\n" % options)
        out.write(field("    ", "value", y) + "    gradients = {\n")
        for key, gradient in zip(parameters, torch.autograd.grad(y, [inputs[key] for key in parameters])):
            out.write(field("      ", key, gradient))
        out.write("    },\n  },\n")
    out.write("}\n")
