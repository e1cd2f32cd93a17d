"""The policies of control and whole updates of them, written directly in PyTorch in double precision.

Networks: outputs, norm of a gradient and number of parameters of the fully connected and the convolutional actor-critic
with every kind of action. Updates: A2C, PPO, SA2C and SPPO on a made-up rollout, with the order of rows that the crate
draws (the tests check that it still draws it). The tests in `burn-sppo/src/policy/reference_tests.rs` compare.

Weights and observations are a formula of their place, `noise` below, so that they need not be stored.

usage: python control_networks.py     (torch, numpy; writes control_networks.json beside this file)
"""

import json
import math
import pathlib

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

torch.set_default_dtype(torch.float64)
HERE = pathlib.Path(__file__).parent
HALF_LOG_TAU = 0.5 * math.log(2 * math.pi)
# The rows of each epoch in the order that the crate draws for seed 1 and iteration 1.
ORDERS = [
    [0, 1, 9, 10, 4, 7, 5, 2, 8, 11, 6, 3],
    [3, 0, 9, 10, 4, 8, 1, 11, 6, 2, 5, 7],
    [4, 8, 1, 3, 0, 2, 7, 9, 6, 11, 5, 10],
]


def noise(salt, count):
    """Multiples of 2^-20 between -1 and 1, which f32 holds exactly."""
    x = (np.arange(count, dtype=np.uint64) + salt * 1_000_003) & 0xFFFFFFFF
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
        x = ((x ^ (x >> shift)) * factor) & 0xFFFFFFFF
    x = x ^ (x >> 16)
    return (x >> 11).astype(np.float64) / 2**20 - 1


def sizes(space):
    kind, n = next(iter(space.items()))
    return {"discrete": [n], "multi_discrete": n, "multi_binary": [1] * n if kind == "multi_binary" else None,
            "continuous": [1] * n if kind == "continuous" else None}[kind]


class Network(nn.Module):
    """Parameters in the order and layout of the crate: layers are `[inputs, outputs]`."""

    def __init__(self, kind, shape, space, hidden=(64, 64), activation="tanh", features=512, use_sde=False, squash=False):
        super().__init__()
        self.kind, self.shape, self.space = kind, shape, space
        self.squash, self.use_sde = squash, use_sde
        self.activation = {"tanh": torch.tanh, "relu": F.relu}[activation]
        self.names, tensors = [], []

        def add(name, *shape):
            self.names.append(name)
            tensors.append(nn.Parameter(torch.zeros(*shape)))

        def layer(name, inputs, outputs):
            add(f"{name}.weight", inputs, outputs)
            add(f"{name}.bias", outputs)

        self.depth = len(hidden)
        if kind == "mlp":
            for trunk in ("actor", "critic"):
                for i, (inputs, outputs) in enumerate(zip([math.prod(shape), *hidden], hidden)):
                    layer(f"{trunk}.{i}", inputs, outputs)
            last = [math.prod(shape), *hidden][-1]
        else:
            inputs, size = shape[0], list(shape[1:])
            for i, (outputs, kernel, stride) in enumerate(((32, 8, 4), (64, 4, 2), (64, 3, 1))):
                add(f"convolution.{i}.weight", outputs, inputs, kernel, kernel)
                add(f"convolution.{i}.bias", outputs)
                inputs, size = outputs, [(n - kernel) // stride + 1 for n in size]
            layer("linear", inputs * math.prod(size), features)
            last = features
        layer("action", last, sum(sizes(space)))
        if "continuous" in space:
            add("log_std", *((last, space["continuous"]) if use_sde else (space["continuous"],)))
        layer("value", last, 1)
        self.parameters_in_order = nn.ParameterList(tensors)

    def fill(self):
        for salt, (p, scale) in enumerate(zip(self.parameters_in_order, self.scales())):
            p.data = torch.from_numpy(noise(salt + 1, p.numel()) * scale).reshape(p.shape)
        return self

    def scales(self):
        """A power of two for each parameter, which f32 multiplies by exactly."""

        def scale(p):
            fan_in = p.shape[0] if p.dim() == 2 else math.prod(p.shape[1:])
            return 2.0 ** round(math.log2(2 / math.sqrt(fan_in))) if p.dim() > 1 else 0.25

        return [scale(p) for p in self.parameters_in_order]

    def get(self, name):
        return self.parameters_in_order[self.names.index(name)]

    def layer(self, name, x):
        return x @ self.get(f"{name}.weight") + self.get(f"{name}.bias")

    def forward(self, x):
        if self.kind == "mlp":
            actor, critic = x, x
            for i in range(self.depth):
                actor = self.activation(self.layer(f"actor.{i}", actor))
                critic = self.activation(self.layer(f"critic.{i}", critic))
        else:
            x = x.reshape(-1, *self.shape) / 255
            for i, stride in enumerate((4, 2, 1)):
                x = F.relu(F.conv2d(x, self.get(f"convolution.{i}.weight"), self.get(f"convolution.{i}.bias"), stride))
            actor = critic = F.relu(self.layer("linear", x.flatten(1)))
        return self.layer("action", actor), self.layer("value", critic).squeeze(1), actor

    def evaluate(self, observations, actions):
        """Log-probability, entropy (or None), likeliest action and value."""
        output, value, features = self(observations)
        if "continuous" in self.space:
            log_std = self.get("log_std")
            if self.use_sde:
                log_std = 0.5 * torch.log(features.detach() ** 2 @ torch.exp(log_std) ** 2 + 1e-6)
            log_std = log_std.expand_as(output)
            log_prob = (-0.5 * ((actions - output) / log_std.exp()) ** 2 - log_std - HALF_LOG_TAU).sum(1)
            entropy = (0.5 + HALF_LOG_TAU + log_std).sum(1)
            if self.squash:
                log_prob, entropy = log_prob - torch.log(1 - torch.tanh(actions) ** 2 + 1e-6).sum(1), None
            return log_prob, entropy, output, value
        if "multi_binary" in self.space:
            log_prob = -F.binary_cross_entropy_with_logits(output, actions, reduction="none").sum(1)
            p = torch.sigmoid(output)
            return log_prob, (F.softplus(output) - p * output).sum(1), torch.round(p), value
        log_prob = entropy = 0
        mode = []
        for column, part in enumerate(output.split(sizes(self.space), 1)):
            everything = torch.log_softmax(part, 1)
            log_prob = log_prob + everything.gather(1, actions[:, column : column + 1].long()).squeeze(1)
            entropy = entropy - (everything.exp() * everything).sum(1)
            mode.append(part.argmax(1))
        return log_prob, entropy, torch.stack(mode, 1), value


def observations(network, rows):
    count = rows * math.prod(network["observation_shape"])
    values = noise(1000, count)
    if network["kind"] == "cnn":
        values = np.floor((values + 1) * 128)
    return torch.from_numpy(values).reshape(rows, -1)


def actions(space, rows):
    kind, n = next(iter(space.items()))
    if kind in ("discrete", "multi_discrete"):
        width = len(sizes(space))
        raw = (noise(2000, rows * width).reshape(rows, width) + 1) / 2
        return torch.from_numpy(np.floor(raw * sizes(space)))
    raw = noise(2000, rows * n).reshape(rows, n)
    return torch.from_numpy((raw > 0).astype(np.float64) if kind == "multi_binary" else raw)


def build(network):
    settings = {key: network[key] for key in ("hidden", "activation", "use_sde", "squash", "features") if key in network}
    return Network(network["kind"], network["observation_shape"], network["space"], **settings)


def numbers(tensor):
    return [float(f"{x:.9g}") for x in tensor.detach().double().flatten().tolist()]


NETWORKS = {
    "choice": {"kind": "mlp", "observation_shape": [4], "space": {"discrete": 3}, "hidden": [8, 8]},
    "choices": {"kind": "mlp", "observation_shape": [2, 3], "space": {"multi_discrete": [4, 4, 3]}, "hidden": [8, 5]},
    "yes_and_no": {"kind": "mlp", "observation_shape": [4], "space": {"multi_binary": 3}, "hidden": [6]},
    "numbers": {"kind": "mlp", "observation_shape": [5], "space": {"continuous": 2}, "hidden": [8, 8], "activation": "relu"},
    "squashed": {"kind": "mlp", "observation_shape": [5], "space": {"continuous": 2}, "hidden": [8, 8], "squash": True},
    "smooth_noise": {"kind": "mlp", "observation_shape": [5], "space": {"continuous": 2}, "hidden": [8, 8], "use_sde": True},
    "no_hidden_layer": {"kind": "mlp", "observation_shape": [5], "space": {"discrete": 2}, "hidden": []},
    "image": {"kind": "cnn", "observation_shape": [2, 44, 40], "space": {"discrete": 4}, "features": 8},
}

COUNTS = [
    {"kind": "mlp", "observation_shape": [4], "space": {"discrete": 2}},
    {"kind": "mlp", "observation_shape": [27], "space": {"continuous": 8}},
    {"kind": "mlp", "observation_shape": [376], "space": {"continuous": 17}, "hidden": [256, 256], "activation": "relu"},
    {"kind": "mlp", "observation_shape": [27], "space": {"multi_discrete": [11] * 8}},
    {"kind": "cnn", "observation_shape": [4, 84, 84], "space": {"discrete": 6}},
]

SHARED = {"vf_coef": 0.5, "ent_coef": 0.01, "max_grad_norm": 0.5}
ON_POLICY = {**SHARED, "epochs": 1, "minibatch": 12, "normalize": False}
PROXIMAL = {**SHARED, "epochs": 3, "minibatch": 5, "normalize": True, "clip_range": 0.2}
SYMMETRIC = {"alpha": 0.5, "beta": 1.0, "z": -1.0}
RMSPROP = {"kind": "rmsprop", "learning_rate": 7e-3}
RMSPROP_TF = {"kind": "rmsprop_tf", "learning_rate": 7e-2}
ADAM = {"kind": "adam", "learning_rate": 1e-2}
UPDATES = [
    {"network": "numbers", "algorithm": "a2c", "optimizer": RMSPROP, **ON_POLICY},
    {"network": "image", "algorithm": "a2c", "optimizer": RMSPROP_TF, **ON_POLICY},
    {"network": "choice", "algorithm": "sa2c", "optimizer": RMSPROP, **SYMMETRIC, **ON_POLICY},
    {"network": "choices", "algorithm": "sa2c", "optimizer": RMSPROP_TF, **SYMMETRIC, **ON_POLICY},
    {"network": "numbers", "algorithm": "ppo", "optimizer": ADAM, **PROXIMAL},
    {"network": "smooth_noise", "algorithm": "ppo", "optimizer": ADAM, **PROXIMAL},
    {"network": "image", "algorithm": "ppo", "optimizer": ADAM, "clip_range_vf": 0.3, **PROXIMAL},
    {"network": "choice", "algorithm": "sppo", "optimizer": ADAM, **SYMMETRIC, **PROXIMAL},
    {"network": "choices", "algorithm": "sppo", "optimizer": ADAM, **SYMMETRIC, **PROXIMAL},
]


def outputs(network, rows=6):
    model = build(network).fill()
    taken = actions(network["space"], rows)
    log_prob, entropy, mode, value = model.evaluate(observations(network, rows), taken)
    (log_prob.sum() + (value**2).sum()).backward()
    norm = math.sqrt(sum(float((p.grad**2).sum()) for p in model.parameters_in_order if p.grad is not None))
    return {
        **network, "rows": rows, "actions": numbers(taken), "log_prob": numbers(log_prob), "mode": numbers(mode),
        "entropy": None if entropy is None else numbers(entropy), "value": numbers(value), "gradient_norm": norm,
        "shapes": [list(p.shape) for p in model.parameters_in_order], "scales": model.scales(),
    }


class RmsPropTf:
    """Epsilon inside the root, second moment from 1."""

    def __init__(self, parameters, lr):
        self.parameters, self.lr = list(parameters), lr
        self.squares = [torch.ones_like(p) for p in self.parameters]

    def step(self):
        for p, square in zip(self.parameters, self.squares):
            square.mul_(0.99).add_(0.01 * p.grad**2)
            p.data -= self.lr * p.grad / torch.sqrt(square + 1e-5)


def update(job, rows=12):
    network = NETWORKS[job["network"]]
    model = build(network).fill()
    parameters = list(model.parameters_in_order)
    seen, taken = observations(network, rows), actions(network["space"], rows)
    with torch.no_grad():
        old, _, _, old_value = model.evaluate(seen, taken)
    # What the crate reads from the rollout, in f32.
    old, old_value = old.float().double(), old_value.float().double()
    advantage, returns = torch.from_numpy(noise(3000, rows)), torch.from_numpy(noise(4000, rows)) * 2
    rate = job["optimizer"]["learning_rate"]
    optimizer = {
        "adam": lambda: torch.optim.Adam(parameters, lr=rate, eps=1e-5),
        "rmsprop": lambda: torch.optim.RMSprop(parameters, lr=rate, alpha=0.99, eps=1e-5),
        "rmsprop_tf": lambda: RmsPropTf(parameters, rate),
    }[job["optimizer"]["kind"]]()
    for epoch in range(job["epochs"]):
        for chosen in torch.tensor(ORDERS[epoch]).split(job["minibatch"]):
            log_prob, entropy, _, value = model.evaluate(seen[chosen], taken[chosen])
            a = advantage[chosen]
            if job["normalize"]:
                a = (a - a.mean()) / (a.std() + 1e-8)
            other = 1 - log_prob.exp()
            if job["algorithm"] in ("a2c", "sa2c"):
                policy_loss = -(a * log_prob).mean()
                reverse_loss = -(a * job.get("z", 0.0) * other).mean()
            else:
                ratio, clip = (log_prob - old[chosen]).exp(), job["clip_range"]
                plain, clipped = a * ratio, a * ratio.clamp(1 - clip, 1 + clip)
                policy_loss = -torch.minimum(plain, clipped).mean()
                passes = ((ratio >= 1 - clip) & (ratio <= 1 + clip)) | (plain <= clipped)
                reverse_loss = -(passes * a * job.get("z", 0.0) * other / old[chosen].exp()).mean()
            if "clip_range_vf" in job:
                near = job["clip_range_vf"]
                value = old_value[chosen] + (value - old_value[chosen]).clamp(-near, near)
            loss = job["vf_coef"] * ((returns[chosen] - value) ** 2).mean() - job["ent_coef"] * entropy.mean()
            loss = loss + job.get("alpha", 1.0) * policy_loss + job.get("beta", 0.0) * reverse_loss
            for p in parameters:
                p.grad = torch.zeros_like(p)
            loss.backward()
            nn.utils.clip_grad_norm_(parameters, job["max_grad_norm"])
            optimizer.step()
    # Every so many entries of a large tensor say enough.
    strides = [max(1, p.numel() // 50) for p in parameters]
    return {
        **job, "rows": rows, "actions": numbers(taken), "old_log_prob": numbers(old), "old_value": numbers(old_value),
        "advantage": numbers(advantage), "returns": numbers(returns), "strides": strides,
        "after": [numbers(p.flatten()[::stride]) for p, stride in zip(parameters, strides)],
    }


def main():
    out = {
        "networks": {name: outputs(network) for name, network in NETWORKS.items()},
        "counts": [{**c, "parameters": sum(p.numel() for p in build(c).parameters_in_order)} for c in COUNTS],
        "orders": ORDERS,
        "updates": [update(job) for job in UPDATES],
    }
    (HERE / "control_networks.json").write_text(json.dumps(out) + "\n")


if __name__ == "__main__":
    main()
