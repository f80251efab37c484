"""`crossfade iam-policy`: what a role has to be allowed, as IAM takes it."""

from __future__ import annotations

import json
from typing import Any, Final

import click

from crossfade.cli.connect import connect, described
from crossfade.cli.options import Where, with_where
from crossfade.control.rights import PARTIES, RIGHTS, Party, rights_of
from crossfade.errors import ConfigurationError, CrossfadeError
from crossfade.migration import AnyMigration, Migration, load
from crossfade.tables import ACCOUNT, REGION

VERSION: Final = "2012-10-17"  # of the language of policies, which has no newer one
PLACE_PARTS: Final = ("aws", "REGION", "ACCOUNT")  # what stands for a partition, Region and account that are not known


@click.command(name="iam-policy", short_help="Print the least IAM policy of a role.")
@with_where
@click.option("--role", required=True, type=click.Choice(PARTIES), help="Print that of this role.")
@click.option("--reads-only", is_flag=True, help="For an application that never writes the tables.")
def iam_policy(where: Where, role: Party, reads_only: bool) -> None:
    """Print the least IAM policy that a role needs for this migration: JSON on standard output.

    `application` is a process with crossfade attached; `jobs` run backfill, verify, watch, replicate and
    settle; `operator` types the other commands, but for cleanup and restore, which need more, step by step:
    docs/permissions.md.
    Region and account are those of the table, where it can be asked; otherwise REGION and ACCOUNT stand for them, and
    standard error says so.

    \b
    Examples:
      crossfade iam-policy --role application > policy.json
      crossfade iam-policy --role application --reads-only
      crossfade iam-policy migration.py --role jobs --region eu-central-1
    """
    if reads_only and role != "application":
        raise click.UsageError("--reads-only goes with --role application: the others write")
    migration = migration_of(where)
    partition, region, account = place_of(where, migration)
    for word in (region, account):
        if word in PLACE_PARTS:
            click.echo(f"crossfade: {word} stands for what the table could not be asked for: put it in", err=True)
    click.echo(json.dumps(policy(migration, role, f"arn:{partition}:dynamodb:{region}:{account}:table/", reads_only)))


def migration_of(where: Where) -> Migration:
    """Raises ConfigurationError for a migration of which there is no table of rights."""
    migration = load(where.file, AnyMigration)
    if isinstance(migration, Migration) and migration.strategy in RIGHTS:
        return migration
    raise ConfigurationError(
        f"migration {migration.name}: policies are printed of migrations by {' and '.join(RIGHTS)} alone",
        next_step="docs/permissions.md says what others need",
    )


def place_of(where: Where, migration: Migration) -> tuple[str, str, str]:
    """Return partition, Region and account, as the source's ARN tells them, or what stands for them."""
    partition, region, account = PLACE_PARTS
    region = where.region or region
    try:
        client = connect(where, migration.source.name)
        region = str(client.meta.region_name)
        arn = str((described(client, migration.source.name) or {}).get("TableArn", "")).split(":")
    except CrossfadeError as error:
        click.echo(f"crossfade: {error.message}", err=True)
        return partition, region, account
    if len(arn) > 5 and REGION.fullmatch(arn[3]) and ACCOUNT.fullmatch(arn[4]):
        partition, region, account = arn[1], arn[3], arn[4]
    return partition, region, account


def policy(migration: Migration, role: Party, tables: str, reads_only: bool) -> dict[str, Any]:
    """Return the policy's document: a statement for each resource. `tables`: what the ARN of each begins with."""
    statements: list[dict[str, Any]] = []
    for resource, actions in rights_of(role, migration.strategy, reads_only=reads_only).items():
        place, below, rest = resource.partition("/")
        names = {"source": migration.source.name, "target": migration.target.name, "control": migration.control_table}
        whole = [action if ":" in action else f"dynamodb:{action}" for action in actions]
        arn = f"{tables}{names[place]}{below}{rest}" if place in names else resource
        statements.append({"Effect": "Allow", "Action": whole, "Resource": arn})
    return {"Version": VERSION, "Statement": statements}
