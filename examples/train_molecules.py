"""Molecules: an energy and a dipole, learnt at once from elements and positions.

usage: python examples/train_molecules.py [--short] [--seeds N] [--out FOLDER] [--force]

The molecules are the 148 of the G2 set, with 2 to 14 atoms, that come with ASE. From the elements and the positions of
the atoms a network predicts

    energy    a number: the atomisation energy, in eV, from measured enthalpies of formation
    dipole    a vector, in e A, of charges that are computed here: the set has none

The charges are those of the lowest energy, with the electronegativities and hardnesses of Rappe and Goddard, Charge
Equilibration for Molecular Dynamics Simulations, J. Phys. Chem. 95 (1991) 3358, and a screened Coulomb law. The dipole
is therefore a function of the geometry that could be computed exactly; it stands for what is measured.

Turn a molecule, and the dipole turns with it; list its atoms in another order, and nothing changes. Layers of
S(n) x O(3) know both: they go from pairs of atoms, with numbers and vectors for each, to atoms and then to the
molecule. Networks of S(n) get the same numbers for each pair, but as if vectors had no direction. The perceptron reads
lists of elements and coordinates. Both are also trained with molecules turned at random. The number of atoms of each
element, by linear regression, is what the energy is compared with.

A second comparison is about messages between near atoms, layers of O(3) with the atoms as batch axis. The row and the
column of an element in the periodic table are given to some networks, so that elements that are rare among so few
molecules can be likened to others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache, partial
from typing import Any

import numpy as np
import torch
from ase.build import molecule
from ase.data import g2
from ase.units import kcal, mol
from torch import Tensor, nn

import eqsynth as eq
from training import Baseline, Budget, Contender, Data, Found, Predictor, Task, main, parameters, width_for

G2: dict[str, Any] = g2.data
#: Electronegativity and hardness of each element, in eV (Rappe and Goddard).
ELEMENTS = {
    "H": (4.528, 13.8904), "Li": (3.006, 4.772), "Be": (4.877, 8.886), "B": (5.11, 9.5), "C": (5.343, 10.126),
    "N": (6.899, 11.76), "O": (8.741, 13.364), "F": (10.874, 14.948), "Na": (2.843, 4.592), "Al": (4.06, 7.18),
    "Si": (4.168, 6.974), "P": (5.463, 8.0), "S": (6.928, 8.972), "Cl": (8.564, 9.892),
}  # fmt: skip
#: Row and group (the number of its last digit) of each element.
PERIODIC = {
    "H": (1, 1), "Li": (2, 1), "Be": (2, 2), "B": (2, 3), "C": (2, 4), "N": (2, 5), "O": (2, 6), "F": (2, 7),
    "Na": (3, 1), "Al": (3, 3), "Si": (3, 4), "P": (3, 5), "S": (3, 6), "Cl": (3, 7),
}  # fmt: skip
#: The same, near 0 and 1 in size: (elements, 2).
PLACES = torch.tensor([[row - 2, (column - 4) / 2] for row, column in map(PERIODIC.__getitem__, ELEMENTS)])
COULOMB = 14.3996  # of two charges e at 1 A, in eV
LARGEST, KINDS, RADIAL = 14, len(ELEMENTS), 8
OUTPUTS = ("energy", "dipole")
GROUP = "S(n) x O(3)"
WIDTH = 14
USUAL = 3.5  # energy per atom, in eV, from which each network says how far it is
#: How far messages go, in A, and what a number that they lead to stands for, in eV.
REACH, AS_LARGE = 3.6, 4.0
Outputs = tuple[Tensor, Tensor]


# --- the data ---------------------------------------------------------------------------------------------


def charges(symbols: Sequence[str], positions: np.ndarray) -> np.ndarray:
    """Charges of the lowest energy, of sum 0, with Coulomb's law softened so that at distance 0 it is the hardness."""
    negativity, hardness = np.array([ELEMENTS[symbol] for symbol in symbols]).T
    squares = ((positions[:, None] - positions) ** 2).sum(-1)
    mean = (hardness[:, None] + hardness) / 2
    n = len(symbols)
    system = np.ones((n + 1, n + 1))  # the last row and column: charges add up to 0
    system[:n, :n] = COULOMB / np.sqrt(squares + (COULOMB / mean) ** 2)
    system[n, n] = 0
    solved: np.ndarray = np.linalg.solve(system, np.append(-negativity, 0))
    return solved[:n]


def atomisation(name: str, symbols: Sequence[str]) -> float:
    """Energy to take a molecule apart, in eV: measured enthalpies, less computed vibrations and heat."""
    own = G2[name]
    apart = sum(G2[symbol]["enthalpy"] - G2[symbol]["thermal correction"] for symbol in symbols)
    together = own["enthalpy"] - own["ZPE"] - own["thermal correction"]
    return float((apart - together) * kcal / mol)


@cache
def molecules() -> Data:
    """All molecules in random order, as the set lists them: many stand along the axes. Padding is zeros behind."""
    names = [name for name in g2.molecule_names if "ZPE" in G2[name]]  # single atoms have none
    rows = []
    for place in np.random.default_rng(0).permutation(len(names)):
        atoms = molecule(names[place])  # type: ignore[no-untyped-call]
        n = len(atoms)
        kinds, positions = np.zeros((LARGEST, KINDS)), np.zeros((LARGEST, 3))
        kinds[np.arange(n), [list(ELEMENTS).index(symbol) for symbol in list(atoms.symbols)]] = 1
        positions[:n] = atoms.positions - atoms.positions.mean(0)
        energy = atomisation(names[place], list(atoms.symbols))
        dipole = charges(list(atoms.symbols), atoms.positions) @ positions[:n]
        rows.append((kinds, positions, n, [energy], dipole[:, None]))
    kinds, positions, sizes, *targets = (np.stack(column) for column in zip(*rows, strict=True))
    inputs = torch.from_numpy(kinds).float(), torch.from_numpy(positions).float(), torch.from_numpy(sizes)
    return Data(inputs, tuple(torch.from_numpy(target).float() for target in targets))


def turned(data: Data, generator: torch.Generator) -> Data:
    """Each molecule turned or reflected at random, and its dipole with it."""
    (kinds, positions, sizes), (energy, dipole) = data.inputs, data.targets
    factors = torch.linalg.qr(torch.randn(len(data), 3, 3, generator=generator, dtype=positions.dtype))
    turns = factors.Q * factors.R.diagonal(dim1=1, dim2=2).sign().unsqueeze(1)  # evenly distributed
    return Data((kinds, positions @ turns.mT, sizes), (energy, turns @ dipole))


def moved(data: Data, generator: torch.Generator) -> Data:
    """Molecules turned, and their atoms in random order."""
    kinds, positions, sizes = data.inputs
    padding = torch.arange(LARGEST) >= sizes.unsqueeze(1)
    order = (torch.rand(len(data), LARGEST, generator=generator) + padding).argsort(1)
    each = torch.arange(len(data)).unsqueeze(1)
    return turned(Data((kinds[each, order], positions[each, order], sizes), data.targets), generator)


# --- the networks -----------------------------------------------------------------------------------------


def pairs(positions: Tensor) -> tuple[Tensor, Tensor]:
    """For each two atoms numbers (..., 8) and vectors (..., 3, 2): how far, and where."""
    between = positions.unsqueeze(1) - positions.unsqueeze(2)
    distance = between.norm(dim=-1, keepdim=True)
    radial = torch.exp(-(((distance - torch.linspace(0.8, 3.6, RADIAL)) / 0.4) ** 2))
    return radial, torch.stack((between / distance.clamp_min(1e-6), between / 2), -1)


class Turning(nn.Module):
    """Layers of S(n) x O(3): from pairs of atoms to atoms, and to the molecule."""

    def __init__(self, width: int) -> None:
        super().__init__()
        start = f"{KINDS}x(1,0) + {RADIAL}x(2,0) + 2x(2,1)"
        hidden = [f"{width}x({k},0) + {width}x({k},1)" for k in (2, 1)]
        net = eq.nn.MLP(GROUP, [start, *hidden, "1x(0,0) + 1x(0,1)"], normalization="mean")
        self.net = eq.nn.Padded(net)

    def forward(self, kinds: Tensor, positions: Tensor, sizes: Tensor) -> Outputs:
        """Energy and dipole."""
        energy, dipole = self.net((kinds, *pairs(positions)), sizes)
        return sizes.unsqueeze(1) * (USUAL + energy), dipole


class Relabelling(nn.Module):
    """Layers of S(n) alone: components of vectors are numbers like any other. ``places``: in the periodic table."""

    def __init__(self, width: int, places: bool = False) -> None:
        super().__init__()
        self.places = places
        start = f"{KINDS + (2 if places else 0)}x1 + {RADIAL + 2 * 3}x2"
        spaces = [start, f"{width}x2", f"{width}x1", "4x0"]
        self.net = eq.nn.Padded(eq.nn.MLP("S(n)", spaces, normalization="mean"))

    def forward(self, kinds: Tensor, positions: Tensor, sizes: Tensor) -> Outputs:
        """Energy and dipole."""
        edges = torch.cat([term.flatten(3) for term in pairs(positions)], -1)
        atoms = torch.cat((kinds, kinds @ PLACES), -1) if self.places else kinds
        return separate(self.net((atoms, edges), sizes), sizes)


class Messages(nn.Module):
    """What each atom receives from those around it, layers of O(3).

    ``places``: an element is its place in the periodic table, and messages read those of both ends. Else it has a name.
    """

    def __init__(self, width: int, places: bool = False) -> None:
        super().__init__()
        self.places = places
        numbers, vectors = f"{width}x0", f"{width // 2}x1"
        hidden = f"{numbers} + {vectors}"
        self.start = nn.Linear(2 if places else KINDS, width)
        nn.init.normal_(self.start.weight)
        self.message = eq.nn.Message("O(3)", numbers, hidden, REACH, degree=1, edge_dim=4 if places else 0)
        self.update = eq.nn.MLP("O(3)", [f"{2 * width}x0 + {vectors}", hidden, hidden])
        self.last = eq.nn.MLP("O(3)", [hidden, hidden, "2x0 + 1x1"])

    def forward(self, kinds: Tensor, positions: Tensor, sizes: Tensor) -> Outputs:
        """Energy and dipole: sums over atoms, of numbers, and of vectors and charges times positions."""
        there = torch.arange(LARGEST) < sizes.unsqueeze(1)  # no padding from here on
        molecule, place = there.nonzero()[:, 0], positions[there]
        kind = kinds[there] @ PLACES if self.places else kinds[there]
        edge_index, _ = eq.nn.neighbors(place, REACH, molecule)
        ends = torch.cat((kind[edge_index[0]], kind[edge_index[1]]), 1) if self.places else None
        x = self.start(kind)
        received, vectors = self.message(x, place, edge_index, edge_attr=ends)
        change, vectors = self.update((torch.cat((x, received), 1), vectors))
        numbers, vectors = self.last((x + change, vectors))
        energies = USUAL + AS_LARGE * numbers[:, :1]
        dipoles = vectors + numbers[:, 1:, None] * place.unsqueeze(2) / 2
        energy, dipole = (y.new_zeros(len(sizes), *y.shape[1:]).index_add(0, molecule, y) for y in (energies, dipoles))
        return energy, dipole


class Perceptron(nn.Module):
    """Reads elements and coordinates of all atoms, padded with zeros."""

    def __init__(self, width: int) -> None:
        super().__init__()
        inner = nn.Linear(LARGEST * (KINDS + 3), width), nn.ReLU(), nn.Linear(width, width), nn.ReLU()
        self.layers = nn.Sequential(*inner, nn.Linear(width, 4))

    def forward(self, kinds: Tensor, positions: Tensor, sizes: Tensor) -> Outputs:
        """Energy and dipole."""
        return separate(self.layers(torch.cat((kinds, positions), -1).flatten(1)), sizes)


def separate(numbers: Tensor, sizes: Tensor) -> Outputs:
    """Four numbers as an energy and a vector."""
    return sizes.unsqueeze(1) * (USUAL + numbers[:, :1]), numbers[:, 1:].unsqueeze(-1)


def contenders() -> list[Contender]:
    """Of equal size: as wide as it takes."""
    count = parameters(Turning(WIDTH))
    shuffling, plain = (partial(build, width_for(build, count)) for build in (Relabelling, Perceptron))
    return [
        Contender("S(n) x O(3)", partial(Turning, WIDTH), equivariant=True),
        Contender("S(n)", shuffling, equivariant=True),
        Contender("S(n), turned", shuffling, equivariant=True, augment=turned),
        Contender("perceptron", plain),
        Contender("perceptron, turned and relabelled", plain, augment=moved),
    ]


def with_messages() -> list[Contender]:
    """Of the size of the others."""
    count = parameters(Turning(WIDTH))
    builds: list[Callable[[int], nn.Module]] = [partial(Messages, places=True), Messages, Relabelling]
    told, plain, shuffling = (partial(build, width_for(build, count)) for build in builds)
    least = parameters(told())  # widths are whole numbers: the nearest would be too large
    shuffling_told = partial(Relabelling, width_for(partial(Relabelling, places=True), least), places=True)
    return [
        Contender("messages of O(3), periodic table", told, equivariant=True),
        Contender("messages of O(3)", plain, equivariant=True),
        Contender("S(n), turned, periodic table", shuffling_told, equivariant=True, augment=turned),
        Contender("S(n), turned", shuffling, equivariant=True, augment=turned),
    ]


def by_elements(data: Data) -> Predictor:
    """Linear regression of the energy on the number of atoms of each element; a little ridge, as some are rare."""
    counts = data.inputs[0].sum(1)
    weights = torch.linalg.solve(counts.T @ counts + 0.1 * torch.eye(KINDS), counts.T @ data.targets[0])
    return lambda kinds, positions, sizes: (kinds.sum(1) @ weights, None)


# --- the comparison ---------------------------------------------------------------------------------------


def comparison(short: bool) -> tuple[Task, Sequence[Contender], Sequence[Baseline], Budget]:
    """Test molecules as they are listed, and turned with their atoms in random order."""
    data = molecules()
    test = data.take(slice(108, None))
    tests = {"as listed": test, "moved": moved(test, torch.Generator().manual_seed(0))}
    title = "Molecules: an energy and a dipole"
    task = Task(
        "molecules", title, OUTPUTS, data.take(slice(88)), data.take(slice(88, 108)), tests,
        alike=lambda data: data.inputs[2],
    )  # fmt: skip
    budget = Budget((88,), 40, 16, (1e-2,), checks=2) if short else Budget((22, 44, 88), 500, 16)
    return task, contenders(), [Baseline("numbers of atoms, linear", by_elements)], budget


def messages(short: bool) -> tuple[Task, Sequence[Contender], Sequence[Baseline], Budget]:
    """The same molecules and targets, for messages between near atoms, and the best of the others beside them."""
    task, _, baselines, budget = comparison(short)
    task = replace(task, name="molecules_messages", title="Molecules: messages between near atoms")
    return task, with_messages(), baselines, replace(budget, sizes=budget.sizes[-1:])


def symmetric(data: Data) -> Tensor:
    """Whether a molecule has no vector of its own. Ozone has one: it has no dipole here as all its atoms are oxygen."""
    positions = data.inputs[1]
    third = (positions.square().sum(-1, keepdim=True) * positions).sum(1)
    return torch.cat((third, data.targets[1][..., 0]), 1).abs().amax(1) < 1e-3


@torch.no_grad()
def checks(found: Found) -> dict[str, float]:
    """What turning and relabelling changes, and the dipoles that are said of molecules that have none."""
    noticed: dict[str, float] = {}
    data = molecules()
    generator = torch.Generator().manual_seed(0)
    for name, model in found.models.items():
        # The outputs of the network take the place of the targets, and are moved as those are.
        meant = moved(Data(data.inputs, model(*data.inputs)), generator)
        worst = max((a - b).abs().max().item() for a, b in zip(model(*meant.inputs), meant.targets, strict=True))
        noticed[f"largest change by turning and relabelling, {name}"] = worst
    none = data.take(symmetric(data))
    for name, model in found.models.items():
        said = model(*none.inputs)[1].norm(dim=1).max().item()
        noticed[f"largest dipole said of {len(none)} molecules that have none by symmetry, {name}"] = said
    return noticed


if __name__ == "__main__":
    main("Learn energies and dipoles of molecules.", comparison, checks)
    print()
    main("Learn them from messages between near atoms.", messages, checks)
