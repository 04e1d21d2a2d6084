//! A point in a script that the test controls.

use tokio::sync::watch;

use super::within;

/// Closed until the test opens it, then open for good. Clones are the same gate.
#[derive(Clone, Debug, Default)]
pub struct Gate {
    reached: watch::Sender<bool>,
    open: watch::Sender<bool>,
}

impl Gate {
    /// A closed gate.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets everyone through, now and later.
    pub fn open(&self) {
        self.open.send_replace(true);
    }

    /// Resolves when a script has come to this gate, whether or not it is open.
    pub async fn reached(&self) {
        let mut reached = self.reached.subscribe();
        within("a script to reach its gate", reached.wait_for(|it| *it))
            .await
            .expect("this gate holds the sender");
    }

    /// Resolves when the gate is open; what a script does at `Step::Wait`.
    pub async fn pass(&self) {
        self.reached.send_replace(true);
        let mut open = self.open.subscribe();
        open.wait_for(|it| *it)
            .await
            .expect("this gate holds the sender");
    }
}
