"""A started migration on tables of its own, as the tests of `attach` have it."""

from __future__ import annotations

from tests.aws.conftest import world

__all__ = ["world"]
