use std::{
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::PathBuf,
    time::Duration,
};

use burn_sppo::environment::{EnvironmentError, Frame};
use gif::{Encoder, EncodingError, Repeat};

/// A GIF that grows picture by picture, on the disk and not in memory.
pub struct Animation {
    pub path: PathBuf,
    pub pictures: usize,
    /// In hundredths of a second.
    delay: u16,
    state: State,
}

enum State {
    /// The size of the pictures is not known yet.
    Empty(File),
    Growing(Box<Encoder<BufWriter<File>>>),
    Closed,
}

impl Drop for Animation {
    /// A file without pictures is no GIF, so that none stays; what is no file at all, such as a device, does.
    fn drop(&mut self) {
        if let State::Empty(file) = &self.state
            && file.metadata().is_ok_and(|metadata| metadata.is_file())
        {
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl Animation {
    /// An empty file.
    pub fn create(path: PathBuf, pace: Duration) -> Result<Self, EnvironmentError> {
        let state = match File::create(&path) {
            Ok(file) => State::Empty(file),
            Err(source) => return Err(EnvironmentError::Io { doing: "writing", path, source }),
        };
        // Programs that show GIFs take shorter delays for a mistake and play them slowly.
        let delay = (pace.as_secs_f64() * 100.0).round().clamp(2.0, 65535.0) as u16;
        Ok(Self { path, pictures: 0, delay, state })
    }

    pub fn add(&mut self, frame: &Frame) -> Result<(), EnvironmentError> {
        self.try_add(frame).map_err(|error| self.failure(error))
    }

    fn try_add(&mut self, frame: &Frame) -> Result<(), EncodingError> {
        let side = |pixels: usize| u16::try_from(pixels).map_err(|_| too_large(frame));
        let (width, height) = (side(frame.width)?, side(frame.height)?);
        self.state = match std::mem::replace(&mut self.state, State::Closed) {
            State::Empty(file) => {
                let mut encoder = Encoder::new(BufWriter::new(file), width, height, &[])?;
                encoder.set_repeat(Repeat::Infinite)?;
                State::Growing(Box::new(encoder))
            }
            state => state,
        };
        if let State::Growing(encoder) = &mut self.state {
            let mut picture = gif::Frame::from_rgb_speed(width, height, &frame.rgb, 10);
            picture.delay = self.delay;
            encoder.write_frame(&picture)?;
            self.pictures += 1;
        }
        Ok(())
    }

    /// Writes what is left to write.
    pub fn finish(mut self) -> Result<Self, EnvironmentError> {
        match std::mem::replace(&mut self.state, State::Closed) {
            State::Growing(encoder) => {
                let written = encoder.into_inner().and_then(|mut file| Ok(file.flush()?));
                written.map_err(|error| self.failure(error))?;
            }
            state => self.state = state,
        }
        Ok(self)
    }

    fn failure(&self, error: EncodingError) -> EnvironmentError {
        let source = match error {
            EncodingError::Io(error) => error,
            error => io::Error::other(error),
        };
        EnvironmentError::Io { doing: "writing", path: self.path.clone(), source }
    }
}

fn too_large(frame: &Frame) -> EncodingError {
    let reason = format!("a GIF holds pictures of up to 65535 x 65535, not {} x {}", frame.width, frame.height);
    EncodingError::Io(io::Error::new(io::ErrorKind::InvalidInput, reason))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_come_back_in_their_colours_and_at_their_pace() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.gif");
        let mut animation = Animation::create(path.clone(), Duration::from_millis(50)).unwrap();
        for shade in [10, 200] {
            let frame = Frame { width: 2, height: 1, rgb: vec![shade, 0, 0, 0, 0, shade] };
            animation.add(&frame).unwrap();
        }
        assert_eq!(animation.finish().unwrap().pictures, 2);
        let mut options = gif::DecodeOptions::new();
        options.set_color_output(gif::ColorOutput::RGBA);
        let mut decoder = options.read_info(File::open(path).unwrap()).unwrap();
        for shade in [10, 200] {
            let frame = decoder.read_next_frame().unwrap().unwrap();
            assert_eq!(frame.delay, 5);
            assert_eq!(frame.buffer[..], [shade, 0, 0, 255, 0, 0, shade, 255]);
        }
        assert!(decoder.read_next_frame().unwrap().is_none());
    }

    #[test]
    fn what_cannot_be_written_is_named() {
        let nowhere = PathBuf::from("/nowhere/at/all.gif");
        let error = Animation::create(nowhere, Duration::from_millis(50)).err().unwrap();
        assert!(error.to_string().contains("writing /nowhere/at/all.gif failed"), "{error}");
        let folder = tempfile::tempdir().unwrap();
        let mut animation = Animation::create(folder.path().join("a.gif"), Duration::from_millis(50)).unwrap();
        let wide = Frame { width: 70_000, height: 1, rgb: vec![0; 210_000] };
        let error = animation.add(&wide).unwrap_err();
        assert!(error.to_string().contains("not 70000 x 1"), "{error}");
        drop(animation);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "a file without pictures is no GIF");
    }
}
