//! Traces.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Traces.
#[derive(Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", default)]
#[schemars(deny_unknown_fields)]
pub(in crate::config) struct Otel {
    /// OpenTelemetry collector that traces are sent to over OTLP, as HTTP and protobuf:
    /// `http://localhost:4318`. Needs a build with the feature `otel`. Empty: no traces.
    pub(in crate::config) endpoint: String,
}
