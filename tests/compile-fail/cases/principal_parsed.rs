//! A principal is not parsed from text.

fn main() {
    let _: Result<String, _> = "admin".parse();
    let _: Result<portcullis::Principal, _> = "admin".parse(); //~ E0277 the trait bound `Principal: FromStr` is not satisfied
}
