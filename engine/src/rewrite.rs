//! Which requests and answers are rewritten between the client and dynoxide, by operation.
//!
//! A body that cannot be read as JSON here is left as it is: dynoxide says what is wrong with it.

use bytes::Bytes;
use serde_json::Value;

use crate::{legacy, names, streams, transactions};

/// What becomes of one request and its answer.
#[derive(Default)]
pub struct Rewriting {
    /// The request in another form; `None` where it passes as it is.
    pub request: Option<Bytes>,
    /// What is made of an answer that is no error; `None` where it passes as it is.
    pub answer: Option<Change>,
    /// The same of a refusal.
    pub refusal: Option<Change>,
}

pub type Change = Box<dyn Fn(&mut Value) + Send>;

impl Rewriting {
    pub fn of(operation: &str, body: &Bytes) -> Self {
        match operation {
            "DescribeStream" => Self {
                request: rewritten(body, streams::engines_shard),
                answer: Some(Box::new(streams::whole_shards)),
                ..Self::default()
            },
            "GetShardIterator" => Self { request: rewritten(body, streams::engines_shard), ..Self::default() },
            "GetRecords" => Self { answer: Some(Box::new(streams::services_records)), ..Self::default() },
            "TransactWriteItems" => Self::of_parsed(operation, body),
            "Query" if contains(body, b"KeyConditions") => Self::of_parsed(operation, body),
            _ if contains(body, b"\"arn:") => Self::of_parsed(operation, body),
            _ => Self::default(),
        }
    }

    fn of_parsed(operation: &str, body: &Bytes) -> Self {
        let Ok(mut request) = serde_json::from_slice::<Value>(body) else { return Self::default() };
        let given = names::plain(&mut request);
        let translated = operation == "Query" && legacy::key_conditions_as_expression(&mut request);
        let keys = (operation == "TransactWriteItems").then(|| transactions::made_impossible(&mut request)).flatten();
        Self {
            request: (translated || given.is_some() || keys.is_some()).then(|| Bytes::from(request.to_string())),
            answer: given
                .filter(|given| !given.is_empty())
                .map(|given| -> Change { Box::new(move |answer| names::as_given(answer, &given)) }),
            refusal: keys.map(|keys| -> Change { Box::new(move |refusal| transactions::told(refusal, &keys)) }),
        }
    }
}

/// The same JSON document after `change`; `None` if it is none.
pub fn rewritten(body: &Bytes, change: impl Fn(&mut Value)) -> Option<Bytes> {
    let mut value = serde_json::from_slice(body).ok()?;
    change(&mut value);
    serde_json::to_vec(&value).ok().map(Bytes::from)
}

/// A name that begins so and stands nowhere in the request.
pub fn unused(request: &Value, start: &str) -> String {
    let (text, mut name) = (request.to_string(), start.to_owned());
    while text.contains(&name) {
        name.push('x');
    }
    name
}

/// Whether `part` is somewhere in the body: quick, so that most bodies need not be parsed.
pub fn contains(body: &[u8], part: &[u8]) -> bool {
    body.windows(part.len()).any(|window| window == part)
}
