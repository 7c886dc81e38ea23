//! Long answers on a terminal go through a pager, as people know it from git and systemd. Anywhere else they are printed.

use super::context::Context;
use super::failure::Failure;
use super::signals::Endings;
use super::world;
use std::process::Stdio;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// Ends by itself when the text fits the screen, keeps colours, ends on ctrl-c (systemd, "common variables").
const LESS_OPTIONS: &str = "FRSXMK";
/// What reads the answer when nothing is set.
const PAGER: &str = "less";
/// Which one people want; the first that is set.
const VARIABLES: [&str; 2] = ["INNKEEPER_PAGER", "PAGER"];

/// Prints the answer, through a pager where that helps.
pub(crate) fn show(cx: &Context, text: &str) -> Result<(), Failure> {
    let secure = std::env::var_os("SUDO_UID").is_some();
    match choose(secure, |name| std::env::var(name).ok()).filter(|_| cx.pages() && !fits(text)) {
        Some(pager) if world::block_on(page(cx, &pager, secure, text)).is_ok_and(|paged| paged) => Ok(()),
        _ => cx.say(text),
    }
}

/// The pager; none where people want none. Whoever runs this through sudo gets `less` in its secure mode alone: anything
/// else would hand them a shell.
fn choose(secure: bool, variable: impl Fn(&str) -> Option<String>) -> Option<String> {
    let wanted = VARIABLES.into_iter().find_map(variable).unwrap_or_else(|| PAGER.to_owned());
    match wanted.trim() {
        "" | "cat" => None,
        _ if secure => Some(PAGER.to_owned()),
        wanted => Some(wanted.to_owned()),
    }
}

fn fits(text: &str) -> bool {
    let height = terminal_size::terminal_size_of(std::io::stdout()).map_or(0, |(_, height)| usize::from(height.0));
    text.lines().count() < height
}

/// True when somebody read it; false where the pager could not be started.
async fn page(cx: &Context, pager: &str, secure: bool, text: &str) -> bool {
    // ctrl-c is the pager's: this program must outlive it, or the terminal stays as the pager had it.
    let Ok(_endings) = Endings::catch() else { return false };
    let mut words = pager.split_whitespace();
    let Some(program) = words.next() else { return false };
    let mut command = Command::new(program);
    command.args(words).stdin(Stdio::piped()).env("LESSCHARSET", "utf-8");
    if std::env::var_os("LESS").is_none() || secure {
        command.env("LESS", LESS_OPTIONS);
    }
    if secure {
        command.env("LESSSECURE", "1");
    }
    let Ok(mut child) = command.spawn() else { return false };
    if let Some(mut stdin) = child.stdin.take() {
        // Whoever leaves early has read enough.
        let _ = stdin.write_all(cx.painted(text).as_bytes()).await;
    }
    child.wait().await.is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(secure: bool, set: &[(&str, &str)]) -> Option<String> {
        choose(secure, |name| set.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn the_own_variable_counts_more_and_less_is_the_default() {
        assert_eq!(chosen(false, &[]).as_deref(), Some("less"));
        assert_eq!(chosen(false, &[("PAGER", "more")]).as_deref(), Some("more"));
        assert_eq!(chosen(false, &[("PAGER", "more"), ("INNKEEPER_PAGER", "bat -p")]).as_deref(), Some("bat -p"));
        assert_eq!(chosen(false, &[("PAGER", "more"), ("INNKEEPER_PAGER", "")]), None);
        assert_eq!(chosen(false, &[("PAGER", "cat")]), None);
    }

    #[test]
    fn through_sudo_nobody_chooses_a_program_that_runs_as_root() {
        assert_eq!(chosen(true, &[("PAGER", "sh -c id")]).as_deref(), Some("less"));
        assert_eq!(chosen(true, &[("INNKEEPER_PAGER", "vim -")]).as_deref(), Some("less"));
    }
}
