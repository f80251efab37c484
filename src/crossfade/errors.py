"""Every error that crossfade raises, in one tree.

CrossfadeError                  has .next_step: what to do about it, also a note of the exception
|-- ConfigurationError          the migration file, an option or the environment is wrong: nothing was started
|   |-- MappingInvalid          the mapping itself cannot work (not invertible, touches a key it may not, misspelt)
|   `-- NotStarted              the control table knows no such migration
|-- MappingError                one item cannot be mapped (a value that would not come back)
|-- NotPossibleInStage          a request or command that would be wrong as things stand; nothing was written
|   |-- GateClosed              a stage may not be entered yet; carries every gate's finding
|   |   `-- TurnedBack          writes were held as long as they may be; the stage is the one before that again
|   `-- Undeclared              a method of a repository that the switch was not told about
|-- StreamGap                   a change stream no longer holds what was to be read next, or was switched off
|-- StageUncertain              the client's lease ended: the write was not sent, or is not acknowledged; retry
|-- Held                        a write waited as long as it may while the authority moved: nothing was written; retry
|-- Fenced                      another runner has taken this job over, or the fleet has moved on without us
`-- DatabaseError               an answer from DynamoDB
    |-- ServiceRejected         DynamoDB said no: code and message are the service's own
    `-- UnknownOutcome          no answer: the request may still have been, or may yet be, carried out
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class CrossfadeError(Exception):
    """The root. `next_step` tells the reader what to do; `retryable` whether the same call may succeed later.

    `str(error)` is one line, for logs. What `message` has beyond its first line, and the next step, are notes of the
    exception (PEP 678), which a traceback shows below it; `in_full` has them too.
    """

    retryable = False

    def __init__(self, message: str, *, next_step: str = "") -> None:
        first, *more = message.split("\n")
        super().__init__(first)
        self.message = message
        self.next_step = next_step
        if more:
            self.add_note("\n".join(more))
        if next_step:
            self.add_note(f"  next: {next_step}")

    def __reduce__(self) -> tuple[Any, ...]:
        """Copy and pickle it by what it holds, since classes below take other arguments than are shown."""
        state = dict(vars(self))
        if "__notes__" in state:
            state["__notes__"] = [*state["__notes__"]]
        return _bare, (type(self), self.args), state


def _bare(kind: type[CrossfadeError], args: tuple[Any, ...]) -> CrossfadeError:
    return kind.__new__(kind, *args)


def in_full(error: BaseException) -> str:
    """Return what a traceback ends in: what happened, and below it the notes, with the next step."""
    return "\n".join([str(error), *getattr(error, "__notes__", ())])


class ConfigurationError(CrossfadeError):
    """The migration file, an option or the environment is wrong; nothing was started."""


class MappingInvalid(ConfigurationError):
    """The mapping as a whole cannot work, whatever the item."""


class NotStarted(ConfigurationError):
    """The control table holds no such migration: run `crossfade start` first."""


class MappingError(CrossfadeError):
    """One item cannot be mapped without losing something. Names the piece and the attribute; `told` names these alone,
    and no value of the item, for logs and leases."""

    def __init__(self, message: str, *, next_step: str = "", told: str = "") -> None:
        super().__init__(message, next_step=next_step)
        self.told = told


class NotPossibleInStage(CrossfadeError):
    """crossfade's own refusal: this cannot be done right as the migration stands. Of a request, nothing was written.

    Mostly another stage would do it: `next_step` says which, or another way to the same end. The same class tells of
    what no stage would do (a command given twice, a job that somebody runs already, a key that does not come back from
    text), since it too is about the request or the command, not about the migration file; that is a ConfigurationError.
    DynamoDB's refusal is a ServiceRejected.
    """


class GateClosed(NotPossibleInStage):
    """A stage may not be entered yet."""


class TurnedBack(GateClosed):
    """Writes were held for as long as they may be, and the gate stayed closed: the stage is the one before again."""


class Undeclared(NotPossibleInStage, AttributeError):
    """A method of a repository that the switch was not told about: it cannot know whether it reads or writes."""


class StreamGap(CrossfadeError):
    """Changes were lost to a reader of a stream: what follows them may not be read as if they had never been."""


class StageUncertain(CrossfadeError):
    """This client's lease has ended, so it cannot know the stage: the write is not acknowledged.

    A caller of an attached boto3 or aiobotocore client sees botocore's ClientError instead: code `InternalServerError`,
    HTTP status 500, this message, which says whether the request was sent. The SDK does not repeat it, in none of its
    retry modes, since it is made behind the last attempt or in place of the first: the application may, as it would
    after a server's error. `router.stage`, a Switch and the jobs raise this class itself.
    """

    retryable = True


class Held(CrossfadeError):
    """A write was held for as long as it may be while the authority moved. Nothing was written."""

    retryable = True


class Fenced(CrossfadeError):
    """Somebody else holds what this process held (a lease, a job)."""


class DatabaseError(CrossfadeError):
    """What came back from DynamoDB in place of a result."""


class ServiceRejected(DatabaseError):
    """DynamoDB's own refusal: nothing was written.

    `code` and `text` are the service's (`ConditionalCheckFailedException`, ...); `response` is the parsed error
    response in botocore's shape (with `Error`, and where the service sends them `Item` and `CancellationReasons`).
    """

    def __init__(self, code: str, text: str, response: Mapping[str, Any] | None = None) -> None:
        super().__init__(f"{code}: {text}")
        self.code = code
        self.text = text
        self.response: Mapping[str, Any] = response or {"Error": {"Code": code, "Message": text}}

    def with_text(self, text: str) -> ServiceRejected:
        """Return the same refusal in other words."""
        return ServiceRejected(self.code, text, {**self.response, "Error": {"Code": self.code, "Message": text}})


def invalid_request(text: str) -> ServiceRejected:
    """DynamoDB's refusal of a request, or of an item, that is not valid."""
    return ServiceRejected("ValidationException", text)


class UnknownOutcome(DatabaseError):
    """No answer: the request may have been carried out, or may be until it can no longer land."""

    retryable = True
