//! The loader's loop: one thread, all connections.

use std::collections::{BTreeMap, VecDeque};
use std::error::Error;
use std::net::SocketAddr;
use std::time::Duration;

use super::connection::{Connection, Progress};
use super::cpu;
use super::plan::{Expected, Load, Plan};
use super::tally::{Report, Tally};
use crate::clock::{Nanos, nanos, now};
use crate::poll::{Interest, Poller, Ready};

const BUFFER: usize = 256 * 1024;
/// A run with more failures than this tells nothing, and ends.
const MOST_FAILURES: u64 = 1_000;
/// How many connections are opened between two looks at the others.
const OPENED_AT_ONCE: usize = 64;
/// How often connections are opened while their number grows.
const RAMP_STEP: Duration = Duration::from_micros(500);

/// Carries out a plan.
pub fn run(plan: &Plan) -> Result<Report, Box<dyn Error>> {
    let place = plan.place()?;
    let body = std::fs::read(&plan.body)?;
    let mut driver = Driver {
        poller: Poller::new()?,
        address: place.address,
        request: plan.request(&place, &body),
        expected: plan.expect.clone(),
        connections: (0..plan.connections).map(|_| Connection::new()).collect(),
        closed: plan.load == Load::Closed,
        free: VecDeque::new(),
        overdue: VecDeque::new(),
        tally: Tally::default(),
    };
    let mut watch = plan.watch.clone();
    watch.insert("loader".to_owned(), vec![std::process::id()]);
    let usage = || -> BTreeMap<String, f64> {
        let each = watch.iter();
        each.map(|(name, processes)| (name.clone(), cpu::seconds(processes)))
            .collect()
    };
    let mut schedule = Schedule::new(plan, now());
    let (mut before, mut began) = (BTreeMap::new(), 0);
    let (mut ready, mut buffer) = (Vec::new(), vec![0; BUFFER]);
    loop {
        let time = now();
        if !driver.tally.measuring && time >= schedule.measured_from {
            before = usage();
            driver.tally.measuring = true;
            began = now();
        }
        if time >= schedule.end || driver.failures() > MOST_FAILURES {
            break;
        }
        let next = driver.begin_what_is_due(&mut schedule, time);
        let most = Duration::from_nanos(next.saturating_sub(now()).max(1));
        driver.poller.wait(&mut ready, Some(most))?;
        for one in &ready {
            driver.ready(*one, &mut buffer);
        }
    }
    let seconds = Duration::from_nanos(now() - began).as_secs_f64();
    let mut used = usage();
    for (name, seconds) in &mut used {
        *seconds -= before.get(name).copied().unwrap_or(*seconds);
    }
    let open = driver.connections.iter().filter(|one| one.busy).count();
    Ok(driver.tally.report(seconds, open, used))
}

/// When what happens.
struct Schedule {
    start: Nanos,
    ramp: Nanos,
    measured_from: Nanos,
    end: Nanos,
    /// Pause between two requests at a rate, and when the next one is due.
    gap: Nanos,
    due: Nanos,
    /// Connections that were put to use.
    opened: usize,
}

impl Schedule {
    fn new(plan: &Plan, start: Nanos) -> Self {
        let length = |seconds: f64| nanos(Duration::from_secs_f64(seconds));
        let measured_from = start + length(plan.ramp) + length(plan.warmup);
        let gap = match plan.load {
            Load::Closed => 0,
            Load::Rate(rate) => length(1.0 / rate).max(1),
        };
        Self {
            start,
            ramp: length(plan.ramp),
            measured_from,
            end: measured_from + length(plan.seconds),
            gap,
            due: start,
            opened: 0,
        }
    }

    /// How many of `all` connections are to be in use.
    fn wanted(&self, all: usize, time: Nanos) -> usize {
        if self.ramp == 0 {
            return all;
        }
        let share = (time - self.start) as f64 / self.ramp as f64;
        ((share * all as f64) as usize).min(all)
    }
}

struct Driver {
    poller: Poller,
    address: SocketAddr,
    request: Vec<u8>,
    expected: Expected,
    connections: Vec<Connection>,
    closed: bool,
    /// Connections whose next request may begin.
    free: VecDeque<usize>,
    /// When requests that found no connection were due.
    overdue: VecDeque<Nanos>,
    tally: Tally,
}

impl Driver {
    fn failures(&self) -> u64 {
        self.tally.bad + self.tally.errors
    }

    /// Begins the requests whose time has come, and tells when to look again.
    fn begin_what_is_due(&mut self, schedule: &mut Schedule, time: Nanos) -> Nanos {
        let mut next = if self.tally.measuring {
            schedule.end
        } else {
            schedule.measured_from
        };
        if self.closed {
            let wanted = schedule.wanted(self.connections.len(), time);
            let upto = wanted.min(schedule.opened + OPENED_AT_ONCE);
            self.free.extend(schedule.opened..upto);
            schedule.opened = upto;
            for _ in 0..self.free.len() {
                if let Some(place) = self.free.pop_front() {
                    self.begin(place, now());
                }
            }
            if schedule.opened < self.connections.len() {
                next = next.min(time + nanos(RAMP_STEP));
            }
            return if self.free.is_empty() { next } else { time };
        }
        while schedule.due <= time {
            if self.tally.measuring
                && self.free.is_empty()
                && schedule.opened == self.connections.len()
            {
                self.tally.queued += 1;
            }
            self.overdue.push_back(schedule.due);
            schedule.due += schedule.gap;
        }
        while let Some(due) = self.overdue.pop_front() {
            // The one used last: as many connections as are needed, not all in turn.
            let place = self.free.pop_back().or_else(|| {
                let fresh = schedule.opened;
                (fresh < self.connections.len()).then(|| {
                    schedule.opened += 1;
                    fresh
                })
            });
            match place {
                Some(place) => self.begin(place, due),
                None => {
                    self.overdue.push_front(due);
                    break;
                }
            }
        }
        next.min(schedule.due)
    }

    fn begin(&mut self, place: usize, intended: Nanos) {
        let connection = &mut self.connections[place];
        if connection.socket().is_none() {
            let opened = connection
                .open(self.address)
                .and_then(|socket| self.poller.add(socket, place as u64, Interest::Read));
            if let Err(error) = opened {
                self.tally.errors += 1;
                self.tally.complain(|| format!("no connection: {error}"));
                connection.close();
                self.free.push_back(place);
                return;
            }
        }
        connection.begin(intended);
        self.write(place, Interest::Read);
    }

    /// Writes of a request, whose socket is watched for `watched`.
    fn write(&mut self, place: usize, watched: Interest) {
        let connection = &mut self.connections[place];
        let progress = connection.write(&self.request);
        let interest = match progress {
            Progress::Writing => Interest::ReadWrite,
            Progress::Reading => Interest::Read,
            _ => return self.after(place, progress),
        };
        if interest != watched
            && let Some(socket) = connection.socket()
            && self.poller.change(socket, place as u64, interest).is_err()
        {
            self.after(place, Progress::Broken);
        }
    }

    fn ready(&mut self, one: Ready, buffer: &mut [u8]) {
        let place = one.token as usize;
        if one.writable && self.connections[place].busy {
            self.write(place, Interest::ReadWrite);
        }
        if one.readable && self.connections[place].socket().is_some() {
            let progress = self.connections[place].read(buffer, &mut self.tally);
            self.after(place, progress);
        }
    }

    fn after(&mut self, place: usize, progress: Progress) {
        let connection = &mut self.connections[place];
        match progress {
            Progress::Writing | Progress::Reading => return,
            Progress::Done => connection.finish(&self.expected, &mut self.tally),
            Progress::Broken | Progress::Stale => {
                connection.close();
                if !connection.busy {
                    // A kept connection, closed by the other side between two requests.
                    self.tally.reconnects += 1;
                    return;
                }
                connection.busy = false;
                if progress == Progress::Stale {
                    self.tally.reconnects += 1;
                    let intended = connection.intended;
                    return self.begin(place, intended);
                }
                self.tally.errors += 1;
                self.tally
                    .complain(|| "a connection broke before its answer was whole".to_owned());
            }
        }
        self.free.push_back(place);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(load: &str, ramp: f64) -> Plan {
        let text = format!(
            r#"{{"url":"http://127.0.0.1:1/","body":"b","load":{load},"connections":10,"ramp":{ramp},"warmup":0.5,"seconds":2}}"#
        );
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn measuring_begins_when_ramp_and_warmup_are_over() {
        let schedule = Schedule::new(&plan(r#""closed""#, 1.0), 100);
        assert_eq!(schedule.measured_from, 1_500_000_100);
        assert_eq!(schedule.end, 3_500_000_100);
        let wanted = [100, 500_000_100, 9_000_000_000].map(|time| schedule.wanted(10, time));
        assert_eq!(wanted, [0, 5, 10]);
    }

    #[test]
    fn without_a_ramp_all_connections_open_at_once() {
        let schedule = Schedule::new(&plan(r#""closed""#, 0.0), 100);
        assert_eq!(schedule.wanted(10, 100), 10);
    }

    #[test]
    fn a_rate_is_a_gap() {
        assert_eq!(
            Schedule::new(&plan(r#"{"rate":500}"#, 0.0), 0).gap,
            2_000_000
        );
    }
}
