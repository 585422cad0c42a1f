"""What a group is, one family in each file, and how its elements act.

A new family is a class in a file of its own and a line here.
"""

from eqsynth.families.alternating import Alternating
from eqsynth.families.automorphism import Aut
from eqsynth.families.bistochastic import Bistochastic
from eqsynth.families.group import COMPOUND, FAMILIES, HEADED, OTHERS, SIGNED
from eqsynth.families.heads import (
    BistochasticHeads,
    HyperoctahedralHeads,
    IndefiniteHeads,
    NestedHeads,
    OrthogonalHeads,
    SignedBistochasticHeads,
    SignedSymmetricHeads,
    SymmetricHeads,
)
from eqsynth.families.hyperoctahedral import Hyperoctahedral
from eqsynth.families.indefinite import IndefiniteOrthogonal, IndefiniteSpecialOrthogonal
from eqsynth.families.linear import GeneralLinear, SpecialLinear
from eqsynth.families.matrix import MatrixGroup
from eqsynth.families.named import Cyclic, Dihedral, Reflections, Signs, Turns
from eqsynth.families.orthogonal import Orthogonal
from eqsynth.families.permutation import PermutationGroup
from eqsynth.families.reflections import ComplexReflections
from eqsynth.families.special_orthogonal import SpecialOrthogonal
from eqsynth.families.symmetric import Symmetric
from eqsynth.families.symplectic import Symplectic
from eqsynth.families.unitary import SpecialUnitary, Unitary
from eqsynth.families.with_signs import SignedBistochastic, SignedSymmetric
from eqsynth.families.wreath import WreathProduct

FAMILIES.update(
    {
        "S": Symmetric,
        "O": Orthogonal,
        "A": Alternating,
        "SO": SpecialOrthogonal,
        "Sp": Symplectic,
        "H": Hyperoctahedral,
        "B": Bistochastic,
        "S'": SignedSymmetric,
        "B'": SignedBistochastic,
        "GL": GeneralLinear,
        "SL": SpecialLinear,
        "U": Unitary,
        "SU": SpecialUnitary,
    }
)
SIGNED.update({"O": IndefiniteOrthogonal, "SO": IndefiniteSpecialOrthogonal})
HEADED.update(
    {
        Symmetric: SymmetricHeads,
        Orthogonal: OrthogonalHeads,
        IndefiniteOrthogonal: IndefiniteHeads,
        Hyperoctahedral: HyperoctahedralHeads,
        Bistochastic: BistochasticHeads,
        SignedSymmetric: SignedSymmetricHeads,
        SignedBistochastic: SignedBistochasticHeads,
        WreathProduct: NestedHeads,
    }
)
COMPOUND += [WreathProduct, ComplexReflections]
OTHERS.update({"Aut": Aut, "Perm": PermutationGroup, "Matrix": MatrixGroup})
OTHERS.update({"C": Cyclic, "D": Dihedral, "C4": Turns, "D4": Reflections, "Z": Signs})
