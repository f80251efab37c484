"""The hourly job: each hour some documents come in, some are revised, archived or removed. An hour takes half a second.

    python -m examples.documents.hourly JOURNAL DOCUMENTS

It writes down each write once it is acknowledged, with the document as it then is: that is what the end is judged by.
"""

from __future__ import annotations

import random
import sys

import boto3

from crossfade import attach
from examples.documents.catalogue import Catalogue
from examples.documents.feed import OWNERS, incoming, name_of
from examples.documents.migration import migration
from examples.play import Journal, Stop

HOUR_SECONDS = 0.5
WRITES_AN_HOUR = 12


def main(journal_file: str, documents: int) -> None:
    table = boto3.resource("dynamodb").Table("documents")
    attach(table, migration)  # the one line
    catalogue, chance, stop = Catalogue(table), random.Random("hourly"), Stop()
    with Journal(journal_file) as journal:
        hour = 0
        while not stop.wait(HOUR_SECONDS):
            hour += 1
            for _ in range(WRITES_AN_HOUR):
                write_one(catalogue, journal, chance, documents, hour)


def write_one(catalogue: Catalogue, journal: Journal, chance: random.Random, documents: int, hour: int) -> None:
    number = chance.randrange(documents)
    tenant, name = name_of(number)
    key = f"{tenant}/{name}"
    there = catalogue.find(tenant, name)
    match chance.choices(("add", "revise", "archive", "remove"), (4, 6, 1, 2))[0]:
        case "add":
            document = incoming(documents + hour * WRITES_AN_HOUR + chance.randrange(WRITES_AN_HOUR))
            catalogue.add(document)
            journal.write(f"{document['tenant']}/{document['document']}", document)
        case "revise" if there:
            size_bytes, owner = chance.randrange(100_000), chance.choice(OWNERS)
            journal.write(key, catalogue.revise(tenant, name, size_bytes=size_bytes, owner=owner))
        case "archive" if there:
            journal.write(key, catalogue.archive(tenant, name))
        case "remove" if there and "keep" not in name:
            catalogue.remove(tenant, name)
            journal.write(key, None)
        case _:
            return


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
