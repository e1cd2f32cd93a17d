"""Steps environments directly in gymnasium and prints a digest of all that they showed, for a comparison with workers.

The test `tests/gymnasium.rs` makes the same digest of what comes from `GymnasiumEnvironments`: SHA-256 over the first
observations, then for each step and environment the observation (of the next episode if one has ended), the reward as
f32, the end (0 none, 1 terminated, 2 truncated) with the final observation, and the return and length of an episode.

usage: python gymnasium_loop.py {direct|stable_baselines} ID ENVIRONMENTS STEPS SEED
direct: gymnasium.make and nothing else. stable_baselines: Monitor and AtariWrapper of Stable-Baselines3.
"""

import hashlib
import json
import struct
import sys

import gymnasium as gym
import numpy as np

MASK = (1 << 64) - 1


def mix(*counters):
    """SplitMix64 over counters: the same numbers in any language."""
    state = 0
    for counter in counters:
        state = (state + counter + 0x9E3779B97F4A7C15) & MASK
        state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & MASK
        state ^= state >> 31
    return state


def action(space, step, env):
    if isinstance(space, gym.spaces.Discrete):
        return np.int64(mix(step, env, 0) % int(space.n))
    unit = np.array([(mix(step, env, i) >> 40) / 2**24 for i in range(space.shape[0])])
    low, high = space.low.astype(np.float64), space.high.astype(np.float64)
    return (low + (high - low) * unit).astype(np.float32)


class Direct:
    def __init__(self, name):
        self.env = gym.make(name)
        self.episode, self.total, self.length = None, 0.0, 0

    def reset(self, seed=None):
        self.total, self.length = 0.0, 0
        return self.env.reset(seed=seed)[0]

    def step(self, action):
        observation, reward, terminated, truncated, _ = self.env.step(action)
        self.total += float(reward)
        self.length += 1
        if terminated or truncated:
            self.episode = (self.total, self.length)
        return observation, reward, terminated, truncated


class StableBaselines:
    def __init__(self, name):
        import ale_py
        from stable_baselines3.common.atari_wrappers import AtariWrapper
        from stable_baselines3.common.monitor import Monitor

        gym.register_envs(ale_py)
        self.monitor = Monitor(gym.make(name))
        self.env = AtariWrapper(self.monitor)
        self.known = 0

    def reset(self, seed=None):
        return self.env.reset(seed=seed)[0]

    def step(self, action):
        observation, reward, terminated, truncated, _ = self.env.step(action)
        return observation, reward, terminated, truncated

    @property
    def episode(self):
        """The first game that ended since it was last asked for."""
        scores, lengths = self.monitor.get_episode_rewards(), self.monitor.get_episode_lengths()
        first, self.known = self.known, len(scores)
        return (scores[first], lengths[first]) if first < len(scores) else None

    @episode.setter
    def episode(self, _):
        self.known = len(self.monitor.get_episode_rewards())


def main(kind, name, count, steps, seed):
    make = {"direct": Direct, "stable_baselines": StableBaselines}[kind]
    tasks = [make(name) for _ in range(count)]
    space, dtype = tasks[0].env.action_space, tasks[0].env.observation_space.dtype
    digest, digests, ends, episodes = hashlib.sha256(), [], 0, 0

    def add(observation):
        digest.update(np.ascontiguousarray(observation, dtype).tobytes())

    for i, task in enumerate(tasks):
        add(task.reset(seed + i))
        task.episode = None
    for step in range(steps):
        for i, task in enumerate(tasks):
            observation, reward, terminated, truncated = task.step(action(space, step, i))
            final = None
            if terminated or truncated:
                final = np.array(observation)
                observation = task.reset()
                ends += 1
            add(observation)
            digest.update(struct.pack("<fB", reward, 1 if terminated else 2 if truncated else 0))
            if final is not None:
                add(final)
            episode = task.episode
            if episode is not None:
                digest.update(struct.pack("<dQ", *episode))
                task.episode = None
                episodes += 1
        if (step + 1) % 100 == 0:
            digests.append(digest.hexdigest())
    print(json.dumps({"digests": digests, "ends": ends, "episodes": episodes}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], *map(int, sys.argv[3:6]))
