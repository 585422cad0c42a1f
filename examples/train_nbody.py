"""Charged particles: where five of them are a while later, in space, in the plane and in five dimensions.

usage: python examples/train_nbody.py [--short] [--seeds N] [--out FOLDER] [--force]

Five particles of charge 1 or -1 attract and repel each other in free space. From positions, velocities and charges at
one time a network predicts the positions 1,000 steps later. The simulation is that of

    Kipf et al., Neural relational inference for interacting systems, arXiv 1802.04687,

and the task, with 3,000 trajectories to train on, 2,000 to choose by and 2,000 to test on, that of

    Satorras et al., E(n) equivariant graph neural networks, arXiv 2102.09844,

which made it the usual test of networks for points. Coulomb's law, 1 / r^2, is kept in every dimension.

Wherever the particles are, and however they are turned, the same happens. Networks of `eq.nn.Message` know it: points
have numbers and vectors, messages are products of these with directions, and each layer moves the points a little.
They are compared with a network as in the paper, of which messages are numbers, and vectors are sums of differences
of positions and of the velocity; with a graph network that reads coordinates; and with a perceptron. The last two are
trained with examples turned at random.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, partial
from itertools import combinations, pairwise
from statistics import median

import torch
from torch import Tensor, nn

import eqsynth as eq
from training import Baseline, Budget, Contender, Data, Found, Predictor, Task, errors, main, parameters, width_for

PARTICLES = 5
#: The steps, their length, when a network sees the particles and how much later it says where they are.
STEP, SEEN, AHEAD = 0.001, 3100, 1000
SPREAD, SPEED, LARGEST_FORCE = 1.0, 0.5, 100.0
TRAIN, VALID, TEST = 3000, 2000, 2000
#: In space all networks take the larger rate: no other is tried elsewhere.
RATES = {3: (3e-3, 1e-2), 2: (1e-2,), 5: (1e-2,)}
STEPS = {3: 800, 2: 400, 5: 400}
FAR = 30.0  # the cutoff of messages: farther than particles come
#: Added to the square of distances, where these are divided by.
SOFT = 0.01
WIDTH, LAYERS, ENDS = 32, 4, 8


# --- the data ---------------------------------------------------------------------------------------------


@cache
def trajectories(d: int, count: int, seed: int = 0, seen: int = SEEN, ahead: int = AHEAD) -> Data:
    """Positions, velocities (count, 5, d) and charges (count, 5), and how far each particle gets."""
    generator = torch.Generator().manual_seed(seed)
    charges = torch.randint(2, (count, PARTICLES), generator=generator).double() * 2 - 1
    x = SPREAD * torch.randn(count, PARTICLES, d, generator=generator, dtype=torch.float64)
    v = torch.randn(count, PARTICLES, d, generator=generator, dtype=torch.float64)
    # Trajectories are the last axis: whole rows are added and multiplied.
    x, v = (y.permute(2, 1, 0).contiguous() for y in (x, SPEED * v / v.norm(dim=2, keepdim=True)))
    now = x, v
    for step in range(seen + ahead):
        v = v + STEP * forces(x, charges.T)
        x = x + STEP * v
        now = (x, v) if step + 1 == seen else now
    before, velocity, way = (y.permute(2, 1, 0).float().contiguous() for y in (*now, x - now[0]))
    return Data((before, velocity, charges.float()), (way,))


def forces(x: Tensor, charges: Tensor) -> Tensor:
    """Coulomb's law for positions (d, particles, trajectories), components cut off at 100."""
    first, second = torch.tensor(list(combinations(range(x.shape[1]), 2))).T
    r = x[:, first] - x[:, second]
    square = (r * r).sum(0)
    pull = charges[first] * charges[second] / (square * square.sqrt()) * r
    total = torch.zeros_like(x).index_add(1, first, pull).index_add(1, second, pull, alpha=-1)
    return total.clamp(-LARGEST_FORCE, LARGEST_FORCE)


def turned(data: Data, generator: torch.Generator) -> Data:
    """Each trajectory turned or reflected at random."""
    d = data.targets[0].shape[-1]
    factors = torch.linalg.qr(torch.randn(len(data), d, d, generator=generator, dtype=data.inputs[0].dtype))
    turns = factors.Q * factors.R.diagonal(dim1=1, dim2=2).sign().unsqueeze(1)  # evenly distributed
    x, v, charges = data.inputs
    return Data((x @ turns, v @ turns, charges), (data.targets[0] @ turns,))


def moved(data: Data, generator: torch.Generator) -> Data:
    """Trajectories turned, and their particles in random order."""
    order = torch.rand(len(data), PARTICLES, generator=generator).argsort(1)
    each = torch.arange(len(data)).unsqueeze(1)
    return turned(Data(tuple(y[each, order] for y in data.inputs), (data.targets[0][each, order],)), generator)


@cache
def edges(count: int) -> Tensor:
    """All pairs of different particles of each trajectory, numbered through."""
    pairs = torch.tensor([(i, j) for i in range(PARTICLES) for j in range(PARTICLES) if i != j]).T
    return (pairs.unsqueeze(1) + PARTICLES * torch.arange(count).unsqueeze(1)).flatten(1)


# --- the networks -----------------------------------------------------------------------------------------


class Messages(nn.Module):
    """Numbers and vectors of each particle, changed by what it receives; vectors move the particles."""

    def __init__(self, width: int, d: int) -> None:
        super().__init__()
        group, vectors = f"O({d})", width // 4
        hidden, both = f"{width}x0 + {vectors}x1", f"{2 * width}x0 + {2 * vectors}x1"
        self.start = eq.Linear(group, "2x0 + 2x1", hidden)
        self.norm = eq.nn.LayerNorm(group, hidden)
        self.ends = nn.ModuleList(nn.Linear(width, ENDS) for _ in range(LAYERS))
        self.messages = nn.ModuleList(
            eq.nn.Message(group, hidden, hidden, FAR, degree=1, edge_dim=6 + 2 * ENDS) for _ in range(LAYERS)
        )
        self.updates = nn.ModuleList(eq.nn.MLP(group, [both, hidden, hidden]) for _ in range(LAYERS))
        self.moves = nn.ModuleList(eq.Linear(group, f"{vectors}x1", "1x1") for _ in range(LAYERS))
        with torch.no_grad():  # at first little changes from layer to layer
            for module in (*self.moves, *[list(update.children())[-1] for update in self.updates]):
                for weights in module.parameters():
                    weights.mul_(0.1)

    def forward(self, x: Tensor, v: Tensor, charges: Tensor) -> Tensor:
        """How far each particle gets."""
        edge_index = edges(len(x))
        begin = (x - x.mean(1, keepdim=True)).flatten(0, 1)
        position, velocity, charge = begin, v.flatten(0, 1), charges.flatten()
        speed = velocity.square().sum(1)
        state = self.start((torch.stack((charge, speed / 4), 1), torch.stack((velocity, begin), 2) / 2))
        for ends, message, update, move in zip(self.ends, self.messages, self.updates, self.moves, strict=True):
            own = self.norm(state)
            known = torch.cat((pairs(position, velocity, charge, edge_index), *ends(own[0])[edge_index]), 1)
            received = [y / PARTICLES for y in message(own, position, edge_index, edge_attr=known)]
            changes = update(tuple(torch.cat(two, -1) for two in zip(own, received, strict=True)))
            state = tuple(before + change for before, change in zip(state, changes, strict=True))
            position = position + move(state[1]).squeeze(2)
        return (position - begin).reshape(x.shape)


def pairs(x: Tensor, v: Tensor, charge: Tensor, edge_index: Tensor) -> Tensor:
    """Six numbers of each pair of particles, which do not turn: of charges, distance and relative speed."""
    source, target = edge_index
    r, speed = x[target] - x[source], v[target] - v[source]
    near = (r.square().sum(1) + SOFT).rsqrt()
    force = charge[source] * charge[target]
    apart, slow = (r * speed).sum(1) * near, speed.square().sum(1) / 4
    return torch.stack((force, near, force * near, near.log(), apart, slow), 1)


def perceptron(*widths: int, last: Callable[[], nn.Module] | None = None, small: bool = False) -> nn.Sequential:
    """Linear layers with SiLU between them; ``last`` follows, ``small``: the output is near 0 at first."""
    modules: list[nn.Module] = []
    for before, after in pairwise(widths):
        modules += [nn.Linear(before, after), nn.SiLU()]
    if small:
        nn.init.xavier_uniform_(modules[-2].weight, gain=0.001)  # type: ignore[arg-type]
    return nn.Sequential(*modules[:-1], *([last()] if last else []))


class Differences(nn.Module):
    """Messages are numbers; a particle moves along its velocity and along differences of positions (2102.09844).

    ``informed``: messages read the numbers of pairs that those of `Messages` read, too, not only distances and charges.
    """

    def __init__(self, width: int, informed: bool = False) -> None:
        super().__init__()
        self.informed = informed
        self.start = nn.Linear(1, width)
        each = range(LAYERS)
        self.messages = nn.ModuleList(
            perceptron(2 * width + (8 if informed else 2), width, width, last=nn.SiLU) for _ in each
        )
        self.along = nn.ModuleList(perceptron(width, width, 1, small=True) for _ in each)
        self.onward = nn.ModuleList(perceptron(width, width, 1) for _ in each)
        self.updates = nn.ModuleList(perceptron(2 * width, width, width) for _ in each)

    def forward(self, x: Tensor, v: Tensor, charges: Tensor) -> Tensor:
        """How far each particle gets."""
        source, target = edge_index = edges(len(x))
        begin, velocity = x.flatten(0, 1), v.flatten(0, 1)
        position, charge = begin, charges.reshape(-1, 1)
        numbers = self.start(velocity.norm(dim=1, keepdim=True))
        both = charge[source] * charge[target]
        for messages, along, onward, updates in zip(self.messages, self.along, self.onward, self.updates, strict=True):
            r = position[target] - position[source]
            known = [r.square().sum(1, keepdim=True), both]
            if self.informed:
                known.append(pairs(position, velocity, charges.flatten(), edge_index))
            message = messages(torch.cat((numbers[target], numbers[source], *known), 1))
            moves = torch.zeros_like(position).index_add(0, target, r * along(message)) / (PARTICLES - 1)
            position = position + moves + onward(numbers) * velocity
            received = torch.zeros_like(numbers).index_add(0, target, message)
            numbers = numbers + updates(torch.cat((numbers, received), 1))
        return (position - begin).reshape(x.shape)


class Coordinates(nn.Module):
    """A graph network: messages are perceptrons of both ends and of the difference of positions."""

    def __init__(self, width: int, d: int) -> None:
        super().__init__()
        each = range(LAYERS)
        self.start = nn.Linear(2 * d + 1, width)
        self.messages = nn.ModuleList(perceptron(2 * width + d + 2, width, width, last=nn.SiLU) for _ in each)
        self.updates = nn.ModuleList(perceptron(2 * width, width, width) for _ in each)
        self.last = perceptron(width, width, d)

    def forward(self, x: Tensor, v: Tensor, charges: Tensor) -> Tensor:
        """How far each particle gets."""
        source, target = edges(len(x))
        position, charge = (x - x.mean(1, keepdim=True)).flatten(0, 1), charges.reshape(-1, 1)
        r = position[target] - position[source]
        numbers = self.start(torch.cat((position, v.flatten(0, 1), charge), 1))
        known = torch.cat((r, r.norm(dim=1, keepdim=True), charge[source] * charge[target]), 1)
        for messages, updates in zip(self.messages, self.updates, strict=True):
            message = messages(torch.cat((numbers[target], numbers[source], known), 1))
            received = torch.zeros_like(numbers).index_add(0, target, message)
            numbers = numbers + updates(torch.cat((numbers, received), 1))
        y: Tensor = self.last(numbers).reshape(x.shape)
        return y


class Perceptron(nn.Module):
    """Reads coordinates and charges of all particles in a row."""

    def __init__(self, width: int, d: int) -> None:
        super().__init__()
        self.layers = perceptron(PARTICLES * (2 * d + 1), width, width, PARTICLES * d)

    def forward(self, x: Tensor, v: Tensor, charges: Tensor) -> Tensor:
        """How far each particle gets."""
        around = x - x.mean(1, keepdim=True)
        y: Tensor = self.layers(torch.cat((around.flatten(1), v.flatten(1), charges), 1)).reshape(x.shape)
        return y


def contenders(d: int) -> list[Contender]:
    """Of equal size: as wide as it takes."""
    count = parameters(Messages(WIDTH, d))
    builds: list[Callable[[int], nn.Module]] = [
        Differences, partial(Differences, informed=True), partial(Coordinates, d=d), partial(Perceptron, d=d)
    ]  # fmt: skip
    differences, informed, coordinates, plain = (partial(build, width_for(build, count)) for build in builds)
    return [
        Contender(f"messages of O({d})", partial(Messages, WIDTH, d), equivariant=True),
        Contender("differences of positions", differences, equivariant=True),
        Contender("differences, more numbers of pairs", informed, equivariant=True),
        Contender("graph network, turned", coordinates, augment=turned),
        Contender("perceptron, turned and relabelled", plain, augment=moved),
    ]


def straight_on(data: Data) -> Predictor:
    """Along the velocity, for a time that is fitted."""
    v, way = data.inputs[1], data.targets[0]
    time = (v * way).sum() / v.square().sum()
    return lambda x, v, charges: time * v


# --- the comparison ---------------------------------------------------------------------------------------


def comparison(d: int, short: bool) -> tuple[Task, Sequence[Contender], Sequence[Baseline], Budget]:
    """Particles in d dimensions."""
    train, valid, test = (64, 64, 64) if short else (TRAIN, VALID, TEST)
    seen, ahead = (100, 500) if short else (SEEN, AHEAD)
    data = trajectories(d, train + valid + test, seen=seen, ahead=ahead)
    title = f"Charged particles in {d} dimensions"
    task = Task(
        f"nbody_{d}", title, ("positions",), data.take(slice(train)), data.take(slice(train, train + valid)),
        {"others": data.take(slice(train + valid, None))},
    )  # fmt: skip
    budget = Budget((64,), 25, 32, (1e-2,), checks=1) if short else Budget((TRAIN,), STEPS[d], 100, RATES[d], checks=5)
    return task, contenders(d), [Baseline("straight on", straight_on)], budget


@torch.no_grad()
def checks(found: Found) -> dict[str, float]:
    """Mean squares, as in the literature, and what turning and relabelling changes."""
    report = found.report
    noticed: dict[str, float] = {}
    raw = report.raw["others"][0] or 1.0
    for name in dict.fromkeys(run.contender for run in report.runs):
        shares = errors(report.runs, name, report.budget.sizes[-1], "others", 0)
        noticed[f"mean square of errors, median, {name}"] = (median(shares) * raw) ** 2
    data = trajectories(int(report.task.partition("_")[2]), 200, seed=1, seen=100, ahead=500)
    for name, model in found.models.items():
        meant = moved(Data(data.inputs, (model(*data.inputs),)), torch.Generator().manual_seed(0))
        worst = (model(*meant.inputs) - meant.targets[0]).abs().max().item()
        noticed[f"largest change by turning and relabelling, {name}"] = worst
    return noticed


if __name__ == "__main__":
    for dimension in (3, 2, 5):
        main(f"Say where particles in {dimension} dimensions will be.", partial(comparison, dimension), checks)
        print()
