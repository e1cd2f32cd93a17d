use std::{
    fmt::Write as _,
    io::{self, Write as _},
    thread::sleep,
    time::{Duration, Instant},
};

use burn_sppo::environment::Frame;
use terminal_size::{Height, Width, terminal_size};

/// The terminal as a screen: two pixels a character, one above the other, in 24-bit colour.
pub struct Screen {
    pace: Duration,
    next: Instant,
    /// Lines of the picture that is shown, over which the next one is drawn.
    lines: usize,
}

type Colour = [u8; 3];

impl Screen {
    pub fn new(pace: Duration) -> Self {
        Self { pace, next: Instant::now(), lines: 0 }
    }

    /// Shows a picture when its time has come.
    pub fn show(&mut self, frame: &Frame) -> io::Result<()> {
        let (Width(columns), Height(rows)) = terminal_size().unwrap_or((Width(80), Height(24)));
        // A line stays free for the cursor.
        let (text, lines) = half_blocks(frame, columns.into(), usize::from(rows).saturating_sub(1));
        sleep(self.next.saturating_duration_since(Instant::now()));
        self.next = self.next.max(Instant::now() - self.pace) + self.pace;
        let back = if self.lines > 0 { format!("\x1b[{}A", self.lines) } else { String::new() };
        self.lines = lines;
        let mut out = io::stdout().lock();
        // Below may be the rest of a larger picture.
        write!(out, "{back}{text}\x1b[J")?;
        out.flush()
    }
}

/// The picture as large as it goes, and its number of lines.
fn half_blocks(frame: &Frame, columns: usize, rows: usize) -> (String, usize) {
    let (width, height) = fitted(frame, columns.max(1), 2 * rows.max(1));
    let pixel = |x: usize, y: usize| average(frame, [x, y], [width, height]);
    let mut text = String::new();
    for y in (0..height).step_by(2) {
        let mut last = None;
        for x in 0..width {
            let colours = (pixel(x, y), pixel(x, y + 1));
            if last != Some(colours) {
                let ([r, g, b], [lower_r, lower_g, lower_b]) = colours;
                let _ = write!(text, "\x1b[38;2;{r};{g};{b};48;2;{lower_r};{lower_g};{lower_b}m");
                last = Some(colours);
            }
            text.push('▀');
        }
        text.push_str("\x1b[0m\x1b[K\n");
    }
    (text, height / 2)
}

/// The largest size of the same proportions within the bounds; its height is even.
fn fitted(frame: &Frame, width: usize, height: usize) -> (usize, usize) {
    let scale = (width as f64 / frame.width as f64).min(height as f64 / frame.height as f64);
    let fit = |side: usize, bound: usize| ((side as f64 * scale).round() as usize).clamp(1, bound);
    (fit(frame.width, width), (fit(frame.height, height) / 2).max(1) * 2)
}

/// The mean colour of what lies under a pixel of the picture scaled to `size`.
fn average(frame: &Frame, [x, y]: [usize; 2], [width, height]: [usize; 2]) -> Colour {
    let range = |place: usize, from: usize, to: usize| {
        let start = place * from / to;
        start..((place + 1) * from / to).max(start + 1)
    };
    let (columns, rows) = (range(x, frame.width, width), range(y, frame.height, height));
    let (mut sum, count) = ([0; 3], (columns.len() * rows.len()) as u32);
    for row in rows {
        let row = &frame.rgb[3 * (row * frame.width + columns.start)..3 * (row * frame.width + columns.end)];
        for pixel in row.chunks_exact(3) {
            sum.iter_mut().zip(pixel).for_each(|(sum, part)| *sum += u32::from(*part));
        }
    }
    sum.map(|sum| (sum / count) as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RED: Colour = [255, 0, 0];
    const BLUE: Colour = [0, 0, 254];

    fn frame(width: usize, pixels: &[Colour]) -> Frame {
        Frame { width, height: pixels.len() / width, rgb: pixels.concat() }
    }

    #[test]
    fn a_character_holds_two_pixels() {
        let (text, lines) = half_blocks(&frame(2, &[RED, RED, BLUE, BLUE]), 2, 1);
        assert_eq!(text, "\x1b[38;2;255;0;0;48;2;0;0;254m▀▀\x1b[0m\x1b[K\n");
        assert_eq!(lines, 1);
    }

    #[test]
    fn pixels_that_share_a_place_are_mixed() {
        let checkered = frame(4, &[[RED, BLUE, RED, BLUE], [BLUE, RED, BLUE, RED]].concat().repeat(2));
        let (text, _) = half_blocks(&checkered, 2, 1);
        assert!(text.starts_with("\x1b[38;2;127;0;127;48;2;127;0;127m▀▀"), "{text:?}");
    }

    #[test]
    fn pictures_keep_their_proportions_in_every_terminal() {
        let picture = |width, height| Frame { width, height, rgb: vec![9; 3 * width * height] };
        assert_eq!(fitted(&picture(600, 400), 80, 46), (69, 46));
        assert_eq!(fitted(&picture(600, 400), 30, 46), (30, 20));
        assert_eq!(fitted(&picture(160, 210), 200, 100), (76, 100));
        for (columns, rows) in [(1, 1), (3, 1), (1, 9), (0, 0), (500, 3)] {
            let (text, lines) = half_blocks(&picture(13, 7), columns, rows);
            assert_eq!(text.lines().count(), lines);
            assert!(lines <= rows.max(1));
            assert!(text.lines().all(|line| line.matches('▀').count() <= columns.max(1)));
        }
    }
}
