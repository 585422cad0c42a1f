"""Write the weights of a few tiny layers, with inputs and outputs, as the tests keep them for ever for each version.

usage: python scripts/weights_fixtures.py

They go to tests/fixtures/weights/VERSION, for the version of eqsynth that runs; a version that is there already was
released with what it has, and is not written again.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file

import eqsynth as eq
from eqsynth.spaces.space import axis_counts
from eqsynth.store import files

FIXTURES = Path(__file__).resolve().parents[1] / "tests" / "fixtures" / "weights"
#: Name, group, input space, output space, bias, normalization, sizes of the groups' letters to try.
LAYERS = (
    ("s_n", "S(n)", "2x2", "3x2", True, "variance", (3, 5)),
    ("s_n_terms", "S(n)", "2x2 + 1x1 + 2x0", "2x1 + 1x2", True, "mean", (3, 5)),
    ("s_2", "S(2)", "1x2", "2x2", True, "sum", (2,)),
    ("o_3", "O(3)", "2x2", "2x2 + 1x0", True, "variance", (3,)),
    ("so_3", "SO(3)", "2x2 + 1x1", "1x2 + 2x1", True, "variance", (3,)),
    ("sp_4", "Sp(4)", "2x2", "2x2", True, "variance", (4,)),
    ("a_4", "A(4)", "1x2", "2x2", True, "variance", (4,)),
    ("aut_petersen", "Aut(petersen)", "2x1", "3x1", False, "variance", (10,)),
    ("perm", "Perm(4: 1 2 3 0)", "2x1", "1x1", False, "variance", (4,)),
    ("matrix", "Matrix([[0,1],[-1,0]]; )", "2x1", "1x1", False, "variance", (2,)),
    ("product", "S(n) x O(3)", "2x(1,1) + 1x(2,0)", "2x(1,1) + 1x(1,0)", True, "variance", (3, 5)),
)


def main(folder: Path = FIXTURES) -> int:
    """Write the files of this version; the exit code is 1 when they are there."""
    target = folder / eq.__version__
    if target.exists():
        print(f"{target} exists: what a version was released with stays as it is")
        return 1
    target.mkdir(parents=True)
    index = {}
    random = torch.Generator().manual_seed(0)
    for name, group, space_in, space_out, bias, normalization, tried in LAYERS:
        layer = eq.Linear(group, space_in, space_out, bias, dtype=torch.float64, normalization=normalization)
        with torch.no_grad():
            for parameter in layer.parameters():
                parameter.normal_(generator=random)
        state = layer.state_dict()
        save_file(state, target / f"{name}.safetensors")
        torch.save(state, target / f"{name}.pt")
        tensors: dict[str, torch.Tensor] = {}
        for n in tried:
            sizes = [factor.n if isinstance(factor.n, int) else n for factor in layer.hom.group.factors]
            inputs = []
            for channels, order in layer.hom.space_in:
                lengths = [size for size, count in zip(sizes, axis_counts(order), strict=True) for _ in range(count)]
                inputs.append(torch.randn(2, *lengths, channels, dtype=torch.float64, generator=random))
            with torch.no_grad():
                made = layer(inputs[0] if len(inputs) == 1 else tuple(inputs))
            outputs = made if isinstance(made, tuple) else (made,)
            tensors |= {f"n{n}.x{place}": x for place, x in enumerate(inputs)}
            tensors |= {f"n{n}.y{place}": y for place, y in enumerate(outputs)}
        save_file(tensors, target / f"{name}.values.safetensors")
        index[name] = {
            "bias": bias,
            "group": str(layer.hom.group),
            "normalization": normalization,
            "sizes": tried,
            "space_in": str(layer.hom.space_in),
            "space_out": str(layer.hom.space_out),
        }
    files.write(target / "index.json", (json.dumps(index, indent=1, sort_keys=True) + "\n").encode())
    print(f"wrote {len(index)} layers to {target}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
