"""The workloads of workloads.lua in PyTorch, at its best: python3 spec/bench/peer.py NAME [KEY=VALUE ...]

Steered by lines as work.lua is. With variants=all it times every way there is to run the workload and prints the
milliseconds of each; with variant=NAME it runs that way. What differs between variants: memory format (channels_last),
the transposed convolution as PyTorch has it or as the gradient of a convolution (patched), threads, Adam's loop over
the parameters (foreach, fused), and autocast to bfloat16 where precision=bf16 asks for it.
"""
import contextlib
import json
import resource
import struct
import sys
import time

import torch
from torch import nn
from torch.nn import functional as F

torch.set_flush_denormal(True)


class PatchedTranspose(torch.autograd.Function):
    """A transposed convolution as the gradient of a convolution to its input."""

    @staticmethod
    def forward(ctx, x, w, stride, pad):
        ctx.save_for_backward(x, w)
        ctx.stride, ctx.pad = stride, pad
        size = (x.shape[2] - 1) * stride - 2 * pad + w.shape[2]
        y = x.new_empty((x.shape[0], w.shape[1], size, size))
        if x.is_contiguous(memory_format=torch.channels_last):
            y = y.contiguous(memory_format=torch.channels_last)
        return PatchedTranspose.back(x, y, w, stride, pad, [True, False, False])[0]

    @staticmethod
    def back(dy, x, w, stride, pad, mask):
        return torch.ops.aten.convolution_backward(
            dy, x, w, None, [stride] * 2, [pad] * 2, [1, 1], False, [0, 0], 1, mask)

    @staticmethod
    def backward(ctx, dy):
        x, w = ctx.saved_tensors
        dx = F.conv2d(dy, w, None, ctx.stride, ctx.pad) if ctx.needs_input_grad[0] else None
        dw = PatchedTranspose.back(x, dy, w, ctx.stride, ctx.pad, [False, True, False])[1]
        return dx, dw, None, None


class Transpose(nn.ConvTranspose2d):
    patched = False

    def forward(self, x):
        if not Transpose.patched:
            return super().forward(x)
        y = PatchedTranspose.apply(x, self.weight, self.stride[0], self.padding[0])
        return y if self.bias is None else y + self.bias.view(1, -1, 1, 1)


def conv(i, o, k, s, p, bias=True):
    return nn.Conv2d(i, o, k, s, p, bias=bias)


def up(i, o, k, s, p, bias=True):
    return Transpose(i, o, k, s, p, bias=bias)


def mlp_ring(width=128, **_):
    lrelu = nn.LeakyReLU
    G = nn.Sequential(nn.Linear(2, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 2))
    D = nn.Sequential(nn.Linear(2, width), lrelu(.2), nn.Linear(width, width), lrelu(.2), nn.Linear(width, 1))
    return G, D


def dcgan28(width=64, size=28, penalised=False, **_):
    first = size // 4
    G = nn.Sequential(
        nn.Unflatten(1, (64, 1, 1)), up(64, 2 * width, first, 1, 0, False), nn.BatchNorm2d(2 * width), nn.ReLU(True),
        up(2 * width, width, 4, 2, 1, False), nn.BatchNorm2d(width), nn.ReLU(True), up(width, 1, 4, 2, 1), nn.Tanh())
    D = nn.Sequential(
        conv(1, width, 4, 2, 1), nn.LeakyReLU(.2, not penalised), conv(width, 2 * width, 4, 2, 1, penalised),
        nn.Identity() if penalised else nn.BatchNorm2d(2 * width), nn.LeakyReLU(.2, not penalised),
        conv(2 * width, 1, first, 1, 0))
    return G, D


def dcgan64(width=64, **_):
    G, D, w = [nn.Unflatten(1, (100, 1, 1))], [], width
    for i, (a, b) in enumerate([(100, 8 * w), (8 * w, 4 * w), (4 * w, 2 * w), (2 * w, w)]):
        G += [up(a, b, 4, 2 if i else 1, 1 if i else 0, False), nn.BatchNorm2d(b), nn.ReLU(True)]
    for i, (a, b) in enumerate([(3, w), (w, 2 * w), (2 * w, 4 * w), (4 * w, 8 * w)]):
        D += [conv(a, b, 4, 2, 1, False)] + ([nn.BatchNorm2d(b)] if i else []) + [nn.LeakyReLU(.2, True)]
    return nn.Sequential(*G, up(w, 3, 4, 2, 1, False), nn.Tanh()), nn.Sequential(*D, conv(8 * w, 1, 4, 1, 0, False))


class Residual(nn.Module):
    def __init__(self, main, skip=None):
        super().__init__()
        self.main, self.skip = main, skip or nn.Identity()

    def forward(self, x):
        return self.main(x) + self.skip(x)


class SumPool(nn.Module):
    def forward(self, x):
        return x.sum((2, 3))


def sngan32(width=256, **_):
    g, d = width, width // 2
    sn = nn.utils.spectral_norm

    def grow():
        return Residual(
            nn.Sequential(nn.BatchNorm2d(g), nn.ReLU(), nn.Upsample(scale_factor=2), conv(g, g, 3, 1, 1),
                          nn.BatchNorm2d(g), nn.ReLU(), conv(g, g, 3, 1, 1)),
            nn.Sequential(nn.Upsample(scale_factor=2), conv(g, g, 1, 1, 0)))

    def c3(i, o):
        return sn(conv(i, o, 3, 1, 1))

    def keep():
        return Residual(nn.Sequential(nn.ReLU(), c3(d, d), nn.ReLU(), c3(d, d)))

    G = nn.Sequential(nn.Linear(128, 16 * g), nn.Unflatten(1, (g, 4, 4)), grow(), grow(), grow(), nn.BatchNorm2d(g),
                      nn.ReLU(), conv(g, 3, 3, 1, 1), nn.Tanh())
    D = nn.Sequential(
        Residual(nn.Sequential(c3(3, d), nn.ReLU(), c3(d, d), nn.AvgPool2d(2)),
                 nn.Sequential(nn.AvgPool2d(2), sn(conv(3, d, 1, 1, 0)))),
        Residual(nn.Sequential(nn.ReLU(), c3(d, d), nn.ReLU(), c3(d, d), nn.AvgPool2d(2)),
                 nn.Sequential(sn(conv(d, d, 1, 1, 0)), nn.AvgPool2d(2))),
        keep(), keep(), nn.ReLU(), SumPool(), sn(nn.Linear(d, 1)))
    return G, D


# name: networks, latent, batch, shape of the data, whether G's move makes samples of its own
GAMES = {
    "mlp_ring": (mlp_ring, 2, 512, None, True),
    "dcgan28": (dcgan28, 64, 64, (1, 28), False),
    "dcgan28_r1": (dcgan28, 64, 64, (1, 28), False),
    "dcgan28_gp": (dcgan28, 64, 64, (1, 28), False),
    "dcgan64": (dcgan64, 100, 64, (3, 64), False),
    "sngan32": (sngan32, 128, 32, (3, 32), True),
}


def flags(variant):
    return dict(part.split("=") if "=" in part else (part, True) for part in variant.split("+") if part)


def adam(module, how):
    options = {}
    if "foreach" in how:
        options["foreach"] = True
    if "fused" in how:
        options["fused"] = True
    return torch.optim.Adam(module.parameters(), lr=2e-4, betas=(.5, .999), **options)


def game(name, how, options):
    make, latent, batch, picture, fresh = GAMES[name]
    batch = options.get("batch", batch)
    penalised = name.endswith("_r1") or name.endswith("_gp")
    size = options.get("size", picture and picture[1])
    Transpose.patched = "patched" in how
    layout = {"memory_format": torch.channels_last if "channels_last" in how else torch.contiguous_format}
    G, D = make(penalised=penalised, **{k: v for k, v in options.items() if k in ("width", "size")})
    if picture:
        G, D = G.to(**layout), D.to(**layout)
        data = (torch.rand(512, picture[0], size, size) * 2 - 1).contiguous(**layout)
    angles = torch.arange(8) * (2 * torch.pi / 8)
    centres = torch.stack([angles.cos(), angles.sin()], 1)
    opt_d, opt_g = adam(D, how), adam(G, how)
    cast = torch.autocast("cpu", torch.bfloat16) if options.get("precision") == "bf16" else contextlib.nullcontext()
    hinge = name in ("mlp_ring", "sngan32")

    def real_batch():
        if picture:
            return data[torch.randint(len(data), (batch,))]
        return centres[torch.randint(8, (batch,))] + .01 * torch.randn(batch, 2)

    def penalty(real, fake, scores):
        if name.endswith("_r1"):
            slope, = torch.autograd.grad(scores.sum(), real, create_graph=True)
            return 5 * slope.square().sum((1, 2, 3)).mean()
        a = torch.rand(batch, 1, 1, 1)
        u = (real * a + fake * (1 - a)).requires_grad_()
        slope, = torch.autograd.grad(D(u).sum(), u, create_graph=True)
        return 10 * (slope.flatten(1).norm(dim=1) - 1).square().mean()

    def step():
        real = real_batch()
        with cast:
            if fresh:
                with torch.no_grad():
                    fake = G(torch.randn(batch, latent))
            else:
                fake = G(torch.randn(batch, latent))
            shown = fake.detach()
            if name.endswith("_r1"):
                real.requires_grad_()
            r, f = D(real).flatten(), D(shown).flatten()
            loss = (F.relu(1 - r).mean() + F.relu(1 + f).mean()) if hinge else (F.softplus(-r).mean() + F.softplus(f).mean())
            if penalised:
                loss = loss + penalty(real, shown, r)
        opt_d.zero_grad(set_to_none=True)
        loss.backward()
        opt_d.step()
        D.requires_grad_(False)
        with cast:
            if fresh:
                fake = G(torch.randn(batch, latent))
            f = D(fake).flatten()
            loss = -f.mean() if hinge else F.softplus(-f).mean()
        opt_g.zero_grad(set_to_none=True)
        loss.backward()
        opt_g.step()
        D.requires_grad_(True)

    return step


def sample(how, options):
    Transpose.patched = "patched" in how
    layout = {"memory_format": torch.channels_last if "channels_last" in how else torch.contiguous_format}
    G = dcgan28()[0].to(**layout).eval()

    def step():
        with torch.no_grad():
            for _ in range(options.get("count", 10000) // 250):
                G(torch.randn(250, 64))
    return step


def load(options):
    def step():
        with open(options["file"], "rb") as file:
            _, n, h, w = struct.unpack(">4i", file.read(16))
            pixels = torch.frombuffer(bytearray(file.read()), dtype=torch.uint8).view(n, 1, h, w)
        order = torch.randperm(n)
        for k in range(n // 64):
            pixels[order[64 * k:64 * k + 64]].float().div_(127.5).sub_(1)
    return step


def make(name, variant, options):
    how = flags(variant)
    torch.set_num_threads(int(how.get("threads", options.get("threads", torch.get_num_threads()))))
    if name == "sample":
        return sample(how, options)
    if name == "load":
        return load(options)
    return game(name, how, options)


def timed(step, n):
    times = []
    for _ in range(n):
        before = time.perf_counter()
        step()
        times.append((time.perf_counter() - before) * 1000)
    return times


def choose(name, options):
    """Milliseconds of every variant: the layouts first, then what is left on top of the best of them."""
    found = {}

    def attempt(variant):
        try:
            step = make(name, variant, options)
            first = timed(step, 2)[1]
            found[variant] = min(timed(step, max(2, min(20, int(500 / first)))))
        except (RuntimeError, TypeError, ValueError):
            pass  # this PyTorch has no such way

    bases = [""]
    if name not in ("mlp_ring", "load"):
        bases = ["", "channels_last", "patched", "channels_last+patched"]
        if name == "sngan32":
            bases = bases[:2]
    for base in bases:
        attempt(base)
    best = min(found, key=found.get)
    for more in [] if name in ("sample", "load") else ["foreach", "fused"]:
        attempt(best + "+" + more)
    best = min(found, key=found.get)
    if name in ("mlp_ring", "load"):
        attempt(best + "+threads=1")
    return found


def main():
    options = {}
    for text in sys.argv[2:]:
        key, value = text.split("=", 1)
        options[key] = int(value) if value.isdigit() else value

    def say(row):
        print(json.dumps(row), flush=True)

    if options.get("variants") == "all":
        say({"variants": choose(sys.argv[1], options)})
        return
    step = make(sys.argv[1], options.get("variant", ""), options)
    say({"what": "PyTorch", "version": torch.__version__, "threads": torch.get_num_threads()})
    for line in iter(sys.stdin.readline, "end\n"):
        if not line:
            break
        say({"ms": timed(step, int(line))})
    say({"peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024})


main()
