//! API keys: what stores of them owe, and what a gate answers to keys that are in one.
#![expect(clippy::unwrap_used, reason = "what cannot be set up fails the test")]

mod as_bytes;
mod authenticators;
mod requests;
mod world;

use std::sync::Arc;

use portcullis::api_keys::MemoryApiKeys;
use portcullis_testing::faulty_store::FaultyApiKeys;

portcullis_testing::api_key_store_contract!(memory, async { MemoryApiKeys::with_capacity(1000) });
portcullis_testing::api_key_store_contract!(memory_that_is_shared, async {
    Arc::new(MemoryApiKeys::default())
});
portcullis_testing::api_key_store_contract!(memory_that_is_asked, async {
    FaultyApiKeys::new(MemoryApiKeys::default())
});
portcullis_testing::api_key_store_contract!(bytes_in_a_table, async { as_bytes::Table::default() });
