"""PynamoDB's own integration tests in three stages; `make clients` runs them in all, with two mappings."""

from __future__ import annotations

from pathlib import Path

import pytest

from crossfade.core.stages import Stage
from crossfade.local import LocalEngine
from tests.clients.pynamodb_suite.fetching import VARIABLE, NotFetched, fetch, integration_tests
from tests.clients.pynamodb_suite.running import Outcomes, Setting, run_tests

SETTINGS = (
    Setting(Stage.LOCKSTEP_TARGET, "identity"),
    Setting(Stage.RAMPDOWN, "suffix"),
    Setting(Stage.DRAIN, "suffix", "copy-on-write"),
)


def test_pynamodbs_own_tests_come_out_as_on_a_plain_table() -> None:
    """Unchanged, with every table that they make in the middle of a migration."""
    try:
        tests = integration_tests()
    except NotFetched as error:
        pytest.skip(str(error))
    with LocalEngine.start() as server:  # of its own: every table in it is deleted between two runs
        plain = run_tests(server, tests, Setting())
        assert plain.tests
        for setting in SETTINGS:
            outcomes = run_tests(server, tests, setting)
            assert outcomes.migrated > 0
            assert outcomes.differences(plain) == []


def test_a_difference_names_the_test_and_both_outcomes() -> None:
    """A test that fails otherwise than by failing is the same; one that did not run is not."""
    plain = Outcomes({"a": "passed", "b": "failure: x", "c": "passed"}, 0)
    outcomes = Outcomes({"a": "failure: lost", "b": "failure: y"}, 2)
    assert outcomes.differences(plain) == [
        "a: failure: lost; on a plain table: passed",
        "c: did not run; on a plain table: passed",
    ]


def test_tests_that_cannot_be_had_are_an_error_that_says_where_they_were_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And nothing is left in the cache that looks like them."""
    nowhere = tmp_path / "nowhere"
    nowhere.mkdir()
    monkeypatch.setenv(VARIABLE, str(nowhere))
    with pytest.raises(NotFetched, match="nowhere"):
        _ = fetch("0.0.0", tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(NotFetched):
        _ = integration_tests("0.0.0")
    assert list((tmp_path / "cache" / "crossfade").iterdir()) == []
