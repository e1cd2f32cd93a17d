use std::mem::MaybeUninit;
use std::sync::Arc;

use burn::backend::flex::FlexTensor;
use rayon::prelude::*;

use super::geometry::{Geometry, Layout};
use super::tile;
use crate::kernel::linear::add_rows;
use crate::kernel::operation::{Operation, contiguous, tensor};

/// Images whose parameter gradients are summed together; fixed, so that sums do not depend on the number of threads.
const BLOCK: usize = 16;

/// Three convolutions without padding, each followed by ReLU.
///
/// The inputs are images `[N, channels · height · width]`, then weight `[outputs, channels, kernel, kernel]` and bias
/// `[outputs]` of each layer; the output is `[N, outputs · height · width]`. Between the layers channels come last.
#[derive(Clone, Debug)]
pub struct Convolutions {
    layers: Arc<[Geometry; 3]>,
}

impl Convolutions {
    /// Layers of outputs, kernel and stride on images of the shape `[channels, height, width]`. `None` if the machine or
    /// the number of outputs does not suit.
    ///
    /// # Panics
    /// If a kernel does not fit its image.
    pub fn new(image: [usize; 3], layers: [(usize, usize, usize); 3]) -> Option<Self> {
        let suits = is_x86_feature_detected!("avx512f") && layers.iter().all(|(outputs, ..)| tile::suits(*outputs));
        suits.then(|| {
            let (mut image, mut layout) = (image, Layout::Planar);
            let layers = layers.map(|(outputs, kernel, stride)| {
                let layer = Geometry::new(layout, image, outputs, kernel, stride);
                (image, layout) = ([outputs, layer.rows, layer.columns], Layout::ChannelsLast);
                layer
            });
            Self { layers: Arc::new(layers) }
        })
    }

    fn features(&self) -> usize {
        self.layers[2].map()
    }

    /// Numbers of all maps of an image.
    fn maps(&self) -> usize {
        self.layers.iter().map(Geometry::map).sum()
    }

    /// The weights as they are, and all parameters as the forward pass reads them.
    fn parameters(&self, [w1, b1, w2, b2, w3, b3]: [FlexTensor; 6]) -> ([FlexTensor; 3], Parameters) {
        let weights = [w1, w2, w3].map(contiguous);
        let mut by_depth = self.layers.iter().zip(&weights).map(|(layer, weight)| layer.by_depth(weight.storage()));
        let mut next = || by_depth.next().unwrap_or_default();
        let by_depth = [next(), next(), next()];
        (weights, Parameters { weights: by_depth, biases: [b1, b2, b3].map(contiguous) })
    }

    /// The maps of an image one after another, channels last, and the output.
    fn apply(
        &self,
        image: &[f32],
        parameters: &Parameters,
        maps: &mut [MaybeUninit<f32>],
        output: &mut [MaybeUninit<f32>],
    ) {
        let mut written: &[f32] = image;
        let mut rest = maps;
        for ((layer, weight), bias) in self.layers.iter().zip(&parameters.weights).zip(&parameters.biases) {
            let (map, after) = rest.split_at_mut(layer.map());
            // SAFETY: the machine has the instructions, as was found when the operation was made. The map has room for
            // the output of the layer, which fills it.
            written = unsafe {
                tile::forward(layer, written, weight, bias.storage(), map.as_mut_ptr().cast());
                map.assume_init_ref()
            };
            rest = after;
        }
        let [.., last] = &*self.layers;
        for (channel, plane) in output.chunks_exact_mut(last.positions()).enumerate() {
            let values = written[channel..].iter().step_by(last.outputs);
            plane.iter_mut().zip(values).for_each(|(element, &value)| _ = element.write(value));
        }
    }

    /// Adds the gradients of an image's parameters to `sums`, and gives that of the image where it is wanted.
    fn differentiate(
        &self,
        image: &[f32],
        maps: &[f32],
        gradient: &[f32],
        backward: &BackwardWeights,
        sums: &mut Sums,
        mut for_image: Option<&mut [f32]>,
    ) {
        let [.., last] = &*self.layers;
        let mut gradient: Vec<f32> = (0..last.map())
            .map(|place| gradient[place % last.outputs * last.positions() + place / last.outputs])
            .collect();
        let mut end = maps.len();
        for (index, layer) in self.layers.iter().enumerate().rev() {
            let start = end - layer.map();
            cut(&mut gradient, &maps[start..end]);
            let below = match index {
                0 => image,
                _ => &maps[start - self.layers[index - 1].map()..start],
            };
            add_rows(&mut sums.biases[index], &gradient);
            // SAFETY: the machine has the instructions, as was found when the operation was made.
            unsafe {
                tile::weight_gradient(layer, below, &gradient, &mut sums.weights[index]);
                if index > 0 {
                    let mut next = vec![0.0; layer.image];
                    tile::input_gradient(layer, &gradient, &backward.weights[index], &mut next);
                    gradient = next;
                } else if let Some(for_image) = for_image.take() {
                    tile::input_gradient(layer, &gradient, &backward.weights[index], for_image);
                }
            }
            end = start;
        }
    }
}

/// Gradient passes where the output is above 0.
fn cut(gradient: &mut [f32], map: &[f32]) {
    for (gradient, &value) in gradient.iter_mut().zip(map) {
        *gradient = if value > 0.0 { *gradient } else { 0.0 };
    }
}

/// Weights by depth, and biases.
struct Parameters {
    weights: [Vec<f32>; 3],
    biases: [FlexTensor; 3],
}

/// Weights by stretch; those of the first layer only where the images want a gradient.
struct BackwardWeights {
    weights: [Vec<f32>; 3],
}

/// Gradients of parameters, weights by depth.
struct Sums {
    weights: [Vec<f32>; 3],
    biases: [Vec<f32>; 3],
}

impl Sums {
    fn new(layers: &[Geometry; 3]) -> Self {
        Self {
            weights: layers.each_ref().map(|layer| vec![0.0; layer.depth() * layer.outputs]),
            biases: layers.each_ref().map(|layer| vec![0.0; layer.outputs]),
        }
    }

    fn add(&mut self, other: &Self) {
        let pairs = self.weights.iter_mut().zip(&other.weights).chain(self.biases.iter_mut().zip(&other.biases));
        pairs.for_each(|(sums, values)| add_rows(sums, values));
    }
}

/// What the backward pass reads.
#[derive(Clone, Debug)]
pub struct Saved {
    images: FlexTensor,
    weights: [FlexTensor; 3],
    maps: Arc<Vec<f32>>,
}

impl Operation<7> for Convolutions {
    type Saved = Saved;

    fn forward(&self, [images, parameters @ ..]: [FlexTensor; 7]) -> (FlexTensor, Saved) {
        let images = contiguous(images);
        let (weights, parameters) = self.parameters(parameters);
        let (features, size) = (self.features(), self.maps());
        let rows = images.storage::<f32>().len() / self.layers[0].image;
        let (mut output, mut maps) = (Vec::with_capacity(rows * features), Vec::with_capacity(rows * size));
        let work = images
            .storage::<f32>()
            .par_chunks_exact(self.layers[0].image)
            .zip(maps.spare_capacity_mut()[..rows * size].par_chunks_exact_mut(size))
            .zip(output.spare_capacity_mut()[..rows * features].par_chunks_exact_mut(features));
        work.for_each(|((image, maps), output)| self.apply(image, &parameters, maps, output));
        // SAFETY: every image has written its part of both.
        unsafe {
            maps.set_len(rows * size);
            output.set_len(rows * features);
        }
        (tensor(output, [rows, features]), Saved { images, weights, maps: Arc::new(maps) })
    }

    fn infer(&self, [images, parameters @ ..]: [FlexTensor; 7]) -> FlexTensor {
        let images = contiguous(images);
        let (_, parameters) = self.parameters(parameters);
        let (features, size) = (self.features(), self.maps());
        let rows = images.storage::<f32>().len() / self.layers[0].image;
        let mut output = Vec::with_capacity(rows * features);
        let work = images
            .storage::<f32>()
            .par_chunks_exact(self.layers[0].image)
            .zip(output.spare_capacity_mut()[..rows * features].par_chunks_exact_mut(features));
        work.for_each_init(
            || Vec::with_capacity(size),
            |maps: &mut Vec<f32>, (image, output)| {
                self.apply(image, &parameters, &mut maps.spare_capacity_mut()[..size], output);
            },
        );
        // SAFETY: every image has written its part.
        unsafe { output.set_len(rows * features) };
        tensor(output, [rows, features])
    }

    fn backward(self, saved: Saved, gradient: FlexTensor, needed: [bool; 7]) -> [Option<FlexTensor>; 7] {
        let layers = &*self.layers;
        let gradient = contiguous(gradient);
        let by_stretch = |index: usize| match index > 0 || needed[0] {
            true => tile::by_stretch(&layers[index], saved.weights[index].storage()),
            false => Vec::new(),
        };
        let backward = BackwardWeights { weights: [by_stretch(0), by_stretch(1), by_stretch(2)] };
        let (image, features, size) = (layers[0].image, self.features(), self.maps());
        let images: &[f32] = saved.images.storage();
        let mut for_images = needed[0].then(|| vec![0.0; images.len()]);
        let mut blocks: Vec<Option<&mut [f32]>> = match &mut for_images {
            Some(gradients) => gradients.chunks_mut(BLOCK * image).map(Some).collect(),
            None => (0..images.len().div_ceil(BLOCK * image)).map(|_| None).collect(),
        };
        let sums: Vec<Sums> = blocks
            .par_iter_mut()
            .zip(images.par_chunks(BLOCK * image))
            .zip(saved.maps.par_chunks(BLOCK * size))
            .zip(gradient.storage::<f32>().par_chunks(BLOCK * features))
            .map(|(((for_images, images), maps), gradients)| {
                let mut sums = Sums::new(layers);
                let mut for_images = for_images.as_deref_mut().map(|block| block.chunks_exact_mut(image));
                let each =
                    images.chunks_exact(image).zip(maps.chunks_exact(size)).zip(gradients.chunks_exact(features));
                for ((image, maps), gradient) in each {
                    let for_image = for_images.as_mut().and_then(Iterator::next);
                    self.differentiate(image, maps, gradient, &backward, &mut sums, for_image);
                }
                sums
            })
            .collect();
        let mut total = Sums::new(layers);
        sums.iter().for_each(|block| total.add(block));
        let weight = |index: usize| {
            needed[1 + 2 * index].then(|| {
                let shape: [usize; 4] = saved.weights[index].layout().shape().dims();
                tensor(layers[index].by_output(&total.weights[index]), shape)
            })
        };
        let bias =
            |index: usize| needed[2 + 2 * index].then(|| tensor(total.biases[index].clone(), [layers[index].outputs]));
        let rows = images.len() / image;
        let for_images = for_images.map(|gradients| tensor(gradients, [rows, image]));
        [for_images, weight(0), bias(0), weight(1), bias(1), weight(2), bias(2)]
    }
}
