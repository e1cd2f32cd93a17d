//! What the two mountain cars share: the hill and its picture.

use super::canvas::Canvas;
use crate::environment::Frame;

pub(super) const MIN_POSITION: f64 = -1.2;
pub(super) const MAX_POSITION: f64 = 0.6;
pub(super) const MAX_SPEED: f64 = 0.07;
pub(super) const GRAVITY: f64 = 0.0025;

fn height(position: f64) -> f64 {
    (3.0 * position).sin() * 0.45 + 0.55
}

pub(super) fn picture(position: f64, goal: f64) -> Frame {
    let mut canvas = Canvas::new(600, 400);
    let scale = 600.0 / (MAX_POSITION - MIN_POSITION);
    let place = |position: f64| [(position - MIN_POSITION) * scale, height(position) * scale];
    let points = (0..100).map(|i| place(MIN_POSITION + f64::from(i) * (MAX_POSITION - MIN_POSITION) / 99.0));
    let points: Vec<[f64; 2]> = points.collect();
    points.windows(2).for_each(|pair| canvas.line(pair[0], pair[1], [0, 0, 0]));

    let slope = (3.0 * position).cos();
    let (sin, cos) = slope.sin_cos();
    let [x, y] = place(position);
    // `along` the slope and `above` the wheels' axis, which is 10 above the ground.
    let on_car = |along: f64, above: f64| [x + along * cos - above * sin, y + 10.0 + along * sin + above * cos];
    canvas.bar(on_car(-20.0, 10.0), slope, 40.0, 20.0, [0, 0, 0]);
    canvas.disc(on_car(10.0, 0.0), 8.0, [128, 128, 128]);
    canvas.disc(on_car(-10.0, 0.0), 8.0, [128, 128, 128]);

    let [x, y] = place(goal);
    canvas.line([x, y], [x, y + 50.0], [0, 0, 0]);
    canvas.polygon(&[[x, y + 50.0], [x, y + 40.0], [x + 25.0, y + 45.0]], [204, 204, 0]);
    canvas.finish()
}
