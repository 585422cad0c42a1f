"""Entries that somebody else wrote, with a right digest: none changes what a basis is or what a layer computes."""

import json
import os
import shutil
import subprocess
import sys
import textwrap
import warnings
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_catalog_trust import changed, places

import eqsynth as eq
from eqsynth.bases import basis as bases
from eqsynth.codegen.artifact import artifact_of
from eqsynth.diagrams import codec
from eqsynth.errors import CacheWarning, CatalogError, EqsynthError
from eqsynth.plans.lowering import plan_by
from eqsynth.project import catalog
from eqsynth.store import cache
from eqsynth.store.cache import Store, digest, pack, unpack

#: Problems in which all diagrams are independent, or all with at most n blocks, or all standard ones: their bases are
#: kept.
KEPT = [("S(n)", 2, 1), ("S(4)", 1, 2), ("O(n)", 2, 2), ("O(4)", 1, 3), ("SO(n)", 2, 2), ("SO(5)", 2, 2),
        ("Sp(n)", 1, 3), ("Sp(4)", 2, 2), ("A(n)", 1, 2), ("A(2)", 2, 2), ("S(2)", 2, 2), ("O(2)", 2, 4),
        ("SO(3)", 4, 2), ("Sp(2)", 4, 2)]  # fmt: skip
#: Problems in which a basis is chosen or follows from others: nothing that is stored has a say.
CHOSEN = [("S(3)", 2, 2), ("O(2)", 3, 3), ("SO(3)", 2, 3), ("Sp(2)", 2, 2), ("A(2)", 1, 2), ("Aut(path3)", 1, 1),
          ("Perm(3: 1 2 0)", 1, 1), ("Matrix([[0,1],[-1,0]]; )", 1, 1), ("S(3) x O(2)", (1, 1), (1, 1)),
          ("S(n)", "S2", 1), ("O(3)", 2, "S2"), ("A(n)", "A2", "S2")]  # fmt: skip
VALUES = (0, 1, 2, 3, -1, 10**17, None, True, False, "", "x", [], [0], [[]], {}, {"a": 0})


@pytest.fixture
def store(tmp_path, monkeypatch):
    """An empty cache of the user, in which small bases are kept too."""
    monkeypatch.setenv("EQSYNTH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(bases, "WORTH_KEEPING", 1)
    forget()
    yield Store(tmp_path / "cache")
    forget()


def forget():
    bases._basis.cache_clear()
    plan_by.cache_clear()
    cache._told.clear()


def choose_for(problem, monkeypatch):
    """So that small problems are large ones, where a basis of S(n) or A(n) has all with at most n blocks."""
    if problem in KEPT:
        monkeypatch.setattr(bases, "MAX_GRAM", 10)


def problem_of(group, inputs, outputs):
    return {"kind": "basis", "group": str(eq.Group.parse(group)), "inputs": inputs, "outputs": outputs}


def source_of(group, inputs, outputs):
    method = "diagrams" if eq.Group.parse(group).diagrammatic else "auto"
    return artifact_of(eq.plan(group, *map(space_of, (inputs, outputs)), method=method)).source


def space_of(order):
    return f"1x({','.join(map(str, order))})" if isinstance(order, tuple) else f"1x{order}"


def mutants(data):
    """The data with one place changed, dropped or doubled, or two neighbours exchanged."""
    for path in places(data):
        value = data
        for name in path:
            value = value[name]
        if path:
            for other in VALUES:
                if other != value or type(other) is not type(value):
                    yield changed(data, path, other)
        if isinstance(value, list):
            for at in range(len(value)):
                yield changed(data, path, value[:at] + value[at + 1 :])
                yield changed(data, path, value[: at + 1] + value[at:])
                yield changed(data, path, value[:at] + value[at : at + 2][::-1] + value[at + 2 :])
        if isinstance(value, dict):
            for name in value:
                yield changed(data, path, {other: part for other, part in value.items() if other != name})
            yield changed(data, path, {**value, "extra": 1})


@pytest.mark.parametrize("problem", KEPT + CHOSEN, ids=str)
def test_every_change_of_a_basis_is_refused_or_gives_the_same_basis(problem, monkeypatch):
    choose_for(problem, monkeypatch)
    bases._basis.cache_clear()
    right = eq.basis(*problem)
    data = json.loads(cache.canonical(bases.to_data(right)))
    assert bases.from_data(right.group, right.inputs, right.outputs, data) == right
    refused = 0
    for mutant in mutants(data):
        try:
            found = bases.from_data(right.group, right.inputs, right.outputs, mutant)
        except CatalogError:
            refused += 1
            continue
        assert repr(found) == repr(right)
        assert [element.factored for element in found if isinstance(element, eq.Diagram)] == [
            element.factored for element in right if isinstance(element, eq.Diagram)
        ]
    assert refused > 20
    bases._basis.cache_clear()


@pytest.mark.parametrize("problem", KEPT, ids=str)
def test_what_is_kept_is_what_is_made(problem, store, monkeypatch):
    choose_for(problem, monkeypatch)
    right, source = eq.basis(*problem), source_of(*problem)
    key = digest(problem_of(*problem))
    assert key in list(store)
    forget()
    assert eq.basis(*problem) == right
    assert source_of(*problem) == source
    entry = unpack(store.path(key).read_bytes())
    assert entry["basis"]["certificate"][2] in ("stable", "blocks", "standard")


@settings(max_examples=150)
@given(data=st.data())
def test_an_entry_of_somebody_else_is_set_aside_or_changes_nothing(data, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("cache")
        patch.setenv("EQSYNTH_CACHE", str(folder))
        patch.setattr(bases, "WORTH_KEEPING", 1)
        problem = data.draw(st.sampled_from(KEPT))
        choose_for(problem, patch)
        forget()
        right, source = eq.basis(*problem), source_of(*problem)
        store, key = Store(folder), digest(problem_of(*problem))
        good = store.path(key).read_bytes()
        entry = json.loads(json.dumps(unpack(good)))
        for _ in range(data.draw(st.integers(1, 2))):
            listed = list(mutants(entry))
            entry = listed[data.draw(st.integers(0, len(listed) - 1))]
            if not isinstance(entry, dict):
                return
        store.path(key).write_bytes(pack(entry))
        forget()
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            assert repr(eq.basis(*problem)) == repr(right)
            assert source_of(*problem) == source
        aside = [path for path in store.path(key).parent.iterdir() if path.suffix == ".damaged"]
        assert bool(told) == bool(aside)
        # What others made is made anew; what is accepted stays as it is.
        assert store.path(key).read_bytes() in (good, pack(entry))
    forget()


@pytest.mark.parametrize("problem", CHOSEN, ids=str)
def test_a_basis_that_had_to_be_chosen_is_neither_kept_nor_read(problem, store):
    right, source = eq.basis(*problem), source_of(*problem)
    group = eq.Group.parse(problem[0])
    problem_data = {"kind": "basis", "group": str(group), "inputs": str(problem[1]), "outputs": str(problem[2])}
    planted = {}
    for data in ({**problem_data, "inputs": problem[1], "outputs": problem[2]}, problem_data):
        if not any(isinstance(order, tuple) for order in data.values()):
            key = digest(data)
            store.put(key, {**data, "made": cache.made_by(bases.MAKERS), "basis": {"elements": [], "certificate": []}})
            planted[key] = store.path(key).read_bytes()
    forget()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert eq.basis(*problem) == right
        assert source_of(*problem) == source
    assert {key: store.path(key).read_bytes() for key in planted} == planted


def with_exchanged(problem, out, into):
    """The data of a basis with one of its diagrams exchanged for another."""
    right = eq.basis(*problem)
    diagrams = [into if diagram == out else diagram for diagram in right]
    diagrams.sort(key=lambda diagram: diagram.key)
    return bases.to_data(eq.Basis(right.group, right.inputs, right.outputs, tuple(diagrams), right.certificate))


def test_another_valid_basis_is_refused_though_it_is_one():
    """Trained weights would mean something else."""
    from eqsynth.diagrams import enumeration
    from eqsynth.proof.verification import check_basis

    for problem in (("O(2)", 3, 3), ("S(3)", 2, 2), ("Sp(2)", 2, 2), ("S(2)", 2, 1)):
        right = eq.basis(*problem)
        others = [d for d in enumeration.diagrams(right.group, right.outputs, right.inputs) if d not in right.diagrams]
        valid = 0
        for out in right:
            data = with_exchanged(problem, out, others[0])
            wrong = bases.Basis(right.group, right.inputs, right.outputs,
                                codec.decode({k: v for k, v in data.items() if k != "certificate"}, *problem[1:]),
                                right.certificate)  # fmt: skip
            try:
                check_basis(wrong)
                valid += 1
            except EqsynthError:
                pass
            with pytest.raises(CatalogError, match="another one"):
                bases.from_data(right.group, right.inputs, right.outputs, data)
            entry = {**problem_of(*problem), "made": "", "basis": data}
            with pytest.raises(CatalogError, match="another one"):
                catalog.check_entry(digest(problem_of(*problem)), entry, prove=True)
        assert valid


def test_dependent_diagrams_in_place_of_independent_ones_are_refused():
    from eqsynth.diagrams import enumeration

    right = eq.basis("S(3)", 4, 3)
    others = [d for d in enumeration.diagrams(right.group, 3, 4) if d not in right.diagrams]
    diagrams = sorted([*right.diagrams[40:], *others[:40]], key=lambda diagram: diagram.key)
    wrong = eq.Basis(right.group, 4, 3, tuple(diagrams), right.certificate)
    with pytest.raises(CatalogError, match="another one"):
        bases.from_data(right.group, 4, 3, bases.to_data(wrong))


@pytest.mark.parametrize("problem", KEPT + CHOSEN[:6], ids=str)
def test_no_field_of_a_certificate_is_free(problem, monkeypatch):
    choose_for(problem, monkeypatch)
    bases._basis.cache_clear()
    right = eq.basis(*problem)
    data = bases.to_data(right)
    for place, value in enumerate(data["certificate"]):
        for other in (0, 1, 7, value + 1 if place != 2 else "stable", "gram", "blocks", "", True, None):
            if other == value and type(other) is type(value):
                continue
            proof = [*data["certificate"]]
            proof[place] = other
            with pytest.raises(CatalogError):
                bases.from_data(right.group, right.inputs, right.outputs, {**data, "certificate": proof})
    bases._basis.cache_clear()


def test_plans_and_initial_variances_are_not_read(store):
    hom = eq.Hom.parse("S(n)", "1x4", "1x3")
    source = eq.Linear("S(n)", "1x4", "1x3").source
    problem = {"kind": "plan", "hom": str(hom), "bias": True, "normalization": "variance"}
    entry = {
        **problem,
        "made": cache.made_by(bases.MAKERS),
        "plan": {"steps": [], "pairs": [[0, 0, [["0x1p+660", 877]]]]},
    }
    store.put(digest(problem), entry)
    forget()
    assert eq.Linear("S(n)", "1x4", "1x3").source == source
    with pytest.raises(CatalogError, match="kind that is known"):
        catalog.check_entry(digest(problem), entry)


LAYER = catalog.Problem("S(3): 1x1 + 1x2 -> 1x1")
ENTRY = json.loads(cache.canonical(catalog.make_entry(LAYER)))


@settings(max_examples=60)
@given(st.data())
def test_a_changed_layer_entry_is_not_proven(data):
    listed = list(mutants({name: value for name, value in ENTRY.items() if name != "bases"}))
    mutant = data.draw(st.sampled_from(listed))
    mutant = {"bases": ENTRY["bases"], **mutant} if isinstance(mutant, dict) else {}
    if data.draw(st.booleans()):
        mutant = {**ENTRY, "bases": data.draw(st.sampled_from(list(mutants(ENTRY["bases"]))))}
    # An entry may do without its texts.
    if cache.canonical({"texts": ENTRY["texts"], **mutant}) != cache.canonical(ENTRY):
        with pytest.raises(CatalogError):
            catalog.check_entry(LAYER.key, mutant, prove=True)


@pytest.mark.parametrize(("place", "key", "value"), [(0, "inputs", True), (2, "inputs", False), (1, "outputs", True)])
def test_true_and_false_are_no_orders(place, key, value):
    bases = [dict(one) for one in ENTRY["bases"]]
    bases[place][key] = value
    with pytest.raises(CatalogError, match="a basis is of other orders"):
        catalog.check_entry(LAYER.key, {**ENTRY, "bases": bases})


# --- what stands in the place of a file ------------------------------------------------------------


def planted(path, kind, tmp_path):
    """Put something in place of a file; what must stay as it is."""
    path.unlink(missing_ok=True)
    precious = tmp_path / "precious"
    precious.write_text("precious")
    match kind:
        case "pipe":
            os.mkfifo(path)
        case "endless":
            path.symlink_to("/dev/zero")
        case "link":
            path.symlink_to(precious)
        case "dangling":
            path.symlink_to(tmp_path / "absent")
        case "loop":
            path.symlink_to(path)
    return lambda: precious.read_text() == "precious" and not (tmp_path / "absent").exists()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes in folders are for POSIX")
@pytest.mark.parametrize("kind", ["pipe", "endless", "link", "dangling", "loop"])
def test_what_is_no_file_is_neither_read_nor_written_through(kind, store, tmp_path):
    right = eq.basis("S(n)", 2, 1)
    path = store.path(digest(problem_of("S(n)", 2, 1)))
    good = path.read_bytes()
    untouched = planted(path, kind, tmp_path)
    forget()
    with pytest.warns(CacheWarning, match="no regular file"):
        assert eq.basis("S(n)", 2, 1) == right
    assert path.read_bytes() == good
    assert not path.is_symlink()
    assert untouched()
    planted(path, kind, tmp_path)
    assert store.put(digest(problem_of("S(n)", 2, 1)), unpack(good))
    assert path.read_bytes() == good
    assert untouched()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes in folders are for POSIX")
@pytest.mark.parametrize("kind", ["pipe", "link", "dangling", "loop"])
def test_a_lock_that_is_no_file_is_left_alone(kind, store, tmp_path):
    key = digest("a key")
    Path(store.folder).mkdir()
    untouched = planted(Path(store.folder) / ".lock", kind, tmp_path)
    with pytest.warns(CacheWarning, match="cannot write.*lock.*no regular file"):
        assert not store.put(key, {"value": 1})
    assert untouched()


def test_without_a_home_folder_the_work_goes_on(monkeypatch):
    def nowhere(_):
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("EQSYNTH_CACHE")
    monkeypatch.setattr(Path, "expanduser", nowhere)
    right = bases._diagram_basis(eq.Group.parse("S(n)"), 4, 3)
    forget()
    with pytest.warns(CacheWarning, match="folder of the cache.*goes on without it") as told:
        assert eq.basis("S(n)", 4, 3) == right
    assert len(told) == 1
    with pytest.raises(CatalogError, match="no home folder"):
        catalog.open_store(None)
    forget()


# --- who made an entry ------------------------------------------------------------------------------


def test_the_code_that_made_an_entry_is_found_or_its_loss_is_told():
    first = cache.made_by(bases.MAKERS)
    assert first.startswith(eq.__version__)
    assert first != cache.made_by(bases.MAKERS[1:])
    with pytest.raises(FileNotFoundError, match="no modules"):
        cache.made_by(("bases", "a_folder_that_was_renamed"))


def test_an_installation_in_a_zip_is_told_by_its_code_too(tmp_path):
    package = Path(eq.__file__).parent
    shutil.copytree(package, tmp_path / "zipped" / "eqsynth", ignore=shutil.ignore_patterns("__pycache__"))
    archive = shutil.make_archive(str(tmp_path / "eqsynth"), "zip", tmp_path / "zipped")
    script = f"""
        import sys
        sys.path.insert(0, {archive!r})
        from eqsynth.store import cache
        assert ".zip" in cache.__file__
        print(cache.made_by({bases.MAKERS!r}))
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == cache.made_by(bases.MAKERS), done.stderr
