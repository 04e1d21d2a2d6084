//! The certificates that providers are verified against: the system's, and the operator's extra ones.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use tempfile::NamedTempFile;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// Why roots cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum RootsError {
    /// The extra file cannot be read or holds no certificate.
    #[error("upstream-ca: {0}: {1}")]
    File(String, String),
    /// A file for Pingora cannot be written.
    #[error("cannot write the certificate bundle: {0}")]
    Bundle(#[from] std::io::Error),
    /// TLS cannot be set up at all.
    #[error("cannot set up TLS: {0}")]
    Tls(#[from] tokio_rustls::rustls::Error),
}

/// Trusted roots.
pub struct Roots {
    /// For connections that we make ourselves.
    pub client: Arc<ClientConfig>,
    /// For Pingora, which takes one file with all roots or the system's alone. Removed on drop.
    pub bundle: Option<NamedTempFile>,
}

impl Roots {
    /// The system's roots and those in the PEM file `extra`.
    pub fn load(extra: Option<&Path>) -> Result<Self, RootsError> {
        let system = rustls_native_certs::load_native_certs();
        for error in &system.errors {
            log::warn!("system certificates: {error}");
        }
        let extra = extra.map(read).transpose()?;
        let mut store = RootCertStore::empty();
        store.add_parsable_certificates(system.certs.iter().chain(extra.iter().flatten()).cloned());
        let client = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(store)
            .with_no_client_auth();
        let bundle = match &extra {
            None => None,
            Some(extra) => Some(write(system.certs.iter().chain(extra))?),
        };
        Ok(Self {
            client: Arc::new(client),
            bundle,
        })
    }
}

fn read(path: &Path) -> Result<Vec<CertificateDer<'static>>, RootsError> {
    let failed = |reason: String| RootsError::File(path.display().to_string(), reason);
    let certificates: Vec<_> = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|error| failed(error.to_string()))?;
    if certificates.is_empty() {
        return Err(failed("holds no certificate".to_owned()));
    }
    Ok(certificates)
}

fn write<'a>(
    certificates: impl Iterator<Item = &'a CertificateDer<'static>>,
) -> std::io::Result<NamedTempFile> {
    let mut file = tempfile::Builder::new()
        .prefix("ai-proxy-roots-")
        .suffix(".pem")
        .tempfile()?;
    for certificate in certificates {
        let text = BASE64_STANDARD.encode(certificate);
        writeln!(file, "-----BEGIN CERTIFICATE-----")?;
        for line in text.as_bytes().chunks(64) {
            file.write_all(line)?;
            writeln!(file)?;
        }
        writeln!(file, "-----END CERTIFICATE-----")?;
    }
    file.flush()?;
    Ok(file)
}
