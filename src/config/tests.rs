//! Whole files through [`load`].

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::*;
use crate::account::oauth::Grant;
use crate::account::{Account, HeaderSource};
use crate::secret::Secret;
use crate::upstream::ProxyScheme;
use crate::upstream::presets::KeyHeader;
use crate::wire::Format;

/// An environment that is only what a test says.
#[derive(Default, Clone)]
struct Fake {
    variables: BTreeMap<&'static str, &'static str>,
    files: BTreeMap<PathBuf, Vec<u8>>,
}

impl Fake {
    fn set(mut self, name: &'static str, value: &'static str) -> Self {
        self.variables.insert(name, value);
        self
    }

    fn file(mut self, path: &str, content: &str) -> Self {
        self.files.insert(path.into(), content.into());
        self
    }

    fn load(&self, text: &str) -> Result<Config, Errors> {
        self.load_with(text, &Overrides::default())
    }

    fn load_with(&self, text: &str, overrides: &Overrides) -> Result<Config, Errors> {
        let environment = self.clone().file("config.yaml", text);
        let source = Source::File("config.yaml".into());
        load(&source, &environment, overrides)
    }
}

impl Environment for Fake {
    fn variable(&self, name: &str) -> Option<String> {
        self.variables.get(name).map(|value| (*value).to_owned())
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let file = self.files.get(path).cloned();
        file.ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn locate(&self, path: &Path) -> PathBuf {
        path.to_owned()
    }
}

fn config(text: &str) -> Config {
    Fake::default()
        .load(text)
        .unwrap_or_else(|errors| panic!("{text}\n{errors}"))
}

fn account(text: &str) -> Account {
    let config = config(text);
    (*config.accounts[0]).clone()
}

/// The lines that a bad config is answered with.
fn errors(text: &str) -> Vec<String> {
    let errors = Fake::default().load(text).map(|_| ()).unwrap_err();
    errors.to_string().lines().map(str::to_owned).collect()
}

#[test]
fn the_admin_listener_is_on_this_machine_and_without_a_key_unless_told_otherwise() {
    let admin = config("").admin;
    assert_eq!(admin.address.to_string(), "127.0.0.1:8318");
    assert!(admin.key.is_none() && !admin.mount && !admin.given);
    let admin = config("admin: {host: '::', port: 0, key: k, mount: true}").admin;
    assert_eq!(admin.address.to_string(), "[::]:0");
    assert_eq!(admin.key, Some(KeyHash::of(b"k")));
    assert!(admin.mount && admin.given);
}

#[test]
fn an_empty_file_has_every_default() {
    for text in ["", "# nothing\n", "{}", "api-keys:\nlimits:\n"] {
        let config = config(text);
        assert_eq!(config.limits.body, 64 << 20);
        assert_eq!(config.limits.header_size, 64 << 10);
        assert_eq!(config.retry.rounds, 3);
        assert_eq!(config.retry.cooldown_max, Duration::from_secs(300));
        assert_eq!(config.streaming.keep_alive, Some(Duration::from_secs(15)));
        assert_eq!(config.streaming.hold_back, 1 << 20);
        assert_eq!(config.strategy, Strategy::RoundRobin);
        assert_eq!(config.timeouts.total, Duration::from_secs(900));
        assert_eq!(config.log.level, log::LevelFilter::Info);
        assert_eq!(config.listen.address.port(), 8317);
        assert!(config.rewrite_model && config.allow_anonymous);
        assert!(config.accounts.is_empty() && config.clients.is_empty());
    }
}

#[test]
fn roots_for_providers_are_read_at_load() {
    let pem = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let environment = Fake::default().file("ca.pem", pem).file("no.pem", "text");
    let config = environment.load("upstream-ca: ca.pem").unwrap();
    assert_eq!(config.upstream_ca, Some("ca.pem".into()));
    let error = environment.load("upstream-ca: no.pem").unwrap_err();
    assert_eq!(error.to_string(), "upstream-ca: holds no PEM certificates");
}

#[test]
fn every_error_is_reported_with_its_path() {
    let cases: &[(&str, &[&str])] = &[
        // Unknown keys, at any depth.
        (
            "api_keys: [a]\nlimits: {header: 3}\nrouting: {strategy: fill-first, affinity: true}\nzzz: 1",
            &[
                "api_keys: unknown key; did you mean `api-keys`?",
                "limits.header: unknown key; did you mean `headers`?",
                "routing.affinity: unknown key",
                "zzz: unknown key",
            ],
        ),
        (
            "claude-api-key:\n- api-key: k\n  basurl: x\n  models: [{id: a, alais: b}]\n  timeouts: {total: 1, first_byte: 2}",
            &[
                "claude-api-key[0].basurl: unknown key; did you mean `base-url`?",
                "claude-api-key[0].models[0].alais: unknown key; did you mean `alias`?",
                "claude-api-key[0].timeouts.first_byte: unknown key; did you mean `first-byte`?",
            ],
        ),
        // Duplicate keys.
        (
            "port: 1\nport: 2\ncooldown: {min: 1, max: 2, min: 3}",
            &["port: is there twice", "cooldown.min: is there twice"],
        ),
        // Types, several at once, without the semantic errors they would bring along.
        (
            "port: abc\nhost: 1\nallow-anonymous: maybe\nmax-body-size: big\nlimits: 3\n\
             timeouts: {connect: -1, idle: soon, total: 1e12}\nlog-level: loud\nrequest-retry: 1.5",
            &[
                "port: must be a whole number from 0 to 65535, not text",
                "host: must be text, not a number; put it in quotes",
                "allow-anonymous: must be true or false, not text",
                "max-body-size: must be a size like 64MiB, 512KiB, 1GB or a number of bytes",
                "limits: must be a map, not a number",
                "timeouts.connect: must be a number of seconds from 0 to 31536000",
                "timeouts.idle: must be a number of seconds from 0 to 31536000, not text",
                "timeouts.total: must be a number of seconds from 0 to 31536000",
                "log-level: must be one of error, warn, info, debug, trace",
                "request-retry: must be a whole number from 0 to 4294967295, not a number",
            ],
        ),
        (
            "api-keys: [ok, 5, {key: [x]}, null]\nroutes: {model: x}\n\
             claude-api-key: [3, {api-key: true, weight: -1, tags: [a], headers: {x: {}}}, {api-key: ''}]",
            &[
                "api-keys[1]: must be text or a map, not a number",
                "api-keys[2].key: must be text, not a list",
                "api-keys[3]: must be text or a map, not empty",
                "routes: must be a list, not a map",
                "claude-api-key[0]: must be a map, not a number",
                "claude-api-key[1].api-key: must be text, not true or false; put it in quotes",
                "claude-api-key[1].weight: must be a whole number from 0 to 4294967295",
                "claude-api-key[1].tags: must be a map, not a list",
                "claude-api-key[1].headers.x: must be text, not a map",
                "claude-api-key[2].api-key: is empty",
            ],
        ),
        (
            "- a",
            &["config.yaml: must be a map of keys, like `port: 8317`"],
        ),
        (
            "text",
            &["config.yaml: must be a map of keys, like `port: 8317`"],
        ),
        // Numbers that make no sense.
        (
            "max-body-size: 0\nlimits: {header-size: 100, headers: 300, json-depth: 0, body-timeout: 0, concurrent: 0}\n\
             request-retry: 101\nmax-retry-interval: 0\ncooldown: {min: 9, max: 3}\n\
             timeouts: {connect: 0}\nstreaming: {bootstrap-retries: 1000, hold-back: 0}\nhost: example.com",
            &[
                "timeouts.connect: must be greater than 0",
                "host: must be an IP address or localhost",
                "limits.headers: must be from 1 to 256",
                "limits.json-depth: must be from 1 to 128",
                "limits.concurrent: must be at least 1",
                "max-body-size: must be at least 1",
                "limits.header-size: must be from 1KiB to 1MiB",
                "limits.body-timeout: must be greater than 0",
                "cooldown.min: must not be greater than cooldown.max",
                "request-retry: must be from 0 to 100",
                "streaming.bootstrap-retries: must be from 0 to 100",
                "max-retry-interval: must be greater than 0",
                "streaming.hold-back: must be at least 1",
            ],
        ),
        // Client keys.
        (
            "api-keys: [a, '', {key: a}, 'sha256:12', '${NOT_SET}', {name: x}, 'file:/none', {key: b, models: ['[']}, {key: c, tags: {a: \"x\\0\"}}]",
            &[
                "api-keys[1]: is empty",
                "api-keys[2]: is the same key as api-keys[0]",
                "api-keys[3]: must have 64 hexadecimal digits after sha256:",
                "api-keys[4]: environment variable NOT_SET is not set",
                "api-keys[5]: is empty",
                "api-keys[6]: file '/none' cannot be read: entity not found",
                "api-keys[7].models[0]: '[' has a '[' that is not closed or has nothing in it",
                "api-keys[8].tags.a: must not have control characters in it",
            ],
        ),
        // Provider entries.
        (
            "openai-compatibility:\n- {name: one, api-key: k}\n- {preset: deepsek, wire-api: chat}\n\
             - {preset: anthropic}\n- {base-url: 'ftp://x', weight: 0, prefix: /, proxy-url: 'ftp://p'}\n\
             - {base-url: 'https://x', weight: 1001, timeouts: {idle: 0}, models: [{alias: a}, {id: a, name: b}, '']}",
            &[
                "openai-compatibility[0].base-url: is required, because there is no preset that knows it",
                "openai-compatibility[1].preset: no preset has this name; did you mean `deepseek`?",
                "openai-compatibility[2].preset: `anthropic` does not speak an OpenAI format; it has a list of its own",
                "openai-compatibility[3].base-url: must start with http:// or https://",
                "openai-compatibility[3].proxy-url: must start with http://, https://, socks5:// or socks5h://",
                "openai-compatibility[3].weight: must be from 1 to 1000",
                "openai-compatibility[3].prefix: must be a name like deepseek/",
                "openai-compatibility[4].weight: must be from 1 to 1000",
                "openai-compatibility[4].models[0]: needs an id",
                "openai-compatibility[4].models[1]: has an id and a name that differ; give only one",
                "openai-compatibility[4].models[2]: needs an id",
                "openai-compatibility[4].timeouts.idle: must be greater than 0",
            ],
        ),
        (
            "claude-api-key:\n- {api-key: a, wire-api: chat, name: x}\n- {api-key: b, preset: glm, disabled: true}\n- {}\n\
             - {api-key: c d}\n\
             gemini-api-key:\n- {api-key: b, wire-api: responses, name: x, excluded-models: ['']}",
            &[
                "gemini-api-key[0].name: is the same as claude-api-key[0].name",
                "claude-api-key[0].wire-api: is only for providers that speak an OpenAI format",
                "claude-api-key[1].preset: is always anthropic in this list",
                "claude-api-key[2].api-key: is empty",
                "claude-api-key[3].api-key: must have only visible ASCII characters, no spaces",
                "gemini-api-key[0].wire-api: is only for providers that speak an OpenAI format",
                "gemini-api-key[0].excluded-models[0]: a pattern must not be empty",
            ],
        ),
        (
            "openai-api-key: [{api-key: a}, {api-key: b}, {api-key: a, base-url: 'https://api.openai.com/'}]",
            &[
                "openai-api-key[2]: has the provider, address and key of openai-api-key[0]; give one of them a name",
            ],
        ),
        (
            "openai-api-key:\n- api-key: a\n  headers: {Host: x, 'bad name': x, transfer-encoding: x, X-A: \"a\\nb\", \
             x-b: $, x-c: $authorization, x-d: '$not valid', x-e: x, X-E: y, x-f: '${NOT_SET}'}",
            &[
                "openai-api-key[0].headers.Host: is a header that the gateway sets itself",
                "openai-api-key[0].headers.X-A: has characters that cannot be in a header",
                "openai-api-key[0].headers.bad name: is not a header name",
                "openai-api-key[0].headers.transfer-encoding: is a header that the gateway sets itself",
                "openai-api-key[0].headers.x-b: must have the name of a header after $",
                "openai-api-key[0].headers.x-c: must not copy the client's authorization",
                "openai-api-key[0].headers.x-d: must have the name of a header after $",
                "openai-api-key[0].headers.x-e: is there twice",
                "openai-api-key[0].headers.x-f: environment variable NOT_SET is not set",
            ],
        ),
        // Routes.
        (
            "openai-compatibility: [{name: local, base-url: 'http://127.0.0.1:1', disabled: true}]\n\
             routes:\n- {model: 'a*', providers: [local, claude, openai, groq, lokal, nobody]}\n- {providers: [], models: ['']}",
            &[
                "routes[0].providers[4]: no provider or entry has this name; did you mean `local`?",
                "routes[0].providers[5]: no provider or entry has this name",
                "routes[1].model: a pattern must not be empty",
                "routes[1].models[0]: is empty",
            ],
        ),
        (
            "upstream-ca: /none.pem",
            &["upstream-ca: cannot be read: entity not found"],
        ),
        // What is known about models.
        (
            "translation: {on-loss: reject, a.auto-cach: 1, on-los: warn}\n\
             profiles: [{provider: nobody, g.schema: xml}, {model: '[', c.efforts: [low, huge]}, {a.sampling: {}}]",
            &[
                "translation.a.auto-cach: unknown key; did you mean `a.auto-cache`?",
                "translation.on-los: unknown key; did you mean `on-loss`?",
                "profiles[0].provider: no provider or entry has this name",
                "profiles[0].g.schema: takes `openapi` or `json_schema`",
                "profiles[1].c.efforts: takes a list of efforts (`none`, `minimal`, `low`, `medium`, `high`, `xhigh`, `max`)",
                "profiles[1].model: '[' has a '[' that is not closed or has nothing in it",
                "profiles[2].a.sampling: must be true, false, a number, a word or a list of words",
            ],
        ),
        // From where media is fetched.
        (
            "translation: {media-fetch: allowlist}",
            &["translation.media-hosts: must name a host where media-fetch is allowlist"],
        ),
        (
            "translation: {media-fetch: on, media-hosts: [a.example]}",
            &["translation.media-hosts: is read only where media-fetch is allowlist"],
        ),
        (
            "translation: {media-fetch: allowlist, media-hosts: ['https://a.example', '*', 169.254.169.254, '*.b.example']}",
            &[
                "translation.media-hosts[0]: 'https://a.example' must be a name, an IP address or *.name, without scheme, port and path",
                "translation.media-hosts[1]: '*': a star can only stand for what is before a name, as in *.example.com",
                "translation.media-hosts[2]: '169.254.169.254' is an address from which nothing is ever fetched",
            ],
        ),
        // What clients' own keys do not go together with.
        (
            "gemini-api-key:\n\
             - {api-key: a, allow-client-keys: true, headers: {Authorization: x}}\n\
             - {preset: antigravity, project: p, base-url: 'http://x', allow-client-keys: true}\n\
             - {allow-client-keys: false, base-url: 'http://y'}",
            &[
                "gemini-api-key[0].allow-client-keys: cannot go with the header Authorization: it would reach the provider beside the client's key",
                "gemini-api-key[1].allow-client-keys: cannot go with a project: a client's key has its own",
                "gemini-api-key[2].api-key: is empty",
            ],
        ),
        // Traces, where they are compiled in and where not.
        #[cfg(feature = "otel")]
        (
            "otel: {endpoint: 'localhost:4318'}",
            &["otel.endpoint: is not a URL like http://localhost:4318"],
        ),
        #[cfg(not(feature = "otel"))]
        (
            "otel: {endpoint: 'http://localhost:4318'}",
            &[
                "otel.endpoint: this build has no traces: build it with `cargo build --release --features otel`",
            ],
        ),
        // The edge.
        (
            "trusted-proxies: [10.0.0.0/8, '::1', 10.0.0.1, 10.0.0.0/33, proxy.example, '']",
            &[
                "trusted-proxies[3]: must be an IP address or a network, as 10.0.0.0/8",
                "trusted-proxies[4]: must be an IP address or a network, as 10.0.0.0/8",
                "trusted-proxies[5]: must be an IP address or a network, as 10.0.0.0/8",
            ],
        ),
        (
            "cors: {origins: ['https://app.example.com', 'app.example.com', 'https://app.example.com/', 'https://*']}",
            &[
                "cors.origins[1]: must have a scheme and a host, as https://app.example.com",
                "cors.origins[2]: must end after its host or port: an origin has no user, path or slash at its end",
                "cors.origins[3]: may have a star only alone, or for what is before a name, as https://*.example.com",
            ],
        ),
        (
            "tls: {enable: true, client-ca: /none.pem}\ncors: {origins: ['null']}",
            &[
                "tls.cert: cannot be read: entity not found",
                "tls.key: cannot be read: entity not found",
                "tls.client-ca: cannot be read: entity not found",
                "cors.origins[0]: is what every page without an origin says: it would let all of these in",
            ],
        ),
        (
            "payload: {default: [{params: 1}], filter: [{params: {a: 1}}]}",
            &[
                "payload.default[0].params: must be a map of paths and values, not a number",
                "payload.filter[0].params: must be a list, not a map",
            ],
        ),
        // Shaping.
        (
            "claude-api-key: [{api-key: a, cloak: {mode: auto, strict-mode: true, cache-user-id: true, sensitive-words: [ok, ' ', 'a\"b', 'c\\d'], \
             skip-user-agents: ['', 'x*']}}]\n\
             openai-api-key: [{api-key: a, cloak: {mode: sometimes, user-id: name, system: x, hash-key: '${NOT_SET}'}}, \
             {api-key: b, cloak: {mode: always, skip-user-agents: [a]}}]",
            &[
                "openai-api-key[0].cloak.system: unknown key",
                "openai-api-key[0].cloak.mode: must be one of never, always, auto",
                "openai-api-key[0].cloak.user-id: must be one of off, random, hash",
                "claude-api-key[0].cloak.strict-mode: needs a system-prompt",
                "claude-api-key[0].cloak.cache-user-id: is only for `user-id: random`",
                "claude-api-key[0].cloak.skip-user-agents[0]: a pattern must not be empty",
                "claude-api-key[0].cloak.sensitive-words[1]: must not be empty",
                "claude-api-key[0].cloak.sensitive-words[2]: must not have quotes, backslashes or control characters",
                "claude-api-key[0].cloak.sensitive-words[3]: must not have quotes, backslashes or control characters",
                "openai-api-key[0].cloak.hash-key: environment variable NOT_SET is not set",
                "openai-api-key[1].cloak.skip-user-agents: is only for `mode: auto`",
            ],
        ),
        // Payload rules.
        (
            "payload:\n  default:\n  - {params: {a..b: 1, model: x, 'a.-1': 1}}\n  - {}\n  - {models: [{name: 'a[', protocol: gemni, \
             from-protocol: x, headers: {'a b': x, x-y: ''}, match: {'a.': 1}, not-match: [{'#': 1}], exist: [''], not-exist: ['-1']}], params: {ok: null, also: [{a: null}]}}\n  \
             default-raw: [{params: {a: '{', b: 1}}]\n  filter: [{params: [stream, 'x\\']}, {}]\n  override: [{param: {a: 1}}]",
            &[
                "payload.override[0].param: unknown key; did you mean `params`?",
                "payload.default[0].params.a..b: path 'a..b' has an empty part",
                "payload.default[0].params.model: must not be changed: the gateway sets the model and the stream flag itself",
                "payload.default[0].params.a.-1: appends with -1, which only an override can",
                "payload.default[1].params: must name a path and its value",
                "payload.default[2].models[0].match.a.: path 'a.' has an empty part",
                "payload.default[2].models[0].not-match.#: path '#' has a '#', which has no meaning here; write '\\#' for the character",
                "payload.default[2].models[0].exist[0]: a path must not be empty",
                "payload.default[2].models[0].not-exist[0]: appends with -1, which only an override can",
                "payload.default[2].models[0].name: 'a[' has a '[' that is not closed or has nothing in it",
                "payload.default[2].models[0].protocol: must be openai, responses, claude or gemini; did you mean `gemini`?",
                "payload.default[2].models[0].from-protocol: must be openai, responses, claude or gemini",
                "payload.default[2].models[0].headers.a b: is not a header name",
                "payload.default[2].models[0].headers.x-y: a pattern must not be empty",
                "payload.default-raw[0].params.a: is not JSON",
                "payload.default-raw[0].params.b: must be text that is JSON; put it in quotes",
                "payload.override[0].params: must name a path and its value",
                "payload.filter[0].params[0]: must not be changed: the gateway sets the model and the stream flag itself",
                "payload.filter[0].params[1]: path 'x\\' ends in a backslash",
                "payload.filter[1].params: must name a path",
            ],
        ),
        (
            "api-keys: [k]\nadmin: {host: nowhere, key: k}",
            &[
                "admin.host: must be an IP address or localhost",
                "admin.key: must not be one of api-keys",
            ],
        ),
        (
            "admin: {key: '${NOT_SET}', mount: true, port: 70000}",
            &[
                "admin.port: must be a whole number from 0 to 65535",
                "admin.key: environment variable NOT_SET is not set",
            ],
        ),
        (
            "admin: {key: 'sha256:ab', mount: true}",
            &["admin.key: must have 64 hexadecimal digits after sha256:"],
        ),
        ("admin: {mount: true}", &["admin.mount: needs admin.key"]),
        (
            "claude-api-key:\n- {api-key: a, health-check: {interval: -1}}\n- {api-key: b, health-check: {interval: 0.001}}\n\
             - {api-key: c, health-check: {path: /v1/models}}\n- {api-key: d, health-check: {interval: 1, path: 'v1/a b'}}\n\
             - {allow-client-keys: true, health-check: {interval: 1}}\n\
             gemini-api-key: [{api-key: a, preset: antigravity, base-url: 'http://x', health-check: {interval: 1}}]",
            &[
                "claude-api-key[0].health-check.interval: must be a number of seconds from 0 to 31536000",
                "claude-api-key[1].health-check.interval: must be at least 0.01, or 0 for none",
                "claude-api-key[2].health-check.path: needs an interval",
                "claude-api-key[3].health-check.path: must be a path like /v1/models",
                "claude-api-key[4].health-check: needs an api-key to check",
                "gemini-api-key[0].health-check.path: is required, because this API has no list of models",
            ],
        ),
        (
            "prices:\n- {model: a, input: -1}\n- {model: a, input: 0.0000000001}\n- {model: a, input: 1e7}\n- {model: a, input: x}\n\
             - {model: a}\n- {input: 1}\n- {model: a, provider: opnai, input: 1}\n- {model: a, inputs: 1}\n\
             - {model: a, input: 1, tiers: [{input: 2}, {above: 5}, {above: 5}, {abov: 1}]}\n- {model: 'a[', input: [1]}\n- 7",
            &[
                "prices[7].inputs: unknown key; did you mean `input`?",
                "prices[8].tiers[3].abov: unknown key; did you mean `above`?",
                "prices[0].input: must be dollars from 0 to 1000000 with at most 9 decimals, as 0.075",
                "prices[1].input: must be dollars from 0 to 1000000 with at most 9 decimals, as 0.075",
                "prices[2].input: must be dollars from 0 to 1000000 with at most 9 decimals, as 0.075",
                "prices[3].input: must be dollars from 0 to 1000000 with at most 9 decimals, as 0.075",
                "prices[9].input: must be a number of dollars, as 0.075, not a list",
                "prices[10]: must be a map, not a number",
                "prices[4]: needs a price: input, output or request, each may be 0",
                "prices[5].model: a pattern must not be empty",
                "prices[6].provider: no provider or entry has this name; did you mean `openai`?",
                "prices[8].tiers[0].above: must be at least 1",
                "prices[8].tiers[2].above: is there twice",
                "prices[8].tiers[3].above: must be at least 1",
                "prices[9].model: 'a[' has a '[' that is not closed or has nothing in it",
            ],
        ),
        (
            "secret-keys: [hunter2, '${NOT_SET}', '0101010101010101010101010101010101010101010101010101010101010101', \
             AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=, \
             000102030405060708090A0B0C0D0E0F101112131415161718191a1b1c1d1e1f]",
            &[
                "secret-keys[0]: must be 32 random bytes as base64 or hexadecimal digits; make them with: openssl rand -base64 32",
                "secret-keys[1]: environment variable NOT_SET is not set",
                "secret-keys[2]: is not random; make a key with: openssl rand -base64 32",
                "secret-keys[4]: is in the list already",
            ],
        ),
        // Accounts of any kind.
        (
            "accounts:\n\
             - {name: a, preset: antigravity, base-url: 'https://a', auth: {type: oauth2, token-url: 'http://id.example/t', scopes: ['a b', c]}}\n\
             - {preset: gemini, api-key: k, auth: {type: oauth2, grant: client-credentials, token-url: 'https://u:hunter2@id', client-id: i, client-auth: basic, refresh-token: r}}\n\
             - {preset: openai, auth: {type: bearer}, fallback-base-urls: [x, 'https://a', 'https://a', 'https://api.openai.com']}\n\
             - {preset: anthropic}\n\
             - {preset: nothing}\n\
             - {name: b, auth: {type: magic, grant: password, user: x}}\n\
             openai-api-key: [{api-key: k, auth: {type: bearer}}]",
            &[
                "accounts[5].auth.user: unknown key",
                "accounts[5].auth.type: must be one of api-key, bearer, oauth2",
                "accounts[5].auth.grant: must be one of refresh-token, client-credentials",
                "openai-api-key[0].auth: is only for entries of `accounts`",
                "accounts[0].auth.token-url: must start with https:// (http:// only for this machine)",
                "accounts[0].auth.scopes[0]: must be one scope, without spaces and quotes",
                "accounts[0].auth.client-id: is required",
                "accounts[0].auth.refresh-token: is required with `grant: refresh-token`",
                "accounts[0].auth.grant: refresh-token needs `secret-keys`: the tokens that providers give in its place are stored encrypted",
                "accounts[0].project: is required for `preset: antigravity`",
                "accounts[1].api-key: must be left out with `type: oauth2`",
                "accounts[1].name: is required with `type: oauth2`: tokens are stored under it",
                "accounts[1].auth.token-url: must not have a user, a password or a fragment",
                "accounts[1].auth.client-secret: is required with `client-auth: basic`",
                "accounts[1].auth.client-secret: is required with `grant: client-credentials`",
                "accounts[1].auth.refresh-token: is only for `grant: refresh-token`",
                "accounts[2].api-key: is empty",
                "accounts[2].fallback-base-urls[0]: must start with http:// or https://",
                "accounts[2].fallback-base-urls[2]: is there twice",
                "accounts[2].fallback-base-urls[3]: is there twice",
                "accounts[3].api-key: is empty",
                "accounts[4].preset: no preset has this name",
                "accounts[5].base-url: is required, because there is no preset that knows it",
            ],
        ),
        // What is not built yet.
        (
            "translation: {n-fanout: true}\n\
             database-url: 'mysql://x'\nredis-url: x\nredis-prefix: 'a b'\nusage: {spool: ''}\n\
             routing: {session-affinity: true}",
            &[
                "translation.n-fanout: not available in this version",
                "database-url: needs the name of a database, as in mysql://user:password@host/ai_proxy",
                "usage.spool: needs a path, as in sqlite:data/ai-proxy.db",
                "redis-prefix: must be at most 64 ASCII characters without spaces",
                "redis-url: must begin with redis://, rediss:// or unix://",
            ],
        ),
    ];
    for (text, want) in cases {
        assert_eq!(errors(text), *want, "{text}");
    }
}

#[test]
fn accounts_prove_who_they_are_in_several_ways() {
    let environment = Fake::default().file("/run/rt", "rt-canary\n");
    let config = environment
        .load(&format!(
            "secret-keys: ['{SECRET_KEY}']\naccounts:\n\
             - {{name: assist, preset: antigravity, base-url: 'https://a', fallback-base-urls: ['https://b/x/'], project: p,\n\
             \x20  auth: {{type: oauth2, token-url: 'https://id/t', client-id: i, client-secret: s, scopes: [a, b], refresh-token: 'file:/run/rt'}}}}\n\
             - {{name: machine, preset: openai, auth: {{type: oauth2, grant: client-credentials, client-auth: basic, token-url: 'https://id/t', client-id: i, client-secret: s}}}}\n\
             - {{preset: anthropic, api-key: k, auth: {{type: bearer}}}}\n\
             - {{preset: anthropic, api-key: k2}}\n\
             - {{base-url: 'http://local'}}"
        ))
        .unwrap();
    let [assist, machine, bearer, plain, local] = &config.accounts[..] else {
        panic!("{:?}", config.accounts);
    };
    let oauth = assist.oauth.as_ref().unwrap();
    assert_eq!((&*oauth.client_id, &*oauth.scopes), ("i", "a b"));
    assert_eq!(oauth.grant, Grant::RefreshToken(Secret::new("rt-canary")));
    assert_eq!(assist.fallbacks[0].to_url(), "https://b/x");
    assert!(!assist.is_for_client_keys_only());
    let other = machine.oauth.as_ref().unwrap();
    assert_eq!(other.grant, Grant::ClientCredentials);
    assert_ne!((oauth.id, assist.id), (other.id, machine.id));
    assert!(!format!("{:?}", config).contains("canary"));
    let headers = [bearer, plain, local].map(|account| account.key_header);
    assert_eq!(
        headers,
        [KeyHeader::Bearer, KeyHeader::XApiKey, KeyHeader::Bearer]
    );
    assert!([bearer, plain, local].iter().all(|one| one.oauth.is_none()));
}

#[test]
fn errors_of_form_and_of_meaning_come_together() {
    assert_eq!(
        errors(
            "prot: 1\nport: x\nhost: example.com\nopenai-compatibility: [{base-url: 5}, {name: a}]"
        ),
        [
            "prot: unknown key; did you mean `port`?",
            "port: must be a whole number from 0 to 65535, not text",
            "openai-compatibility[0].base-url: must be text, not a number; put it in quotes",
            "openai-compatibility[1].base-url: is required, because there is no preset that knows it",
            "host: must be an IP address or localhost",
        ]
    );
}

#[test]
fn a_syntax_error_has_a_line_and_a_missing_file_its_name() {
    let error = errors("port: 1\nhost: [\n");
    assert!(
        error[0].starts_with("config.yaml: not valid YAML at line "),
        "{error:?}"
    );
    let missing = Source::File("nowhere.yaml".into());
    let error = load(&missing, &Fake::default(), &Overrides::default()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "nowhere.yaml: cannot be read: entity not found"
    );
}

#[test]
fn no_error_repeats_a_secret() {
    for text in [
        "api-keys: hunter2",
        "api-keys: {hunter2: 1, hunter2-and-a-very-long-tail-behind-it: 2}",
        "api-keys: [[hunter2]]",
        "api-keys: ['sha256:hunter2', '${hunter2', 'a${B}hunter2']",
        "proxy-url: 'socks5://user:hunter2@'",
        "proxy-url: 'ftp://user:hunter2@host'",
        "proxy-url: ['hunter2']",
        "claude-api-key: hunter2",
        "claude-api-key: [hunter2]",
        "claude-api-key: [{api-key: {a: hunter2}}]",
        "claude-api-key: [{api-key: 'hunter2 hunter2'}]",
        "claude-api-key: [{api-key: k, base-url: 'https://u:hunter2@ x'}]",
        "claude-api-key: [{api-key: k, base-url: 'https://x/?key=hunter2'}]",
        "claude-api-key: [{api-key: k, base-url: 'hunter2'}]",
        "claude-api-key: [{api-key: k, headers: {x: \"hunter2\\n\\0\"}}]",
        "claude-api-key: [{api-key: k, wire-api: hunter2}]",
        "claude-api-key: [{api-key: k, weight: hunter2}]",
        "log-level: hunter2",
        "max-body-size: hunter2",
        "redis-url: 'redis://:hunter2@x/y'\ndatabase-url: 'mysql://u:hunter2@x'\nadmin: {key: hunter2}",
    ] {
        let errors = Fake::default().load(text).map(|_| ()).unwrap_err();
        // A short unknown key is shown: it has to be, to be found.
        let shown = format!("{errors} {errors:?}").replace("api-keys.hunter2:", "");
        let shown = shown.replace("\"api-keys.hunter2\"", "");
        assert!(!shown.contains("hunter2"), "{text}: {shown}");
    }
}

#[test]
fn no_config_prints_a_secret() {
    let config = config(
        "api-keys: [hunter2-client-key-0123456789]\nproxy-url: 'http://user:hunter2@proxy'\n\
         claude-api-key: [{api-key: sk-hunter2-0123456789, headers: {x-secret: hunter2}}]",
    );
    let shown = format!("{config:?} {config:#?}");
    assert!(!shown.contains("hunter2"), "{shown}");
    assert!(shown.contains("sk-…6789"), "{shown}");
}

#[test]
fn a_secret_comes_from_a_literal_a_variable_or_a_file() {
    let environment = Fake::default()
        .set("THE_KEY", " from-variable\n")
        .set(
            "TEAM",
            "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        )
        .set("PROXY", "socks5://u:p@proxy")
        .file("/run/key", "from-file\n");
    let config = environment
        .load(
            "api-keys: ['${TEAM}', 'file:/run/key']\nproxy-url: '${PROXY}'\n\
             claude-api-key: [{api-key: literal}, {api-key: '${THE_KEY}'}, {api-key: 'file:/run/key'}]",
        )
        .unwrap();
    let keys: Vec<_> = config
        .accounts
        .iter()
        .map(|account| account.key.expose())
        .collect();
    assert_eq!(keys, ["literal", "from-variable", "from-file"]);
    assert_eq!(config.clients[0].hash, KeyHash::of(b"abc"));
    assert_eq!(config.clients[1].hash, KeyHash::of(b"from-file"));
    let proxy = config.accounts[0].proxy.clone().unwrap();
    assert_eq!((proxy.scheme, &*proxy.host), (ProxyScheme::Socks5, "proxy"));
}

#[test]
fn an_entry_has_all_its_keys() {
    let account = account(
        "timeouts: {total: 60}\nopenai-compatibility:\n- name: mine\n  preset: deepseek\n  api-key: k\n  \
         base-url: 'https://eu.deepseek.com/v1/'\n  prefix: /ds\n  \
         models: [plain, {id: a, alias: b}, {name: c}]\n  excluded-models: ['*-old']\n  \
         headers: {X-Fixed: v, x-copied: $X-Client}\n  wire-api: responses\n  tags: {team: core}\n  \
         weight: 7\n  priority: -2\n  timeouts: {connect: 0.5}",
    );
    assert_eq!(&*account.name, "mine");
    assert_eq!(account.preset.name, "deepseek");
    assert_eq!(
        account.providers,
        ["deepseek", "mine"].map(Box::<str>::from)
    );
    assert_eq!(account.formats, [Format::OpenAiResponses]);
    assert_eq!(account.base.to_url(), "https://eu.deepseek.com/v1");
    assert_eq!(account.prefix.as_deref(), Some("ds/"));
    let models: Vec<_> = account.models.iter().map(|m| (&*m.id, &*m.alias)).collect();
    assert_eq!(models, [("plain", "plain"), ("a", "b"), ("c", "c")]);
    assert!(account.excluded[0].matches("x-old"));
    assert_eq!(account.headers[0].0, "x-fixed");
    assert_eq!(
        account.headers[0].1,
        HeaderSource::Fixed("v".parse().unwrap())
    );
    assert_eq!(
        account.headers[1].1,
        HeaderSource::Client("x-client".parse().unwrap())
    );
    assert_eq!(account.tags["team"], "core");
    assert_eq!((account.weight, account.priority), (7, -2));
    assert_eq!(account.timeouts.connect, Duration::from_millis(500));
    assert_eq!(account.timeouts.total, Duration::from_secs(60));
    assert_eq!(account.timeouts.idle, Duration::from_secs(120));
}

#[test]
fn each_list_has_its_provider() {
    let config = config(
        "claude-api-key: [{api-key: k}]\nopenai-api-key: [{api-key: k}, {api-key: l, wire-api: chat}]\n\
         gemini-api-key: [{api-key: k, name: mine}]\n\
         openai-compatibility: [{preset: ollama}, {base-url: 'http://x'}, {base-url: 'http://y', name: y}]",
    );
    let shown: Vec<_> = config
        .accounts
        .iter()
        .map(|a| {
            format!(
                "{} {:?} {} {:?}",
                a.name,
                a.providers,
                a.base.to_url(),
                a.formats
            )
        })
        .collect();
    assert_eq!(
        shown,
        [
            r#"anthropic-1 ["anthropic"] https://api.anthropic.com [Claude]"#,
            r#"openai-1 ["openai"] https://api.openai.com [OpenAiChat, OpenAiResponses]"#,
            r#"openai-2 ["openai"] https://api.openai.com [OpenAiChat]"#,
            r#"mine ["gemini", "mine"] https://generativelanguage.googleapis.com [Gemini]"#,
            r#"ollama-1 ["ollama"] http://127.0.0.1:11434/v1 [OpenAiChat]"#,
            r#"openai-compatibility-1 ["openai-compatibility"] http://x [OpenAiChat]"#,
            r#"y ["y"] http://y [OpenAiChat]"#,
        ]
    );
}

#[test]
fn a_default_name_gives_way_to_the_operators_own() {
    let config = config("claude-api-key: [{api-key: a}, {api-key: b, name: anthropic-1}]");
    let names: Vec<_> = config
        .accounts
        .iter()
        .map(|account| &*account.name)
        .collect();
    assert_eq!(names, ["anthropic-2", "anthropic-1"]);
}

#[test]
fn an_account_keeps_its_id_while_its_provider_address_key_and_name_stay() {
    let id = |entry: &str| account(&format!("claude-api-key: [{entry}]")).id;
    let first = id("{api-key: k}");
    assert_eq!(
        id("{api-key: k, weight: 5, models: [m], proxy-url: 'http://p'}"),
        first
    );
    assert_eq!(
        id("{api-key: k, base-url: 'https://api.anthropic.com/'}"),
        first
    );
    assert_ne!(id("{api-key: l}"), first);
    assert_ne!(id("{api-key: k, name: n}"), first);
    assert_ne!(id("{api-key: k, base-url: 'https://other'}"), first);
    let moved = config("claude-api-key: [{api-key: x}, {api-key: k}]");
    assert_eq!(moved.accounts[1].id, first);
}

#[test]
fn a_disabled_entry_is_left_out() {
    let config = config("claude-api-key: [{api-key: a, disabled: true}, {api-key: a}]");
    assert_eq!(config.accounts.len(), 1);
    assert_eq!(&*config.accounts[0].name, "anthropic-2");
}

#[test]
fn an_entry_without_a_proxy_takes_the_global_one_unless_it_says_direct() {
    let config = config(
        "proxy-url: 'http://global'\nclaude-api-key: [{api-key: a}, {api-key: b, proxy-url: ''}, \
         {api-key: c, proxy-url: direct}, {api-key: d, proxy-url: none}, {api-key: e, proxy-url: 'socks5h://own'}]",
    );
    let proxies: Vec<_> = config
        .accounts
        .iter()
        .map(|account| account.proxy.as_ref().map(ToString::to_string))
        .collect();
    let want = [
        Some("http://global:80"),
        None,
        None,
        None,
        Some("socks5h://own:1080"),
    ];
    assert_eq!(proxies, want.map(|proxy| proxy.map(str::to_owned)));
}

#[test]
fn client_keys_are_kept_as_hashes_with_what_they_may_do() {
    let config = config(
        "api-keys: [plain, {key: other, name: team-a, tags: {project: search}, models: ['claude-*']}]",
    );
    assert_eq!(config.clients[0].hash, KeyHash::of(b"plain"));
    assert_eq!(&*config.clients[0].name, "key-1");
    assert_eq!(&*config.clients[1].name, "team-a");
    assert_eq!(config.clients[1].tags["project"], "search");
    assert!(config.clients[1].models[0].matches("claude-x"));
    assert!(!config.allow_anonymous);
}

#[test]
fn routes_name_providers_presets_and_entries() {
    let config = config(
        "openai-compatibility: [{name: local, base-url: 'http://127.0.0.1:1'}]\n\
         routes: [{model: 'claude-*', providers: [claude, local, groq], models: [a, b]}]",
    );
    assert!(config.routes[0].model.matches("claude-x"));
    assert_eq!(config.routes[0].providers, ["anthropic", "local", "groq"]);
    assert_eq!(config.routes[0].models, ["a", "b"]);
}

#[test]
fn a_flag_wins_over_the_environment_and_that_over_the_file() {
    let file = "host: 10.0.0.1\nport: 1\nlog-level: warn\nallow-anonymous: true";
    let fallback = Fake::default().set("HOST", "10.0.0.2").set("PORT", "2");
    let named = fallback
        .clone()
        .set("AI_PROXY_HOST", "10.0.0.3")
        .set("AI_PROXY_PORT", "3")
        .set("AI_PROXY_LOG_LEVEL", "debug");
    let flags = Overrides {
        host: Some("::1".to_owned()),
        port: Some(4),
        log_level: Some(log::LevelFilter::Trace),
    };
    let none = Overrides::default();
    for (environment, overrides, address, level) in [
        (
            &Fake::default(),
            &none,
            "10.0.0.1:1",
            log::LevelFilter::Warn,
        ),
        (&fallback, &none, "10.0.0.2:2", log::LevelFilter::Warn),
        (&named, &none, "10.0.0.3:3", log::LevelFilter::Debug),
        (&named, &flags, "[::1]:4", log::LevelFilter::Trace),
    ] {
        let config = environment.load_with(file, overrides).unwrap();
        assert_eq!(config.listen.address.to_string(), address);
        assert_eq!(config.log.level, level);
    }
}

#[test]
fn variables_that_were_not_meant_for_us_are_passed_over() {
    let environment = Fake::default()
        .set("HOST", "my-laptop")
        .set("AI_PROXY_PORT", "tcp://10.0.0.7:8317")
        .set("AI_PROXY_HOST", "");
    let config = environment.load("allow-anonymous: true").unwrap();
    assert_eq!(config.listen.address.to_string(), "0.0.0.0:8317");
}

#[test]
fn a_bad_variable_or_flag_is_reported_by_its_name() {
    let environment = Fake::default()
        .set("AI_PROXY_HOST", "nowhere.example")
        .set("AI_PROXY_PORT", "70000")
        .set("AI_PROXY_LOG_LEVEL", "loud");
    let errors = environment.load("").unwrap_err().to_string();
    assert_eq!(
        errors,
        "AI_PROXY_HOST: must be an IP address or localhost\n\
         AI_PROXY_PORT: must be a whole number from 0 to 65535\n\
         AI_PROXY_LOG_LEVEL: must be one of error, warn, info, debug, trace, off"
    );
    let overrides = Overrides {
        host: Some("nowhere".to_owned()),
        ..Overrides::default()
    };
    let errors = Fake::default().load_with("", &overrides).unwrap_err();
    assert_eq!(
        errors.to_string(),
        "--host: must be an IP address or localhost"
    );
}

#[test]
fn without_client_keys_only_this_host_may_connect() {
    for (text, address, narrowed) in [
        ("", "127.0.0.1:8317", true),
        ("host: '::'", "127.0.0.1:8317", true),
        ("host: 127.0.0.2", "127.0.0.2:8317", false),
        ("host: '::1'", "[::1]:8317", false),
        ("host: localhost", "127.0.0.1:8317", false),
        ("allow-anonymous: true", "0.0.0.0:8317", false),
        ("api-keys: [k]", "0.0.0.0:8317", false),
    ] {
        let listen = config(text).listen;
        assert_eq!(listen.address.to_string(), address, "{text}");
        assert_eq!(listen.narrowed, narrowed, "{text}");
    }
}

#[test]
fn the_config_is_searched_for_in_order() {
    let here = Fake::default().file("config.yaml", "");
    let named = here.clone().set("AI_PROXY_CONFIG", "/etc/a.yaml");
    let flag = Some(PathBuf::from("b.yaml"));
    assert_eq!(Source::find(flag, &named), Source::File("b.yaml".into()));
    assert_eq!(
        Source::find(None, &named),
        Source::File("/etc/a.yaml".into())
    );
    assert_eq!(
        Source::find(None, &here),
        Source::File("config.yaml".into())
    );
    assert_eq!(Source::find(None, &Fake::default()), Source::Variables);
}

#[test]
fn without_a_file_every_provider_whose_variable_is_set_is_used() {
    let environment = Fake::default()
        .set("GOOGLE_API_KEY", "g")
        .set("ANTHROPIC_API_KEY", "a")
        .set("OPENAI_API_KEY", " ");
    let config = load(&Source::Variables, &environment, &Overrides::default()).unwrap();
    let accounts: Vec<_> = config
        .accounts
        .iter()
        .map(|account| (&*account.name, account.key.expose()))
        .collect();
    assert_eq!(accounts, [("anthropic-1", "a"), ("gemini-1", "g")]);
    assert!(config.listen.narrowed);
    assert_eq!(config.files, Files::default());
}

#[test]
fn without_a_file_or_a_variable_the_ways_to_start_are_named() {
    let nothing = load(&Source::Variables, &Fake::default(), &Overrides::default());
    let message = nothing.unwrap_err().to_string();
    for way in [
        "config.yaml",
        "OPENAI_API_KEY, ANTHROPIC_API_KEY or GEMINI_API_KEY",
        "`ai-proxy demo`",
    ] {
        assert!(message.contains(way), "{message}");
    }
}

const SECRET_KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const EXAMPLE: &str = include_str!("../../config.example.yaml");

#[test]
fn the_example_is_a_valid_config() {
    let environment = Fake::default()
        .set("ANTHROPIC_API_KEY", "a")
        .set("DEEPSEEK_API_KEY", "d")
        .set("AI_PROXY_SECRET_KEY", SECRET_KEY)
        .set("ASSIST_CLIENT_ID", "i")
        .set("ASSIST_CLIENT_SECRET", "s")
        .set("ASSIST_REFRESH_TOKEN", "r");
    let config = environment.load(EXAMPLE).unwrap();
    assert_eq!(config.accounts.len(), 3);
    assert_eq!(config.routes.len(), 1);
}

#[test]
fn the_example_has_every_key_with_its_default() {
    let tree = schema::tree();
    let example = yaml::parse(EXAMPLE).unwrap();
    let mut missing = Vec::new();
    compare(&tree, &tree, &[&example], "", &mut missing);
    assert_eq!(missing, Vec::<String>::new());
}

/// Looks for each key of `schema` in one of `nodes`, and for its default unless it is a list or map,
/// of which the example shows items.
fn compare(
    root: &serde_json::Value,
    schema: &serde_json::Value,
    nodes: &[&tree::Node],
    path: &str,
    missing: &mut Vec<String>,
) {
    let schema = match schema["$ref"].as_str() {
        Some(reference) => root.pointer(&reference[1..]).unwrap(),
        None => schema,
    };
    for alternative in schema["anyOf"].as_array().into_iter().flatten() {
        compare(root, alternative, nodes, path, missing);
    }
    for (key, below) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}.{key}");
        let mut found: Vec<_> = nodes.iter().filter_map(|node| child(node, key)).collect();
        // What other lists do not have is shown there.
        if path == ".claude-api-key" {
            found.extend(nodes.iter().filter_map(|node| child(node, "accounts")));
        }
        if found.is_empty() && !path.starts_with(".api-keys") {
            missing.push(path.clone());
            continue;
        }
        let in_list = path.contains("[]");
        let default = &below["default"];
        if !in_list && !default.is_object() && !default.is_array() && !is(found[0], default) {
            missing.push(format!("{path} = {default}"));
        }
        compare(root, below, &found, &path, missing);
    }
    if let Some(below) = schema.get("items") {
        let items: Vec<_> = nodes
            .iter()
            .filter_map(|node| match node {
                tree::Node::List(items) => Some(items),
                _ => None,
            })
            .flatten()
            .collect();
        // The other provider lists show nothing that these two do not; nor do the lists of rules.
        let again = path.starts_with(".openai")
            || path.starts_with(".accounts")
            || (path.starts_with(".payload.") && !path.starts_with(".payload.default[]"));
        if !items.is_empty() && (!again || path.matches('.').count() == 2) {
            compare(root, below, &items, &format!("{path}[]"), missing);
        }
    }
}

fn child<'a>(node: &'a tree::Node, key: &str) -> Option<&'a tree::Node> {
    match node {
        tree::Node::Map(entries) => {
            let entry = entries.iter().find(|(name, _)| name == key)?;
            Some(&entry.1)
        }
        _ => None,
    }
}

fn is(node: &tree::Node, default: &serde_json::Value) -> bool {
    match node {
        tree::Node::Null => default.is_null(),
        tree::Node::Bool(bool) => default == bool,
        tree::Node::Unsigned(number) => default == number,
        tree::Node::Text(text) => default == text,
        _ => false,
    }
}

#[test]
fn a_file_cut_off_anywhere_is_answered() {
    let environment = Fake::default();
    for (end, _) in EXAMPLE.char_indices().step_by(7) {
        // A config or errors, but no panic.
        let _ = environment.load(&EXAMPLE[..end]);
    }
}

proptest::proptest! {
    #[test]
    fn any_text_is_answered(text in "(port|api-keys|routes|- |: |[-:,\\[\\]{}&*!#'\"|>.<%@` \n0-9a-c\u{e9}\t\r]){0,60}") {
        let _ = Fake::default().load(&text);
    }
}

#[test]
fn the_schema_is_json_that_knows_every_list() {
    let schema: serde_json::Value = serde_json::from_str(&schema()).unwrap();
    for list in ["claude-api-key", "openai-compatibility"] {
        assert_eq!(schema["properties"][list]["items"]["$ref"], "#/$defs/Entry");
    }
    assert_eq!(schema["additionalProperties"], false);
    assert_eq!(schema["properties"]["port"]["default"], 8317);
}

/// A panic may print anything that has a `Debug`.
#[test]
fn a_config_prints_no_secret() {
    let fake = Fake::default().set("KEY", "sk-hunter2-of-a-variable");
    let config = fake
        .load(
            "api-keys: [hunter2-client, {key: hunter2-other, name: n}]\nadmin: {key: hunter2-admin}\n\
             proxy-url: 'http://u:hunter2@proxy'\n\
             claude-api-key: [{api-key: '${KEY}', headers: {x: hunter2, authorization: 'Bearer hunter2'}}]\n\
             openai-api-key: [{api-key: sk-hunter2-in-clear, proxy-url: 'socks5://hunter2:hunter2@proxy'}]\n",
        )
        .unwrap();
    let shown = format!("{config:?} {config:#?} {:?}", config.accounts[0].clone());
    assert!(
        shown.contains("sk-…able") && !shown.contains("hunter2"),
        "{shown}"
    );
}

/// A certificate and its key, as PEM.
fn identity() -> (String, String) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    (made.cert.pem(), made.signing_key.serialize_pem())
}

#[test]
fn tls_has_a_certificate_with_its_key() {
    let ((cert, key), (_, other)) = (identity(), identity());
    let chain = format!("{cert}{cert}");
    let both = format!("{key}{cert}");
    let garbled = cert.replacen("MII", "!!!", 1);
    let broken = "-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n";
    let no_key = "-----BEGIN PRIVATE KEY-----\naGVsbG8=\n-----END PRIVATE KEY-----\n";
    let locked = key.replace("PRIVATE", "ENCRYPTED PRIVATE");
    let cases: &[(&str, &str, Option<&str>, &[&str])] = &[
        (&cert, &key, None, &[]),
        (&chain, &key, Some(&cert), &[]),
        (&both, &both, None, &[]),
        (
            &cert,
            &other,
            None,
            &["tls.key: does not belong to the certificate in tls.cert"],
        ),
        (
            "",
            "",
            Some(""),
            &[
                "tls.cert: holds no PEM certificates",
                "tls.key: holds no PEM private key that is not encrypted",
                "tls.client-ca: holds no PEM certificates",
            ],
        ),
        (
            &garbled,
            &locked,
            Some(&key),
            &[
                "tls.cert: is not a PEM file",
                "tls.key: holds no PEM private key that is not encrypted",
                "tls.client-ca: holds no PEM certificates",
            ],
        ),
        (
            broken,
            &key,
            Some(broken),
            &[
                "tls.client-ca: holds a certificate that cannot be a root",
                "tls.cert: begins with something that is no X.509 certificate",
            ],
        ),
        (
            &cert,
            no_key,
            None,
            &["tls.key: is not a key that TLS can use"],
        ),
    ];
    for (cert, key, ca, want) in cases {
        let mut environment = Fake::default()
            .file("server.pem", cert)
            .file("server.key", key);
        let mut text = "tls: {enable: true}".to_owned();
        if let Some(ca) = ca {
            environment = environment.file("/ca.pem", ca);
            text = "tls: {enable: true, client-ca: /ca.pem}".to_owned();
        }
        let said = match environment.load(&text) {
            Ok(config) => {
                assert!(config.tls.is_some());
                String::new()
            }
            Err(errors) => errors.to_string(),
        };
        assert_eq!(said.lines().collect::<Vec<_>>(), *want);
        assert!(
            environment
                .load("tls: {cert: /none}")
                .unwrap()
                .tls
                .is_none()
        );
    }
}

#[test]
fn what_a_config_was_made_from_is_known_also_when_it_fails() {
    let environment = Fake::default().file("key", "sk-1");
    let text = "api-keys: ['file:key']\ntls: {enable: true}";
    let environment = environment.file("config.yaml", text);
    let source = Source::File("config.yaml".into());
    let load = |environment: &Fake| load::load_from(&source, environment, &Overrides::default());
    let (state, files) = load(&environment);
    assert!(state.is_err());
    assert_eq!(files.now(&environment), files);
    for changed in ["config.yaml", "key", "server.pem", "server.key"] {
        let changed = environment.clone().file(changed, "other");
        assert_ne!(files.now(&changed), files);
    }
    let unrelated = environment.file("other", "other");
    assert_eq!(files.now(&unrelated), files);
}

#[test]
fn a_price_is_read_to_its_last_digit_however_it_is_written() {
    let read = config(
        "prices:\n- {model: a*, input: 0.075, output: '0.30', cache-write-1h: 1, tiers: [{above: 100, output: 7}]}\n\
         - {model: b, provider: claude, request: 0.000000001}",
    );
    let [first, second, ..] = read.prices.rows() else {
        panic!("no rows");
    };
    let rates = &first.price.rates;
    assert_eq!(rates.input.nano(), 75_000_000);
    assert_eq!(rates.output.nano(), 300_000_000);
    assert_eq!(rates.cache_write.nano(), 75_000_000);
    assert_eq!(rates.cache_write_long.nano(), 1_000_000_000);
    let long = &first.price.tiers[0];
    assert_eq!((long.above, long.rates.output.nano()), (100, 7_000_000_000));
    assert_eq!(long.rates.input.nano(), 75_000_000);
    assert_eq!(second.provider.as_deref(), Some("anthropic"));
    assert_eq!(second.price.request.nano(), 1);
    // Every number with up to nine decimals that YAML's reader makes a float of is found again.
    for nano in (1..1_000_000_000_000_000_u64).step_by(7_777_777_777_777) {
        let text = format!("{}.{:09}", nano / 1_000_000_000, nano % 1_000_000_000);
        let config = config(&format!("prices: [{{model: a, input: {text}}}]"));
        assert_eq!(
            config.prices.rows()[0].price.rates.input.nano(),
            nano,
            "{text}"
        );
    }
}
