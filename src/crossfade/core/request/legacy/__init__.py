"""DynamoDB's legacy parameters (2012), translated into expressions (2014): one evaluator serves both.

`modern` takes a request with Expected, AttributeUpdates, KeyConditions, QueryFilter, ScanFilter, ConditionalOperator or
AttributesToGet and gives one with expressions that asks the same, or raises what DynamoDB would have answered. The
expressions' placeholders all begin with `#xfl` and `:xfl`.

    modern --mixing--> not both forms --values, conditions, updates, keys--> checked in DynamoDB's order and words
           --placeholders--> written as expressions
"""

from crossfade.core.request.legacy.modern import modern, reworded

__all__ = ["modern", "reworded"]
