//! Bytes of a file, decompressed on the way.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

use crate::task::DataError;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compression {
    None,
    Gzip,
    Zstandard,
}

pub(super) type Input = Box<dyn Read + Send>;

/// Opens `path`. Of the errors of the reader, `UnexpectedEof` means that compressed data end too early and
/// `InvalidData` that they are damaged.
pub(super) fn open(path: &Path, compression: Compression) -> Result<Input, DataError> {
    let file = open_file(path)?;
    let source = Watched { inner: BufReader::with_capacity(1 << 16, file), ended: false };
    Ok(match compression {
        Compression::None => Box::new(source.inner),
        Compression::Gzip => Box::new(Gzip(MultiGzDecoder::new(source))),
        Compression::Zstandard => Box::new(Zstandard { source, decoder: FrameDecoder::new(), in_frame: false }),
    })
}

/// Opens a regular file: opening a folder succeeds on some systems and fails at the first read.
pub(super) fn open_file(path: &Path) -> Result<File, DataError> {
    let file = File::open(path).map_err(|error| DataError::reading(path, error))?;
    let metadata = file.metadata().map_err(|error| DataError::reading(path, error))?;
    if metadata.is_dir() {
        let source = io::Error::from(io::ErrorKind::IsADirectory);
        return Err(DataError::Io { path: path.to_path_buf(), source });
    }
    Ok(file)
}

/// Remembers whether more bytes were wanted than there are: what tells a short file from a damaged one.
struct Watched<R> {
    inner: R,
    ended: bool,
}

impl<R: BufRead> Read for Watched<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.ended |= count == 0 && !buffer.is_empty();
        Ok(count)
    }
}

impl<R: BufRead> BufRead for Watched<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let bytes = self.inner.fill_buf()?;
        self.ended |= bytes.is_empty();
        Ok(bytes)
    }

    fn consume(&mut self, count: usize) {
        self.inner.consume(count);
    }
}

fn broken(ended: bool, error: impl std::fmt::Display) -> io::Error {
    let kind = if ended { io::ErrorKind::UnexpectedEof } else { io::ErrorKind::InvalidData };
    io::Error::new(kind, error.to_string())
}

struct Gzip<R>(MultiGzDecoder<Watched<R>>);

impl<R: BufRead> Read for Gzip<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer).map_err(|error| match error.kind() {
            io::ErrorKind::Interrupted => error,
            _ => broken(self.0.get_ref().ended, error),
        })
    }
}

/// All frames of a Zstandard stream, one after another.
struct Zstandard<R> {
    source: Watched<R>,
    decoder: FrameDecoder,
    in_frame: bool,
}

impl<R: BufRead> Zstandard<R> {
    /// Begins the next frame. `false` at the end of the stream.
    fn next_frame(&mut self) -> io::Result<bool> {
        while !self.source.inner.fill_buf()?.is_empty() {
            match self.decoder.init(&mut self.source) {
                Ok(()) => return Ok(true),
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame { length, .. })) => {
                    let length = u64::from(length);
                    if io::copy(&mut (&mut self.source).take(length), &mut io::sink())? < length {
                        return Err(broken(true, "a skippable frame is cut off"));
                    }
                }
                Err(error) => return Err(broken(self.source.ended, error)),
            }
        }
        Ok(false)
    }
}

impl<R: BufRead> Read for Zstandard<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            if !self.in_frame {
                self.in_frame = self.next_frame()?;
                if !self.in_frame {
                    return Ok(0);
                }
            }
            while self.decoder.can_collect() == 0 && !self.decoder.is_finished() {
                self.decoder
                    .decode_blocks(&mut self.source, BlockDecodingStrategy::UptoBlocks(1))
                    .map_err(|error| broken(self.source.ended, error))?;
            }
            let count = self.decoder.read(buffer)?;
            if count > 0 {
                return Ok(count);
            }
            let stored = self.decoder.get_checksum_from_data();
            if stored.is_some() && stored != self.decoder.get_calculated_checksum() {
                return Err(broken(false, "the checksum does not fit the data"));
            }
            self.in_frame = false;
        }
    }
}
