"""Writes styles.lua of this folder: what PyTorch says of StyleGAN2's generator and of its path length penalty.

    /usr/bin/python3 spec/reference/make_styles.py        (Debian: python3-torch)

The generator is gan.recipe.stylegan2_small{size = 8, channels = 1, latent = 3, style = 2, layers = 1, base = 24}'s,
written as its authors did: a weight for each sample, which a grouped convolution uses. Float64. Number i (from 0) of
parameter k (from 0) is 0.8 sin(1.7 i + 0.9 k + 0.3), in ganlua's layouts, and 100 times that in the mapping, which uses a
hundredth; number i of an input is 1.1 sin(2.3 i + s), s = 0.1 for latents, 0.2 for styles and, 100 times that, 0.4 for
the direction of path lengths. A gradient is told by its product with cos(i).
"""

import os
import textwrap

import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)

shapes = {"1.2.weight": (3, 2), "1.2.bias": (2,), "2.start.value": (1, 4, 4, 6)}
for layer, inner, size, channels, out, kernel in (
    ("conv1", ".conv", 4, 6, 6, 3), ("picture1", "", 4, 6, 1, 1), ("up2", ".conv", 8, 6, 3, 3),
    ("conv2", ".conv", 8, 3, 3, 3), ("picture2", "", 8, 3, 1, 1),
):
    name = "2." + layer
    shapes[name + inner + ".weight"] = (kernel, kernel, channels, out)
    shapes[name + inner + ".style.weight"], shapes[name + inner + ".style.bias"] = (2, channels), (channels,)
    shapes[name + ".bias"] = (out,)
    if inner:
        shapes[name + ".noise.strength"], shapes[name + ".noise.constant"] = (1,), (1, size, size, 1)


def numbers(shape, phase, frequency, size):
    count = torch.tensor(shape).prod().item()
    return (size * torch.sin(frequency * torch.arange(count) + phase)).reshape(shape)


p = {
    name: numbers(shape, 0.9 * k + 0.3, 1.7, 80 if name.startswith("1.") else 0.8).requires_grad_()
    for k, (name, shape) in enumerate(shapes.items())
}
z, styles = numbers((2, 3), 0.1, 2.3, 1.1), numbers((2, 4, 2), 0.2, 2.3, 1.1)
direction = numbers((2, 8, 8, 1), 0.4, 2.3, 110).permute(0, 3, 1, 2)


def linear(x, name, gain=1.0, rate=1.0):
    w = p[name + ".weight"]
    return x @ (w * gain * rate / w.shape[0] ** 0.5) + p[name + ".bias"] * rate


def mapping(z):
    x = z / (z.square().mean(1, keepdim=True) + 1e-8).sqrt()
    return F.leaky_relu(linear(x, "1.2", gain=2 ** 0.5, rate=0.01), 0.2)


def modulated(x, w, name, demodulate):
    weight = p[name + ".weight"].permute(3, 2, 0, 1)
    out, channels, kernel, _ = weight.shape
    weight = weight / (channels * kernel * kernel) ** 0.5 * linear(w, name + ".style")[:, None, :, None, None]
    if demodulate:
        weight = weight * (weight.square().sum((2, 3, 4), keepdim=True) + 1e-8).rsqrt()
    y = F.conv2d(x.reshape(1, -1, *x.shape[2:]), weight.flatten(0, 1), padding=kernel // 2, groups=len(x))
    return y.reshape(len(x), out, *x.shape[2:])


def larger(x):
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


def styled(x, w, name):
    y = modulated(x, w, name + ".conv", True)
    y = y + p[name + ".noise.constant"].permute(0, 3, 1, 2) * p[name + ".noise.strength"]
    return F.leaky_relu(y + p[name + ".bias"][:, None, None], 0.2) * 2 ** 0.5


def picture(x, w, name):
    return modulated(x, w, name, False) + p[name + ".bias"][:, None, None]


def synthesis(w):
    x = styled(p["2.start.value"].permute(0, 3, 1, 2).expand(len(w), -1, -1, -1), w[:, 0], "2.conv1")
    small = picture(x, w[:, 1], "2.picture1")
    x = styled(styled(larger(x), w[:, 1], "2.up2"), w[:, 2], "2.conv2")
    return larger(small) + picture(x, w[:, 3], "2.picture2")


w = mapping(z)[:, None].repeat(1, 4, 1)
slope, = torch.autograd.grad((synthesis(w) * direction).sum() / 8, w, create_graph=True)
lengths = slope.square().sum(2).mean(1).sqrt()
penalty = (lengths - 0.1 * lengths.mean().item()).square().mean()
gradients = torch.autograd.grad(penalty, list(p.values()), allow_unused=True)


def lua(t):
    if t.dim() == 0:
        return "%.9g" % t.item()
    return "{ " + ", ".join(lua(part) for part in t) + " }"


def field(name, value):
    text = "  %s = %s," % (name, lua(value.detach()))
    return textwrap.fill(text, 119, subsequent_indent="    ", break_long_words=False) + "\n"


with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "styles.lua"), "w") as out:
    out.write("-- What StyleGAN2's generator makes, and its path length penalty: see make_styles.py beside this file, which\n")
    out.write("-- made this with PyTorch %s in float64; not to be edited.\n" % torch.__version__)
    out.write("return {\n  parameters = { -- names and shapes; the products of the penalty's gradients with cos(i)\n")
    for (name, shape), gradient in zip(shapes.items(), gradients):
        product = torch.tensor(0.0)
        if gradient is not None:
            product = (gradient.flatten() * torch.cos(torch.arange(gradient.numel()))).sum()
        out.write("    { \"%s\", { %s }, %s },\n" % (name, ", ".join(map(str, shape)), lua(product)))
    out.write("  },\n")
    out.write(field("mapped", mapping(z)))
    out.write(field("pictures", synthesis(styles).permute(0, 2, 3, 1)))
    out.write(field("length", lengths.mean()))
    out.write(field("penalty", penalty))
    out.write("}\n")
