"""The one thing that the application has because of the migration: a Switch in front of both Regions."""

from __future__ import annotations

from pathlib import Path

import boto3

from crossfade import Read, Switch, TableMirror, Write
from crossfade.migration import load
from examples.another_region.members import Members
from examples.another_region.migration import OLD, in_the_new_region


def members_switch() -> Switch:
    old = boto3.client("dynamodb", region_name=OLD)
    return Switch(
        "members",
        Members(old),
        Members(in_the_new_region()),
        {
            "find": Read(key="member"),
            "join": Write(key="member"),
            "earn": Write(key="member"),
            "leave": Write(key="member"),
        },
        control=old,
        mirror=TableMirror(load(Path(__file__).with_name("migration.py")), source=old),
    )
