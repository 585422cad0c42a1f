"""A subgraph network: every node looks at the graph around it, with a layer made for the symmetries of what it sees.

usage: python examples/subgraph_network.py [STEPS]

Around each node of a graph lies a small one: the node, its neighbours, and the edges among these. A subgraph network

    Mitton and Murray-Smith, Subgraph Permutation Equivariant Networks, arXiv 2111.11840,

cuts a graph into these small graphs (k hops wide), applies one and the same equivariant layer to all that are alike,
writes what comes out back onto the nodes and pairs of nodes of the whole graph, where it is averaged, and does so
again; the last layer gives a few numbers for each small graph, whose mean is what is known of the whole.

In the paper's networks small graphs are alike if they have as many nodes, and the layer commutes with all permutations
of these: `"S(n)"`. Here they are alike if they are isomorphic, with the node in the middle kept in the middle, and the
layer has every linear map that commutes with the symmetries of that one graph H: `eq.Aut(H)`. eqsynth makes them,
one layer for each H that is common in the training graphs. All others, also those that no training graph had, share
one layer of S(n) with n left open. (Natural Graph Networks, arXiv 2007.08349, say why no more is needed: it does not
matter by which isomorphism a small graph is laid on H, since the layer commutes with the symmetries of H.)

As in the paper: small graphs around nodes, features on nodes and on pairs, averages when they are written back, ELU,
numbers for each small graph at the end. Other than there: layers for Aut(H); maps to the same features are added, where
the paper lists them as more channels; no normalisation of features; `add="sum"` adds up what is written back, and so
keeps in how many small graphs a pair lies.

The example counts the squares in graphs in which each node has three neighbours. Networks that only pass messages along
edges find no difference between any two of these with as many nodes. Averages are not enough for that, sums are. A
layer for each Aut(H) is no help here: what it knows of H, S(n) reads from the edges, which are its input, and it learns
more slowly, with twenty times as many weights.
"""

from __future__ import annotations

from argparse import ArgumentParser
from collections import Counter
from collections.abc import Iterable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise, permutations, product

import igraph
import networkx as nx
import torch
from torch import Tensor, nn

import eqsynth as eq
from eqsynth.graphs import Graph

CHANNELS, NUMBERS = 6, 12
HIDDEN = f"{CHANNELS}x2 + {CHANNELS}x1"
SIZES = (6, 8, 10, 12, 14, 16)
#: From edges and a 1 for each node to a few numbers for each small graph.
SPACES = ("1x2 + 1x1", HIDDEN, HIDDEN, f"{NUMBERS}x0")

Edges = tuple[tuple[int, int], ...]


# --- small graphs and where they lie --------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Kind:
    """A small graph up to isomorphism. Node 0 is the one in the middle.

    >>> star = Kind(4, ((0, 1), (0, 2), (0, 3)))
    >>> print(star.group)
    Aut(4: 0-1 0-2 0-3 | 1 0 0 0)
    >>> len(eq.basis(star.group, 2, 2)), len(eq.basis("S(4)", 2, 2))
    (51, 15)
    """

    n: int
    edges: Edges

    @property
    def group(self) -> eq.Group:
        """The symmetries that leave the middle where it is."""
        return eq.Aut(Graph(self.n, self.edges, colours=(1,) + (0,) * (self.n - 1)))

    @property
    def name(self) -> str:
        """A name for torch."""
        return f"{self.n}_" + "_".join(f"{i}{j}" for i, j in self.edges)


@lru_cache(maxsize=10_000)
def canonical(n: int, edges: Edges) -> tuple[Kind, tuple[int, ...]]:
    """What kind a small graph with middle 0 is of, and for each node of the kind the node that takes its place."""
    graph = igraph.Graph(n, edges, vertex_attrs={"node": range(n)})
    moved = graph.permute_vertices(graph.canonical_permutation(color=[0] + [1] * (n - 1)))
    order = (0, *(node for node in moved.vs["node"] if node != 0))
    place = {node: position for position, node in enumerate(order)}
    placed = ((place[i], place[j]) for i, j in edges)
    return Kind(n, tuple(sorted((min(edge), max(edge)) for edge in placed))), order


@dataclass(frozen=True, slots=True)
class Places:
    """Where all small graphs of a kind lie: their nodes (count, n) and pairs of nodes (count, n, n), by number."""

    kind: Kind | None
    nodes: Tensor
    pairs: Tensor


@dataclass(frozen=True, slots=True)
class Patches:
    """Some graphs side by side, cut into small ones.

    ``graph`` has the graph of each node, (N,). ``pairs`` are the pairs of nodes that lie in a small graph together,
    (P, 2), and ``edges`` says which of them are edges, (P, 1). ``places`` has an entry for each kind, and for kinds
    that are not ``known`` one for each size.
    """

    graph: Tensor
    pairs: Tensor
    edges: Tensor
    places: tuple[Places, ...]


def around(graph: nx.Graph, hops: int) -> Iterable[tuple[Kind, list[int]]]:
    """For each node the kind of what lies around it, and the nodes there in the kind's order."""
    for middle in graph:
        near = nx.single_source_shortest_path_length(graph, middle, hops)
        nodes = [middle, *sorted(set(near) - {middle})]
        number = {node: position for position, node in enumerate(nodes)}
        edges = sorted((min(number[i], number[j]), max(number[i], number[j])) for i, j in graph.subgraph(nodes).edges)
        kind, order = canonical(len(nodes), tuple(edges))
        yield kind, [nodes[position] for position in order]


def common(graphs: Iterable[nx.Graph], hops: int = 1, at_least: int = 1) -> tuple[Kind, ...]:
    """The kinds that occur often enough in some graphs to get a layer of their own."""
    counts = Counter(kind for graph in graphs for kind, _ in around(graph, hops))
    return tuple(sorted((kind for kind, count in counts.items() if count >= at_least), key=lambda kind: kind.name))


def cut(graphs: Sequence[nx.Graph], known: Iterable[Kind], hops: int = 1) -> Patches:
    """Graphs on the nodes 0 .. n - 1, cut into small ones."""
    known = frozenset(known)
    found: dict[Kind | int, list[list[int]]] = {}
    number, start = [], 0
    for position, graph in enumerate(graphs):
        for kind, nodes in around(graph, hops):
            found.setdefault(kind if kind in known else kind.n, []).append([start + node for node in nodes])
        number += [position] * len(graph)
        start += len(graph)
    members = {key: torch.tensor(rows) for key, rows in found.items()}
    flat = torch.cat([(x.unsqueeze(2) * start + x.unsqueeze(1)).flatten() for x in members.values()])
    codes, place = torch.unique(flat, return_inverse=True)
    starts = torch.tensor([0, *(x.shape[0] * x.shape[1] ** 2 for x in members.values())]).cumsum(0).tolist()
    places = tuple(
        Places(key if isinstance(key, Kind) else None, x, place[begin:end].reshape(*x.shape, x.shape[1]))
        for (key, x), begin, end in zip(members.items(), starts, starts[1:], strict=False)
    )
    pairs = torch.stack((codes // start, codes % start), 1)
    whole = nx.disjoint_union_all(graphs)
    edges = torch.tensor([[float(whole.has_edge(i, j))] for i, j in pairs.tolist()])
    return Patches(torch.tensor(number), pairs, edges, places)


# --- the network ------------------------------------------------------------------------------------------


class Gathered:
    """Rows that are written to places, several of them to one, and their sum or mean."""

    def __init__(self, add: str) -> None:
        self.add, self.places, self.rows = add, list[Tensor](), list[Tensor]()

    def write(self, places: Tensor, rows: Tensor) -> None:
        """One row of channels for each place."""
        self.places.append(places.flatten())
        self.rows.append(rows.reshape(-1, rows.shape[-1]))

    def read(self, size: int) -> Tensor:
        """What is at places 0 .. size - 1."""
        places, rows = torch.cat(self.places), torch.cat(self.rows)
        total = rows.new_zeros(size, rows.shape[1]).index_add(0, places, rows)
        return total if self.add == "sum" else total / places.bincount(minlength=size).unsqueeze(1)


class Local(nn.Module):
    """One layer on all small graphs: for Aut(H) on those that are like a known H, for S(n) on the others."""

    def __init__(self, kinds: Iterable[Kind], space_in: str, space_out: str) -> None:
        super().__init__()
        groups: dict[str, str | eq.Group] = {"rest": "S(n)"} | {kind.name: kind.group for kind in kinds}
        self.layers = nn.ModuleDict(
            {name: eq.Linear(group, space_in, space_out, normalization="mean") for name, group in groups.items()}
        )

    def forward(self, pairs: Tensor, nodes: Tensor, places: Places) -> tuple[Tensor, ...]:
        """Features of all pairs and nodes of the graphs to features of the small graphs of one kind."""
        y: Tensor | tuple[Tensor, ...]
        y = self.layers[places.kind.name if places.kind else "rest"]((pairs[places.pairs], nodes[places.nodes]))
        return y if isinstance(y, tuple) else (y,)


class SubgraphNetwork(nn.Module):
    """From graphs to a number for each."""

    def __init__(self, kinds: Iterable[Kind], add: str = "mean") -> None:
        super().__init__()
        self.kinds, self.add = tuple(kinds), add
        self.local = nn.ModuleList([Local(self.kinds, *pair) for pair in pairwise(SPACES)])
        self.head = nn.Sequential(nn.Linear(NUMBERS, NUMBERS), nn.ELU(), nn.Linear(NUMBERS, 1))

    def features(self, patches: Patches) -> tuple[Tensor, Tensor]:
        """Features of pairs (P, channels) and of nodes (N, channels) before the last layer."""
        pairs = patches.edges.to(next(self.parameters()).dtype)
        nodes = pairs.new_ones(len(patches.graph), 1)
        for layer in self.local[:-1]:
            on_pairs, on_nodes = Gathered(self.add), Gathered(self.add)
            for places in patches.places:
                at_pairs, at_nodes = layer(pairs, nodes, places)
                on_pairs.write(places.pairs, at_pairs)
                on_nodes.write(places.nodes, at_nodes)
            pairs = nn.functional.elu(on_pairs.read(len(pairs)))
            nodes = nn.functional.elu(on_nodes.read(len(nodes)))
        return pairs, nodes

    def forward(self, patches: Patches) -> Tensor:
        """(graphs, 1)."""
        pairs, nodes = self.features(patches)
        known = Gathered("mean")
        for places in patches.places:
            (numbers,) = self.local[-1](pairs, nodes, places)
            known.write(patches.graph[places.nodes[:, 0]], nn.functional.elu(numbers))
        y: Tensor = self.head(known.read(int(patches.graph[-1]) + 1))
        return y


# --- the same by hand -------------------------------------------------------------------------------------


def symmetries(n: int, edges: Edges) -> list[tuple[int, ...]]:
    """All permutations of 0 .. n - 1 that keep 0 and the edges, one by one."""
    there = {frozenset(edge) for edge in edges}
    tried = ((0, *rest) for rest in permutations(range(1, n)))
    return [p for p in tried if {frozenset((p[i], p[j])) for i, j in edges} == there]


@lru_cache(maxsize=10_000)
def matrix_by_hand(formula: str, n: int, edges: Edges, k: int, l: int) -> Tensor:  # noqa: E741 - orders k -> l
    """The map that a formula such as "y[a] += A[a,b] x[b]" says, (n,) * l by (n,) * k, entry by entry."""
    terms = formula.partition(", and the images")[0].replace(" += ", " ").split()
    factors = [(term[0], [index for index in term[1:].strip("[]").split(",") if index]) for term in terms]
    indices = sorted({index for _, where in factors for index in where})
    matrix, there = torch.zeros((n,) * (l + k), dtype=torch.float64), {frozenset(edge) for edge in edges}
    if indices and indices[0].isdigit():
        # One orbit: the place that is given, and wherever the symmetries move it.
        given = [int(index) for where in (dict(factors)["y"], dict(factors)["x"]) for index in where]
        for p in symmetries(n, edges):
            matrix[tuple(p[i] for i in given)] = 1
        return matrix
    for values in product(range(n), repeat=len(indices)):
        at = dict(zip(indices, values, strict=True))
        if all(frozenset((at[w[0]], at[w[1]])) in there for name, w in factors if name == "A"):
            out, into = ([at[index] for name, w in factors if name == which for index in w] for which in "yx")
            matrix[(*out, *into)] += 1
    return matrix


def kind_by_hand(graph: nx.Graph, middle: int, hops: int, kinds: Iterable[Kind]) -> tuple[Kind | None, list[int]]:
    """The known kind of the graph around a node, if any, and the nodes in the order of any isomorphism."""
    nodes = list(nx.ego_graph(graph, middle, hops))
    small = graph.subgraph(nodes)
    for kind in kinds:
        if (kind.n, len(kind.edges)) == (len(small), small.number_of_edges()):
            for order in permutations(node for node in nodes if node != middle):
                listed = [middle, *order]
                if all(graph.has_edge(listed[i], listed[j]) for i, j in kind.edges):
                    return kind, listed
    return None, nodes


class HandWritten(nn.Module):
    """The same network with loops over nodes and a matrix for every map, with the weights of a SubgraphNetwork."""

    def __init__(self, net: SubgraphNetwork, hops: int = 1) -> None:
        super().__init__()
        self.kinds, self.add, self.hops, self.head = net.kinds, net.add, hops, deepcopy(net.head)
        copied = {name.replace(".", " "): p.detach().clone() for name, p in net.local.named_parameters()}
        self.weights = nn.ParameterDict({name: nn.Parameter(weight) for name, weight in copied.items()})

    def inside(self, depth: int, kind: Kind | None, pairs: Tensor, nodes: Tensor) -> list[Tensor]:
        """A layer on one small graph: pairs (n, n, channels) and nodes (n, channels), each map by its matrix.

        Each is divided by the largest sum of squares that a row has: for S(n) by how many numbers it adds up.
        """
        group: str | eq.Group = kind.group if kind else "S(n)"
        name, edges = (kind.name, kind.edges) if kind else ("rest", ())
        n, outputs = len(nodes), []
        for term, l in enumerate((0,) if depth == len(SPACES) - 2 else (2, 1)):  # noqa: E741
            y = nodes.new_zeros(())
            for title, k, x in (("weight_0", 2, pairs), ("weight_1", 1, nodes), ("bias", 0, None)):
                weights = self.weights[f"{depth} layers {name} {title}_{term}"]
                for formula, weight in zip(eq.basis(group, k, l).formulas(), weights, strict=True):
                    matrix = matrix_by_hand(formula, n, edges, k, l).to(nodes).reshape(n**l, n**k)
                    matrix = matrix / matrix.square().sum(1).max()
                    y = y + matrix @ (weight.unsqueeze(0) if x is None else x.reshape(n**k, -1) @ weight.T)
            outputs.append(y.reshape(*(n,) * l, -1))
        return outputs

    def on_graph(self, graph: nx.Graph) -> Tensor:
        """One graph on the nodes 0 .. n - 1."""
        dtype, n = next(self.parameters()).dtype, len(graph)
        pairs = torch.tensor([[[float(graph.has_edge(i, j))] for j in range(n)] for i in range(n)], dtype=dtype)
        nodes = torch.ones(n, 1, dtype=dtype)
        small = [kind_by_hand(graph, middle, self.hops, self.kinds) for middle in range(n)]
        for depth in range(len(SPACES) - 2):
            on_pairs, on_nodes = torch.zeros(n, n, CHANNELS, dtype=dtype), torch.zeros(n, CHANNELS, dtype=dtype)
            times, times_pairs = torch.zeros(n, 1, dtype=dtype), torch.zeros(n, n, 1, dtype=dtype)
            for kind, listed in small:
                square = torch.meshgrid(torch.tensor(listed), torch.tensor(listed), indexing="ij")
                at_pairs, at_nodes = self.inside(depth, kind, pairs[square], nodes[listed])
                on_pairs = on_pairs.index_put(square, at_pairs, accumulate=True)
                on_nodes = on_nodes.index_add(0, torch.tensor(listed), at_nodes)
                times_pairs[square] += 1
                times[listed] += 1
            if self.add == "mean":
                on_pairs, on_nodes = on_pairs / times_pairs.clamp_min(1), on_nodes / times
            pairs, nodes = nn.functional.elu(on_pairs), nn.functional.elu(on_nodes)
        numbers = [
            self.inside(len(SPACES) - 2, kind, pairs[listed][:, listed], nodes[listed])[0] for kind, listed in small
        ]
        y: Tensor = self.head(nn.functional.elu(torch.stack(numbers)).mean(0))
        return y

    def forward(self, graphs: Sequence[nx.Graph]) -> Tensor:
        """(graphs, 1)."""
        return torch.stack([self.on_graph(graph) for graph in graphs])


# --- the example --------------------------------------------------------------------------------------


def squares(graph: nx.Graph) -> int:
    """How many rings of four nodes there are: each has two pairs of opposite nodes."""
    shared = [len(set(graph[i]) & set(graph[j])) for i in graph for j in graph if i < j]
    return sum(count * (count - 1) // 2 for count in shared) // 2


def numbers_of_squares(graphs: Sequence[nx.Graph]) -> Tensor:
    """(graphs, 1)."""
    return torch.tensor([[float(squares(graph))] for graph in graphs])


def cubic(count: int, sizes: Sequence[int], seed: int) -> list[nx.Graph]:
    """Random graphs in which each node has three neighbours."""
    return [nx.random_regular_graph(3, sizes[i % len(sizes)], seed=1000 * seed + i) for i in range(count)]


def trained(kinds: Iterable[Kind], add: str, train: Sequence[tuple[Patches, Tensor]], steps: int) -> SubgraphNetwork:
    """Trained on squares per ten nodes, so that what is learned carries over to larger graphs."""
    torch.manual_seed(0)
    net = SubgraphNetwork(kinds, add)
    optimizer = torch.optim.Adam(net.parameters(), 1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for step in range(steps):
        patches, y = train[step % len(train)]
        loss = (net(patches) - 10 * y / patches.graph.bincount().unsqueeze(1)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return net


def main(steps: int = 500) -> None:
    """Train on graphs of 6 to 16 nodes, test on these sizes and on 24; then look at graphs hard to tell apart."""
    batches = [cubic(16, SIZES, seed) for seed in range(min(steps, 40))]
    kinds = common(graph for batch in batches for graph in batch)
    for kind in kinds:
        print(f"{kind.group}: {len(eq.basis(kind.group, 2, 2)):3} maps from pairs to pairs, where S(n) has 15")
    variants = {"S(n), means": ((), "mean"), "S(n), sums": ((), "sum"), "Aut(H), sums": (kinds, "sum")}
    nets = {}
    for name, (known, add) in variants.items():
        train = [(cut(batch, known), numbers_of_squares(batch)) for batch in batches]
        net = nets[name] = trained(known, add, train, steps)
        print(f"{name}, {sum(p.numel() for p in net.parameters())} parameters", end="")
        for sizes in (SIZES, (24,)):
            graphs = cubic(100, sizes, 100)
            patches, y = cut(graphs, known), numbers_of_squares(graphs)
            with torch.no_grad():
                error = (net(patches) * patches.graph.bincount().unsqueeze(1) / 10 - y).square().mean().sqrt()
            nodes = "24 nodes" if sizes == (24,) else "6 to 16 nodes"
            print(f"; {nodes}: error {error:.2f}, the average's is {y.std():.2f}", end="")
        print()
    pairs = {
        "a hexagon and two triangles": [nx.cycle_graph(6), nx.disjoint_union(nx.cycle_graph(3), nx.cycle_graph(3))],
        "an octagon and two squares": [nx.cycle_graph(8), nx.disjoint_union(nx.cycle_graph(4), nx.cycle_graph(4))],
    }
    with torch.no_grad():
        for title, graphs in pairs.items():
            apart = [nets[name](cut(graphs, ())).diff(dim=0).abs().item() for name in ("S(n), means", "S(n), sums")]
            print(f"{title} differ by {apart[0]:.1e} with means, by {apart[1]:.1e} with sums")
        graphs, net = cubic(3, (8,), 200), nets["Aut(H), sums"]
        difference = (net(cut(graphs, kinds)) - HandWritten(net)(graphs)).abs().max()
        print(f"largest difference to the network written by hand: {difference:.1e}")


if __name__ == "__main__":
    parser = ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("steps", nargs="?", type=int, help="how many steps to train")
    main(**{name: value for name, value in vars(parser.parse_args()).items() if value is not None})
