//! How an input that breaks a target is made smaller.

use proptest::strategy::ValueTree;

/// What stands in for a byte that does not matter.
const PLAIN: u8 = b'a';

/// An input, and what is tried on it next: to leave out ever smaller parts, then to make single
/// bytes plain.
#[derive(Debug)]
pub(crate) struct Shrinking {
    bytes: Vec<u8>,
    /// The bytes before the last try.
    before: Vec<u8>,
    /// How much is left out at once; zero where bytes are made plain.
    part: usize,
    at: usize,
    /// Whether any try since `part` was set has been kept.
    has_helped: bool,
}

impl Shrinking {
    pub(crate) fn new(bytes: Vec<u8>) -> Self {
        Self {
            before: Vec::new(),
            part: bytes.len(),
            bytes,
            at: 0,
            has_helped: false,
        }
    }

    /// Makes the next try, if there is one.
    fn attempt(&mut self) -> bool {
        while self.part > 0 {
            if self.at < self.bytes.len() {
                self.before.clone_from(&self.bytes);
                let end = self.bytes.len().min(self.at + self.part);
                self.bytes.drain(self.at..end);
                return true;
            }
            // Single bytes are gone through until none can be left out.
            if self.part > 1 || !self.has_helped {
                self.part /= 2;
            }
            (self.at, self.has_helped) = (0, false);
        }
        while let Some(byte) = self.bytes.get(self.at) {
            if *byte == PLAIN {
                self.at += 1;
            } else {
                self.before.clone_from(&self.bytes);
                self.bytes[self.at] = PLAIN;
                return true;
            }
        }
        false
    }
}

impl ValueTree for Shrinking {
    type Value = Vec<u8>;

    fn current(&self) -> Vec<u8> {
        self.bytes.clone()
    }

    /// The last try still breaks the target: it is kept.
    fn simplify(&mut self) -> bool {
        self.has_helped = true;
        self.attempt()
    }

    /// The last try does not: it is taken back.
    fn complicate(&mut self) -> bool {
        std::mem::swap(&mut self.bytes, &mut self.before);
        self.at += self.part.max(1);
        self.attempt()
    }
}
