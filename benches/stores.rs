//! What a quota costs that several servers share, beside a question that does nothing: one way to
//! Redis and back each. For `cargo bench -p portcullis-benches --bench stores`, with a
//! `redis-server` that it starts.
#![expect(clippy::expect_used, reason = "what cannot be set up ends the bench")]

use std::num::NonZeroU32;

use criterion::{Criterion, criterion_group, criterion_main};
use portcullis::{
    Clock as _, SystemClock,
    quota::{Charged, QuotaCharge, QuotaKey, QuotaRate, QuotaStore as _},
    redis::Redis,
    revocation::RevocationStore as _,
};
use portcullis_testing::counterpart::Counterpart;
use tokio::runtime::Builder;

const SOCKET: &str = "{home}/redis.sock";

fn stores(criterion: &mut Criterion) {
    let runtime = Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    let server = Counterpart::new("redis-server")
        .add_args(["--port", "0", "--unixsocket", SOCKET])
        .add_args(["--save", "", "--appendonly", "no", "--dir", "{home}"])
        .with_ready_socket(SOCKET);
    let server = runtime.block_on(server.start());
    let url = format!("unix://{}/redis.sock", server.home().display());
    let redis = runtime.block_on(Redis::connect(url)).expect("it is there");
    let (quotas, revocations) = (redis.quotas(), redis.revocations());
    let rate = QuotaRate::new(std::time::Duration::from_micros(100), NonZeroU32::MAX);
    let rate = rate.expect("it works");
    let both = [1, 2].map(|key| QuotaCharge::new(QuotaKey::from_u128(key), rate));
    let now = SystemClock::new().now();
    let mut group = criterion.benchmark_group("redis");
    group.bench_function("there_and_back", |bencher| {
        bencher.iter(|| runtime.block_on(revocations.look(&[])).expect("it answers"));
    });
    group.bench_function("quotas_of_a_principal_and_a_client", |bencher| {
        bencher.iter(|| {
            let charged = runtime.block_on(quotas.charge(&both, now));
            assert!(matches!(charged, Ok(Charged::Paid(_))));
        });
    });
}

criterion_group!(benches, stores);
criterion_main!(benches);
