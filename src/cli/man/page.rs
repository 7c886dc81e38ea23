//! How a page is written: troff's man macros. Commands are rendered by the library, but for the usage with its values and for
//! what stands below the options.

use crate::cli::VERSION;
use crate::spec::{self, FileKind, Key};
use clap::{Arg, ArgAction, Command};

/// The page of one command, or of the program.
pub(super) fn of_command(command: &Command) -> Vec<u8> {
    let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let name = command.get_bin_name().unwrap_or_else(|| command.get_name()).replace(' ', "-");
    let usage = usage(command);
    let shown = command.clone().override_usage(usage);
    let source = format!("innkeeper {VERSION}");
    let man = clap_mangen::Man::new(shown).title(name).source(source).manual("Innkeeper");
    let mut page = Vec::new();
    // Writing to memory does not fail.
    let _ = man
        .render_title(&mut page)
        .and_then(|()| man.render_name_section(&mut page))
        .and_then(|()| man.render_synopsis_section(&mut page))
        .and_then(|()| man.render_description_section(&mut page))
        .and_then(|()| man.render_options_section(&mut page));
    if command.has_subcommands() {
        let _ = man.render_subcommands_section(&mut page);
    }
    page.extend(notes(&after).bytes());
    page
}

/// `innkeeper wait [OPTIONS] [--for STATE] [--timeout DURATION] NAME…`
fn usage(command: &Command) -> String {
    let mut words = vec![command.get_bin_name().unwrap_or_else(|| command.get_name()).to_owned()];
    let shown = |arg: &&Arg| !arg.is_hide_set();
    let own = command.get_arguments().filter(shown).filter(|arg| !arg.is_positional());
    words.extend(own.map(option));
    words.extend(command.get_positionals().filter(shown).map(|arg| optional(arg, &value(arg))));
    if command.has_subcommands() {
        words.push("COMMAND".to_owned());
    }
    words.join(" ")
}

fn option(arg: &Arg) -> String {
    let name = match (arg.get_long(), arg.get_short()) {
        (Some(long), _) => format!("--{long}"),
        (None, Some(short)) => format!("-{short}"),
        (None, None) => String::new(),
    };
    let takes_value = arg.get_action().takes_values();
    let text = if takes_value { format!("{name} {}", value(arg)) } else { name };
    optional(arg, &text)
}

fn optional(arg: &Arg, text: &str) -> String {
    if arg.is_required_set() { text.to_owned() } else { format!("[{text}]") }
}

fn value(arg: &Arg) -> String {
    let names = arg.get_value_names().unwrap_or_default();
    let name = match names {
        [] => arg.get_id().as_str().to_uppercase(),
        names => names.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(" "),
    };
    let several = matches!(arg.get_action(), ArgAction::Append);
    if several { format!("{name}...") } else { name }
}

/// What stands below the options, line for line; a line that ends in a colon is a heading.
fn notes(text: &str) -> String {
    if text.is_empty() {
        return String::new();
    }
    let mut out = String::new();
    let mut is_open = false;
    for line in text.lines() {
        match line.strip_suffix(':').filter(|heading| !heading.starts_with(' ')) {
            Some(heading) => {
                if is_open {
                    out.push_str(".fi\n");
                }
                out.push_str(&format!(".SH {}\n.nf\n", escaped(&heading.to_uppercase())));
                is_open = true;
            }
            None => {
                if !is_open {
                    out.push_str(".SH NOTES\n.nf\n");
                    is_open = true;
                }
                out.push_str(&format!("{}\n", escaped(line)));
            }
        }
    }
    out.push_str(".fi\n");
    out
}

/// The page of a kind of file.
pub(super) fn of_file(name: &str, title: &str, kind: FileKind) -> String {
    let (intro, sections) = spec::manual(kind);
    let upper = name.to_uppercase();
    let mut out = format!(".TH {} 5 \"\" \"innkeeper {VERSION}\" \"Innkeeper\"\n", escaped(&upper));
    out.push_str(&format!(".SH NAME\n{} \\- {}\n.SH DESCRIPTION\n{}\n", escaped(name), escaped(title), escaped(intro)));
    let toml = "The file is TOML (https://toml.io). A key that is not listed here is refused. `innkeeper check` tells all that is wrong \
                with it, `innkeeper schema` prints its JSON Schema for editors.";
    out.push_str(&format!(".PP\n{}\n", escaped(toml)));
    for section in sections {
        let prefix = if kind == FileKind::Plans { "PLAN" } else { "" };
        let table = [prefix, section.table.as_str()];
        let table = table.iter().filter(|part| !part.is_empty()).copied().collect::<Vec<_>>().join(".");
        let heading = if table.is_empty() { "KEYS ABOVE ALL TABLES".to_owned() } else { format!("[{table}]") };
        out.push_str(&format!(".SH \"{}\"\n", escaped(&heading)));
        if !section.doc.is_empty() {
            out.push_str(&format!("{}\n", escaped(section.doc)));
        }
        out.extend(section.keys.iter().map(key));
    }
    out.push_str(".SH \"SEE ALSO\"\n.BR innkeeper (1),\n.BR innkeeper-check (1),\n.BR innkeeper-schema (1)\n");
    out
}

fn key(key: &Key) -> String {
    format!(
        ".TP\n\\fB{}\\fR (\\fI{}\\fR)\n{}\n{}\n.br\nExample: {}\n",
        escaped(key.name),
        escaped(&key.value),
        escaped(key.doc),
        escaped(&key.missing),
        escaped(&key.example)
    )
}

/// Text that troff takes for nothing but text.
fn escaped(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-").replace('"', "\\(dq");
    match text.starts_with(['.', '\'']) {
        true => format!("\\&{text}"),
        false => text,
    }
}
