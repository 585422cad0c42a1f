"""Scripts in processes where eqsynth cannot be imported, made from one that has imported torch and nothing else."""

import json
import subprocess
import sys
from functools import cache
from subprocess import CompletedProcess

SERVER = """
import json, os, runpy, sys, traceback

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"eqsynth", "flint"}:
            raise ImportError(f"{name} is blocked")
sys.meta_path.insert(0, Blocker())
try:
    import eqsynth
except ImportError:
    pass
else:
    raise SystemExit("eqsynth could be imported")
import torch

torch.set_num_threads(1)
for line in sys.stdin:
    script, folder, out, err = json.loads(line)
    child = os.fork()
    if not child:
        code = 0
        for number, path in ((1, out), (2, err)):
            os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
        os.chdir(folder)
        try:
            runpy.run_path(script, run_name="__main__")
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
        except BaseException:
            traceback.print_exc()
            code = 1
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@cache
def server():
    """Ends when this process ends, and with it its standard input."""
    return subprocess.Popen(
        [sys.executable, "-I", "-c", SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def run_alone(code, folder):
    """What a script prints and its exit code, run in a folder, without eqsynth."""
    script, out, err = folder / "alone.py", folder / "alone.out", folder / "alone.err"
    script.write_text(code)
    running = server()
    print(json.dumps([str(path) for path in (script, folder, out, err)]), file=running.stdin, flush=True)
    code = int(running.stdout.readline())
    texts = out.read_text(), err.read_text()
    for path in (out, err):
        path.unlink()
    return CompletedProcess([script], code, *texts)
