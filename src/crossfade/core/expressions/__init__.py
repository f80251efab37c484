"""DynamoDB's expression languages over attribute values: conditions, filters, updates, projections, key conditions.

For one request: `bind` its placeholders, read its expressions with `condition`, `update`, `projection` and
`key_condition`, call `finish` on the bindings, and then ask or apply them. All of it is pure; every refusal is an
`ExpressionError` in the service's words.

    text --parser--> tree --checks--> kept by text --bindings--> functions over an item
"""

from crossfade.core.expressions.bindings import Bindings, bind
from crossfade.core.expressions.conditions import Condition, condition
from crossfade.core.expressions.errors import ExpressionError
from crossfade.core.expressions.keys import KeyCondition, key_condition
from crossfade.core.expressions.projections import projection
from crossfade.core.expressions.updates import update

__all__ = [
    "Bindings",
    "Condition",
    "ExpressionError",
    "KeyCondition",
    "bind",
    "condition",
    "key_condition",
    "projection",
    "update",
]
