//! Which files of the filestore a dump's database names: column `store_fname` of Odoo's table `ir_attachment`, as
//! `pg_restore` writes it out.
//!
//! A row may hold a whole document beside its name, and a tenant may have put anything there: it is read byte by byte, and
//! nothing of a row is kept but its name.

use super::SILENCE_MAX;
use crate::edges::{Edge, EdgeError, ErrorKind};
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Stdio;
use tokio::io::AsyncReadExt;
use tokio::process::Command;

/// How the table's rows begin (PostgreSQL, COPY).
const BEGIN: &[u8] = b"COPY public.ir_attachment (";
/// How rows end.
const END: &[u8] = b"\\.";
const COLUMN: &str = "store_fname";
/// A line of the script that is longer names no columns.
const LINE_BYTES_MAX: usize = 1 << 16;
/// Odoo's names have 43 bytes, very old ones 44.
const NAME_BYTES_MAX: usize = 64;
/// SHA-1, hexadecimal.
const HASH_DIGITS: usize = 40;
/// Pieces of what `pg_restore` writes.
const PIECE_BYTES: usize = 1 << 16;

/// The files that the dump's database names; none where it has no such table.
pub(super) async fn named(dump: &Path, pg_restore: &Path, doing: &str) -> Result<BTreeSet<String>, EdgeError> {
    let failed = |error: std::io::Error| EdgeError::new(Edge::Archive, ErrorKind::Failed, doing, error);
    let mut command = Command::new(pg_restore);
    command.args(["--data-only", "--schema=public", "--table=ir_attachment", "--file=-"]).arg(dump);
    // What it complains about was told when it read the whole dump.
    command.env("LC_ALL", "C").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
    let mut child = command.spawn().map_err(failed)?;
    let mut names = Names::default();
    if let Some(mut output) = child.stdout.take() {
        let mut piece = vec![0; PIECE_BYTES];
        loop {
            let length = answered(output.read(&mut piece)).await.map_err(failed)?;
            if length == 0 {
                break;
            }
            names.read(&piece[..length]);
        }
    }
    let status = answered(child.wait()).await.map_err(failed)?;
    match status.success() {
        true => Ok(names.found),
        false => {
            Err(failed(std::io::Error::other(format!("pg_restore ended with {status} on the table ir_attachment"))))
        }
    }
}

/// A disk that hangs makes a failure, not a step without end.
async fn answered<T>(answer: impl Future<Output = std::io::Result<T>>) -> std::io::Result<T> {
    tokio::time::timeout(SILENCE_MAX, answer).await.unwrap_or_else(|_| {
        Err(std::io::Error::other(format!("pg_restore said nothing for {} s", SILENCE_MAX.as_secs())))
    })
}

/// What was read so far.
#[derive(Default)]
struct Names {
    found: BTreeSet<String>,
    /// The position of the column; none outside of rows and in those of a table without it.
    column: Option<usize>,
    in_rows: bool,
    /// Of a line of the script, or of the field that is the name.
    text: Vec<u8>,
    /// The first bytes of a row: enough to tell the end of all rows.
    head: Vec<u8>,
    field: usize,
}

impl Names {
    fn read(&mut self, piece: &[u8]) {
        for byte in piece {
            match (self.in_rows, *byte) {
                (false, b'\n') => self.end_line(),
                (false, byte) => keep(&mut self.text, byte, LINE_BYTES_MAX),
                (true, b'\n') => self.end_row(),
                (true, byte) => self.read_row(byte),
            }
        }
    }

    fn end_line(&mut self) {
        let line = std::mem::take(&mut self.text);
        if let Some(columns) = line.strip_prefix(BEGIN) {
            let columns = String::from_utf8_lossy(columns);
            let columns = columns.split_once(')').map_or("", |(columns, _)| columns);
            self.column = columns.split(", ").position(|column| column == COLUMN);
            self.in_rows = true;
        }
    }

    fn read_row(&mut self, byte: u8) {
        keep(&mut self.head, byte, END.len() + 1);
        match byte {
            b'\t' => self.field += 1,
            byte if self.column == Some(self.field) => keep(&mut self.text, byte, NAME_BYTES_MAX),
            _ => {}
        }
    }

    fn end_row(&mut self) {
        let (head, name) = (std::mem::take(&mut self.head), std::mem::take(&mut self.text));
        self.field = 0;
        if head == END {
            (self.in_rows, self.column) = (false, None);
        } else if let Some(name) = String::from_utf8(name).ok().filter(|name| is_of_filestore(name)) {
            self.found.insert(name);
        }
    }
}

fn keep(text: &mut Vec<u8>, byte: u8, most: usize) {
    if text.len() < most {
        text.push(byte);
    }
}

/// True for a name that Odoo gives to a file in its own filestore (`ir_attachment.py`, `_get_path`): the beginning of a
/// SHA-1 and the whole of it. Modules that keep files elsewhere write other names into the same column.
fn is_of_filestore(name: &str) -> bool {
    let Some((scatter, hash)) = name.split_once('/') else { return false };
    let hexadecimal = |digit: u8| digit.is_ascii_digit() || (b'a'..=b'f').contains(&digit);
    (2..=3).contains(&scatter.len())
        && hash.len() == HASH_DIGITS
        && hash.starts_with(scatter)
        && hash.bytes().all(hexadecimal)
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "da/da39a3ee5e6b4b0d3255bfef95601890afd80709";
    const B: &str = "0be/0beec7b5ea3f0fdbc95d0dd47f3c5bc275da8a33";

    /// However the text is cut into pieces.
    fn names(text: &str) -> Vec<String> {
        let whole = |size: usize| {
            let mut names = Names::default();
            text.as_bytes().chunks(size).for_each(|piece| names.read(piece));
            names.found.into_iter().collect::<Vec<_>>()
        };
        assert_eq!(whole(1), whole(usize::MAX));
        whole(7)
    }

    #[test]
    fn the_names_of_files_are_read_and_nothing_else() {
        let text = format!(
            "SET x;\nCOPY public.ir_attachment (id, name, store_fname, db_datas) FROM stdin;\n\
             1\ta.png\t{A}\t\\N\n2\t{B}\t\\N\t\\\\x00\n3\ts3\ts3://bucket/{A}\t\\N\n4\t\\\\.\t{B}\t{}\n\\.\n\n\
             COPY public.other (id, name, store_fname) FROM stdin;\n5\tx\tab/{}\n\\.\n",
            "x".repeat(100_000),
            "ab".repeat(20)
        );
        assert_eq!(names(&text), [B, A]);
    }

    #[test]
    fn a_table_without_the_column_and_a_script_without_the_table_name_no_file() {
        assert!(names(&format!("COPY public.ir_attachment (id, name) FROM stdin;\n1\t{A}\n\\.\n")).is_empty());
        assert!(names("SET x;\n\n-- PostgreSQL database dump complete\n").is_empty());
        for name in
            ["", "da/", "da/DA39a3ee5e6b4b0d3255bfef95601890afd80709", "ab/da39a3ee5e6b4b0d3255bfef95601890afd80709"]
        {
            assert!(!is_of_filestore(name), "{name}");
        }
    }
}
