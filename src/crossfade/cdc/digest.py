"""What a mapping of rows does, as a short text: another text, and what was verified is another mapping's work.

It is made of the source text of each table's function, as a syntax tree without comments, layout, docstrings and
annotations, and of the values that the function uses: constants of its module, closures, defaults, and the functions
and classes of its own code, likewise. Trees, and not bytecode, since a verify may be made on one machine and the step
to `live` on another: a tree is the same under another Python and after a formatter has been there, and bytecode is not.
Values, and not the text of what made them, since a constant may come from the environment or a file.

Where a function has no source text (`exec`, or a file that has changed since), its bytecode stands in; that differs
from one version of Python to the next, which costs a verify and no item. Code of libraries is known by its name alone.
"""

from __future__ import annotations

import ast
import contextlib
import copyreg
import dis
import functools
import hashlib
import inspect
import sysconfig
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from types import CodeType, FunctionType, MappingProxyType, MethodType, ModuleType
from typing import Any, Final, cast

from crossfade.cdc.rows import Rows

LENGTH: Final = 16  # hexadecimal digits, as of a fingerprint
LIBRARIES: Final = tuple(Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "purelib", "platlib"))
INSTALLED: Final = frozenset({"site-packages", "dist-packages"})
OWN: Final = Path(__file__).resolve().parents[1]
NO_MEANING: Final = frozenset({"ctx", "kind", "type_comment", "type_ignores", "type_params", "returns"})
PLAIN: Final = (str, bytes, bytearray, int, float, complex, bool, type(None), type(...))
IN_CLASSES: Final = (*PLAIN, staticmethod, classmethod, property, tuple, list, dict, set, frozenset)
# Modules whose objects are values, and hold nothing of the process or the machine.
VALUES: Final = frozenset(
    {"collections", "datetime", "decimal", "fractions", "ipaddress", "operator", "re", "types", "uuid", "zoneinfo"}
)
# Of what values are made that consist of others.
PARTS: Final[tuple[tuple[tuple[Any, ...], Callable[[Any], Sequence[Any]]], ...]] = (
    ((MethodType,), lambda value: (value.__func__, value.__self__)),
    ((functools.partial,), lambda value: (value.func, value.args, value.keywords)),
    ((staticmethod, classmethod), lambda value: (value.__func__,)),
    ((property,), lambda value: (value.fget,)),
    ((list, tuple), lambda value: (value.__class__, *value)),
    ((dict, MappingProxyType), lambda value: [part for pair in value.items() for part in pair]),
)
DEFINITIONS: Final = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


def digest_of(rows: Rows) -> str:
    """Return what tells this mapping from one that may make other items."""
    digesting = _Digesting()
    for single in sorted(rows.singles, key=lambda each: each.table):
        digesting.add("single", single.table)
        digesting.value(single.make)
    for fold in sorted(rows.folds, key=lambda each: each.table):
        children = {name: (child.table, child.columns) for name, child in fold.children.items()}
        digesting.add("fold", fold.table)
        for value in (children, fold.into, fold.make):
            digesting.value(value)
    return digesting.result()


class _Digesting:
    """The digest of one mapping as it is made. A function or a class that is met again is named by its number, and a
    container within itself is not gone into, so that rings come to an end."""

    def __init__(self, within: _Digesting | None = None) -> None:
        self._hash = hashlib.sha256()
        self._met: dict[int, int] = dict(within._met) if within else {}
        self._open: set[int] = set(within._open) if within else set()
        self._trees: dict[str, ast.Module | None] = within._trees if within else {}

    def add(self, *words: object) -> None:
        for word in words:
            text = repr(word).encode(errors="surrogatepass")
            self._hash.update(b"%d:" % len(text) + text)

    def result(self) -> str:
        return self._hash.hexdigest()[:LENGTH]

    # --- values

    def value(self, value: Any) -> None:
        """Add a value, and what it is made of."""
        if isinstance(value, PLAIN):
            self.add(type(value).__name__, value)
        elif id(value) in self._open:
            self.add("within itself")
        elif isinstance(value, (FunctionType, type, ModuleType)):
            self._named(value)
        else:
            self._open.add(id(value))
            self._made(value)
            self._open.remove(id(value))

    def _named(self, value: FunctionType | type | ModuleType) -> None:
        if id(value) in self._met:
            self.add("again", self._met[id(value)])
            return
        self._met[id(value)] = len(self._met)
        if isinstance(value, FunctionType):
            self._function(value)
        elif isinstance(value, ModuleType):
            self.add("module", "" if _is_ours(_file_of(value)) else value.__name__)
        else:
            self._class(value)

    def _made(self, value: Any) -> None:
        kinds: Any
        for kinds, parts in PARTS:
            if isinstance(value, kinds):
                name: str = kinds[0].__name__
                self._parts(name, *parts(value))
                return
        if isinstance(value, (set, frozenset)):
            elements = cast("set[Any]", value)
            self.add("set", *sorted(map(self._alone, elements)))
        else:
            self._object(value)

    def _parts(self, what: str, *parts: Any) -> None:
        self.add(what, len(parts))
        for part in parts:
            self.value(part)

    def _alone(self, value: Any) -> str:
        """Return the digest of one value, by which what has no order is brought into one."""
        alone = _Digesting(self)
        alone.value(value)
        return alone.result()

    def _object(self, value: Any) -> None:
        """Add an object as it would be pickled, where its class tells no more than what it is made of; else, and where
        it cannot be pickled, its class alone."""
        wrapped = getattr(value, "__wrapped__", None)
        if callable(wrapped):  # of functools.cache
            self._parts("wrapped", wrapped)
            return
        kind = value.__class__
        reduced: Any = None
        if kind.__module__ in VALUES or _is_ours(_file_of(kind)):
            with contextlib.suppress(Exception):  # whatever an object says that is not to be copied
                copied = copyreg.dispatch_table.get(kind)
                reduced = copied(value) if copied else value.__reduce_ex__(2)
        if reduced is not None and not isinstance(reduced, str):  # a tuple, whose last parts may be iterators
            parts: list[Any] = list(reduced)
            self._parts("made", *([*part] if hasattr(part, "__next__") else part for part in parts))
        elif callable(value) and isinstance(getattr(value, "__qualname__", None), str):  # written in C
            self.add("library", value.__module__, value.__qualname__)
        else:
            self._parts("object", kind)

    def _class(self, found: type) -> None:
        """Add a class of the mapping's own code with what stands in it; another by its name."""
        self.add("class", found.__qualname__)
        if not _is_ours(_file_of(found)):
            self.add(found.__module__)
            return
        self._parts("bases", *found.__bases__)
        held: dict[str, Any] = dict(found.__dict__)
        self.add("fields", *held.get("__dataclass_fields__", ()))
        for name, value in sorted(held.items()):
            if isinstance(value, FunctionType):
                told = not value.__code__.co_filename.startswith("<")  # dataclasses make theirs from the fields
            else:
                told = not name.startswith("__") and isinstance(value, IN_CLASSES)
            if told:
                self.add(name)
                self.value(value)

    # --- functions

    def _function(self, function: FunctionType) -> None:
        code = function.__code__
        if not _is_ours(code.co_filename):
            self.add("library", function.__globals__.get("__name__"), code.co_qualname)
            return
        nodes = self._nodes(code)
        if nodes:
            self.add("tree", len(nodes))
            for node in nodes:
                self._tree(node, root=True)
        else:
            self.add("code")
            self._code(code)
        self._parts("defaults", function.__defaults__, function.__kwdefaults__)
        for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
            self.add("closure", name)
            try:
                self.value(cell.cell_contents)
            except ValueError:  # not filled yet
                self.add("empty")
        names = set(_names(code))
        for name in sorted(names & function.__globals__.keys()):
            self._global(name, function.__globals__[name], names)

    def _global(self, name: str, value: Any, names: Iterable[str]) -> None:
        self.add("global", name)
        self.value(value)
        if isinstance(value, ModuleType) and _is_ours(_file_of(value)):  # which of it is used, the names tell
            for each in sorted(vars(value).keys() & set(names)):
                self.add("of", name, each)
                self.value(vars(value)[each])

    def _nodes(self, code: CodeType) -> list[ast.AST]:
        """Return what may be the definition of this code: of several lambdas that begin in one line, all."""
        tree = self._file(code.co_filename)
        if tree is None:
            return []
        return [
            node
            for node in ast.walk(tree)
            if isinstance(node, DEFINITIONS)
            and _first_line(node) == code.co_firstlineno
            and getattr(node, "name", "<lambda>") == code.co_name
        ]

    def _file(self, name: str) -> ast.Module | None:
        if name not in self._trees:
            try:
                self._trees[name] = ast.parse(Path(name).read_text(encoding="utf-8"))
            except (OSError, SyntaxError, ValueError):
                self._trees[name] = None
        return self._trees[name]

    def _tree(self, node: Any, *, root: bool = False) -> None:
        """Add a syntax tree; empty fields are left out, since versions of Python differ in them."""
        if isinstance(node, ast.Constant):
            self.add(type(node.value).__name__, node.value)
            return
        if not isinstance(node, ast.AST):
            self.add(node)
            return
        self.add(type(node).__name__)
        for name, found in ast.iter_fields(node):
            if name in NO_MEANING or (root and name in {"name", "decorator_list"}):
                continue
            if name == "annotation" and isinstance(node, ast.arg):
                continue
            inner: Any = _without_docstring(node, found) if name == "body" else found
            if inner is None or inner == []:
                continue
            many = _listed(inner)
            self.add(name, len(many))
            for each in many:
                self._tree(each)

    def _code(self, code: CodeType) -> None:
        """Add what the instructions say, each with what it stands for."""
        for each in dis.get_instructions(code):
            self.add(each.opname)
            meant: Any = each.argval
            if isinstance(meant, CodeType):
                self._code(meant)
            elif isinstance(meant, (tuple, frozenset)):
                self.value(meant)
            else:
                self.add(meant)
        self.add(code.co_exceptiontable)


def _names(code: CodeType) -> Iterator[str]:
    """Yield the names that code uses, global ones and attributes, and those within it."""
    yield from code.co_names
    for each in code.co_consts:
        if isinstance(each, CodeType):
            yield from _names(each)


def _first_line(node: Any) -> int:
    """Return what code says of where it begins: decorators belong to it."""
    decorators = getattr(node, "decorator_list", [])
    line: int = min([node.lineno, *(each.lineno for each in decorators)])
    return line


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]  # pyright: ignore[reportUnknownVariableType]


def _without_docstring(node: ast.AST, body: Any) -> Any:
    if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)) or not body:
        return body
    match body[0]:
        case ast.Expr(value=ast.Constant(value=str())):
            return body[1:]
        case _:
            return body


def _file_of(found: type | ModuleType) -> str | None:
    try:
        return inspect.getfile(found)
    except (TypeError, OSError):
        return None


def _is_ours(file: str | None) -> bool:
    """Whether it is code of the mapping's own, and of no library; what `exec` has made has no file, and is."""
    if file is None:
        return False
    path = Path(file).resolve()
    installed = INSTALLED & set(path.parts)
    return not installed and not any(path.is_relative_to(library) for library in (*LIBRARIES, OWN))
