//! An exchange is made by a layer alone.

fn main() {
    let (mut parts, ()) = http::Request::new(()).into_parts();
    let _ = portcullis::Exchange(std::sync::Arc::new(())); //~ E0423 cannot initialize a tuple struct which contains private fields
    let _ = portcullis::Exchange::new(&mut parts); //~ E0599 no function or associated item named `new` found for struct `Exchange` in the current scope
    let _ = &mut parts;
}
