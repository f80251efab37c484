"""What functions of a mapping do, as a short text: another text, and they may make other items.

It is made of a function's source text, as a syntax tree without comments, layout, docstrings and annotations, and of
the values that it uses: constants of its module, closures, defaults, and the functions and classes that it calls.
Trees, and not bytecode, since a tree is the same under another Python and after a formatter has been there. Values, and
not the text of what made them, since a constant may come from a file. Nothing of where a file lies, or which line, or
in which order a set gives its members.

The standard library and crossfade are known by name alone; all other code, installed or not, is gone into. What cannot
be gone into (code in C, an object that is not copied by value, what reads the environment) is an error where the digest
is strict; else the name stands in for it, or the bytecode for a function without source text.
"""

from __future__ import annotations

import builtins
import contextlib
import copyreg
import dataclasses
import dis
import enum
import functools
import hashlib
import linecache
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import (
    BuiltinFunctionType,
    ClassMethodDescriptorType,
    CodeType,
    FunctionType,
    GetSetDescriptorType,
    MappingProxyType,
    MemberDescriptorType,
    MethodDescriptorType,
    MethodType,
    MethodWrapperType,
    ModuleType,
    WrapperDescriptorType,
)
from typing import Any, Final, NoReturn, cast

from crossfade.digests.source_text import definitions, meaning
from crossfade.errors import MappingInvalid

LENGTH: Final = 16  # hexadecimal digits
MET_MAX: Final = 1_000  # functions and classes: beyond this it is a library that is gone into, and not a mapping
PLAIN: Final = frozenset(
    {str, bytes, bytearray, int, float, complex, bool, type(None), type(...), type(NotImplemented)}
)
# Modules whose objects are values, and hold nothing of the process or the machine.
VALUES: Final = frozenset(
    {"collections", "datetime", "decimal", "fractions", "ipaddress", "operator", "re", "string", "types", "uuid"}
    | {"typing", "zoneinfo"}
)
# Builtins and functions by which code reaches what no digest sees: the environment, files, names made up on the way.
OUTSIDE: Final = frozenset(
    {"builtins.eval", "builtins.exec", "builtins.globals", "builtins.__import__", "builtins.open", "builtins.input"}
    | {"io.open", "_io.open", "os.getenv", "importlib.import_module"}
)
PLACES: Final = frozenset({"__file__", "__path__", "__spec__", "__loader__", "__cached__"})
STANDARD: Final = Path(linecache.__file__).resolve().parent  # where the standard library is
INSTALLED: Final = frozenset({"site-packages", "dist-packages"})
IN_C: Final = (MethodDescriptorType, ClassMethodDescriptorType, WrapperDescriptorType)
LOADS: Final = frozenset({"LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"})
ATTRIBUTES: Final = frozenset({"LOAD_ATTR", "LOAD_METHOD"})
CHANGES: Final = frozenset({"STORE_GLOBAL", "DELETE_GLOBAL"})
CLOSED_CHANGES: Final = frozenset({"STORE_DEREF", "DELETE_DEREF"})
# Of what values are made that consist of others.
PARTS: Final[tuple[tuple[tuple[Any, ...], Callable[[Any], Sequence[Any]]], ...]] = (
    ((MethodType,), lambda value: (value.__func__, value.__self__)),
    ((functools.partial,), lambda value: (value.func, value.args, value.keywords)),
    ((staticmethod, classmethod), lambda value: (value.__func__,)),
    ((property,), lambda value: (value.fget, value.fset)),
    ((functools.cached_property,), lambda value: (value.func,)),
    ((enum.Enum,), lambda value: (value.__class__, value.name)),
    ((list, tuple), lambda value: (value.__class__, *value)),
    ((dict, MappingProxyType), lambda value: [value.__class__, *(part for pair in value.items() for part in pair)]),
)
NEXT_STEP: Final = 'leave it out of the functions; or say version="1", and another one whenever what they do changes'


class Digest:
    """A digest as it is made: `add` words, `value` values, then take the `result`.

    A function or a class that is met again is named by its number, and a container within itself is not gone into, so
    that rings come to an end. With `strict`, what cannot be covered raises MappingInvalid.
    """

    def __init__(self, *, strict: bool, within: Digest | None = None) -> None:
        self._strict = strict
        self._hash = hashlib.sha256()
        self._met: dict[int, int] = dict(within._met) if within else {}
        self._open: set[int] = set(within._open) if within else set()
        self._waiting: list[FunctionType | type] = []  # met, and not yet gone into
        self._kept: list[Any] = within._kept if within else []  # so that no two objects have one id
        self._user: str = within._user if within else ""  # the function that is gone into, for messages

    def add(self, *words: object) -> None:
        """Add words of plain types."""
        for word in words:
            text = repr(word).encode(errors="surrogatepass")
            self._hash.update(b"%d:" % len(text) + text)

    def value(self, value: Any) -> None:
        """Add a value, and all that it is made of."""
        self._value(value)
        while self._waiting:
            found = self._waiting.pop(0)
            if isinstance(found, FunctionType):
                self._function(found)
            else:
                self._class(found)

    def result(self) -> str:
        """Return the digest, in hexadecimal digits."""
        return self._hash.hexdigest()[:LENGTH]

    def _uncovered(self, what: str, next_step: str = NEXT_STEP) -> NoReturn:
        user = f"{self._user} uses " if self._user else ""
        raise MappingInvalid(
            f"{user}{what}, so clients with other functions could not be told from one another", next_step=next_step
        )

    # --- values

    def _value(self, value: Any) -> None:
        if type(value) in PLAIN:
            self.add(type(value).__name__, value)
        elif id(value) in self._open:
            self.add("within itself")
        elif isinstance(value, (FunctionType, type)):
            self._named(value)
        else:
            self._open.add(id(value))
            self._made(value)
            self._open.remove(id(value))

    def _named(self, value: FunctionType | type) -> None:
        if id(value) in self._met:
            self.add("again", self._met[id(value)])
            return
        self._met[id(value)] = len(self._met)
        self._kept.append(value)
        if self._strict:
            self._check_named(value)
        self.add(type(value).__name__)
        self._waiting.append(value)

    def _check_named(self, value: FunctionType | type) -> None:
        name = f"{value.__module__}.{value.__qualname__}"
        if len(self._met) > MET_MAX:
            self._uncovered(f"{name}, with which it is more than {MET_MAX:,} functions and classes")
        if name in OUTSIDE:
            self._uncovered(f"{name}, which reads what is outside")
        is_in_c = any(isinstance(each, IN_C) and each.__objclass__ is value for each in vars(value).values())
        if is_in_c and not is_library(value.__module__):
            self._uncovered(f"{name}, which is written in C")

    def _made(self, value: Any) -> None:
        kinds: Any
        for kinds, parts in PARTS:
            if isinstance(value, kinds):
                name: str = kinds[0].__name__
                self._parts(name, *parts(value))
                return
        if isinstance(value, (set, frozenset)):
            self.add("set", *sorted(map(self._alone, cast("set[Any]", value))))
        elif isinstance(value, ModuleType):
            self._module(value)
        elif isinstance(value, (BuiltinFunctionType, MethodWrapperType, *IN_C)):
            self._in_c(value)
        else:
            self._object(value)

    def _parts(self, what: str, *parts: Any) -> None:
        self.add(what, len(parts))
        for part in parts:
            self._value(part)

    def _alone(self, value: Any) -> str:
        """Return the digest of one value, by which what has no order is brought into one."""
        alone = Digest(strict=self._strict, within=self)
        alone.value(value)
        return alone.result()

    def _module(self, value: ModuleType) -> None:
        if is_library(value.__name__):
            self.add("module", value.__name__)
        elif self._strict:
            self._uncovered(f"the module {value.__name__} as a value")
        else:
            self.add("module")

    def _in_c(self, value: Any) -> None:
        """Add a function or a method that is written in C, and what it is bound to."""
        owner = getattr(value, "__objclass__", None)
        bound = getattr(value, "__self__", None)
        held = None if isinstance(bound, ModuleType) else bound
        module = owner.__module__ if owner else type(held).__module__ if held is not None else value.__module__
        if isinstance(held, type):
            module = held.__module__
        name = f"{module}.{value.__qualname__}"
        if self._strict and (name in OUTSIDE or not is_library(str(module))):
            self._uncovered(f"{name}, {'which reads what is outside' if name in OUTSIDE else 'which is written in C'}")
        self._parts("in C", name, held)

    def _object(self, value: Any) -> None:
        """Add an object as it would be pickled, where its class tells no more than what it is made of."""
        kind = value.__class__
        if kind.__module__ == "functools" and callable(getattr(value, "__wrapped__", None)):  # of functools.cache
            self._parts("wrapped", value.__wrapped__)
            return
        if (kind.__module__, kind.__qualname__) == ("logging", "Logger"):  # says something, and changes no item
            self.add("logger")
            return
        reduced: Any = None
        if kind.__module__ in VALUES or (not is_library(kind.__module__) and (is_frozen(kind) or not self._strict)):
            with contextlib.suppress(Exception):  # whatever an object says that is not to be copied
                copied = copyreg.dispatch_table.get(kind)
                reduced = copied(value) if copied else value.__reduce_ex__(2)
        if isinstance(reduced, str):
            self.add("named", kind.__module__, reduced)
        elif reduced is not None:  # a tuple, whose last parts may be iterators
            parts: list[Any] = list(reduced)
            self._parts("made", *([*part] if hasattr(part, "__next__") else part for part in parts))
        elif self._strict and kind is not object:
            self._uncovered(
                f"an object of {kind.__module__}.{kind.__qualname__}, which may change or has no stable form",
                'use plain values, an Enum, a NamedTuple or a frozen dataclass; or say version="1", and another one'
                " whenever what the functions do changes",
            )
        elif callable(value) and isinstance(getattr(value, "__qualname__", None), str):  # written in C
            self.add("library", value.__module__, value.__qualname__)
        else:
            self._parts("object", kind)

    def _class(self, found: type) -> None:
        """Add a class with what stands in it; one of a library by its name."""
        self.add("class", found.__qualname__)
        if is_library(found.__module__):
            self.add(found.__module__)
            return
        self._user = found.__qualname__
        held: dict[str, Any] = dict(found.__dict__)
        self._parts("bases", type(found), *found.__bases__)
        for field in held.get("__dataclass_fields__", {}).values():
            given = [each for each in (field.default, field.default_factory) if each is not dataclasses.MISSING]
            self._parts("field", field.name, field.init, field.compare, *given)
        members: dict[str, Any] = {}
        if issubclass(found, enum.Enum):
            members = {name: each._value_ for name, each in found.__members__.items()}
        self._parts("members", *(part for pair in members.items() for part in pair))
        for name, value in sorted(held.items()):
            if name not in members and _is_told(name, value, is_enum=issubclass(found, enum.Enum)):
                self.add(name)
                self._value(value)

    # --- functions

    def _function(self, function: FunctionType) -> None:
        code = function.__code__
        module = str(function.__globals__.get("__name__"))
        for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
            self.add("closure", name)
            try:
                self._value(cell.cell_contents)
            except ValueError:
                self._absent(name)
        if is_library(module):
            self.add("library", module, code.co_qualname)
            return
        self._user = function.__qualname__
        nodes = definitions(code)
        if self._strict and len(nodes) != 1:
            why = "source text is not at hand" if not nodes else "source text is one of several lambdas in its line"
            self._user = ""
            self._uncovered(f"{function.__qualname__} is a function whose {why}")
        for node in nodes:
            self.add("tree", *meaning(node))
        if not nodes:
            self._code(code)
        self._parts("defaults", function.__defaults__, function.__kwdefaults__)
        self._parts("attributes", *(each for pair in _own_attributes(function) for each in pair))
        if self._strict:
            self._changes(code, frozenset(code.co_freevars))
        for chain in sorted(set(used_names(code))):
            self._global(chain, function.__globals__)

    def _changes(self, code: CodeType, closed: frozenset[str]) -> None:
        """Refuse what a call may leave behind for the next one, and modules that are not known before it."""
        for each in dis.get_instructions(code):
            name = str(each.argval)
            if each.opname in CHANGES or (each.opname in CLOSED_CHANGES and name in closed):
                self._uncovered(f"{name}, which it changes")
            if each.opname == "IMPORT_NAME" and not is_library(name):
                self._uncovered(f"{name or 'a module'}, which it imports itself", "import it at the top of the file")
        for inner in code.co_consts:
            if isinstance(inner, CodeType):
                self._changes(inner, closed)

    def _global(self, chain: tuple[str, ...], held: dict[str, Any]) -> None:
        """Add what a name stands for; of a module, what is asked of it."""
        self.add("global", *chain)
        name, *rest = chain
        if name == "__name__":  # another one where the file is loaded by another
            return
        value: Any = held.get(name, vars(builtins).get(name, Digest))
        while isinstance(value, ModuleType) and rest:
            value = getattr(value, name := rest.pop(0), Digest)
        if value is Digest:
            self._absent(".".join(chain))
        elif self._strict and name in PLACES:
            self._uncovered(f"{'.'.join(chain)}, which is another one elsewhere")
        else:
            self._value(value)

    def _absent(self, name: str) -> None:
        if self._strict:
            self._uncovered(f"{name}, which is not there yet", "define it above the Migration")
        self.add("absent")

    def _code(self, code: CodeType) -> None:
        """Add what the instructions say, each with what it stands for."""
        for each in dis.get_instructions(code):
            self.add(each.opname)
            meant: Any = each.argval
            if isinstance(meant, CodeType):
                self._code(meant)
            elif isinstance(meant, (tuple, frozenset)):
                self._value(meant)
            else:
                self.add(meant)
        self.add(code.co_exceptiontable)


@functools.cache
def is_library(module: str) -> bool:
    """Whether a module is of the standard library, or of crossfade: known by its name."""
    top = module.partition(".")[0]
    if top not in sys.stdlib_module_names:
        return top == "crossfade"
    file = getattr(sys.modules.get(top), "__file__", None)
    path = Path(file).resolve() if file else STANDARD  # none: built in
    return path.is_relative_to(STANDARD) and not INSTALLED & set(path.parts[len(STANDARD.parts) :])


def is_frozen(kind: type) -> bool:
    """Whether objects of a class stay as they are: enums, frozen dataclasses, tuples, texts and numbers."""
    parameters = getattr(kind, "__dataclass_params__", None)
    return issubclass(kind, (enum.Enum, tuple, str, bytes, int, float)) or bool(parameters and parameters.frozen)


def used_names(code: CodeType) -> Iterator[tuple[str, ...]]:
    """Yield the global names that code loads, each with the attributes that are asked of it at once."""
    instructions = [each for each in dis.get_instructions(code) if each.opname not in {"EXTENDED_ARG", "NOP"}]
    own = {each.argval for each in instructions if each.opname == "STORE_NAME"} | {"__name__", "__qualname__"}
    chain: list[str] = []
    for each in instructions:
        if chain and each.opname in ATTRIBUTES:
            chain.append(each.argval)
            continue
        if chain:
            yield tuple(chain)
        loads = each.opname in LOADS and not (each.opname == "LOAD_NAME" and each.argval in own)
        chain = [each.argval] if loads else []
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from used_names(inner)


def _is_told(name: str, value: Any, *, is_enum: bool) -> bool:
    """Whether an entry of a class is its writer's, and not one that Python or a decorator has made."""
    if isinstance(value, FunctionType):
        code = cast("CodeType", getattr(value, "__wrapped__", value).__code__)
        return not code.co_filename.startswith("<") and not is_library(str(value.__module__))
    made = (GetSetDescriptorType, MemberDescriptorType)
    if isinstance(value, made) or type(value).__module__ in {"_abc", "_collections"}:
        return False
    return not name.startswith("__") and not (is_enum and name.startswith("_"))


def _own_attributes(function: FunctionType) -> list[tuple[str, Any]]:
    return [(name, value) for name, value in sorted(vars(function).items()) if not name.startswith("__")]
