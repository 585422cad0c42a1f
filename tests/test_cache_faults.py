"""Whatever happens to the files of the cache, no wrong basis comes out and nothing good is lost."""

import errno
import gc
import os
import subprocess
import sys
import textwrap
import time
import warnings
from itertools import product
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import eqsynth as eq
from eqsynth.bases import basis as bases
from eqsynth.errors import CacheWarning, CatalogError
from eqsynth.store import cache
from eqsynth.store.cache import Store, digest, pack, unpack

KEY = digest("one key")
PROBLEM = ("S(n)", 4, 3)
#: A basis that is worth keeping, made once without the cache.
RIGHT = bases._diagram_basis(eq.Group.parse(PROBLEM[0]), *PROBLEM[1:])


@pytest.fixture
def fresh(tmp_path, monkeypatch):
    """A cache on a path with spaces and letters outside ASCII, and no memory of earlier calls."""
    folder = tmp_path / "mein Schränkchen 圏 ε"
    monkeypatch.setenv("EQSYNTH_CACHE", str(folder))
    forget()
    yield folder
    forget()


def forget():
    bases._basis.cache_clear()
    cache._told.clear()


def files(folder):
    return sorted(path for path in Path(folder).rglob("*") if path.is_file() and path.name != ".lock")


def fill(folder):
    """The one file of the cache after one basis."""
    assert eq.basis(*PROBLEM) == RIGHT
    (path,) = files(folder)
    forget()
    return path


def no_synthesis(monkeypatch):
    monkeypatch.setattr(bases, "_diagram_basis", lambda *_: pytest.fail("the cache was not used"))


def run(script, *arguments, **options):
    # eqsynth.cache alone, so that starting takes no time.
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), *map(str, arguments)],
        capture_output=True, text=True, timeout=500, check=False, **options,
    )  # fmt: skip


def test_a_basis_is_kept_and_found_again(fresh, monkeypatch):
    path = fill(fresh)
    assert unpack(path.read_bytes())["group"] == PROBLEM[0]
    no_synthesis(monkeypatch)
    found = eq.basis(*PROBLEM)
    assert found == RIGHT
    assert repr(found) == repr(RIGHT)


def test_reading_leaves_the_garbage_collector_as_it_was(fresh):
    fill(fresh)
    try:
        for freeze, enabled in product((gc.unfreeze, gc.freeze), (True, False)):
            forget()
            freeze()
            (gc.enable if enabled else gc.disable)()
            before = gc.get_freeze_count()
            assert bool(before) == (freeze is gc.freeze)
            assert eq.basis(*PROBLEM) == RIGHT
            assert gc.isenabled() == enabled
            assert gc.get_freeze_count() == before
    finally:
        gc.enable()
        gc.unfreeze()


def test_small_problems_do_not_touch_the_disk(fresh):
    eq.basis("S(n)", 2, 2)
    eq.basis("S(4) x O(3)", (1, 1), (1, 1))
    assert not fresh.exists()


def test_the_cache_can_be_turned_off(fresh, monkeypatch):
    monkeypatch.setenv("EQSYNTH_CACHE", "off")
    assert eq.basis(*PROBLEM) == RIGHT
    assert not fresh.exists()
    assert cache.user_store() is None


def test_without_a_setting_the_cache_is_in_the_folder_of_the_user(monkeypatch, tmp_path):
    monkeypatch.delenv("EQSYNTH_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path))
    assert tmp_path in Path(cache.user_store().folder).parents


def test_another_process_finds_it(fresh):
    fill(fresh)
    script = """
        import eqsynth as eq, eqsynth.bases as bases
        bases._diagram_basis = None
        print(hash(eq.basis("S(n)", 4, 3).diagrams))
    """
    done = run(script)
    assert done.stdout.strip() == str(hash(RIGHT.diagrams)), done.stderr


def test_what_another_version_made_is_made_anew(fresh):
    path = fill(fresh)
    entry = unpack(path.read_bytes())
    path.write_bytes(pack({**entry, "made": "0.0.1 0000"}))
    assert eq.basis(*PROBLEM) == RIGHT
    assert unpack(path.read_bytes()) == entry
    assert files(fresh) == [path]


# --- damage ---------------------------------------------------------------------------------------


def survives(path, content, message):
    """A damaged file: the right basis, a warning, the bytes set aside, and a good entry in their place."""
    good = path.read_bytes()
    path.write_bytes(content)
    forget()
    with pytest.warns(CacheWarning, match=message) as told:
        assert eq.basis(*PROBLEM) == RIGHT
    assert len(told) == 1
    assert path.read_bytes() == good
    (aside,) = path.parent.glob("*.damaged")
    assert aside.read_bytes() == content
    aside.unlink()
    forget()
    with warnings.catch_warnings(), pytest.MonkeyPatch.context() as patch:
        warnings.simplefilter("error")
        no_synthesis(patch)
        assert eq.basis(*PROBLEM) == RIGHT


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    folder = tmp_path_factory.mktemp("filled")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EQSYNTH_CACHE", str(folder))
        forget()
        yield fill(folder)
    forget()


@pytest.mark.parametrize("content", [b"", b"{}", b"null\n", b"\xff\xfe" * 50, b"x" * 100_000])
def test_other_content_is_set_aside(filled, content):
    survives(filled, content, "not an entry")


@settings(max_examples=15)
@given(data=st.data())
def test_a_flipped_bit_is_found(filled, data):
    path = filled
    content = bytearray(path.read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    survives(path, bytes(content), "was moved to|is made anew")


@settings(max_examples=8)
@given(data=st.data())
def test_a_truncated_file_is_found(filled, data):
    path = filled
    content = path.read_bytes()
    survives(path, content[: data.draw(st.integers(0, len(content) - 1))], "cut short")


def test_every_flip_and_every_cut_of_a_small_entry_is_found():
    good = pack({"kind": "example", "value": [1, 2, 3]})
    assert unpack(good) == {"kind": "example", "value": [1, 2, 3]}
    for place in range(len(good)):
        for bit in range(8):
            changed = bytearray(good)
            changed[place] ^= 1 << bit
            with pytest.raises(CatalogError):
                unpack(bytes(changed))
        with pytest.raises(CatalogError):
            unpack(good[:place])


def test_an_entry_of_a_newer_schema_is_left_alone(fresh):
    path = fill(fresh)
    newer = pack({"kind": "basis", "something": "new"}, cache.SCHEMA + 1)
    path.write_bytes(newer)
    with pytest.warns(CacheWarning, match=f"left alone: it has schema {cache.SCHEMA + 1}"):
        assert eq.basis(*PROBLEM) == RIGHT
    assert path.read_bytes() == newer
    assert files(fresh) == [path]


def test_an_entry_under_the_key_of_another_problem_is_set_aside(fresh):
    path = fill(fresh)
    other = {"kind": "basis", "group": "S(8)", "inputs": 4, "outputs": 3}
    # S(8) would have another certificate; the file is whole, and says itself that it is for S(n).
    wrong = Store(fresh).path(digest(other))
    wrong.parent.mkdir(exist_ok=True)
    path.rename(wrong)
    with pytest.warns(CacheWarning, match="another problem"):
        found = eq.basis("S(8)", 4, 3)
    assert found == bases._diagram_basis(eq.Group("S", 8), 4, 3)


def test_setting_aside_does_not_take_what_someone_repaired_meanwhile(tmp_path):
    store = Store(tmp_path)
    store.put(KEY, {"value": 1})
    store.set_aside(KEY, "it was damaged a moment ago", raw=b"damaged")
    assert store.get(KEY) == {"value": 1}


# --- no room, no rights ---------------------------------------------------------------------------


def goes_on(problem=PROBLEM):
    with pytest.warns(CacheWarning, match="cannot write.*goes on without it") as told:
        assert eq.basis(*problem) == RIGHT
    assert len(told) == 1
    bases._basis.cache_clear()
    with warnings.catch_warnings():  # said once
        warnings.simplefilter("error")
        assert eq.basis(*problem) == RIGHT


def test_a_file_in_place_of_the_folder(fresh):
    fresh.write_text("precious")
    goes_on()
    assert fresh.read_text() == "precious"


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
def test_a_full_disk(fresh, monkeypatch, error):
    def refuse(_):
        raise OSError(error, os.strerror(error))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", refuse)
        goes_on()
    assert files(fresh) == []


def test_a_limit_on_the_size_of_files(tmp_path):
    """The kernel itself refuses in the middle of writing; the entry that was there stays."""
    script = """
        import resource, signal, sys, warnings
        from eqsynth.store.cache import Store, digest
        store, key = Store(sys.argv[1]), digest("one key")
        assert store.put(key, {"value": 1})
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            assert not store.put(key, {"value": list(range(1000))})
        assert len(told) == 1 and "cannot write" in str(told[0].message), told
        assert store.get(key) == {"value": 1}
    """
    pytest.importorskip("resource")
    done = run(script, tmp_path)
    assert done.returncode == 0, done.stderr
    assert len(files(tmp_path)) == 1


def test_a_disk_that_is_truly_full(tmp_path):
    mount = ["mount", "-t", "tmpfs", "-o", "size=32k", "none", tmp_path]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a file system of 32 kB can be mounted by root alone")
    try:
        store = Store(tmp_path / "cache")
        assert store.put(KEY, {"value": 1})
        cache._told.clear()
        with pytest.warns(CacheWarning, match="No space left"):
            assert not store.put(KEY, {"value": list(range(30_000))})
        assert store.get(KEY) == {"value": 1}
        assert len(files(tmp_path)) == 1
    finally:
        subprocess.run(["umount", tmp_path], check=True)


def test_a_folder_without_the_right_to_write():
    """Root may write anywhere, so a process without rights tries."""
    script = """
        import os, sys, warnings
        from pathlib import Path
        import filelock
        from eqsynth.store.cache import Store, digest
        folder, key = Path(sys.argv[1]), digest("one key")
        store = Store(folder)
        assert store.put(key, {"value": 1})
        for path in sorted(folder.rglob("*"), reverse=True):
            path.chmod(0o555 if path.is_dir() else 0o444)
        folder.chmod(0o555)
        for path in folder.parents[:2]:
            path.chmod(0o755)
        if os.getuid() == 0:
            os.setuid(65534)
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            assert store.get(key) == {"value": 1}
            assert not store.put(digest("another"), {"value": 2})
            assert not store.put(digest("a third"), {"value": 2})
        assert len(told) == 1 and "Permission denied" in str(told[0].message), told
    """
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        done = run(script, Path(folder) / "cache")
        for path in [Path(folder), *Path(folder).rglob("*")]:
            path.chmod(0o755)
        assert done.returncode == 0, done.stderr


def test_a_folder_that_cannot_be_read(tmp_path):
    store = Store(tmp_path)
    store.put(KEY, {"value": 1})
    store.path(KEY).unlink()
    store.path(KEY).mkdir()  # reading a folder fails for everyone
    cache._told.clear()
    with pytest.warns(CacheWarning, match="cannot read"):
        assert store.get(KEY) is None


def test_a_lock_that_is_never_released(tmp_path, monkeypatch):
    filelock = pytest.importorskip("filelock")
    store = Store(tmp_path)
    store.put(KEY, {"value": 1})
    monkeypatch.setattr(cache, "PATIENCE", 0.1)
    cache._told.clear()
    held = filelock.FileLock(tmp_path / ".lock")
    with held:
        with pytest.warns(CacheWarning, match="held the lock"):
            assert not store.put(KEY, {"value": 2})
        assert store.get(KEY) == {"value": 1}  # reading needs no lock


# --- many at once, and killed ---------------------------------------------------------------------

CROWD = """
    import os, random, sys, time, warnings
    from hashlib import sha256
    import filelock, json, contextlib
    from eqsynth.store import cache
    from eqsynth.store.cache import Store, digest
    warnings.simplefilter("error")
    cache.PATIENCE = 500  # however busy the machine is
    store, key = Store(sys.argv[1]), digest("one key")

    def content(seed):
        return {"seed": seed, "text": sha256(str(seed).encode()).hexdigest() * (1 + seed % 500)}

    def play(seed):
        draw = random.Random(seed)
        for turn in range(5):
            if draw.random() < 0.5:
                assert store.put(key, content(draw.randrange(10**6)))
            found = store.get(key)
            # Once written, an entry is there for everyone, whole, whoever wrote it.
            assert found is not None and found == content(found["seed"])

    assert store.put(key, content(0))
    children = []
    for seed in range(int(sys.argv[2])):
        child = os.fork()
        if not child:
            try:
                play(seed)
            except BaseException as error:
                print(type(error), error, file=sys.stderr)
                os._exit(1)
            os._exit(0)
        children.append(child)
    codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    print(codes.count(0))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked to start two hundred of them")
def test_two_hundred_processes_at_one_key(tmp_path):
    done = run(CROWD, tmp_path, 200)
    assert done.stdout.strip() == "200", done.stderr
    assert len(files(tmp_path)) == 1


KILLED = """
    import os, signal, sys, warnings
    import filelock, json, contextlib
    from eqsynth.store import cache
    from eqsynth.store.cache import Store, digest
    warnings.simplefilter("error")
    cache.PATIENCE = 500
    store, key = Store(sys.argv[1]), digest("one key")
    store.put(key, {"value": [0] * 20000})

    def die_at(last):
        # A writer opens, locks, writes, flushes and renames files: it dies just before the step with this number.
        steps = iter(range(last + 1))
        events = ("", "open", "os.rename", "os.remove", "os.mkdir", "os.chmod", "fcntl.flock")

        def count(event="", arguments=()):
            if event in events and next(steps) == last:
                os.kill(os.getpid(), signal.SIGKILL)

        def counted(function):
            return lambda *arguments: count() or function(*arguments)

        os.fsync, os.open = counted(os.fsync), counted(os.open)
        sys.addaudithook(count)

    died = 0
    while True:
        child = os.fork()
        if not child:
            die_at(died)
            store.put(key, {"value": [died + 1] * 20000})
            os._exit(0)
        killed = os.WIFSIGNALED(os.waitpid(child, 0)[1])
        found = store.get(key)["value"]
        # Whole, and the one before or the one that the writer was about to write.
        assert len(found) == 20000 and len(set(found)) == 1 and found[0] in (-died, died + 1), found[0]
        if not killed:
            break
        died += 1
        # The lock of a dead process is free.
        assert store.put(key, {"value": [-died] * 20000}), died
    assert found[0] == died + 1
    print(died)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the writers are forked")
def test_writers_killed_before_each_of_their_steps(tmp_path):
    done = run(KILLED, tmp_path)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 8
    left = [path for path in files(tmp_path) if path.suffix == ".part"]
    assert len(files(tmp_path)) == 1 + len(left)
    # What those left that had begun to write is swept up when it is old.
    assert {path.stat().st_size > 0 for path in left} == {False, True}
    assert list(Store(tmp_path).leftovers()) == []
    for path in left:
        os.utime(path, (time.time() - 7200,) * 2)
    assert sorted(Store(tmp_path).leftovers()) == left


# --- the bytes ------------------------------------------------------------------------------------


def test_older_schemas_are_migrated():
    """Files of every released schema are kept here for ever."""
    folder = Path(__file__).parent / "fixtures" / "catalog"
    found = {path.name: unpack(path.read_bytes()) for path in sorted(folder.glob("*.json"))}
    assert set(found) == {f"schema{schema}.json" for schema in range(cache.SCHEMA + 1)}
    for entry in found.values():
        assert entry["kind"] == "basis"
        group = eq.Group.parse(entry["group"])
        assert bases.from_data(group, entry["inputs"], entry["outputs"], entry["basis"]) == eq.basis(
            group, entry["inputs"], entry["outputs"]
        )


def test_every_older_schema_has_a_migration():
    assert sorted(cache.MIGRATIONS) == list(range(cache.SCHEMA))
    with pytest.raises(CatalogError, match="kind"):
        unpack(pack({"kind": "basis"}, 0))


#: All that UTF-8 has: without surrogates. (For ``codec="utf-8"`` Hypothesis encodes a million characters first.)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))


@example({"b": 1, "a": [None, True, "ε \u2028\ud7ff"]})
@given(
    st.dictionaries(
        TEXTS,
        st.recursive(
            st.none() | st.booleans() | st.integers(-(10**17), 10**17) | TEXTS,
            lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner),
            max_leaves=12,
        ),
        max_size=6,
    )
)
def test_what_is_packed_is_read(entry):
    assert unpack(pack(entry)) == entry
    assert pack(unpack(pack(entry))) == pack(entry)
