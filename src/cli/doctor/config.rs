//! `doctor --show-config`: every setting that is in force, and where it comes from.

use super::super::context::Context;
use super::super::failure::{Exit, Failure};
use super::super::fleet;
use super::super::render::style::{FAINT, PLAIN, STRONG};
use super::super::render::table::{Cell, Column, render, text};
use super::super::render::text::harmless;
use crate::model::status::SCHEMA;
use crate::spec::{SETTINGS_FILE, settings_in_force};
use serde::Serialize;

const COLUMNS: [Column; 3] = [text("SETTING", 0), text("VALUE", 0), text("FROM", 0)];

#[derive(Debug, Serialize)]
struct Document {
    schema: u32,
    settings: Vec<Setting>,
}

#[derive(Debug, Serialize)]
struct Setting {
    key: String,
    value: String,
    /// `flag`, `environment`, `file` or `default`
    origin: &'static str,
    /// Of the settings file.
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u32>,
}

pub(super) fn show(cx: &Context) -> Result<Exit, Failure> {
    // Whatever is wrong with it is told first.
    fleet::settings(cx)?;
    let file = &cx.settings_file;
    let written = std::fs::read_to_string(file).map_err(|error| Failure::of_file(file, "read", &error))?;
    let mut settings = vec![
        of_command_line("--fleet", &cx.fleet_dir.display().to_string(), origin_of_fleet(cx)),
        of_command_line(
            "--config",
            &file.display().to_string(),
            if *file == cx.within(SETTINGS_FILE) { "default" } else { "flag" },
        ),
    ];
    settings.extend(settings_in_force(file, &written).into_iter().map(|it| Setting {
        origin: if it.line.is_some() { "file" } else { "default" },
        key: it.key,
        value: it.value,
        line: it.line,
    }));
    match cx.json {
        true => cx.document(&Document { schema: SCHEMA, settings })?,
        false => {
            let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let rows: Vec<Vec<Cell>> = settings.iter().map(|setting| row(setting, &name)).collect();
            cx.say(&render(&COLUMNS, &rows, cx.columns()))?;
        }
    }
    Ok(Exit::Done)
}

/// What clap took it from: a flag counts more than the environment, and may say the same.
fn origin_of_fleet(cx: &Context) -> &'static str {
    match std::env::var_os("INNKEEPER_FLEET") {
        Some(variable) if cx.fleet_dir.as_os_str() == variable => "environment",
        None if cx.fleet_dir.as_os_str() == "." => "default",
        _ => "flag",
    }
}

fn of_command_line(key: &str, value: &str, origin: &'static str) -> Setting {
    Setting { key: key.to_owned(), value: value.to_owned(), origin, line: None }
}

fn row(setting: &Setting, file: &str) -> Vec<Cell> {
    let (style, from) = match setting.line {
        Some(line) => (STRONG, format!("{file}:{line}")),
        None => (if setting.origin == "default" { FAINT } else { PLAIN }, setting.origin.to_owned()),
    };
    vec![Cell::new(setting.key.clone(), style), Cell::new(harmless(&setting.value), PLAIN), Cell::new(from, FAINT)]
}
