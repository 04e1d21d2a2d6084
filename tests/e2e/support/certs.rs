//! A certificate authority per test.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tempfile::TempDir;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};

/// The protocols offered in a handshake.
pub type Alpn = &'static [&'static str];

/// HTTP/2, else HTTP/1.1.
pub const H2_OR_HTTP1: Alpn = &["h2", "http/1.1"];
/// HTTP/1.1 only.
pub const HTTP1: Alpn = &["http/1.1"];

/// Signs the certificates of a test's servers.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    directory: TempDir,
}

impl Authority {
    /// A new authority, trusted by nobody yet.
    pub fn new() -> Arc<Self> {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(DnType::CommonName, "end-to-end tests");
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let directory = TempDir::new().unwrap();
        fs::write(directory.path().join("ca.pem"), issuer.pem()).unwrap();
        Arc::new(Self { issuer, directory })
    }

    /// The root certificate's file, for `upstream-ca`.
    pub fn ca_pem(&self) -> PathBuf {
        self.directory.path().join("ca.pem")
    }

    /// Files of a certificate for these names and of its key, for `tls.cert` and `tls.key`.
    pub fn issue(&self, names: &[&str]) -> (PathBuf, PathBuf) {
        let (leaf, key) = self.leaf(names);
        let file = |name: &str, pem: String| {
            let path = self.directory.path().join(format!("{}.{name}", names[0]));
            fs::write(&path, pem).unwrap();
            path
        };
        (
            file("cert.pem", leaf.pem()),
            file("key.pem", key.serialize_pem()),
        )
    }

    /// A server with a certificate for these names.
    pub fn server(&self, names: &[&str], alpn: Alpn) -> Arc<ServerConfig> {
        let (leaf, key) = self.leaf(names);
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![leaf.der().clone()], key)
            .unwrap();
        config.alpn_protocols = protocols(alpn);
        Arc::new(config)
    }

    /// A client that trusts only this authority.
    pub fn client(&self, alpn: Alpn) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).unwrap();
        let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = protocols(alpn);
        Arc::new(config)
    }

    /// The same with a certificate that `own` has signed, for servers that ask for one; with TLS 1.2
    /// only if `old` says so.
    pub fn client_of(&self, own: &Self, old: bool) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).unwrap();
        let (leaf, key) = own.leaf(&["client.example"]);
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let versions: &[_] = if old { &[&TLS12] } else { &[&TLS13] };
        let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots)
            .with_client_auth_cert(vec![leaf.der().clone()], key)
            .unwrap();
        Arc::new(config)
    }

    /// The root certificate's text.
    pub fn ca_text(&self) -> String {
        self.issuer.pem()
    }

    /// A certificate for `localhost` and its key, as text.
    pub fn localhost(&self) -> (String, String) {
        let (leaf, key) = self.leaf(&["localhost"]);
        (leaf.pem(), key.serialize_pem())
    }

    /// Where the files are.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    fn leaf(&self, names: &[&str]) -> (rcgen::Certificate, KeyPair) {
        let names: Vec<String> = names.iter().map(|&name| name.into()).collect();
        let key = KeyPair::generate().unwrap();
        let leaf = CertificateParams::new(names)
            .unwrap()
            .signed_by(&key, &self.issuer)
            .unwrap();
        (leaf, key)
    }
}

fn protocols(alpn: Alpn) -> Vec<Vec<u8>> {
    alpn.iter().map(|it| it.as_bytes().to_vec()).collect()
}
