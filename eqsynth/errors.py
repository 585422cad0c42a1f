"""The errors that eqsynth raises: one root, so that one ``except`` catches them all.

Every message says what was asked, why it cannot be, and what to ask instead.
"""

from __future__ import annotations


class EqsynthError(Exception):
    """The root of every error that eqsynth raises on purpose."""


class ParseError(EqsynthError, ValueError):
    """A group or space string that does not parse; the message points at the place."""

    def __init__(self, what: str, text: str, position: int, why: str, cure: str) -> None:
        self.text, self.position = text, position
        super().__init__(f"cannot read the {what} {text!r}: {why}\n    {text}\n    {' ' * position}^\n{cure}")

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild_parse_error, (str(self), self.text, self.position))


def _rebuild_parse_error(message: str, text: str, position: int) -> ParseError:
    error = ParseError.__new__(ParseError)
    Exception.__init__(error, message)
    error.text, error.position = text, position
    return error


class GroupError(EqsynthError, ValueError):
    """A group that does not exist, such as Sp(3)."""


class SpaceError(EqsynthError, ValueError):
    """A tensor space or an order that does not exist, such as order -1."""


class SizeError(EqsynthError, ValueError):
    """A request that would not fit in time or memory, refused before it starts."""


class SymbolicError(EqsynthError, ValueError):
    """A number was needed where n is a letter."""


class ShapeError(EqsynthError, ValueError):
    """A tensor of the wrong shape reached a layer."""


class WeightsError(EqsynthError, RuntimeError):
    """Weights that belong to another function than that of the layer that is to take them."""


class ActivationError(EqsynthError, ValueError):
    """A non-linear or normalising layer that would break the symmetry, or that the group does not allow."""


class ExportError(EqsynthError, OSError):
    """A file could not be written or read."""


class CatalogError(EqsynthError, ValueError):
    """An entry of a catalog or of the cache that is damaged, malformed, or from a newer version."""


class ConfigError(EqsynthError, ValueError):
    """An eqsynth.toml, or what a command asks in its place, that is not understood."""


class VerificationError(EqsynthError):
    """A layer, basis or certificate that does not keep its promise."""


class EquivarianceError(VerificationError, AssertionError):
    """A module that does not commute with its group."""


class ZeroOutputWarning(UserWarning):
    """An output term of a layer is always zero, because only the zero map has the symmetry."""


class IgnoredInputWarning(ZeroOutputWarning):
    """A term of the input of a layer has no influence on the output, because only the zero map has the symmetry."""


class CacheWarning(UserWarning):
    """The cache is damaged or out of use; results are right all the same, and slower."""
