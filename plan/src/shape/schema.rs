//! JSON Schemas (draft 2020-12) of an estate file and of a plan, made from the tables, for editors.
//!
//! They say what a text may look like; references between files and the rules of order are the check's own.
//! In a plan every single value may also be a reference, `${{ inputs.point }}`.

use super::{Field, KIND, Noun, Type, Variant, plans};
use crate::estate::{NOUNS, drill};
use crate::steps;
use serde_json::{Map, Value, json};

/// Names of nouns and people.
const NAME: &str = "^[A-Za-z0-9][A-Za-z0-9._@+-]{0,127}$";

/// What is being described.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum For {
    Estate,
    Plan,
}

/// The schema of an estate file.
pub fn estate() -> Value {
    let mut properties = Map::new();
    for noun in NOUNS {
        let each = json!({
            "type": ["object", "null"],
            "propertyNames": { "$ref": "#/$defs/name" },
            "additionalProperties": of_noun(noun),
        });
        properties.insert(noun.section.to_string(), described(each, noun.doc));
    }
    let mut defs = types(For::Estate);
    for noun in NOUNS.iter().filter(|noun| noun.placed.is_some()) {
        defs.extend(noun.kinds.iter().map(|kind| (own_name(noun, kind), own(kind))));
    }
    let drill = object(&[drill::FIELDS], For::Estate);
    properties.insert("drill".to_string(), described(drill, "What stands in for what is live, in a drill."));
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A Lifeboat estate",
        "type": ["object", "null"],
        "properties": properties,
        "additionalProperties": false,
        "$defs": defs,
    })
}

/// The schema of a plan.
pub fn plan() -> Value {
    let mut schema = object(&[plans::PLAN], For::Plan);
    let steps = json!({
        "type": "object",
        "propertyNames": { "$ref": "#/$defs/name" },
        "additionalProperties": { "$ref": "#/$defs/step" },
    });
    for key in ["steps", "finally"] {
        let doc = schema["properties"][key]["description"].as_str().unwrap_or_default().to_string();
        schema["properties"][key] = described(steps.clone(), &doc);
    }
    schema["title"] = "A Lifeboat plan".into();
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema".into();
    let mut defs = types(For::Plan);
    defs.insert("step".to_string(), step());
    schema["$defs"] = defs.into();
    schema
}

fn step() -> Value {
    let mut step = object(&[plans::COMMON], For::Plan);
    let mut verbs = Vec::new();
    for (kind, fields) in plans::KINDS {
        let params = object(&[fields], For::Plan);
        let doc = steps::reference().find(|(name, _, _)| *name == kind).map(|(_, _, doc)| doc);
        // The documentation up to its example.
        let doc = doc.map_or("Still to come.", |doc| doc.split("\n\n```").next().unwrap_or(doc));
        step["properties"][kind] = described(params, doc);
        verbs.push(json!({ "required": [kind] }));
    }
    step["oneOf"] = verbs.into();
    step
}

/// A noun: one object, or one for each kind.
fn of_noun(noun: &Noun) -> Value {
    if noun.kinds.is_empty() {
        let mut schema = object(&[noun.fields], For::Estate);
        if !noun.one_of.is_empty() {
            schema["oneOf"] = noun.one_of.iter().map(|key| json!({ "required": [key] })).collect();
        }
        return schema;
    }
    let mut kinds: Vec<Value> = noun.kinds.iter().map(|kind| of_kind(noun, kind)).collect();
    if let Some(key) = noun.placed {
        kinds.push(kind_on_each_host(noun, key));
    }
    json!({ "anyOf": kinds })
}

fn of_kind(noun: &Noun, kind: &Variant) -> Value {
    let mut schema = object(&[KIND, noun.fields, kind.fields], For::Estate);
    schema["properties"]["kind"] = json!({ "const": kind.word, "description": kind.doc });
    if let Some(key) = noun.placed {
        // What a list of hosts leaves out, none of them can add.
        let mut needed = vec![json!("kind")];
        needed.extend(kind.fields.iter().filter(|field| field.needed).map(|field| json!(field.key)));
        schema["properties"][key] = hosts(&own_name(noun, kind));
        schema["required"] = json!(["kind", key]);
        schema["if"] = json!({ "properties": { key: { "type": ["string", "array"] } } });
        schema["then"] = json!({ "required": needed });
    }
    described(schema, kind.doc)
}

/// A noun whose hosts say each for itself what kind they hold.
fn kind_on_each_host(noun: &Noun, key: &str) -> Value {
    let kinds: Vec<Value> = noun
        .kinds
        .iter()
        .map(|kind| json!({ "$ref": format!("#/$defs/{}", own_name(noun, kind)) }))
        .collect();
    let mut schema = object(&[noun.fields], For::Estate);
    let each = json!({ "type": "object", "additionalProperties": { "anyOf": kinds, "required": ["kind"] } });
    schema["properties"][key] = described(each, "Its hosts, each with its kind and settings.");
    schema["required"] = json!([key]);
    schema
}

/// Where the settings of one host stand.
fn own_name(noun: &Noun, kind: &Variant) -> String {
    format!("{}-{}-on-a-host", kind.word, noun.name)
}

/// Settings of one host.
fn own(kind: &Variant) -> Value {
    let mut own = object(&[KIND, kind.fields], For::Estate);
    own["properties"]["kind"] = json!({ "const": kind.word });
    own["type"] = json!(["object", "null"]);
    if let Some(own) = own.as_object_mut() {
        own.remove("required");
    }
    own
}

fn hosts(own: &str) -> Value {
    json!({
        "description": "Its hosts: a list, or a map with settings of each.",
        "anyOf": [
            one(&Type::Many(&Type::Name), For::Estate),
            { "type": "object", "propertyNames": { "$ref": "#/$defs/name" }, "minProperties": 1, "additionalProperties": { "$ref": format!("#/$defs/{own}") } },
        ],
    })
}

/// A map of fields.
fn object(tables: &[&[Field]], whose: For) -> Value {
    let fields = || tables.iter().flat_map(|table| table.iter());
    let properties: Map<String, Value> = fields()
        .map(|field| {
            let doc =
                if field.later { format!("{} Still to come.", field.doc) } else { field.doc.to_string() };
            (field.key.to_string(), described(one(&field.holds, whose), &doc))
        })
        .collect();
    let needed: Vec<&str> = fields().filter(|field| field.needed).map(|field| field.key).collect();
    let kind = if needed.is_empty() { json!(["object", "null"]) } else { json!("object") };
    let mut schema = json!({ "type": kind, "properties": properties, "additionalProperties": false });
    if !needed.is_empty() {
        schema["required"] = json!(needed);
    }
    schema
}

fn described(mut schema: Value, doc: &str) -> Value {
    schema["description"] = doc.into();
    schema
}

/// A value of a type.
fn one(holds: &Type, whose: For) -> Value {
    if let Some(name) = named(holds) {
        return json!({ "$ref": format!("#/$defs/{name}") });
    }
    match *holds {
        Type::List(item) => json!({ "type": "array", "items": one(item, whose) }),
        Type::Argv => json!({ "type": "array", "minItems": 1, "items": one(&Type::Text, whose) }),
        Type::Many(item) => {
            let item = one(item, whose);
            json!({ "anyOf": [item, { "type": "array", "minItems": 1, "items": item }] })
        }
        Type::Map(item) => json!({ "type": ["object", "null"], "additionalProperties": one(item, whose) }),
        Type::Table(_, item) => json!({
            "type": ["object", "null"],
            "propertyNames": { "$ref": "#/$defs/name" },
            "additionalProperties": one(item, whose),
        }),
        Type::Fields(fields) => object(&[fields], whose),
        Type::Either(types) => {
            let types: Vec<Value> = types.iter().map(|holds| one(holds, whose)).collect();
            json!({ "anyOf": types })
        }
        Type::One(words) => {
            let mut words: Vec<Value> = words.iter().map(|word| json!(word)).collect();
            if words.contains(&json!("true")) {
                words.extend([json!(true), json!(false)]);
            }
            open(json!({ "enum": words }), whose)
        }
        Type::Number(least, most) => {
            open(json!({ "type": "integer", "minimum": least, "maximum": most }), whose)
        }
        _ => json!({}),
    }
}

/// In a plan a single value may also be a reference.
fn open(own: Value, whose: For) -> Value {
    match whose {
        For::Estate => own,
        For::Plan => json!({ "anyOf": [own, { "$ref": "#/$defs/reference" }] }),
    }
}

/// Types without parameters stand once, under `$defs`. Numbers and truth values are texts too.
fn named(holds: &Type) -> Option<&'static str> {
    match holds {
        Type::Name | Type::Of(_) | Type::User => Some("name"),
        Type::Text | Type::Words | Type::Server | Type::Ip | Type::Domain | Type::Cron | Type::Point => {
            Some("text")
        }
        Type::Duration => Some("duration"),
        Type::Size => Some("size"),
        Type::Share => Some("share"),
        Type::Truth => Some("truth"),
        Type::Path => Some("path"),
        Type::Url => Some("url"),
        Type::Endpoint => Some("endpoint"),
        Type::Location => Some("location"),
        Type::Time => Some("time"),
        Type::Digest => Some("digest"),
        Type::Secret => Some("secret"),
        Type::Any
        | Type::One(_)
        | Type::Number(..)
        | Type::Argv
        | Type::List(_)
        | Type::Many(_)
        | Type::Map(_)
        | Type::Table(..)
        | Type::Fields(_)
        | Type::Either(_) => None,
    }
}

/// The types without parameters.
fn types(whose: For) -> Map<String, Value> {
    let patterns = [
        ("duration", "^\\s*([0-9]+\\s*(ms|s|m|h|d|w)\\s*)+$"),
        ("size", "^\\s*[0-9]+\\s*([KMGT]iB|[kMGT]?B)\\s*$"),
        ("share", "^\\s*[0-9]+(\\.[0-9]+)?%$"),
        ("path", "^\\s*/"),
        ("url", "^\\s*https?://[^/@?#][^@]*$"),
        ("endpoint", ":[0-9]+\\s*$"),
        ("location", "^\\s*(/.|s3://[A-Za-z0-9._-])"),
        ("time", "^\\s*[0-9]{4}-[0-9]{2}-[0-9]{2}[T ]"),
        ("digest", "^\\s*[0-9a-f]{64}\\s*$"),
    ];
    let mut out: Map<String, Value> = patterns
        .into_iter()
        .map(|(name, pattern)| (name, json!({ "type": "string", "pattern": pattern })))
        .map(|(name, own)| (name.to_string(), open(own, whose)))
        .collect();
    let name = json!({ "type": ["string", "integer", "boolean"], "pattern": NAME });
    out.insert("name".to_string(), open(name, whose));
    out.insert("text".to_string(), json!({ "type": ["string", "number", "boolean"] }));
    out.insert("truth".to_string(), open(json!({ "type": "boolean" }), whose));
    out.insert("secret".to_string(), secret());
    if whose == For::Plan {
        let reference = json!({ "type": "string", "pattern": "^\\s*\\$\\{\\{.*\\}\\}\\s*$" });
        out.insert("reference".to_string(), reference);
    }
    out
}

fn secret() -> Value {
    json!({
        "type": "object",
        "minProperties": 1,
        "maxProperties": 1,
        "additionalProperties": false,
        "properties": {
            "file": { "type": "string", "pattern": "^/", "description": "A file that holds it." },
            "env": { "type": "string", "description": "An environment variable that holds it." },
            "secret": { "type": "string", "description": "A secret of the estate's own list." },
        },
    })
}
