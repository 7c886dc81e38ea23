//! nginx: the program, its running master, and the one line that it needs in its configuration.

use super::Finding;
use crate::model::settings::NginxSettings;
use std::process::Output;
use std::time::Duration;
use tokio::process::Command;

/// Parsing 10,000 sites takes well under a second.
const DUMP_DEADLINE: Duration = Duration::from_secs(20);

/// Program, configuration, master.
pub(super) async fn check(settings: &NginxSettings) -> Vec<Finding> {
    let include = format!("{}/current/*.conf", settings.config_dir.display());
    let dumped = match dump(settings).await {
        Ok(output) => output,
        Err(error) => {
            let message = format!("could not run {}: {error}", settings.binary.display());
            return vec![Finding::fail("nginx", message, "install nginx, or correct `nginx.binary`"), master(settings)];
        }
    };
    let configuration = String::from_utf8_lossy(&dumped.stdout);
    let mut findings = Vec::new();
    if !dumped.status.success() {
        let errors = String::from_utf8_lossy(&dumped.stderr);
        let line =
            errors.lines().find(|line| line.contains("[emerg]")).or(errors.lines().last()).unwrap_or("it said nothing");
        let fix = "correct the host's nginx configuration; `nginx -t` as root shows the same";
        findings.push(Finding::fail("nginx", format!("its configuration does not pass: {line}"), fix));
    } else if !has_include(&configuration, &include) {
        let message = format!("its configuration does not include {include}");
        findings.push(Finding::fail(
            "nginx",
            message,
            format!("put `include {include};` into the http block of nginx.conf and reload nginx"),
        ));
    } else {
        findings.push(Finding::ok(
            "nginx",
            format!("{} passes its test and includes {include}", settings.binary.display()),
        ));
        findings.extend(shutdown(&configuration));
    }
    findings.push(master(settings));
    findings
}

async fn dump(settings: &NginxSettings) -> std::io::Result<Output> {
    let mut command = Command::new(&settings.binary);
    command.args(&settings.arguments).arg("-T").stdin(std::process::Stdio::null()).kill_on_drop(true);
    match tokio::time::timeout(DUMP_DEADLINE, command.output()).await {
        Ok(output) => output,
        Err(_) => Err(std::io::Error::other(format!("it took longer than {} s", DUMP_DEADLINE.as_secs()))),
    }
}

fn has_include(configuration: &str, include: &str) -> bool {
    let wanted = format!("include {include};");
    configuration
        .lines()
        .map(|line| line.split('#').next().unwrap_or_default())
        .any(|line| line.split_whitespace().collect::<Vec<_>>().join(" ").replace(['"', '\''], "").contains(&wanted))
}

/// Workers of a former configuration stay as long as a browser keeps a websocket open, unless they are told not to.
fn shutdown(configuration: &str) -> Option<Finding> {
    let set = configuration.lines().any(|line| line.trim_start().starts_with("worker_shutdown_timeout"));
    (!set).then(|| {
        Finding::warn(
            "nginx",
            "worker_shutdown_timeout is not set: after each reload old workers stay as long as a websocket is open",
            "put `worker_shutdown_timeout 10s;` at the top of nginx.conf",
        )
    })
}

fn master(settings: &NginxSettings) -> Finding {
    let file = settings.pid_file.display();
    let fix = format!("start nginx (`systemctl start nginx`), or correct `nginx.pid_file` = \"{file}\"");
    let text = match std::fs::read_to_string(&settings.pid_file) {
        Ok(text) => text,
        Err(error) => return Finding::fail("nginx", format!("could not read {file}: {error}"), fix),
    };
    if text.trim().is_empty() {
        return Finding::fail("nginx", format!("does not run: {file} is empty"), fix);
    }
    let name =
        text.trim().parse::<u32>().ok().and_then(|pid| std::fs::read_to_string(format!("/proc/{pid}/comm")).ok());
    match name.as_deref().map(str::trim) {
        Some("nginx") => Finding::ok("nginx", format!("runs as process {}", text.trim())),
        Some(other) => {
            Finding::fail("nginx", format!("the process {} in {file} is {other:?}, not nginx", text.trim()), fix)
        }
        None => Finding::fail("nginx", format!("the process {:?} in {file} does not run", text.trim()), fix),
    }
}
