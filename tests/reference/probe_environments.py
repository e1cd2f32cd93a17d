"""Environments that do one thing each, for the tests of `tests/gymnasium.rs`: `probe_environments:Probe-v0`."""

import os

import gymnasium as gym
import numpy as np
from gymnasium import spaces

BOX = spaces.Box(-1.0, 1.0, (2,), np.float32)
SPACES = {
    "float16": spaces.Box(-1, 1, (2,), np.float16),
    "int64": spaces.Box(-5, 5, (2, 2), np.int64),
    "scalar": spaces.Box(-1, 1, (), np.float64),
    "discrete": spaces.Discrete(4),
    "multi_discrete": spaces.MultiDiscrete([2, 3]),
    "multi_binary": spaces.MultiBinary(3),
    "picture": spaces.Box(0, 255, (6, 5, 3), np.uint8),
    "dict": spaces.Dict({"a": BOX}),
    "tuple": spaces.Tuple((BOX, BOX)),
    "text": spaces.Text(3),
    "from_1": spaces.Discrete(3, start=1),
    "empty": spaces.Box(-1, 1, (0,), np.float32),
    "integers": spaces.Box(0, 9, (2,), np.int32),
    "unbounded": spaces.Box(-np.inf, np.inf, (2,), np.float32),
    "matrix": spaces.Box(-1, 1, (2, 2), np.float64),
    "box": BOX,
}


class Probe(gym.Env):
    """Shows samples of its observation space and pays what the first number of the action is; `habit` is what it does
    besides at its third step."""

    def __init__(self, observation="box", action="discrete", habit=None, render_mode=None):
        self.observation_space, self.action_space = SPACES[observation], SPACES[action]
        self.habit, self.render_mode, self.steps = habit, render_mode, 0

    def _observe(self):
        self.observation_space.seed(self.steps)
        return self.observation_space.sample()

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.steps = 0
        return self._observe(), {}

    def step(self, action):
        assert self.action_space.contains(action) or "Box" in str(self.action_space), repr(action)
        self.steps += 1
        observation, terminated = self._observe(), False
        if self.steps == 3:
            if self.habit == "die":
                print("about to die", flush=True)
                os.abort()
            elif self.habit == "raise":
                raise RuntimeError("the wheel came off")
            elif self.habit == "nan":
                observation = observation * np.nan
            elif self.habit == "shape":
                observation = observation[:1]
            elif self.habit == "print":
                print("x" * 100_000)
                os.write(1, b"y" * 100_000)
            elif self.habit == "terminate":
                terminated = True
            elif self.habit == "own":
                action *= 0  # the array is the environment's own
        return observation, float(np.reshape(action, -1)[0]), terminated, False, {}


gym.register("Probe-v0", entry_point="probe_environments:Probe", max_episode_steps=3)
