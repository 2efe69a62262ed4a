//! The body types are made by the layers: a handler cannot make one without its limit.

fn main() {
    let _ = portcullis::RequestBody::<String>::new; //~ E0624 associated function `new` is private
    let _ = portcullis::ResponseBody::<String>::own; //~ E0624 associated function `own` is private
}

fn handler(body: portcullis::RequestBody<String>) {
    let _ = body.kind; //~ E0616 field `kind` of struct `RequestBody` is private
}
