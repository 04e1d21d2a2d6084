//! Where state is kept.

use super::Resolver;
use crate::config::Stores;
use crate::config::file::File;
use crate::state::sql::DatabaseUrl;

/// The stores. What is wrong falls back to a database in memory, beside the error.
pub(super) fn stores(file: &File, resolver: &mut Resolver<'_>) -> Stores {
    const PATH: &str = "database-url";
    let url = resolver.dereference(&file.database_url, &PATH.into());
    let database = url.and_then(|url| {
        let parsed = DatabaseUrl::parse(&url);
        parsed.map_err(|error| resolver.error(PATH, error)).ok()
    });
    Stores {
        database: database.unwrap_or_else(DatabaseUrl::memory),
        given: file.database_url != File::DATABASE_URL,
        spool: DatabaseUrl::file("data/ai-proxy-spool.db"),
    }
}
