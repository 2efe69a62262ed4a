//! A gate that could let nobody in, or everybody, is not built.

use portcullis::stack::Stack;

fn main() {
    let builder = Stack::builder().with_resource("https://agent.example/");
    let _ = builder.build(); //~ E0599 no method named `build` found for struct `StackBuilder<WantsAuthenticator>` in the current scope
    let _ = Stack::builder();
}
