//! A principal does not come out of a body, a cookie or a store.

fn wants<T: serde::de::DeserializeOwned>() {}

fn main() {
    wants::<String>();
    wants::<portcullis::Principal>(); //~ E0277 the trait bound `Principal: serde::de::DeserializeOwned` is not satisfied
    wants::<portcullis::ActorView>(); //~ E0277 the trait bound `ActorView: serde::de::DeserializeOwned` is not satisfied
}
