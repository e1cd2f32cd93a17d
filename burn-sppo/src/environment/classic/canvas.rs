use crate::environment::Frame;

type Point = [f64; 2];
type Colour = [u8; 3];

/// A white picture to draw on. Points are counted in pixels from the lower left corner; what lies outside is not drawn.
pub(super) struct Canvas {
    width: usize,
    height: usize,
    rgb: Vec<u8>,
}

impl Canvas {
    pub fn new(width: usize, height: usize) -> Self {
        Self { width, height, rgb: vec![255; 3 * width * height] }
    }

    pub fn finish(self) -> Frame {
        Frame { width: self.width, height: self.height, rgb: self.rgb }
    }

    fn set(&mut self, column: usize, row_from_below: usize, colour: Colour) {
        let row = self.height - 1 - row_from_below;
        let place = 3 * (row * self.width + column);
        self.rgb[place..place + 3].copy_from_slice(&colour);
    }

    /// Colours the pixels of a row whose centres lie from `left` to `right`.
    fn span(&mut self, row_from_below: usize, left: f64, right: f64, colour: Colour) {
        let first = (left - 0.5).ceil().max(0.0) as usize;
        let end = ((right - 0.5).floor() + 1.0).clamp(0.0, self.width as f64) as usize;
        (first..end).for_each(|column| self.set(column, row_from_below, colour));
    }

    /// The rows whose centres lie from `bottom` to `top`.
    fn rows(&self, bottom: f64, top: f64) -> std::ops::Range<usize> {
        let first = (bottom - 0.5).ceil().max(0.0) as usize;
        let end = ((top - 0.5).floor() + 1.0).clamp(0.0, self.height as f64) as usize;
        first..end
    }

    /// A line one pixel wide.
    pub fn line(&mut self, from: Point, to: Point, colour: Colour) {
        let steps = (to[0] - from[0]).abs().max((to[1] - from[1]).abs()).ceil().max(1.0);
        for step in 0..=steps as usize {
            let share = step as f64 / steps;
            let [x, y] = [0, 1].map(|i| (from[i] + share * (to[i] - from[i])).floor());
            if (0.0..self.width as f64).contains(&x) && (0.0..self.height as f64).contains(&y) {
                self.set(x as usize, y as usize, colour);
            }
        }
    }

    /// A filled convex polygon.
    pub fn polygon(&mut self, corners: &[Point], colour: Colour) {
        let heights = || corners.iter().map(|corner| corner[1]);
        let (bottom, top) = (heights().fold(f64::INFINITY, f64::min), heights().fold(f64::NEG_INFINITY, f64::max));
        for row in self.rows(bottom, top) {
            let y = row as f64 + 0.5;
            let (mut left, mut right) = (f64::INFINITY, f64::NEG_INFINITY);
            for (i, from) in corners.iter().enumerate() {
                let to = corners[(i + 1) % corners.len()];
                if (from[1] <= y) != (to[1] <= y) {
                    let x = from[0] + (y - from[1]) / (to[1] - from[1]) * (to[0] - from[0]);
                    (left, right) = (left.min(x), right.max(x));
                }
            }
            self.span(row, left, right, colour);
        }
    }

    /// A filled rectangle that reaches `length` far from the middle of one of its sides, in a direction.
    pub fn bar(&mut self, from: Point, direction: f64, length: f64, thickness: f64, colour: Colour) {
        let (sin, cos) = direction.sin_cos();
        let [across, along] = [[-sin * thickness / 2.0, cos * thickness / 2.0], [cos * length, sin * length]];
        let corner = |side: f64, far: f64| {
            [from[0] + side * across[0] + far * along[0], from[1] + side * across[1] + far * along[1]]
        };
        self.polygon(&[corner(-1.0, 0.0), corner(1.0, 0.0), corner(1.0, 1.0), corner(-1.0, 1.0)], colour);
    }

    /// A filled disc.
    pub fn disc(&mut self, centre: Point, radius: f64, colour: Colour) {
        for row in self.rows(centre[1] - radius, centre[1] + radius) {
            let above = row as f64 + 0.5 - centre[1];
            let half = (radius * radius - above * above).max(0.0).sqrt();
            self.span(row, centre[0] - half, centre[0] + half, colour);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLACK: Colour = [0, 0, 0];

    /// Rows from the top; `#` where something is drawn.
    fn text(canvas: Canvas) -> Vec<String> {
        let frame = canvas.finish();
        let pixels: Vec<char> = frame.rgb.chunks(3).map(|rgb| if rgb == BLACK { '#' } else { '.' }).collect();
        pixels.chunks(frame.width).map(|row| row.iter().collect()).collect()
    }

    #[test]
    fn shapes_cover_the_pixels_whose_centres_they_contain() {
        let mut canvas = Canvas::new(6, 4);
        canvas.bar([1.0, 1.5], 0.0, 3.0, 1.0, BLACK);
        assert_eq!(text(canvas), ["......", "......", ".###..", "......"]);
        let mut canvas = Canvas::new(5, 5);
        canvas.disc([2.5, 2.5], 2.1, BLACK);
        assert_eq!(text(canvas), ["..#..", ".###.", "#####", ".###.", "..#.."]);
        let mut canvas = Canvas::new(4, 4);
        canvas.polygon(&[[0.0, 0.0], [4.0, 0.0], [0.0, 4.0]], BLACK);
        assert_eq!(text(canvas), ["#...", "##..", "###.", "####"]);
        let mut canvas = Canvas::new(4, 3);
        canvas.line([0.5, 0.5], [3.5, 0.5], BLACK);
        canvas.line([1.5, 0.5], [1.5, 2.5], BLACK);
        assert_eq!(text(canvas), [".#..", ".#..", "####"]);
    }

    #[test]
    fn what_lies_outside_is_cut_off() {
        let mut canvas = Canvas::new(3, 2);
        canvas.line([-9.0, 0.5], [9.0, 0.5], BLACK);
        canvas.bar([1.5, -50.0], std::f64::consts::FRAC_PI_2, 100.0, 1.0, BLACK);
        canvas.disc([100.0, 100.0], 5.0, BLACK);
        canvas.disc([-100.0, -100.0], 5.0, BLACK);
        assert_eq!(text(canvas), [".#.", "###"]);
    }
}
