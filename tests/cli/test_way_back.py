"""What a plan says of the way back."""

from __future__ import annotations

from crossfade.core.stages import Stage
from tests.cli.conftest import Shell


def test_the_way_back_of_copy_on_write_ends_in_prepare(bare_shell: Shell) -> None:
    """Below it nobody would look at what the target holds by then: that gate cannot be passed, but before drain."""
    bare_shell.write(strategy="copy-on-write")
    bare_shell.create("source", 1)
    bare_shell.create("target")
    _ = bare_shell("start", "--execute")
    far = bare_shell("advance", "--to", Stage.DRAIN).output
    assert "rollback --to prepare --execute (no further, once the target has an item)" in " ".join(far.split())
    for stage in (Stage.STAMP, Stage.PREPARE):
        assert "rollback --to off --execute" in bare_shell("advance", "--to", stage).output
