//! Who the S3 backend says it is: AWS's default chain, without a secret in a file of ours.
//!
//! The chain reads the environment, which a test can only set for another process: so each test runs this binary again, and
//! the child does the talking.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::process::{Command, Output};
use std::thread;

use store::s3::{Credentials, Settings};
use store::{Kind, Mode};
use tidegate_tests::s3::{ACCESS_KEY, SECRET_KEY, Server};

use super::{key, s3, s3proxy, text};

/// Runs [`child`] with nothing of AWS in its environment but `env`.
fn run_child(env: &[(&str, &str)]) -> Output {
    let settings = s3proxy().bucket().unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "credentials::child", "--ignored", "--nocapture"]);
    let aws = std::env::vars().map(|(name, _)| name).filter(|name| name.starts_with("AWS_"));
    aws.for_each(|name| _ = child.env_remove(name));
    child.env("CHILD_BUCKET", settings.bucket).env("CHILD_ENDPOINT", settings.endpoint.unwrap());
    child.env("HOME", "/nonexistent").env("AWS_EC2_METADATA_DISABLED", "true");
    child.envs(env.iter().copied()).output().unwrap()
}

fn said(output: &Output) -> String {
    [&output.stdout[..], &output.stderr[..]].map(String::from_utf8_lossy).concat()
}

#[tokio::test]
#[ignore = "the other tests run it in a process of its own"]
async fn child() {
    let (Ok(bucket), Ok(endpoint)) = (std::env::var("CHILD_BUCKET"), std::env::var("CHILD_ENDPOINT")) else {
        return;
    };
    let settings = Settings {
        bucket,
        prefix: None,
        region: "us-east-1".into(),
        endpoint: Some(endpoint),
        path_style: true,
        checksums: Default::default(),
        kms_key: None,
        credentials: Credentials::Chain,
        patience: Default::default(),
    };
    let put = s3(settings).await.put(&key("who"), text("am I"), Mode::Create).await;
    println!("outcome: {:?}", put.as_ref().map_err(|e| e.kind));
    println!("{put:?}");
}

#[test]
fn keys_in_the_environment_let_us_in() {
    let out = run_child(&Server::env());
    assert!(said(&out).contains("outcome: Ok(())"), "{}", said(&out));
}

#[test]
fn no_credentials_anywhere_is_denied() {
    let out = run_child(&[]);
    assert!(said(&out).contains(&format!("outcome: Err({:?})", Kind::Denied)), "{}", said(&out));
}

/// A service account on EKS: a token in a file, exchanged for keys at STS. The STS here is the test's own.
#[test]
fn a_web_identity_is_exchanged_for_keys_without_a_static_one() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let sts = thread::spawn(move || exchange(&listener));
    let tmp = tempfile::tempdir().unwrap();
    let token = tmp.path().join("token");
    fs::write(&token, "a-service-account").unwrap();
    let out = run_child(&[
        ("AWS_WEB_IDENTITY_TOKEN_FILE", token.to_str().unwrap()),
        ("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/tidegate"),
        ("AWS_ENDPOINT_URL_STS", &url),
        ("AWS_REGION", "us-east-1"),
    ]);
    assert!(said(&out).contains("outcome: Ok(())"), "{}", said(&out));
    assert!(sts.join().unwrap().contains("a-service-account"));
}

/// Answers one AssumeRoleWithWebIdentity; what was asked.
fn exchange(listener: &TcpListener) -> String {
    let (mut client, _) = listener.accept().unwrap();
    let mut asked = String::new();
    while !asked.contains("WebIdentityToken=") {
        let mut bytes = [0; 4096];
        let n = client.read(&mut bytes).unwrap();
        assert!(n > 0, "asked for something else: {asked}");
        asked += &String::from_utf8_lossy(&bytes[..n]);
    }
    let body = format!(
        "<AssumeRoleWithWebIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
         <AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>{ACCESS_KEY}</AccessKeyId>\
         <SecretAccessKey>{SECRET_KEY}</SecretAccessKey><SessionToken>t</SessionToken>\
         <Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleWithWebIdentityResult>\
         </AssumeRoleWithWebIdentityResponse>"
    );
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: text/xml\r\ncontent-length: {}\r\n\r\n", body.len());
    client.write_all((head + &body).as_bytes()).unwrap();
    asked
}
