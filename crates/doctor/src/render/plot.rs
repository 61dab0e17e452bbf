//! A plot of response times: a row per type of request, a dot per response, a line at the median.

use std::fmt::Write as _;

use crate::report::Sample;

use super::escaped;

const LEFT: f64 = 130.0;
const WIDTH: f64 = 720.0;
const ROW: f64 = 34.0;

/// An SVG element; empty if there is nothing to draw.
pub(super) fn latency(samples: &[Sample]) -> String {
    let mut kinds: Vec<&str> = Vec::new();
    for sample in samples {
        if !kinds.contains(&sample.kind) {
            kinds.push(sample.kind);
        }
    }
    if kinds.is_empty() {
        return String::new();
    }
    let low = samples
        .iter()
        .map(|sample| sample.ms)
        .fold(f64::MAX, f64::min)
        .max(0.01)
        .log10()
        .floor();
    let high = samples
        .iter()
        .map(|sample| sample.ms)
        .fold(0.0, f64::max)
        .max(0.1)
        .log10()
        .ceil()
        .max(low + 1.0);
    let x = |ms: f64| LEFT + (ms.max(0.01).log10() - low) / (high - low) * (WIDTH - LEFT - 20.0);
    let bottom = row(kinds.len()) - ROW / 2.0 + 4.0;
    // writing to a String cannot fail
    let mut out = String::new();
    let _ = write!(
        out,
        "<svg viewBox=\"0 0 {WIDTH} {:.0}\" role=\"img\" aria-label=\"Time of each reply in milliseconds\">",
        bottom + 40.0
    );
    let mut exponent = low;
    while exponent <= high {
        let ms = 10f64.powf(exponent);
        let at = x(ms);
        let _ = write!(
            out,
            "<line class=\"grid\" x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"8\" y2=\"{bottom:.1}\"/>\
             <text class=\"axis\" x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{ms}</text>",
            bottom + 16.0
        );
        exponent += 1.0;
    }
    let _ = write!(
        out,
        "<text class=\"axis\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">\
         milliseconds (each step is ten times as long)</text>",
        f64::midpoint(LEFT, WIDTH),
        bottom + 34.0
    );
    for (number, kind) in kinds.iter().enumerate() {
        draw_row(&mut out, row(number), kind, samples, &x);
    }
    out + "</svg>"
}

#[allow(clippy::cast_precision_loss, reason = "there are few kinds")]
fn row(number: usize) -> f64 {
    24.0 + number as f64 * ROW
}

fn draw_row(out: &mut String, y: f64, kind: &str, samples: &[Sample], x: &dyn Fn(f64) -> f64) {
    let mut times: Vec<f64> = samples
        .iter()
        .filter(|sample| sample.kind == kind)
        .map(|sample| sample.ms)
        .collect();
    let _ = write!(
        out,
        "<text class=\"row\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{} ({})</text>",
        LEFT - 12.0,
        y + 4.0,
        escaped(kind),
        times.len()
    );
    for (number, ms) in times.iter().enumerate() {
        // overlapping dots are spread a little, deterministically
        let spread = [0.0, -6.0, 6.0, -3.0, 3.0][number % 5];
        let _ = write!(
            out,
            "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"2.6\"><title>{ms:.2} ms</title></circle>",
            x(*ms),
            y + spread
        );
    }
    times.sort_by(f64::total_cmp);
    if let Some(median) = times.get(times.len() / 2) {
        let at = x(*median);
        let _ = write!(
            out,
            "<line class=\"median\" x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"{:.1}\" y2=\"{:.1}\">\
             <title>median {median:.2} ms</title></line>",
            y - 11.0,
            y + 11.0
        );
    }
}
