"""What an application declares of its repositories: which methods read and write, and which entity they are about."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from crossfade.errors import ConfigurationError, NotPossibleInStage

T = TypeVar("T")
KeyOf = str | Callable[..., Any]
"""The name of an argument that is the entity's key, or a function of all the arguments that gives it."""

# https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html
TRANSACTION_KEYS_MAX: Final = 100


@dataclass(frozen=True, slots=True)
class Read:
    """A method that changes nothing. `key`: which entity it reads, for the ramp and for what is told of differences.

    `eventual`: it may be answered by the target while the source is the authority, for the keys on the ramp: what it
    shows then may be a moment old. `compare`: it may be asked of the other side as well; `samples`: of how many calls,
    from 0 to 1. `clean` makes of an answer what is compared. `ignore` is given both cleaned answers, the source's
    first, where they differ, and says whether that is nothing to be told.
    """

    key: KeyOf | None = None
    eventual: bool = False
    compare: bool = True
    samples: float = 1.0
    clean: Callable[[Any], Any] | None = None
    ignore: Callable[[Any, Any], bool] | None = None

    def __post_init__(self) -> None:
        if not 0.0 <= self.samples <= 1.0:
            raise ConfigurationError(f"samples={self.samples}: a share from 0 to 1 is needed")
        if self.eventual and self.key is None:
            raise ConfigurationError(
                "Read(eventual=True) without a key: the ramp goes by keys",
                next_step='say Read(key="...", eventual=True)',
            )


@dataclass(frozen=True, slots=True)
class Write:
    """A method that may change entities, whatever else it does. `key`: which one; or `keys`: a function of all the
    arguments that gives several. They must be known before the call: so let the application choose new keys.

    `transaction`: they are one unit of work, which the target does as one TransactWriteItems, of 100 at most.
    """

    key: KeyOf | None = None
    keys: Callable[..., Iterable[Any]] | None = None
    transaction: bool = False

    def __post_init__(self) -> None:
        if (self.key is None) == (self.keys is None):
            raise ConfigurationError(
                "a Write needs key= or keys=: without it nobody knows what is to be mirrored",
                next_step='say Write(key="..."), with the name of the argument',
            )


@dataclass(frozen=True, slots=True)
class Operation:
    """One declared method."""

    name: str
    what: Read | Write
    signature: inspect.Signature | None

    @property
    def writes(self) -> bool:
        return isinstance(self.what, Write)

    def keys(self, arguments: tuple[Any, ...], named: dict[str, Any]) -> tuple[Any, ...]:
        """The entities of one call. Raises NotPossibleInStage; ConfigurationError where the function that gives them
        fails; a TypeError is the caller's, as from the method itself."""
        found = self._found(arguments, named)
        if self.writes and None in found:
            raise NotPossibleInStage(
                f"{self.name}: None is the key of what it writes, so nobody would know what is to be mirrored",
                next_step="let the application choose the keys of new entities, such as a UUID: what the store chooses"
                " is known only after the write",
            )
        return found

    def _found(self, arguments: tuple[Any, ...], named: dict[str, Any]) -> tuple[Any, ...]:
        what = self.what
        if isinstance(what, Write) and what.keys is not None:
            found = self._given_by(_several(what.keys), arguments, named)
            if what.transaction and len(found) > TRANSACTION_KEYS_MAX:
                raise NotPossibleInStage(
                    f"{self.name}: one unit of work of {len(found)} entities, and the target's transactions take"
                    f" {TRANSACTION_KEYS_MAX}",
                    next_step="do it in parts, or declare it without transaction=True where it may be seen half done",
                )
            return found
        if what.key is None:
            return ()
        if callable(what.key):
            return (self._given_by(what.key, arguments, named),)
        assert self.signature is not None  # noqa: S101 - see `declared`
        bound = self.signature.bind(*arguments, **named)
        bound.apply_defaults()
        return (bound.arguments[what.key],)

    def _given_by(self, function: Callable[..., T], arguments: tuple[Any, ...], named: dict[str, Any]) -> T:
        try:
            return function(*arguments, **named)
        except Exception as error:
            raise ConfigurationError(
                f"{self.name}: the function that gives its key failed: {type(error).__name__}: {error}",
                next_step="it gets the arguments as the caller gives them: lambda order_id, *_, **__: order_id",
            ) from error


def _several(keys: Callable[..., Iterable[Any]]) -> Callable[..., tuple[Any, ...]]:
    """The function, with all that it gives taken out. A text can be gone through too, and its letters are no keys."""

    def taken(*arguments: Any, **named: Any) -> tuple[Any, ...]:
        found = keys(*arguments, **named)
        if isinstance(found, str | bytes | bytearray):
            raise TypeError(f"keys= gives several, and {found!r} is one: key= is for that")
        return tuple(dict.fromkeys(found))

    return taken


def declared(name: str, what: Read | Write, old: object, new: object) -> Operation:
    """Raises ConfigurationError where a repository has no such method, or it has no such argument."""
    methods = [method_of(repository, name, place) for repository, place in ((old, "old"), (new, "new"))]
    if isinstance(what, Write) and any(map(is_generator, methods)):
        raise ConfigurationError(
            f"{name} is a generator: what it writes is written while its answer is gone through, behind the mirror",
            next_step="let it write first and return a list; or call the generator's steps by a method of their own",
        )
    if not isinstance(what.key, str):
        return Operation(name, what, None)
    signatures = [inspect.signature(method) for method in methods]
    for signature, place in zip(signatures, ("old", "new"), strict=True):
        if what.key not in signature.parameters:
            raise ConfigurationError(
                f"{name} of the {place} repository has no argument {what.key!r}: it has {signature}",
                next_step="name the argument that is the entity's key, or give a function of the arguments",
            )
    return Operation(name, what, signatures[0])


def is_generator(method: Callable[..., Any]) -> bool:
    return inspect.isgeneratorfunction(method) or inspect.isasyncgenfunction(method)


def method_of(repository: object, name: str, place: str) -> Callable[..., Any]:
    method: Any = getattr(repository, name, None)
    if not callable(method):
        raise ConfigurationError(
            f"the {place} repository ({type(repository).__name__}) has no method {name}",
            next_step="both repositories need each method that is declared, and those of Mirror; between two DynamoDB"
            " tables mirror=TableMirror(migration) needs none",
        )
    found: Callable[..., Any] = method
    return found
