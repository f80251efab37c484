"""A forgotten script on somebody's machine: it writes to the old table, and nobody has told it of the new one.

python -m examples.guid.importer ARTICLE...
"""

from __future__ import annotations

import json
import sys

import boto3


def main(articles: list[str]) -> None:
    table = boto3.resource("dynamodb").Table("articles")
    for text in articles:
        table.put_item(Item=json.loads(text))
    print(f"{len(articles)} articles imported")


if __name__ == "__main__":
    main(sys.argv[1:])
