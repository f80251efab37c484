"""The rules of CloudWatch's embedded metric format, as its specification and its published schema have them.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final

METRICS_MAX: Final = 100
DIMENSIONS_MAX: Final = 30
VALUES_MAX: Final = 100
BYTES_MAX: Final = 1024 * 1024  # of an event in CloudWatch Logs
UNITS: Final = {"Seconds", "Count", "None"}  # of those that it knows, the ones that we need
MILLISECONDS: Final = (10**12, 10**13)  # what a time of this century is in them


def faults(line: str) -> list[str]:
    """What is wrong with a line; nothing if CloudWatch takes it, with all that it tells."""
    return list(found(json.loads(line))) + ["too long"] * (len(line.encode()) > BYTES_MAX) + ["\\n"] * ("\n" in line)


def found(root: dict[str, Any]) -> Iterator[str]:
    metadata: dict[str, Any] = root.get("_aws") or {}
    if set(metadata) != {"Timestamp", "CloudWatchMetrics"}:
        yield f"metadata: {metadata}"
        return
    timestamp = metadata["Timestamp"]
    if type(timestamp) is not int or not MILLISECONDS[0] <= timestamp < MILLISECONDS[1]:
        yield f"timestamp: {timestamp}"
    for directive in metadata["CloudWatchMetrics"]:
        yield from in_directive(directive, root)


def in_directive(directive: dict[str, Any], root: dict[str, Any]) -> Iterator[str]:
    if set(directive) != {"Namespace", "Dimensions", "Metrics"}:
        yield f"directive: {sorted(directive)}"
    if not re.fullmatch(r"[A-Za-z0-9_.#:/-]{1,255}", directive["Namespace"]) or directive["Namespace"].startswith(
        "AWS/"
    ):
        yield f"namespace: {directive['Namespace']}"
    if not directive["Dimensions"]:
        yield "no set of dimensions"
    for names in directive["Dimensions"]:
        if len(names) > DIMENSIONS_MAX or len(set(names)) != len(names):
            yield f"dimensions: {names}"
        for name in names:
            value = root.get(name)
            if not isinstance(value, str) or not 1 <= len(value) <= 1024 or not value.isascii():
                yield f"dimension {name}: {value!r}"
    metrics = directive["Metrics"]
    if not 1 <= len(metrics) <= METRICS_MAX or len({each["Name"] for each in metrics}) != len(metrics):
        yield f"metrics: {metrics}"
    for metric in metrics:
        yield from in_metric(metric, root)


def in_metric(metric: dict[str, Any], root: dict[str, Any]) -> Iterator[str]:
    name = metric["Name"]
    if not set(metric) <= {"Name", "Unit", "StorageResolution"} or metric.get("Unit") not in UNITS:
        yield f"metric: {metric}"
    value: Any = root.get(name)
    values: list[Any] = []
    values.extend(value if isinstance(value, list) else (value,))  # pyright: ignore[reportUnknownArgumentType]
    if not 1 <= len(values) <= VALUES_MAX or any(type(each) not in (int, float) for each in values):
        yield f"value of {name}: {value!r}"
