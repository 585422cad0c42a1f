"""Quickstart: learn to count paths on graphs of up to 6 nodes, then count them in graphs of 7.

usage: python scripts/quickstart.py [--fast] [--steps N] [--seed N]
"""

from __future__ import annotations

import argparse
import inspect
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from textwrap import indent

import networkx as nx
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import pad

import eqsynth as eq
from eqsynth.store import files

LARGEST, TRAINED = 7, 6  # nodes of the largest graphs in the atlas, and of those that are trained on
CHANNELS, WIDTH = 16, 128  # of the S(n) network, of the plain network
COPIES = 8  # relabelled copies of each graph in every step of the plain network
BEYOND = 20  # nodes of the random graphs that only a network for every n can take
TOLERANCE = 1e-3  # of a path, for float32 rounding
Graphs = dict[int, tuple[Tensor, Tensor]]  # size n -> adjacency matrices (graphs, n, n), paths (graphs,)


class PathCounter(nn.Module):
    """Number of paths of three nodes: adjacency matrices (graphs, n, n), for any n, to (graphs,)."""

    def __init__(self, edges_to_edges: nn.Module, edges_to_nodes: nn.Module, nodes_to_graph: nn.Module) -> None:
        super().__init__()
        self.edges_to_edges, self.edges_to_nodes = edges_to_edges, edges_to_nodes
        self.nodes_to_graph = nodes_to_graph

    def forward(self, adjacency: Tensor) -> Tensor:
        """The layers take means over nodes, so what they learn does not grow with n; the count does."""
        edges = torch.relu(self.edges_to_edges(adjacency.unsqueeze(-1)))  # (graphs, n, n, channels)
        nodes = torch.relu(self.edges_to_nodes(edges))  # (graphs, n, channels)
        share: Tensor = self.nodes_to_graph(nodes).squeeze(-1)
        return share * adjacency.shape[-1] ** 3 / 8  # a random graph has about n³/8 such paths


class PlainNetwork(nn.Module):
    """The same from adjacency matrices padded with zeros to 7 x 7, by layers that know no symmetry."""

    def __init__(self, mean: float, deviation: float) -> None:
        super().__init__()
        self.mean, self.deviation = mean, deviation
        inner = nn.Sequential(nn.Linear(LARGEST**2, WIDTH), nn.ReLU(), nn.Linear(WIDTH, WIDTH), nn.ReLU())
        self.layers = nn.Sequential(nn.Flatten(), inner, nn.Linear(WIDTH, 1), nn.Flatten(0))

    def forward(self, adjacency: Tensor) -> Tensor:
        """Number of paths."""
        outputs: Tensor = self.layers(padded(adjacency))
        return outputs * self.deviation + self.mean


def padded(adjacency: Tensor) -> Tensor:
    """Adjacency matrices with isolated nodes added up to 7."""
    missing = LARGEST - adjacency.shape[-1]
    return pad(adjacency, (0, missing, 0, missing))


def relabelled(adjacency: Tensor) -> Tensor:
    """The same graphs with their nodes in random order."""
    graphs, n, _ = adjacency.shape
    order = torch.rand(graphs, n).argsort(1)
    moved: Tensor = adjacency[torch.arange(graphs)[:, None, None], order[:, :, None], order[:, None, :]]
    return moved


def counted(graphs: Sequence[nx.Graph]) -> tuple[Tensor, Tensor]:
    """Adjacency matrices of graphs of one size, and their numbers of paths of three nodes."""
    adjacency = np.stack([nx.to_numpy_array(graph, dtype=np.float32) for graph in graphs])
    paths = [sum(degree * (degree - 1) // 2 for _, degree in graph.degree()) for graph in graphs]
    return torch.from_numpy(adjacency), torch.tensor(paths, dtype=torch.float32)


def atlas() -> Graphs:
    """Every graph of 1 to 7 nodes, with its paths of three nodes counted."""
    listed = nx.graph_atlas_g()
    return {n: counted([graph for graph in listed if len(graph) == n]) for n in range(1, LARGEST + 1)}


def parameters(model: nn.Module) -> int:
    """Number of weights."""
    return sum(parameter.numel() for parameter in model.parameters())


def train(model: nn.Module, loss: Callable[[], Tensor], steps: int, rate: float) -> float:
    """Adam with a cosine schedule; returns the seconds it took."""
    start = time.perf_counter()
    optimizer = torch.optim.Adam(model.parameters(), rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        optimizer.zero_grad()
        loss().backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(model.parameters(), 1)
        optimizer.step()
        schedule.step()
    return time.perf_counter() - start


def train_counter(model: PathCounter, graphs: Graphs, steps: int) -> float:
    """One dense batch for each size; errors are measured in shares of n³/8."""

    def loss() -> Tensor:
        errors = [(model(adjacency) - paths) * 8 / n**3 for n, (adjacency, paths) in graphs.items()]
        return torch.cat(errors).square().mean()

    return train(model, loss, steps, rate=2e-2)


def train_plain(model: PlainNetwork, graphs: Graphs, steps: int) -> float:
    """Fresh relabelled copies in every step; the padding moves too, so that every input is trained."""
    inputs = torch.cat([padded(adjacency) for adjacency, _ in graphs.values()]).repeat(COPIES, 1, 1)
    targets = torch.cat([paths for _, paths in graphs.values()]).repeat(COPIES)

    def loss() -> Tensor:
        errors: Tensor = (model(relabelled(inputs)) - targets) / model.deviation
        return errors.square().mean()

    return train(model, loss, steps, rate=1e-2)


@torch.no_grad()
def predictions(model: Callable[[Tensor], Tensor], graphs: Graphs) -> Tensor:
    """Predicted numbers of paths, smallest graphs first."""
    return torch.cat([model(adjacency) for adjacency, _ in graphs.values()])


def row(name: str, parameters: int, model: Callable[[Tensor], Tensor], small: Graphs, large: Graphs) -> float:
    """Print a row of the table of results; returns the error on the large graphs."""
    errors = []
    for graphs in (small, large):
        predicted, paths = predictions(model, graphs), torch.cat([paths for _, paths in graphs.values()])
        errors.append((predicted - paths).square().mean().sqrt().item())
    exact = (predicted.round() == paths).float().mean().item()
    print(f"   {name:<24}{parameters:>10,}{errors[0]:>17.3f}{errors[1]:>15.3f}{exact:>15.1%}")
    return errors[1]


def report_beyond(counter: PathCounter) -> None:
    """Print the error on random graphs that are larger than the plain network's input."""
    graphs = {BEYOND: counted([nx.gnp_random_graph(BEYOND, 0.5, seed=seed) for seed in range(200)])}
    paths = graphs[BEYOND][1]
    error = (predictions(counter, graphs) - paths).square().mean().sqrt().item()
    print(f"\n   The S(n) network also takes graphs of {BEYOND} nodes, which the plain one cannot: on 200 random ones")
    print(f"   its error is {error:.1f}, where there are {paths.mean().item():.0f} paths on average.")


PACKAGE = '''"""Counts paths in graphs. Needs torch and nothing else."""

import torch
from torch import Tensor, nn

from .layers.s_n_1_0 import NodesToGraph
from .layers.s_n_2_1 import EdgesToNodes
from .layers.s_n_2_2 import EdgesToEdges


{network}

def build() -> PathCounter:
    """The network, to be given its weights."""
    return PathCounter(EdgesToEdges(), EdgesToNodes(), NodesToGraph())
'''

ELSEWHERE = '''"""Runs the package where eqsynth cannot be imported."""

import sys
from pathlib import Path


class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "eqsynth":
            raise ImportError("eqsynth is blocked")


sys.meta_path.insert(0, Blocker())
try:
    import eqsynth
except ImportError:
    pass
else:
    sys.exit("eqsynth can be imported here")

here = Path(__file__).parent
sys.path.insert(0, str(here))
import torch
from counting import build

model = build()
model.load_state_dict(torch.load(here / "weights.pt", weights_only=True))
graphs = torch.load(here / "graphs.pt", weights_only=True)
with torch.no_grad():
    torch.save(torch.cat([model(adjacency) for adjacency in graphs]), here / "predictions.pt")
'''


def run_elsewhere(model: PathCounter, layers: Sequence[eq.Linear], graphs: Graphs, folder: Path) -> Tensor:
    """Export the network as a package and return what it predicts in an interpreter without eqsynth."""
    package = folder / "counting"
    eq.export(layers[0], package / "layers" / "s_n_2_2.py", name="EdgesToEdges")
    eq.export(layers[1], package / "layers" / "s_n_2_1.py", name="EdgesToNodes")
    eq.export(layers[2], package / "layers" / "s_n_1_0.py", name="NodesToGraph")
    (package / "layers" / "__init__.py").touch()
    source = PACKAGE.format(network=inspect.getsource(PathCounter))
    files.write(package / "__init__.py", source.encode())
    files.write(folder / "elsewhere.py", ELSEWHERE.encode())
    torch.save(model.state_dict(), folder / "weights.pt")
    torch.save([adjacency for adjacency, _ in graphs.values()], folder / "graphs.pt")
    subprocess.run([sys.executable, "-I", folder / "elsewhere.py"], cwd=folder, check=True)
    found: Tensor = torch.load(folder / "predictions.pt", weights_only=True)
    return found


def main() -> int:
    """Train both networks, compare them, export ours; the exit code is 1 when a check fails."""
    parser = argparse.ArgumentParser(description="Train, test and export an S(n) network that counts paths in graphs.")
    parser.add_argument("--fast", action="store_true", help="train for a few seconds only, and accept any result")
    parser.add_argument("--steps", type=int, help="steps of training (default: 3000, with --fast 50)")
    parser.add_argument("--seed", type=int, default=0, help="of the initial weights and of the relabellings")
    options = parser.parse_args()
    steps = options.steps or (50 if options.fast else 3000)
    torch.set_num_threads(1)  # these tensors are small
    torch.manual_seed(options.seed)

    graphs = atlas()
    small, large = ({n: graphs[n] for n in graphs if (n <= TRAINED) == side} for side in (True, False))
    count_small, count_large = (sum(len(paths) for _, paths in part.values()) for part in (small, large))
    print("1. Data: how many paths of three nodes has a graph? From networkx's atlas of all small graphs,")
    print(f"   train on the {count_small} of 1 to {TRAINED} nodes, test on the {count_large:,} of {LARGEST}.\n")

    layers = (
        eq.Linear("S(n)", "1x2", f"{CHANNELS}x2", normalization="mean"),
        eq.Linear("S(n)", f"{CHANNELS}x2", f"{CHANNELS}x1", normalization="mean"),
        eq.Linear("S(n)", f"{CHANNELS}x1", "1x0", normalization="mean"),
    )
    counter = PathCounter(*layers)
    print("2. Network: renaming the nodes changes no count, so every layer should commute with S(n), for every n:")
    print("   edges (order 2) -> edges, ReLU, edges -> nodes (order 1), ReLU, nodes -> one number (order 0).")
    print(f"   The first layer has all {len(eq.basis('S(n)', 2, 2))} maps, the second all of these:\n")
    print(indent(str(eq.basis("S(n)", 2, 1)), "   "), end="\n\n")

    targets = torch.cat([paths for _, paths in small.values()])
    mean, deviation = targets.mean().item(), targets.std().item()
    plain = PlainNetwork(mean, deviation)
    print(f"3. Training: {steps} steps of Adam for each network ...", flush=True)
    seconds = train_counter(counter, small, steps)
    print(f"   S(n) network, {len(small)} sizes with one set of weights: {seconds:.0f} s", flush=True)
    seconds = train_plain(plain, small, steps)
    print(f"   plain network, adjacency matrices randomly relabelled in every step: {seconds:.0f} s\n")

    print("4. Result: root mean square error, in paths of three nodes\n")
    heads = f"{count_small} trained on", f"{count_large:,} new", "new, rounded"
    print(f"   {'':<24}{'parameters':>10}{heads[0]:>17}{heads[1]:>15}{heads[2]:>15}")
    row("always the average", 1, lambda adjacency: torch.full(adjacency.shape[:1], mean), small, large)
    error_plain = row("plain network", parameters(plain), plain, small, large)
    error_counter = row("S(n) network", parameters(counter), counter, small, large)

    report_beyond(counter)
    shuffled = {n: (relabelled(adjacency), paths) for n, (adjacency, paths) in large.items()}
    counts = predictions(counter, large)
    moved = (predictions(counter, shuffled) - counts).abs().max().item()
    moved_plain = (predictions(plain, shuffled) - predictions(plain, large)).abs().max().item()
    print("\n   Renaming the nodes of the new graphs changes the number of paths predicted")
    print(f"   by at most {moved:.1e} (S(n) network) and {moved_plain:.1e} (plain network).\n")

    with tempfile.TemporaryDirectory() as folder:
        differs = (run_elsewhere(counter, layers, large, Path(folder)) - counts).abs().max().item()
    print("5. Export: the network as a package with three standalone layers, run by an interpreter")
    print(f"   that cannot import eqsynth, predicts the same: largest difference {differs:.1e}.")

    checks = {
        "renaming the nodes changes nothing": moved <= TOLERANCE,
        "the exported package agrees": differs <= TOLERANCE,
        "the S(n) network errs less than a third as much": options.fast or 3 * error_counter < error_plain,
    }
    for check, passed in checks.items():
        if not passed:
            print(f"FAILED: {check}", file=sys.stderr)
    return 0 if all(checks.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
