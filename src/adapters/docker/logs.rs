//! Output of containers: as lines for people, or as the tail of a job that ended.

use super::client::{failure, refused, within};
use super::container;
use super::labels;
use super::{Docker, look};
use crate::edges::EdgeError;
use crate::edges::engine::{LogLines, LogQuery, LogSource};
use crate::model::name::{InstanceName, Resources};
use crate::model::service::Owner;
use bollard::container::LogOutput;
use bollard::errors::Error as BollardError;
use bollard::query_parameters::{LogsOptions, LogsOptionsBuilder};
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use std::collections::VecDeque;
use std::time::Duration;

/// What is kept of a job's output.
pub(super) const TAIL_BYTES_MAX: usize = 64 << 10;
/// Lines that are read for the tail: at 16 bytes a line they fill it, and Odoo's lines are longer.
const TAIL_LINES_MAX: &str = "4096";
/// A line is cut here, so that output without newlines cannot fill the memory.
const LINE_BYTES_MAX: usize = 64 << 10;
const TAIL_DEADLINE: Duration = Duration::from_secs(super::client::CALL_DEADLINE_S_MAX);

/// Lines of a container's output, in the order in which Docker kept them.
pub(super) async fn logs(docker: &Docker, instance: &InstanceName, query: &LogQuery) -> Result<LogLines, EdgeError> {
    let id = match query.source {
        LogSource::Odoo => service_of(docker, instance).await?,
        LogSource::Job => newest_job_of(docker, instance).await?,
    };
    let engine = docker.client.docker().await?;
    let since = query.since_unix_s.and_then(|since| i32::try_from(since).ok()).unwrap_or_default();
    let options = both_outputs()
        .follow(query.follow)
        .tail(&query.tail.map_or_else(|| "all".to_owned(), |lines| lines.to_string()))
        .since(since)
        .build();
    Ok(lines(engine.logs(&id, Some(options)).boxed(), format!("could not read the output of {instance}")))
}

/// The end of a container's output, without colours.
pub(super) async fn tail(docker: &Docker, id: &str) -> Result<String, EdgeError> {
    let engine = docker.client.docker().await?;
    let options: LogsOptions = both_outputs().tail(TAIL_LINES_MAX).build();
    let read = engine.logs(id, Some(options)).try_fold(VecDeque::new(), |mut kept: VecDeque<u8>, part| {
        kept.extend(part.into_bytes());
        let excess = kept.len().saturating_sub(TAIL_BYTES_MAX);
        kept.drain(..excess);
        std::future::ready(Ok(kept))
    });
    let kept = within(TAIL_DEADLINE, "could not read the output of a job", read).await?;
    Ok(plain(&String::from_utf8_lossy(&Vec::from(kept))))
}

/// `text` without terminal sequences (ECMA-48: ESC, `[`, parameters, one final letter).
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(next) = rest.next() {
        if next != '\u{1b}' {
            plain.push(next);
        } else if rest.next_if_eq(&'[').is_some() {
            while rest.next_if(|parameter| !('@'..='~').contains(parameter)).is_some() {}
            rest.next();
        }
    }
    plain
}

fn both_outputs() -> LogsOptionsBuilder {
    LogsOptionsBuilder::default().stdout(true).stderr(true)
}

async fn service_of(docker: &Docker, instance: &InstanceName) -> Result<String, EdgeError> {
    let name = Resources::of(instance).container;
    let found = container::inspect(docker, &name).await?;
    match found.as_ref().map(|found| (container::owner(docker, found), container::id(found))) {
        Some((Owner::Ours(tag), id)) if tag.instance == *instance => Ok(id.to_owned()),
        Some(_) => Err(super::client::conflict(format!(
            "the container {name} is not of this installation: its output is not shown"
        ))),
        None => Err(refused(LogSource::Odoo.missing(instance))),
    }
}

async fn newest_job_of(docker: &Docker, instance: &InstanceName) -> Result<String, EdgeError> {
    let listed = look::list(docker).await?;
    let is_job = |found: &labels::Labels| {
        let owner = labels::owner(&docker.installation, found);
        owner.tag().is_some_and(|tag| tag.instance == *instance && container::is_job(tag.component))
    };
    let jobs = listed.into_iter().filter(|listed| listed.labels.as_ref().is_some_and(is_job));
    let newest = jobs.max_by_key(|job| job.created).and_then(|job| job.id);
    newest.ok_or_else(|| refused(LogSource::Job.missing(instance)))
}

/// What is left of one output between two of its newlines; standard output and standard error are kept apart.
#[derive(Default)]
struct Pending {
    parts: [Vec<u8>; 2],
}

impl Pending {
    fn take(&mut self, output: LogOutput) -> Vec<String> {
        let part = &mut self.parts[usize::from(matches!(output, LogOutput::StdErr { .. }))];
        part.extend_from_slice(&output.into_bytes());
        let mut lines = Vec::new();
        while let Some(end) = line_end(part) {
            let line: Vec<u8> = part.drain(..end).collect();
            lines.push(String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_owned());
        }
        lines
    }

    fn rest(&mut self) -> Vec<String> {
        let left = self.parts.iter_mut().map(std::mem::take).filter(|part| !part.is_empty());
        left.map(|part| String::from_utf8_lossy(&part).into_owned()).collect()
    }
}

fn line_end(part: &[u8]) -> Option<usize> {
    let newline = part.iter().take(LINE_BYTES_MAX).position(|byte| *byte == b'\n').map(|at| at + 1);
    newline.or((part.len() >= LINE_BYTES_MAX).then_some(LINE_BYTES_MAX))
}

fn lines(outputs: BoxStream<'static, Result<LogOutput, BollardError>>, doing: String) -> LogLines {
    stream::unfold(Some((outputs, Pending::default())), move |state| {
        let doing = doing.clone();
        async move {
            let (mut outputs, mut pending) = state?;
            match outputs.next().await {
                Some(Ok(output)) => Some((told(pending.take(output)), Some((outputs, pending)))),
                Some(Err(error)) => Some((vec![Err(failure(doing, error))], None)),
                None => Some((told(pending.rest()), None)),
            }
        }
    })
    .flat_map(stream::iter)
    .boxed()
}

fn told(lines: Vec<String>) -> Vec<Result<String, EdgeError>> {
    lines.into_iter().map(Ok).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn out(text: &str) -> Result<LogOutput, BollardError> {
        Ok(LogOutput::StdOut { message: text.to_owned().into() })
    }

    fn err(text: &str) -> Result<LogOutput, BollardError> {
        Ok(LogOutput::StdErr { message: text.to_owned().into() })
    }

    async fn check(outputs: Vec<Result<LogOutput, BollardError>>, expected: &[&str]) {
        let read: Vec<_> = lines(stream::iter(outputs).boxed(), "reading".into()).collect().await;
        let read: Vec<String> = read.into_iter().map(|line| line.unwrap_or_else(|e| format!("! {e}"))).collect();
        assert_eq!(read, expected);
    }

    #[tokio::test]
    async fn lines_are_put_together_from_parts_of_each_output() {
        check(vec![out("a"), err("x\ny"), out("b\r\n"), out("c\nd")], &["x", "ab", "c", "d", "y"]).await;
    }

    #[tokio::test]
    async fn a_broken_stream_ends_with_its_error() {
        check(vec![out("a\n"), Err(BollardError::RequestTimeoutError), out("b\n")], &["a", "! reading"]).await;
    }

    #[tokio::test]
    async fn output_without_newlines_is_cut() {
        let long = "z".repeat(LINE_BYTES_MAX + 1);
        check(vec![out(&long)], &[&long[..LINE_BYTES_MAX], "z"]).await;
    }

    #[test]
    fn colours_are_taken_out() {
        assert_eq!(plain("\u{1b}[1;31mERROR\u{1b}[0m: x\u{1b}[K"), "ERROR: x");
        assert_eq!(plain("\u{1b}"), "");
    }
}
