"""Training in short form: planted vectors, regressions in 5 and 7 dimensions, sizes. What is claimed is checked."""

import json
from functools import partial
from itertools import product

import pytest
import torch
import train_regressions as regressions
import train_sizes as sizes
import train_sparse_vectors as vectors
from torch.testing import assert_close

import eqsynth as eq
import training
from training import main, matched

TASKS = {
    "sparse_vectors_symplectic": (vectors.transformations, vectors.checks),
    "hulls_5": (partial(regressions.volumes, d=5), regressions.checks),
    "sizes": (sizes.sizes, sizes.checks),
}
LONG = {
    **{name: task for name, (task, _) in TASKS.items()},
    "sparse_vectors": vectors.rotations,
    "function_5": partial(regressions.functions, d=5),
    "function_7": partial(regressions.functions, d=7),
    "hulls_7": partial(regressions.volumes, d=7),
}


@pytest.fixture(scope="module")
def short(tmp_path_factory):
    """Every comparison in short form, made when first asked for."""
    folder, found = tmp_path_factory.mktemp("docs") / "training", {}

    def report(name):
        if name not in found:
            found[name] = main("short", *TASKS[name], ["--short", "--out", str(folder)])
        return found[name], folder

    return report


def error(report, contender, test=0):
    """The mean over the outputs of a contender's only run."""
    (run,) = (run for run in report.runs if run.contender == contender)
    return training._mean(run.errors[list(report.tests)[test]])


@pytest.mark.parametrize("name", TASKS)
def test_short_form_runs_learns_and_writes(name, short, capsys):
    """The first contender has the symmetry of the task: it beats what has error 1, and those without."""
    report, folder = short(name)
    first, *others = report.parameters
    assert error(report, first) < 0.85
    assert all(error(report, first) < error(report, other) for other in others if other not in report.equivariant)
    (run,) = (run for run in report.runs if run.contender == first)
    assert run.loss[1] < 0.8 * run.loss[0]
    kept = json.loads((folder / f"{name}.json").read_text())
    assert (kept["parameters"], kept["guess"], kept["along"]) == (report.parameters, report.guess, report.along)
    assert (folder / f"{name}.svg").read_text().rstrip().endswith("</svg>")
    page = folder.with_suffix(".md").read_text()
    assert all(f"| {contender} | {count:,} |" in page for contender, count in report.parameters.items())
    assert f"| {report.guess} |  |  | 1 |" in page
    capsys.readouterr()


@pytest.mark.parametrize("name", LONG)
def test_contenders_have_equal_sizes_and_as_many_examples_as_asked_for(name, monkeypatch):
    monkeypatch.setattr(regressions, "hulls", lambda d, count, _: regressions.pairs(d, count, 0))
    monkeypatch.setattr(sizes, "LARGE", sizes.LARGE[:1])
    monkeypatch.setattr(vectors, "problems", lambda count, d, **_: training.Data((torch.ones(count, d),), ()))
    task, contenders, _, budget = LONG[name](False)
    assert len(matched(contenders)) == len(contenders)
    assert (len(task.train), budget.seeds) == (budget.sizes[-1], 3)


# --- sparse vectors ---------------------------------------------------------------------------------------


def test_planted_vectors_stand_out_as_they_should():
    """n times the sum of fourth powers is 3 for Gaussian vectors; 3 / SPARSE, 3 again and 1 / SPARSE for the others."""
    generator = torch.Generator().manual_seed(0)
    found = {kind: vectors.sparse(kind, 2000, generator) for kind in vectors.KINDS}
    for v in found.values():
        assert_close(v.square().sum(1), torch.ones(2000))
    fourth = {kind: (vectors.N * v.pow(4).sum(1)) for kind, v in found.items()}
    assert fourth["threshold"].min() >= 1 / vectors.SPARSE - 1e-4
    assert fourth["Gaussian"].mean() == pytest.approx(3 / vectors.SPARSE, rel=0.1)
    assert fourth["signs"].mean() == pytest.approx(1 / vectors.SPARSE, rel=0.1)
    assert fourth["two Gaussians"].mean() == pytest.approx(4, rel=0.1)
    assert (found["signs"] != 0).float().mean() == pytest.approx(vectors.SPARSE, abs=0.01)


@pytest.mark.parametrize("reach", [None, 1.0])
def test_bases_are_what_they_are_said_to_be_and_hold_the_vector(reach):
    d = 6
    data = vectors.problems(20, d, 0, reach=reach)
    for s, v in zip(data.inputs, data.targets, strict=True):
        gram = (s.mT @ s).double()
        if reach is None:
            assert_close(gram, torch.eye(d).double().expand(20, d, d), atol=1e-5, rtol=0)
        else:
            form = form_of(d).double()
            assert_close(gram @ form @ gram, form.expand(20, d, d), atol=1e-3, rtol=0)
            assert gram.diagonal(dim1=1, dim2=2).max() > 1.5
        q, r = vectors.orthonormal(s)
        assert_close(q @ r, s, atol=1e-4, rtol=0)
        assert_close((v.unsqueeze(1) @ q).norm(dim=2), torch.ones(20, 1), atol=1e-4, rtol=0)


def form_of(d):
    return torch.block_diag(*[torch.tensor([[0.0, 1.0], [-1.0, 0.0]])] * (d // 2))


@pytest.mark.parametrize("group", ["O(5)", "Sp(6)"])
def test_guesses_depend_on_the_subspace_alone(group):
    d, moved = (5, vectors.turned) if group == "O(5)" else (6, vectors.stretched)
    form = torch.eye(5) if group == "O(5)" else form_of(6)
    data = vectors.problems(8, d, 0, reach=None if group == "O(5)" else 0.5)
    other = moved(data, torch.Generator().manual_seed(1))
    torch.manual_seed(0)
    *known, plain, _ = vectors.contenders(group, d, form, moved)
    with torch.no_grad():
        for contender in (*known, plain):
            model = contender.build()
            pairs = zip(model(*data.inputs), model(*other.inputs), strict=True)
            change = max((y @ y.mT - z @ z.mT).abs().max().item() for y, z in pairs)
            assert (change < 1e-3) == (contender is not plain)


def test_guesses_and_slopes_are_finite_where_eigenvalues_are_equal_or_large():
    s, v = (tensors[0] for tensors in (vectors.problems(4, 5, 0).inputs, vectors.problems(4, 5, 0).targets))
    for a in (
        torch.zeros(4, 5, 5),
        1e6 * torch.eye(5).expand(4, 5, 5),
        1e6 * s.mT @ v.unsqueeze(2) @ v.unsqueeze(1) @ s,
    ):
        given = a.clone().requires_grad_()
        vectors.loss([vectors.spectral(s, given)], [v]).backward()
        assert given.grad.isfinite().all()
    assert vectors.errors([vectors.spectral(s, a.detach())], [v]) == [pytest.approx(0, abs=1e-4)]


def test_errors_are_of_the_first_direction_and_the_loss_of_all():
    """A guess of two directions, the first with 3/4 of the weight and orthogonal to v."""
    v, other = torch.eye(4)[:1], torch.eye(4)[1:2]
    guess = torch.stack((v * 0.5, other * 0.75**0.5), 2)
    assert vectors.errors([guess], [v]) == [pytest.approx(1)]
    assert vectors.loss([guess], [v]).item() == pytest.approx(0.75)
    assert vectors.errors([guess], [other]) == [pytest.approx(0, abs=1e-6)]


def test_the_method_without_training_finds_vectors_and_needs_an_orthonormal_basis():
    data = vectors.problems(100, 6, 0, reach=1.0)
    place = vectors.KINDS.index("Gaussian")
    found = [
        vectors.errors(method.fit(data)(*data.inputs), data.targets)[place]
        for method in (vectors.sum_of_squares(), vectors.sum_of_squares(orthonormalised=False))
    ]
    assert found[0] < 0.1
    assert found[1] > 0.3


# --- regressions ------------------------------------------------------------------------------------------


def test_the_function_and_the_volumes():
    x = torch.zeros(1, 5, 2)
    x[0, 0] = torch.tensor([1.0, 2.0])
    assert regressions.function(x).item() == pytest.approx(0.841471 - 4 + 1, abs=1e-5)
    data = regressions.hulls(5, 3, 0)
    assert data.inputs[0].shape == (3, 5, 16)
    assert data.inputs[0].mean(2).abs().max() < 1e-6
    assert regressions.hull_volume([[0, 0], [2, 0], [0, 2], [2, 2], [1, 1]]) == pytest.approx(4)


@pytest.mark.parametrize("d", [5, 7])
def test_what_turning_and_relabelling_change(d):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(4, d, 16, generator=generator)
    data = training.Data((x,), (x[:, 0],))
    turned, both = (regressions.turned(data, generator, relabelled).inputs[0] for relabelled in (False, True))
    torch.manual_seed(0)
    builds = {
        "points": regressions.OfPoints(d, 2),
        "vectors": regressions.of_vectors(d, 16, 2),
        "Clifford": regressions.Clifford(d, 16, 2, 2, 4),
        "perceptron": regressions.Perceptron(16 * d, 4),
    }
    with torch.no_grad():
        keeps = {
            name: [torch.allclose(model(x), model(other), rtol=1e-3, atol=1e-5) for other in (turned, both)]
            for name, model in builds.items()
        }
    assert keeps == {
        "points": [True, True], "vectors": [True, False], "Clifford": [True, False], "perceptron": [False, False],
    }  # fmt: skip


def test_products_of_blades_are_those_of_the_algebra():
    """e_i e_i = 1, e_i e_j = -e_j e_i, and all products are associative."""
    table = regressions.Table.of(3, (0, 1, 2, 3))
    count = len(table.given)
    dense = torch.zeros(count, count, count)  # left, right, product
    for k, i in product(range(count), repeat=2):
        dense[i, table.others[k, i], k] = table.signs[k, i]
    for i, j in product((1, 2, 4), repeat=2):
        both = dense[i, j] + dense[j, i]
        assert_close(both, 2.0 * (i == j) * torch.eye(count)[0])
    assert_close(torch.einsum("abx,xcy->abcy", dense, dense), torch.einsum("bcx,axy->abcy", dense, dense))
    vectors_only = regressions.Table.of(3, (1,))
    assert [blade.bit_count() for blade in vectors_only.out] == [0, 1, 1, 2, 1, 2, 2]


# --- sizes ------------------------------------------------------------------------------------------------


def test_targets_of_graphs():
    """By brute force; and they do not change when each node stands there twice."""
    data = sizes.graphs(2, 6, 0)
    (a, x), (triangles, weighted) = data.inputs, data.targets
    a, n = a[..., 0], 6
    assert_close(a, a.mT)
    assert a.diagonal(dim1=1, dim2=2).abs().max() == 0
    for g in range(2):
        terms = [a[g, i, j] * a[g, j, k] * a[g, k, i] for i, j, k in product(range(n), repeat=3)]
        assert triangles[g].item() == pytest.approx(sum(terms).item() / n**3)
    weights = [a[0, 2, j] * a[0, j, k] * a[0, k, 2] * x[0, j] * x[0, k] for j, k in product(range(n), repeat=2)]
    assert weighted[0, 2].item() == pytest.approx(sum(weights).item() / n**2, abs=1e-6)
    twice = sizes.answers(a.repeat_interleave(2, 1).repeat_interleave(2, 2), x.repeat_interleave(2, 1))
    assert_close(twice[0], triangles)
    assert_close(twice[1], weighted.repeat_interleave(2, 1))


@pytest.mark.parametrize("name", sizes.WAYS)
def test_only_maps_that_transfer_carry_over(name):
    torch.manual_seed(0)
    network = sizes.Network(2, **sizes.WAYS[name]).layers
    for way in ("repeat", "pad"):
        if sizes.WAYS[name].get("transfer") == way:
            eq.testing.assert_transfers(network, way)
        else:
            with pytest.raises(eq.errors.EquivarianceError):
                eq.testing.assert_transfers(network, way)


def test_averages_and_baselines_are_for_any_size():
    small, large = sizes.graphs(30, 6, 0), sizes.graphs(3, 9, 1)
    number, nodes = sizes.average(small)(*large.inputs)
    assert number.shape == (3, 1)
    assert nodes.shape == (3, 9, 1)
    assert nodes[0, 0].item() == pytest.approx(small.targets[1].mean().item())
    guess, none = sizes.edges_cubed(small)(*large.inputs)
    assert none is None
    assert guess[0].item() == pytest.approx(large.inputs[0][0].mean().item() ** 3)


def test_errors_along_a_letter_are_drawn_against_it(short, tmp_path, capsys):
    """One picture for each output; the places of the tests are their numbers."""
    report, _ = short("sizes")
    capsys.readouterr()
    assert report.along == "n"
    training.draw(report, tmp_path / "sizes.svg")
    text = (tmp_path / "sizes.svg").read_text()
    assert "n in the test" in text
    assert "<!-- 100 -->" in text
    assert "training examples" not in text


def test_large_examples_are_evaluated_a_few_at_a_time(monkeypatch):
    seen = []

    def model(x):
        seen.append(len(x))
        return x.sum((1, 2))

    data = training.Data((torch.ones(5, 10, 10),), (torch.ones(5),))
    monkeypatch.setattr(training, "ENTRIES", 250)
    assert training.predictions(model, data)[0].tolist() == [100.0] * 5
    assert seen == [2, 2, 1]
    monkeypatch.setattr(training, "ENTRIES", 10)
    assert training.predictions(model, data)[0].tolist() == [100.0] * 5
    assert seen[3:] == [1] * 5
