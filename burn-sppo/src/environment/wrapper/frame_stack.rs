use std::ops::Range;

use super::forward;
use crate::environment::native::check_env;
use crate::environment::storage::Storage;
use crate::environment::{
    Actions, End, EnvironmentError, EnvironmentSpec, Observations, StateReader, StateWriter, Step, VectorEnvironment,
};

/// Shows the last few observations together, the newest last.
///
/// Frames `[channels, height, width]` become `[count * channels, height, width]`, grey ones `[height, width]`
/// `[count, height, width]`, vectors of `n` numbers vectors of `count * n`. Before the first observation of an episode
/// there are zeros; the final one is stacked on those before it.
pub struct FrameStack<V> {
    inner: V,
    inner_spec: EnvironmentSpec,
    spec: EnvironmentSpec,
    count: usize,
    stacks: Storage,
    finals: Storage,
}

impl<V: VectorEnvironment> FrameStack<V> {
    /// # Errors
    /// If `count` is 0.
    pub fn new(inner: V, count: usize) -> Result<Self, EnvironmentError> {
        if count == 0 {
            return Err(EnvironmentError::Setting { name: "frame_stack", value: 0.0, must_be: "at least 1" });
        }
        let inner_spec = inner.spec().clone();
        let mut spec = inner_spec.clone();
        match spec.observation_shape.as_mut_slice() {
            [_, _] => spec.observation_shape.insert(0, count),
            [first, ..] => *first *= count,
            [] => spec.observation_shape.push(count),
        }
        let stacks = Storage::new(&spec);
        Ok(Self { inner, inner_spec, count, finals: stacks.clone(), stacks, spec })
    }
}

/// Puts each environment's new frame at the end of its stack. Where an episode has ended, the stack that ended it goes to
/// `finals`, and another begins.
fn advance<T: Copy + Default>(
    (stacks, finals): (&mut [T], &mut [T]),
    (frames, final_frames): (&[T], &[T]),
    ends: &[Option<End>],
    count: usize,
) {
    let frame = frames.len() / ends.len();
    let stacks = stacks.chunks_exact_mut(count * frame).zip(finals.chunks_exact_mut(count * frame));
    let frames = frames.chunks_exact(frame).zip(final_frames.chunks_exact(frame));
    for (((stack, final_stack), (new, last)), end) in stacks.zip(frames).zip(ends) {
        stack.copy_within(frame.., 0);
        let older = (count - 1) * frame;
        if end.is_some() {
            final_stack[..older].copy_from_slice(&stack[..older]);
            final_stack[older..].copy_from_slice(last);
            stack.fill(T::default());
        }
        stack[older..].copy_from_slice(new);
    }
}

/// Begins the stacks of the environments in `range` with their frames.
fn begin<T: Copy + Default>(stacks: &mut [T], frames: &[T], frame: usize, count: usize, range: Range<usize>) {
    let stacks = stacks[range.start * count * frame..range.end * count * frame].chunks_exact_mut(count * frame);
    let frames = frames[range.start * frame..range.end * frame].chunks_exact(frame);
    for (stack, new) in stacks.zip(frames) {
        stack.fill(T::default());
        stack[(count - 1) * frame..].copy_from_slice(new);
    }
}

impl<V: VectorEnvironment> FrameStack<V> {
    fn begin(
        stacks: &mut Storage,
        inner: &EnvironmentSpec,
        frames: Observations<'_>,
        count: usize,
        range: Range<usize>,
    ) -> Result<(), EnvironmentError> {
        frames.check(inner)?;
        let frame = inner.features();
        match (stacks, frames) {
            (Storage::U8(stacks), Observations::U8(frames)) => begin(stacks, frames, frame, count, range),
            (Storage::F32(stacks), Observations::F32(frames)) => begin(stacks, frames, frame, count, range),
            (Storage::F64(stacks), Observations::F64(frames)) => begin(stacks, frames, frame, count, range),
            _ => unreachable!("made in the kind of the frames, which was checked"),
        }
        Ok(())
    }
}

impl<V: VectorEnvironment> VectorEnvironment for FrameStack<V> {
    forward!(notes, render, normalizer);

    fn spec(&self) -> &EnvironmentSpec {
        &self.spec
    }

    fn reset(&mut self, seed: Option<u64>) -> Result<Observations<'_>, EnvironmentError> {
        let frames = self.inner.reset(seed)?;
        Self::begin(&mut self.stacks, &self.inner_spec, frames, self.count, 0..self.spec.num_envs)?;
        Ok(self.stacks.view())
    }

    fn step(&mut self, actions: Actions<'_>) -> Result<Step<'_>, EnvironmentError> {
        let step = self.inner.step(actions)?;
        step.check(&self.inner_spec)?;
        let (ends, count) = (step.ends, self.count);
        match (&mut self.stacks, &mut self.finals, step.observations, step.final_observations) {
            (Storage::U8(stacks), Storage::U8(finals), Observations::U8(new), Observations::U8(last)) => {
                advance((stacks, finals), (new, last), ends, count);
            }
            (Storage::F32(stacks), Storage::F32(finals), Observations::F32(new), Observations::F32(last)) => {
                advance((stacks, finals), (new, last), ends, count);
            }
            (Storage::F64(stacks), Storage::F64(finals), Observations::F64(new), Observations::F64(last)) => {
                advance((stacks, finals), (new, last), ends, count);
            }
            _ => unreachable!("made in the kind of the frames, which was checked"),
        }
        Ok(Step { observations: self.stacks.view(), final_observations: self.finals.view(), ..step })
    }

    fn restart(&mut self, env: usize) -> Result<Observations<'_>, EnvironmentError> {
        check_env(&self.spec, env)?;
        let frames = self.inner.restart(env)?;
        Self::begin(&mut self.stacks, &self.inner_spec, frames, self.count, env..env + 1)?;
        Ok(self.stacks.view())
    }

    fn save(&self) -> Option<Vec<u8>> {
        let mut state = StateWriter::new();
        state.bytes(&self.inner.save()?);
        self.stacks.save(&mut state);
        Some(state.finish())
    }

    fn restore(&mut self, state: &[u8]) -> Result<Observations<'_>, EnvironmentError> {
        let mut reader = StateReader::new(&self.spec.id, state);
        self.inner.restore(reader.bytes()?)?;
        self.stacks.restore(&mut reader)?;
        reader.end()?;
        Ok(self.stacks.view())
    }
}
