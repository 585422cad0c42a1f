"""Regressions in 5 and 7 dimensions: a function of two vectors, and volumes of convex hulls.

usage: python examples/train_regressions.py [--short] [--seeds N] [--out FOLDER] [--force]

    function    of two Gaussian vectors x, y of R^d: sin |x| - |y|^3 / 2 + x.y / (|x| |y|)
    volume      of the convex hull of 16 Gaussian points of R^d

These are tasks on which Clifford networks are compared (Filimoshina and Shirokov, arXiv 2506.09625, in d = 5 and 7;
Ruhe et al., arXiv 2305.11141; the function is from Finzi et al., arXiv 2104.09459). Both are invariant under O(d). The
volume does not change either when the points are moved together, for which they are given from their mean, or listed in
another order, which a network of O(d) alone does not know, and one of S(16) x O(d) does.

`Clifford` is a network of multivectors, written out here in PyTorch: those of the two papers are no packages, and
cliffordlayers goes up to 3 dimensions. It has linear maps with a weight for each grade, products with a weight for each
three grades, and norms of each grade at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from itertools import product

import numpy as np
import torch
from numpy.typing import ArrayLike
from scipy.spatial import ConvexHull
from torch import Tensor, nn

import eqsynth as eq
from training import Baseline, Budget, Contender, Data, Found, Task, main, parameters, width_for

POINTS = 16
WIDTH, HULL_WIDTH = 16, 10
CHANNELS, HULL_CHANNELS = 8, 12  # of multivectors
RATES = 3e-3, 1e-2
FUNCTION_SHORT = Budget((300,), 100, 32, (1e-2,), checks=2)
HULL_SHORT = Budget((200,), 40, 32, (1e-2,), checks=1)


# --- the data ---------------------------------------------------------------------------------------------


def function(x: Tensor) -> Tensor:
    """Of pairs of vectors (count, d, 2), (count, 1)."""
    one, other = x.norm(dim=1).unbind(1)
    f: Tensor = one.sin() - other**3 / 2 + x.prod(2).sum(1) / (one * other)
    return f.unsqueeze(1)


def pairs(d: int, count: int, seed: int) -> Data:
    """Pairs of Gaussian vectors."""
    x = torch.randn(count, d, 2, generator=torch.Generator().manual_seed(seed))
    return Data((x,), (function(x),))


def hull_volume(points: ArrayLike) -> float:
    """Of points (count, d)."""
    return float(ConvexHull(points).volume)


@cache
def hulls(d: int, count: int, seed: int) -> Data:
    """Gaussian points (count, d, 16), counted from their mean, and volumes (count, 1)."""
    generator = np.random.default_rng(seed)
    points = generator.standard_normal((count, POINTS, d))
    volumes = np.array([hull_volume(cloud) for cloud in points])
    centred = points - points.mean(1, keepdims=True)
    return Data((torch.tensor(centred.transpose(0, 2, 1)).float(),), (torch.tensor(volumes[:, None]).float(),))


def turned(data: Data, generator: torch.Generator, relabelled: bool = False) -> Data:
    """Turned at random, and, if asked for, listed in another order."""
    (x,) = data.inputs
    x = torch.linalg.qr(torch.randn(len(x), x.shape[1], x.shape[1], generator=generator)).Q @ x
    if relabelled:
        order = torch.rand(len(x), 1, x.shape[2], generator=generator).argsort(2)
        x = x.take_along_dim(order, 2)
    return Data((x,), data.targets)


# --- the networks -----------------------------------------------------------------------------------------


class Perceptron(nn.Module):
    """Reads all coordinates."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        layers = nn.Linear(inputs, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, 1)
        self.layers = nn.Sequential(nn.Flatten(), *layers)

    def forward(self, x: Tensor) -> Tensor:
        """(count, d, vectors) to (count, 1)."""
        y: Tensor = self.layers(x)
        return y


def of_vectors(d: int, vectors: int, width: int) -> nn.Module:
    """O(d): each vector is a channel."""
    hidden = [f"{width}x1 + {2 * width}x0"] * 2
    return eq.nn.MLP(f"O({d})", [f"{vectors}x1", *hidden, f"{2 * width}x0", "1x0"])


class OfPoints(nn.Module):
    """S(16) x O(d): points in any order."""

    def __init__(self, d: int, width: int) -> None:
        super().__init__()
        pairs_of_points = f"{width}x(1,1) + {2 * width}x(1,0) + {width}x(2,0)"
        spaces = ["1x(1,1)", pairs_of_points, pairs_of_points, f"{2 * width}x(0,0)", "1x(0,0)"]
        self.layers = eq.nn.MLP(f"S({POINTS}) x O({d})", spaces)

    def forward(self, x: Tensor) -> Tensor:
        """(count, d, points) to (count, 1)."""
        y: Tensor = self.layers(x.mT.unsqueeze(3))
        return y


@dataclass(frozen=True)
class Table:
    """The product of multivectors of R^d that have some grades only. Blades are sets of coordinates, bits of a number.

    For each blade ``out[k]`` of the product and each ``given[i]`` of the left factor: the place among ``given`` of the
    blade of the right factor that goes with it, the sign, 0 where there is none, and the number of these three grades.
    """

    given: list[int]
    out: list[int]
    others: Tensor
    signs: Tensor
    triples: Tensor

    @classmethod
    @cache
    def of(cls, d: int, grades: tuple[int, ...]) -> Table:
        """Blades of the factors, ``grades``, are among those of the product."""
        given = [blade for blade in range(2**d) if blade.bit_count() in grades]
        out = sorted({i ^ j for i, j in product(given, repeat=2)} | set(given))
        others, signs, triples = (torch.zeros(len(out), len(given), dtype=torch.int64) for _ in range(3))
        numbers: dict[tuple[int, int, int], int] = {}
        for (row, k), (column, i) in product(enumerate(out), enumerate(given)):
            j = i ^ k
            if j in given:
                exchanges = sum(((i >> bit) & 1) * (j & ((1 << bit) - 1)).bit_count() for bit in range(d))
                others[row, column], signs[row, column] = given.index(j), (-1) ** exchanges
                three = i.bit_count(), j.bit_count(), k.bit_count()
                triples[row, column] = numbers.setdefault(three, len(numbers))
        return cls(given, out, others, signs.float(), triples)


class Grades(nn.Module):
    """Channels of multivectors (count, channels, blades) mixed, with weights for each grade."""

    def __init__(self, blades: Sequence[int], channels_in: int, channels_out: int) -> None:
        super().__init__()
        grades = sorted({blade.bit_count() for blade in blades})
        self.weight = nn.Parameter(torch.randn(len(grades), channels_out, channels_in) / channels_in**0.5)
        self.grades = nn.Buffer(torch.tensor([grades.index(b.bit_count()) for b in blades]), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Blade by blade."""
        return torch.einsum("koi,bik->bok", self.weight[self.grades], x)


class Product(nn.Module):
    """The product of each channel with a mixture of all, with weights for each three grades, beside the channels."""

    def __init__(self, table: Table, channels: int) -> None:
        super().__init__()
        self.right, self.left = (Grades(table.given, channels, channels) for _ in range(2))
        self.weight = nn.Parameter(torch.randn(channels, int(table.triples.max()) + 1) / 2)
        self.others, self.signs, self.triples, self.places = (
            nn.Buffer(values, persistent=False)
            for values in (
                table.others,
                table.signs,
                table.triples,
                torch.tensor([table.out.index(b) for b in table.given]),
            )
        )

    def forward(self, x: Tensor) -> Tensor:
        """Factors are divided by 1 + their norm, so that products do not grow."""
        y = self.right(x)
        y = y / (1 + y.norm(dim=2, keepdim=True))
        z = torch.einsum("bci,bcki,cki->bck", x, y[:, :, self.others], self.weight[:, self.triples] * self.signs)
        return z.index_add(2, self.places, self.left(x))


class Clifford(nn.Module):
    """Vectors as multivectors, products of these, norms of each grade, and a perceptron."""

    def __init__(self, d: int, vectors: int, products: int, channels: int, width: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        grades: tuple[int, ...] = (1,)
        for _ in range(products):
            table = Table.of(d, grades)
            layers += (
                [Product(table, channels)]
                if layers
                else [Grades(table.given, vectors, channels), Product(table, channels)]
            )
            grades = tuple(sorted({blade.bit_count() for blade in table.out}))
        self.layers = nn.Sequential(*layers)
        inner = nn.Linear(channels * len(grades), width), nn.SiLU(), nn.Linear(width, width), nn.SiLU()
        self.end = nn.Sequential(*inner, nn.Linear(width, 1))
        counts = torch.tensor([blade.bit_count() for blade in table.out])
        self.of_grade = nn.Buffer((counts.unsqueeze(1) == torch.tensor(grades[1:])).float(), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(count, d, vectors) to (count, 1)."""
        y = self.layers(x.mT)
        # The part of grade 0 is a number by itself, the others are known by their norms.
        norms = (y.square() @ self.of_grade + 1e-6).sqrt()
        z: Tensor = self.end(torch.cat((y[:, :, :1], norms), 2).flatten(1))
        return z


def contenders(builds: dict[str, Callable[[int], nn.Module]], width: int, relabel: bool) -> list[Contender]:
    """Of equal size: the first as wide as ``width``, the others as it takes; the last one also moved at random."""
    count = parameters(next(iter(builds.values()))(width))
    made = [
        Contender(name, partial(build, width_for(build, count)), equivariant=name != "perceptron")
        for name, build in builds.items()
    ]
    moved = partial(turned, relabelled=relabel)
    name = "perceptron, turned and relabelled" if relabel else "perceptron, turned"
    return [*made, Contender(name, made[-1].build, augment=moved)]


# --- the comparisons --------------------------------------------------------------------------------------


def functions(short: bool, d: int) -> tuple[Task, Sequence[Contender], Sequence[Baseline], Budget]:
    """Of two vectors."""
    budget = FUNCTION_SHORT if short else Budget((30, 300, 3000), 600, 32, RATES, checks=6)
    task = Task(
        f"function_{d}", f"A function of two vectors of R^{d}", ("f",),
        pairs(d, budget.sizes[-1], 1), pairs(d, 200 if short else 500, 2), {"others": pairs(d, 1000, 3)},
    )  # fmt: skip
    builds: dict[str, Callable[[int], nn.Module]] = {
        f"O({d})": partial(of_vectors, d, 2),
        "Clifford": partial(Clifford, d, 2, 1, CHANNELS),
        "perceptron": partial(Perceptron, 2 * d),
    }
    return task, contenders(builds, WIDTH, relabel=False), [], budget


def volumes(short: bool, d: int) -> tuple[Task, Sequence[Contender], Sequence[Baseline], Budget]:
    """Of hulls."""
    budget = HULL_SHORT if short else Budget((256, 4096), 400, 32, RATES, checks=4)
    task = Task(
        f"hulls_{d}", f"Volumes of convex hulls of 16 points of R^{d}", ("volume",),
        hulls(d, budget.sizes[-1], 1), hulls(d, 100 if short else 500, 2),
        {"others": hulls(d, 100 if short else 1000, 3)},
    )  # fmt: skip
    builds: dict[str, Callable[[int], nn.Module]] = {
        f"S({POINTS}) x O({d})": partial(OfPoints, d),
        f"O({d})": partial(of_vectors, d, POINTS),
        "Clifford": partial(Clifford, d, POINTS, 2, HULL_CHANNELS),
        "perceptron": partial(Perceptron, POINTS * d),
    }
    return task, contenders(builds, HULL_WIDTH, relabel=True), [], budget


@torch.no_grad()
def checks(found: Found) -> dict[str, float]:
    """Mean squares, as they are printed elsewhere, and whether turning changes anything."""
    report, noticed = found.report, {}
    for name in found.models:
        run = next(run for run in report.runs if run.contender == name and run.examples == report.budget.sizes[-1])
        (share,), (raw,) = run.errors["others"], report.raw["others"]
        noticed[f"mean square of the error of the first seed, {name}"] = ((share or 0) * (raw or 0)) ** 2
    dimension = int(report.task.rpartition("_")[2])
    data = (pairs if report.task.startswith("function") else hulls)(dimension, 100, 4)
    moved = turned(data, torch.Generator().manual_seed(0))
    for name, model in found.models.items():
        change = (model(*moved.inputs) - model(*data.inputs)).abs().max() / data.targets[0].std()
        noticed[f"largest change by turning, in units of the spread, {name}"] = change.item()
    return noticed


if __name__ == "__main__":
    for dimension in (5, 7):
        main("Learn a function of two vectors.", partial(functions, d=dimension), checks)
        print()
    for dimension in (5, 7):
        main("Learn volumes of convex hulls.", partial(volumes, d=dimension), checks)
        print()
