//! The embedded DynamoDB of crossfade: dynoxide on 127.0.0.1, behind a thin layer.
//!
//! It prints its port, sweeps what has expired, and ends when its standard input does: that is a pipe held by the
//! process that started it, so it ends with that process, even by SIGKILL.
//!
//!     front.rs          takes requests, hands them to dynoxide and its answers back; a few are rewritten on the way
//!     rewrite.rs        which ones
//!     absent.rs         an update that made its item shows nothing of it as old
//!     legacy.rs         KeyConditions beside expressions
//!     names.rs          tables named by their ARN
//!     streams.rs        what change streams look like in the service
//!     transactions.rs   updates that would change a key are refused
//!     database.rs       opens dynoxide's database and adds an index to its table of stream records

mod absent;
mod database;
mod front;
mod legacy;
mod names;
mod rewrite;
mod streams;
mod transactions;

use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// Documents of the deepest nesting are parsed by recursion; the usual 2 MiB overflow. Only touched pages are memory.
const STACK_BYTES: usize = 64 << 20;
/// Requests wait for each other inside dynoxide (one mutex), so more threads than cores are needed to keep reading.
const THREADS: usize = 4;
/// How long requests may go on when the starter has gone.
const LAST_REQUESTS: Duration = Duration::from_secs(2);

const USAGE: &str = "usage: crossfade-engine [--port 0] [--db-path FILE] [--sweep-seconds SECONDS]";

struct Options {
    port: u16,
    path: Option<String>,
    sweep: Option<Duration>,
}

fn main() -> Result<(), String> {
    let options = options(std::env::args().skip(1))?;
    // Each connection from outside takes one more to dynoxide. The limit that most shells set is a thousand.
    rlimit::increase_nofile_limit(u64::MAX)
        .map_err(|error| format!("cannot raise the limit of open files: {error}"))?;
    let database = database::open(options.path.as_deref())?;
    let parent_gone = when_input_ends();
    if let Some(pause) = options.sweep {
        let database = database.clone();
        std::thread::spawn(move || {
            loop {
                std::thread::sleep(pause);
                if let Err(error) = database.sweep_ttl() {
                    eprintln!("crossfade: the sweep of expired items failed: {error}");
                }
            }
        });
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(THREADS)
        .thread_stack_size(STACK_BYTES)
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    runtime.block_on(async move {
        let inner = listen(0).await?;
        let inner_address = inner.local_addr().map_err(|error| error.to_string())?;
        let outer = listen(options.port).await?;
        let port = outer.local_addr().map_err(|error| error.to_string())?.port();
        println!("crossfade: listening on port {port}");
        tokio::select! {
            ended = dynoxide::server::serve_with_shutdown(inner, database, std::future::pending()) => ended,
            () = front::serve(outer, inner_address) => Ok(()),
            _ = parent_gone => Ok(()),
        }
    })
}

fn options(mut arguments: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut options = Options { port: 0, path: None, sweep: None };
    while let Some(name) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{name} needs a value; {USAGE}"));
        match name.as_str() {
            "--port" => options.port = value()?.parse().map_err(|error| format!("--port: {error}"))?,
            "--db-path" => options.path = Some(value()?),
            "--sweep-seconds" => {
                let seconds: f64 = value()?.parse().map_err(|error| format!("--sweep-seconds: {error}"))?;
                let pause =
                    Duration::try_from_secs_f64(seconds).map_err(|error| format!("--sweep-seconds: {error}"))?;
                options.sweep = (!pause.is_zero()).then_some(pause);
            }
            other => return Err(format!("unknown argument {other}; {USAGE}")),
        }
    }
    Ok(options)
}

async fn listen(port: u16) -> Result<TcpListener, String> {
    TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
        .await
        .map_err(|error| format!("cannot listen on 127.0.0.1:{port}: {error}"))
}

/// What is returned is ready once standard input has ended; a little later the process ends, whatever still runs.
fn when_input_ends() -> oneshot::Receiver<()> {
    let (ended, receiver) = oneshot::channel();
    std::thread::spawn(move || {
        let mut rest = [0u8; 64];
        while matches!(std::io::stdin().read(&mut rest), Ok(count) if count > 0) {}
        let _ = ended.send(()); // nobody waits for it if the server has ended first
        std::thread::sleep(LAST_REQUESTS);
        std::process::exit(0);
    });
    receiver
}
