"""Mechanics: coupled oscillators in any canonical coordinates.

usage: python examples/train_mechanics.py [--short] [--seeds N] [--out FOLDER] [--force]

Two masses on springs, joined by a third spring, have the energy H(z) = z.S z / 2, where z = (q1, p1, q2, p2) are
positions and momenta, and move by dz/dt = ω S z. From the matrix S and the state now a network predicts

    state          z after time 1
    frequencies    the two at which the system swings

Mechanics has the same form in all canonical coordinates: take z' = g z for any g of the symplectic group Sp(4), and
both predictions should become those of the new coordinates, g z(1) and the same frequencies. With T = ω S ωᵀ in place
of S, which goes to g T gᵀ, all of this is tensors of Sp(4): T has order 2, z order 1, frequencies order 0.

All networks are trained in the coordinates in which the systems are made: masses and springs. They are tested there and
in random other coordinates. Sp(4) is not compact: coordinates may be stretched and squeezed as far as one likes, and
numbers grow with that; `GENTLE` and `STRONG` say how far they are here.

A second comparison adds friction, which is not the same in all canonical coordinates.

None of this has to be learnt: a matrix exponential and a few eigenvalues have it exactly. That is why it tests well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor, nn

import eqsynth as eq
from training import Baseline, Budget, Contender, Data, Found, Task, main, parameters, train, width_for

GROUP = "Sp(4)"
#: ω as eqsynth has it: positions and momenta in turns.
OMEGA = torch.tensor([[0.0, 1, 0, 0], [-1, 0, 0, 0], [0, 0, 0, 1], [0, 0, -1, 0]])
GENTLE, STRONG = 0.5, 1.5  # coordinates are stretched by up to e to this power
FRICTION = 0.5
CHANNELS, DEPTH = 9, 2
SHORT = Budget((256,), 60, 64, (1e-2,), checks=1)
STEPS = 600
PATIENT = 12  # a step of Sp(4) takes about as long as so many of a perceptron
UPPER = torch.triu_indices(4, 4)


# --- the data ---------------------------------------------------------------------------------------------


def energies(count: int, generator: torch.Generator) -> Tensor:
    """The matrices S of random masses and springs, (count, 4, 4)."""
    mass, spring = (0.5 + 1.5 * torch.rand(count, 2, generator=generator) for _ in range(2))
    joint = 1.5 * torch.rand(count, generator=generator)
    s = torch.zeros(count, 4, 4)
    s[:, 1, 1], s[:, 3, 3] = (1 / mass).unbind(1)
    s[:, 0, 0], s[:, 2, 2] = (spring + joint.unsqueeze(1)).unbind(1)
    s[:, 0, 2] = s[:, 2, 0] = -joint
    return s


def canonical(count: int, reach: float, generator: torch.Generator) -> Tensor:
    """Random elements of Sp(4), (count, 4, 4): turned, stretched by up to exp(reach), and turned again.

    Turns are the unitary 2 x 2 matrices, acting on q + ip; every element of Sp(4) is such a product.
    """
    turns = []
    for _ in range(2):
        u = torch.linalg.qr(torch.randn(count, 2, 2, dtype=torch.complex64, generator=generator)).Q
        parts = torch.stack((torch.stack((u.real, -u.imag), -1), torch.stack((u.imag, u.real), -1)), -2)
        turns.append(parts.permute(0, 1, 3, 2, 4).reshape(count, 4, 4))
    power = reach * (2 * torch.rand(count, 2, 1, generator=generator) - 1)
    stretch = torch.cat((power, -power), 2).reshape(count, 1, 4).exp()
    return turns[0] * stretch @ turns[1]


def systems(count: int, seed: int, friction: float = 0) -> Data:
    """Inputs T (4, 4, 1) and z (4, 1); targets z after time 1 (4, 1) and, without friction, frequencies (2)."""
    generator = torch.Generator().manual_seed(seed)
    s, z = energies(count, generator), torch.randn(count, 4, 1, generator=generator)
    flow = OMEGA @ s - friction * torch.diag(torch.tensor([0.0, 1, 0, 1]))
    after = torch.linalg.matrix_exp(flow.double()).float() @ z
    inputs = (OMEGA @ s @ OMEGA.T).unsqueeze(-1), z
    if friction:
        return Data(inputs, (after,))
    frequencies = torch.linalg.eigvals(flow.double()).imag.sort(-1).values[:, 2:].float()
    return Data(inputs, (after, frequencies))


def moved(data: Data, generator: torch.Generator, reach: float = GENTLE) -> Data:
    """The same systems, each in random canonical coordinates."""
    g = canonical(len(data), reach, generator)
    t, z = data.inputs
    after, *numbers = data.targets
    return Data(((g @ t.squeeze(-1) @ g.mT).unsqueeze(-1), g @ z), (g @ after, *numbers))


# --- the networks -----------------------------------------------------------------------------------------


class Symplectic(nn.Module):
    """Layers that multiply tensors of orders 2, 1 and 0 with each other, and gates."""

    def __init__(self, channels: int, outputs: str = "1x1 + 2x0") -> None:
        super().__init__()
        hidden = f"{channels}x2 + {channels}x1 + {channels}x0"
        layers: list[nn.Module] = [eq.Linear(GROUP, "1x2 + 1x1", hidden)]
        for _ in range(DEPTH):
            gated = eq.nn.Gated(GROUP, hidden)
            layers += [eq.PolynomialLayer(GROUP, hidden, 2, gated.space_in), gated]
        self.layers = eq.nn.Sequential(*layers, eq.PolynomialLayer(GROUP, hidden, 2, outputs))

    def forward(self, t: Tensor, z: Tensor) -> tuple[Tensor, ...]:
        """The state after time 1, (4, 1), and frequencies, (2), if these are wanted."""
        y = self.layers((t, z))
        return y if isinstance(y, tuple) else (y,)


class Perceptron(nn.Module):
    """Reads the 10 numbers of T and the 4 of z, and writes everything."""

    def __init__(self, width: int, numbers: int = 2) -> None:
        super().__init__()
        inner = nn.Linear(14, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU()
        self.layers = nn.Sequential(*inner, nn.Linear(width, 4 + numbers))
        self.numbers = numbers

    def forward(self, t: Tensor, z: Tensor) -> tuple[Tensor, ...]:
        """As Symplectic."""
        y: Tensor = self.layers(torch.cat((t[:, UPPER[0], UPPER[1], 0], z[..., 0]), -1))
        after = y[:, :4].unsqueeze(-1)
        return (after, y[:, 4:]) if self.numbers else (after,)


class Propagator(nn.Module):
    """A perceptron that writes a matrix from T, by which z is multiplied: it knows that motion is linear in z."""

    def __init__(self, width: int, numbers: int = 2) -> None:
        super().__init__()
        inner = nn.Linear(10, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU()
        self.layers = nn.Sequential(*inner, nn.Linear(width, 16 + numbers))
        self.numbers = numbers

    def forward(self, t: Tensor, z: Tensor) -> tuple[Tensor, ...]:
        """As Symplectic."""
        y: Tensor = self.layers(t[:, UPPER[0], UPPER[1], 0])
        after = y[:, :16].reshape(-1, 4, 4) @ z
        return (after, y[:, 16:]) if self.numbers else (after,)


def contenders(numbers: int = 2) -> list[Contender]:
    """Of equal size."""
    net = partial(Symplectic, CHANNELS, "1x1 + 2x0" if numbers else "1x1")
    count = parameters(net())
    plain = partial(Perceptron, width_for(lambda width: Perceptron(width, numbers), count), numbers)
    matrix = partial(Propagator, width_for(lambda width: Propagator(width, numbers), count), numbers)
    return [
        Contender("Sp(4)", net, equivariant=True),
        Contender("perceptron", plain),
        Contender("perceptron, moved", plain, augment=moved),
        Contender("matrix perceptron", matrix),
        Contender("matrix perceptron, moved", matrix, augment=moved),
    ]


# --- the comparisons --------------------------------------------------------------------------------------


def oscillators(short: bool) -> tuple[Task, Sequence[Contender], Sequence[Baseline], Budget]:
    """Trained in one system of coordinates, tested in this one and in others."""
    test = systems(200 if short else 1000, 2)
    tests = {
        "same coordinates": test,
        "others": moved(test, torch.Generator().manual_seed(0)),
        "far others": moved(test, torch.Generator().manual_seed(0), STRONG),
    }
    task = Task(
        "mechanics", "Coupled oscillators in any coordinates", ("state", "frequencies"),
        systems(1024, 0), systems(256, 1), tests,
    )  # fmt: skip
    budget = SHORT if short else Budget((64, 256, 1024), STEPS, 64, (3e-3, 1e-2))
    return task, contenders(), [], budget


def with_friction(short: bool) -> tuple[Task, Sequence[Contender], Sequence[Baseline], Budget]:
    """The same with friction: coordinates matter now."""
    test = systems(200 if short else 1000, 2, FRICTION)
    task = Task(
        "mechanics_friction", "Coupled oscillators with friction", ("state",),
        systems(1024, 0, FRICTION), systems(256, 1, FRICTION), {"same coordinates": test},
    )  # fmt: skip
    chosen = [contender for contender in contenders(0) if contender.augment is None]
    budget = SHORT if short else Budget((256, 1024), STEPS, 64, (1e-2,))
    return task, chosen, [], budget


@torch.no_grad()
def in_both_orders(model: nn.Module, reach: float) -> float:
    """The largest difference between moving before and after the model, as a share of the largest number."""
    data = systems(200, 3)
    g = canonical(len(data), reach, torch.Generator().manual_seed(4))
    t, z = data.inputs
    before, after = model((g @ t[..., 0] @ g.mT).unsqueeze(-1), g @ z)[0], g @ model(t, z)[0]
    share: float = ((before - after).abs().max() / after.abs().max()).item()
    return share


def checks(found: Found) -> dict[str, float]:
    """How far coordinates may be stretched before numbers are too coarse; what more patience gives the perceptron."""
    noticed = {}
    for reach in (GENTLE, STRONG, 3, 5):
        share = in_both_orders(found.models["Sp(4)"], reach)
        noticed[f"Sp(4) in coordinates stretched by up to e^{reach:g}, difference of both orders"] = share
    name, size = "matrix perceptron", found.report.budget.sizes[-1]
    patient = replace(found.report.budget, steps=PATIENT * found.report.budget.steps)
    (chosen,) = (contender for contender in contenders() if contender.name == name)
    run, _, _ = train(oscillators(size < 1024)[0], chosen, patient, found.report.rates[name], 0, size)
    for test, values in run.errors.items():
        noticed[f"{name}, trained {PATIENT} times as long, {test}, state"] = values[0] or 0
    return noticed


if __name__ == "__main__":
    main("Learn how coupled oscillators move.", oscillators, checks)
    print()
    main("Learn how they move with friction.", with_friction)
