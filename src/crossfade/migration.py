"""A migration as a value: two tables, how an item of one becomes an item of the other, and how to go about it.

The other kind, from rows of a relational database, is `crossfade.cdc.RowMigration`; `load` knows both by what they have
in common, `AnyMigration`.

Everything that can be known to be wrong is an error when the value is made, before anything runs. A migration file is
a Python file that makes exactly one; the reader of an error is the writer of that file, so `load` names the line and
what was probably meant, where a traceback through crossfade would say neither.
"""

from __future__ import annotations

import difflib
import hashlib
import re
import shlex
import sys
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, TypeVar, cast, overload

import crossfade.mapping
from crossfade.core.effects import Place
from crossfade.core.mapping import CompiledMapping, Piece, compile_mapping
from crossfade.core.stages import ALL_LADDERS, FREEZE_STRATEGY
from crossfade.errors import ConfigurationError, CrossfadeError, MappingInvalid
from crossfade.tables import TABLE_NAME, Index, Table, check_table_name

__all__ = [
    "MIGRATION_NAME",
    "TABLE_NAME",
    "AnyMigration",
    "Index",
    "Migration",
    "Strategy",
    "Table",
    "check_migration_name",
    "check_table_name",
    "load",
    "template",
]

Strategy = Literal["dual-write", "copy-on-write", "freeze"]

MIGRATION_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")  # it becomes a part of keys, file names and metrics
FILE_VARIABLE = "CROSSFADE_MIGRATION"  # names the file where no command does
FILE_BYTES_MAX = 1_000_000  # a migration file is a page of text


class AnyMigration:
    """What a migration file makes, of whichever kind: as much of it as the control plane has to know."""

    __slots__ = ()

    name: str
    target: Table
    control_table: str

    @property
    def source_name(self) -> str:
        """What the control table calls the source."""
        raise NotImplementedError

    @property
    def target_name(self) -> str:
        """What it calls the target."""
        return self.target.full_name

    @property
    def strategy_name(self) -> str:
        """The ladder."""
        raise NotImplementedError

    @property
    def fingerprint(self) -> str:
        """What every client has to have in common."""
        raise NotImplementedError

    @property
    def mapping_digest(self) -> str:
        """What tells the mapping at hand from one that makes other items, where it may change; "" where it may not."""
        return ""

    def check_whole(self) -> None:
        """Look at what could not be known before the file had run to its end. Raises ConfigurationError."""


Made = TypeVar("Made", bound=AnyMigration)


@dataclass(frozen=True, slots=True)
class Migration(AnyMigration):
    """What a migration file makes. Raises ConfigurationError, or MappingInvalid where the mapping cannot work."""

    name: str
    source: Table
    target: Table
    mapping: Piece | Sequence[Piece] | None = field(default=None, hash=False)
    strategy: Strategy = "dual-write"
    control_table: str = "crossfade"
    indexes: Mapping[str, str] = field(default_factory=dict[str, str], hash=False)
    """Of the source -> of the target, where an index has another name there."""
    compiled: CompiledMapping = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_migration_name(self.name)
        for place, table in (("source", cast("Any", self.source)), ("target", cast("Any", self.target))):
            if not isinstance(table, Table):
                raise ConfigurationError(
                    f"migration {self.name}: {place}={table!r} is no Table",
                    next_step=f'write {place}=Table("name", key={{"partition": "S"}})',
                )
        if self.source.full_name == self.target.full_name:
            raise ConfigurationError(
                f"migration {self.name}: source and target are both {self.source.full_name!r}",
                next_step="a migration goes to another table: create it under another name, or say region= or account="
                " of each where it is elsewhere",
            )
        _check_strategy(self.name, self.strategy)
        if self.strategy != FREEZE_STRATEGY and (self.source.is_placed or self.target.is_placed):
            raise ConfigurationError(
                f"migration {self.name}: region=, account= and client= of a table say that it is elsewhere, and no"
                f" transaction spans two places, on which the strategy {self.strategy} rests",
                next_step='take strategy="freeze", with a Switch in the application; or leave them out',
            )
        check_table_name(self.control_table, "control_table")
        if self.control_table in (self.source.name, self.target.name):
            raise ConfigurationError(
                f"migration {self.name}: the control table {self.control_table!r} is one of the tables to migrate",
                next_step='leave control_table out, or name a table of its own, such as "crossfade"',
            )
        try:
            compiled = compile_mapping(self.mapping, self.source.key, self.target.key)
        except MappingInvalid as error:
            raise MappingInvalid(f"migration {self.name}: {error.message}", next_step=error.next_step) from None
        if compiled.source_key_extras and self.strategy != "copy-on-write":
            raise MappingInvalid(
                f"migration {self.name}: the target's key does not lead back to the source's, which the strategy"
                f" {self.strategy} rests on: it has to find the source's item of each target item",
                next_step='take strategy="copy-on-write", or make the new key a form of the old one (join, split)',
            )
        if compiled.target_key_extras and self.strategy != "copy-on-write":
            raise MappingInvalid(
                f"migration {self.name}: the source's key does not lead to the target's, which the strategy"
                f" {self.strategy} rests on: it has to find the target's item of each source item, also once that is"
                " deleted",
                next_step='take strategy="copy-on-write", or make the new key a form of the old one (join, split)',
            )
        object.__setattr__(self, "compiled", compiled)

    @property
    def source_name(self) -> str:
        return self.source.full_name

    @property
    def strategy_name(self) -> str:
        return self.strategy

    @property
    def stamps(self) -> bool:
        """Whether what crossfade writes to the target carries a stamp: not where the application writes there itself,
        since an update of its own would leave the stamp as it was."""
        return self.strategy != FREEZE_STRATEGY

    @property
    def fingerprint(self) -> str:
        return self.compiled.fingerprint

    def check_whole(self) -> None:
        if compile_mapping(self.mapping, self.source.key, self.target.key).fingerprint != self.fingerprint:
            raise MappingInvalid(
                f"migration {self.name}: what the mapping's functions use is changed below the Migration",
                next_step="move that above it: clients compare what was there when the Migration was made",
            )

    def table(self, place: Literal["source", "target"]) -> Table:
        """The table on one side."""
        return self.source if place == "source" else self.target

    def table_name(self, place: Place) -> str:
        """The name of the table at a place, the control table included."""
        return self.control_table if place == "control" else self.table(place).name


def check_migration_name(name: Any) -> None:
    """Raises ConfigurationError; migration files are not type-checked."""
    if not isinstance(name, str) or not MIGRATION_NAME.fullmatch(name):
        raise ConfigurationError(
            f"migration name {name!r}: 1 to 100 letters, digits, '-', '_' or '.', a letter or digit first"
        )


def _check_strategy(name: str, strategy: Any) -> None:
    if strategy not in ALL_LADDERS:
        raise ConfigurationError(
            f"migration {name}: unknown strategy {strategy!r}",
            next_step='use strategy="dual-write", which keeps both tables equal, or strategy="copy-on-write"; between'
            ' two accounts or Regions strategy="freeze"',
        )


_TEMPLATE = '''\
"""What changes between the two tables. Check it against the real source: crossfade check {file}"""

from crossfade import Migration, Table
from crossfade.mapping import convert, drop, identity, join, move, rename, set_default, split, suffix, text_to_number

migration = Migration(
    name="{name}",
    source=Table("{source}", key={{"customer": "S", "order_id": "S"}}),  # partition key, then sort key if there is one
    target=Table("{target}", key={{"customer": "S", "order_id": "S"}}),
    mapping=[
        # One piece a line, applied in order. An empty list is an error; if nothing changes, write identity().
        # suffix("customer", count=16, by="order_id"),  # spread each hot customer over 16 partitions
        # rename("total_amount", "total"),
        # move("detail.status", "status"),              # out of a nested map
        # convert("total", text_to_number),
        # set_default("version", 2),
        # drop("legacy_flag"),                          # the one piece that loses something
    ],
)
'''


def template(
    name: str = "my-migration", source: str = "orders", target: str = "orders-v2", file: str = "migration.py"
) -> str:
    """The text of a new migration file. It has no mapping yet, and says so until it has one."""
    return _TEMPLATE.format(name=name, source=source, target=target, file=file)


@overload
def load(path: str | Path) -> Migration: ...


@overload
def load(path: str | Path, kind: type[Made]) -> Made: ...


def load(path: str | Path, kind: type[AnyMigration] = Migration) -> AnyMigration:
    """The migration that a file makes, of a kind: `AnyMigration` takes either.

    Raises ConfigurationError (MappingInvalid is one) with the line.
    """
    file = Path(path)
    source = _text_of(file)
    try:
        code = compile(source, str(file), "exec", dont_inherit=True)
    except (SyntaxError, ValueError) as error:
        line = error.lineno if isinstance(error, SyntaxError) else None
        said = error.msg if isinstance(error, SyntaxError) else str(error)
        raise ConfigurationError(_at(file, line, source, said), next_step="correct that line") from None
    module = ModuleType(f"_crossfade_migration_{hashlib.sha256(str(file.resolve()).encode()).hexdigest()[:12]}")
    module.__file__ = str(file)
    sys.modules[module.__name__] = module  # dataclasses and the like look their module up while it runs
    try:
        exec(code, module.__dict__)  # noqa: S102 - a migration file is the user's own program
        found = _only_migration(module, file)
        found.check_whole()
    except (Exception, SystemExit) as error:
        del sys.modules[module.__name__]
        raise _explained(error, file, source, module) from error
    if not isinstance(found, kind):
        raise ConfigurationError(
            f"{file}: makes a {type(found).__name__}, and a {kind.__name__} is needed here",
            next_step="see docs/rows.md for the commands and the Switch of a migration of rows",
        )
    return found


def _text_of(file: Path) -> str:
    try:
        if file.stat().st_size > FILE_BYTES_MAX:
            raise ConfigurationError(f"{file}: larger than {FILE_BYTES_MAX:,} bytes, so it is no migration file")
        return file.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigurationError(
            f"{file}: no such file in {Path.cwd()}" if not file.is_absolute() else f"{file}: no such file",
            next_step=f"go to the folder that it is in, name it behind the command, or set {FILE_VARIABLE}; to begin"
            f" one: crossfade new {shlex.quote(str(file))}",
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{file}: cannot be read: {error}") from error


def _only_migration(module: ModuleType, file: Path) -> AnyMigration:
    found = {id(value): (name, value) for name, value in vars(module).items() if isinstance(value, AnyMigration)}
    if len(found) == 1:
        return next(iter(found.values()))[1]
    if not found:
        raise _Whole(
            f"{file}: makes no Migration",
            next_step="assign one: migration = Migration(...); `crossfade new` writes an example",
        )
    names = ", ".join(sorted(name for name, _ in found.values()))
    raise _Whole(
        f"{file}: makes {len(found)} migrations ({names})", next_step="keep one a file, so that every command is clear"
    )


class _Whole(ConfigurationError):
    """A fault of the whole file, and of no line of it."""


def _explained(error: BaseException, file: Path, source: str, module: ModuleType) -> ConfigurationError:
    """Return the error as it is told to the writer of the file."""
    if isinstance(error, _Whole):
        return ConfigurationError(error.message, next_step=error.next_step)
    line = next(
        (frame.lineno for frame in reversed(traceback.extract_tb(error.__traceback__)) if frame.filename == str(file)),
        None,
    )
    if isinstance(error, ConfigurationError):
        return type(error)(_at(file, line, source, error.message), next_step=error.next_step)
    if isinstance(error, CrossfadeError):
        return ConfigurationError(_at(file, line, source, error.message), next_step=error.next_step)
    said = f"{type(error).__name__}: {error}"
    return ConfigurationError(_at(file, line, source, said), next_step=_probably_meant(error, module))


def _at(file: Path, line: int | None, source: str, said: str) -> str:
    lines = source.splitlines()
    if line is None or not 1 <= line <= len(lines):
        return f"{file}: {said}"
    return f"{file}, line {line}: {said}\n  | {lines[line - 1].strip()}"


def _probably_meant(error: BaseException, module: ModuleType) -> str:
    known = {*crossfade.mapping.__all__, "Index", "Migration", "Table"}
    wrong = None
    if isinstance(error, NameError):
        wrong, known = error.name, known | vars(module).keys()
    elif isinstance(error, ImportError) and (match := re.search(r"cannot import name '(\w+)'", str(error))):
        wrong, known = match[1], known | {*getattr(sys.modules.get(error.name or ""), "__all__", ())}
    elif isinstance(error, ModuleNotFoundError):
        return f"is {error.name} installed here, or on PYTHONPATH?"
    elif isinstance(error, TypeError) and (match := re.search(r"unexpected keyword argument '(\w+)'", str(error))):
        wrong = match[1]
        kinds = [Index, Migration, Table, *(kind for kind in vars(module).values() if isinstance(kind, type))]
        known = {entry.name for kind in kinds if is_dataclass(kind) for entry in fields(kind) if entry.init}
        known |= {"forward", "backward", "types", "count", "by", "separator", "into", "default"}
    if not wrong:
        return "correct that line"
    close = difflib.get_close_matches(wrong, known - {wrong}, n=1)
    return f"did you mean {close[0]}?" if close else "correct that line"
