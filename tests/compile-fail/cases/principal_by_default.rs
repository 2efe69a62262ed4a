//! There is no principal out of nothing.

fn wants<T: Default>() {}

fn main() {
    wants::<String>();
    wants::<portcullis::Principal>(); //~ E0277 the trait bound `Principal: Default` is not satisfied
    let _ = portcullis::Principal::default(); //~ E0599 no function or associated item named `default` found for struct `Principal` in the current scope
    let _: portcullis::Exchange = Default::default(); //~ E0277 the trait bound `Exchange: Default` is not satisfied
}
