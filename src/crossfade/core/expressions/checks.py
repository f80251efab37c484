"""What can be told from the text alone, once it is well formed: reserved words, list indices, unknown functions.

The service reports the first such fault in the order written, an operator or function before what it is applied to.
"""

from __future__ import annotations

from crossfade.core.expressions.errors import invalid_expression, misused_function
from crossfade.core.expressions.reserved import RESERVED
from crossfade.core.expressions.syntax import (
    BetweenNode,
    ComparisonNode,
    ConditionNode,
    FunctionNode,
    InNode,
    LogicNode,
    NotNode,
    Operand,
    PathNode,
    SumNode,
    UpdateNode,
    ValueNode,
)

PATH_STEPS_MAX = 32  # "the maximum depth for a document path is 32"
INDEX_MAX = 2**31 - 1

PREDICATES = frozenset({"attribute_exists", "attribute_not_exists", "attribute_type", "begins_with", "contains"})
_CONDITION_FUNCTIONS = PREDICATES | {"size"}
_UPDATE_FUNCTIONS = frozenset({"if_not_exists", "list_append"})


def check_path(kind: str, node: PathNode) -> None:
    """No reserved word, no index beyond 32 bits, not too many steps."""
    for step in node.steps:
        if isinstance(step, int):
            if step > INDEX_MAX:
                raise invalid_expression(kind, f"List index is not within the allowable range; index: [{step}]")
        elif step.upper() in RESERVED:
            raise invalid_expression(kind, f"Attribute name is a reserved keyword; reserved keyword: {step}")
    if len(node.steps) > PATH_STEPS_MAX:
        raise invalid_expression(
            kind, f"The document path has too many nesting levels; nesting levels: {len(node.steps)}"
        )


def check_condition(kind: str, node: ConditionNode) -> None:
    """Functions where they may stand, and paths as `check_path`."""
    match node:
        case LogicNode():
            for part in node.parts:
                check_condition(kind, part)
        case NotNode():
            check_condition(kind, node.inner)
        case ComparisonNode():
            _check_operands(kind, node.left, node.right)
        case BetweenNode():
            _check_operands(kind, node.operand, node.lower, node.upper)
        case InNode():
            _check_operands(kind, node.operand, *node.choices)
        case FunctionNode():
            _known(kind, node.name)
            if node.name not in PREDICATES:
                raise misused_function(kind, node.name)
            _check_operands(kind, *node.operands)


def _check_operands(kind: str, *operands: Operand) -> None:
    for operand in operands:
        match operand:
            case PathNode():
                check_path(kind, operand)
            case FunctionNode():
                _known(kind, operand.name)
                if operand.name in PREDICATES or operand.name == "list_append":
                    raise misused_function(kind, operand.name)
                _check_operands(kind, *operand.operands)
            case ValueNode():
                pass


def _known(kind: str, function: str) -> None:
    here, elsewhere, where = (
        (_UPDATE_FUNCTIONS, _CONDITION_FUNCTIONS, "an update")
        if kind == "UpdateExpression"
        else (_CONDITION_FUNCTIONS, _UPDATE_FUNCTIONS, "a condition")
    )
    if function in elsewhere:
        raise invalid_expression(kind, f"The function is not allowed in {where} expression; function: {function}")
    if function not in here:
        raise invalid_expression(kind, f"Invalid function name; function: {function}")


def check_update(kind: str, node: UpdateNode) -> None:
    """Paths, functions, and each section once."""
    for action in node.actions:
        check_path(kind, action.path)
        match action.source:
            case None:
                pass
            case SumNode(left=left, right=right):
                _check_operands(kind, left, right)
            case FunctionNode(name="list_append", operands=operands):
                _check_operands(kind, *operands)
            case source:
                _check_operands(kind, source)
    for at, keyword in enumerate(node.sections):
        if keyword in node.sections[:at]:
            raise invalid_expression(kind, f'The "{keyword}" section can only be used once in an update expression;')
