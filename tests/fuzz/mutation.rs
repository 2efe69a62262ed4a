//! What is done to an input of the corpus.

use std::ops::Range;

use proptest::{
    prelude::Rng as _,
    strategy::{NewTree, Strategy},
    test_runner::{TestRng, TestRunner},
};

use crate::{corpus::Entry, shrinking::Shrinking};

/// The longest input that a mutation makes, in bytes: longer than any limit that a target has.
const MAX_INPUT: usize = 40 << 10;
/// The most mutations of one input.
const MAX_MUTATIONS: usize = 6;

/// Bytes that mean something to somebody.
const SHARP: &[u8] = b"\0\t\n\r \"%&'*+,-./:;<=>?@[\\]_{}~\x7f\x80\xc3\xff019Aa";

/// What stands between the fields of a text. A quote does not: it belongs to what is quoted.
const SEPARATORS: &[u8] = b"\n ,./:;=[]{}";

/// Entries of a corpus, mutated.
#[derive(Debug)]
pub(crate) struct Mutated<'a> {
    corpus: &'a [Entry],
    good: Vec<&'a Entry>,
    dictionary: &'a [&'a str],
}

impl<'a> Mutated<'a> {
    pub(crate) fn new(corpus: &'a [Entry], dictionary: &'a [&'a str]) -> Self {
        Self {
            corpus,
            good: corpus.iter().filter(|entry| entry.is_good()).collect(),
            dictionary,
        }
    }

    /// Half of the ways keep to words, so that what comes out is often still of the language.
    fn mutate(&self, bytes: &mut Vec<u8>, dice: &mut Dice<'_>) {
        match dice.below(16) {
            0 => flip(bytes, dice),
            1 => replace(bytes, dice),
            2 => {
                let end = dice.cut(bytes);
                bytes.truncate(end);
            }
            3 => {
                let part = dice.part(bytes);
                bytes.drain(part);
            }
            4 => repeat(bytes, dice),
            5 => exchange(bytes, dice),
            6 => {
                let other = &dice.pick(self.corpus).bytes;
                let (end, start) = (dice.cut(bytes), dice.cut(other));
                bytes.truncate(end);
                bytes.extend(&other[start..]);
            }
            7 => {
                let other = &dice.pick(self.corpus).bytes;
                let (part, others) = (dice.part(bytes), dice.part(other));
                bytes.splice(part, other[others].iter().copied());
            }
            8 | 9 => {
                let other = &dice.pick(self.corpus).bytes;
                let (field, others) = (dice.field(bytes), dice.field(other));
                bytes.splice(field, other[others].iter().copied());
            }
            10 | 11 => {
                let at = dice.border(bytes);
                bytes.splice(at..at, dice.pick(self.dictionary).bytes());
            }
            12 => {
                let word = dice.word(bytes);
                bytes.splice(word, dice.pick(self.dictionary).bytes());
            }
            13 | 14 => {
                let field = dice.field(bytes);
                bytes.splice(field, dice.pick(self.dictionary).bytes());
            }
            _ => {
                let field = dice.field(bytes);
                let at = field.start;
                let copy = bytes[field].to_vec();
                bytes.splice(at..at, copy);
            }
        }
        bytes.truncate(MAX_INPUT);
    }
}

impl Strategy for Mutated<'_> {
    type Tree = Shrinking;
    type Value = Vec<u8>;

    fn new_tree(&self, runner: &mut TestRunner) -> NewTree<Self> {
        let mut dice = Dice(runner.rng());
        // What is good has more ways to go wrong.
        let entry = match dice.below(4) {
            1.. if !self.good.is_empty() => dice.pick(&self.good),
            _ => dice.pick(self.corpus),
        };
        let mut bytes = entry.bytes.clone();
        // One more each time a coin says so: most inputs stay close to one that is real.
        for _ in 0..MAX_MUTATIONS {
            self.mutate(&mut bytes, &mut dice);
            if dice.below(2) == 0 {
                break;
            }
        }
        Ok(Shrinking::new(bytes))
    }
}

/// One bit.
fn flip(bytes: &mut [u8], dice: &mut Dice<'_>) {
    let at = dice.below(bytes.len().max(1));
    let bit = dice.below(8);
    if let Some(byte) = bytes.get_mut(at) {
        *byte ^= 1 << bit;
    }
}

/// One byte, by one that means something.
fn replace(bytes: &mut [u8], dice: &mut Dice<'_>) {
    let at = dice.below(bytes.len().max(1));
    let sharp = *dice.pick(SHARP);
    if let Some(byte) = bytes.get_mut(at) {
        *byte = sharp;
    }
}

/// A part, once more or many times.
fn repeat(bytes: &mut Vec<u8>, dice: &mut Dice<'_>) {
    let part = dice.part(bytes);
    let times = match dice.below(8) {
        0 => 1 + dice.below(200),
        _ => 1 + dice.below(3),
    };
    let more = bytes[part.clone()].repeat(times.min(MAX_INPUT / part.len().max(1)));
    bytes.splice(part.end..part.end, more);
}

/// Two parts that stand side by side.
fn exchange(bytes: &mut [u8], dice: &mut Dice<'_>) {
    let part = dice.part(bytes);
    let part = &mut bytes[part];
    let middle = dice.cut(part);
    part.rotate_left(middle);
}

/// Chance.
struct Dice<'r>(&'r mut TestRng);

impl Dice<'_> {
    /// A number that is less. The slight preference for small ones does not matter here.
    fn below(&mut self, end: usize) -> usize {
        (self.0.next_u64() % end as u64) as usize
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }

    /// A place between two bytes: half the time one where a word begins or ends.
    fn cut(&mut self, bytes: &[u8]) -> usize {
        match self.below(2) {
            0 => self.below(bytes.len() + 1),
            _ => self.border(bytes),
        }
    }

    /// A place where a word begins or ends.
    fn border(&mut self, bytes: &[u8]) -> usize {
        next_border(bytes, self.below(bytes.len() + 1))
    }

    /// A run of letters and digits, or one other byte.
    fn word(&mut self, bytes: &[u8]) -> Range<usize> {
        let start = self.border(bytes);
        start..next_border(bytes, bytes.len().min(start + 1))
    }

    /// What stands between two separators.
    fn field(&mut self, bytes: &[u8]) -> Range<usize> {
        let at = self.below(bytes.len() + 1);
        let (before, after) = bytes.split_at(at);
        let is_separator = |byte: &u8| SEPARATORS.contains(byte);
        let start = before.iter().rposition(is_separator).map_or(0, |at| at + 1);
        let end = after.iter().position(is_separator);
        start..end.map_or(bytes.len(), |end| at + end)
    }

    /// Something, mostly short: a long part leaves little of what was real.
    fn part(&mut self, bytes: &[u8]) -> Range<usize> {
        let (one, other) = (self.cut(bytes), self.cut(bytes));
        let (start, end) = (one.min(other), one.max(other));
        match self.below(3) {
            0 => start..end,
            _ => start..end.min(start + 1 + self.below(16)),
        }
    }
}

/// The next border to the right. There is one at the end.
fn next_border(bytes: &[u8], from: usize) -> usize {
    let is_inside = |at: &usize| {
        let around = at
            .checked_sub(1)
            .and_then(|before| bytes.get(before..at + 1));
        around.is_some_and(|around| around.iter().all(u8::is_ascii_alphanumeric))
    };
    (from..bytes.len())
        .find(|at| !is_inside(at))
        .unwrap_or(bytes.len())
}
