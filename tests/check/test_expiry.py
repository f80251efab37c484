"""What a check says of TTL, of both tables and through the mapping."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from botocore.exceptions import ClientError

from crossfade.check import CheckReport, run_check
from crossfade.check.expiry import setting_command
from crossfade.core.items import AttributeValue
from crossfade.core.mapping import Piece
from crossfade.mapping import convert, custom, drop, identity, move, number_to_text, rename
from crossfade.migration import Migration, Strategy, Table
from tests.check.bench import KEY, Bench, codes, finding

TODAY = 2_000_000_000  # later than the engine's own clock, which so expires nothing of what is written here


@pytest.fixture(autouse=True)
def at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """By which items are judged."""
    monkeypatch.setattr("crossfade.check.run.time.time", lambda: float(TODAY))


def number(value: float) -> AttributeValue:
    return {"N": str(int(value))}


def expire(tables: Bench, *, source: str = "", target: str = "") -> None:
    """Switch TTL on, where an attribute is named."""
    for table, attribute in ((tables.source, source), (tables.target, target)):
        if attribute:
            specification = {"Enabled": True, "AttributeName": attribute}
            _ = tables.client.update_time_to_live(TableName=table, TimeToLiveSpecification=specification)


def obey(tables: Bench, step: str) -> None:
    """Carry out the commands that a next step names, in their order."""
    commands = re.findall(r"--table-name (\S+) --time-to-live-specification '([^']*)'", step)
    assert commands
    for name, specification in commands:
        _ = tables.client.update_time_to_live(TableName=name, TimeToLiveSpecification=json.loads(specification))


def test_tables_that_expire_alike_are_good(tables: Bench) -> None:
    """As are tables that expire nothing; an attribute may be renamed on the way."""
    tables.put({"expires": number(TODAY + 1)})
    assert not codes(tables.check(rename("expires", "gone_at")))
    expire(tables, source="expires", target="gone_at")
    assert not codes(tables.check(rename("expires", "gone_at")))


@pytest.mark.parametrize(
    ("source", "target", "code"),
    [("expires", "", "expiry-lost"), ("", "gone_at", "target-expires"), ("expires", "expires", "expiry-differs")],
)
def test_tables_that_expire_otherwise_are_an_error_with_the_commands_that_mend_it(
    tables: Bench, source: str, target: str, code: str
) -> None:
    """On one side alone, or by an attribute that the mapping has renamed. Done as told, the check is content."""
    tables.put({"expires": number(TODAY + 1)})
    expire(tables, source=source, target=target)
    report = tables.check(rename("expires", "gone_at"))
    assert (report.ok, finding(report, code).severity) == (False, "error")
    obey(tables, finding(report, code).next_step.split("; or")[0])
    assert not codes(tables.check(rename("expires", "gone_at")))


def test_what_the_target_would_delete_at_once_is_counted(tables: Bench) -> None:
    """TTL on the target alone, where items of the source are past their time already."""
    tables.put({"expires": number(TODAY - 1)}, {"expires": number(TODAY + 1)}, {}, {"expires": number(TODAY - 2)})
    expire(tables, target="expires")
    found = finding(tables.check(identity()), "target-expires")
    assert (found.count, len(found.samples)) == (2, 2)
    assert "at once" in found.what
    assert setting_command(Table(tables.target, KEY), "expires", enabled=False) in found.next_step


@pytest.mark.parametrize(
    "piece",
    [convert("expires", number_to_text), drop("expires"), move("expires", "meta.expires")],
    ids=["convert", "drop", "move"],
)
@pytest.mark.parametrize("target", ["", "expires"])
def test_a_form_that_ttl_does_not_take_is_an_error(tables: Bench, piece: Piece, target: str) -> None:
    """A text, a nested one or none: no setting of the target helps, so the mapping is what is to change."""
    tables.put({"expires": number(TODAY + 1)})
    expire(tables, source="expires", target=target)
    found = finding(tables.check(piece), "expiry-differs" if target else "expiry-lost")
    assert found.severity == "error"
    assert "let the mapping leave 'expires' a top-level Number of seconds since 1970" in found.next_step


def times(factor: int) -> Piece:
    """A function of the user's, of which nothing is known."""

    def there(item: dict[str, Any]) -> dict[str, Any]:
        return item | {"expires": number(int(item["expires"]["N"]) * factor)}

    def back(item: dict[str, Any]) -> dict[str, Any]:
        return item | {"expires": number(int(item["expires"]["N"]) / factor)}

    return custom(there, back, name=f"times {factor}")


def test_of_a_function_the_sample_tells(tables: Bench) -> None:
    """Milliseconds are found, and what stays the same is no error."""
    tables.put({"expires": number(TODAY + 1)})
    expire(tables, source="expires", target="expires")
    assert finding(tables.check(times(1000)), "expiry-differs").severity == "error"
    assert not codes(tables.check(times(1)))


def test_values_that_never_expire_and_those_past_their_time_are_told(tables: Bench) -> None:
    """Milliseconds and texts are ignored by TTL, which is a warning; that some are past their time is but said."""
    ignored = {"expires": number(TODAY * 1000)}, {"expires": {"S": "2033-05-18"}}
    tables.put(*ignored, {"expires": number(TODAY - 1)}, {"expires": number(TODAY + 1)}, {})
    expire(tables, source="expires", target="expires")
    report = tables.check(identity())
    assert report.ok
    assert (finding(report, "expiry-ignored").count, finding(report, "expiry-ignored").severity) == (2, "warning")
    assert (finding(report, "expiry-past").count, finding(report, "expiry-past").severity) == (1, "info")


def test_a_target_that_expires_items_is_an_error_while_they_are_copied(tables: Bench) -> None:
    """The source's twin of an item that expired would be the item again, perhaps with another time."""
    tables.put({})
    assert not codes(tables.check(identity(), strategy="copy-on-write"))
    expire(tables, source="expires", target="expires")
    report = tables.check(identity(), strategy="copy-on-write")
    assert not report.ok
    assert "expire by 'expires'" in finding(report, "target-expires").what
    obey(tables, finding(report, "target-expires").next_step)
    report = tables.check(identity(), strategy="copy-on-write")
    assert codes(report) == {"expiry-lost"}


def test_ttl_that_a_copying_migration_must_bring_at_its_end_is_a_warning(tables: Bench) -> None:
    """With the command for then, by the name that the attribute has there."""
    tables.put({"expires": number(TODAY + 1)})
    expire(tables, source="expires")
    report = tables.check(rename("expires", "gone_at"), strategy="copy-on-write")
    assert report.ok
    step = finding(report, "expiry-lost").next_step
    assert step == f"when the migration is complete: {setting_command(Table(tables.target, KEY), 'gone_at')}"


@pytest.mark.parametrize("strategy", ["dual-write", "copy-on-write"])
def test_where_ttl_may_not_be_asked_for_that_is_a_warning(tables: Bench, strategy: Strategy) -> None:
    """Nothing is guessed of it; a database that has no TTL has nothing to say."""

    class Client:
        def __init__(self, code: str) -> None:
            self._code = code

        def __getattr__(self, name: str) -> Any:
            return getattr(tables.client, name)

        def describe_time_to_live(self, **request: Any) -> Any:
            raise ClientError({"Error": {"Code": self._code, "Message": f"no {request}"}}, "DescribeTimeToLive")

    def checked(code: str) -> CheckReport:
        migration = Migration("test", Table(tables.source, KEY), Table(tables.target, KEY), identity(), strategy)
        return run_check(Client(code), tables.client, migration)

    tables.put({})
    expire(tables, target="expires")
    assert codes(checked("AccessDeniedException")) == {"expiry-unknown"}
    assert codes(checked("UnknownOperationException")) == {"target-expires"}


def test_the_command_says_the_region() -> None:
    """Of a table that is said to be elsewhere."""
    table = Table("sessions", KEY, region="eu-west-1")
    assert setting_command(table, "it's") == (
        "aws dynamodb update-time-to-live --region eu-west-1 --table-name sessions --time-to-live-specification"
        """ '{"Enabled":true,"AttributeName":"it'"'"'s"}'"""
    )
