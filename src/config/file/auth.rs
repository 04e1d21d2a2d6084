//! How an account proves who it is.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How an account proves who it is.
#[derive(Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", default)]
#[schemars(deny_unknown_fields)]
pub(in crate::config) struct Auth {
    /// With what. The other keys are for `oauth2`.
    pub(in crate::config) r#type: AuthType,
    /// What tokens are granted for.
    pub(in crate::config) grant: GrantType,
    /// Where tokens are asked for: an `https` URL, `${VARIABLE}` or `file:/path`.
    pub(in crate::config) token_url: String,
    /// Your client's id; `${VARIABLE}` and `file:/path` too.
    pub(in crate::config) client_id: String,
    /// Its secret: itself, `${VARIABLE}` or `file:/path`. Empty for a public client.
    pub(in crate::config) client_secret: String,
    /// Where the secret goes.
    pub(in crate::config) client_auth: ClientAuth,
    /// What is asked for. Empty: whatever the provider gives.
    pub(in crate::config) scopes: Vec<String>,
    /// The refresh token to begin with: itself, `${VARIABLE}` or `file:/path`. Those that the provider
    /// gives in its place are stored; another one here takes their place.
    pub(in crate::config) refresh_token: String,
}

/// With what an account proves who it is.
#[derive(Default, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(in crate::config) enum AuthType {
    /// `api-key`, in the provider's header.
    #[default]
    ApiKey,
    /// `api-key`, as `authorization: Bearer`.
    Bearer,
    /// Tokens of OAuth 2.0, which the gateway renews.
    Oauth2,
}

/// The grants of OAuth 2.0 that need nobody at a browser.
#[derive(Default, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(in crate::config) enum GrantType {
    /// A refresh token.
    #[default]
    RefreshToken,
    /// The client alone.
    ClientCredentials,
}

/// Where a client's secret goes.
#[derive(Default, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(in crate::config) enum ClientAuth {
    /// In the form.
    #[default]
    Body,
    /// In the `authorization` header.
    Basic,
}
