"""Sparse vectors: find the one that is planted in a subspace, up to rotation and up to a canonical transformation.

usage: python examples/train_sparse_vectors.py [--short] [--seeds N] [--out FOLDER] [--force]

A sparse vector v of R^100 and random ones span a small subspace. All that is given is a basis of it, a 100 x d matrix
S, and any other orthonormal basis S g would do as well: seen by rows, 100 vectors of R^d that are known up to O(d). A
network writes a symmetric matrix A of R^d, which turns with them, and the guess of v is the top eigenvector of S A S^T
(Gregory et al., Tensor learning with orthogonal, Lorentz, and symplectic symmetries, arXiv 2406.01552, after a method
without training: the sum of squares of Hopkins et al., arXiv 1512.02337, and Mao and Wein, arXiv 2105.15081).

v is drawn in four ways, from that paper; `SPARSE` is the share of its entries that stand out:

    threshold      a Gaussian vector, kept if its fourth powers sum to at least 1 / (SPARSE n): hardly sparse
    Gaussian       entries are 0, and Gaussian with probability SPARSE
    two Gaussians  entries are Gaussian, wide with probability SPARSE, else narrow
    signs          entries are 0, and 1 or -1 with probability SPARSE

Each has a network of its own, and all four are trained side by side. The other vectors are Gaussian, and rows are
alike, so that S(100) is a symmetry, too.

The same up to Sp(6) is a question which that paper leaves open: the basis is S = Q g with Q orthonormal of 6 columns
and g symplectic, so that it is not orthonormal any more, and stretched by up to e^`GENTLE` in training and e^`STRONG`
in a second test. Again A is a symmetric matrix that g moves, and S A S^T does not change.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor, nn

import eqsynth as eq
from training import Baseline, Budget, Contender, Data, Found, Task, main, parameters, width_for

N, SPARSE = 100, 0.25
KINDS = ("threshold", "Gaussian", "two Gaussians", "signs")
GENTLE, STRONG = 0.5, 1.5  # bases are stretched by up to e to this power
MATRICES, INVARIANTS, WIDTH = 3, 6, 6
SHORT = Budget((100,), 20, 25, (1e-2,), checks=1)
STEPS, RATES = 150, (3e-3, 1e-2)
LARGEST = 50


# --- the data ---------------------------------------------------------------------------------------------


def sparse(kind: str, count: int, generator: torch.Generator) -> Tensor:
    """Planted vectors of length 1, (count, n)."""
    draw, here = partial(torch.randn, generator=generator), partial(torch.rand, generator=generator)
    if kind == "threshold":
        kept = torch.empty(0, N)
        while len(kept) < count:
            v = nn.functional.normalize(draw(20 * count, N))
            kept = torch.cat((kept, v[v.pow(4).sum(1) >= 1 / (SPARSE * N)]))
        return kept[:count]
    chosen, values = here(count, N) < SPARSE, draw(count, N)
    if kind == "Gaussian":
        v = values * chosen
    elif kind == "signs":
        v = values.sign() * chosen
    else:
        q = ((1 - SPARSE) * (1 - 3 * SPARSE) / 3) ** 0.5
        wide, narrow = ((SPARSE + q) / SPARSE) ** 0.5, ((1 - SPARSE - q) / (1 - SPARSE)) ** 0.5
        v = values * torch.where(chosen, wide, narrow)
    return nn.functional.normalize(v)


def orthonormal(s: Tensor) -> tuple[Tensor, Tensor]:
    """S = Q R for each S (count, n, d): an orthonormal basis of the same space, and R (count, d, d)."""
    r = torch.linalg.cholesky(s.mT @ s).mT
    return torch.linalg.solve_triangular(r, s, upper=True, left=False), r


def canonical(count: int, half: int, reach: float, generator: torch.Generator) -> Tensor:
    """Random elements of Sp(2 half): unitary, stretched by up to exp(reach), and unitary again."""
    turns = []
    for _ in range(2):
        u = torch.linalg.qr(torch.randn(count, half, half, dtype=torch.complex64, generator=generator)).Q
        parts = torch.stack((torch.stack((u.real, -u.imag), -1), torch.stack((u.imag, u.real), -1)), -2)
        turns.append(parts.permute(0, 1, 3, 2, 4).reshape(count, 2 * half, 2 * half))
    power = reach * (2 * torch.rand(count, half, 1, generator=generator) - 1)
    stretch = torch.cat((power, -power), 2).reshape(count, 1, 2 * half).exp()
    return turns[0] * stretch @ turns[1]


def problems(count: int, d: int, seed: int, reach: float | None = None) -> Data:
    """For each kind a basis S (n, d) as input and the planted vector (n) as target; ``reach``: moved by Sp(d)."""
    generator = torch.Generator().manual_seed(seed)
    bases, planted = [], []
    for kind in KINDS:
        v = sparse(kind, count, generator)
        others = torch.randn(count, N, d - 1, generator=generator)
        together = torch.cat((v.unsqueeze(2), nn.functional.normalize(others, dim=1)), 2)
        q, _ = orthonormal(together)
        s = q @ torch.linalg.qr(torch.randn(count, d, d, generator=generator)).Q
        if reach is not None:
            s = s @ canonical(count, d // 2, reach, generator)
        bases.append(s)
        planted.append(v)
    return Data(tuple(bases), tuple(planted))


def turned(data: Data, generator: torch.Generator) -> Data:
    """The same subspaces, each by another orthonormal basis."""
    moved = []
    for s in data.inputs:
        g = torch.linalg.qr(torch.randn(len(s), s.shape[2], s.shape[2], generator=generator)).Q
        moved.append(s @ g)
    return Data(tuple(moved), data.targets)


def stretched(data: Data, generator: torch.Generator) -> Data:
    """The same subspaces, each by another basis that Sp(d) makes of it."""
    moved = tuple(s @ canonical(len(s), s.shape[2] // 2, GENTLE, generator) for s in data.inputs)
    return Data(moved, data.targets)


# --- how good a guess is ----------------------------------------------------------------------------------


def loss(guesses: Sequence[Tensor | None], planted: Sequence[Tensor]) -> Tensor:
    """1 minus the share of v that a guess has, added up over the kinds: guesses are (count, n, directions)."""
    pairs = zip(guesses, planted, strict=True)
    return torch.stack([1 - (v.unsqueeze(1) @ y).square().sum((1, 2)).mean() for y, v in pairs if y is not None]).sum()


def errors(guesses: Sequence[Tensor | None], planted: Sequence[Tensor]) -> list[float | None]:
    """1 minus the mean squared inner product of v and the first direction of a guess: 0 is found, 1 is orthogonal."""
    found: list[float | None] = []
    for y, v in zip(guesses, planted, strict=True):
        if y is not None:
            first = y @ torch.linalg.eigh(y.mT @ y).eigenvectors[..., -1:]
            found.append(1 - (v * nn.functional.normalize(first, dim=1)[..., 0]).sum(1).square().mean().item())
    return found


def any_direction(_data: Data) -> Callable[..., tuple[Tensor, ...]]:
    """The first vector of an orthonormal basis: it has nothing to do with the planted one."""
    return lambda *bases: tuple(orthonormal(s)[0][..., :1] for s in bases)


def spectral(s: Tensor, a: Tensor) -> Tensor:
    """The eigenvectors of S A S^T, the one of the largest eigenvalue first, as far as they count: (count, n, d).

    They count as in a softmax of eigenvalues, which are kept below `LARGEST`. An eigenvector alone has no derivative
    where two eigenvalues meet.
    """
    q, r = orthonormal(s)
    m = r @ a @ r.mT
    m = m / (1 + m.square().sum((1, 2), keepdim=True).add(1e-12).sqrt() / LARGEST)
    top = torch.linalg.eigvalsh(m.detach())[:, -1, None, None]
    y = torch.linalg.matrix_exp((m - top * torch.eye(m.shape[1])) / 2)
    directions: Tensor = q @ (y / y.square().sum((1, 2), keepdim=True).sqrt())
    return directions


def sum_of_squares(orthonormalised: bool = True) -> Baseline:
    """Without training: A is the sum of (|a|^2 - d/n) a a^T over the rows a of the basis.

    ``orthonormalised``: of the orthonormal basis that Gram and Schmidt make of it, which is what the method needs.
    """

    def guess(*bases: Tensor) -> tuple[Tensor, ...]:
        found = []
        for given in bases:
            s = orthonormal(given)[0] if orthonormalised else given
            a = s.mT @ ((s.square().sum(2, keepdim=True) - s.shape[2] / N) * s)
            found.append(s @ torch.linalg.eigh(a).eigenvectors[..., -1:])
        return tuple(found)

    return Baseline("sum of squares" + ("" if orthonormalised else ", basis as it is"), lambda _: guess)


# --- the networks -----------------------------------------------------------------------------------------


class Spectral(nn.Module):
    """One network for each kind, each from a basis to a symmetric matrix A; the guess is the top of S A S^T.

    ``form``: the matrix by which vectors of the group become dual vectors, the identity for O(d).
    """

    def __init__(self, build: Callable[[], nn.Module], form: Tensor) -> None:
        super().__init__()
        self.networks = nn.ModuleList(build() for _ in KINDS)
        self.form = nn.Buffer(form)

    def forward(self, *bases: Tensor) -> tuple[Tensor, ...]:
        """Bases (count, n, d) to guesses (count, n, d)."""
        pairs = zip(self.networks, bases, strict=True)
        return tuple(spectral(s, self.form @ network(s) @ self.form.mT) for network, s in pairs)


class Equivariant(nn.Module):
    """A = sum of h z z^T over vectors z of the group, made of the rows of S, and invariants h.

    The rows a give symmetric matrices M of the group, and each with these vectors M a, and invariants. ``alike``: the
    weights h are an S(n)-equivariant function of the invariants, each row treated alike; else a perceptron's.
    """

    def __init__(self, group: str, alike: bool, width: int) -> None:
        super().__init__()
        self.moments = eq.Power(f"S({N}) x {group}", "1x(1,1)", 2, f"{MATRICES}x(0,S2)", bias=False)
        self.vectors = eq.TensorProduct(group, f"{MATRICES}xS2", "1x1", f"{MATRICES}x1", bias=False)
        self.invariants = eq.TensorProduct(group, f"{MATRICES}x1", "1x1", f"{INVARIANTS}x0")
        wide, out = INVARIANTS * N, (MATRICES + 1) * N
        if alike:
            spaces = [f"{INVARIANTS}x1", f"{width}x1", f"{width}x1", f"{MATRICES + 1}x1"]
            self.weights: nn.Module = eq.nn.MLP(f"S({N})", spaces, activation="silu", normalization="mean")
        else:
            layers = nn.Linear(wide, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, out)
            self.weights = nn.Sequential(nn.Flatten(), *layers, nn.Unflatten(1, (N, MATRICES + 1)))

    def forward(self, s: Tensor) -> Tensor:
        """(count, n, d) to (count, d, d)."""
        a = s.unsqueeze(3) * N**0.5  # numbers near 1
        m = self.moments(a).unsqueeze(1).expand(-1, N, -1, -1, -1)
        y = self.vectors(m, a)
        h = self.weights(self.invariants(y, a)).unsqueeze(2)
        z = torch.cat((a, y), 3)
        matrix: Tensor = (h * z).transpose(1, 2).flatten(2) @ z.transpose(1, 2).flatten(2).mT / N**0.5
        return matrix


class Perceptron(nn.Module):
    """Reads the basis and writes a symmetric matrix."""

    def __init__(self, d: int, width: int) -> None:
        super().__init__()
        inner = nn.Linear(N * d, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU()
        self.layers, self.d = nn.Sequential(*inner, nn.Linear(width, d * (d + 1) // 2)), d

    def forward(self, s: Tensor) -> Tensor:
        """(count, n, d) to (count, d, d)."""
        rows, columns = torch.triu_indices(self.d, self.d)
        a = s.new_zeros(len(s), self.d, self.d)
        a[:, rows, columns] = a[:, columns, rows] = self.layers(s.flatten(1) * N**0.5)
        return a


def contenders(group: str, d: int, form: Tensor, augment: Callable[[Data, torch.Generator], Data]) -> list[Contender]:
    """Of equal size: as wide as it takes."""
    own = partial(Equivariant, group, False, WIDTH)
    count = parameters(own())
    rows, plain = (partial(b, width_for(b, count)) for b in (partial(Equivariant, group, True), partial(Perceptron, d)))
    return [
        Contender(f"S({N}) x {group}", lambda: Spectral(rows, form), equivariant=True),
        Contender(group, lambda: Spectral(own, form), equivariant=True),
        Contender("perceptron", lambda: Spectral(plain, torch.eye(d))),
        Contender("perceptron, moved", lambda: Spectral(plain, torch.eye(d)), augment=augment),
    ]


# --- the comparisons --------------------------------------------------------------------------------------


def _task(name: str, title: str, make: Callable[..., Data], tests: dict[str, Data], short: bool) -> tuple[Task, Budget]:
    budget = SHORT if short else Budget((5000,), STEPS, 25, RATES, checks=3)
    train, valid = make(budget.sizes[-1], seed=1), make(50 if short else 500, seed=2)
    guess = "a direction of the subspace"
    return Task(name, title, KINDS, train, valid, tests, loss, errors, any_direction, guess=guess), budget


def rotations(short: bool) -> tuple[Task, Sequence[Contender], Sequence[Baseline], Budget]:
    """Orthonormal bases, in R^5."""
    make, title = partial(problems, d=5), "Sparse vectors in a subspace, known up to rotation"
    task, budget = _task("sparse_vectors", title, make, {"others": make(50 if short else 500, seed=3)}, short)
    return task, contenders("O(5)", 5, torch.eye(5), turned), [sum_of_squares()], budget


def transformations(short: bool) -> tuple[Task, Sequence[Contender], Sequence[Baseline], Budget]:
    """Bases that are known up to Sp(6)."""
    make, count = partial(problems, d=6, reach=GENTLE), 50 if short else 500
    tests = {"others": make(count, seed=3), "far others": problems(count, d=6, seed=3, reach=STRONG)}
    title = "Sparse vectors in a subspace, known up to canonical transformations"
    task, budget = _task("sparse_vectors_symplectic", title, make, tests, short)
    form = torch.kron(torch.eye(3), torch.tensor([[0.0, 1.0], [-1.0, 0.0]]))
    return task, contenders("Sp(6)", 6, form, stretched), [sum_of_squares(), sum_of_squares(False)], budget


@torch.no_grad()
def checks(found: Found) -> dict[str, float]:
    """Whether a guess depends on the basis of the subspace."""
    noticed = {}
    sp = found.report.task.endswith("symplectic")
    data = problems(100, 6 if sp else 5, 4, reach=GENTLE if sp else None)
    for name, model in found.models.items():
        moved = (stretched if sp else turned)(data, torch.Generator().manual_seed(0))
        pairs = zip(model(*data.inputs), model(*moved.inputs), strict=True)
        worst = max((y @ y.mT - z @ z.mT).abs().max().item() for y, z in pairs)
        noticed[f"largest change of a guess by another basis of the subspace, {name}"] = worst
    return noticed


if __name__ == "__main__":
    main("Find sparse vectors, whatever the orthonormal basis.", rotations, checks)
    print()
    main("Find sparse vectors, whatever the canonical basis.", transformations, checks)
