"""What is wrong is said in a line with the next step, with the right exit status, before anything is written."""

from __future__ import annotations

import socket
from collections.abc import Callable

import pytest

from tests.cli.conftest import Shell

READERS = (("check",), ("status",), ("advance", "--execute"), ("verify",))


@pytest.mark.parametrize("words", READERS)
def test_a_missing_file(bare_shell: Shell, words: tuple[str, ...]) -> None:
    """The file is named, and how to get one."""
    error = bare_shell(*words, status=2).stderr
    assert "migration.py: no such file" in error
    assert "to begin one: crossfade new migration.py" in error


def test_a_file_that_is_wrong_is_quoted(bare_shell: Shell) -> None:
    """A misspelt piece is an error with its line and what was meant, and no table is looked at."""
    bare_shell.write(mapping='[renme("a", "b")]')
    error = bare_shell("start", "--execute", status=2).stderr
    assert "renme" in error
    assert "did you mean rename?" in error
    assert bare_shell.everything() == {}


def test_no_credentials(shell: Shell) -> None:
    """Without credentials there is one line and no retry."""
    del shell.environment["AWS_ACCESS_KEY_ID"], shell.environment["AWS_SECRET_ACCESS_KEY"]
    error = shell("status", status=2).stderr
    assert error.startswith("crossfade: no AWS credentials were found\n  next: ")


def test_no_region(shell: Shell) -> None:
    """Without a Region the option that sets it is named."""
    del shell.environment["AWS_DEFAULT_REGION"]
    assert "give --region" in shell("status", status=2).stderr


def test_a_profile_that_is_not_there(shell: Shell) -> None:
    """The profile is named."""
    assert "nobody" in shell("status", "--profile", "nobody", status=2).stderr


def test_nothing_listens(shell: Shell) -> None:
    """An endpoint that refuses is said at once, with its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
        error = shell("status", "--endpoint-url", url, status=2).stderr
    assert f"no answer from DynamoDB at {url}" in error
    assert "--endpoint-url" in error


def test_a_table_that_is_not_there(bare_shell: Shell) -> None:
    """start refuses before it makes the control table; check reports the same as a finding, with status 1."""
    bare_shell.write()
    bare_shell.create("source", 1)
    before = bare_shell.everything()
    error = bare_shell("start", "--execute", status=2).stderr
    assert f"target {bare_shell.tables['target']}: there is no such table" in error
    (command,) = [line.partition("create it: ")[2] for line in error.splitlines() if "create-table" in line]
    assert bare_shell.everything() == before
    assert f"-> create it: {command}\n" in bare_shell("check", status=1).output
    report = bare_shell.json("check", status=1)
    assert [finding["code"] for finding in report["findings"] if finding["severity"] == "error"] == ["no-table"]


def test_not_started(shell: Shell) -> None:
    """Every command that needs a started migration says how to start it, with the file and endpoint that were given."""
    url = shell.environment["AWS_ENDPOINT_URL_DYNAMODB"]
    for words in (("status",), ("advance",), ("backfill",), ("verify",), ("rollback",), ("complete",), ("cancel",)):
        error = shell(*words, str(shell.file), "--endpoint-url", url, status=2).stderr
        assert f"next: crossfade start {shell.file} --endpoint-url {url} --execute" in error


def test_started_twice(started: Shell) -> None:
    """The second start is refused and changes nothing."""
    before = started.everything()
    assert "is in stage off" in started("start", "--execute", status=1).stderr
    assert started.everything() == before


def test_another_mapping(started: Shell) -> None:
    """With another mapping than at the start nothing is moved or copied; the way out stays open."""
    started.write(mapping="identity()")
    before = started.everything()
    for words in (("advance",), ("backfill",), ("verify",), ("complete", "--confirm", started.mark)):
        assert "was started with another mapping" in started(*words, "--execute", status=2).stderr
    assert started.everything() == before
    assert "was started with another mapping" in started("status").output
    assert "was started with another mapping" in started("cancel").output


def test_a_misspelt_stage(started: Shell) -> None:
    """The stage that was probably meant is named."""
    before = started.everything()
    assert "did you mean shadow?" in started("advance", "--to", "shdow", "--execute", status=2).stderr
    assert started.everything() == before


def test_directions(at_stage: Callable[[str], Shell]) -> None:
    """advance does not go down, rollback not up, neither goes to complete, which cleanup waits for; each names the
    command that does."""
    shell = at_stage("shadow")
    before = shell.everything()
    assert "crossfade rollback --to off" in shell("advance", "--to", "off", "--execute", status=1).stderr
    assert "crossfade advance --to live" in shell("rollback", "--to", "live", "--execute", status=1).stderr
    walk = f"next: crossfade advance --to rampdown --execute, then crossfade complete --execute --confirm {shell.mark}"
    for verb in ("advance", "rollback"):
        assert walk in shell(verb, "--to", "complete", "--execute", status=1).stderr
    assert walk.removeprefix("next: ") in shell("cleanup", status=1).output
    assert "rampdown" in shell("complete", "--execute", "--confirm", shell.mark, status=1).stderr
    assert shell.everything() == before


def test_a_closed_gate_lists_every_finding(at_stage: Callable[[str], Shell]) -> None:
    """Status 1, each gate with what was found and what to do; the plan alone says that --execute would not help."""
    shell = at_stage("shadow")
    said = shell("advance", "--execute", status=1).output
    assert "CLOSED  no backfill has begun" in said
    assert "-> crossfade backfill --execute" in said
    assert "with --execute nothing would be" in shell("advance", status=1).output
    ramp = shell("advance", "--ramp", "10", "--execute", status=1).output
    assert "backfilled  CLOSED" in ramp
    assert "verified  CLOSED" in ramp
    document = shell.json("advance", "--execute", status=1)
    assert document["error"]["kind"] == "GateClosed"
    assert document["error"]["gates"][0]["next_step"] == "crossfade backfill --execute"


def test_force_needs_a_reason_and_is_kept(at_stage: Callable[[str], Shell]) -> None:
    """--force without --why is refused; with it the gate is passed, and the journal says why."""
    shell = at_stage("shadow")
    assert "--why" in shell("advance", "--force", "--execute", status=2).stderr
    assert "by force" in shell("advance", "--force", "--why", "a drill", "--execute").output
    last = shell.json("status")["journal"][-1]
    assert (last["forced"], last["why"]) == (True, "a drill")


def test_complete_wants_the_name(at_stage: Callable[[str], Shell]) -> None:
    """Without the migration's own name complete does nothing."""
    shell = at_stage("rampdown")
    before = shell.everything()
    assert "--confirm" in shell("complete", "--execute", status=2).stderr
    assert (
        "--confirm another is not the name" in shell("complete", "--execute", "--confirm", "another", status=2).stderr
    )
    assert "Nothing was changed" in shell("complete").output
    assert shell.everything() == before


def test_jobs_are_refused_in_off(started: Shell) -> None:
    """backfill and verify end with status 2 where nobody mirrors, and name the step to take."""
    for words in (("backfill", "--execute"), ("verify",)):
        assert "crossfade advance --to dualwrite --execute" in started(*words, status=2).stderr


def test_a_bad_number_is_refused(started: Shell) -> None:
    """Options out of range are said before the database is asked."""
    assert "workers is 0" in started("backfill", "--workers", "0", status=2).stderr
    assert "0<=x<=100" in started("advance", "--ramp", "101", status=2).stderr


def test_new_never_overwrites(shell: Shell) -> None:
    """A file that is there stays as it is."""
    text = shell.file.read_text()
    assert "is there already" in shell("new", status=2).stderr
    assert shell.file.read_text() == text
    assert "table name" in shell("new", "other.py", "--source", "a table", status=2).stderr
