//! Names that lead nowhere: what a client hears when it asks for a model, a path or a provider that is
//! not there. Several phases find that out.

use crate::chat::{Fault, FaultKind};

/// A model that nobody serves.
pub(super) fn model_not_found(model: &str) -> Fault {
    let message = format!(
        "the model '{}' does not exist or no account serves it",
        clipped(model)
    );
    Fault::new(FaultKind::ModelNotFound, "model_not_found", message).with_param("model")
}

/// A path that leads nowhere.
pub(super) fn unknown_path(path: &str) -> Fault {
    let message = format!(
        "there is nothing at {}; other paths of a provider are reached with the header x-provider",
        clipped(path)
    );
    Fault::new(FaultKind::NotFound, "unknown_path", message)
}

/// A provider that the config does not have; it has `known`.
pub(super) fn unknown_provider(name: &str, known: &[Box<str>]) -> Fault {
    let message = format!(
        "x-provider: there is no provider '{}'; there is {}",
        clipped(name),
        known.join(", ")
    );
    Fault::new(FaultKind::InvalidRequest, "unknown_provider", message).with_param("x-provider")
}

/// A client's words in an error message, within reason.
pub(super) fn clipped(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(200).collect()
}
