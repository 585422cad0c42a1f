"""Bases: dimensions against the table of the specification, spans against the generators' null space."""

import gc
from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
from flint import fmpz_mat, nmod_mat
from hypothesis import given, settings
from hypothesis import strategies as st

import eqsynth as eq
from eqsynth.bases import basis as bases
from eqsynth.bases import constraints
from eqsynth.bases import dimension as dimensions
from eqsynth.bases.basis import MAX_ENTRIES
from eqsynth.bases.constraints import nullspace
from eqsynth.diagrams import enumeration, functor, gram
from eqsynth.errors import GroupError, SizeError, SymbolicError, VerificationError
from eqsynth.exact import partitions
from eqsynth.layers import emitted as module
from eqsynth.proof.verification import check_basis

# (family, m): dimensions for n = 1, 2, 3, ...
TABLE = {
    ("S", 4): (1, 8, 14, 15, 15, 15),
    ("S", 6): (1, 32, 122, 187, 202, 203),
    ("S", 8): (1, 128, 1094, 2795, 3845, 4111),
    ("O", 6): (1, 10, 15, 15, 15, 15),
    ("O", 8): (1, 35, 91, 105, 105, 105),
    ("O", 10): (1, 126, 603, 903, 945, 945),
    ("A", 4): (1, 16, 27, 22, 16, 15),
}
#: Sp(n) exists for even n alone.
SYMPLECTIC = {6: (5, 14, 15), 8: (14, 84, 104)}
#: SO(n) for m = 0, 1, 2, ...
SPECIAL = {2: (1, 0, 2, 0, 6, 0, 20, 0, 70), 3: (1, 0, 1, 1, 3, 6, 15, 36, 91), 4: (1, 0, 1, 0, 4, 0, 25, 0, 196)}
#: (n, m): det-diagrams and matchings together, and the dimension of their span.
SPANNING = {(3, 5): (10, 6), (3, 7): (105, 36), (4, 6): (30, 25), (4, 8): (315, 196)}


@pytest.mark.parametrize(("family", "total"), sorted(TABLE))
def test_dimensions_of_the_specification(family, total):
    found = tuple(dimensions.dimension(eq.Group(family, n), total) for n in range(1, 7))
    assert found == TABLE[family, total]


def test_symplectic_and_special_dimensions_of_the_specification():
    for total, expected in SYMPLECTIC.items():
        assert tuple(len(eq.basis(f"Sp({n})", total // 2, total // 2)) for n in (2, 4, 6)) == expected
    for n, expected in SPECIAL.items():
        assert tuple(len(eq.basis(f"SO({n})", m // 2, m - m // 2)) for m in range(9)) == expected
    for (n, m), (spanning, dimension) in SPANNING.items():
        basis = eq.basis(f"SO({n})", m // 2, m - m // 2)
        assert (basis.certificate.spanning, len(basis)) == (spanning, dimension)


def test_independence_ends_where_the_specification_says():
    """O(n): dependent from m = 2n + 2 on; Sp(n): from m = n + 2; the det-diagrams of SO(n): from m = n + 2."""
    for n in (1, 2, 3):
        for m, dependent in ((2 * n, False), (2 * n + 2, True)):
            certificate = eq.basis(f"O({n})", m, 0).certificate
            assert (certificate.dimension < certificate.spanning) == dependent
    for n in (2, 4):
        for m, dependent in ((n, False), (n + 2, True)):
            certificate = eq.basis(f"Sp({n})", m, 0).certificate
            assert (certificate.dimension < certificate.spanning) == dependent
    for n in (2, 3, 4):
        basis = eq.basis(f"SO({n})", n + 2, 0)
        heads = [d for d in enumeration.diagrams(basis.group, 0, n + 2) if d.head]
        assert sum(1 for d in basis if d.head) < len(heads)


@pytest.mark.parametrize("family", ["SO", "Sp", "A"])
@pytest.mark.parametrize("n", range(1, 7))
def test_the_other_families_have_as_many_elements_as_the_dimension(family, n):
    if family == "Sp" and n % 2:
        n += 1
    for total in range(7 if family == "A" else 9):
        basis = eq.basis(f"{family}({n})", total // 2, total - total // 2)
        assert len(basis) == dimensions.dimension(basis.group, total)
        assert check_basis(basis)


def test_small_and_odd_dimensions():
    assert [dimensions.dimension(eq.Group("S", 4), m) for m in range(5)] == [1, 1, 2, 5, 15]
    assert [dimensions.dimension(eq.Group("O", 4), m) for m in range(6)] == [1, 0, 1, 0, 3, 0]
    assert [dimensions.dimension(eq.Group("S", "n"), m) for m in range(7)] == [1, 1, 2, 5, 15, 52, 203]
    assert [dimensions.dimension(eq.Group("O", "n"), m) for m in range(9)] == [1, 0, 1, 0, 3, 0, 15, 0, 105]


@pytest.mark.parametrize("family", ["S", "O"])
@pytest.mark.parametrize("n", range(1, 7))
def test_the_basis_has_as_many_elements_as_the_dimension(family, n):
    for total in range(9 if family == "S" else 11):
        if family == "S" and total == 8 and n in (2, 3):
            continue  # 4140 diagrams at once: in the next test
        basis = eq.basis(f"{family}({n})", total // 2, total - total // 2)
        assert len(basis) == dimensions.dimension(eq.Group(family, n), total)
        assert check_basis(basis)


@pytest.mark.parametrize(("n", "size"), [(2, 128), (3, 1094)])
def test_the_largest_dependent_families_of_the_table(n, size):
    assert len(eq.basis(f"S({n})", 4, 4)) == size


@pytest.mark.parametrize(
    ("group", "total_limit"),
    [
        ("S(1)", 6),
        ("S(2)", 6),
        ("S(3)", 5),
        ("S(4)", 4),
        ("O(1)", 6),
        ("O(2)", 6),
        ("O(3)", 6),
        ("SO(1)", 5),
        ("SO(2)", 6),
        ("SO(3)", 5),
        ("SO(4)", 4),
        ("Sp(2)", 6),
        ("Sp(4)", 4),
        ("A(1)", 4),
        ("A(2)", 6),
        ("A(3)", 5),
        ("A(4)", 4),
        ("A(5)", 4),
    ],
)
def test_the_span_is_the_null_space_of_the_generators(group, total_limit):
    """Not only the dimension: stacking both spans raises neither rank."""
    for total in range(total_limit + 1):
        for inputs in range(total + 1):
            basis = eq.basis(group, inputs, total - inputs)
            if basis.size() ** total > 1000:
                continue
            ours = basis.matrices().reshape(len(basis), basis.size() ** total)
            exact = nullspace(eq.Group.parse(group), inputs, total - inputs).reshape(-1, basis.size() ** total)
            assert len(exact) == len(ours)
            both = np.concatenate([ours, exact]).tolist()
            assert fmpz_mat(both).rank() == len(ours) == (fmpz_mat(ours.tolist()).rank() if len(ours) else 0)


@given(st.integers(1, 7), st.data())
@settings(max_examples=60, deadline=None)
def test_kernels_are_whole_at_every_prime(columns, data):
    """Also where no equation joins some unknowns, and where there are none."""
    entry = st.sampled_from([0, 0, 0, 1, -1, 2, 5])
    rows = data.draw(st.lists(st.lists(entry, min_size=columns, max_size=columns), max_size=6))
    matrix = np.array(rows, np.int64).reshape(-1, columns)
    rank = fmpz_mat(rows).rank() if rows else 0
    for prime in constraints.PRIMES:
        kernel = constraints._kernel(matrix % prime, prime)
        assert len(kernel) == columns - rank
        assert not constraints._times(matrix % prime, np.ascontiguousarray(kernel.T), prime).any()
        if len(kernel):
            assert nmod_mat(fmpz_mat(kernel.tolist()), prime).rank() == len(kernel)


@given(st.sampled_from(["S", "O", "SO", "Sp", "A", "H"]), st.integers(1, 4), st.integers(0, 3), st.integers(0, 3))
@settings(deadline=None, max_examples=60)
def test_inner_products_are_the_closed_formula(family, n, inputs, outputs):
    group = eq.Group(family, n + n % 2 if family == "Sp" else n)
    prime = gram.PRIMES[0]
    for head in (False, True):
        listed = [d for d in enumeration.diagrams(group, outputs, inputs) if bool(d.head) == head]
        if not listed or group.n ** (inputs + outputs) * len(listed) > 500_000:
            continue
        matrices = np.array([functor.matrix(group, d, group.n).ravel() for d in listed])
        products, found = matrices @ matrices.T, gram.inner_products(group, listed, prime) % prime
        if family == "Sp":  # up to a sign for each diagram
            assert (np.abs(products) == np.minimum(found, prime - found)).all()
        else:
            assert (products % prime == found).all()


def test_null_spaces_of_no_maps_and_of_all():
    """The first generator leaves nothing for the second to be asked of; or none asks anything."""
    flip, swap, one = [[-1, 0], [0, -1]], [[0, 1], [1, 0]], [[1, 0], [0, 1]]
    assert nullspace(eq.MatrixGroup([flip, swap]), 1, 0).shape == (0, 1, 2)
    assert nullspace(eq.MatrixGroup([one, one]), 1, 1).tolist() == np.eye(4, dtype=int).reshape(4, 2, 2).tolist()


def test_orders_do_not_change_the_dimension_but_the_diagrams():
    for inputs in range(5):
        assert len(eq.basis("S(2)", inputs, 4 - inputs)) == 8


def test_a_basis_is_a_sequence():
    basis = eq.basis("S(n)", 2, 1)
    assert len(list(basis)) == len(basis) == 5
    assert basis[0] in list(basis)
    assert basis[-1] == basis[4]
    assert basis[1:3] == (basis[1], basis[2])


def test_matrices_are_the_maps():
    matrices = eq.basis("S(n)", 1, 1).matrices(3)
    assert matrices.dtype == np.int64
    assert (matrices[0] == np.ones((3, 3))).all()
    assert (matrices[1] == np.eye(3)).all()


def test_matrices_that_would_hurt_are_refused():
    with pytest.raises(SizeError, match="entries"):
        eq.basis("S(n)", 4, 4).matrices(8)
    assert MAX_ENTRIES > 15 * 8**4
    with pytest.raises(SymbolicError, match="say which"):
        eq.basis("S(n)", 2, 2).matrices()
    with pytest.raises(SymbolicError, match="not 5"):
        eq.basis("S(4)", 2, 2).matrices(5)
    with pytest.raises(GroupError):
        eq.basis("S(n)", 2, 2).matrices(0)


def test_spanning_sets_that_would_hurt_are_refused():
    with pytest.raises(SizeError, match="190,899,322"):
        eq.basis("S(n)", 7, 7)
    with pytest.raises(SizeError, match="n >= 6"):
        eq.basis("O(3)", 6, 6, choose="cheapest")


def test_the_order_of_a_basis_is_by_transferred_blocks():
    through = [diagram.through for diagram in eq.basis("S(n)", 3, 3)]
    assert through == sorted(through)


@pytest.mark.parametrize("group", ["S(3)", "O(2)", "S(n)"])
def test_the_checker_catches_tampering(group):
    basis = eq.basis(group, 2, 2) if group != "O(2)" else eq.basis(group, 3, 3)
    assert check_basis(basis)
    missing = replace(basis, diagrams=basis.diagrams[1:])
    with pytest.raises(VerificationError, match="certificate"):
        check_basis(missing)
    doubled = replace(basis, diagrams=(*basis.diagrams[1:], basis.diagrams[1]))
    with pytest.raises(VerificationError, match="twice"):
        check_basis(doubled)
    turned = replace(
        basis, diagrams=(eq.basis(group, 1, basis.outputs)[0:1] or (eq.Diagram(1, 1, ((0, 1),)),)) + basis[1:]
    )
    with pytest.raises(VerificationError, match="does not map"):
        check_basis(turned)


def test_the_checker_catches_dependent_diagrams():
    """O(2) 3 -> 3: all ten diagrams but one, and another that depends on the others."""
    basis = eq.basis("O(2)", 3, 3)
    spare = [d for d in enumeration.diagrams(basis.group, 3, 3) if d not in basis.diagrams]
    caught = 0
    for index in range(len(basis)):
        for other in spare:
            swapped = replace(basis, diagrams=(*basis[:index], *basis[index + 1 :], other))
            try:
                check_basis(swapped)
            except VerificationError as error:
                assert "dependent" in str(error)  # noqa: PT017
                caught += 1
    assert caught > 0


def test_the_checker_catches_a_diagram_that_the_group_lacks():
    basis = eq.basis("O(3)", 1, 1)
    with pytest.raises(VerificationError, match="not equivariant"):
        check_basis(replace(basis, diagrams=(eq.Diagram(1, 1, ((0,), (1,))),)))


@pytest.mark.parametrize(
    ("group", "k", "lo"), [("S(3)", 2, 2), ("O(2)", 3, 3), ("Aut(path3)", 1, 1), ("S(n) x O(2)", (1, 1), (1, 1))]
)
def test_the_checker_catches_a_tampered_certificate(group, k, lo):
    basis = eq.basis(group, k, lo)
    assert check_basis(basis)
    for field, value in (("dimension", len(basis) + 1), ("spanning", 0), ("independence", "trust me"), ("prime", 9)):
        if field == "prime" and not basis.certificate.prime:
            continue
        with pytest.raises(VerificationError, match="certificate"):
            check_basis(replace(basis, certificate=replace(basis.certificate, **{field: value})))
    with pytest.raises(VerificationError, match="certificate"):
        check_basis(replace(basis, certificate=replace(basis.certificate, independence="stable", spanning=9999)))


@pytest.mark.parametrize("group", ["S(2)", "S(n)", "A(1)", "A(3)", "A(n)", "O(2)", "SO(2)", "SO(3)", "SO(n)", "Sp(2)"])
def test_what_fits_a_group_is_what_is_listed(group):
    """All partitions of four vertices, with every head and some edges: the rule and the listing agree."""
    parsed = eq.Group.parse(group)
    listed = set(enumeration.diagrams(parsed, 2, 2))
    fitting = set()
    for blocks in partitions.set_partitions(4):
        heads = [head for size in range(5) for head in permutations(range(len(blocks)), size)]
        found = [eq.Diagram(2, 2, blocks, head=head) for head in heads]
        found += [eq.Diagram(2, 2, blocks, edges=((0, 0),)), eq.Diagram(2, 2, (*blocks, ()))]
        fitting |= {diagram for diagram in found if not enumeration.misfit(parsed, diagram)}
    assert fitting == listed


# --- what making a basis costs -------------------------------------------------------------------


def reduced(matrix, prime):
    """Pivots from the reduced row echelon form of flint."""
    echelon, rank = nmod_mat(*matrix.shape, matrix.ravel().tolist(), prime).rref()
    columns = range(matrix.shape[1])
    return [next(column for column in columns if int(echelon[row, column])) for row in range(rank)]


def panels(matrix, prime):
    """Pivots by panels of few columns."""
    return gram._profile(matrix % prime, prime, (4, 2))[1]


@settings(max_examples=60)
@given(st.integers(0, 12), st.integers(0, 12), st.integers(0, 6), st.integers(0, 2**32), st.sampled_from(gram.PRIMES))
def test_both_ways_to_find_pivots_agree(rows, columns, rank, seed, prime):
    """Of matrices of low rank, with entries up to the prime and below zero."""
    rng = np.random.default_rng(seed)
    left, right = rng.integers(-prime, prime, (rows, rank)), rng.integers(-1, 2, (rank, columns))
    matrix = (left.astype(object) @ right.astype(object) % prime).astype(np.int64) - rng.integers(0, 2) * prime
    found = gram.pivots_modulo(matrix, prime)
    assert found == reduced(matrix, prime) == panels(matrix, prime)
    assert len(found) <= min(rows, columns, rank)


def test_the_largest_products_do_not_overflow():
    prime = gram.PRIMES[0]
    matrix = np.array([[1, prime - 1], [prime - 1, prime - 1]])
    assert gram.pivots_modulo(matrix, prime) == panels(matrix, prime) == [0, 1]
    singular = np.array([[prime - 1, 1], [1, prime - 1]])
    assert gram.pivots_modulo(singular, prime) == panels(singular, prime) == [0]
    largest = np.full((128, 128), prime - 1)
    assert (gram._product(largest, largest, prime) == 128).all()


def test_a_rank_is_proven_once(monkeypatch):
    proven, pivots = [], gram.pivots_modulo
    monkeypatch.setattr(gram, "pivots_modulo", lambda *args: proven.append(args[0].shape) or pivots(*args))
    caches = (bases._basis, module.layer_class)
    for cached in caches:
        cached.cache_clear()
    try:
        for channels in (1, 2):
            layer = eq.Linear("O(3)", f"{channels}x4", "1x4")
        assert len(layer.basis[0, 0]) == 91
        assert proven == [(105, 105)]
    finally:
        for cached in caches:
            cached.cache_clear()


def test_making_a_layer_leaves_the_collector_as_it_was():
    assert gc.isenabled()
    eq.Linear("O(3)", "3x2", "2x2")
    assert gc.isenabled()
    gc.disable()
    try:
        eq.Linear("O(3)", "5x2", "2x2")
        assert not gc.isenabled()
    finally:
        gc.enable()


@pytest.mark.parametrize(("shape", "rank"), [((150, 400), 150), ((400, 150), 130), ((300, 300), 140), ((210, 200), 3)])
def test_pivots_of_large_matrices_are_those_of_flint(shape, rank):
    rng, prime = np.random.default_rng(rank), gram.PRIMES[0]
    right = rng.integers(0, prime, (rank, shape[1]))
    right[:, ::3] = 0
    residues = gram._product(rng.integers(0, prime, (shape[0], rank)), right, prime)
    found = gram.pivots_modulo(residues, prime)
    assert len(found) <= rank
    assert found == reduced(residues, prime)


@pytest.mark.parametrize("large", [3, 10**8])
def test_products_of_rows_are_exact(large):
    # 10**8 squared, six times, is above 2**53.
    rows = np.random.default_rng(0).integers(-large, large + 1, size=(5, 6))
    exact = rows.astype(object) @ rows.T.astype(object)
    assert gram.products_of_rows(rows).tolist() == exact.tolist()
    assert gram.products_of_rows(rows[:0]).shape == (0, 0)
    assert gram.rank_of(gram.products_of_rows(rows[:0])) == 0
    assert gram.rank_of(gram.products_of_rows(np.concatenate([rows, rows[:2] - rows[1:3]]))) == 5
