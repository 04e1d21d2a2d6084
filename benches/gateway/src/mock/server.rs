//! The upstream's loop: one thread, all connections.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::rc::Rc;
use std::time::Duration;

use serde::Serialize;

use super::connection::{Connection, Request, Running, Sent};
use super::format::{Asked, Format};
use super::shape::Shape;
use super::stream::Stream;
use super::wanted::Wanted;
use super::whole;
use crate::clock::{Nanos, nanos, now};
use crate::poll::{Interest, Poller};
use crate::stamp;

const LISTENER: u64 = u64::MAX;
const BUFFER: usize = 256 * 1024;

/// A place in the table of connections, and which of the connections that had it is meant.
type Id = (usize, u64);

/// What was done so far.
#[derive(Clone, Copy, Debug, Default, Serialize)]
struct Counters {
    requests: u64,
    streams: u64,
    events: u64,
    accepted: u64,
    active_streams: u64,
}

struct Slot {
    connection: Option<Connection>,
    generation: u64,
    interest: Interest,
}

struct Server {
    poller: Poller,
    slots: Vec<Slot>,
    free: Vec<usize>,
    shape: Shape,
    whole: [Rc<Vec<u8>>; 4],
    streams: [Option<Rc<Stream>>; 4],
    /// Streams with a write that is due, and those with one that will be.
    ready: VecDeque<Id>,
    later: BinaryHeap<Reverse<(Nanos, Id)>>,
    wanted: Wanted,
    scratch: Vec<u8>,
    counters: Counters,
}

/// Answers on a port of the loopback address, 0 for a free one, until the process is ended. Tells
/// the port once it listens.
pub fn run(port: u16, listening: impl FnOnce(u16)) -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    listener.set_nonblocking(true)?;
    let poller = Poller::new()?;
    poller.add(&listener, LISTENER, Interest::Read)?;
    listening(listener.local_addr()?.port());
    let mut server = Server {
        poller,
        slots: Vec::new(),
        free: Vec::new(),
        shape: Shape::default(),
        whole: Format::ALL.map(|format| Rc::new(whole::answer(format))),
        streams: [None, None, None, None],
        ready: VecDeque::new(),
        later: BinaryHeap::new(),
        wanted: Wanted::new(),
        scratch: Vec::new(),
        counters: Counters::default(),
    };
    let (mut ready, mut buffer) = (Vec::new(), vec![0; BUFFER]);
    loop {
        let most = server.most();
        server.poller.wait(&mut ready, most)?;
        for one in &ready {
            if one.token == LISTENER {
                server.accept(&listener)?;
                continue;
            }
            let place = one.token as usize;
            if one.writable {
                server.writable(place);
            }
            if one.readable {
                server.readable(place, &mut buffer);
            }
        }
        server.stream();
    }
}

impl Server {
    /// How long to wait for sockets at most.
    fn most(&self) -> Option<Duration> {
        if !self.ready.is_empty() {
            return Some(Duration::ZERO);
        }
        let Reverse((due, _)) = self.later.peek()?;
        Some(Duration::from_nanos(due.saturating_sub(now())))
    }

    fn accept(&mut self, listener: &TcpListener) -> io::Result<()> {
        while let Ok((socket, _)) = listener.accept() {
            self.counters.accepted += 1;
            let place = self.free.pop().unwrap_or_else(|| {
                self.slots.push(Slot {
                    connection: None,
                    generation: 0,
                    interest: Interest::Read,
                });
                self.slots.len() - 1
            });
            let connection = Connection::new(socket)?;
            self.poller
                .add(connection.socket(), place as u64, Interest::Read)?;
            let slot = &mut self.slots[place];
            slot.generation += 1;
            slot.interest = Interest::Read;
            slot.connection = Some(connection);
        }
        Ok(())
    }

    fn readable(&mut self, place: usize, buffer: &mut [u8]) {
        while let Some(connection) = &mut self.slots[place].connection {
            let Ok(Some(length)) = connection.read(buffer) else {
                return self.close(place);
            };
            let mut input = &buffer[..length];
            while let Some(connection) = &mut self.slots[place].connection
                && let Some(request) = connection.request(&mut input, &self.wanted)
            {
                self.answer(place, &request);
            }
            if length < buffer.len() {
                return;
            }
        }
    }

    fn answer(&mut self, place: usize, request: &Request) {
        match request.asked {
            Asked::Answer { format, streamed } => {
                self.counters.requests += 1;
                if streamed || request.streamed {
                    return self.begin_stream(place, format);
                }
                let answer = Rc::clone(&self.whole[format as usize]);
                self.send(place, &answer);
            }
            Asked::Control => {
                let before = self.shape;
                self.shape.set(&request.target);
                if self.shape != before {
                    self.streams = [None, None, None, None];
                }
                #[derive(Serialize)]
                struct State<'a> {
                    #[serde(flatten)]
                    counters: &'a Counters,
                    shape: &'a Shape,
                }
                let state = State {
                    counters: &self.counters,
                    shape: &self.shape,
                };
                let state = serde_json::to_string(&state).unwrap_or_default();
                self.send(place, &whole::respond("200 OK", &state));
            }
            Asked::Unknown => {
                let body = r#"{"error":{"message":"mock: no such path"}}"#;
                self.send(place, &whole::respond("404 Not Found", body));
            }
        }
    }

    fn begin_stream(&mut self, place: usize, format: Format) {
        self.counters.streams += 1;
        let shape = &self.shape;
        let stream = self.streams[format as usize]
            .get_or_insert_with(|| Rc::new(Stream::new(format, shape)));
        let stream = Rc::clone(stream);
        if self.shape.burst {
            self.counters.events += stream.writes.len() as u64;
            return self.send(place, &stream.bytes);
        }
        self.counters.active_streams += 1;
        let slot = &mut self.slots[place];
        if let Some(connection) = &mut slot.connection {
            connection.stream = Some(Running {
                stream,
                next: 0,
                due: now(),
            });
            self.ready.push_back((place, slot.generation));
        }
    }

    /// Makes the writes that are due.
    fn stream(&mut self) {
        for _ in 0..self.ready.len() {
            if let Some(id) = self.ready.pop_front() {
                self.step(id);
            }
        }
        if self.later.is_empty() {
            return;
        }
        let now = now();
        while let Some(&Reverse((due, id))) = self.later.peek()
            && due <= now
        {
            self.later.pop();
            self.step(id);
        }
    }

    /// Makes the next write of a stream.
    fn step(&mut self, (place, generation): Id) {
        let slot = &mut self.slots[place];
        if slot.generation != generation {
            return;
        }
        let Some(connection) = &mut slot.connection else {
            return;
        };
        let Some(mut running) = connection.stream.take() else {
            return;
        };
        let write = &running.stream.writes[running.next];
        self.scratch.clear();
        self.scratch
            .extend_from_slice(&running.stream.bytes[write.start..write.end]);
        if let Some(stamp) = write.stamp {
            stamp::write(&mut self.scratch[stamp - write.start..], now());
        }
        self.counters.events += 1;
        running.next += 1;
        let more = running.next < running.stream.writes.len();
        let delay = nanos(self.shape.delay());
        running.due += delay;
        let due = running.due;
        if more {
            connection.stream = Some(running);
        } else {
            self.counters.active_streams -= 1;
        }
        let scratch = std::mem::take(&mut self.scratch);
        self.send(place, &scratch);
        self.scratch = scratch;
        // With writes waiting, the next is made when there is room.
        if !more || self.slots[place].interest == Interest::ReadWrite {
            return;
        }
        if delay == 0 {
            self.ready.push_back((place, generation));
        } else {
            self.later.push(Reverse((due, (place, generation))));
        }
    }

    fn send(&mut self, place: usize, bytes: &[u8]) {
        let Some(connection) = &mut self.slots[place].connection else {
            return;
        };
        let sent = connection.send(bytes);
        self.sent(place, &sent);
    }

    fn writable(&mut self, place: usize) {
        let slot = &mut self.slots[place];
        let Some(connection) = &mut slot.connection else {
            return;
        };
        let sent = connection.send_waiting();
        let resume = connection.stream.is_some() && matches!(sent, Ok(Sent::All));
        let id = (place, slot.generation);
        self.sent(place, &sent);
        if resume {
            self.ready.push_back(id);
        }
    }

    /// Waits for room, or for requests again, or closes.
    fn sent(&mut self, place: usize, sent: &io::Result<Sent>) {
        let want = match sent {
            Ok(Sent::All) => Interest::Read,
            Ok(Sent::Some) => Interest::ReadWrite,
            Ok(Sent::Last) | Err(_) => return self.close(place),
        };
        let slot = &mut self.slots[place];
        if slot.interest == want {
            return;
        }
        slot.interest = want;
        if let Some(connection) = &slot.connection
            && self
                .poller
                .change(connection.socket(), place as u64, want)
                .is_err()
        {
            self.close(place);
        }
    }

    fn close(&mut self, place: usize) {
        if let Some(connection) = self.slots[place].connection.take() {
            self.counters.active_streams -= u64::from(connection.stream.is_some());
            self.slots[place].generation += 1;
            self.free.push(place);
        }
    }
}
