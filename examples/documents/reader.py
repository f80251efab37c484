"""A reader: looks documents up, and lists tenants, Says at the end how much it read.

    python -m examples.documents.reader DOCUMENTS

Ends with status 1 when a document that nobody removes was not there, or an older revision came back.
"""

from __future__ import annotations

import random
import sys

import boto3

from crossfade import attach
from examples.documents.catalogue import Catalogue
from examples.documents.feed import TENANTS, name_of
from examples.documents.migration import migration
from examples.play import Stop


def main(documents: int) -> int:
    table = boto3.resource("dynamodb").Table("documents")
    attach(table, migration)  # the one line
    catalogue, chance, stop = Catalogue(table), random.Random(), Stop()
    newest: dict[str, int] = {}
    reads = lists = 0
    while not stop.wait(0.05):
        tenant, name = name_of(3 * chance.randrange(documents // 3))  # one of those that stay
        found = catalogue.find(tenant, name)
        reads += 1
        if found is None or found["revision"] < newest.get(name, 0):
            print(f"wrong: {tenant}/{name} was at revision {newest.get(name, 0)}, and is now {found}")
            return 1
        newest[name] = int(found["revision"])
        if reads % 20 == 0:
            names = [document["document"] for document in catalogue.of_tenant(chance.choice(TENANTS))]
            lists += 1
            if names != sorted(set(names)):
                print("wrong: a list that is out of order, or names a document twice")
                return 1
    print(f"{reads:,} documents looked up, {lists:,} lists read: nothing missing, nothing went back")
    return 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
