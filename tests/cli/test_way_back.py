"""What a plan says of the way back."""

from __future__ import annotations

from crossfade.core.stages import Stage
from tests.cli.conftest import Shell


def test_the_way_back_of_copy_on_write_ends_in_prepare(bare_shell: Shell) -> None:
    """In off nobody would look at what the target holds by then, so that gate cannot be passed; before drain it can."""
    bare_shell.write(strategy="copy-on-write")
    bare_shell.create("source", 1)
    bare_shell.create("target")
    _ = bare_shell("start", "--execute")
    far = bare_shell("advance", "--to", Stage.DRAIN).output
    assert "rollback --to prepare --execute (no further, once the target has an item)" in " ".join(far.split())
    assert "rollback --to off --execute" in bare_shell("advance", "--to", Stage.PREPARE).output
