//! Draws curves: one panel a metric, one line a run.

use std::{error::Error, ops::Range};

use plotters::{
    coord::{
        Shift,
        ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter},
        types::RangedCoordf64,
    },
    element::DashedPathElement,
    prelude::*,
};
use thiserror::Error;

/// One metric of all runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Panel {
    pub metric: String,
    /// What is counted from left to right.
    pub x: String,
    /// A line for each run in the order of their names; empty where a run has no such metric.
    pub lines: Vec<Line>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Line {
    pub points: Vec<(f64, f64)>,
    /// How far the band around the line reaches up and down at each point; empty without a band.
    pub errors: Vec<f64>,
}

/// A picture that could not be drawn.
#[derive(Debug, Error)]
#[error("the curves cannot be drawn: {0}")]
pub struct PlotError(String);

impl<E: Error + Send + Sync> From<DrawingAreaErrorKind<E>> for PlotError {
    fn from(error: DrawingAreaErrorKind<E>) -> Self {
        Self(error.to_string())
    }
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// Okabe and Ito's colours, which colour-blind readers can tell apart; yellow, faint on white, is left out.
const COLORS: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
    RGBColor(230, 159, 0),
    RGBColor(40, 40, 40),
];
const FONT: &str = "sans-serif";
const PANEL: (u32, u32) = (560, 320);
const MARGIN: i32 = 16;
const LEGEND_ROW: i32 = 22;
/// Length of a line in the legend, with the space after it.
const SAMPLE: i32 = 34;
/// Lines with fewer points show each of them.
const FEW: usize = 40;

/// The picture of `panels` as SVG; `runs` are the names in the legend.
///
/// # Errors
/// If the drawing library fails.
pub fn draw(panels: &[Panel], runs: &[String]) -> Result<String, PlotError> {
    let columns = if panels.len() > 1 { 2 } else { 1 };
    let rows = panels.len().div_ceil(columns);
    let width = PANEL.0 * columns as u32;
    let places = legend_places(runs, width as i32);
    let legend = places.last().map_or(0, |place| place.1 + LEGEND_ROW + MARGIN / 2);
    let mut svg = String::new();
    {
        let root =
            SVGBackend::with_string(&mut svg, (width, legend as u32 + PANEL.1 * rows as u32)).into_drawing_area();
        root.fill(&WHITE)?;
        let (head, body) = root.split_vertically(legend);
        draw_legend(&head, runs, &places)?;
        for (area, panel) in body.split_evenly((rows, columns)).iter().zip(panels) {
            draw_panel(area, panel)?;
        }
        root.present()?;
    }
    Ok(svg)
}

/// The upper left corner of each name, with a new row where one is full.
fn legend_places(runs: &[String], width: i32) -> Vec<(i32, i32)> {
    let (mut x, mut y) = (MARGIN, MARGIN / 2);
    let mut places = Vec::with_capacity(runs.len());
    for run in runs {
        let wide = SAMPLE + 8 * run.chars().count() as i32 + MARGIN;
        if x > MARGIN && x + wide > width {
            (x, y) = (MARGIN, y + LEGEND_ROW);
        }
        places.push((x, y));
        x += wide;
    }
    places
}

fn draw_legend(area: &Area, runs: &[String], places: &[(i32, i32)]) -> Result<(), PlotError> {
    for (index, (run, &(x, y))) in runs.iter().zip(places).enumerate() {
        let middle = y + LEGEND_ROW / 2;
        let points = vec![(x, middle), (x + SAMPLE - 8, middle)];
        match is_dashed(index) {
            false => area.draw(&PathElement::new(points, color(index).stroke_width(3)))?,
            true => area.draw(&DashedPathElement::new(points, 6, 4, color(index).stroke_width(3)))?,
        }
        area.draw(&Text::new(run.as_str(), (x + SAMPLE, y + 3), (FONT, 15).into_font()))?;
    }
    Ok(())
}

fn draw_panel(area: &Area, panel: &Panel) -> Result<(), PlotError> {
    let finite = |&&(x, y): &&(f64, f64)| is_drawable(x) && is_drawable(y);
    let lines: Vec<Vec<(f64, f64)>> =
        panel.lines.iter().map(|line| line.points.iter().filter(finite).copied().collect()).collect();
    let bands: Vec<Vec<(f64, f64)>> = panel.lines.iter().map(band).collect();
    let points = || lines.iter().chain(&bands).flatten();
    let x = Axis(range(points().map(|point| point.0), 0.0));
    let y = Axis(range(points().map(|point| point.1), 0.05));
    let mut chart = ChartBuilder::on(area)
        .caption(&panel.metric, (FONT, 16))
        .margin(MARGIN / 2)
        .margin_right(MARGIN)
        .x_label_area_size(40)
        .y_label_area_size(70)
        .build_cartesian_2d(x, y)?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(RGBColor(225, 225, 225))
        .axis_style(RGBColor(120, 120, 120))
        .label_style((FONT, 13))
        .x_labels(7)
        .y_labels(7)
        .x_desc(short_name(&panel.x))
        .y_desc(short_name(&panel.metric))
        .draw()?;
    for (index, band) in bands.into_iter().enumerate().filter(|(_, band)| !band.is_empty()) {
        chart.draw_series([Polygon::new(band, color(index).mix(0.18))])?;
    }
    for (index, line) in lines.into_iter().enumerate() {
        let style = color(index).stroke_width(2);
        if line.len() < FEW {
            chart.draw_series(line.iter().map(|&point| Circle::new(point, 3, color(index).filled())))?;
        }
        match is_dashed(index) {
            false => chart.draw_series(LineSeries::new(line, style))?,
            true => chart.draw_series(DashedLineSeries::new(line, 6, 4, style))?,
        };
    }
    Ok(())
}

/// The outline of the band around a line: along its lower edge and back along the upper one.
fn band(line: &Line) -> Vec<(f64, f64)> {
    let with_errors = || line.points.iter().zip(&line.errors);
    let drawable = |&(&(x, y), &error): &(&(f64, f64), &f64)| [x, y, error].into_iter().all(is_drawable);
    let lower = with_errors().filter(drawable).map(|(&(x, y), error)| (x, y - error));
    let upper = with_errors().filter(drawable).map(|(&(x, y), error)| (x, y + error));
    lower.chain(upper.rev()).collect()
}

fn color(run: usize) -> RGBColor {
    COLORS[run % COLORS.len()]
}

/// Colours come a second time as dashes.
fn is_dashed(run: usize) -> bool {
    !(run / COLORS.len()).is_multiple_of(2)
}

/// What remains of `rollout_buffer/kl_div` beside an axis: `kl_div`.
fn short_name(metric: &str) -> &str {
    metric.rsplit('/').next().unwrap_or(metric)
}

/// Larger numbers would overflow when they are subtracted.
fn is_drawable(x: f64) -> bool {
    x.abs() < 1e300
}

/// The range of numbers, widened on both sides by a share of it, and never of zero length.
fn range(numbers: impl Iterator<Item = f64>, share: f64) -> Range<f64> {
    let (low, high) = numbers.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| (low.min(x), high.max(x)));
    if low > high {
        return 0.0..1.0;
    }
    let (middle, half) = ((low + high) / 2.0, (high - low) / 2.0);
    // What differs by rounding only is drawn as equal.
    let half = match half > 1e-9 * middle.abs() && half > 1e-12 {
        true => half * (1.0 + 2.0 * share),
        false => (0.1 * middle.abs()).max(1e-12),
    };
    middle - half..middle + half
}

/// An axis whose ticks are at round numbers, however small or large they are.
struct Axis(Range<f64>);

impl Ranged for Axis {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, limit: (i32, i32)) -> i32 {
        RangedCoordf64::from(self.range()).map(value, limit)
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        ticks(&self.0, hint.bold_points())
    }

    fn range(&self) -> Range<f64> {
        self.0.clone()
    }
}

impl ValueFormatter<f64> for Axis {
    fn format(value: &f64) -> String {
        label(*value)
    }
}

/// Multiples of 1, 2 or 5 times a power of ten in `range`, about `count` of them or fewer.
fn ticks(range: &Range<f64>, count: usize) -> Vec<f64> {
    let least = (range.end - range.start) / count.max(1) as f64;
    let power = 10f64.powf(least.log10().floor());
    let step = power * [1.0, 2.0, 5.0].into_iter().find(|factor| power * factor >= least).unwrap_or(10.0);
    let first = (range.start / step).ceil();
    (0..=count).map(|index| (first + index as f64) * step).take_while(|&tick| tick <= range.end).collect()
}

/// A number with at most six digits that say something.
fn label(value: f64) -> String {
    let rounded: f64 = format!("{value:.5e}").parse().unwrap_or(value);
    match rounded == 0.0 || (1e-3..1e6).contains(&rounded.abs()) {
        true => format!("{rounded}"),
        false => format!("{rounded:e}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn panel(lines: &[&[(f64, f64)]]) -> Panel {
        let line = |points: &&[(f64, f64)]| Line { points: points.to_vec(), errors: vec![] };
        Panel { metric: "rollout_buffer/kl_div".into(), x: "iteration".into(), lines: lines.iter().map(line).collect() }
    }

    fn drawn(panels: &[Panel], runs: &[&str]) -> String {
        draw(panels, &runs.iter().map(|run| (*run).to_owned()).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn a_picture_names_its_runs_metrics_and_axes() {
        let line: &[(f64, f64)] = &[(1.0, 0.5), (2.0, 0.75)];
        let svg = drawn(&[panel(&[line, line])], &["first", "<second> & \"last\""]);
        for text in ["first", "&lt;second&gt; &amp; ", "rollout_buffer/kl_div", "\nkl_div\n", "iteration"] {
            assert!(svg.contains(text), "{text:?} is missing in {svg}");
        }
        assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
    }

    #[test]
    fn every_run_has_a_line_of_its_own_colour() {
        let line: &[(f64, f64)] = &[(1.0, 0.5), (2.0, 0.75)];
        let svg = drawn(&[panel(&[line, &[], line])], &["a", "b", "c"]);
        let lines = |color: &str| {
            svg.lines()
                .filter(|line| line.starts_with("<polyline") && line.contains(&format!("stroke=\"{color}\"")))
                .count()
        };
        // One in the legend and one in the panel, where the run has numbers.
        assert_eq!((lines("#0072B2"), lines("#D55E00"), lines("#009E73")), (2, 1, 2));
    }

    #[test]
    fn errors_are_a_band_around_the_line() {
        let mut panel = panel(&[&[(1.0, 0.5), (2.0, f64::NAN), (3.0, 0.75)]]);
        assert!(!drawn(&[panel.clone()], &["a"]).contains("<polygon"));
        panel.lines[0].errors = vec![0.25, 0.1, 0.5];
        assert_eq!(band(&panel.lines[0]), [(1.0, 0.25), (3.0, 0.25), (3.0, 1.25), (1.0, 0.75)]);
        assert!(drawn(&[panel], &["a"]).contains("<polygon"));
    }

    #[test]
    fn numbers_of_any_size_are_drawn() {
        let huge = f64::MAX;
        for line in [
            vec![],
            vec![(1.0, 1.0)],
            vec![(0.0, 0.0), (1.0, 0.0)],
            vec![(1.0, f64::NAN), (2.0, f64::INFINITY), (3.0, 1.0)],
            vec![(1.0, -huge), (2.0, huge), (3.0, 1e299), (4.0, -1e299)],
            vec![(1.0, 5e-324), (2.0, 1e-300)],
            vec![(1.0, 1.0), (2.0, 1.0 + f64::EPSILON)],
            vec![(1e15, 5e-6), (2e15, 4e-6)],
        ] {
            let svg = drawn(&[panel(&[&line])], &["run"]);
            assert!(svg.len() < 20_000 && !svg.contains("NaN"), "{line:?}: {} bytes", svg.len());
        }
    }

    #[test]
    fn ticks_are_round_and_inside_the_range() {
        let labels = |range: Range<f64>| ticks(&range, 7).into_iter().map(label).collect::<Vec<_>>();
        assert_eq!(labels(0.0..1.0), ["0", "0.2", "0.4", "0.6", "0.8", "1"]);
        assert_eq!(labels(-0.13..0.17), ["-0.1", "-0.05", "0", "0.05", "0.1", "0.15"]);
        assert_eq!(labels(3e-6..5.1e-6), ["3e-6", "3.5e-6", "4e-6", "4.5e-6", "5e-6"]);
        assert_eq!(labels(1.0..300.0), ["50", "100", "150", "200", "250", "300"]);
    }

    #[test]
    fn a_long_legend_goes_on_in_the_next_row() {
        let runs: Vec<String> = (0..6).map(|run| format!("a-run-with-a-long-name-{run}")).collect();
        let places = legend_places(&runs, 560);
        assert!(places.windows(2).all(|pair| pair[1].1 > pair[0].1 || pair[1].0 > pair[0].0));
        assert_eq!(places[2], (MARGIN, MARGIN / 2 + LEGEND_ROW));
    }
}
