//! Records about three subjects: every passage differs from every other, none repeats a phrase.

use std::sync::Arc;

use datanet_types::schema::Schema;
use parquet::data_type::{ByteArray, ByteArrayType};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use serde_json::json;

/// The subjects: the labels of [`labelled`].
pub const LABELS: [&str; 3] = ["cooking", "space", "football"];

/// A passage and its label.
pub type Sample = (String, &'static str);

/// Three lists of parts for each subject, joined into sentences.
const PARTS: [[[&str; 13]; 3]; 3] = [
    [
        [
            "Simmer the lentils",
            "Fold egg whites",
            "Roast pumpkin wedges",
            "Whisk mustard",
            "Knead sourdough",
            "Braise lamb shanks",
            "Blanch green beans",
            "Caramelise onions",
            "Poach pears",
            "Grate parmesan",
            "Marinate tofu",
            "Toast cumin seeds",
            "Fry potato pancakes",
        ],
        [
            "in a heavy cast-iron pot",
            "with cold butter",
            "beside crushed garlic",
            "over low heat",
            "inside a hot oven",
            "together with bay leaves",
            "under a damp kitchen towel",
            "using plenty of olive oil",
            "after adding red wine",
            "between sheets of baking paper",
            "along with chopped parsley",
            "on a floured board",
            "without stirring too often",
        ],
        [
            "until the sauce thickens",
            "so the crust turns golden",
            "for a richer soup",
            "while the rice steams",
            "before you season it",
            "and serve with yoghurt",
            "then sprinkle sea salt",
            "to keep the dough elastic",
            "as grandmother's recipe says",
            "because bitterness fades",
            "and let the flavours marry",
            "till a fork slides through",
            "then cool on a rack",
        ],
    ],
    [
        [
            "The rover drilled",
            "Astronomers mapped",
            "A comet crossed",
            "The telescope imaged",
            "Engineers launched",
            "Solar wind stripped",
            "Jupiter's moon hides",
            "Cosmonauts repaired",
            "The probe measured",
            "A supernova lit up",
            "Gravity bends",
            "Radar revealed",
            "The lander photographed",
        ],
        [
            "an ancient Martian lakebed",
            "a dusty spiral galaxy",
            "the orbit of Saturn",
            "two merging neutron stars",
            "a reusable booster",
            "the thin upper atmosphere",
            "an ocean below its ice",
            "the station's solar array",
            "faint magnetic fields",
            "a nearby dwarf galaxy",
            "starlight around clusters",
            "craters near the lunar pole",
            "the asteroid's rough surface",
        ],
        [
            "during a nine-month mission",
            "using infrared detectors",
            "billions of years ago",
            "as mission control watched",
            "at eleven kilometres per second",
            "far beyond Neptune",
            "according to spectrometer data",
            "with a robotic arm",
            "despite cosmic radiation",
            "for the first catalogue of exoplanets",
            "in microgravity",
            "shortly before re-entry",
            "through a narrow observation window",
        ],
    ],
    [
        [
            "The striker volleyed",
            "Our goalkeeper parried",
            "A late tackle stopped",
            "The referee disallowed",
            "Supporters cheered",
            "The captain converted",
            "Midfielders recycled",
            "A teenage winger curled",
            "The coach substituted",
            "Defenders headed away",
            "United squandered",
            "The playmaker threaded",
            "City's press forced",
        ],
        [
            "a dipping corner kick",
            "the second penalty",
            "their fastest counter-attack",
            "an equaliser for offside",
            "the league's top scorer",
            "possession near the halfway line",
            "a shot from thirty yards",
            "his tired full-back",
            "every long throw-in",
            "a two-goal lead",
            "passes between the centre-backs",
            "mistakes in the box",
            "a free kick over the wall",
        ],
        [
            "in stoppage time",
            "at a sold-out stadium",
            "to win the derby",
            "after a video review",
            "midway through extra time",
            "on a muddy pitch",
            "as the cup final loomed",
            "and earned three points",
            "despite a red card",
            "during the relegation battle",
            "for the visiting team",
            "before half-time",
            "to stay unbeaten this season",
        ],
    ],
];

/// `count` samples, evenly over the subjects, from the `skip`th on. Up to 169 different ones a subject.
pub fn samples(skip: usize, count: usize) -> Vec<Sample> {
    (skip..skip + count).map(|n| (sentence(n % 3, n / 3), LABELS[n % 3])).collect()
}

fn sentence(subject: usize, n: usize) -> String {
    let [first, second, third] = &PARTS[subject];
    let round = n / 13;
    let (a, b, c) = (n % 13, (n * 5 + round) % 13, (n * 3 + round * 4) % 13);
    format!("{} {} {}.", first[a], second[b], third[c])
}

/// Text and one of [`LABELS`], both required.
pub fn labelled() -> Schema {
    Schema::text_and_label(&LABELS)
}

/// Text alone.
pub fn text_only() -> Schema {
    let mut schema = Schema::text_and_label(&[]);
    schema.fields.truncate(1);
    schema
}

/// One JSON object a line.
/// In canonical form: what is taken out again is the same to the byte.
pub fn jsonl(samples: &[Sample]) -> String {
    samples.iter().map(|(text, label)| format!("{}\n", json!({ "label": label, "text": text }))).collect()
}

/// The passages alone, one JSON object a line.
pub fn jsonl_of_texts(samples: &[Sample]) -> String {
    samples.iter().map(|(text, _)| format!("{}\n", json!({ "text": text }))).collect()
}

/// With a header.
pub fn csv(samples: &[Sample]) -> String {
    let rows = samples.iter().map(|(text, label)| format!("\"{}\",{label}\n", text.replace('"', "\"\"")));
    std::iter::once("text,label\n".to_owned()).chain(rows).collect()
}

/// One paragraph a passage.
pub fn paragraphs(samples: &[Sample]) -> String {
    samples.iter().map(|(text, _)| format!("{text}\n\n")).collect()
}

/// A Parquet file of one row group.
pub fn parquet(samples: &[Sample]) -> Vec<u8> {
    let columns = "message m { required binary text (UTF8); required binary label (UTF8); }";
    let schema = Arc::new(parse_message_type(columns).unwrap());
    let mut bytes = Vec::new();
    let properties = Arc::new(WriterProperties::builder().build());
    let mut writer = SerializedFileWriter::new(&mut bytes, schema, properties).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let texts = samples.iter().map(|(text, _)| text.as_str());
    let labels = samples.iter().map(|(_, label)| *label);
    for values in [texts.map(ByteArray::from).collect::<Vec<_>>(), labels.map(ByteArray::from).collect()] {
        let mut column = group.next_column().unwrap().unwrap();
        column.typed::<ByteArrayType>().write_batch(&values, None, None).unwrap();
        column.close().unwrap();
    }
    group.close().unwrap();
    writer.close().unwrap();
    bytes
}
