use std::time::Instant;

use burn::tensor::{Device, Distribution, Tensor};
use burn_sppo::{
    environment::ActionSpace,
    policy::NatureCnnConfig,
    run::{Purpose, Streams},
};

use crate::failure::Failure;

/// An observation of Atari's.
const IMAGE: [usize; 3] = [4, 84, 84];

/// Positions, depth and outputs of each layer on it: `[positions, depth] · [depth, outputs]` is the same work.
const LAYERS: [[usize; 3]; 3] = [[400, 256, 32], [81, 512, 64], [49, 576, 64]];

/// Runs of which the quickest counts.
const RUNS: usize = 7;

/// The convolutions of the network by themselves.
pub struct Measured {
    /// Seconds of a forward pass over all environments.
    pub collect_s: f64,
    /// Seconds of a forward and backward pass over a minibatch, and what is computed a second.
    pub update_s: f64,
    pub gflop_s: f64,
    /// What matrix products of the sizes of the forward pass compute a second.
    pub matmul_gflop_s: f64,
}

pub fn measure(minibatch: usize, environments: usize, device: &Device) -> Result<Measured, Failure> {
    let mut stream = Streams::new(0).stream(Purpose::Initialization, 0, 0);
    let tracked = device.clone().autodiff();
    let policy = NatureCnnConfig::new().init(IMAGE, &ActionSpace::Discrete { n: 6 }, &mut stream, &tracked);
    let policy = policy.map_err(Failure::failed)?;
    let playing = burn::module::Module::valid(&policy);
    let images = |rows: usize, device: &Device| {
        Tensor::<2>::random([rows, IMAGE.iter().product()], Distribution::Uniform(0.0, 255.0), device)
    };
    let (few, many) = (images(environments, device), images(minibatch, &tracked));
    let collect_s = quickest(device, || drop(playing.convolve(few.clone())))?;
    let update_s = quickest(device, || drop(policy.convolve(many.clone()).sum().backward()))?;
    let products = LAYERS.map(|[positions, depth, outputs]| {
        let random = |shape| Tensor::<2>::random(shape, Distribution::Default, device);
        (random([minibatch * positions, depth]), random([depth, outputs]))
    });
    let matmul_s = quickest(device, || {
        products.iter().for_each(|(left, right)| drop(left.clone().matmul(right.clone())));
    })?;
    let work = LAYERS.map(|sizes| 2 * minibatch * sizes.iter().product::<usize>());
    let forward = work.iter().sum::<usize>() as f64;
    // Images want no gradient.
    let whole = 3.0 * forward - work[0] as f64;
    Ok(Measured { collect_s, update_s, gflop_s: whole / update_s / 1e9, matmul_gflop_s: forward / matmul_s / 1e9 })
}

fn quickest(device: &Device, mut call: impl FnMut()) -> Result<f64, Failure> {
    let mut best = f64::INFINITY;
    for _ in 0..RUNS {
        let start = Instant::now();
        call();
        device.sync().map_err(|error| Failure::failed(format!("the device failed: {error:?}")))?;
        best = best.min(start.elapsed().as_secs_f64());
    }
    Ok(best)
}
