//! Which processes have spoken for a host, so that a copied machine is noticed (fault 31).
//!
//! A process that was replaced by a newer one is gone: it was restarted. One that comes back afterwards was
//! alive all the time, and so there are two. A hello may also have been on its way when its process died, and be
//! read late; so the other one must come back as well. Copies dial again each time that they are replaced,
//! and show themselves within seconds.

use std::collections::VecDeque;
use uuid::Uuid;

/// Processes that are remembered for each host.
const MAX_REMEMBERED: usize = 8;

/// The processes of one host, the newest last.
#[derive(Debug, Clone, Default)]
pub struct Instances {
    came: VecDeque<Uuid>,
    /// The process that came back after it had been replaced.
    returned: Option<Uuid>,
}

impl Instances {
    /// One says hello; gives whether two are alive.
    pub fn came(&mut self, instance: Uuid) -> bool {
        if self.came.back() == Some(&instance) {
            return false;
        }
        let known = self.came.iter().position(|one| *one == instance);
        if let Some(at) = known {
            self.came.remove(at);
        } else if self.came.len() == MAX_REMEMBERED {
            self.came.pop_front();
        }
        self.came.push_back(instance);
        let twice = known.is_some() && self.returned.is_some_and(|first| first != instance);
        if known.is_some() {
            self.returned = Some(instance);
        }
        twice
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two_are_alive(order: &[u128]) -> bool {
        let mut instances = Instances::default();
        let found: Vec<bool> = order.iter().map(|one| instances.came(Uuid::from_u128(*one))).collect();
        found.contains(&true)
    }

    #[test]
    fn restarts_and_lost_connections_are_no_copies() {
        assert!(!two_are_alive(&[1, 1, 1]));
        assert!(!two_are_alive(&[1, 2, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]));
        assert!(!two_are_alive(&[1, 2, 1, 3, 4]), "a hello that was read late");
    }

    #[test]
    fn processes_that_take_turns_are_copies() {
        assert!(two_are_alive(&[1, 2, 1, 2]));
        assert!(two_are_alive(&[7, 1, 2, 3, 1, 2]));
    }
}
