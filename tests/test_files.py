"""Files of others stay as they are, whatever writes beside them; what is written is whole, where it was asked for."""

import contextlib
import io
import os
import pickle
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import tomllib
import zipfile
from hashlib import sha256
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

import eqsynth as eq
from eqsynth.cli import app
from eqsynth.errors import ConfigError, EqsynthError, ExportError
from eqsynth.project import catalog, syncing
from eqsynth.project.exporting import read_weights
from eqsynth.show import page
from eqsynth.store import cache, files
from terminal import SURROUNDINGS

ROOT = Path(__file__).parents[1]
posix = pytest.mark.skipif(os.name != "posix", reason="links, pipes and modes are those of POSIX")
ordinary = pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() == 0, reason="root may write everywhere")


def command(*arguments, code=None):
    done = CliRunner(env=dict.fromkeys(SURROUNDINGS)).invoke(app, list(map(str, arguments)))
    if done.exception is not None and not isinstance(done.exception, SystemExit | EqsynthError):
        raise done.exception
    if code is not None:
        assert (1 if done.exception else 0) == code, done.output
    return done


def contents(folder):
    """Every file with its content, and every link with what it names."""
    return {
        path.relative_to(folder).as_posix(): str(path.readlink()) if path.is_symlink() else path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_symlink() or path.is_file()
    }


# --- strangers' files -----------------------------------------------------------------------------

RECIPE = '[[problem]]\nhom = "S(n): 1x1 -> 1x0"\n[[layer]]\nfile = "o_3"\nname = "Mine"\nhom = "O(3): 1x1 -> 1x1"\n'
LIST = '[eqsynth]\nto = "."\n[layers.O3]\nhom = "O(3): 1 -> 1"\n'
DIGEST = sha256(b"of somebody else").hexdigest()
#: Names that eqsynth gives to files of its own, and some that it does not.
NAMES = [
    "index.json", ".lock", "o_3.py", "o3.py", "train.py", "__init__.py", "eqsynth.lock.json", "aa/x.damaged",
    "out.svg", "out.tex", "out.html", "bases.md", "bases.json", "layers.svg", "notes.txt", "gallery/orbit.svg",
    f"aa/{'a' * 64}.json", f"entries/aa/{'a' * 64}.json", f"entries/aa/{'a' * 64}.{'b' * 16}.damaged", "entries/.lock",
    f"entries/aa/{'a' * 64}.damaged", "entries/aa/.x.1-2.0123456789abcdef.part", ".o3.py.1-2.0123456789abcdef.part",
]  # fmt: skip
CONTENTS = st.sampled_from(
    [
        b"", b"mine", b"{}", b"null", b"import torch\n", b"class O3:\n    group = 'O(3)'\n", b"\0\1",
        b'{"files": {}, "schema": 1}\n', b'{"layers":[{"file":"train.py","sha256":"' + DIGEST.encode() + b'"}]}',
        b'{"digest":"' + DIGEST.encode() + b'","entry":{},"schema":1}\n',
    ]
)  # fmt: skip


def gallery(folder):
    import gallery as module

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "ROOT", folder)
        patch.setattr(module, "pages", lambda: {folder / "docs" / "gallery" / "orbit.svg": "<svg/>"})
        module.main([])


def bench(folder):
    import bench as module
    from benchmarks import bases

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bases, "run", lambda *arguments: bases._write([], [], 1, 1, arguments[3]))
        with contextlib.suppress(SystemExit):  # of argparse, which refuses
            module.main(["bases", "--out", str(folder)])


def api(folder):
    for path in (folder / "o3.py", folder / "train.py"):
        with contextlib.suppress(ExportError):
            eq.export(eq.Hom.parse("O(3)", 1, 1), path)


def pages(folder):
    with contextlib.suppress(ExportError):
        page.write(folder / "out.html", "S(n)", 1, 0)


#: All that writes: each gets a folder.
WRITERS = {
    "build": lambda folder: command("catalog", "build", "--store", folder),
    "build one": lambda folder: command("catalog", "build", "S(n): 1x0 -> 1x0", "--store", folder),
    "prune": lambda folder: command("catalog", "prune", "--store", folder, "--all", "--days", 0, "--max-size", 0),
    "list": lambda folder: command("catalog", "list", "--store", folder),
    "show entry": lambda folder: command("catalog", "show", "aaaa", "--store", folder),
    "verify entries": lambda folder: command("catalog", "verify", "--store", folder),
    "sync": lambda folder: command("sync", "--prune", "--config", folder / "eqsynth.toml"),
    "export": lambda folder: command("export", "O3=O(3): 1 -> 1", "--to", folder),
    "synth": lambda folder: command("synth", "O(3)", "1", "1", "-o", folder / "o3.py"),
    "show": lambda folder: command("show", "O(3)", "1", "1", "--svg", folder / "out.svg", "--tikz", folder / "out.tex"),
    "eq.export": api,
    "page": pages,
    "gallery": gallery,
    "bench": bench,
}


@settings(max_examples=60)
@given(st.dictionaries(st.sampled_from(NAMES), CONTENTS, min_size=1, max_size=8), st.sampled_from(sorted(WRITERS)))
def test_files_of_others_are_byte_for_byte_the_same_afterwards(strangers, writer):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        mine = {"catalog.toml": RECIPE.encode(), "eqsynth.toml": LIST.encode(), **strangers}
        if writer == "gallery":
            mine = {f"docs/{file}": content for file, content in mine.items()}
        for file, content in mine.items():
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            (folder / file).write_bytes(content)
            os.utime(folder / file, (0, 0))
        WRITERS[writer](folder)
        after = contents(folder)
        assert {file: after.get(file) for file in mine} == mine


@pytest.mark.parametrize("writer", sorted(WRITERS.keys() - {"show entry", "verify entries", "prune", "list"}))
def test_the_same_writers_do_write_where_nothing_is_in_the_way(tmp_path, writer):
    (tmp_path / "catalog.toml").write_text(RECIPE)
    (tmp_path / "eqsynth.toml").write_text(LIST)
    before = contents(tmp_path)
    WRITERS[writer](tmp_path)
    assert contents(tmp_path).keys() > before.keys()


def test_a_catalog_in_a_folder_of_programs_deletes_none(tmp_path):
    (tmp_path / "catalog.toml").write_text(RECIPE)
    for name in ("train.py", "model.py"):
        (tmp_path / name).write_text("precious")
    command("catalog", "build", "--store", tmp_path, code=0)
    assert (tmp_path / "train.py").read_text() == (tmp_path / "model.py").read_text() == "precious"
    assert eq.verify(tmp_path / "o_3.py")
    # What the list no longer has goes, if it is as it was written; an edited file stays, and is named.
    (tmp_path / "catalog.toml").write_text(RECIPE.replace('"o_3"', '"o_4"'))
    command("catalog", "build", "--store", tmp_path, code=0)
    assert {path.name for path in tmp_path.glob("*.py")} == {"train.py", "model.py", "o_4.py"}
    (tmp_path / "o_4.py").write_text("edited")
    done = command("catalog", "build", "--store", tmp_path, code=1)
    assert "o_4.py" in str(done.exception)
    assert "--force" in str(done.exception)
    (tmp_path / "catalog.toml").write_text(RECIPE)
    assert "kept" in command("catalog", "build", "--store", tmp_path, code=0).stderr
    assert (tmp_path / "o_4.py").read_text() == "edited"


def test_line_ends_of_windows_are_no_edit_of_a_catalog(tmp_path):
    (tmp_path / "catalog.toml").write_text(RECIPE)
    command("catalog", "build", "--store", tmp_path, code=0)
    for path in (tmp_path / "o_3.py", tmp_path / "index.json"):
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    command("catalog", "build", "--store", tmp_path, "--check", code=0)
    (tmp_path / "catalog.toml").write_text(RECIPE.replace("1x1 -> 1x1", "2x1 -> 1x1"))
    command("catalog", "build", "--store", tmp_path, code=0)
    assert "2x1 -> 1x1" in (tmp_path / "o_3.py").read_text()


def test_prune_names_what_it_keeps_and_forces_it_only_if_told(tmp_path):
    stranger = tmp_path / "aa" / f"{'a' * 64}.json"
    stranger.parent.mkdir()
    stranger.write_text("precious")
    assert stranger.name in command("catalog", "prune", "--store", tmp_path, "--all", code=0).stderr
    assert stranger.read_text() == "precious"
    command("catalog", "prune", "--store", tmp_path, "--force", code=0)
    assert not stranger.exists()


def test_a_layer_file_is_replaced_unedited_and_with_force_only(tmp_path):
    path = tmp_path / "o3.py"
    command("synth", "O(3)", "2", "2", "-o", path, code=0)
    command("synth", "O(3)", "1", "1", "-o", path, code=0)
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    command("synth", "O(3)", "2", "1", "-o", path, code=0)
    path.write_bytes(path.read_bytes() + b"# mine\n")
    edited = path.read_bytes()
    done = command("synth", "O(3)", "2", "2", "-o", path, code=1)
    assert str(path) in str(done.exception)
    assert "--force" in str(done.exception)
    with pytest.raises(ExportError, match="force=True"):
        eq.export(eq.Hom.parse("O(3)", 1, 1), path)
    assert path.read_bytes() == edited
    command("synth", "O(3)", "2", "2", "-o", path, "--force", code=0)
    assert "byte for byte" in str(eq.verify(path))


@pytest.mark.parametrize("option", ["--svg", "--tikz", "--html"])
def test_drawings_replace_other_content_with_force_only(tmp_path, option):
    path = tmp_path / "out"
    command("show", "O(3)", "1", "1", option, path, code=0)
    first = path.read_bytes()
    command("show", "O(3)", "1", "1", option, path, code=0)
    assert "--force" in str(command("show", "O(3)", "2", "2", option, path, code=1).exception)
    assert path.read_bytes() == first
    command("show", "O(3)", "2", "2", option, path, "--force", code=0)
    assert path.read_bytes() != first


# --- the writer -----------------------------------------------------------------------------------


@posix
def test_links_stay_and_what_they_point_to_is_written(tmp_path):
    (tmp_path / "real").mkdir()
    real, link, broken = tmp_path / "real" / "a", tmp_path / "link", tmp_path / "broken"
    real.write_bytes(b"old")
    link.symlink_to("real/a")
    broken.symlink_to("real/new/b")
    files.write(link, b"new")
    files.write(broken, b"newer")
    assert link.is_symlink()
    assert broken.is_symlink()
    assert (real.read_bytes(), (tmp_path / "real" / "new" / "b").read_bytes()) == (b"new", b"newer")
    circle = tmp_path / "circle"
    circle.symlink_to("circle")
    with pytest.raises((OSError, RuntimeError)):
        files.write(circle, b"x")
    with pytest.raises(ExportError, match="circle"):
        files.save(circle, b"x")
    assert circle.is_symlink()


@posix
@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_the_umask_rules_new_files_and_old_ones_keep_their_mode(tmp_path, mask):
    before = os.umask(mask)
    try:
        files.write(tmp_path / "new", b"")
        (tmp_path / "old").write_bytes(b"")
        for mode in (0o600, 0o755, 0o664, 0o200):
            (tmp_path / "old").chmod(mode)
            files.write(tmp_path / "old", b"x")
            assert stat.S_IMODE((tmp_path / "old").stat().st_mode) == mode
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o666 & ~mask


@posix
def test_a_pipe_is_written_to_and_stays_a_pipe(tmp_path):
    pipe, read = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()))
    reader.start()
    files.save(pipe, b"content")
    reader.join()
    assert read == [b"content"]
    assert stat.S_ISFIFO(pipe.stat().st_mode)


@posix
def test_what_cannot_be_written_to_stays_and_is_said(tmp_path):
    (tmp_path / "folder").mkdir()
    places = [tmp_path / "folder", tmp_path / "folder" / ("x" * 300), Path("/dev/full"), Path("/dev/fd/9999")]
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(tmp_path / "socket"))
        places.append(tmp_path / "socket")
        for place in places:
            with pytest.raises(ExportError, match="cannot write"):
                files.save(place, b"x" * 100_000)
        assert stat.S_ISSOCK((tmp_path / "socket").stat().st_mode)
    assert stat.S_ISCHR(Path("/dev/full").stat().st_mode)
    assert not list((tmp_path / "folder").iterdir())


@posix
def test_the_device_of_a_disk_is_never_written_to(monkeypatch):
    state = os.stat_result((stat.S_IFBLK | 0o666, *[0] * 9))
    monkeypatch.setattr(Path, "stat", lambda *_, **__: state)
    monkeypatch.setattr(os, "open", lambda *_: pytest.fail("opened"))
    with pytest.raises(OSError, match="device of a disk"):
        files.write("/dev/never-there", b"x")


@posix
def test_a_write_protected_file_is_not_replaced(tmp_path, monkeypatch):
    path = tmp_path / "a"
    path.write_bytes(b"old")
    path.chmod(0o444)
    # The user root, who may run the tests, may write to every file.
    monkeypatch.setattr(os, "access", lambda place, _: os.fspath(place) != str(path))
    with pytest.raises(ExportError, match="write-protected"):
        files.save(path, b"new", force=True)
    assert contents(tmp_path) == {"a": b"old"}


@ordinary
def test_a_file_in_a_folder_that_may_not_be_written(tmp_path):
    (tmp_path / "a").write_bytes(b"old")
    tmp_path.chmod(0o555)
    try:
        with pytest.raises(ExportError, match="Permission denied"):
            files.save(tmp_path / "a", b"new", force=True)
    finally:
        tmp_path.chmod(0o755)
    assert contents(tmp_path) == {"a": b"old"}


@pytest.mark.parametrize("step", ["fsync", "replace", "pour"])
def test_a_full_disk_leaves_what_was_there_and_nothing_else(tmp_path, monkeypatch, step):
    path = tmp_path / "a"
    path.write_bytes(b"old")

    def full(*_):
        raise OSError(28, "No space left on device")

    if step == "replace":
        monkeypatch.setattr(Path, "replace", full)
    else:
        monkeypatch.setattr(*((os, "fsync") if step == "fsync" else (files, "_pour")), full)
    with pytest.raises(ExportError, match="No space left"):
        files.save(path, b"new", force=True)
    monkeypatch.undo()
    assert contents(tmp_path) == {"a": b"old"}


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_files_are_the_same_whatever_the_ends_of_their_lines(one, two):
    assert (files.plain(one) == files.plain(two)) == (
        one == two or (b"\0" not in one + two and one.replace(b"\r\n", b"\n") == two.replace(b"\r\n", b"\n"))
    )


def test_only_what_a_writer_left_is_swept(tmp_path):
    ours = tmp_path / files._temporary_name("swap.py")
    others = [
        tmp_path / files._temporary_name("other.py"),
        tmp_path / ".swap.py.1-2.0123456789abcdef.part",
        tmp_path / "x.part",
    ]
    for path in (ours, *others):
        path.write_bytes(b"half")
        assert not files.left_behind(path)
        os.utime(path, (0, 0))
    assert [path for path in (ours, *others) if files.left_behind(path)] == [ours, others[0]]
    files.sweep(tmp_path, {"swap.py"})
    assert sorted(contents(tmp_path)) == sorted(path.name for path in others)


# --- standard output ------------------------------------------------------------------------------

POURS = """
import os, sys
from eqsynth.store import files
print("before")
files.save(sys.argv[1], b"content\\n")
print("after", flush=True)
"""


@posix
@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1", "link"])
def test_the_standard_output_is_written_to_in_its_order(tmp_path, name):
    if name.startswith("/proc") and not Path("/proc/self/fd").exists():
        pytest.skip("there is no /proc")
    (tmp_path / "link").symlink_to("/dev/stdout")
    path = str(tmp_path / name) if name == "link" else name
    before = os.lstat("/dev/stdout")
    with (tmp_path / "out").open("wb") as out:
        subprocess.run([sys.executable, "-c", POURS, path], check=True, stdout=out, stderr=out)
    assert (tmp_path / "out").read_bytes() == b"before\ncontent\nafter\n"
    done = subprocess.run([sys.executable, "-c", POURS, path], check=True, capture_output=True)
    assert done.stdout == b"before\ncontent\nafter\n"
    assert (tmp_path / "link").is_symlink()
    after = os.lstat("/dev/stdout")
    assert (before.st_ino, before.st_mode) == (after.st_ino, after.st_mode)


@posix
@pytest.mark.parametrize("arguments", [("show", "S(n)", "1", "1"), ("show", "S(n)", "3", "3", "--all"), ("--help",)])
def test_a_full_standard_output_is_one_message(arguments):
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "eqsynth.cli", *arguments],
            stdout=full, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr == "error: cannot write the output: No space left on device\n"


@posix
def test_a_reader_that_has_gone_is_no_news():
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-m", "eqsynth.cli", "show", "S(n)", "3", "3", "--all"],
        stdout=write, stderr=subprocess.PIPE, text=True, check=False,
    )  # fmt: skip
    os.close(write)
    assert (done.returncode, done.stderr) == (141, "")


# --- a project ------------------------------------------------------------------------------------

WEIGHTED = '[eqsynth]\nto = "out"\nformat = "pt2"\n[layers.Swap]\nhom = "O(3): 2 -> 2"\nweights = "trained.pt"\n'


def project(folder, text):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "eqsynth.toml").write_text(text)
    return syncing.read_project(folder / "eqsynth.toml")


@posix
def test_a_project_writes_inside_its_folder_alone(tmp_path):
    home, away = tmp_path / "home", tmp_path / "away"
    away.mkdir()
    home.mkdir()
    (home / "leads").symlink_to("../away")
    for to in ("../away", str(away), "leads", "leads/below", "sub/../../away", "/"):
        with pytest.raises(ConfigError, match=r"out of .*home.*: name a folder below.*eqsynth export"):
            project(home, LIST.replace('"."', f'"{to}"'))
    inside = project(home, LIST.replace('"."', '"sub/../layers"'))
    (home / "layers").mkdir()
    (home / "layers" / "o3.py").symlink_to("../../away/usercustomize.py")
    for force in (False, True):
        with pytest.raises(ExportError, match="a link out of its folder"):
            syncing.sync(inside, force=force)
    assert not list(away.iterdir())
    # A project that is itself reached through a link is one like any other.
    (tmp_path / "door").symlink_to("home")
    (home / "layers" / "o3.py").unlink()
    found = syncing.read_project(tmp_path / "door" / "eqsynth.toml")
    syncing.sync(found)
    assert syncing.compare(inside).changes == ()


def bomb(kind):
    """Weights that are small, and unpack to 10 GB or more, if they are believed."""
    out = io.BytesIO()
    if kind == "deflated":
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("a/data.pkl", b"\0" * 1_000_000)
        return out.getvalue()
    if kind == "claims":
        torch.save({"weight": torch.ones(3)}, out)
        content = bytearray(out.getvalue())
        place = content.find(b"PK\1\2")
        content[place + 24 : place + 28] = (2**31).to_bytes(4, "little")
        return bytes(content)
    if kind == "overlapping":
        with zipfile.ZipFile(out, "w") as archive:
            archive.writestr("a/data", b"\0" * 1_000)
            archive.filelist += archive.filelist * 50
        return out.getvalue()
    if kind == "pickle":
        with zipfile.ZipFile(out, "w") as archive:
            archive.writestr("a/data.pkl", b"\x80\x02cbuiltins\nbytearray\nI10000000000\n\x85R.")
        return out.getvalue()
    if kind == "old":
        torch.save({"weight": torch.ones(3)}, out, _use_new_zipfile_serialization=False)
        return out.getvalue()
    return pickle.dumps([b"x"])


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("kind", ["deflated", "claims", "overlapping", "pickle", "old", "plain"])
def test_weights_that_unpack_to_more_than_they_are_are_refused_unread(monkeypatch, kind):
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("it was loaded"))
    content = bomb(kind)
    assert len(content) < 10_000
    with pytest.raises(EqsynthError, match="does not read as tensors of torch"):
        read_weights(content, "weights.pt")


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16, torch.complex64])
def test_weights_as_torch_saves_them_are_read(dtype):
    out = io.BytesIO()
    state = {"weight": torch.nn.Parameter(torch.ones(3, dtype=dtype)), "bias": torch.ones(2, dtype=dtype)}
    torch.save(state, out)
    found = read_weights(out.getvalue(), "weights.pt")
    assert {name: value.dtype for name, value in found.items()} == dict.fromkeys(state, dtype)


@pytest.mark.parametrize("size", [2**62, 2**40])
def test_headers_of_safetensors_that_claim_too_much_are_refused(size):
    header = f'{{"weight":{{"dtype":"F32","shape":[{size // 4}],"data_offsets":[0,{size}]}}}}'.encode()
    for length in (len(header), 2**60):
        with pytest.raises(EqsynthError, match="does not read as safetensors"):
            read_weights(length.to_bytes(8, "little") + header, "weights.safetensors")


@posix
def test_weights_that_are_no_file_or_too_large_are_refused_unread(tmp_path):
    found, path = project(tmp_path, WEIGHTED), tmp_path / "trained.pt"
    for make in (
        lambda: os.mkfifo(path),
        lambda: path.symlink_to("/dev/zero"),
        path.mkdir,
    ):
        make()
        with pytest.raises(ConfigError, match=r"cannot read the weights .*: name a file of"):
            syncing.compare(found)
        path.rmdir() if path.is_dir() else path.unlink()
    with path.open("wb") as file:
        file.truncate(10**12)
    with pytest.raises(ConfigError, match=r"larger than .* bytes: the layer has 4 weights"):
        syncing.compare(found)
    assert not (tmp_path / "out").exists()


WAITS = """
import sys
from pathlib import Path
from eqsynth.project import syncing
project = syncing.Project("a list", Path(sys.argv[1]), (syncing.layer_of(sys.argv[2]),))
print("ready", flush=True)
syncing.sync(project, keep=True)
"""


def test_one_sync_waits_for_another(tmp_path):
    """The other one has another list, begins while this one holds the lock, and ends after it."""
    folder = tmp_path / "layers"
    with syncing._locked(folder):
        other = subprocess.Popen(
            [sys.executable, "-c", WAITS, str(folder), "Theirs=O(3): 1 -> 1"], stdout=subprocess.PIPE, text=True
        )
        assert other.stdout.readline() == "ready\n"
        mine = syncing.Project("a list", folder, (syncing.layer_of("Mine=O(3): 2 -> 1"),))
        syncing._sync(mine, force=False, prune=False, keep=True)
        assert not (folder / "theirs.py").exists()
    other.communicate(timeout=100)
    assert other.returncode == 0
    assert {path.name for path in folder.iterdir()} == {"mine.py", "theirs.py", "__init__.py", syncing.LOCK}


def test_a_lock_that_cannot_be_had_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(syncing, "PATIENCE", 0.0)
    found = project(tmp_path, LIST.replace('"."', '"layers"'))
    with syncing._locked(found.folder), pytest.raises(ExportError, match="another process has held the lock"):
        syncing.sync(found)
    assert not found.folder.exists()


def test_what_a_killed_sync_left_goes_with_the_next(tmp_path):
    found = project(tmp_path, LIST.replace('"."', '"layers"'))
    found.folder.mkdir()
    for name in ("o3.py", syncing.LOCK, "__init__.py"):
        (found.folder / files._temporary_name(name)).write_bytes(b"half")
    syncing.sync(found)
    assert {path.name for path in found.folder.iterdir()} == {"o3.py", "__init__.py", syncing.LOCK}


def test_a_file_that_is_edited_while_a_sync_runs_is_kept(tmp_path, monkeypatch):
    found = project(tmp_path, LIST.replace('"."', '"layers"'))
    syncing.sync(found)
    changed = project(tmp_path, LIST.replace('"."', '"layers"').replace("1 -> 1", "2 -> 2"))
    real = syncing.compare

    def compare(*arguments, **options):
        state = real(*arguments, **options)
        (found.folder / "o3.py").write_text("mine")
        return state

    monkeypatch.setattr(syncing, "compare", compare)
    with pytest.raises(ExportError, match="was changed"):
        syncing.sync(changed)
    assert (found.folder / "o3.py").read_text() == "mine"


def test_verify_and_sync_agree_on_line_ends(tmp_path):
    found = project(tmp_path, LIST.replace('"."', '"layers"'))
    syncing.sync(found)
    path = found.folder / "o3.py"
    for change, same in ((lambda text: text.replace(b"\n", b"\r\n"), True), (lambda text: text + b"#\r\n", False)):
        path.write_bytes(change(path.read_bytes()))
        assert (syncing.compare(found).changes == ()) == same
        if same:
            assert "but for the ends of its lines" in str(eq.verify(path))
        else:
            with pytest.raises(EqsynthError, match="export it again"):
                eq.verify(path)


# --- the source distribution ----------------------------------------------------------------------


def test_the_source_distribution_has_all_that_git_has():
    if not (ROOT / ".git").exists():
        pytest.skip("this is no clone")
    done = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    tracked = {path.partition("/")[0] for path in done.stdout.split("\n") if path}
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["sdist"]
    assert set(settings["include"]) == {f"/{name}" for name in tracked}


def test_store_entries_of_others_are_moved_whole_never_lost(tmp_path):
    """What stands in the place of an entry that must be written is renamed, with a name that says what it holds."""
    store, key = cache.Store(tmp_path), catalog.Problem("S(n): 1x0 -> 1x0").key
    for content in (b"one", b"two", b"one"):
        store.path(key).parent.mkdir(exist_ok=True)
        store.path(key).write_bytes(content)
        assert store.put(key, {"kind": "example"})
    aside = sorted(path.read_bytes() for path in store.path(key).parent.glob("*.damaged"))
    assert aside == [b"one", b"two"]
    assert len(list(store.leftovers())) == 2
    next(store.path(key).parent.glob("*.damaged")).write_bytes(b"changed")
    assert len(list(store.leftovers())) == 1


def test_pictures_are_written_all_or_none(tmp_path):
    """The first of several was once written before the second was refused."""
    (tmp_path / "maps.tex").write_text("mine")
    command("show", "S(n)", "1", "1", "--svg", tmp_path / "maps.svg", "--tikz", tmp_path / "maps.tex", code=1)
    assert not (tmp_path / "maps.svg").exists()
    assert (tmp_path / "maps.tex").read_text() == "mine"


def test_a_list_of_problems_is_read_within_bounds_and_its_graphs_lie_beside_it(tmp_path, monkeypatch):
    (tmp_path / "triangle.edgelist").write_text("a b\nb c\nc a\n")
    (tmp_path / "catalog.toml").write_text('[[problem]]\nhom = "Aut(triangle.edgelist): 1x1 -> 1x1"\n')
    ((problem,), _) = catalog.read_recipe(tmp_path / "catalog.toml")
    assert problem.hom.startswith("Aut(3: 0-1")
    os.mkfifo(tmp_path / "pipe.toml")
    with pytest.raises(EqsynthError, match="cannot read"):
        catalog.read_recipe(tmp_path / "pipe.toml")
    monkeypatch.setattr(catalog, "MAX_RECIPE", 10)
    with pytest.raises(EqsynthError, match="cannot read"):
        catalog.read_recipe(tmp_path / "catalog.toml")
