//! The client: one TLS stack (rustls on ring), no retries of its own, the default chain of credentials.

use aws_config::BehaviorVersion;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{
    Builder, Credentials as Keys, Region, RequestChecksumCalculation, ResponseChecksumValidation,
    StalledStreamProtectionConfig,
};
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;

use super::settings::{Checksums, Credentials, Patience, Settings};

/// Sets a client up.
pub(super) async fn build(settings: &Settings) -> Client {
    let region = Region::new(settings.region.clone());
    let http =
        aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
    let base = match &settings.credentials {
        Credentials::Chain => {
            let chain =
                aws_config::defaults(BehaviorVersion::latest()).region(region).http_client(http.clone());
            Builder::from(&chain.load().await)
        }
        Credentials::Fixed { id, secret } => Builder::new()
            .behavior_version(BehaviorVersion::latest())
            .region(region)
            .credentials_provider(Keys::new(id, secret, None, None, "fixed")),
    };
    let base = base.http_client(http).force_path_style(settings.path_style);
    let base = base.retry_config(RetryConfig::disabled()).timeout_config(timeouts(settings.patience));
    // Our own: see `body.rs`. The SDK's ends slow but sound transfers.
    let base = base.stalled_stream_protection(StalledStreamProtectionConfig::disabled());
    let base = match &settings.endpoint {
        Some(url) => base.endpoint_url(url),
        None => base,
    };
    Client::from_conf(checksums(base, settings.checksums).build())
}

fn timeouts(patience: Patience) -> TimeoutConfig {
    TimeoutConfig::builder().connect_timeout(patience.connect).read_timeout(patience.answer).build()
}

fn checksums(base: Builder, when: Checksums) -> Builder {
    match when {
        Checksums::Always => base
            .request_checksum_calculation(RequestChecksumCalculation::WhenSupported)
            .response_checksum_validation(ResponseChecksumValidation::WhenSupported),
        Checksums::WhenRequired => base
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired),
    }
}
