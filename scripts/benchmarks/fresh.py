"""One fresh process: ``python -m benchmarks.fresh WHAT [GROUP INPUTS OUTPUTS CHANNELS]`` prints seconds as JSON.

Nothing is imported here before the clock starts that is not meant to be there.
"""

from __future__ import annotations

import json
import sys
import time


def main(what: str, group: str = "", inputs: str = "", outputs: str = "", channels: str = "") -> dict[str, float]:
    """Seconds that ``imported`` took and, where a layer is asked for, until it was ``made`` and had ``ran`` once."""
    if what == "import":
        start = time.perf_counter()
        import eqsynth  # noqa: F401 - its time is what counts

        return {"imported": time.perf_counter() - start}
    import torch

    torch.set_num_threads(1)
    spaces = f"{channels}x{inputs}", f"{channels}x{outputs}"
    if what == "ours":
        start = time.perf_counter()
        from eqsynth import Linear

        imported = time.perf_counter()
        made: torch.nn.Module = Linear(group, *spaces, bias=False)
        ready = time.perf_counter()
        x = torch.ones(64, *[3] * int(inputs), int(channels))
    else:
        from benchmarks.peers import E3nn
        from eqsynth import Linear

        # It says which layer is meant, and is not timed.
        layer = Linear(group, *spaces, bias=False)
        start = time.perf_counter()
        import e3nn.o3  # noqa: F401

        imported = time.perf_counter()
        made = E3nn(layer)
        ready = time.perf_counter()
        x = torch.ones(64, int(channels), 3 ** int(inputs))
    first = time.perf_counter()
    with torch.no_grad():
        made(x)
    ran = time.perf_counter()
    return {"imported": imported - start, "made": ready - imported, "ran": ready - imported + ran - first}


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:])))
