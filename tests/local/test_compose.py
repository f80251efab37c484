"""The compose file has the same servers as `crossfade[servers]`, and opens nothing to the outside."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from crossfade.local.connect import DEBEZIUM_VERSION
from crossfade.local.kafka import VERSION

FILE: Final = Path(__file__).parents[2] / "compose.yaml"


def test_its_images_are_of_the_versions_that_we_start() -> None:
    """Each image is of the version that is tested here."""
    images = re.findall(r"image: (\S+)", FILE.read_text())
    kafka, connect = f"apache/kafka:{VERSION}", f"quay.io/debezium/connect:{DEBEZIUM_VERSION}"
    assert images == ["mariadb:11.4", kafka, connect]


def test_its_ports_are_on_this_machine_alone() -> None:
    """No server is reachable from elsewhere."""
    ports = re.findall(r'"([\d.]+):\d+:\d+"', FILE.read_text())
    assert ports == ["127.0.0.1"] * 3
