"""A pytest plugin: where the real servers cannot be had, the tests that need one are skipped, and say why."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from crossfade.local.errors import JarsUnavailable


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup() -> Generator[None, object, object]:
    """A fixture may be what starts it."""
    return (yield from skipped())


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Generator[None, object, object]:
    """Or the test itself."""
    return (yield from skipped())


def skipped() -> Generator[None, object, object]:
    try:
        return (yield)
    except JarsUnavailable as error:
        pytest.skip(str(error))
