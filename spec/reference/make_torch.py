"""Writes the files of torch/ beside this one: networks' weights as PyTorch saves them, with what the networks make.

    python3 spec/reference/make_torch.py        (torch, safetensors)

NAME.safetensors is a module's state_dict; NAME_io.safetensors has an input `x` and the output `y` in eval mode, pictures
N x C x H x W.
"""

import os

import torch
from torch import nn
from safetensors.torch import save_file

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "torch")
torch.manual_seed(5)


class Inside(nn.Module):
    """A network in a field, as in PyTorch's DCGAN example."""

    def __init__(self, field, *layers):
        super().__init__()
        self.field = field
        setattr(self, field, nn.Sequential(*layers))

    def forward(self, x):
        return getattr(self, self.field)(x)


class Named(nn.Module):
    """Layers by names that are not in the order of their use."""

    def __init__(self):
        super().__init__()
        self.second = nn.Linear(5, 3)
        self.first = nn.Linear(4, 5)

    def forward(self, x):
        return self.second(torch.relu(self.first(x)))


def live(module, x):
    """Parameters and running statistics that are not their first values."""
    for p in module.parameters():
        p.data += 0.1 * torch.randn_like(p)
    module.train()
    with torch.no_grad():
        for _ in range(4):
            module(x + 0.3 * torch.randn_like(x))
    return module.eval()


def write(name, module, x, change=None):
    live(module, x)
    state = {key: value.contiguous() for key, value in module.state_dict().items()}
    if change:
        state = {key: change(value) if value.is_floating_point() else value for key, value in state.items()}
        module.load_state_dict({key: value.float() for key, value in state.items()})
    save_file(state, os.path.join(HERE, name + ".safetensors"))
    with torch.no_grad():
        save_file({"x": x, "y": module(x).contiguous()}, os.path.join(HERE, name + "_io.safetensors"))


def up(a, b, **more):
    return nn.ConvTranspose2d(a, b, 4, 2, 1, bias=False, **more)


write("dcgan", Inside("main",
    nn.ConvTranspose2d(6, 8, 4, 1, 0, bias=False), nn.BatchNorm2d(8), nn.ReLU(True),
    up(8, 4), nn.BatchNorm2d(4), nn.ReLU(True), up(4, 3), nn.Tanh()), torch.randn(3, 6, 1, 1))

write("projected", nn.Sequential(
    nn.Linear(5, 24), nn.BatchNorm1d(24), nn.ReLU(), nn.Unflatten(1, (4, 3, 2)),
    nn.ConvTranspose2d(4, 6, 3, 2, 1, output_padding=1), nn.LayerNorm([6, 6, 4]), nn.Tanh()), torch.randn(3, 5))

write("discriminator", Inside("net",
    nn.utils.spectral_norm(nn.Conv2d(3, 4, 3, 2, 1)), nn.LeakyReLU(0.2),
    nn.utils.spectral_norm(nn.ConvTranspose2d(4, 5, 3)), nn.Flatten(), nn.BatchNorm1d(5 * 6 * 5), nn.LeakyReLU(0.2),
    nn.utils.spectral_norm(nn.Linear(5 * 6 * 5, 1))), torch.randn(3, 3, 8, 6))

write("parametrized", nn.Sequential(
    nn.utils.parametrizations.spectral_norm(nn.Linear(4, 6)), nn.ReLU(),
    nn.utils.parametrizations.spectral_norm(nn.Linear(6, 2, bias=False))), torch.randn(3, 4))

write("half", nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3)), torch.randn(3, 4), lambda t: t.half())
write("bfloat", nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3)), torch.randn(3, 4), lambda t: t.bfloat16())
write("named", Named(), torch.randn(3, 4))
