//! `UpdateItem` with `ReturnValues` ALL_OLD of an item that was not there: the service shows nothing, dynoxide the key.
//!
//! An item of nothing but its key is shown as that, so the answer alone does not tell: the item is read before, while
//! no other write runs. The API reference of UpdateItem: "ALL_OLD - Returns all of the attributes of the item, as they
//! appeared before the UpdateItem operation", of which an absent item has none.

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::header::HeaderValue;
use hyper::http::request;
use serde_json::{Value, json};

use crate::front::{Engine, Failure, TARGET, send};
use crate::rewrite::contains;

/// True for an update that shows the whole old item.
pub fn shows_what_was_there(operation: &str, body: &[u8]) -> bool {
    operation == "UpdateItem"
        && contains(body, b"ALL_OLD")
        && serde_json::from_slice::<Value>(body).is_ok_and(|request| request["ReturnValues"] == "ALL_OLD")
}

/// True if the item of the update is certainly not there.
pub async fn is_absent(head: &request::Parts, body: &[u8], engine: &Engine) -> Result<bool, Failure> {
    let update: Value = serde_json::from_slice(body)?;
    let look = json!({"TableName": update["TableName"], "Key": update["Key"], "ConsistentRead": true});
    let mut head = head.clone();
    head.headers.insert(TARGET, HeaderValue::from_static("DynamoDB_20120810.GetItem"));
    let answer = send(head, Bytes::from(look.to_string()), engine).await?;
    let found = answer.status().is_success();
    let body = answer.into_body().collect().await?.to_bytes();
    Ok(found && serde_json::from_slice::<Value>(&body).is_ok_and(|answer| answer.get("Item").is_none()))
}

pub fn without_attributes(answer: &mut Value) {
    if let Some(answer) = answer.as_object_mut() {
        answer.remove("Attributes");
    }
}
