"""Transitions of gymnasium's classic control tasks.

For each task a case with states, actions and what one step makes of them. States are those of a few episodes under
random and simple policies, and random ones up to and beyond every limit, so that walls, wraps, clips and ends all
occur. Numbers of double precision are written as Python's repr, several in a text, which reads back exactly.

usage: python classic_transitions.py     (gymnasium==1.4.0, numpy==1.26.4; writes ../golden/data/classic_transitions.json)

numpy 1.26 is what the paper's requirements pin; numpy 2 computes parts of Pendulum and MountainCarContinuous in single
precision.
"""

import json
import pathlib

import gymnasium
import numpy as np

WALKS, SCATTERED = 160, 160


def text(values):
    return " ".join(repr(float(value)) for value in values)


def cart_pole(rng, limits=(2.6, 4.0, 0.25, 4.0)):
    return rng.uniform(-1, 1, 4) * limits


def pendulum(rng):
    return rng.uniform(-1, 1, 2) * (20.0, 8.0)


def acrobot(rng):
    # Fast links meet the limits of speed and several turns in a step; half of the angles are near upright.
    angles = rng.uniform(-np.pi, np.pi, 2) if rng.random() < 0.5 else rng.choice([-1, 1]) * np.pi * rng.uniform(0.8, 1, 2) * (1, 0.1)
    return np.concatenate([angles, rng.uniform(-1, 1, 2) * (4 * np.pi, 9 * np.pi)])


def mountain_car(rng):
    near = rng.random()
    position = rng.uniform(-1.2, -1.1) if near < 0.3 else rng.uniform(0.4, 0.6) if near < 0.6 else rng.uniform(-1.2, 0.6)
    return np.array([position, rng.uniform(-0.07, 0.07)])


def mountain_car_single(rng):
    return mountain_car(rng).astype(np.float32)


TASKS = {
    "CartPole-v1": cart_pole,
    "Pendulum-v1": pendulum,
    "Acrobot-v1": acrobot,
    "MountainCar-v0": mountain_car,
    "MountainCarContinuous-v0": mountain_car_single,
}


def action(env, rng, state):
    space = env.action_space
    if isinstance(space, gymnasium.spaces.Discrete):
        # Half of the time with the motion, which builds up speed.
        wise = 0 if state[-1] < 0 else int(space.n) - 1
        return wise if rng.random() < 0.5 else int(rng.integers(space.n))
    return rng.uniform(-1.5 * space.high, 1.5 * space.high).astype(np.float32)


def transition(env, state, act):
    observation, reward, terminated, truncated, _ = env.step(act)
    assert not truncated and observation.dtype == np.float32
    return {
        "states": text(state),
        "actions": act if isinstance(act, int) else text(act),
        "next_states": text(env.state),
        "observations": text(observation),
        "rewards": repr(float(reward)),
        "terminated": int(terminated),
    }


def record(name, scatter):
    env = gymnasium.make(name, disable_env_checker=True).unwrapped
    rng = np.random.default_rng(7)
    rows = []
    env.reset(seed=7)
    for _ in range(WALKS):
        state = np.array(env.state)
        rows.append(transition(env, state, action(env, rng, state)))
        if rows[-1]["terminated"]:
            env.reset()
    for _ in range(SCATTERED):
        env.reset()
        env.state = scatter(rng)
        state = np.array(env.state)
        rows.append(transition(env, state, action(env, rng, state)))
    columns = {key: [row[key] for row in rows] for key in rows[0]}
    inputs = {key: columns.pop(key) for key in ("states", "actions")}
    print(name, len(rows), "steps,", sum(columns["terminated"]), "of them the last")
    # Double precision evaluated by other libraries: a few units in the last place.
    tolerance = {"default": {"abs": 1e-12, "rel": 1e-12}, "terminated": "exact"}
    return {"name": name, "about": f"steps of {name}", "inputs": inputs, "expected": columns, "tolerance": tolerance}


def main():
    versions = {"gymnasium": gymnasium.__version__, "numpy": np.__version__}
    cases = [record(name, scatter) for name, scatter in TASKS.items()]
    path = pathlib.Path(__file__).parent.parent / "golden/data/classic_transitions.json"
    document = {
        "file": path.name,
        "about": "single steps of the classic control tasks; numbers as text, to be read exactly",
        "schema": 1,
        "computed_with": versions,
        "cases": cases,
    }
    path.write_text(json.dumps(document) + "\n")


main()
