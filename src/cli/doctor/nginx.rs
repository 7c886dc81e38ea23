//! nginx: the program, its running master, and the one line that it needs in its configuration.

use super::Finding;
use crate::model::settings::NginxSettings;
use std::process::Output;
use std::time::Duration;
use tokio::process::Command;

/// Parsing 10,000 sites takes well under a second.
const DUMP_DEADLINE: Duration = Duration::from_secs(20);
/// What old workers are to be given: more than the longest of what follows.
const SHUTDOWN_TIMEOUT: &str = "2h";
/// `proxy_read_timeout` of the shipped templates, and `limit_time_real` of Odoo.
const LONGEST_REQUEST_S: u64 = 720;
/// Odoo closes a websocket after `websocket_keep_alive_timeout` and up to half of that more, by chance: 3,600 s where
/// nothing else is set.
const LONGEST_WEBSOCKET_S: u64 = 5_400;

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
        findings.push(shutdown(&configuration));
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

/// A reload leaves the workers of the former configuration to what they have begun, for as long as this.
fn shutdown(configuration: &str) -> Finding {
    let lines = configuration.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
    let set =
        lines.filter_map(|line| line.strip_prefix("worker_shutdown_timeout")?.trim().strip_suffix(';')).next_back();
    let fix = format!("put `worker_shutdown_timeout {SHUTDOWN_TIMEOUT};` at the top of nginx.conf and reload nginx");
    let Some(set) = set.map(str::trim) else {
        let message = "worker_shutdown_timeout is not set: after each reload old workers stay as long as anybody is \
                       connected to them, however long that is";
        return Finding::warn("nginx", message, fix);
    };
    let what = match seconds(set) {
        Some(seconds) if seconds < LONGEST_REQUEST_S => {
            "each change of one customer cuts downloads, uploads, requests and websockets of all others that take longer"
        }
        Some(seconds) if seconds < LONGEST_WEBSOCKET_S => {
            "each change of one customer closes websockets of all others that live longer, and slow downloads"
        }
        _ => {
            return Finding::ok(
                "nginx",
                format!("worker_shutdown_timeout is {set}: a reload ends nobody's running work"),
            );
        }
    };
    Finding::warn("nginx", format!("worker_shutdown_timeout is {set}: {what}"), fix)
}

/// A time as nginx writes it: `90`, `10s`, `1h 30m`.
fn seconds(text: &str) -> Option<u64> {
    let mut rest = text.trim_matches(['"', '\'']).trim();
    let mut ms_all: u64 = 0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let number: u64 = rest[..digits].parse().ok()?;
        let after = &rest[digits..];
        let unit = &after[..after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len())];
        rest = after[unit.len()..].trim_start();
        let ms = match unit {
            "ms" => 1,
            "" | "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            "w" => 7 * 86_400_000,
            _ => return None,
        };
        ms_all = ms_all.saturating_add(number.saturating_mul(ms));
    }
    (!text.is_empty()).then_some(ms_all / 1_000)
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

#[cfg(test)]
mod tests {
    use super::{Finding, seconds, shutdown};
    use crate::cli::doctor::Verdict;

    #[test]
    fn times_are_read_as_nginx_writes_them() {
        for (text, expected) in [
            ("10s", Some(10)),
            ("90", Some(90)),
            ("2h", Some(7_200)),
            ("1h 30m", Some(5_400)),
            ("1h30m", Some(5_400)),
            ("1500ms", Some(1)),
            ("\"15m\"", Some(900)),
            ("1x", None),
            ("s", None),
        ] {
            assert_eq!(seconds(text), expected, "{text}");
        }
    }

    #[test]
    fn a_short_time_for_old_workers_and_none_are_told() {
        let told = |text: &str| -> Finding { shutdown(text) };
        for (text, verdict, expected) in [
            ("user x;\n", Verdict::Warn, "is not set"),
            ("# worker_shutdown_timeout 2h;\n", Verdict::Warn, "is not set"),
            ("worker_shutdown_timeout 10s;\n", Verdict::Warn, "is 10s: each change of one customer cuts downloads"),
            ("  worker_shutdown_timeout  15m; # short\n", Verdict::Warn, "is 15m: each change of one customer closes"),
            ("worker_shutdown_timeout 2h;\n", Verdict::Ok, "is 2h"),
        ] {
            let finding = told(text);
            assert_eq!(finding.verdict, verdict, "{text}");
            assert!(finding.message.contains(expected), "{text}: {}", finding.message);
        }
    }
}
