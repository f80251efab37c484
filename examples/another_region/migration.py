"""What changes: the Region, and nothing else."""

import os
from typing import Any

import boto3

from crossfade import Migration, Table
from crossfade.mapping import identity

OLD, NEW = "eu-central-1", "eu-west-1"


def in_the_new_region() -> Any:
    """On AWS `region=` alone does it, and this function is not needed. Here another engine stands for that Region."""
    return boto3.client("dynamodb", region_name=NEW, endpoint_url=os.environ.get("NEW_REGION_ENDPOINT"))


migration = Migration(
    name="members",
    source=Table("members", key={"member": "S"}, region=OLD),
    target=Table("members", key={"member": "S"}, region=NEW, client=in_the_new_region),
    mapping=identity(),
    strategy="freeze",  # no transaction spans two Regions
)
