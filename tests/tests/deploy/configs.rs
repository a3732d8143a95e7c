//! The files of deploy/: each parses, and each gateway's configuration in them is right.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tidegate_tests::gateway::binary_path;

use super::{at, files, read, yaml};

/// The findings of `tidegate check`, without those about files that are only there where it is deployed.
fn mistakes(file: &Path) -> Vec<Value> {
    let out = Command::new(binary_path().unwrap())
        .env("TIDEGATE_ADMIN_TOKEN", "a-token-of-the-tests")
        .args(["check", "-o", "json", "-c"])
        .arg(file)
        .output()
        .unwrap();
    let page: Value = serde_json::from_slice(&out.stdout)
        .unwrap_or_else(|e| panic!("{}: {e}: {}", file.display(), String::from_utf8_lossy(&out.stderr)));
    let findings = page["findings"].as_array().unwrap().iter().filter(|f| f["severity"] == "error").cloned();
    findings.filter(|f| !f["reason"].as_str().unwrap().starts_with("cannot read ")).collect()
}

#[test]
fn every_file_that_is_not_a_template_parses() {
    let mut parsed = 0;
    for path in files(&at("deploy")) {
        let name = path.to_string_lossy();
        match path.extension().and_then(|e| e.to_str()) {
            Some("json") => {
                drop(serde_json::from_str::<Value>(&read(&path)).unwrap_or_else(|e| panic!("{name}: {e}")))
            }
            Some("yaml" | "yml") if !name.contains("/templates/") => drop(yaml(&path)),
            _ => continue,
        }
        parsed += 1;
    }
    assert!(parsed >= 12, "{parsed} files");
}

#[test]
fn every_gateway_of_the_trial_has_a_file_without_mistakes() {
    let compose = &yaml(at("deploy/compose/compose.yaml"))[0]["services"];
    let mounted = compose
        .as_object()
        .unwrap()
        .values()
        .flat_map(|service| service["volumes"].as_array().into_iter().flatten());
    let mounted = mounted.filter_map(|v| v.as_str()?.split(':').next()?.strip_prefix("./gateway"));
    let all: Vec<_> = mounted.map(|rest| at("deploy/compose").join(format!("gateway{rest}"))).collect();
    assert_eq!(all.len(), 3);
    for file in all {
        assert_eq!(mistakes(&file), Vec::<Value>::new(), "{}", file.display());
    }
}

/// Helm isn't among what CI needs, so what it made of the chart is kept, and `make deploy-check` makes it anew.
#[test]
fn every_gateway_of_the_chart_has_a_file_without_mistakes() {
    let dir = tempfile::tempdir().unwrap();
    let mut checked = 0;
    for rendered in files(&at("deploy/helm/rendered")) {
        for resource in yaml(&rendered).iter().filter(|r| r["kind"] == "ConfigMap") {
            for (name, text) in resource["data"].as_object().unwrap() {
                let file = dir.path().join(name);
                fs::write(&file, text.as_str().unwrap()).unwrap();
                assert_eq!(mistakes(&file), Vec::<Value>::new(), "{}: {name}\n{text}", rendered.display());
                checked += 1;
            }
        }
    }
    assert_eq!(checked, 6 + 7, "pods of the two examples");
}

#[test]
fn what_helm_made_of_the_chart_is_not_stale() {
    let out = Command::new("sh").arg(at("deploy/helm/sources.sh")).output().unwrap();
    let sources = String::from_utf8(out.stdout).unwrap();
    for rendered in files(&at("deploy/helm/rendered")) {
        let first = read(&rendered).lines().next().unwrap_or_default().to_owned();
        assert_eq!(
            first,
            format!("# of sources {}", sources.trim()),
            "run `make deploy-check`: {}",
            rendered.display()
        );
    }
}

/// A pod is given longer than its gateway needs to drain, and is only sent clients while it is ready.
#[test]
fn the_chart_wires_readiness_liveness_and_the_drain() {
    for rendered in files(&at("deploy/helm/rendered")) {
        let resources = yaml(&rendered);
        let sets: Vec<_> = resources.iter().filter(|r| r["kind"] == "StatefulSet").collect();
        assert_eq!(sets.len(), 3, "a zone each");
        for pod in sets.iter().map(|set| &set["spec"]["template"]["spec"]) {
            let gateway = &pod["containers"][0];
            assert_eq!(gateway["readinessProbe"]["httpGet"]["path"], "/readyz");
            assert_eq!(gateway["livenessProbe"]["httpGet"]["path"], "/healthz");
            let before = gateway["lifecycle"]["preStop"]["sleep"]["seconds"].as_u64().unwrap();
            assert!(pod["terminationGracePeriodSeconds"].as_u64().unwrap() >= before + 30 + 5);
            assert_eq!(gateway["securityContext"]["readOnlyRootFilesystem"], true);
            assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
            assert!(pod["nodeSelector"]["topology.kubernetes.io/zone"].is_string());
        }
    }
}

/// Whoever is woken by an alert finds what to do.
#[test]
fn every_runbook_that_an_alert_names_is_a_heading_of_that_page() {
    let mut looked = 0;
    for rules in yaml(at("deploy/prometheus/alerts.yaml")) {
        let groups = rules["groups"].as_array().unwrap().iter();
        for rule in
            groups.flat_map(|group| group["rules"].as_array().unwrap()).filter(|r| r["alert"].is_string())
        {
            let link = rule["annotations"]["runbook"]
                .as_str()
                .unwrap_or_else(|| panic!("{} has no runbook", rule["alert"]));
            let (page, anchor) = link.split_once('#').unwrap();
            let headings: Vec<_> =
                read(at(page)).lines().filter(|line| line.starts_with('#')).map(as_anchor).collect();
            assert!(headings.iter().any(|h| h == anchor), "{}: {page} has no #{anchor}", rule["alert"]);
            looked += 1;
        }
    }
    assert!(looked > 15, "{looked} alerts");
}

/// As GitHub makes it.
fn as_anchor(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = text.chars().filter(|c| c.is_alphanumeric() || *c == ' ' || *c == '-');
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}
