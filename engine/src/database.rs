//! dynoxide's database, with one index more.
//!
//! dynoxide looks for a stream's last sequence number with each write and goes through all its records for it; an index
//! of that very expression makes it one step. SQLite keeps it whoever writes. A database in memory is opened by a name
//! that this process alone has, so that a second connection can reach it.

use dynoxide::Database;

const MEMORY: &str = "file:crossfade?mode=memory&cache=shared";
const INDEX: &str = "CREATE INDEX IF NOT EXISTS crossfade_stream_position
    ON _stream_records (table_name, CAST(sequence_number AS INTEGER))";

/// The database in the file `path`, made if it is not there; in memory without one.
pub fn open(path: Option<&str>) -> Result<Database, String> {
    let path = path.unwrap_or(MEMORY);
    let database = Database::new(path).map_err(|error| format!("cannot open {path}: {error}"))?;
    let connection = rusqlite::Connection::open(path).map_err(|error| format!("cannot open {path}: {error}"))?;
    connection.execute_batch(INDEX).map_err(|error| format!("cannot index {path}: {error}"))?;
    Ok(database)
}
