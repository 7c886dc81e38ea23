//! The firewall's rules as `docs/OPERATING.md` gives them, in a network of their own with a bridge, a customer's container and
//! a cloud's metadata service: nothing of this host is touched.

use std::io::Write;
use std::process::{Command, Stdio};

const PAGE: &str = include_str!("../../../docs/OPERATING.md");
/// Reads rules, tries what the customer reaches before and after them, and whether the host still reaches the customer.
const SCRIPT: &str = include_str!("firewall/bridge.sh");

/// The lines of the page that a shell would be given.
fn rules() -> String {
    let lines = PAGE.lines().filter_map(|line| line.strip_prefix("$ iptables "));
    lines.map(|line| format!("iptables {}\n", line.split('#').next().unwrap().trim())).collect()
}

#[test]
fn the_rules_of_the_page_leave_a_customer_postgresql_and_the_sites_and_nothing_else() {
    assert_eq!(rules().lines().count(), 3, "{}", rules());
    let mut tried = Command::new("unshare")
        .args(["--net", "bash", "-c", SCRIPT])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    tried.stdin.take().unwrap().write_all(rules().as_bytes()).unwrap();
    let output = tried.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    let (before, after) = said.split_once("rules\n").unwrap();
    assert!(!before.contains("closed"), "all of it was open before:\n{said}");
    expect_test::expect![[r#"
        open database
        open http
        open https
        closed ssh
        closed metadata
        open customer
    "#]]
    .assert_eq(after);
}
