//! Updates of a transaction that would change a key, which dynoxide carries out and the service refuses.
//!
//! The API reference of TransactWriteItems: an `Update` has the rules of UpdateItem, whose page says "You cannot use
//! UpdateItem to update any primary key attributes"; the reason of such an action is a `ValidationError`,
//! <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html>.

use serde_json::{Value, json};

use crate::rewrite::unused;

const CLAUSES: [&str; 4] = ["SET", "REMOVE", "ADD", "DELETE"];

/// Make updates that would change a key impossible, by a condition that nothing fulfils. What is returned is there if
/// there are any: for each action, the key attribute that it would change.
///
/// So dynoxide first says what else is wrong, and where nothing is, it cancels the transaction (see `told`).
pub fn made_impossible(request: &mut Value) -> Option<Vec<Option<String>>> {
    let name = format!("#{}", unused(request, "crossfadeKey"));
    let actions = request.get_mut("TransactItems")?.as_array_mut()?;
    let keys: Vec<Option<String>> = actions.iter().map(|action| action.get("Update").and_then(key_changed)).collect();
    for (action, key) in actions.iter_mut().zip(&keys) {
        let (Some(key), Some(update)) = (key, action.get_mut("Update").and_then(Value::as_object_mut)) else {
            continue;
        };
        let never = format!("attribute_exists({name}) AND attribute_not_exists({name})");
        let condition = match update.get("ConditionExpression").and_then(Value::as_str) {
            Some(given) => format!("({given}) AND {never}"),
            None => never,
        };
        update.insert("ConditionExpression".to_owned(), Value::from(condition));
        match update.get_mut("ExpressionAttributeNames").and_then(Value::as_object_mut) {
            Some(names) => drop(names.insert(name.clone(), json!(key))),
            None => drop(update.insert("ExpressionAttributeNames".to_owned(), json!({name.clone(): key}))),
        }
    }
    keys.iter().any(Option::is_some).then_some(keys)
}

/// In the refusal of such a transaction: the service's reason at the places of those updates.
pub fn told(refusal: &mut Value, keys: &[Option<String>]) {
    let Some(reasons) = refusal.get_mut("CancellationReasons").and_then(Value::as_array_mut) else { return };
    for (reason, key) in reasons.iter_mut().zip(keys) {
        if let Some(name) = key {
            let text = format!(
                "One or more parameter values were invalid: Cannot update attribute {name}. \
                 This attribute is part of the key"
            );
            *reason = json!({"Code": "ValidationError", "Message": text});
        }
    }
    let codes: Vec<&str> = reasons.iter().map(|reason| reason["Code"].as_str().unwrap_or("None")).collect();
    let text =
        format!("Transaction cancelled, please refer cancellation reasons for specific reasons [{}]", codes.join(", "));
    for name in ["Message", "message"] {
        if refusal.get(name).is_some() {
            refusal[name] = Value::from(text.clone());
        }
    }
}

/// The key attribute that the update would change.
fn key_changed(update: &Value) -> Option<String> {
    let key = update.get("Key")?.as_object()?;
    let expression = update.get("UpdateExpression")?.as_str()?;
    let names = update.get("ExpressionAttributeNames");
    let real = |name: String| match names.and_then(|names| names.get(&name)).and_then(Value::as_str) {
        Some(attribute) => attribute.to_owned(),
        None => name,
    };
    targets(expression).into_iter().map(real).find(|name| key.contains_key(name))
}

/// The first name of each path that an update expression changes, as it is written: what follows a clause's word, or a
/// comma outside parentheses.
fn targets(expression: &str) -> Vec<String> {
    let mut found = Vec::new();
    let (mut depth, mut expected, mut word) = (0i32, false, String::new());
    for letter in expression.chars().chain([' ']) {
        if letter.is_alphanumeric() || matches!(letter, '_' | '#' | ':') {
            word.push(letter);
            continue;
        }
        if !word.is_empty() {
            if depth == 0 && CLAUSES.iter().any(|clause| clause.eq_ignore_ascii_case(&word)) {
                expected = true;
            } else if std::mem::take(&mut expected) {
                found.push(word.clone());
            }
            word.clear();
        }
        match letter {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' => expected = depth == 0,
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_paths_that_an_expression_changes() {
        let expression = "SET a.b = if_not_exists(c, :d), #e[0] = f + :g REMOVE h, i.j add k :l DELETE m :n";
        assert_eq!(targets(expression), ["a", "#e", "h", "i", "k", "m"]);
    }

    fn update(expression: &str) -> Value {
        json!({"Update": {"Key": {"p": {"S": "x"}}, "UpdateExpression": expression,
            "ExpressionAttributeNames": {"#p": "p"}}})
    }

    #[test]
    fn an_update_of_a_key_is_made_impossible() {
        let fine = json!({"TransactItems": [update("SET q = p"), {"Put": {}}]});
        assert_eq!(made_impossible(&mut fine.clone()), None);
        for expression in ["SET #p = :x", "REMOVE q, p"] {
            let mut request = json!({"TransactItems": [{"Put": {}}, update(expression)]});
            assert_eq!(made_impossible(&mut request), Some(vec![None, Some("p".to_owned())]));
            assert!(request["TransactItems"][1]["Update"].get("ConditionExpression").is_some());
        }
    }

    #[test]
    fn its_reason_is_told_beside_the_others() {
        let mut refusal = json!({"Message": "", "CancellationReasons": [
            {"Code": "ConditionalCheckFailed", "Message": "a"}, {"Code": "ConditionalCheckFailed", "Message": "b"}]});
        told(&mut refusal, &[None, Some("p".to_owned())]);
        assert_eq!(refusal["CancellationReasons"][0]["Message"], "a");
        assert_eq!(refusal["CancellationReasons"][1]["Code"], "ValidationError");
        assert!(refusal["Message"].as_str().unwrap().ends_with("[ConditionalCheckFailed, ValidationError]"));
    }
}
