//! TLS towards clients: three files in, a [`ServerConfig`] out that cannot fail later.

use std::sync::Arc;

use rustls_pki_types::pem::{Error as PemError, PemObject};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::server::danger::ClientCertVerifier;
use tokio_rustls::rustls::sign::{CertifiedKey, SingleCertAndKey};
use tokio_rustls::rustls::{Error, InconsistentKeys, RootCertStore, ServerConfig};

use super::Resolver;
use crate::config::file::Tls;

const CERT: &str = "tls.cert";
const KEY: &str = "tls.key";
const CLIENT_CA: &str = "tls.client-ca";

/// What the listener does with TLS; `None`: it speaks none. The files are not looked at then.
pub(super) fn tls(file: &Tls, resolver: &mut Resolver<'_>) -> Option<Arc<ServerConfig>> {
    if !file.enable {
        return None;
    }
    let provider = Arc::new(ring::default_provider());
    // All three are looked at, so that all errors come together.
    let chain = certificates(&file.cert, CERT, resolver);
    let key = key(&file.key, resolver);
    let verifier = verifier(file.client_ca.as_deref(), &provider, resolver);
    let identity = identity(chain?, key?, &provider, resolver)?;
    let builder = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| resolver.error("tls", error))
        .ok()?;
    let config = builder
        .with_client_cert_verifier(verifier?)
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(identity)));
    Some(Arc::new(config))
}

/// The certificates in the file at `path`, of which there is at least one.
fn certificates(
    path: &str,
    name: &str,
    resolver: &mut Resolver<'_>,
) -> Option<Vec<CertificateDer<'static>>> {
    let pem = read(path, name, resolver)?;
    match CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>() {
        Ok(certificates) if !certificates.is_empty() => Some(certificates),
        Ok(_) => {
            resolver.error(name, "holds no PEM certificates");
            None
        }
        Err(_) => {
            resolver.error(name, "is not a PEM file");
            None
        }
    }
}

fn key(path: &str, resolver: &mut Resolver<'_>) -> Option<PrivateKeyDer<'static>> {
    let pem = read(path, KEY, resolver)?;
    PrivateKeyDer::from_pem_slice(&pem)
        .map_err(|error| match error {
            PemError::NoItemsFound => {
                resolver.error(KEY, "holds no PEM private key that is not encrypted");
            }
            _ => resolver.error(KEY, "is not a PEM file"),
        })
        .ok()
}

fn read(path: &str, name: &str, resolver: &mut Resolver<'_>) -> Option<Vec<u8>> {
    let path = resolver.environment.locate(path.as_ref());
    resolver
        .environment
        .read(&path)
        .map_err(|error| resolver.error(name, format_args!("cannot be read: {error}")))
        .ok()
}

/// The certificate with its key, which have to belong together.
fn identity(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    provider: &CryptoProvider,
    resolver: &mut Resolver<'_>,
) -> Option<CertifiedKey> {
    let key = provider
        .key_provider
        .load_private_key(key)
        .map_err(|_| resolver.error(KEY, "is not a key that TLS can use"))
        .ok()?;
    let identity = CertifiedKey::new(chain, key);
    match identity.keys_match() {
        // A kind of key that does not tell cannot be compared.
        Ok(()) | Err(Error::InconsistentKeys(InconsistentKeys::Unknown)) => Some(identity),
        Err(Error::InconsistentKeys(_)) => {
            resolver.error(KEY, "does not belong to the certificate in tls.cert");
            None
        }
        Err(_) => {
            resolver.error(CERT, "begins with something that is no X.509 certificate");
            None
        }
    }
}

/// Who may connect: everybody, or who has a certificate that a root in the file at `path` has signed.
fn verifier(
    path: Option<&str>,
    provider: &Arc<CryptoProvider>,
    resolver: &mut Resolver<'_>,
) -> Option<Arc<dyn ClientCertVerifier>> {
    let Some(path) = path else {
        return Some(WebPkiClientVerifier::no_client_auth());
    };
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path, CLIENT_CA, resolver)? {
        if roots.add(certificate).is_err() {
            resolver.error(CLIENT_CA, "holds a certificate that cannot be a root");
            return None;
        }
    }
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
        .build()
        .map_err(|error| resolver.error(CLIENT_CA, error))
        .ok()
}
