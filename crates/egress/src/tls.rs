//! TLS: rustls with aws-lc-rs, and the system's certificate authorities beside private ones.
//!
//! The system's authorities are read when the first certificate is to be judged: parsing a hundred of them
//! takes longer than a whole scan that finds its layers in the cache, and plain HTTP to loopback needs none.

use std::sync::{Arc, OnceLock};

use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
};
use rustls_platform_verifier::Verifier;

use crate::error::EgressError;

/// The TLS settings of a client that also trusts these PEM bundles.
pub(crate) fn config(bundles: &[Vec<u8>]) -> Result<ClientConfig, EgressError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let extra = parse_bundles(bundles)?;
    let versions = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|e| EgressError::Config { what: "TLS", cause: Some(e.into()) })?;
    let verifier = LazyVerifier { provider, extra, inner: OnceLock::new() };
    let mut config =
        versions.dangerous().with_custom_certificate_verifier(Arc::new(verifier)).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

/// The certificates of PEM bundles; a bundle without any is a mistake.
fn parse_bundles(bundles: &[Vec<u8>]) -> Result<Vec<CertificateDer<'static>>, EgressError> {
    let error = |cause: String| EgressError::Config {
        what: "private certificate authority",
        cause: Some(cause.into()),
    };
    let mut certificates = Vec::new();
    let mut accepted = RootCertStore::empty();
    for bundle in bundles {
        let before = certificates.len();
        for certificate in CertificateDer::pem_slice_iter(bundle) {
            let certificate = certificate.map_err(|e| error(e.to_string()))?;
            accepted.add(certificate.clone()).map_err(|e| error(e.to_string()))?;
            certificates.push(certificate);
        }
        if certificates.len() == before {
            return Err(error("it holds no certificate in PEM form".to_owned()));
        }
    }
    Ok(certificates)
}

/// The platform's verifier, made when it is needed. Every decision is that verifier's.
#[derive(Debug)]
struct LazyVerifier {
    provider: Arc<CryptoProvider>,
    extra: Vec<CertificateDer<'static>>,
    inner: OnceLock<Option<Verifier>>,
}

impl LazyVerifier {
    fn inner(&self) -> Result<&Verifier, Error> {
        let made = self.inner.get_or_init(|| {
            let made = Verifier::new_with_extra_roots(self.extra.iter().cloned(), Arc::clone(&self.provider));
            made.inspect_err(|e| tracing::warn!(error = %e, "no certificate authorities could be read")).ok()
        });
        made.as_ref().ok_or(Error::InvalidCertificate(CertificateError::UnknownIssuer))
    }
}

impl ServerCertVerifier for LazyVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.inner()?.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_no_authorities_before_they_are_needed() {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let verifier = LazyVerifier { provider, extra: Vec::new(), inner: OnceLock::new() };
        assert!(!verifier.supported_verify_schemes().is_empty());
        assert!(verifier.inner.get().is_none());
        let name = ServerName::try_from("example.com").unwrap();
        let nonsense = CertificateDer::from(vec![0; 10]);
        assert!(verifier.verify_server_cert(&nonsense, &[], &name, &[], UnixTime::now()).is_err());
        assert!(verifier.inner.get().is_some());
    }
}
