//! Requests on their way to dynoxide, and its answers on their way back.
//!
//! dynoxide's server cannot be given a handler, so it listens on a port of its own and this stands before it: each
//! connection from outside has one to it. Most requests and answers pass as they are; `rewrite` says which do not.

use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::{BodyExt, Either, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::SendRequest;
use hyper::header::{CONTENT_LENGTH, HeaderMap, HeaderValue, TRANSFER_ENCODING};
use hyper::http::{request, response};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, RwLock};

use crate::absent;
use crate::rewrite::{Change, Rewriting, rewritten};

const CRC32: &str = "x-amz-crc32";
pub const TARGET: &str = "x-amz-target";

/// The service's limit, and dynoxide's, which cuts the connection where there is more.
const BODY_BYTES_MAX: usize = 16 << 20;
const WRITING: [&str; 8] = [
    "PutItem",
    "UpdateItem",
    "DeleteItem",
    "BatchWriteItem",
    "TransactWriteItems",
    "ExecuteStatement",
    "BatchExecuteStatement",
    "ExecuteTransaction",
];
/// Taken by every write together with others, and alone by an update that must know what was there before it.
static WRITES: RwLock<()> = RwLock::const_new(());

pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Take connections for ever.
pub async fn serve(listener: TcpListener, engine: SocketAddr) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                tokio::spawn(async move {
                    // An error here is a connection that was cut: there is nobody left to tell.
                    let _ = connection(stream, engine).await;
                });
            }
            // Out of file descriptors, say: those that are open go on, and the next may succeed.
            Err(error) => {
                eprintln!("crossfade: cannot accept a connection: {error}");
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        }
    }
}

async fn connection(stream: TcpStream, engine: SocketAddr) -> Result<(), Failure> {
    stream.set_nodelay(true)?;
    let inner = TcpStream::connect(engine).await?;
    inner.set_nodelay(true)?;
    let (sender, driver) = hyper::client::conn::http1::handshake(TokioIo::new(inner)).await?;
    tokio::spawn(driver);
    let engine = Mutex::new(sender); // never waited for: HTTP/1.1 has one request of a connection at a time
    let service = hyper::service::service_fn(|request| forward(request, &engine));
    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await?;
    Ok(())
}

pub type Engine = Mutex<SendRequest<Full<Bytes>>>;
type Answer = Response<Either<Incoming, Full<Bytes>>>;

async fn forward(request: Request<Incoming>, engine: &Engine) -> Result<Answer, Failure> {
    let (head, body) = request.into_parts();
    let body = match Limited::new(body, BODY_BYTES_MAX).collect().await {
        Ok(collected) => collected.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => return Ok(too_large()),
        Err(error) => return Err(error),
    };
    let target = head.headers.get(TARGET).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let operation = target.split('.').nth(1).unwrap_or_default();
    let rewriting = Rewriting::of(operation, &body);
    let body = rewriting.request.unwrap_or(body);
    let (answer, change) = if absent::shows_what_was_there(operation, &body) {
        let _alone = WRITES.write().await;
        let absent = absent::is_absent(&head, &body, engine).await?;
        (send(head, body, engine).await?, absent.then(|| -> Change { Box::new(absent::without_attributes) }))
    } else if WRITING.contains(&operation) {
        let _others_too = WRITES.read().await;
        (send(head, body, engine).await?, rewriting.answer)
    } else {
        (send(head, body, engine).await?, rewriting.answer)
    };
    let change = if answer.status().is_success() { change } else { rewriting.refusal };
    let Some(change) = change else { return Ok(answer.map(Either::Left)) };
    let (head, body) = answer.into_parts();
    let body = body.collect().await?.to_bytes();
    let changed = rewritten(&body, change).unwrap_or(body);
    Ok(answered(head, changed))
}

/// Hand a request on to dynoxide.
pub async fn send(mut head: request::Parts, body: Bytes, engine: &Engine) -> Result<Response<Incoming>, Failure> {
    sized(&mut head.headers, &body);
    Ok(engine.lock().await.send_request(Request::from_parts(head, Full::new(body))).await?)
}

fn too_large() -> Answer {
    let mut answer = Response::new(Either::Right(Full::new(Bytes::new())));
    *answer.status_mut() = StatusCode::PAYLOAD_TOO_LARGE;
    answer
}

fn answered(mut head: response::Parts, body: Bytes) -> Answer {
    sized(&mut head.headers, &body);
    head.headers.insert(CRC32, HeaderValue::from(crc32fast::hash(&body)));
    Response::from_parts(head, Either::Right(Full::new(body)))
}

fn sized(headers: &mut HeaderMap, body: &Bytes) {
    headers.remove(TRANSFER_ENCODING);
    headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
}
