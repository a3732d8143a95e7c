//! A few may work at a time. Who waits gets the next turn by how soon it is needed.
//!
//! Every fourth turn goes to whoever has waited longest: what is not looked at is not known to be threatened, and a partition that brokers keep for
//! ever is to be copied some day too.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;
use tokio::time::{Duration, Instant};

/// One in so many turns goes to whoever has waited longest.
const IN_ORDER: u64 = 4;
/// As far off as anything is needed; what is never needed comes after it.
const FAR: i64 = 365 * 86_400;

/// The turns.
#[derive(Debug)]
pub(crate) struct Turns(Mutex<State>);

#[derive(Debug)]
struct State {
    free: usize,
    given: u64,
    /// In the order in which they came.
    waiting: Vec<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    needed: Instant,
    turn: oneshot::Sender<Turn>,
}

/// A turn; over when dropped.
#[derive(Debug)]
pub(crate) struct Turn(Option<Arc<Turns>>);

impl Turns {
    /// `count` at a time.
    pub(crate) fn new(count: usize) -> Arc<Self> {
        Arc::new(Self(Mutex::new(State { free: count, given: 0, waiting: Vec::new() })))
    }

    /// Waits for a turn that is needed within `seconds`; `None`: whenever there is nothing else to do.
    pub(crate) async fn turn(self: &Arc<Self>, seconds: Option<i64>) -> Turn {
        let seconds = seconds.unwrap_or(FAR).clamp(-FAR, FAR);
        let apart = Duration::from_secs(seconds.unsigned_abs());
        let now = Instant::now();
        let needed = if seconds < 0 { now.checked_sub(apart).unwrap_or(now) } else { now + apart };
        let (turn, mine) = oneshot::channel();
        {
            let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            state.waiting.push(Waiting { needed, turn });
        }
        self.give();
        // The sender is dropped only with a turn sent.
        mine.await.unwrap_or(Turn(None))
    }

    /// Gives what is free to those who wait.
    fn give(self: &Arc<Self>) {
        while let Some(next) = self.next() {
            // Whoever went away meanwhile leaves the turn to others.
            if let Err(mut turn) = next.turn.send(Turn(Some(self.clone()))) {
                turn.0 = None;
                self.0.lock().unwrap_or_else(PoisonError::into_inner).free += 1;
            }
        }
    }

    fn next(&self) -> Option<Waiting> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.free == 0 || state.waiting.is_empty() {
            return None;
        }
        let in_order = state.given % IN_ORDER == IN_ORDER - 1;
        let by_need = state.waiting.iter().enumerate().min_by_key(|(_, w)| w.needed).map(|(n, _)| n);
        let picked = if in_order { 0 } else { by_need? };
        state.free -= 1;
        state.given += 1;
        Some(state.waiting.remove(picked))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(turns) = self.0.take() {
            turns.0.lock().unwrap_or_else(PoisonError::into_inner).free += 1;
            turns.give();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whoever waits, in the order in which they get their turn.
    async fn order(waiting: &[(&'static str, Option<i64>)]) -> Vec<&'static str> {
        let (turns, log) = (Turns::new(1), Arc::new(Mutex::new(Vec::new())));
        let first = turns.turn(None).await;
        let mut tasks = tokio::task::JoinSet::new();
        for (name, seconds) in waiting.iter().copied() {
            let (turns, log) = (turns.clone(), log.clone());
            tasks.spawn(async move {
                let _turn = turns.turn(seconds).await;
                log.lock().unwrap().push(name);
            });
            // It stands in the queue before the next comes.
            tokio::task::yield_now().await;
        }
        drop(first);
        while tasks.join_next().await.is_some() {}
        Arc::into_inner(log).unwrap().into_inner().unwrap()
    }

    #[tokio::test]
    async fn what_retention_threatens_goes_before_a_long_backfill_that_has_waited_longer() {
        let waiting =
            [("backfill", None), ("far", Some(3600)), ("lost soon", Some(60)), ("overdue", Some(-5))];
        // The fourth turn of all is given in order, and the first is ours.
        assert_eq!(order(&waiting).await, ["overdue", "lost soon", "backfill", "far"]);
    }

    #[tokio::test]
    async fn whoever_is_never_urgent_gets_every_fourth_turn() {
        let mut waiting = vec![("backfill", None)];
        waiting.extend([("urgent", Some(1)); 12]);
        assert_eq!(order(&waiting).await.iter().position(|w| *w == "backfill"), Some(2));
    }

    #[tokio::test]
    async fn a_turn_of_one_who_went_away_is_not_lost() {
        let turns = Turns::new(1);
        let first = turns.turn(None).await;
        let mut gone = Box::pin(turns.turn(Some(0)));
        assert!(tokio::time::timeout(Duration::from_millis(10), &mut gone).await.is_err());
        drop(gone);
        drop(first);
        let again = tokio::time::timeout(Duration::from_secs(5), turns.turn(None)).await;
        assert!(again.is_ok(), "the turn came back");
        let mut late = Box::pin(turns.turn(Some(0)));
        assert!(tokio::time::timeout(Duration::from_millis(10), &mut late).await.is_err());
        drop(again);
        // It was given to the one that is dropped without having looked.
        drop(late);
        assert!(tokio::time::timeout(Duration::from_secs(5), turns.turn(None)).await.is_ok());
    }
}
