//! The model: small, local and the same every time.

use crate::tools::{Search, Transfer};

/// What the model wants to do next.
#[derive(Debug, PartialEq)]
pub(crate) enum Move {
    Say(String),
    Search(Search),
    Transfer(Transfer),
    /// Searches once a second, until somebody stops it.
    Watch(Search),
}

/// What the model makes of a message: `search WORD`, `pay CENTS to NAME`, `watch WORD`, or
/// small talk.
pub(crate) fn plan(name: &str, message: &str) -> Vec<Move> {
    let words: Vec<&str> = message.split_whitespace().collect();
    let search = |word: &str| Search {
        word: word.to_owned(),
    };
    match words.as_slice() {
        ["search", word] => vec![say("I look."), Move::Search(search(word))],
        ["watch", word] => vec![say("I keep an eye on it."), Move::Watch(search(word))],
        ["pay", cents, "to", name] => match cents.parse() {
            Ok(cents) => {
                let to = (*name).to_owned();
                vec![say("I try."), Move::Transfer(Transfer { to, cents })]
            }
            Err(_) => vec![say("How much?")],
        },
        _ => {
            let hello = format!("Hello {name}, you said {} words.", words.len());
            hello.split(' ').map(say).collect()
        }
    }
}

fn say(text: &str) -> Move {
    Move::Say(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn makes_of_a_message_what_it_can() {
        let to_bob = Transfer {
            to: "bob".to_owned(),
            cents: 500,
        };
        assert_eq!(
            plan("a", "pay 500 to bob").pop(),
            Some(Move::Transfer(to_bob))
        );
        assert_eq!(plan("a", "pay all to bob"), [say("How much?")]);
        assert_eq!(plan("a", "how are you").len(), 6);
    }
}
