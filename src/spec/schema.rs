//! The JSON Schemas for editors, folded from the field tables. They say what a file may look like; what needs other
//! files (a plan that exists, a domain that is free) only the reader knows.

use super::fields::{Field, FileKind, FileSpec, Kind, Literal, Need, TableSpec, Word};
use super::limits::{FREE_TEXT_CHARS_MAX, LIST_ENTRIES_MAX, REFERENCE_BYTES_MAX};
use super::lists::{COUNTRIES, LANGUAGES};
use serde_json::{Map, Value, json};

const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";
const NAME: &str = "^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$";
const LABEL: &str = "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$";
const EMAIL: &str = r"^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@([A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?\.)+[A-Za-z0-9-]+$";
const DOMAIN: &str = r"^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9-]*[a-z][a-z0-9-]*$";

/// The JSON Schema (draft 2020-12) of one kind of file.
pub fn schema(kind: FileKind) -> Value {
    let spec = kind.spec();
    let mut schema = match kind {
        FileKind::Instance | FileKind::Settings => table(spec, &spec.tables[0]),
        FileKind::Plans => json!({
            "type": "object",
            "minProperties": 1,
            "propertyNames": { "pattern": NAME },
            "additionalProperties": table(spec, &spec.tables[0]),
        }),
    };
    schema["$schema"] = DIALECT.into();
    schema["title"] = spec.title.into();
    schema["description"] = spec.intro.into();
    schema
}

fn table(spec: &'static FileSpec, of: &'static TableSpec) -> Value {
    let mut properties: Map<String, Value> =
        of.fields.iter().map(|field| (field.key.to_owned(), property(field))).collect();
    let mut required: Vec<&str> =
        of.fields.iter().filter(|field| field.need == Need::Required).map(|field| field.key).collect();
    for below in spec.tables {
        if let Some(name) = below.name_in(of.path) {
            properties.insert(name.to_owned(), table(spec, below));
            if is_required(below) {
                required.push(name);
            }
        }
    }
    json!({
        "type": "object",
        "description": of.doc,
        "additionalProperties": false,
        "properties": properties,
        "required": required,
    })
}

fn is_required(table: &TableSpec) -> bool {
    !table.optional && table.fields.iter().any(|field| field.need == Need::Required)
}

fn property(field: &Field) -> Value {
    let mut property = match field.kind {
        Kind::Text(word) => text(word),
        Kind::Flag => json!({ "type": "boolean" }),
        Kind::Integer { min, max } => json!({ "type": "integer", "minimum": min, "maximum": max }),
        Kind::Cores { millis_min, millis_max } => json!({
            "type": "number",
            "minimum": f64::from(millis_min) / 1000.0,
            "maximum": f64::from(millis_max) / 1000.0,
        }),
        Kind::Size { .. } => json!({ "type": "string", "pattern": "^[0-9]+ ?(B|KiB|MiB|GiB|TiB)$" }),
        Kind::List(word) => json!({ "type": "array", "items": text(word), "maxItems": LIST_ENTRIES_MAX }),
        Kind::Images => json!({
            "type": "object",
            "propertyNames": text(Word::Release),
            "additionalProperties": { "type": "string", "minLength": 1 },
        }),
    };
    property["description"] = match field.need {
        Need::Otherwise(otherwise) => format!("{} Default: {otherwise}.", field.doc).into(),
        _ => field.doc.into(),
    };
    property["examples"] = json!([literal(field.example)]);
    if let Need::Default(default) = field.need {
        property["default"] = literal(default);
    }
    property
}

fn text(word: Word) -> Value {
    let pattern = |pattern: &str| json!({ "type": "string", "pattern": pattern });
    match word {
        Word::Free => json!({ "type": "string", "minLength": 1, "maxLength": FREE_TEXT_CHARS_MAX }),
        Word::Plan | Word::Template => pattern(NAME),
        Word::Subdomain => pattern(LABEL),
        Word::Domain => json!({ "type": "string", "pattern": DOMAIN, "maxLength": 253 }),
        // Validators pass over formats; the pattern is what they keep.
        Word::Email => json!({ "type": "string", "format": "email", "pattern": EMAIL, "maxLength": 254 }),
        Word::Module => pattern("^[a-z][a-z0-9_]{0,62}$"),
        Word::Release => pattern(r"^(1[4-9]|[2-9][0-9])\.0$"),
        Word::Country => json!({ "type": "string", "enum": COUNTRIES }),
        Word::Language => json!({ "type": "string", "enum": LANGUAGES }),
        Word::Timezone => pattern("^[A-Za-z][A-Za-z0-9_+/-]*$"),
        Word::Duration => pattern("^([0-9]+w)?([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?$"),
        Word::Schedule => pattern(r"^ *\S+( +\S+){4} *$"),
        Word::Ports => pattern("^[0-9]{4,5} *- *[0-9]{4,5}$"),
        Word::Contact => pattern("^mailto:"),
        Word::Help => pattern("^(mailto:|tel:|https://)"),
        Word::Path | Word::Url | Word::Host | Word::Argument => {
            json!({ "type": "string", "minLength": 1, "maxLength": REFERENCE_BYTES_MAX })
        }
        Word::Option => json!({ "type": "string", "minLength": 1, "maxLength": FREE_TEXT_CHARS_MAX }),
        Word::InContainer => pattern("^/[A-Za-z0-9/._+@:=,-]+$"),
        Word::Sender => json!({ "type": "string", "maxLength": 254 }),
        Word::Logger => pattern("^[A-Za-z0-9._]*:(DEBUG|INFO|WARNING|ERROR|CRITICAL)$"),
        Word::Choice(words) => json!({ "type": "string", "enum": words }),
    }
}

fn literal(literal: Literal) -> Value {
    match literal {
        Literal::Text(text) => text.into(),
        Literal::Flag(flag) => flag.into(),
        Literal::Integer(number) => number.into(),
        Literal::Cores(number) => number.into(),
        Literal::List(texts) => texts.into(),
        Literal::Images(pairs) => {
            pairs.iter().map(|(key, value)| ((*key).to_owned(), Value::from(*value))).collect::<Map<_, _>>().into()
        }
    }
}
