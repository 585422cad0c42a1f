"""Training at scale: several processes, parts of channels, recomputation, compiled models, mixed precision."""

import contextlib
import copy
import io
import logging
import os
import signal
import time
import traceback
import warnings
from datetime import timedelta

import pytest
import torch
import torch._dynamo.testing
import torch.distributed as dist
import train_distributed
from torch import multiprocessing, nn
from torch.distributed.algorithms._checkpoint.checkpoint_wrapper import checkpoint_wrapper
from torch.distributed.checkpoint import load, save
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard
from torch.distributed.tensor import DTensor, Replicate
from torch.distributed.tensor.parallel import parallelize_module
from torch.nn.parallel import DistributedDataParallel
from torch.testing import assert_close
from torch.utils._pytree import tree_map
from torch.utils.checkpoint import checkpoint

import eqsynth as eq
from eqsynth.errors import EqsynthError, SpaceError
from eqsynth.nn import parallel
from eqsynth.nn.activations import axis_lengths
from oracle import inputs_for, randomise

LORENTZ = eq.MatrixGroup(
    [], [[[0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]], [[0, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0], [0] * 4]]
)
ROTATED = ["4x1", "8x2 + 8x1 + 8x0", "8x1 + 8x0", "1x1 + 1x0"]
#: What takes seconds to import, and is imported once for all processes.
PRELOADED = ["eqsynth.nn.parallel", "torch._dynamo.testing", "torch.distributed.checkpoint", "torch.distributed.fsdp"]
#: Whole models whose channels two processes can share.
NETS = {
    "graphs": lambda: eq.nn.MLP("S(n)", ["1x2", "8x2 + 4x1", "8x1", "1x0"]),
    "graphs, layer": lambda: eq.nn.MLP("S(n)", ["1x2", "8x2 + 4x1", "8x1", "1x0"], norm="layer"),
    "graphs, batch": lambda: eq.nn.MLP("S(n)", ["1x2", "8x2", "8x1", "1x0"], norm="batch", dropout=0.3),
    "rotations": lambda: eq.nn.MLP("O(3)", ROTATED, norm="batch"),
    "rotations, norms": lambda: eq.nn.MLP("O(3)", ROTATED, "norm"),
    "lorentz": lambda: eq.nn.MLP(LORENTZ, ["2x1", "4x1 + 4x0", "1x0"]),
    "petersen": lambda: eq.nn.MLP("Aut(petersen)", ["2x1", "6x1", "1x0"]),
    "residual": lambda: eq.nn.Sequential(
        eq.Linear("O(3)", "4x1", "8x1 + 8x0"),
        eq.nn.Residual(eq.nn.MLP("O(3)", ["8x1 + 8x0"] * 3, norm="layer")),
        eq.nn.Pool("O(3)", "8x1 + 8x0"),
    ),
    "powers": lambda: eq.nn.Sequential(
        eq.Linear("O(3)", "4x1", "8x1"), eq.Power("O(3)", "8x1", 2, "8x2 + 8x0"), eq.Linear("O(3)", "8x2 + 8x0", "1x0")
    ),
    "methods": lambda: eq.nn.Sequential(
        eq.Linear("S(4)", "2x2", "4x2", method="irreps"),
        eq.nn.Activation("S(4)", "4x2"),
        eq.Linear("S(4)", "4x2", "4x2", method="matrix"),
        eq.nn.Activation("S(4)", "4x2"),
        eq.Linear("S(4)", "4x2", "2x2", method="fourier"),
        eq.Linear("S(4)", "2x2", "1x0", parameters="blocks"),
    ),
}
SIZES = {"n": 5, "m": 4}


def made(name, dtype=torch.float64):
    torch.manual_seed(0)
    net = NETS[name]().to(dtype)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return net


def inputs(net, batch=4, dtype=torch.float64, **sizes):
    sizes = {**SIZES, **sizes}
    tensors = []
    for channels, order in net.space_in:
        lengths = [sizes.get(length, length) for length in axis_lengths(eq.Group.parse(str(net.group)), order)]
        tensors.append(torch.randn(batch, *lengths, channels, dtype=dtype))
    return tensors[0] if len(tensors) == 1 else tuple(tensors)


def flat(y):
    return y if isinstance(y, tuple) else (y,)


def full(tensor):
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def train(net, batches):
    """Outputs, gradients of inputs and of parameters, and the parameters after clipped steps of Adam."""
    optimiser = torch.optim.Adam(net.parameters(), 1e-2)
    outputs, gradients = [], []
    for batch in batches:
        torch.manual_seed(5)
        x = tree_map(lambda t: t.clone().requires_grad_(), batch)
        y = flat(net(x))
        optimiser.zero_grad()
        sum(t.sin().mean() for t in y).backward()
        outputs += [t.detach() for t in y]
        gradients += [full(p.grad).clone() for p in net.parameters()]
        gradients += [t.grad for t in flat(x)]
        nn.utils.clip_grad_norm_(net.parameters(), 0.1)
        optimiser.step()
    return outputs, gradients, {name: full(value).clone() for name, value in net.state_dict().items()}


def assert_same(ours, theirs):
    assert len(ours) == len(theirs)
    if isinstance(ours, dict):
        assert list(ours) == list(theirs)
        ours, theirs = list(ours.values()), list(theirs.values())
    for mine, other in zip(ours, theirs, strict=True):
        assert_close(mine, other, rtol=1e-6, atol=1e-8)


# --- what two processes do ------------------------------------------------------------------------


def shared(net, mesh, plan=None):
    return parallelize_module(net, mesh, plan or eq.nn.parallel_plan(net, mesh.size()))


def check_channels(mesh, folder, name):
    """One model in two parts: values, gradients, steps and checkpoints of the whole one."""
    net = made(name)
    batches = [inputs(net), inputs(net)]
    split = shared(copy.deepcopy(net), mesh)
    assert list(split.state_dict()) == list(net.state_dict())
    assert all(isinstance(parameter, DTensor) for parameter in split.parameters())
    held = sum(parameter.to_local().numel() for parameter in split.parameters())
    assert held < 0.8 * sum(parameter.numel() for parameter in net.parameters())
    expected = train(net, batches)
    for found, meant in zip(train(split, batches), expected, strict=True):
        assert_same(found, meant)
    # From the split model to a whole one and back, through a checkpoint on disk.
    save({"model": split.state_dict()}, checkpoint_id=folder / name)
    fresh = NETS[name]().double()
    state = {"model": fresh.state_dict()}
    load(state, checkpoint_id=folder / name)
    assert_same(state["model"], expected[2])
    again = shared(NETS[name]().double(), mesh)
    state = {"model": again.state_dict()}
    load(state, checkpoint_id=folder / name)
    split.zero_grad()
    for twin in (again, copy.deepcopy(split)):
        torch.manual_seed(1)
        found = flat(twin(batches[0]))
        torch.manual_seed(1)
        assert_same(found, flat(net(batches[0])))


def check_wrong_parts(mesh, monkeypatch):
    """What would go wrong without notice is noticed by the comparison."""
    net = made("graphs")
    batches = [inputs(net)]
    expected = train(copy.deepcopy(net), batches)

    def differs(place):
        found = train(shared(copy.deepcopy(net), mesh), batches)
        try:
            assert_same(found[place], expected[place])
        except AssertionError:
            return True
        return False

    assert not any(map(differs, range(3)))
    entered = parallel._entered

    def everywhere(self, name):
        value = self._parameters[name] if name in self._parameters else self._buffers[name]
        return value.to_local() if self._within else value

    with monkeypatch.context() as patch:  # the bias added by each process
        patch.setattr(parallel, "_own", everywhere)
        assert differs(0)
    with monkeypatch.context() as patch:  # gradients of inputs that are not added up
        patch.setattr(parallel, "_entered", lambda x, *more: x if more[0].takes == Replicate() else entered(x, *more))
        assert not differs(0)
        assert differs(1)
    with monkeypatch.context() as patch:  # outputs that are not added up
        patch.setattr(parallel.RowwiseParallel, "makes", Replicate())
        assert differs(0)


def check_refusals(mesh):
    for style, module, message in (
        (eq.nn.ColwiseParallel(), eq.Linear("S(n)", "4x1", "3x1"), "3 channels of 3x1 cannot be split over 2"),
        (eq.nn.RowwiseParallel(), eq.Linear("S(n)", "4x1 + 5x0", "4x1"), "5 channels of 4x1 . 5x0 cannot"),
        (eq.nn.ChannelwiseParallel(), eq.nn.Activation("S(n)", "3x1"), "3 channels of 3x1"),
        (eq.nn.ChannelwiseParallel(), eq.nn.LayerNorm("S(n)", "4x1"), "LayerNorm .* means are taken over channels"),
        (eq.nn.ChannelwiseParallel(), eq.nn.Pairings("O(3)", "4x1 + 4x0"), "each of its pairings needs all"),
        (eq.nn.ChannelwiseParallel(), eq.nn.Pool("O(3)", "4x2"), "it mixes them"),
        (eq.nn.ChannelwiseParallel(), eq.nn.Activation("S(n)", "4x1", nn.PReLU()), "function has parameters"),
        (eq.nn.ChannelwiseParallel(), eq.Linear("S(n)", "4x1", "4x1"), "they are mixed"),
        (eq.nn.RowwiseParallel(), eq.TensorProduct("O(3)", "4x1", "4x1", "4x0"), "each channel meets each"),
        (eq.nn.ColwiseParallel(), nn.Linear(4, 4), "of Linear cannot be split over processes here"),
    ):
        with pytest.raises(EqsynthError, match=message):
            parallelize_module(module, mesh, style)
        assert not any(isinstance(parameter, DTensor) for parameter in module.parameters())
    layer = parallelize_module(eq.Linear("S(n)", "4x1", "4x1"), mesh, eq.nn.ColwiseParallel())
    with pytest.raises(EqsynthError, match="split already"):
        parallelize_module(layer, mesh, eq.nn.RowwiseParallel())


def check_products(mesh):
    """Layers of two inputs, in both ways; DTensors in and out."""
    for style, mode in (
        (eq.nn.ColwiseParallel, "full"),
        (eq.nn.ColwiseParallel, "paired"),
        (eq.nn.RowwiseParallel, "paired"),
    ):
        layer = eq.TensorProduct("O(3)", "4x1", "4x1", "2x2 + 2x0", mode=mode, dtype=torch.float64)
        x = [torch.randn(3, 3, 4, dtype=torch.float64, requires_grad=True) for _ in range(2)]
        y = layer(*x)
        gradients = torch.autograd.grad(sum(t.sin().sum() for t in y), [*x, *layer.parameters()])
        whole = {"input_layouts": Replicate(), "output_layouts": Replicate()}
        split = parallelize_module(layer, mesh, style(**whole, use_local_output=False))
        found = split(*x)
        assert all(isinstance(t, DTensor) for t in found)
        local = [t.to_local() for t in found]
        assert_same(local, y)
        theirs = torch.autograd.grad(sum(t.sin().sum() for t in local), [*x, *split.parameters()])
        assert_same([full(t) for t in theirs], gradients)


def check_padded(mesh):
    """Graphs of different sizes, with batch statistics of all."""
    net = eq.nn.Padded(eq.nn.MLP("S(n)", ["2x2", "8x2", "4x1"], norm="batch", dtype=torch.float64))
    x, sizes = eq.nn.pad([torch.randn(n, n, 2, dtype=torch.float64) for n in (3, 5, 3)])
    split = shared(copy.deepcopy(net), mesh)
    assert_same([split(x, sizes)], [net(x, sizes)])
    assert_same([full(b) for b in split.buffers()], list(net.buffers()))


def check_first_weights(mesh):
    """Models made on the meta device draw what whole ones would: equal everywhere, as wide as they should be."""
    for name in ("graphs", "methods", "powers"):
        for way in ("channels", "shards"):
            with torch.device("meta"):
                net = NETS[name]()
            shared(net, mesh) if way == "channels" else fully_shard(net, mesh=mesh)
            net.to_empty(device="cpu")
            for module in net.modules():
                if hasattr(module, "reset_parameters"):
                    module.reset_parameters()
            with torch.device("cpu"):
                like = NETS[name]()
            for (key, parameter), whole in zip(net.named_parameters(), like.parameters(), strict=True):
                value = full(parameter)
                theirs = [torch.empty_like(value) for _ in range(2)]
                dist.all_gather(theirs, value.contiguous())
                assert torch.equal(*theirs), key
                top, meant = value.abs().max(), whole.abs().max()
                assert torch.isfinite(top)
                assert (top == 0) == (meant == 0)
                # The largest of many uniform numbers: a fan-in of half the channels would make it 1.4 times as large.
                assert value.numel() < 60 or 0.8 < top / meant < 1.25 or top == 0, key
            assert all(torch.isfinite(full(y)).all() for y in flat(net(inputs(like, dtype=torch.float32))))


def check_batches(mesh, name):
    """Each process has half of the batch: gradients are averaged, by DDP or in shards."""
    rank = dist.get_rank()
    net = made(name)
    batches = [inputs(net), inputs(net)]
    halves = [tree_map(lambda t: t[rank::2], batch) for batch in batches]
    outputs, gradients, state = train(copy.deepcopy(net), batches)
    count = len(list(net.parameters()))
    inner = len(gradients) // len(batches)

    def of_parameters(found):
        return [g for k, g in enumerate(found) if k % inner < count]

    def shards(each):
        made = copy.deepcopy(net)
        for part in made if each else ():
            if any(True for _ in part.parameters()):
                fully_shard(part, mesh=mesh)
        return fully_shard(made, mesh=mesh)

    ways = {
        "ddp": lambda: DistributedDataParallel(copy.deepcopy(net)),
        "static graph": lambda: DistributedDataParallel(copy.deepcopy(net), static_graph=True),
        "compiled": lambda: torch.compile(DistributedDataParallel(copy.deepcopy(net)), backend="aot_eager"),
        "shards": lambda: shards(False),
        "shards of layers": lambda: shards(True),
    }
    for way, make in ways.items():
        if way == "compiled" and name != "petersen":
            continue
        other = make()
        found = train(other, halves)
        assert_same(found[0], [y[rank::2] for y in outputs])
        assert_same(of_parameters(found[1]), of_parameters(gradients))
        found = {
            key.replace("_orig_mod.", "").replace("module.", "", way != "shards"): v for key, v in found[2].items()
        }
        assert_same(found, state)


def check_mixed_precision(mesh, name):
    """Weights are lent in bfloat16, tables and statistics follow; gradients and weights stay float32."""
    net = made(name, torch.float32)
    x = inputs(net, dtype=torch.float32)
    meant = flat(net(x))
    policy = MixedPrecisionPolicy(param_dtype=torch.bfloat16, reduce_dtype=torch.float32)
    split = fully_shard(copy.deepcopy(net), mesh=mesh, mp_policy=policy)
    tables = [table.dtype for table in split.buffers()]
    for ours, theirs in zip(flat(split(x)), meant, strict=True):
        assert ours.dtype == torch.bfloat16
        assert 0 < (ours - theirs).abs().max() < 0.1 * theirs.abs().max().clamp_min(1)
        ours.float().square().mean().backward(retain_graph=True)
    assert all(p.dtype == p.grad.dtype == torch.float32 for p in split.parameters())
    assert [table.dtype for table in split.buffers()] == tables


def check_compiled_channels(mesh):
    net = made("petersen")
    x = inputs(net)
    split = torch.compile(shared(copy.deepcopy(net), mesh), fullgraph=True, backend="aot_eager")
    ours, theirs = train(split, [x]), train(net, [x])
    assert_same(ours[0], theirs[0])
    assert_same(ours[1], theirs[1])


def check_recomputed_channels(mesh):
    net = made("graphs, batch").eval()
    x = inputs(net)
    split = shared(copy.deepcopy(net), mesh)
    ours = train(checkpoint_wrapper(split), [x])
    assert_same(ours[1], train(net, [x])[1])


def work(rank, folder):
    """The checks, in one of two processes; what fails is written down."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2, timeout=timedelta(seconds=60)
    )
    mesh = init_device_mesh("cpu", (2,))
    checks = [(check_channels, folder, name) for name in NETS]
    checks += [(check_wrong_parts, pytest.MonkeyPatch()), (check_refusals,), (check_products,), (check_padded,)]
    checks += [(check_first_weights,), (check_compiled_channels,), (check_recomputed_channels,)]
    checks += [
        (check_batches, name) for name in ("graphs, layer", "rotations, norms", "lorentz", "petersen", "methods")
    ]
    checks += [
        (check_mixed_precision, name) for name in ("graphs, layer", "rotations", "petersen", "methods", "powers")
    ]
    for check, *arguments in checks:
        start = time.time()
        try:
            torch.manual_seed(0)
            check(mesh, *arguments)
        except Exception:
            (folder / f"failed{rank}").write_text(f"{check.__name__} {arguments}\n{traceback.format_exc()}")
            raise  # the other process would wait
        with (folder / f"done{rank}").open("a") as file:
            file.write(f"{check.__name__} {arguments[-1:]} {time.time() - start:.1f} s\n")
    dist.barrier()  # neither leaves while the other still waits for it
    dist.destroy_process_group()


def in_two_processes(seconds, what, folder, *arguments):
    """Run ``what`` in two processes, and once more where a signal ended one of them.

    torch's own threads for messages between processes abort in about one of a hundred such runs ("double free", and
    memcheck finds no wrong access in a whole run): a fault of a layer would be there the second time, too.
    """
    before = {path.name for path in folder.iterdir()}
    started = start(what, folder, *arguments)
    try:
        finish(started, folder, seconds)
    except (multiprocessing.ProcessExitedException, pytest.fail.Exception) as error:
        # The other process may be the first to say that nobody answers.
        if not {process.exitcode for process in started.processes} & {-signal.SIGABRT, -signal.SIGSEGV}:
            raise
        logging.getLogger(__name__).warning("once more, after: %s", error)
        for path in folder.iterdir():
            if path.is_file() and path.name not in before:
                path.unlink()
        finish(start(what, folder, *arguments), folder, seconds)


def start(what, *arguments):
    """Two processes, copies of one that has imported torch and done nothing else."""
    multiprocessing.get_context("forkserver").set_forkserver_preload(PRELOADED)
    return multiprocessing.start_processes(what, arguments, 2, join=False, start_method="forkserver")


def finish(started, folder, seconds):
    """Wait for processes, and end them where they fail or wait for each other."""
    limit = time.time() + seconds
    try:
        while not started.join(timeout=1):
            assert time.time() < limit, "two processes wait for each other"
    except multiprocessing.ProcessRaisedException as error:
        said = "\n".join(path.read_text() for path in sorted(folder.glob("failed*")))
        pytest.fail(said or str(error))
    finally:
        for process in started.processes:
            process.kill()
            process.join()


def fall(rank, folder, times):
    """End by a signal as often as ``times`` says."""
    if rank == 0:
        marks = len(list(folder.iterdir()))
        (folder / f"{marks}").mkdir()
        if marks < times:
            os.abort()


def test_a_process_that_a_signal_ends_is_tried_once_more(tmp_path):
    in_two_processes(60, fall, tmp_path, 1)
    assert len(list(tmp_path.iterdir())) == 2
    with pytest.raises(multiprocessing.ProcessExitedException):
        in_two_processes(60, fall, tmp_path, 9)


def test_two_processes_do_what_one_does(tmp_path):
    in_two_processes(240, work, tmp_path)
    done = (tmp_path / "done0").read_text().splitlines()
    assert len(done) == len((tmp_path / "done1").read_text().splitlines()) == 27, done


# --- parallel training of layers --------------------------------------------------------------------

LAYERS = (("S(n)", "2x2", "3x2", 4), ("SO(3)", "2x2", "2x3", 3), ("Aut(petersen)", "2x1", "3x1", 10))


def train_layers(rank, folder):
    """Gradients of layers in one of two processes, each with half of the batch."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2, timeout=timedelta(seconds=60)
    )
    job = torch.load(folder / "job.pt", weights_only=True)
    found = []
    for group, space_in, space_out, state, x in job:
        mine = x[rank::2]
        layer = eq.Linear(group, space_in, space_out, dtype=torch.float64)
        if rank == 0:  # the other process gets the weights of the first
            layer.load_state_dict(state)
        parallel = DistributedDataParallel(layer)
        # Two passes before the backward one: buffers that are sent around must not break it.
        (parallel(mine).square().sum() + parallel(2 * mine).square().sum()).backward()
        whole = {name: parameter.grad.clone() for name, parameter in layer.named_parameters()}
        layer.zero_grad()
        fully_shard(layer)
        (layer(mine).square().sum() + layer(2 * mine).square().sum()).backward()
        shards = {name: full(parameter.grad) for name, parameter in layer.named_parameters()}
        found.append((whole, shards))
    torch.save(found, folder / f"found{rank}.pt")
    dist.barrier()
    dist.destroy_process_group()


def test_two_processes_find_the_gradients_of_one(tmp_path):
    job, expected = [], []
    for group, space_in, space_out, n in LAYERS:
        torch.manual_seed(0)
        layer = randomise(eq.Linear(group, space_in, space_out, dtype=torch.float64))
        (x,) = inputs_for(layer, n, (6,))
        x = x.detach()
        job.append((group, space_in, space_out, layer.state_dict(), x))
        # Each of two processes takes half of the batch, and the gradients are averaged.
        loss = (layer(x).square().sum() + layer(2 * x).square().sum()) / 2
        loss.backward()
        expected.append({key: parameter.grad for key, parameter in layer.named_parameters()})
    torch.save(job, tmp_path / "job.pt")
    in_two_processes(120, train_layers, tmp_path)
    for rank in range(2):
        for found, meant in zip(torch.load(tmp_path / f"found{rank}.pt"), expected, strict=True):
            for gradients in found:
                assert gradients.keys() == meant.keys()
                for key, theirs in meant.items():
                    assert_close(gradients[key], theirs)


# --- recomputation ----------------------------------------------------------------------------------

ROTATION = "8x1 + 4x0"
METHODS = ("diagrams", "matrix", "irreps", "fourier")
KINDS = {
    **{
        f"linear by {how}": lambda how=how: eq.Linear("S(4)", "4x2", "4x2", method=how)
        for how in ("diagrams", "matrix")
    },
    **{
        f"linear by {how}": lambda how=how: eq.Linear("S(4)", "4x2", "4x2", method=how) for how in ("irreps", "fourier")
    },
    "blocks": lambda: eq.Linear("S(4)", "4x2", "4x2", parameters="blocks"),
    "tensor product": lambda: eq.TensorProduct("O(3)", "4x1", "4x1", "8x2"),
    "power": lambda: eq.Power("O(3)", "4x1", 2, "8x2"),
    "polynomial": lambda: eq.PolynomialLayer("S(n)", "4x1", 2, "4x1"),
    "pairings": lambda: eq.nn.Pairings("O(3)", ROTATION),
    "gates": lambda: eq.nn.Gated("O(3)", ROTATION),
    "norms": lambda: eq.nn.NormActivation("O(3)", ROTATION),
    "layer": lambda: eq.nn.LayerNorm("O(3)", ROTATION),
    "batch": lambda: eq.nn.BatchNorm("O(3)", ROTATION),
    "dropout": lambda: eq.nn.Dropout("O(3)", ROTATION),
    "pool": lambda: eq.nn.Pool("O(3)", ROTATION),
    "silu": lambda: eq.nn.Activation("S(n)", "4x2", torch.nn.Sequential(torch.nn.SiLU(), torch.nn.Tanh())),
    "residual": lambda: eq.nn.Residual(eq.nn.MLP("O(3)", [ROTATION] * 3, norm="layer", dropout=0.3)),
    "mlp": lambda: eq.nn.MLP("S(n)", ["2x2", "8x2", "4x1"], norm="layer", dropout=0.3),
}


def saved(module, x):
    """Values, gradients, and how many bytes are kept for the backward pass beside inputs, parameters and tables."""
    leaves = [t.clone().requires_grad_() for t in x]
    own = {t.untyped_storage().data_ptr() for t in (*leaves, *module.parameters(), *module.buffers())}
    kept = []
    torch.manual_seed(3)
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
        y = flat(module(*leaves))
    torch.manual_seed(4)  # what a backward pass draws anew comes from the state that was kept, not from here
    sum(t.sin().sum() for t in y).backward()
    storages = {t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in kept}
    return y, [t.grad for t in (*leaves, *module.parameters())], sum(storages[key] for key in storages.keys() - own)


class Called(nn.Module):
    """A module of inputs that are one tensor after the other."""

    def __init__(self, module, again=False):
        super().__init__()
        self.module, self.again = module, again
        self.product = isinstance(getattr(module, "_checkpoint_wrapped_module", module), eq.TensorProduct)

    def forward(self, *x):
        x = x if self.product or len(x) == 1 else (x,)
        return checkpoint(self.module, *x, use_reentrant=False) if self.again else self.module(*x)


@pytest.mark.parametrize("name", KINDS)
def test_recomputed_modules_find_the_same_gradients(name):
    torch.manual_seed(0)
    module = KINDS[name]().double()
    if isinstance(module, eq.TensorProduct):
        x = [torch.randn(6, 3, 4, dtype=torch.float64) for _ in range(2)]
    else:
        module.group = eq.Group.parse(str(module.group))
        x = flat(inputs(eq.nn.Sequential(module), 6))
    y, gradients, size = saved(Called(copy.deepcopy(module)), x)
    for twin in (Called(copy.deepcopy(module), again=True), Called(checkpoint_wrapper(copy.deepcopy(module)))):
        values, found, less = saved(twin, x)
        assert_same(values, y)
        assert_same(found, gradients)
        assert less == 0 < size


def test_the_count_of_bytes_sees_what_is_kept():
    size = saved(torch.nn.Sequential(torch.nn.Sigmoid(), torch.nn.Sigmoid()), [torch.ones(16, dtype=torch.float64)])[2]
    assert size == 2 * 16 * 8


# --- compiled models --------------------------------------------------------------------------------

COMPILED = {
    "S(n)": ["2x2", "4x2", "4x1", "3x0"],
    "A(n)": ["2x1", "4x1", "3x0"],
    "A(4)": ["2x1", "4x1", "3x0"],
    "O(3)": ["4x1", "8x1 + 8x0 + 2x2", "1x2 + 1x0"],
    "Sp(4)": ["4x1", "8x1 + 8x0", "1x1 + 1x0"],
    "Aut(petersen)": ["2x1", "8x1", "3x0"],
    "S(n) x O(3)": ["2x(1,1)", "8x(1,1) + 8x(1,0)", "1x(0,1) + 1x(0,0)"],
}


@pytest.fixture(autouse=True)
def fresh_compiler():
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


def values_and_gradients(net, run, x):
    x = tree_map(lambda t: t.clone().requires_grad_(), x)
    y = flat(run(x))
    return y, torch.autograd.grad(sum(t.sin().sum() for t in y), [*flat(x), *net.parameters()])


@pytest.mark.usefixtures("open_sizes")
@pytest.mark.parametrize("group", COMPILED)
def test_whole_models_are_one_graph_at_every_size(group):
    torch.manual_seed(0)
    norm = None if group.startswith("Sp") else "layer"
    net = eq.nn.MLP(group, COMPILED[group], norm=norm, dtype=torch.float64)
    backend = "aot_eager" if group in ("Aut(petersen)", "Sp(4)") else "eager"
    run = torch.compile(net, fullgraph=True, backend=backend, dynamic=True)
    with torch._dynamo.config.patch(error_on_recompile=True):
        for n, batch in ((7, 11), (9, 13), (6, 17)):  # torch takes equal lengths for one
            x = inputs(net, batch, n=n)
            for ours, theirs in zip(values_and_gradients(net, run, x), values_and_gradients(net, net, x), strict=True):
                assert_same(ours, theirs)


def test_marked_sizes_are_open_and_others_are_not():
    net = eq.nn.MLP("S(n)", ["2x2", "8x2", "3x0"], norm="layer", dtype=torch.float64)
    run = torch.compile(net, fullgraph=True, backend="eager")
    with torch._dynamo.config.patch(error_on_recompile=True):
        for n in (5, 7, 9):
            x = inputs(net, 11, n=n)
            for axis in (1, 2):
                torch._dynamo.mark_dynamic(x, axis)
            assert_same(flat(run(x)), flat(net(x)))
        with pytest.raises(Exception, match="Recompiling function forward"):
            run(inputs(net, 12))  # the batch was not marked


@pytest.mark.parametrize("group", ["A(n)", "Sp(4)"])
def test_models_that_eq_compiles(group):
    net = eq.nn.MLP(group, COMPILED[group], dtype=torch.float64)
    x = inputs(net, 11)
    run = eq.compile(net, backend="aot_eager")
    for ours, theirs in zip(values_and_gradients(net, run, x), values_and_gradients(net, net, x), strict=True):
        assert_same(ours, theirs)


# --- mixed precision --------------------------------------------------------------------------------


@pytest.mark.parametrize("norm", [None, "layer", "batch"])
@pytest.mark.parametrize("group", COMPILED)
def test_training_in_mixed_precision(group, norm):
    if group.startswith("Sp") and norm:
        with pytest.raises(EqsynthError, match="cannot be normalised"):
            eq.nn.MLP(group, COMPILED[group], norm=norm)
        return
    torch.manual_seed(0)
    net = eq.nn.MLP(group, COMPILED[group], norm=norm)
    x = inputs(net, 32, torch.float32)
    optimiser, scaler, losses = torch.optim.Adam(net.parameters(), 5e-3), torch.amp.GradScaler("cpu"), []
    for _ in range(10):
        with torch.autocast("cpu", torch.bfloat16):
            loss = sum((y.float() - 0.1).square().mean() for y in flat(net(x)))
        optimiser.zero_grad()
        scaler.scale(loss).backward()
        scaler.step(optimiser)
        scaler.update()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]
    assert {t.dtype for t in (*net.parameters(), *(p.grad for p in net.parameters()))} == {torch.float32}


@pytest.mark.parametrize(
    ("module", "size"),
    [
        (eq.nn.LayerNorm("O(3)", "16x1"), 2000),
        (eq.nn.LayerNorm("S(n)", "16x1"), 2000),
        (eq.nn.LayerNorm("S(n)", "16x1", "all"), 2000),
        (eq.nn.BatchNorm("O(3)", "16x1"), 2000),
        (eq.nn.BatchNorm("S(n)", "16x1"), 2000),
        (eq.nn.NormActivation("O(3)", "16x1"), 2000),
        (eq.nn.Pool("O(3)", "16x1"), 2000),
    ],
    ids=repr,
)
def test_squares_are_taken_in_single_precision(module, size):
    """Half precision ends at 65504: the square of 2000 is beyond."""
    x = size * torch.randn(8, 3, 16)
    meant = copy.deepcopy(module)(x).detach()
    with torch.autocast("cpu", torch.float16):
        assert_close(module(x.half()).float(), meant, rtol=0.01, atol=0.01 * float(meant.abs().max()))
    assert not torch.isfinite(x.half().square()).all()


def test_pairings_are_summed_in_single_precision():
    pair = eq.nn.Pairings("O(3)", "1x1 + 1x0")
    nn.init.ones_(pair.left_0_1)
    nn.init.ones_(pair.right_0_1)
    x = torch.full((1, 3, 1), 190.0), torch.zeros(1, 1)
    with torch.autocast("cpu", torch.float16):
        _, number = pair((x[0].half(), x[1].half()))  # 3 * 190**2 is beyond half precision, over sqrt(3) it is not
    assert_close(number.float(), torch.full((1, 1), 3**0.5 * 190**2), rtol=1e-3, atol=0)


# --- the example ------------------------------------------------------------------------------------


def example(rank, folder, ways):
    """What examples/train_distributed.py prints in one of two processes, all ways in one meeting."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    os.environ.update(RANK=str(rank), WORLD_SIZE="2")
    dist.init_process_group(
        "gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2, timeout=timedelta(seconds=60)
    )
    end, dist.init_process_group = dist.destroy_process_group, lambda _: None
    dist.destroy_process_group = lambda: None
    for way in ways:
        said = io.StringIO()
        try:
            with contextlib.redirect_stdout(said):
                train_distributed.main(3, way)
        except Exception:
            (folder / f"failed{rank}").write_text(f"{way}\n{traceback.format_exc()}")
            raise
        (folder / f"{way}{rank}.txt").write_text(said.getvalue())
    dist.barrier()  # neither leaves while the other still waits for it
    end()


def test_the_example_prints_the_same_errors_every_way(tmp_path, capsys):
    train_distributed.main(3)
    alone = capsys.readouterr().out.replace("1 process", "2 process")
    ways = ("ddp", "fsdp", "channels")
    in_two_processes(120, example, tmp_path, ways)
    for way in ways:
        assert (tmp_path / f"{way}0.txt").read_text() == alone
        assert (tmp_path / f"{way}1.txt").read_text() == ""
    with pytest.raises(ValueError, match="none of ddp"):
        train_distributed.prepared(nn.Linear(1, 1), "dp", None)


# --- plans ------------------------------------------------------------------------------------------


def styles(net, size=2):
    """Names of styles without Parallel, with > where whole inputs are split, and ! where outputs are put together."""
    found = {}
    for name, style in eq.nn.parallel_plan(net, size).items():
        usual = type(style)()
        early = ">" * (style.input_layouts != usual.input_layouts)
        late = "!" * (style.output_layouts != usual.output_layouts)
        found[name] = f"{early}{type(style).__name__.removesuffix('Parallel')}{late}"
    return found


def test_plans_split_by_outputs_and_inputs_in_turn():
    first = {"0": "Colwise", "1": "Channelwise", "2": "Rowwise", "4": ">Rowwise"}
    assert styles(NETS["graphs"]()) == first
    assert styles(eq.nn.Padded(NETS["graphs"]())) == {f"module.{name}": style for name, style in first.items()}
    assert styles(NETS["graphs, layer"]()) == {
        "0": "Colwise!",
        "1": "Replicate",
        "3": "Colwise!",
        "4": "Replicate",
        "6": ">Rowwise",
    }
    assert styles(eq.nn.MLP("O(3)", ["4x1", "8x1 + 8x0", "1x0"])) == {
        "0": "Colwise!",
        "1": "Colwise",
        "2": "Channelwise",
        "3": "Rowwise",
    }
    assert styles(NETS["residual"]())["1.module.4"] == "Rowwise"
    assert styles(eq.TensorProduct("O(3)", "4x1", "4x1", "8x2")) == {"": "Colwise!"}


def test_plans_refuse_what_cannot_be_split():
    with pytest.raises(SpaceError, match=r"neither the inputs nor .* Linear\(S\(n\): 1x2 -> 9x2.*over 2 proc"):
        eq.nn.parallel_plan(eq.nn.MLP("S(n)", ["1x2", "9x2", "1x0"]), 2)
    for wrong in (nn.Sequential(eq.Linear("S(n)", "2x1", "2x1")), nn.Linear(2, 2), eq.nn.LayerNorm("S(n)", "4x1")):
        with pytest.raises(EqsynthError, match=f"how the parts of {type(wrong).__name__} follow"):
            eq.nn.parallel_plan(wrong, 2)
    for size in (0, True, "2"):
        with pytest.raises(EqsynthError, match="for a number of processes"):
            eq.nn.parallel_plan(NETS["graphs"](), size)
    assert set(dir(eq.nn)) >= {"MLP"}
    with pytest.raises(AttributeError, match="no attribute 'ColumnParallel'"):
        eq.nn.ColumnParallel  # noqa: B018
