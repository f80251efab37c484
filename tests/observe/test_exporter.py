"""`crossfade exporter`: what the control table tells, as Prometheus reads it."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, cast

import pytest

import crossfade
from crossfade.cli.exporter import look
from crossfade.cli.opened import open_migration
from crossfade.cli.options import Where
from crossfade.cli.screen import Screen
from crossfade.control.sightings import Sightings
from crossfade.migration import load
from crossfade.observe.fleet import FLEET
from tests.aws.conftest import wait_for
from tests.cli import conftest as cli
from tests.cli.conftest import Shell

_ = pytest.importorskip("prometheus_client")
bare_shell, shell, started, at_stage = cli.bare_shell, cli.shell, cli.started, cli.at_stage


@contextmanager
def served(shown: Any) -> Generator[int]:
    from crossfade.observe.exporting import serving

    server = serving(shown, 0)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def fetched(port: int, path: str = "/metrics") -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", path)
    answer = connection.getresponse()
    return answer.status, answer.read().decode("utf-8")


def samples(page: str) -> dict[str, float]:
    lines = [line.rpartition(" ") for line in page.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in lines}


def test_a_scrape_tells_how_the_migration_stands(
    at_stage: Callable[[str], Shell], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stage, the client in it, a job that is complete, and a gate that is open; every row has its help."""
    from crossfade.observe.exporting import Figures

    shell = at_stage("shadow")
    for name, value in shell.environment.items():
        monkeypatch.setenv(name, value)
    _ = shell("backfill", "--execute")
    migration = load(shell.file)
    router = crossfade.attach(shell.client, migration, poll_seconds=0.1, landing_seconds=1.0)
    try:
        wait_for(lambda: router.stage == "shadow", "the stage")
        opened, sightings = open_migration(Screen(), Where(shell.file, None, None, None)), Sightings()
        with served(Figures(lambda: look(opened, sightings))) as port:
            status, page = fetched(port)
            assert fetched(port, "/elsewhere")[0] == 404
    finally:
        assert router.detach()
    assert status == 200
    found, label = samples(page), f'migration="{migration.name}"'
    assert found[f'crossfade_fleet_stage{{{label},stage="shadow"}}'] == 1
    assert found[f'crossfade_fleet_stage{{{label},stage="off"}}'] == 0
    assert found[f'crossfade_fleet_clients{{{label},stage="shadow"}}'] == 1
    assert found[f'crossfade_fleet_job_complete{{job="backfill",{label}}}'] == 1
    assert found[f'crossfade_fleet_gate_open{{gate="backfilled",{label}}}'] == 1
    for metric in FLEET:
        assert f"# HELP {metric.prometheus_name} {metric.help}" in page


def test_a_control_table_that_cannot_be_read_is_a_503() -> None:
    """So that Prometheus' own `up` says it, and the next scrape may succeed."""

    class Unreadable:
        def page(self) -> bytes:
            raise crossfade.NotStarted("no such migration")

    with served(Unreadable()) as port:
        assert fetched(port)[0] == 503


def test_a_port_that_is_taken_is_said() -> None:
    """With what to do."""
    from crossfade.observe.exporting import serving

    with served(None) as port, pytest.raises(crossfade.ConfigurationError) as refused:
        _ = serving(cast("Any", None), port)
    assert f":{port}" in str(refused.value)
