//! Readiness of many sockets, by `epoll`.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::event::{Timespec, epoll};

/// What is asked about a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interest {
    /// Whether there is something to read.
    Read,
    /// That, and whether there is room to write.
    ReadWrite,
}

/// A socket that something can be done with.
#[derive(Clone, Copy, Debug)]
pub struct Ready {
    /// What the socket was added with.
    pub token: u64,
    /// Something to read, an end or an error.
    pub readable: bool,
    /// Room to write.
    pub writable: bool,
}

/// Waits for sockets.
pub struct Poller {
    epoll: OwnedFd,
    events: Vec<epoll::Event>,
}

impl Poller {
    /// Most sockets that one wait tells of.
    const BATCH: usize = 1024;

    /// A poller without sockets.
    pub fn new() -> io::Result<Self> {
        let none = epoll::Event {
            flags: epoll::EventFlags::empty(),
            data: epoll::EventData::new_u64(0),
        };
        Ok(Self {
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            events: vec![none; Self::BATCH],
        })
    }

    /// Watches a socket until it is closed.
    pub fn add(&self, socket: impl AsFd, token: u64, interest: Interest) -> io::Result<()> {
        let data = epoll::EventData::new_u64(token);
        Ok(epoll::add(&self.epoll, socket, data, flags(interest))?)
    }

    /// Watches a known socket for something else.
    pub fn change(&self, socket: impl AsFd, token: u64, interest: Interest) -> io::Result<()> {
        let data = epoll::EventData::new_u64(token);
        Ok(epoll::modify(&self.epoll, socket, data, flags(interest))?)
    }

    /// Waits at most so long, without end if `None`, and lists what is ready.
    pub fn wait(&mut self, ready: &mut Vec<Ready>, most: Option<Duration>) -> io::Result<()> {
        ready.clear();
        let most = most.map(|most| Timespec {
            tv_sec: i64::try_from(most.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: most.subsec_nanos().into(),
        });
        let count = match epoll::wait(&self.epoll, &mut self.events[..], most.as_ref()) {
            Ok(count) => count,
            Err(rustix::io::Errno::INTR) => 0,
            Err(error) => return Err(error.into()),
        };
        ready.extend(self.events[..count].iter().map(|event| {
            let (data, flags) = (event.data, event.flags);
            Ready {
                token: data.u64(),
                readable: flags.intersects(
                    epoll::EventFlags::IN | epoll::EventFlags::HUP | epoll::EventFlags::ERR,
                ),
                writable: flags.contains(epoll::EventFlags::OUT),
            }
        }));
        Ok(())
    }
}

fn flags(interest: Interest) -> epoll::EventFlags {
    match interest {
        Interest::Read => epoll::EventFlags::IN,
        Interest::ReadWrite => epoll::EventFlags::IN | epoll::EventFlags::OUT,
    }
}
