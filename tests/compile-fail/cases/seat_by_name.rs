//! What lies in the extensions cannot be named, so it can neither be put there nor be taken
//! out nor be asked for.

fn main() {
    let mut extensions = http::Extensions::new();
    extensions.insert::<portcullis::exchange::seat::Seat>(panic!()); //~ E0603 module `exchange` is private
    extensions.remove::<portcullis::exchange::Seat>(); //~ E0603 module `exchange` is private
    let _ = extensions.get_mut::<portcullis::Seat>(); //~ E0425 cannot find type `Seat` in crate `portcullis`
    let _ = &mut extensions;
}
