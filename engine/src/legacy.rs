//! `KeyConditions` beside expressions, which the service takes and dynoxide refuses.
//!
//! The developer guide's page "Legacy conditional parameters" has the operators and what each stands for:
//! <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/LegacyConditionalParameters.KeyConditions.html>.

use serde_json::{Map, Value, json};

use crate::rewrite::unused;

const EXPRESSIONS: [&str; 2] = ["FilterExpression", "ProjectionExpression"];
/// Put a `KeyConditionExpression` in place of `KeyConditions` that stand beside an expression. False, with nothing
/// changed, where they do not or are not well formed: dynoxide says what is wrong with them.
pub fn key_conditions_as_expression(request: &mut Value) -> bool {
    if !EXPRESSIONS.iter().any(|name| request.get(name).is_some()) || request.get("KeyConditionExpression").is_some() {
        return false;
    }
    let Some(conditions) = request.get("KeyConditions").and_then(Value::as_object).filter(|given| !given.is_empty())
    else {
        return false;
    };
    let ours = unused(request, "crossfadeKey");
    let (mut texts, mut names, mut values) = (Vec::new(), Map::new(), Map::new());
    for (place, (attribute, condition)) in conditions.iter().enumerate() {
        let operands: &[Value] =
            condition.get("AttributeValueList").and_then(Value::as_array).map_or(&[], Vec::as_slice);
        let operator = condition.get("ComparisonOperator").and_then(Value::as_str).unwrap_or_default();
        let name = format!("#{ours}{place}");
        let given: Vec<String> = (0..operands.len()).map(|n| format!(":{ours}{place}x{n}")).collect();
        let Some(text) = text_of(operator, &name, &given) else { return false };
        texts.push(text);
        names.insert(name, json!(attribute));
        values.extend(given.into_iter().zip(operands.iter().cloned()));
    }
    let Some(request) = request.as_object_mut() else { return false };
    request.remove("KeyConditions");
    request.insert("KeyConditionExpression".to_owned(), Value::from(texts.join(" AND ")));
    for (part, more) in [("ExpressionAttributeNames", names), ("ExpressionAttributeValues", values)] {
        match request.get_mut(part).and_then(Value::as_object_mut) {
            Some(given) => given.extend(more),
            None => drop(request.insert(part.to_owned(), Value::Object(more))),
        }
    }
    true
}

fn text_of(operator: &str, name: &str, values: &[String]) -> Option<String> {
    let comparator = match operator {
        "EQ" => "=",
        "LT" => "<",
        "LE" => "<=",
        "GT" => ">",
        "GE" => ">=",
        _ => "",
    };
    match (operator, values) {
        (_, [value]) if !comparator.is_empty() => Some(format!("{name} {comparator} {value}")),
        ("BEGINS_WITH", [value]) => Some(format!("begins_with({name}, {value})")),
        ("BETWEEN", [low, high]) => Some(format!("{name} BETWEEN {low} AND {high}")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_beside_a_filter_become_an_expression() {
        let mut request = json!({
            "FilterExpression": "n > :n", "ExpressionAttributeValues": {":n": {"N": "1"}},
            "KeyConditions": {
                "p": {"ComparisonOperator": "EQ", "AttributeValueList": [{"S": "a"}]},
                "s": {"ComparisonOperator": "BETWEEN", "AttributeValueList": [{"S": "b"}, {"S": "c"}]}
            }
        });
        assert!(key_conditions_as_expression(&mut request));
        assert_eq!(
            request["KeyConditionExpression"],
            "#crossfadeKey0 = :crossfadeKey0x0 AND #crossfadeKey1 BETWEEN :crossfadeKey1x0 AND :crossfadeKey1x1"
        );
        assert_eq!(request["ExpressionAttributeValues"].as_object().unwrap().len(), 4);
        assert!(request.get("KeyConditions").is_none());
    }

    #[test]
    fn the_clients_placeholders_stay_its_own() {
        let mut request = json!({
            "FilterExpression": "n > :crossfadeKey0x0", "ExpressionAttributeValues": {":crossfadeKey0x0": {"N": "2"}},
            "KeyConditions": {"p": {"ComparisonOperator": "EQ", "AttributeValueList": [{"S": "a"}]}}
        });
        assert!(key_conditions_as_expression(&mut request));
        assert_eq!(request["ExpressionAttributeValues"][":crossfadeKey0x0"], json!({"N": "2"}));
        assert_eq!(request["ExpressionAttributeValues"].as_object().unwrap().len(), 2);
    }

    #[test]
    fn conditions_alone_or_malformed_stay() {
        let alone = json!({"KeyConditions": {"p": {"ComparisonOperator": "EQ", "AttributeValueList": [{"S": "a"}]}}});
        let broken = json!({"FilterExpression": "n > :n", "KeyConditions": {"p": {"ComparisonOperator": "EQ"}}});
        for request in [alone, broken] {
            let mut changed = request.clone();
            assert!(!key_conditions_as_expression(&mut changed));
            assert_eq!(changed, request);
        }
    }
}
