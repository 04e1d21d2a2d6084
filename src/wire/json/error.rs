//! What can be wrong with a document.

/// Why a body is not the JSON object it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// Not JSON at all, or broken, or cut off.
    #[error("not JSON: {problem} at byte {offset}")]
    NotJson {
        /// Where reading stopped.
        offset: usize,
        /// What was wrong there.
        problem: &'static str,
    },
    /// Another kind of JSON value.
    #[error("the body must be a JSON object")]
    NotAnObject,
    /// Containers inside containers, more of them than allowed.
    #[error("JSON nested deeper than {max_depth} levels at byte {offset}")]
    TooDeep {
        /// Where the first container too many opens.
        offset: usize,
        /// How many levels are allowed, the outermost object included.
        max_depth: usize,
    },
}
