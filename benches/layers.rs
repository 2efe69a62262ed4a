//! Every layer and authenticator beside its floor, for `cargo bench -p portcullis-benches`.
//!
//! Criterion keeps what it saw the last time and says what changed since; the figures to
//! publish come from `cargo xtask bench`, which measures all of this in the same moments.

use criterion::{Criterion, criterion_group, criterion_main};
use portcullis_benches::{
    Variant,
    credentials::{ALGORITHMS, Tokens},
    possession, variants,
};

fn group(criterion: &mut Criterion, name: &str, variants: Vec<Variant>) {
    let mut group = criterion.benchmark_group(name);
    for mut variant in variants {
        let name = variant.name().to_owned();
        group.bench_function(name, |bencher| bencher.iter(|| variant.run()));
    }
    group.finish();
}

fn layers(criterion: &mut Criterion) {
    group(criterion, "service", variants::on_a_service());
    group(criterion, "axum", variants::on_axum());
    group(criterion, "sessions", variants::of_sessions());
}

fn authenticators(criterion: &mut Criterion) {
    let tokens = Tokens::new();
    for (name, algorithm) in ALGORITHMS {
        let variants = variants::of_tokens(&tokens, name, algorithm);
        group(criterion, name, variants);
    }
    group(criterion, "dpop", possession::variants());
    group(
        criterion,
        "introspection",
        vec![possession::of_opaque_tokens()],
    );
    group(criterion, "api_keys", variants::of_api_keys());
    group(criterion, "whole", variants::of_the_whole(&tokens));
}

criterion_group!(benches, layers, authenticators);
criterion_main!(benches);
