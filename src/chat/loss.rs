//! What a translation could not carry. Nothing is dropped without a note.

use std::collections::BTreeSet;
use std::fmt;

use super::{Fault, FaultKind};

/// Where something stands in the client's own document: `messages[3].content[1]`, `top_k`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Place {
    root: &'static str,
    item: Option<u32>,
    field: &'static str,
    part: Option<u32>,
}

impl Place {
    /// A member of the document, or a path of members: `top_k`, `generationConfig.seed`.
    pub const fn field(name: &'static str) -> Self {
        Self {
            root: name,
            item: None,
            field: "",
            part: None,
        }
    }

    /// An element of a member: `messages[3]`.
    #[must_use]
    pub fn item(mut self, index: usize) -> Self {
        self.item = u32::try_from(index).ok();
        self
    }

    /// A member of that element: `messages[3].content`.
    #[must_use]
    pub const fn of(mut self, field: &'static str) -> Self {
        self.field = field;
        self
    }

    /// An element of that member: `messages[3].content[1]`.
    #[must_use]
    pub fn part(mut self, index: usize) -> Self {
        self.part = u32::try_from(index).ok();
        self
    }

    /// The member of the document it is in.
    pub const fn root(self) -> &'static str {
        self.root
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.root)?;
        if let Some(item) = self.item {
            write!(f, "[{item}]")?;
        }
        if !self.field.is_empty() {
            let dot = if self.root.is_empty() { "" } else { "." };
            write!(f, "{dot}{}", self.field)?;
        }
        if let Some(part) = self.part {
            write!(f, "[{part}]")?;
        }
        Ok(())
    }
}

/// What happened to something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Change {
    /// It is gone.
    Dropped,
    /// Something near to it took its place.
    Approximated,
    /// It was not there and had to be made up.
    Synthesised,
    /// It was out of the target's range.
    Clamped,
    /// It has another name or id there.
    Renamed,
}

impl Change {
    /// The word in headers and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Dropped => "dropped",
            Self::Approximated => "approximated",
            Self::Synthesised => "synthesised",
            Self::Clamped => "clamped",
            Self::Renamed => "renamed",
        }
    }
}

/// One thing that was not carried as it was.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Loss {
    /// Where it stands in the client's document.
    pub path: String,
    /// What happened to it.
    pub change: Change,
}

/// What is done about losses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnLoss {
    /// The answer tells.
    #[default]
    Warn,
    /// What would be dropped makes the request fail.
    Reject,
    /// Nobody is told.
    Quiet,
}

/// The notes of one translation.
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct Losses {
    policy: OnLoss,
    notes: Vec<Loss>,
    /// The same, to be found.
    known: BTreeSet<Loss>,
}

impl Losses {
    /// No losses yet.
    pub const fn new(policy: OnLoss) -> Self {
        Self {
            policy,
            notes: Vec::new(),
            known: BTreeSet::new(),
        }
    }

    /// What is done about losses.
    pub const fn policy(&self) -> OnLoss {
        self.policy
    }

    /// Something is dropped that the client may miss. Under [`OnLoss::Reject`] the request fails.
    pub fn dropped(&mut self, at: Place) -> Result<(), Fault> {
        self.dropped_at(at.to_string())
    }

    /// [`Self::dropped`] for a path that is made up at run time.
    pub fn dropped_at(&mut self, path: String) -> Result<(), Fault> {
        if self.policy == OnLoss::Reject {
            let message =
                format!("'{path}' cannot be carried to the provider that serves this model");
            return Err(refused(path, message));
        }
        self.note_at(path, Change::Dropped);
        Ok(())
    }

    /// Something is carried, but not quite as it was.
    pub fn note(&mut self, at: Place, change: Change) {
        self.note_at(at.to_string(), change);
    }

    /// [`Self::note`] for a path that is made up at run time.
    pub fn note_at(&mut self, path: String, change: Change) {
        let loss = Loss { path, change };
        if self.known.insert(loss.clone()) {
            self.notes.push(loss);
        }
    }

    /// All notes, in order, each once.
    pub fn notes(&self) -> &[Loss] {
        &self.notes
    }

    /// Takes over the notes of another translation.
    pub fn extend(&mut self, other: Self) {
        for loss in other.notes {
            self.note_at(loss.path, loss.change);
        }
    }
}

/// The error for something that cannot be carried at all: 400 with the path in the client's document.
pub(crate) fn refused(path: String, message: impl Into<String>) -> Fault {
    Fault::new(
        FaultKind::InvalidRequest,
        "unsupported_parameter",
        message.into(),
    )
    .with_param(path)
}

impl Fault {
    /// The error for something that cannot be carried to the provider: 400, naming `at`.
    pub fn cannot_carry(at: Place, why: impl Into<String>) -> Self {
        refused(at.to_string(), why)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_written_as_paths() {
        let place = Place::field("messages").item(3);
        assert_eq!(Place::field("top_k").to_string(), "top_k");
        assert_eq!(place.to_string(), "messages[3]");
        assert_eq!(
            place.of("content").part(1).to_string(),
            "messages[3].content[1]"
        );
    }

    #[test]
    fn a_drop_follows_the_policy() {
        let place = Place::field("seed");
        let mut losses = Losses::new(OnLoss::Warn);
        losses.dropped(place).unwrap();
        losses.dropped(place).unwrap();
        assert_eq!(losses.notes().len(), 1);
        let fault = Losses::new(OnLoss::Reject).dropped(place).unwrap_err();
        assert_eq!(fault.param.as_deref(), Some("seed"));
        assert_eq!(fault.code.as_deref(), Some("unsupported_parameter"));
    }
}
