"""Energies and forces of crystals and clusters from ASE: atoms in, energies and forces out.

usage: python examples/atoms_forces.py [STEPS]

Structures are `ase.Atoms`, with periodic boxes or without, as `ase.io.read` gives them. What is learned here is made by
the effective medium theory that comes with ASE, for copper, silver, gold and their alloys: bulk and clusters, shaken.
The network is that of points_forces.py with numbers for each element, in periodic boxes: messages between neighbours,
with powers of what an atom receives between them, as in

    Batatia et al., MACE, arXiv 2206.07697.

Forces are derivatives of energies, and training on them differentiates twice. After training the network is a
calculator of ASE, so that everything there runs with it: here a crystal that is shaken relaxes to its lattice.

Needs ASE: pip install "eqsynth[examples]".
"""

# mypy: disable-error-code=no-untyped-call
from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

import eqsynth as eq

try:
    from ase.build import bulk
    from ase.calculators.calculator import Calculator, all_changes
    from ase.calculators.emt import EMT
    from ase.cluster import Octahedron
    from ase.optimize import BFGS
except ImportError:
    raise SystemExit(
        'this example reads structures with ASE, which is not here: pip install "eqsynth[examples]"'
    ) from None

CUTOFF, CHANNELS, ELEMENTS = 4.0, 8, (29, 47, 79)


class Potential(nn.Module):
    """From elements (atoms,), positions (atoms, 3), edges and shifts to the part of each atom in the energy, in eV."""

    def __init__(self) -> None:
        super().__init__()
        hidden = f"{CHANNELS}x0 + {CHANNELS}x1 + {CHANNELS}xS2"
        self.embedding = nn.Embedding(len(ELEMENTS), CHANNELS)
        self.first = eq.nn.Message("O(3)", f"{CHANNELS}x0", hidden, CUTOFF)
        self.powers = eq.PolynomialLayer("O(3)", hidden, 3, f"{CHANNELS}x0 + {CHANNELS}x1")
        self.second = eq.nn.Message("O(3)", f"{CHANNELS}x0 + {CHANNELS}x1", f"{2 * CHANNELS}x0", CUTOFF, degree=1)
        self.last = eq.nn.MLP("O(3)", [f"{4 * CHANNELS}x0", f"{2 * CHANNELS}x0", "1x0"])
        self.alone = nn.Embedding(len(ELEMENTS), 1)
        nn.init.zeros_(self.alone.weight)

    def forward(self, elements: Tensor, positions: Tensor, edges: Tensor, shifts: Tensor) -> Tensor:
        """The energy of each atom."""
        x = self.embedding(elements)
        # Sums over a dozen neighbours, made small before they are multiplied.
        received = [y / 4 for y in self.first(x, positions, edges, shifts=shifts)]
        numbers, vectors = self.powers(tuple(received))
        y = self.second((numbers, vectors), positions, edges, shifts=shifts) / 4
        parts: Tensor = self.last(torch.cat((x, numbers, y), -1)) + self.alone(elements)
        return parts.squeeze(1)


def read(atoms: Any) -> tuple[Tensor, ...]:
    """Elements, positions, edges and shifts of a structure."""
    positions = torch.tensor(atoms.positions, dtype=torch.float32)
    # Directions that do not repeat get a vector longer than all distances.
    size = float(positions.max() - positions.min()) + 2 * CUTOFF
    cell = torch.tensor(atoms.cell.complete().array, dtype=torch.float32)
    cell = torch.where(torch.tensor(atoms.pbc)[:, None], cell, cell / cell.norm(dim=1, keepdim=True) * size)
    edges, shifts = eq.nn.neighbors(positions, CUTOFF, cell=cell)
    moved: Any = shifts
    return torch.tensor([ELEMENTS.index(element) for element in atoms.numbers]), positions, edges, moved


def predicted(
    net: nn.Module, structures: Sequence[tuple[Tensor, ...]], training: bool = False
) -> tuple[Tensor, Tensor]:
    """Energies (structures,) and forces (atoms, 3), of what was read."""
    sizes = torch.tensor([len(elements) for elements, *_ in structures])
    elements, positions, edges, shifts = (
        torch.cat(terms, 1 if place == 2 else 0) for place, terms in enumerate(zip(*structures, strict=True))
    )
    edges = edges + (sizes.cumsum(0) - sizes).repeat_interleave(torch.tensor([one[2].shape[1] for one in structures]))
    positions.requires_grad_()
    parts = net(elements, positions, edges, shifts)
    energies = parts.new_zeros(len(sizes)).index_add(0, torch.repeat_interleave(sizes), parts)
    (slopes,) = torch.autograd.grad(energies.sum(), positions, create_graph=training)
    return energies, -slopes


def made(count: int, rng: torch.Generator) -> list[Any]:
    """Shaken and strained crystals of 8 atoms, and clusters of 13, of random elements."""
    structures = []
    for number in range(count):
        element = ("Cu", "Ag", "Au")[int(torch.randint(3, (), generator=rng))]
        atoms = Octahedron(element, 3, 1) if number % 2 else bulk(element, "fcc", cubic=True) * (2, 1, 1)
        other = torch.rand(len(atoms), generator=rng) < 0.3
        atoms.numbers[other.numpy()] = 29
        strain = torch.eye(3) + 0.03 * torch.randn(3, 3, generator=rng)
        if atoms.pbc.any():
            atoms.set_cell(atoms.cell.array @ strain.double().numpy(), scale_atoms=True)
        atoms.positions += 0.1 * torch.randn(len(atoms), 3, generator=rng).double().numpy()
        structures.append(atoms)
    return structures


def reference(structures: Sequence[Any]) -> tuple[Tensor, Tensor]:
    """Energies (structures,) and forces (atoms, 3) of the effective medium theory."""
    energies, forces = [], []
    for atoms in structures:
        copy = atoms.copy()
        copy.calc = EMT()
        energies.append(copy.get_potential_energy())
        forces.append(torch.tensor(copy.get_forces(), dtype=torch.float32))
    return torch.tensor(energies, dtype=torch.float32), torch.cat(forces)


class Learned(Calculator):
    """The network as a calculator of ASE."""

    implemented_properties = ["energy", "forces"]  # noqa: RUF012 - as ASE has it

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def calculate(
        self, atoms: Any = None, properties: Sequence[str] = ("energy",), system_changes: Sequence[str] = all_changes
    ) -> None:
        """Energy and forces, by the names of ASE."""
        super().calculate(atoms, properties, system_changes)
        energies, forces = predicted(self.net, [read(self.atoms)])
        self.results = {"energy": energies.item(), "forces": forces.double().numpy()}


def main(steps: int = 300) -> None:
    """Train on energies and forces, test, and relax a crystal."""
    torch.manual_seed(0)
    rng = torch.Generator().manual_seed(0)
    structures, tests = made(min(2 * steps, 100) + 2, rng), made(min(2 * steps, 40) + 2, rng)
    sizes = torch.tensor([len(atoms) for atoms in structures])
    energies, forces = reference(structures)
    inputs = [read(atoms) for atoms in structures]
    by_atoms = torch.split(forces, sizes.tolist())
    net = Potential()
    optimizer = torch.optim.Adam(net.parameters(), 1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, max(steps, 1))
    for _ in range(steps):
        chosen = torch.randperm(len(structures))[:8]
        found, slopes = predicted(net, [inputs[number] for number in chosen], True)
        loss: Any = ((found - energies[chosen]) / sizes[chosen]).square().mean()
        loss = loss + (slopes - torch.cat([by_atoms[number] for number in chosen])).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    print(f"{sum(p.numel() for p in net.parameters())} parameters")
    sizes, (energies, forces) = torch.tensor([len(atoms) for atoms in tests]), reference(tests)
    found, slopes = predicted(net, [read(atoms) for atoms in tests])
    per_atom = (found - energies) / sizes
    print(
        f"error of energies {1000 * per_atom.square().mean().sqrt():.0f} meV per atom, of forces "
        f"{(slopes - forces).square().mean().sqrt():.3f} eV/A; they spread by "
        f"{1000 * (energies / sizes).std():.0f} and {forces.std():.3f}"
    )
    crystal: Any = bulk("Cu", "fcc", cubic=True)
    crystal.positions += 0.1 * torch.randn(len(crystal), 3).double().numpy()
    crystal.calc = Learned(net)
    before = crystal.get_potential_energy()
    optimiser: Any = BFGS(crystal, logfile=None)
    optimiser.run(fmax=0.02, steps=min(steps, 20))
    gain, distance = before - crystal.get_potential_energy(), crystal.get_distance(0, 1, mic=True)
    print(f"a shaken crystal relaxes by {gain:.3f} eV, to a distance of {distance:.2f} A")


if __name__ == "__main__":
    parser = ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("steps", nargs="?", type=int, default=300, help="how many steps to train")
    main(**vars(parser.parse_args()))
