//! Drawing who paid whom: a Sankey diagram in three columns, as an SVG that reads on light and on dark paper.

use std::fmt::Write as _;

use serde::Serialize;

use crate::ui::dnt;

/// So much from one to another, both named.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Flow {
    /// From which column: 0 to the one in the middle, 1 from there.
    pub(super) stage: usize,
    pub(super) from: String,
    pub(super) to: String,
    /// Base units.
    pub(super) amount: u64,
}

const WIDTH: f64 = 960.0;
const TOP: f64 = 64.0;
/// Height of all boxes of a column together, and the gap between two.
const BODY: f64 = 420.0;
const GAP: f64 = 14.0;
const BOX: f64 = 14.0;
/// Left edges of the columns' boxes.
const COLUMNS: [f64; 3] = [210.0, 473.0, 736.0];
/// Colours between light and dark, so that both papers carry them.
const COLOURS: [&str; 10] =
    ["#4477aa", "#cc6677", "#228833", "#b8860b", "#7b68aa", "#2a9d8f", "#c2185b", "#607d8b", "#8d6e63", "#5c8a00"];

/// A box: one who pays, passes on, or is paid.
#[derive(Debug, Clone)]
struct Place {
    name: String,
    column: usize,
    amount: u64,
    y: f64,
    height: f64,
    colour: &'static str,
    /// How much of it flows in and out already, from above.
    taken: [f64; 2],
}

/// The whole picture.
pub(super) fn draw(title: &str, flows: &[Flow]) -> String {
    let mut places = places(flows);
    let scale = layout(&mut places);
    let bottom = places.iter().map(|place| place.y + place.height).fold(TOP, f64::max);
    let mut svg = String::new();
    let height = bottom + 28.0;
    write!(svg, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height:.0}\" role=\"img\" aria-label=\"{}\">\n{STYLE}", escaped(title)).ok();
    writeln!(svg, "<text class=\"title\" x=\"24\" y=\"30\">{}</text>", escaped(title)).ok();
    for (column, words) in ["who paid", "who answered", "who was paid"].iter().enumerate() {
        let x = COLUMNS[column] + BOX / 2.0;
        writeln!(svg, "<text class=\"head\" x=\"{x:.0}\" y=\"52\" text-anchor=\"middle\">{words}</text>").ok();
    }
    for flow in flows.iter().filter(|flow| flow.amount > 0) {
        link(&mut svg, &mut places, flow, scale);
    }
    places.iter().for_each(|place| label(&mut svg, place));
    svg.push_str("</svg>\n");
    svg
}

const STYLE: &str = "<style>
text { font: 13px system-ui, -apple-system, 'Segoe UI', sans-serif; fill: #24292f; stroke: #ffffff; stroke-opacity: .8; stroke-width: 3px; stroke-linejoin: round; paint-order: stroke }
.title { font-size: 16px; font-weight: 600 }
.head, .sum { fill: #57606a; font-size: 12px }
path { fill-opacity: .38 }
path:hover { fill-opacity: .7 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3; stroke: #0d1117 }
  .head, .sum { fill: #9da7b1 }
  path { fill-opacity: .5 }
}
</style>
";

/// All boxes, each once, in the order in which the flows name them.
fn places(flows: &[Flow]) -> Vec<Place> {
    let mut places: Vec<Place> = Vec::new();
    for flow in flows.iter().filter(|flow| flow.amount > 0) {
        for (name, column) in [(&flow.from, flow.stage), (&flow.to, flow.stage + 1)] {
            if !places.iter().any(|place| place.name == *name && place.column == column) {
                let colour = COLOURS[places.len() % COLOURS.len()];
                let amount = passing(flows, name, column);
                places.push(Place { name: name.clone(), column, amount, y: 0.0, height: 0.0, colour, taken: [0.0; 2] });
            }
        }
    }
    places
}

/// What a box passes: what comes in or what goes out, whichever is more.
fn passing(flows: &[Flow], name: &str, column: usize) -> u64 {
    let comes =
        flows.iter().filter(|flow| flow.stage + 1 == column && flow.to == name).map(|flow| flow.amount).sum::<u64>();
    let goes = flows.iter().filter(|flow| flow.stage == column && flow.from == name).map(|flow| flow.amount).sum();
    comes.max(goes)
}

/// Puts the boxes of each column below one another; height of a base unit.
fn layout(places: &mut [Place]) -> f64 {
    let sum = |column: usize, places: &[Place]| {
        places.iter().filter(|place| place.column == column).map(|place| place.amount).sum::<u64>()
    };
    let most = (0..COLUMNS.len()).map(|column| sum(column, places)).max().unwrap_or_default().max(1);
    let scale = BODY / most as f64;
    let fullest = (0..COLUMNS.len())
        .map(|column| places.iter().filter(|place| place.column == column).count())
        .max()
        .unwrap_or(1);
    let whole = BODY + GAP * (fullest as f64 - 1.0);
    for column in 0..COLUMNS.len() {
        let own: Vec<usize> = (0..places.len()).filter(|at| places[*at].column == column).collect();
        let heights: f64 = own.iter().map(|at| (places[*at].amount as f64 * scale).max(2.0)).sum();
        let gap = if own.len() > 1 { ((whole - heights) / (own.len() as f64 - 1.0)).min(40.0) } else { 0.0 };
        let used = heights + gap * (own.len() as f64 - 1.0).max(0.0);
        let mut y = TOP + (whole - used) / 2.0;
        for at in own {
            places[at].height = (places[at].amount as f64 * scale).max(2.0);
            places[at].y = y;
            y += places[at].height + gap;
        }
    }
    scale
}

/// A band from one box to another.
fn link(svg: &mut String, places: &mut [Place], flow: &Flow, scale: f64) {
    let find = |name: &str, column: usize| places.iter().position(|place| place.name == name && place.column == column);
    let (Some(from), Some(to)) = (find(&flow.from, flow.stage), find(&flow.to, flow.stage + 1)) else { return };
    let thick = flow.amount as f64 * scale;
    let (x0, x1) = (COLUMNS[flow.stage] + BOX, COLUMNS[flow.stage + 1]);
    let (y0, y1) = (places[from].y + places[from].taken[1], places[to].y + places[to].taken[0]);
    places[from].taken[1] += thick;
    places[to].taken[0] += thick;
    let (middle, drawn) = ((x0 + x1) / 2.0, thick.max(0.8));
    let colour = if flow.stage == 0 { places[from].colour } else { places[to].colour };
    writeln!(
        svg,
        "<path fill=\"{colour}\" d=\"M{x0:.1} {y0:.1}C{middle:.1} {y0:.1} {middle:.1} {y1:.1} {x1:.1} {y1:.1}V{:.1}C{middle:.1} {:.1} {middle:.1} {:.1} {x0:.1} {:.1}Z\"><title>{} to {}: {}</title></path>",
        y1 + drawn,
        y1 + drawn,
        y0 + drawn,
        y0 + drawn,
        escaped(&flow.from),
        escaped(&flow.to),
        dnt(flow.amount)
    )
    .ok();
}

/// A box with its name and what passed it.
fn label(svg: &mut String, place: &Place) {
    let x = COLUMNS[place.column];
    writeln!(
        svg,
        "<rect x=\"{x:.1}\" y=\"{:.1}\" width=\"{BOX}\" height=\"{:.1}\" rx=\"2\" fill=\"{}\"/>",
        place.y, place.height, place.colour
    )
    .ok();
    let (at, anchor) = if place.column == 0 { (x - 8.0, "end") } else { (x + BOX + 8.0, "start") };
    let y = place.y + place.height / 2.0 + 4.5;
    writeln!(
        svg,
        "<text x=\"{at:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{} <tspan class=\"sum\">{}</tspan></text>",
        escaped(&place.name),
        dnt(place.amount)
    )
    .ok();
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flow(stage: usize, from: &str, to: &str, amount: u64) -> Flow {
        Flow { stage, from: from.into(), to: to.into(), amount }
    }

    #[test]
    fn boxes_do_not_overlap_and_bands_fill_them() {
        let flows = [
            flow(0, "ann", "node0", 700),
            flow(0, "<bob>", "node0", 300),
            flow(1, "node0", "givers", 600),
            flow(1, "node0", "judges", 400),
            flow(1, "node0", "nobody", 0),
        ];
        let mut places = places(&flows);
        let scale = layout(&mut places);
        assert_eq!(
            places.iter().map(|place| (place.column, place.amount)).collect::<Vec<_>>(),
            [(0, 700), (1, 1_000), (0, 300), (2, 600), (2, 400)]
        );
        for column in 0..3 {
            let mut own: Vec<&Place> = places.iter().filter(|place| place.column == column).collect();
            own.sort_by(|a, b| a.y.total_cmp(&b.y));
            assert!(own.windows(2).all(|pair| pair[0].y + pair[0].height < pair[1].y), "{own:?}");
            assert!((own.iter().map(|place| place.height).sum::<f64>() - 1_000.0 * scale).abs() < 1e-6);
        }
        let svg = draw("a & b", &flows);
        assert_eq!((svg.matches("<path").count(), svg.matches("<rect").count()), (4, 5));
        assert!(svg.contains("&lt;bob&gt;") && !svg.contains("<bob>") && svg.contains("prefers-color-scheme"));
    }
}
