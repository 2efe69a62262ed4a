//! A tool that holds a view gets no further with it.

use portcullis::ActorView;

fn tool(mut view: ActorView) {
    let _ = view.0; //~ E0616 field `0` of struct `ActorView` is private
    let _ = view.principal(); //~ E0599 no method named `principal` found for struct `ActorView` in the current scope
    let _ = view.evidence(); //~ E0599 no method named `evidence` found for struct `ActorView` in the current scope
    let _ = view.exchange(); //~ E0599 no method named `exchange` found for struct `ActorView` in the current scope
    let _ = &mut view;
}

fn view_made() {
    let _ = portcullis::ActorView(panic!()); //~ E0423 cannot initialize a tuple struct which contains private fields
}

fn main() {
    let _ = (tool, view_made);
}
