"""Which exceptions of a repository say that nothing it has sent can be carried out any more.

After every other one a write's outcome is unknown, and its stage stays for as long as it may land. Nothing is taken for
a refusal that the application has not declared as one: only it knows what a method has sent before it raised.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, cast

from botocore.exceptions import ClientError, ParamValidationError

from crossfade.errors import ConfigurationError

Refusal: TypeAlias = type[BaseException] | Callable[[Exception], bool]
"""A type of exceptions, or a function that says of an exception whether it is one."""

# The answer to a second sending with the same token: the first is under way.
UNDER_WAY: Final = frozenset({"TransactionInProgressException"})


@dataclass(frozen=True, slots=True)
class Refusals:
    """Raises ConfigurationError for what is neither a type of exceptions nor a function."""

    declared: tuple[Refusal, ...] = ()
    note: Callable[[str, dict[str, Any]], None] = lambda _name, _facts: None

    def __post_init__(self) -> None:
        for refusal in cast("Iterable[Any]", self.declared):
            is_type = isinstance(refusal, type)
            if (is_type and issubclass(refusal, BaseException)) or (
                not is_type and callable(refusal) and not inspect.iscoroutinefunction(refusal)
            ):
                continue
            raise ConfigurationError(
                f"refusals: {refusal!r} is neither a type of exceptions nor a function that tells one",
                next_step="refusals=(NoSuchOrder, refused_by_aws)",
            )

    def __contains__(self, error: BaseException) -> bool:
        """True if it is one. A function that fails has not said so; what it raised is told."""
        for refusal in self.declared:
            if isinstance(refusal, type):
                if isinstance(error, refusal):
                    return True
            elif isinstance(error, Exception):  # a call that was cancelled, or a process that ends, refuses nothing
                try:
                    if refusal(error):
                        return True
                except Exception as failure:  # noqa: BLE001 - the caller gets its own error
                    self.note("refusals_failed", {"error": f"{type(failure).__name__}: {failure}"})
        return False


def refused_by_aws(error: BaseException) -> bool:
    """True if AWS has refused a request of botocore, or botocore has not sent it: nothing of it is carried out.

    That is an answer with a status from 400 to 499 to the only attempt. With an earlier attempt (`RetryAttempts`),
    that one may have got no answer, and may land. Of other requests it tells nothing: it is for repositories that do
    not themselves send again what had no answer.
    """
    if isinstance(error, ParamValidationError):
        return True
    if not isinstance(error, ClientError):
        return False
    response = cast("dict[str, Any]", cast("Any", error).response)
    metadata: dict[str, Any] = response.get("ResponseMetadata") or {}
    status = metadata.get("HTTPStatusCode")
    is_refusal = isinstance(status, int) and 400 <= status < 500
    code = response.get("Error", {}).get("Code")
    return is_refusal and metadata.get("RetryAttempts") == 0 and code not in UNDER_WAY
