use burn::{
    rl::{Batchable, SliceAccess, ToAction, ToObservation},
    tensor::{Device, Int, Tensor},
};

use crate::environment::burn_rl::{FlatAction, FlatState};

/// What a policy observes, `[N, features]`: one row for each environment.
#[derive(Clone, Debug)]
pub struct PolicyObservation(pub Tensor<2>);

/// What a policy does, `[N, width]`, in the numbers that environments take: one row for each.
#[derive(Clone, Debug)]
pub struct PolicyAction(pub Tensor<2>);

macro_rules! rows {
    ($name:ident) => {
        impl Batchable for $name {
            fn batch(rows: Vec<Self>) -> Self {
                Self(Tensor::cat(rows.into_iter().map(|row| row.0).collect(), 0))
            }

            fn unbatch(self) -> Vec<Self> {
                self.0.split(1, 0).into_iter().map(Self).collect()
            }
        }

        impl SliceAccess for $name {
            fn zeros_like(sample: &Self, capacity: usize, device: &Device) -> Self {
                Self(SliceAccess::zeros_like(&sample.0, capacity, device))
            }

            fn select(self, dim: usize, indices: Tensor<1, Int>) -> Self {
                Self(self.0.select(dim, indices))
            }

            fn slice_assign_inplace(&mut self, index: usize, value: Self) {
                self.0.slice_assign_inplace(index, value.0);
            }
        }
    };
}

rows!(PolicyObservation);
rows!(PolicyAction);

impl PolicyAction {
    /// The numbers of the first row on the host, for the one environment that acts.
    pub fn values(&self) -> Vec<f32> {
        self.0.clone().narrow(0, 0, 1).into_data().iter::<f32>().collect()
    }
}

impl ToObservation<PolicyObservation> for FlatState {
    fn to_observation(&self, device: &Device) -> PolicyObservation {
        PolicyObservation(self.to_tensor(device))
    }
}

impl From<PolicyAction> for FlatAction {
    fn from(action: PolicyAction) -> Self {
        Self { values: action.values() }
    }
}

impl ToAction<PolicyAction> for FlatAction {
    fn to_action(&self, device: &Device) -> PolicyAction {
        PolicyAction(self.to_tensor(device))
    }
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use super::*;

    #[test]
    fn rows_are_put_together_and_taken_apart() {
        let row = |value: f32| FlatState { values: vec![value, -value] }.to_observation(&Device::flex());
        let rows = PolicyObservation::batch(vec![row(1.0), row(2.0), row(3.0)]);
        assert_eq!(rows.0.dims(), [3, 2]);
        let values = |row: &PolicyObservation| row.0.to_data().iter::<f32>().collect::<Vec<f32>>();
        assert_eq!(rows.unbatch().iter().map(values).collect::<Vec<_>>(), [[1.0, -1.0], [2.0, -2.0], [3.0, -3.0]]);
    }

    #[test]
    fn a_replay_buffer_can_hold_them() {
        let row = |value: f32| FlatAction { values: vec![value] }.to_action(&Device::flex());
        let mut buffer = PolicyAction::zeros_like(&row(1.0), 3, &Device::flex());
        buffer.slice_assign_inplace(1, row(5.0));
        let picked = buffer.select(0, Tensor::from_data([1, 2], &Device::flex()));
        assert_eq!(picked.0.dims(), [2, 1]);
        assert_eq!(FlatAction::from(picked), FlatAction { values: vec![5.0] });
    }
}
