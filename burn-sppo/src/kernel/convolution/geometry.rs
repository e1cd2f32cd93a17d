/// How the numbers of an image lie in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// `[channels, height, width]`.
    Planar,
    /// `[height, width, channels]`.
    ChannelsLast,
}

/// Where a layer without padding finds its patches: each is some runs of adjacent numbers.
///
/// The summed dimension, the depth of the layer, goes through a patch in the order of memory.
#[derive(Clone, Debug)]
pub struct Geometry {
    layout: Layout,
    channels: usize,
    kernel: usize,
    /// Numbers of an image that is read.
    pub image: usize,
    /// Channels of the output.
    pub outputs: usize,
    /// Height and width of the output.
    pub rows: usize,
    pub columns: usize,
    /// Distance between patches below and beside each other.
    row_step: usize,
    column_step: usize,
    /// Numbers of a run, and where runs begin in a patch.
    pub run: usize,
    pub runs: Vec<usize>,
}

impl Geometry {
    /// A layer that reads images of the shape `[channels, height, width]`.
    ///
    /// # Panics
    /// If the image is smaller than the kernel, or the stride is 0.
    pub fn new(layout: Layout, image: [usize; 3], outputs: usize, kernel: usize, stride: usize) -> Self {
        let [channels, height, width] = image;
        assert!(stride > 0 && kernel > 0 && height >= kernel && width >= kernel, "a kernel that fits the image");
        // Distance between numbers below and beside each other.
        let (row, column) = match layout {
            Layout::Planar => (width, 1),
            Layout::ChannelsLast => (width * channels, channels),
        };
        let (run, planes) = match layout {
            Layout::Planar => (kernel, channels),
            Layout::ChannelsLast => (kernel * channels, 1),
        };
        let plane = height * width;
        let runs = (0..planes).flat_map(|channel| (0..kernel).map(move |line| channel * plane + line * row)).collect();
        Self {
            layout,
            channels,
            kernel,
            image: channels * plane,
            outputs,
            rows: (height - kernel) / stride + 1,
            columns: (width - kernel) / stride + 1,
            row_step: stride * row,
            column_step: stride * column,
            run,
            runs,
        }
    }

    /// Patches of an image.
    pub fn positions(&self) -> usize {
        self.rows * self.columns
    }

    /// Numbers of a patch.
    pub fn depth(&self) -> usize {
        self.run * self.runs.len()
    }

    /// Numbers of an output, `[positions, outputs]`.
    pub fn map(&self) -> usize {
        self.positions() * self.outputs
    }

    /// Where the patch of a position begins.
    #[inline(always)]
    pub fn patch(&self, position: usize) -> usize {
        position / self.columns * self.row_step + position % self.columns * self.column_step
    }

    /// Distance between patches below and beside each other.
    pub fn steps(&self) -> (usize, usize) {
        (self.row_step, self.column_step)
    }

    /// Weights `[outputs, channels, kernel, kernel]` as `[depth, outputs]`.
    pub fn by_depth(&self, weight: &[f32]) -> Vec<f32> {
        let depth = self.depth();
        let mut packed = Vec::with_capacity(weight.len());
        for place in (0..depth).map(|place| self.place(place)) {
            packed.extend((0..self.outputs).map(|output| weight[output * depth + place]));
        }
        packed
    }

    /// The inverse of [`by_depth`](Self::by_depth).
    pub fn by_output(&self, packed: &[f32]) -> Vec<f32> {
        let depth = self.depth();
        let mut weight = vec![0.0; packed.len()];
        for (place, row) in packed.chunks_exact(self.outputs).enumerate() {
            let place = self.place(place);
            row.iter().enumerate().for_each(|(output, &value)| weight[output * depth + place] = value);
        }
        weight
    }

    /// Where the weights of a channel `[channels, kernel, kernel]` have what comes at `depth` of a patch.
    pub fn place(&self, depth: usize) -> usize {
        match self.layout {
            Layout::Planar => depth,
            Layout::ChannelsLast => depth % self.channels * self.kernel * self.kernel + depth / self.channels,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a patch and its weights meet, for both layouts: the number of channel, line and column.
    #[test]
    fn depth_goes_through_a_patch_in_the_order_of_memory() {
        let [channels, height, width] = [3, 5, 6];
        for layout in [Layout::Planar, Layout::ChannelsLast] {
            let geometry = Geometry::new(layout, [channels, height, width], 2, 2, 3);
            assert_eq!((geometry.rows, geometry.columns, geometry.depth(), geometry.image), (2, 2, 12, 90));
            for position in 0..4 {
                for depth in 0..12 {
                    let place = geometry.place(depth);
                    let (channel, line, column) = (place / 4, place / 2 % 2, place % 2);
                    let (line, column) = (position / 2 * 3 + line, position % 2 * 3 + column);
                    let address = match layout {
                        Layout::Planar => (channel * height + line) * width + column,
                        Layout::ChannelsLast => (line * width + column) * channels + channel,
                    };
                    let found = geometry.patch(position) + geometry.runs[depth / geometry.run] + depth % geometry.run;
                    assert_eq!(found, address, "{layout:?} {position} {depth}");
                }
            }
        }
    }

    #[test]
    fn weights_come_back_from_their_order_in_patches() {
        let geometry = Geometry::new(Layout::ChannelsLast, [3, 4, 4], 2, 2, 1);
        let weight: Vec<f32> = (0..24).map(|i| i as f32).collect();
        let packed = geometry.by_depth(&weight);
        assert_eq!(packed[..6], [0.0, 12.0, 4.0, 16.0, 8.0, 20.0]);
        assert_eq!(geometry.by_output(&packed), weight);
    }
}
