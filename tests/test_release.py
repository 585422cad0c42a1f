"""What is published: a source distribution that runs its own scripts and tests, and a wheel with all it needs."""

import email
import os
import re
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest
from hatchling import build

import eqsynth as eq

ROOT = Path(__file__).parents[1]
SCRIPTS = "Scripts" if os.name == "nt" else "bin"


class Environment:
    """An environment of its own, which finds what this one has, torch among it, behind what is installed into it."""

    def __init__(self, folder):
        venv.create(folder, symlinks=os.name != "nt")
        self.bin = folder / SCRIPTS
        paths = {"base": str(folder), "platbase": str(folder)}
        own = Path(sysconfig.get_path("purelib", sysconfig.get_preferred_scheme("prefix"), paths))
        here = {sysconfig.get_path("purelib"), *(path for path in sys.path if path.endswith("-packages"))}
        here |= {str(Path(build.__file__).parents[1])}
        (own / "others.pth").write_text("\n".join(sorted(here)))
        # No eqsynth but its own: neither that of the working folder nor one that PYTHONPATH names.
        self.variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}

    def __call__(self, *command, cwd, program="python"):
        done = subprocess.run(
            [self.bin / program, *map(str, command)],
            cwd=cwd, env=self.variables, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def install(self, what, cwd):
        """As pip does, from nothing but the file; what builds it is that of this environment."""
        options = [
            "--no-deps",
            "--no-index",
            "--no-build-isolation",
            "--no-compile",
            "--disable-pip-version-check",
            "-q",
        ]
        return self("-m", "pip", "install", *options, what, cwd=cwd)


@pytest.fixture(scope="module")
def released(tmp_path_factory):
    """The source distribution, its folder once it is unpacked, and the wheel that is built there."""
    folder = tmp_path_factory.mktemp("released")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        source = folder / build.build_sdist(str(folder))
        with tarfile.open(source) as archive:
            archive.extractall(folder, filter="data")
        patch.chdir(folder / source.name.removesuffix(".tar.gz"))
        wheel = folder / build.build_wheel(str(folder))
        return source, Path.cwd(), wheel


@pytest.fixture(scope="module")
def environment(released, tmp_path_factory):
    """Installed from the source distribution, of which pip makes the wheel that is looked at here."""
    folder = tmp_path_factory.mktemp("installed")
    installed = Environment(folder / "environment")
    installed.install(released[0], folder)
    return installed


def test_the_source_distribution_runs_its_own_scripts_and_tests(released, environment):
    """The quickstart and a test of what was unpacked."""
    unpacked = released[1]
    printed = environment("scripts/quickstart.py", "--fast", "--steps", "1", cwd=unpacked)
    for sentence in ("5 independent equivariant maps", "always the average", "largest difference"):
        assert sentence in printed
    options = "-p", "no:cacheprovider", "-p", "no:hypothesispytest", "-o", "addopts="
    assert "1 passed" in environment("-m", "pytest", *options, "tests/test_flow.py", "-k", "in_a_room", cwd=unpacked)


def test_what_is_installed_has_commands_and_examples(environment, tmp_path):
    assert environment("--version", program="eqsynth", cwd=tmp_path) == f"eqsynth {eq.__version__}\n"
    assert environment("-m", "eqsynth", "examples", "copy", "train_graphs", "mine", cwd=tmp_path).split() == [
        "copied", str(Path("mine", "train_graphs.py")), "copied", str(Path("mine", "training.py"))
    ]  # fmt: skip
    assert (tmp_path / "mine" / "training.py").read_bytes() == (ROOT / "examples" / "training.py").read_bytes()


def test_the_wheel_says_what_it_is(released):
    with zipfile.ZipFile(released[2]) as archive:
        names = archive.namelist()
        (metadata,) = (name for name in names if name.endswith(".dist-info/METADATA"))
        said = email.message_from_bytes(archive.read(metadata))
    examples = {f"eqsynth/examples/{path.name}" for path in (ROOT / "examples").glob("*.py")}
    assert examples <= set(names)
    assert {"eqsynth/py.typed", "eqsynth/__main__.py", "eqsynth/show/assets/page.js"} <= set(names)
    assert (said["Version"], said["License-Expression"]) == (eq.__version__, "MIT")
    text = said.get_payload()
    # Links of README lead into the repository: on the page of an index there is none.
    assert {link.partition(":")[0] for link in re.findall(r"\]\(([^)]*)\)", text)} == {"https"}
    assert "Contributing (`CONTRIBUTING.md`)" in text
    # Pictures are drawn in characters.
    assert "14: y[a,b] += x[b,a]" in text


def test_the_change_log_begins_with_this_version():
    headings = re.findall(r"^## (.*)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert next(heading for heading in headings if heading != "Unreleased").split()[0] == eq.__version__
