//! Answers, from the broker to the client: matched with their requests, patched where they carry addresses.

use kafka::api::Answer;
use kafka::fetch::answer::tags_at;
use kafka::fetch::request as fetch;
use kafka::fetch::walk::Walker;
use kafka::header::{LENGTH_PREFIX, Peek, frame_len};
use kafka::patch::{self, Patched, endpoints, metadata, share_walk};
use kafka::wire::WireError;

use crate::facade::directory::Addresses;
use crate::ledger::Leg;
use crate::session::core::{Core, Due, Inbound, Rest};
use crate::session::fault::Fault;
use crate::session::lane::Step;
use crate::steer::Judge;

/// A Fetch or ShareFetch answer up to this long is held until it is whole, so that its leader endpoints can be rewritten;
/// a longer one streams, with its endpoints hidden. Answers that name new leaders carry errors, not data: they are short.
const FETCH_HOLD_MAX: usize = 16 * 1024;
/// The first version whose answer ends in leader endpoints (KIP-951).
const FETCH_ENDPOINTS: i16 = 16;
/// Length prefix and correlation id.
const FRONT: usize = LENGTH_PREFIX + 4;

/// Of a frame's own length, the first thing in it.
fn of_length(error: WireError) -> Fault {
    match error {
        WireError::Length { value, .. } => Fault::answer(format!(
            "a frame of {value} bytes: more than `limits.frame`, or less than a header"
        )),
        other => Fault::answer(other),
    }
}

impl Core {
    /// Decides what happens to the bytes at the front of `bytes`.
    ///
    /// # Errors
    /// An answer that nobody waits for, that is out of order, or that contradicts its schema.
    pub fn answer(&mut self, bytes: &mut [u8]) -> Result<Step, Fault> {
        let step = self.answer_step(bytes)?;
        if self.traces.is_passing() && matches!(self.inbound, Inbound::Front) {
            self.traces.passed();
        }
        Ok(step)
    }

    fn answer_step(&mut self, bytes: &mut [u8]) -> Result<Step, Fault> {
        match std::mem::take(&mut self.inbound) {
            Inbound::Front => self.answer_front(bytes),
            Inbound::Passing(rest) => Ok(self.passing(rest, bytes.len())),
            Inbound::Fetch(mut walker, due, left) => {
                let there = left.min(bytes.len());
                let n = walker.feed(&mut bytes[..there], &mut Judge::of(self)).map_err(Fault::answer)?;
                let (done, next) = (walker.is_done(), |left| Inbound::Fetch(walker, due, left));
                self.walked(due, (left, there, n), done, next)
            }
            Inbound::Share(mut walker, due, left) => {
                let there = left.min(bytes.len());
                let n = walker.feed(&mut bytes[..there]).map_err(Fault::answer)?;
                let (done, next) = (walker.is_done(), |left| Inbound::Share(walker, due, left));
                self.walked(due, (left, there, n), done, next)
            }
        }
    }

    fn answer_front(&mut self, bytes: &mut [u8]) -> Result<Step, Fault> {
        let due = *self.due.front().ok_or_else(|| Fault::answer("nobody asked"))?;
        // A SASL token's answer may be empty.
        let min = if due.correlation_id.is_some() { 4 } else { 0 };
        let len = match frame_len(bytes, min, self.gateway.settings().frame_max).map_err(of_length)? {
            Peek::NeedMore(n) => return Ok(Step::NeedMore(n)),
            Peek::Ready(len) => len,
        };
        if let Some(expected) = due.correlation_id {
            let Some(id) = bytes.get(LENGTH_PREFIX..FRONT) else { return Ok(Step::NeedMore(FRONT)) };
            if id != expected.0.to_be_bytes() {
                return Err(Fault::answer(format!("correlation id {id:?}, not {}", expected.0)));
            }
        }
        let whole = LENGTH_PREFIX + len;
        match due.answer {
            Answer::Pass => Ok(self.answer_passes(due, whole, bytes.len())),
            Answer::SaslHandshake => self.sasl_handshake(due, whole, bytes),
            // From the days before KIP-98; brokers up to 3.9 still speak it.
            Answer::Fetch if due.version < fetch::VERSION_MIN => {
                Ok(self.answer_passes(due, whole, bytes.len()))
            }
            Answer::Metadata => self.metadata(due, whole, bytes),
            Answer::Fetch if due.version >= FETCH_ENDPOINTS && whole <= FETCH_HOLD_MAX => {
                self.short_fetch(due, whole, bytes)
            }
            Answer::Fetch => {
                let walker = Box::new(Walker::new(due.version));
                Ok(self.answer_streams(due, len, Inbound::Fetch(walker, due, len)))
            }
            Answer::ShareFetch if whole > FETCH_HOLD_MAX => {
                let walker = Box::new(share_walk::Walker::new(due.version, len));
                Ok(self.answer_streams(due, len, Inbound::Share(walker, due, len)))
            }
            _ => self.held(due, whole, bytes),
        }
    }

    /// After a refused SaslHandshake v0 no tokens follow: the next frame is a request like any other.
    fn sasl_handshake(&mut self, due: Due, whole: usize, bytes: &[u8]) -> Result<Step, Fault> {
        let Some(error) = bytes.get(FRONT..FRONT + 2) else {
            return if bytes.len() < whole {
                Ok(Step::NeedMore(FRONT + 2))
            } else {
                Err(Fault::answer("no error code"))
            };
        };
        if due.version == 0 {
            self.shaking_hands = false;
            self.sasl = self.sasl.filter(|_| error == [0, 0]);
        }
        Ok(self.answer_passes(due, whole, bytes.len()))
    }

    /// Counts bytes that go from broker to client unchanged in number.
    fn deliver(&mut self, key: i16, n: usize) {
        (self.answering, self.answered) = (key, true);
        self.count(Leg::BrokerToGateway, key, n);
        self.count(Leg::GatewayToClient, key, n);
    }

    fn passing(&mut self, rest: Rest, there: usize) -> Step {
        let n = rest.left.min(there);
        self.deliver(rest.key, n);
        if n < rest.left {
            self.inbound = Inbound::Passing(Rest { left: rest.left - n, ..rest });
        }
        Step::Forward(n)
    }

    /// The first answer due is there, or begins to come; it goes out with this many bytes.
    fn comes(&mut self, due: Due, bytes: usize) {
        self.due.pop_front();
        self.trace_answer(due, bytes);
    }

    fn answer_passes(&mut self, due: Due, whole: usize, there: usize) -> Step {
        self.comes(due, whole);
        self.passing(Rest { key: due.key, left: whole }, there)
    }

    /// The prefix goes on; the payload of `len` bytes follows as it is walked.
    fn answer_streams(&mut self, due: Due, len: usize, walked: Inbound) -> Step {
        self.comes(due, LENGTH_PREFIX + len);
        self.deliver(due.key, LENGTH_PREFIX);
        self.inbound = walked;
        Step::Forward(LENGTH_PREFIX)
    }

    /// The answer's first `consumed` bytes (prefix included) go out as `payload` under a new prefix; what is left of
    /// the frame passes.
    fn answer_replaced(&mut self, due: Due, whole: usize, consumed: usize, payload: &[u8]) -> Step {
        let left = whole - consumed;
        self.comes(due, LENGTH_PREFIX + payload.len() + left);
        (self.answering, self.answered) = (due.key, true);
        let mut out = ((payload.len() + left) as i32).to_be_bytes().to_vec();
        out.extend_from_slice(payload);
        self.count(Leg::BrokerToGateway, due.key, consumed);
        self.count(Leg::GatewayToClient, due.key, out.len());
        if left > 0 {
            self.inbound = Inbound::Passing(Rest { key: due.key, left });
        }
        Step::Replace(consumed, out)
    }

    fn held(&mut self, due: Due, whole: usize, bytes: &[u8]) -> Result<Step, Fault> {
        let Some(frame) = bytes.get(..whole) else { return Ok(Step::NeedMore(whole)) };
        let payload = &frame[LENGTH_PREFIX..];
        let patched = self.with_addresses(|dir| {
            let patched = patch::held_answer(due.answer, payload, due.version, dir)?;
            let unmapped = patched.as_ref().map(|p: &Patched| p.unmapped.clone()).unwrap_or_default();
            Ok((patched, unmapped))
        })?;
        Ok(match patched {
            Some(p) => self.answer_replaced(due, whole, whole, &p.payload),
            None => self.answer_passes(due, whole, whole),
        })
    }

    /// Only the brokers, which come first, are read; the topics stream through, however many there are.
    fn metadata(&mut self, due: Due, whole: usize, bytes: &[u8]) -> Result<Step, Fault> {
        let there = whole.min(bytes.len());
        let payload = &bytes[LENGTH_PREFIX..there];
        let progress = self.with_addresses(|dir| {
            let progress = metadata::patch_head(payload, whole - LENGTH_PREFIX, due.version, dir)?;
            let unmapped = match &progress {
                metadata::Progress::Done { unmapped, .. } => unmapped.clone(),
                metadata::Progress::NeedMore => Vec::new(),
            };
            Ok((progress, unmapped))
        })?;
        Ok(match progress {
            metadata::Progress::NeedMore => Step::NeedMore((2 * bytes.len()).min(whole)),
            metadata::Progress::Done { consumed, head, .. } => {
                self.answer_replaced(due, whole, LENGTH_PREFIX + consumed, &head)
            }
        })
    }

    /// Runs a patcher with the addresses for this client. Brokers that the view doesn't know yet have just joined:
    /// their endpoints follow from the file alone, so the patcher runs once more with them.
    fn with_addresses<T>(
        &self,
        patch: impl Fn(&Addresses<'_>) -> Result<(T, Vec<kafka::types::BrokerId>), WireError>,
    ) -> Result<T, Fault> {
        let view = self.gateway.cluster.view();
        let settings = self.gateway.settings();
        let fleet = &settings.fleet;
        let mut addresses = Addresses::new(&view, fleet, &self.zone, &self.door.name, &self.door.endpoints);
        let (done, unmapped) = patch(&addresses).map_err(Fault::answer)?;
        if unmapped.is_empty() {
            return Ok(done);
        }
        if unmapped.iter().any(|id| !view.brokers.contains_key(id)) {
            self.gateway.cluster.nudge();
        }
        addresses.add(fleet, &self.zone, &self.door.name, &self.door.endpoints, &unmapped);
        let (done, unmapped) = patch(&addresses).map_err(Fault::answer)?;
        for broker in unmapped.into_iter().filter(|id| self.door.endpoints.of(*id).is_none()) {
            self.gateway.rejects.unmapped(broker, &self.door.name);
        }
        Ok(done)
    }

    fn short_fetch(&mut self, due: Due, whole: usize, bytes: &mut [u8]) -> Result<Step, Fault> {
        let Some(frame) = bytes.get_mut(..whole) else { return Ok(Step::NeedMore(whole)) };
        let payload = &mut frame[LENGTH_PREFIX..];
        let tags = tags_at(payload, due.version).map_err(Fault::answer)?;
        Walker::new(due.version).feed(&mut payload[..tags], &mut Judge::of(self)).map_err(Fault::answer)?;
        if payload[tags..] == [0] {
            return Ok(self.answer_passes(due, whole, whole));
        }
        let tail = self.with_addresses(|dir| {
            let patched = endpoints::patch_tags(&payload[tags..], dir)?;
            Ok(match patched {
                Some(p) => (p.payload, p.unmapped),
                None => (payload[tags..].to_vec(), Vec::new()),
            })
        })?;
        let patched = [&payload[..tags], &tail].concat();
        Ok(self.answer_replaced(due, whole, whole, &patched))
    }

    /// `n` of the `there` bytes in hand have been walked; `left` were to come before. A walker that is `done` needs none.
    fn walked(
        &mut self,
        due: Due,
        (left, there, n): (usize, usize, usize),
        done: bool,
        next: impl FnOnce(usize) -> Inbound,
    ) -> Result<Step, Fault> {
        self.deliver(due.key, n);
        let left = left - n;
        match left {
            0 if done => Ok(Step::Forward(n)),
            0 => Err(Fault::answer("answer shorter than its content")),
            _ if n == 0 && there >= left => Err(Fault::answer("answer ends inside a field")),
            // Records are never waited for: what is in hand ends inside a small field.
            _ => {
                self.inbound = next(left);
                Ok(if n > 0 { Step::Forward(n) } else { Step::NeedMore(there + 1) })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use kafka::api::{self, Answer};

    #[test]
    fn every_patched_answer_has_a_cap() {
        for api in api::all().iter().filter(|a| a.answer != Answer::Pass) {
            assert!(api.understood.is_some(), "{}", api.name);
        }
    }
}
