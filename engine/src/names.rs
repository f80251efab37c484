//! Tables named by their ARN, which the service takes wherever it takes a name.
//!
//! The API reference, <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_GetItem.html>: "TableName ...
//! You can also provide the Amazon Resource Name (ARN) of the table in this parameter."

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value};

const TABLE: &str = ":table/";
const BY_TABLE: [&str; 4] = ["Responses", "UnprocessedKeys", "UnprocessedItems", "ItemCollectionMetrics"];

/// Names in place of ARNs. What is returned is there if anything was changed: of a batch, each name's ARN.
pub fn plain(request: &mut Value) -> Option<HashMap<String, String>> {
    let mut changed = named(request);
    for action in request.get_mut("TransactItems").and_then(Value::as_array_mut).into_iter().flatten() {
        for part in action.as_object_mut().into_iter().flat_map(Map::values_mut) {
            changed |= named(part);
        }
    }
    let given = request.get_mut("RequestItems").and_then(Value::as_object_mut).map(by_name).unwrap_or_default();
    (changed || !given.is_empty()).then_some(given)
}

/// Put names in place of ARNs in a batch; what is returned is each name's ARN. A batch that names a table twice stays as
/// it is, and dynoxide refuses it: no documentation tells what it would mean.
fn by_name(tables: &mut Map<String, Value>) -> HashMap<String, String> {
    let plain: Vec<&str> = tables.keys().map(|name| name_in(name).unwrap_or(name)).collect();
    if plain.iter().collect::<HashSet<_>>().len() < plain.len() {
        return HashMap::new();
    }
    let mut given = HashMap::new();
    for (arn, items) in std::mem::take(tables) {
        let name = name_in(&arn).map(str::to_owned);
        if let Some(name) = &name {
            given.insert(name.clone(), arn.clone());
        }
        tables.insert(name.unwrap_or(arn), items);
    }
    given
}

/// A batch's answer under the ARNs that were given.
pub fn as_given(answer: &mut Value, given: &HashMap<String, String>) {
    for part in BY_TABLE {
        if let Some(tables) = answer.get_mut(part).and_then(Value::as_object_mut) {
            for (name, value) in std::mem::take(tables) {
                let shown = given.get(&name).cloned().unwrap_or(name);
                tables.insert(shown, value);
            }
        }
    }
}

fn named(part: &mut Value) -> bool {
    let name = part.get("TableName").and_then(Value::as_str).and_then(name_in).map(str::to_owned);
    let found = name.is_some();
    if let Some(name) = name {
        part["TableName"] = Value::from(name);
    }
    found
}

fn name_in(arn: &str) -> Option<&str> {
    let name = arn.strip_prefix("arn:aws:dynamodb:")?.split_once(TABLE)?.1;
    (!name.is_empty() && !name.contains('/')).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const ARN: &str = "arn:aws:dynamodb:us-east-1:000000000000:table/orders";

    #[test]
    fn an_arn_is_a_name_wherever_a_table_is_named() {
        let mut single = json!({"TableName": ARN});
        assert_eq!(plain(&mut single), Some(HashMap::new()));
        assert_eq!(single["TableName"], "orders");
        let mut transaction = json!({"TransactItems": [{"Put": {"TableName": ARN}}, {"Get": {"TableName": "other"}}]});
        assert!(plain(&mut transaction).is_some());
        assert_eq!(transaction["TransactItems"][0]["Put"]["TableName"], "orders");
    }

    #[test]
    fn a_batch_is_answered_under_the_arns_that_were_given() {
        let mut batch = json!({"RequestItems": {ARN: {"Keys": []}, "other": {"Keys": []}}});
        let given = plain(&mut batch).unwrap();
        assert!(batch["RequestItems"].get("orders").is_some());
        let mut answer = json!({"Responses": {"orders": [], "other": []}});
        as_given(&mut answer, &given);
        assert!(answer["Responses"].get(ARN).is_some() && answer["Responses"].get("other").is_some());
    }

    #[test]
    fn a_batch_that_names_a_table_twice_loses_nothing() {
        let other_region = ARN.replace("us-east-1", "eu-west-1");
        for names in [[ARN, "orders"], [ARN, other_region.as_str()]] {
            let mut batch = json!({"RequestItems": {names[0]: [1], names[1]: [2]}});
            let before = batch.clone();
            assert_eq!(plain(&mut batch), None);
            assert_eq!(batch, before);
        }
    }

    #[test]
    fn names_and_arns_of_other_things_stay() {
        for name in ["orders", "arn:aws:dynamodb:r:0:table/orders/index/i", "arn:aws:s3:::bucket:table/orders"] {
            assert_eq!(plain(&mut json!({"TableName": name})), None);
        }
    }
}
