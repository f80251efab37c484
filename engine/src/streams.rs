//! Change streams, as the service shows them.
//!
//! - A shard's id has at least 28 characters (clients check that); dynoxide's is `shardId-00000001-` and the table's
//!   name. Short ones are filled up with `.` at the end, which no table's name may be followed by there.
//! - A write that changes nothing leaves no record. (Told by the images; a stream of keys alone shows such records.)
//! - `userIdentity` is spelled `Type` and `PrincipalId`.
//!
//! The Streams API reference: <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_streams_Record.html>,
//! `API_streams_Shard.html`; the developer guide, "Change data capture for DynamoDB Streams".

use serde_json::Value;

const SHARD_ID_CHARACTERS_MIN: usize = 28;
const FILLING: char = '.';
const PREFIX: &str = "shardId-00000001-";

/// In a request: the shard's id as dynoxide knows it.
pub fn engines_shard(request: &mut Value) {
    let table = request.get("StreamArn").and_then(Value::as_str).and_then(|arn| arn.split('/').nth(1));
    let Some(own) = table.map(|table| format!("{PREFIX}{table}")) else { return };
    for name in ["ShardId", "ExclusiveStartShardId"] {
        if request.get(name).and_then(Value::as_str).is_some_and(|given| given == whole(&own)) {
            request[name] = Value::from(own.clone());
        }
    }
}

/// In a description of a stream: ids that clients accept.
pub fn whole_shards(answer: &mut Value) {
    let shards = answer.pointer_mut("/StreamDescription/Shards").and_then(Value::as_array_mut);
    for shard in shards.into_iter().flatten() {
        if let Some(id) = shard.get("ShardId").and_then(Value::as_str) {
            shard["ShardId"] = Value::from(whole(id));
        }
    }
}

/// In a page of records: those that the service would have written, in its spelling.
pub fn services_records(answer: &mut Value) {
    let Some(records) = answer.get_mut("Records").and_then(Value::as_array_mut) else { return };
    records.retain(|record| !changes_nothing(record));
    for record in records {
        if let Some(identity) = record.get_mut("userIdentity").and_then(Value::as_object_mut) {
            for (own, services) in [("type", "Type"), ("principalId", "PrincipalId")] {
                if let Some(value) = identity.remove(own) {
                    identity.insert(services.to_owned(), value);
                }
            }
        }
    }
}

fn whole(id: &str) -> String {
    let missing = SHARD_ID_CHARACTERS_MIN.saturating_sub(id.chars().count());
    format!("{id}{}", FILLING.to_string().repeat(missing))
}

fn changes_nothing(record: &Value) -> bool {
    let image = |name| record.pointer(&format!("/dynamodb/{name}")).map(|image| without_order(image.clone()));
    record.get("eventName").and_then(Value::as_str) == Some("MODIFY")
        && image("OldImage").is_some_and(|old| image("NewImage").as_ref() == Some(&old))
}

/// The same image with its sets in one order.
fn without_order(mut image: Value) -> Value {
    fn sort(value: &mut Value) {
        match value {
            Value::Object(members) => {
                for (name, member) in members.iter_mut() {
                    match member {
                        Value::Array(set) if matches!(name.as_str(), "SS" | "NS" | "BS") => {
                            set.sort_by_cached_key(Value::to_string);
                        }
                        other => sort(other),
                    }
                }
            }
            Value::Array(members) => members.iter_mut().for_each(sort),
            _ => {}
        }
    }
    sort(&mut image);
    image
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_short_shard_id_is_filled_up_and_found_again() {
        let mut answer = json!({"StreamDescription": {"Shards": [{"ShardId": "shardId-00000001-t"}]}});
        whole_shards(&mut answer);
        let shown = answer.pointer("/StreamDescription/Shards/0/ShardId").unwrap().as_str().unwrap();
        assert_eq!(shown.len(), SHARD_ID_CHARACTERS_MIN);
        let mut request = json!({"StreamArn": "arn:aws:dynamodb:x:0:table/t/stream/1", "ShardId": shown});
        engines_shard(&mut request);
        assert_eq!(request["ShardId"], "shardId-00000001-t");
    }

    #[test]
    fn a_long_shard_id_and_a_strangers_stay() {
        for id in ["shardId-00000001-a-table-with-a-long-name", "shardId-of-another-kind-altogether"] {
            let mut request = json!({"StreamArn": "arn:aws:dynamodb:x:0:table/t/stream/1", "ShardId": id});
            engines_shard(&mut request);
            assert_eq!(request["ShardId"], id);
        }
    }

    #[test]
    fn what_changes_nothing_is_left_out() {
        let record =
            |old: Value, new: Value| json!({"eventName": "MODIFY", "dynamodb": {"OldImage": old, "NewImage": new}});
        let set = |first: &str, second: &str| json!({"s": {"SS": [first, second]}});
        let mut answer = json!({"Records": [
            record(set("a", "b"), set("b", "a")),
            record(set("a", "b"), set("b", "c")),
            {"eventName": "MODIFY", "dynamodb": {"Keys": {}}},
            {"eventName": "REMOVE", "dynamodb": {"OldImage": {}}, "userIdentity": {"type": "Service", "principalId": "p"}},
        ]});
        services_records(&mut answer);
        assert_eq!(answer["Records"].as_array().unwrap().len(), 3);
        assert_eq!(answer["Records"][2]["userIdentity"], json!({"Type": "Service", "PrincipalId": "p"}));
    }
}
