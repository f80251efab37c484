"""One run of PynamoDB's tests in a process of their own, and how each of them came out."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import botocore.session

from crossfade.core.stages import Stage
from crossfade.local import LocalEngine
from tests.migrations import table_names

ROOT: Final = Path(__file__).resolve().parents[3]
RUN_SECONDS: Final = 240.0
REGIONS: Final = ("us-east-1", "us-east-2")  # those of the tests' models
MIGRATED = re.compile(r"tables migrated: (\d+)")


class CouldNotRun(Exception):
    """No outcome of the tests: it tells nothing about crossfade."""


@dataclass(frozen=True, slots=True)
class Setting:
    """How the tables of the tests are migrated; `stage` None: not at all."""

    stage: Stage | None = None
    mapping: str = "identity"
    strategy: str = "dual-write"

    def __str__(self) -> str:
        return "plain table" if self.stage is None else f"{self.strategy}, {self.stage}, {self.mapping}"


@dataclass(frozen=True, slots=True)
class Outcomes:
    """Of each test: `passed`, `skipped`, or what it failed with. `migrated` counts tables."""

    tests: dict[str, str]
    migrated: int

    def differences(self, plain: Outcomes) -> list[str]:
        """One line for each test that came out otherwise than on a plain table."""
        names = sorted(self.tests.keys() | plain.tests.keys())
        return [
            f"{name}: {self.tests.get(name, 'did not run')}; on a plain table: {plain.tests.get(name, 'did not run')}"
            for name in names
            if kind_of(self.tests.get(name)) != kind_of(plain.tests.get(name))
        ]


def kind_of(outcome: str | None) -> str | None:
    return outcome.partition(":")[0] if outcome else outcome


def run_tests(server: LocalEngine, tests: Path, setting: Setting) -> Outcomes:
    """Run them on empty tables. Raises CouldNotRun."""
    options = server.client_options()
    empty(server)
    environment = {
        **os.environ,
        "PYNAMODB_INTEGRATION_TEST_DDB_URL": server.endpoint_url,
        "AWS_ACCESS_KEY_ID": options["aws_access_key_id"],
        "AWS_SECRET_ACCESS_KEY": options["aws_secret_access_key"],
        "AWS_DEFAULT_REGION": options["region_name"],
        "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]),
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    }
    plugin: list[str] = []
    if setting.stage is not None:
        environment |= {
            "CROSSFADE_SUITE_STRATEGY": setting.strategy,
            "CROSSFADE_SUITE_STAGE": setting.stage.value,
            "CROSSFADE_SUITE_MAPPING": setting.mapping,
        }
        plugin = ["-p", "tests.clients.pynamodb_suite.plugin"]
    with tempfile.TemporaryDirectory(prefix="crossfade-pynamodb-") as scratch:
        report, settings = Path(scratch) / "report.xml", Path(scratch) / "pytest.ini"
        _ = settings.write_text("[pytest]\nmarkers =\n  ddblocal: needs a database\n")
        command = [sys.executable, "-m", "pytest", "-q", *plugin, "-p", "no:cacheprovider", f"--junitxml={report}"]
        try:
            done = subprocess.run(
                [*command, "-c", str(settings), "--rootdir", str(tests), str(tests)],
                cwd=scratch,
                env=environment,
                capture_output=True,
                text=True,
                timeout=RUN_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise CouldNotRun(f"{setting}: not done in {RUN_SECONDS:.0f} s") from None
        found = outcomes_in(report) if report.exists() else {}
    if not found:
        raise CouldNotRun(f"{setting}: no test ran\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
    counted = MIGRATED.search(done.stdout)
    return Outcomes(found, int(counted[1]) if counted else 0)


def outcomes_in(report: Path) -> dict[str, str]:
    outcomes: dict[str, str] = {}
    for case in ElementTree.parse(report).iter("testcase"):  # noqa: S314 - written by our own process
        name = f"{case.get('classname')}.{case.get('name')}"
        outcome = "passed"
        for child in case:
            if child.tag in ("failure", "error"):
                lines = (child.get("message") or "").splitlines()
                outcome = f"{child.tag}: {lines[0] if lines else ''}"
            elif child.tag == "skipped":
                outcome = "skipped"
        outcomes[name] = outcome
    return outcomes


def empty(server: LocalEngine) -> None:
    """Some tests leave their tables behind, and cannot be run again with them."""
    session: Any = botocore.session.Session()
    for region in REGIONS:
        client = session.create_client("dynamodb", **{**server.client_options(), "region_name": region})
        for table in table_names(client):
            client.delete_table(TableName=table)
        client.close()
