//! What an exported folder is for machines: Croissant 1.1, a vocabulary over schema.org in JSON-LD
//! (<https://docs.mlcommons.org/croissant/docs/croissant-spec-1.1.html>), with PROV-O for who gave what.

use datanet_types::schema::{FieldKind, FieldRole};
use serde_json::{Map, Value, json};

use super::Column;
use super::about::{About, Split};

/// What the files are, as the reader of Croissant knows it.
const PARQUET: &str = "application/x-parquet";

/// Terms that are the vocabulary's own, so that they need no prefix.
const TERMS: [&str; 34] = [
    "annotation",
    "arrayShape",
    "citeAs",
    "column",
    "containedIn",
    "equivalentProperty",
    "excludes",
    "extract",
    "field",
    "fileProperty",
    "fileObject",
    "fileSet",
    "format",
    "includes",
    "isArray",
    "isLiveDataset",
    "jsonPath",
    "key",
    "md5",
    "parentField",
    "path",
    "readLines",
    "recordSet",
    "references",
    "regex",
    "repeated",
    "replace",
    "samplingRate",
    "sdVersion",
    "separator",
    "source",
    "subField",
    "transform",
    "value",
];

/// The text of `croissant.json`.
pub fn croissant(about: &About) -> Value {
    let mut record_sets = vec![splits(about)];
    let label = about.columns.iter().find(|column| column.role == FieldRole::Label && !column.classes.is_empty());
    record_sets.extend(label.map(classes));
    record_sets.extend(about.splits.iter().map(|split| record_set(split, &about.columns)));
    let files = about.splits.iter().flat_map(|split| &split.files).map(|file| {
        json!({
            "@type": "cr:FileObject", "@id": file.name, "name": file.name, "contentUrl": file.name,
            "contentSize": format!("{} B", file.bytes), "encodingFormat": PARQUET, "sha256": file.sha256,
        })
    });
    let sets = about.splits.iter().map(|split| {
        let id = files_of(split);
        let includes = format!("data/{}-*.parquet", split.name);
        json!({ "@type": "cr:FileSet", "@id": id, "name": id, "encodingFormat": PARQUET, "includes": includes })
    });
    json!({
        "@context": context(),
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.1",
        "name": about.name,
        "description": description(about),
        "url": format!("urn:datanet:{}", about.id),
        "license": licence(&about.licence),
        "creator": { "@type": "sc:Organization", "@id": account(&about.creator), "name": about.creator },
        // Records come and go with the height: another one is another data set.
        "version": format!("{}.0.0", about.height),
        "datePublished": about.date,
        "citeAs": about.citation(),
        "keywords": ["datanet"],
        "isLiveDataset": false,
        "prov:wasGeneratedBy": {
            "@type": "prov:Activity",
            "prov:label": format!("export of the final records at height {} of the chain {}", about.height, about.chain),
        },
        "prov:wasDerivedFrom": about.contributions.iter().map(|one| json!({
            "@type": "prov:Entity",
            "@id": format!("urn:datanet:contribution:{}", one.id),
            "prov:label": format!(
                "{} records, final from height {}, record root {}", one.records, one.final_height, one.record_root
            ),
            "prov:wasAttributedTo": {
                "@type": "prov:Agent", "@id": account(&one.contributor), "prov:label": one.contributor,
            },
        })).collect::<Vec<_>>(),
        "distribution": files.chain(sets).collect::<Vec<_>>(),
        "recordSet": record_sets,
    })
}

fn context() -> Value {
    let mut context = Map::new();
    for (prefix, stands_for) in [
        ("@language", "en"),
        ("@vocab", "https://schema.org/"),
        ("sc", "https://schema.org/"),
        ("cr", "http://mlcommons.org/croissant/"),
        ("rai", "http://mlcommons.org/croissant/RAI/"),
        ("dct", "http://purl.org/dc/terms/"),
        ("prov", "http://www.w3.org/ns/prov#"),
        ("conformsTo", "dct:conformsTo"),
    ] {
        context.insert(prefix.to_owned(), stands_for.into());
    }
    for term in TERMS {
        context.insert(term.to_owned(), format!("cr:{term}").into());
    }
    for term in ["data", "examples"] {
        context.insert(term.to_owned(), json!({ "@id": format!("cr:{term}"), "@type": "@json" }));
    }
    for term in ["name", "description"] {
        context.insert(term.to_owned(), json!({ "@container": "@language" }));
    }
    context.insert("dataType".to_owned(), json!({ "@id": "cr:dataType", "@type": "@vocab" }));
    context.into()
}

fn description(about: &About) -> String {
    let said = about.description.trim();
    if said.is_empty() { format!("The final records of the datanet {}.", about.name) } else { said.to_owned() }
}

/// The address of a licence that SPDX lists; an expression has none.
fn licence(spdx: &str) -> Value {
    let is_one = !spdx.contains([' ', '(', ':']) && !spdx.starts_with("LicenseRef-");
    match is_one {
        true => format!("https://spdx.org/licenses/{}.html", spdx.trim_end_matches('+')).into(),
        false => json!({ "@type": "sc:CreativeWork", "name": spdx }),
    }
}

fn account(address: &str) -> String {
    format!("urn:datanet:account:{address}")
}

fn files_of(split: &Split) -> String {
    format!("{}-files", split.name)
}

/// Which splits there are, and what they are meant for.
fn splits(about: &About) -> Value {
    let meant = |name: &str| if name == "test" { "cr:TestSplit" } else { "cr:TrainingSplit" };
    let data = about.splits.iter().map(|split| json!({ "splits/name": split.name, "splits/url": meant(split.name) }));
    json!({
        "@type": "cr:RecordSet", "@id": "splits", "name": "splits", "dataType": "cr:Split",
        "description": "The splits: the final records, and the held-out set.",
        "key": { "@id": "splits/name" },
        "field": [
            { "@type": "cr:Field", "@id": "splits/name", "name": "name", "dataType": "sc:Text" },
            { "@type": "cr:Field", "@id": "splits/url", "name": "url", "dataType": ["sc:URL", "cr:Split"] },
        ],
        "data": data.collect::<Vec<_>>(),
    })
}

fn classes(label: &Column) -> Value {
    let data = label.classes.iter().map(|name| json!({ "classes/name": name }));
    json!({
        "@type": "cr:RecordSet", "@id": "classes", "name": "classes", "dataType": "sc:Enumeration",
        "description": format!("What the field {} may be.", label.name),
        "key": { "@id": "classes/name" },
        "field": [{ "@type": "cr:Field", "@id": "classes/name", "name": "name", "dataType": "sc:Text" }],
        "data": data.collect::<Vec<_>>(),
    })
}

fn record_set(split: &Split, columns: &[Column]) -> Value {
    json!({
        "@type": "cr:RecordSet", "@id": split.name, "name": split.name,
        "description": format!("The {} records of the split {}.", split.records, split.name),
        "dataType": "prov:Entity",
        "field": columns.iter().map(|column| field(split, column)).collect::<Vec<_>>(),
    })
}

fn field(split: &Split, column: &Column) -> Value {
    let plain = match column.kind {
        FieldKind::String => "sc:Text",
        FieldKind::Integer => "sc:Integer",
        FieldKind::Number => "sc:Float",
        FieldKind::Boolean => "sc:Boolean",
    };
    let mut field = json!({
        "@type": "cr:Field", "@id": format!("{}/{}", split.name, column.name), "name": column.name,
        "description": about_column(column),
        "dataType": plain,
        "source": { "fileSet": { "@id": files_of(split) }, "extract": { "column": column.name } },
    });
    if column.role == FieldRole::Label {
        field["dataType"] = json!([plain, "cr:Label"]);
        if !column.classes.is_empty() {
            field["references"] = json!({ "field": { "@id": "classes/name" } });
        }
    }
    // Each record is an entity: these are its properties.
    let property = match column.name.as_str() {
        "_datanet_contribution" => Some("prov:wasDerivedFrom"),
        "_datanet_contributor" => Some("prov:wasAttributedTo"),
        "_datanet_licence" => Some("dct:license"),
        _ => None,
    };
    if let Some(property) = property {
        field["equivalentProperty"] = property.into();
    }
    field
}

fn about_column(column: &Column) -> &'static str {
    match (column.role, column.name.as_str()) {
        (FieldRole::Text, _) => "The passage.",
        (FieldRole::Label, _) => "Its class.",
        (_, "_datanet_contribution") => "The contribution that the record was given in.",
        (_, "_datanet_contributor") => "The address of the account that gave it.",
        (_, "_datanet_licence") => "SPDX expression of the record's licence.",
        (_, "_datanet_index") => "The record's place in its contribution, from 0.",
        (_, "_datanet_hash") => "The record's leaf under its contribution's record root, hex.",
        _ => "A value that goes with the passage.",
    }
}
