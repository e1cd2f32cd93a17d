"""Stacks of frames as Stable-Baselines3 makes them: VecFrameStack over a scripted game.

usage: python frame_stack.py     (stable-baselines3, numpy; writes ../golden/data/frame_stack.json)
"""

import json
import pathlib

import numpy as np
import stable_baselines3
from gymnasium import spaces
from stable_baselines3.common.vec_env import VecFrameStack
from stable_baselines3.common.vec_env.base_vec_env import VecEnv

STEPS = 14


class Scripted(VecEnv):
    def __init__(self, num_envs, shape, rng):
        self.rng = rng
        super().__init__(num_envs, spaces.Box(0, 255, shape, np.uint8), spaces.Discrete(2))
        self.script = []

    def frames(self):
        return self.rng.integers(1, 256, (self.num_envs, *self.observation_space.shape)).astype(np.uint8)

    def reset(self):
        self.first = self.frames()
        return self.first

    def step_async(self, actions):
        pass

    def step_wait(self):
        frames, last = self.frames(), self.frames()
        dones = self.rng.random(self.num_envs) < 0.25
        infos = [{"terminal_observation": last[i]} if dones[i] else {} for i in range(self.num_envs)]
        rewards = np.zeros(self.num_envs, np.float32)
        self.script.append({"frames": flat(frames), "dones": [int(d) for d in dones], "final_frames": flat(last)})
        return frames, rewards, dones, infos

    def close(self):
        pass

    def env_is_wrapped(self, wrapper_class, indices=None):
        return [False] * self.num_envs

    def env_method(self, method_name, *args, indices=None, **kwargs):
        raise NotImplementedError

    def get_attr(self, attr_name, indices=None):
        return [None] * self.num_envs

    def set_attr(self, attr_name, value, indices=None):
        pass


def flat(array):
    return {"shape": list(array.shape), "data": [int(x) for x in array.reshape(-1)]}


def record(name, num_envs, shape, count, seed):
    inner = Scripted(num_envs, shape, np.random.default_rng(seed))
    stack = VecFrameStack(inner, count, channels_order="first")
    # It goes on with one array in place, and hands it out.
    first = flat(np.array(stack.reset()))
    steps = []
    for _ in range(STEPS):
        observations, _, dones, infos = stack.step(np.zeros(num_envs, int))
        finals = {str(i): flat(infos[i]["terminal_observation"]) for i in range(num_envs) if dones[i]}
        steps.append({"observations": flat(np.array(observations)), "final_observations": finals})
    print(name, sum(len(step["final_observations"]) for step in steps), "ends")
    return {
        "name": name,
        "about": f"{num_envs} environments, frames {list(shape)}, {count} of them",
        "inputs": {"count": count, "first_frames": flat(inner.first), "steps": inner.script},
        "expected": {"first_observations": first, "steps": steps},
        "tolerance": {"default": "exact"},
    }


def main():
    cases = [
        record("grey", 3, (1, 2, 3), 4, 0),
        record("colours", 2, (3, 2, 2), 2, 1),
        record("one_frame", 2, (1, 2, 2), 1, 2),
    ]
    path = pathlib.Path(__file__).parent.parent / "golden/data/frame_stack.json"
    document = {
        "file": path.name,
        "about": "stacks of frames; zeros before an episode, its last stack kept",
        "schema": 1,
        "computed_with": {"stable-baselines3": stable_baselines3.__version__, "numpy": np.__version__},
        "cases": cases,
    }
    path.write_text(json.dumps(document) + "\n")


main()
