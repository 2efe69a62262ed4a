//! Every order in which what is loaded, changed and heard can come.

use std::time::Duration;

use portcullis_core::{Heard, OwnerKey, Signal, SignalListener as _, Timestamp};

use super::{Kept, Mark, Marks};

const AT: Timestamp = Timestamp::from_unix_seconds(1_767_225_600);
const PLACE: u128 = 7;

/// A store with one value, and what one server keeps of it.
struct World {
    /// The value: how often it was changed.
    store: u32,
    marks: Marks,
    kept: Kept<u128, u32>,
    /// The latest value of which this server was told, or which it has written itself.
    told: u32,
    loads: [(Option<Mark>, u32); 2],
    /// What another server has written.
    elsewhere: u32,
    /// What this server writes: the mark from before that, and the value.
    here: (Option<Mark>, u32),
    /// When a load takes its mark. Late is wrong.
    is_late: bool,
}

/// Who takes the next step.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Who {
    Load(usize),
    Elsewhere,
    Here,
}

/// So many steps each of them takes.
const STEPS: [(Who, usize); 4] = [
    (Who::Load(0), 3),
    (Who::Load(1), 3),
    (Who::Elsewhere, 2),
    (Who::Here, 4),
];

impl World {
    fn new(is_late: bool) -> Self {
        Self {
            store: 0,
            marks: Marks::new(1),
            kept: Kept::new(1),
            told: 0,
            loads: [(None, 0); 2],
            elsewhere: 0,
            here: (None, 0),
            is_late,
        }
    }

    fn mark(&self) -> Mark {
        self.marks.of([PLACE])
    }

    fn keep(&self, value: u32, mark: Mark) {
        self.kept.keep(PLACE, PLACE, value, mark, AT);
    }

    fn step(&mut self, who: Who, number: usize) {
        match (who, number) {
            (Who::Load(n), 0) => self.loads[n].0 = Some(self.mark()),
            (Who::Load(n), 1) => self.loads[n].1 = self.store,
            (Who::Load(n), _) => {
                let (mark, value) = self.loads[n];
                let mark = if self.is_late {
                    self.mark()
                } else {
                    mark.unwrap()
                };
                self.keep(value, mark);
            }
            (Who::Elsewhere, 0) => {
                self.store += 1;
                self.elsewhere = self.store;
            }
            (Who::Elsewhere, _) => {
                let owner = OwnerKey::from_u128(PLACE);
                self.marks.hear(Heard::Signal(Signal::Sessions(owner)));
                self.told = self.told.max(self.elsewhere);
            }
            (Who::Here, 0) => self.here.0 = Some(self.mark()),
            (Who::Here, 1) => {
                self.store += 1;
                self.here.1 = self.store;
            }
            (Who::Here, 2) => {
                self.marks.change(PLACE);
                self.told = self.told.max(self.here.1);
            }
            (Who::Here, _) => {
                let (mark, value) = self.here;
                self.keep(value, mark.unwrap().after_one_change());
            }
        }
    }

    /// Whether what a request would be let in by is older than what this server was told of.
    fn is_wrong(&self) -> bool {
        let second = Duration::from_secs(1);
        let got = self.kept.get(PLACE, &PLACE, AT, second, |answer| {
            answer.is_good(self.mark()).then_some(answer.value)
        });
        got.is_some_and(|value| value < self.told)
    }
}

/// Plays every order, and says how many there are and in how many something is wrong.
fn play(is_late: bool) -> (usize, usize) {
    let mut orders = Vec::new();
    let mut counts = [0; STEPS.len()];
    all_orders(&mut counts, &mut Vec::new(), &mut orders);
    let is_bad = |order: &Vec<(Who, usize)>| {
        let mut world = World::new(is_late);
        order.iter().any(|(who, number)| {
            world.step(*who, *number);
            world.is_wrong()
        })
    };
    let bad = orders.iter().filter(|order| is_bad(order)).count();
    (orders.len(), bad)
}

fn all_orders(
    counts: &mut [usize; STEPS.len()],
    order: &mut Vec<(Who, usize)>,
    orders: &mut Vec<Vec<(Who, usize)>>,
) {
    let mut is_complete = true;
    for (index, (who, steps)) in STEPS.iter().enumerate() {
        if counts[index] == *steps {
            continue;
        }
        is_complete = false;
        order.push((*who, counts[index]));
        counts[index] += 1;
        all_orders(counts, order, orders);
        counts[index] -= 1;
        order.pop();
    }
    if is_complete {
        orders.push(order.clone());
    }
}

#[test]
fn in_no_order_is_anything_kept_that_is_older_than_what_was_heard() {
    assert_eq!(play(false), (277_200, 0));
}

/// What makes it so is that the mark is from before the question.
#[test]
fn with_a_mark_from_after_the_question_there_are_orders_in_which_it_is() {
    let (_, bad) = play(true);
    assert!(bad > 0);
}
