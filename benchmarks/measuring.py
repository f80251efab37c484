"""What the benchmarks of the jobs share: the machine, processor time, and a migration in `dualwrite` on null tables."""

from __future__ import annotations

import os
import platform
import resource
from pathlib import Path
from typing import Any

import botocore.session
from benchmarks import orders

from crossfade import Migration
from crossfade.aws.own_calls import call
from crossfade.control.coordinator import Coordinator
from crossfade.control.starting import StartPlan, start
from crossfade.control.store import Control
from crossfade.core.stages import Stage
from crossfade.drivers.scope import Scope
from crossfade.drivers.sync import SyncDriver
from crossfade.jobs.connecting import job_config
from crossfade.jobs.session import here


def cpu_seconds() -> float:
    """User and system time of this process, all its threads."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def machine() -> str:
    """For the figures: what they were measured on."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    processor = names[0] if names else platform.processor() or platform.machine()
    return f"{processor}, {os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}"


def apart() -> int | None:
    """Keep to the first core; the server's is the second. None where there is only one, or no way to say so."""
    if not hasattr(os, "sched_setaffinity"):
        return None
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[0]})
    return cores[1] if len(cores) > 1 else None


def client_of(endpoint_url: str) -> Any:
    session: Any = botocore.session.Session()
    session.set_credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
    return session.create_client("dynamodb", region_name="eu-west-1", endpoint_url=endpoint_url, config=job_config(8))


def begun(client: Any, stage: Stage = Stage.DUALWRITE) -> Migration:
    """The migration of `orders`, in a stage that no gate guards."""
    migration = orders.migration()
    driver = SyncDriver(lambda _, operation, request: call(client, operation, request), lambda _name, _facts: None)
    control = Control(migration.name, migration.control_table)
    plan = StartPlan("dual-write", migration.source.name, migration.target.name, migration.compiled.fingerprint)
    _ = driver.run(start(control, here(), plan), Scope())
    if stage is not Stage.OFF:
        _ = driver.run(Coordinator(control, here()).walk(stage), Scope())
    return migration
