//! Programs that must not compile: what a handler, a tool or another crate would write to get
//! at an identity that is not its own.
//!
//! Each file in `cases/` is one program. A line that ends in `//~ E0000 message` must be
//! refused with that error, and nothing else may be; without the marked lines the program must
//! compile, so that it fails for no other reason. A program without a mark must compile as it
//! is.
