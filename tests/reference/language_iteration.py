"""One whole iteration of symmetric PPO on a small GPT-2, written directly in PyTorch in double precision.

Greedy responses to left-padded prompts, a reward that counts tokens, KL against another model, generalised advantage
estimation, rollout-wide normalisation and two updates of actor and critic with target regularisation. The test
`one_iteration_equals_the_script` runs the crate on the same weights and compares every number.

usage: python language_iteration.py     (torch, transformers, safetensors; writes language_iteration.json and the two
models beside this file)
"""

import json
import pathlib

import torch
from transformers import GPT2Config, GPT2LMHeadModel

torch.set_default_dtype(torch.float64)
HERE = pathlib.Path(__file__).parent
PAD = 0  # ends and pads, as with GPT-2
LENGTH = 6
GAMMA, LAMBDA, KL_COEF = 0.99, 0.95, 0.05
ALPHA, BETA, Z, CLIP, VALUE_CLIP = 0.5, 0.4, -1.0, 0.2, 0.2
ENT_COEF, VF_COEF, TARGET_COEF, MAX_NORM = 0.01, 0.5, 0.1, 1.0
RATE, DECAY, EPSILON = 2e-3, 1e-2, 1e-5
EPOCHS = 2
PROMPTS = [[3, 7, 2, 9], [5, 4], [11, 1, 6], [8], [10, 13, 12, 2]]
REFERENCES = [[4, 9, 1, 3, 5, 2], [6, 6, 7], [12, 3, 5, 8], [1, 2, 9, 14, 3, 7], [15, 4]]


def model(seed):
    torch.manual_seed(seed)
    config = GPT2Config(
        vocab_size=16, n_positions=16, n_embd=8, n_layer=2, n_head=2, initializer_range=0.5,
        resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0, bos_token_id=PAD, eos_token_id=PAD,
    )
    config._attn_implementation = "eager"
    net = GPT2LMHeadModel(config)
    for parameter in net.parameters():
        if parameter.dim() == 1:  # biases and norms, so that a decay of them would show
            parameter.data += 0.3 * torch.randn_like(parameter)
        parameter.data = parameter.data.float().double()  # what a file of f32 holds
    return net


def layout(responses):
    width = max(map(len, PROMPTS))
    rows = [[PAD] * (width - len(p)) + p + r + [PAD] * (LENGTH - len(r)) for p, r in zip(PROMPTS, responses)]
    tokens = torch.tensor(rows)
    mask = (tokens != PAD).long()
    positions = (mask.cumsum(1) - 1).masked_fill(mask == 0, 1)
    return tokens, mask, positions


def hidden(net, responses):
    tokens, mask, positions = layout(responses)
    trunk = net.transformer
    states = trunk(input_ids=tokens[:, :-1], attention_mask=mask[:, :-1], position_ids=positions[:, :-1])
    return states.last_hidden_state[:, -LENGTH:], tokens[:, -LENGTH:]


def log_probs(net, responses):
    states, actions = hidden(net, responses)
    everything = torch.log_softmax(net.lm_head(states), -1)
    entropy = -(everything.exp() * everything).sum(-1)
    return everything.gather(-1, actions.unsqueeze(-1)).squeeze(-1), entropy


@torch.no_grad()
def greedy(net):
    responses = [[] for _ in PROMPTS]
    open_rows = set(range(len(PROMPTS)))
    for _ in range(LENGTH):
        for row in sorted(open_rows):
            tokens = torch.tensor([PROMPTS[row] + responses[row]])
            token = int(net(input_ids=tokens).logits[0, -1].argmax())
            responses[row].append(token)
            if token == PAD:
                open_rows.discard(row)
    return responses


def average(values, mask):
    return (values * mask).sum() / mask.sum()


def main():
    policy, reference = model(SEED), model(SEED + 1)
    critic = model(SEED)  # starts as the policy
    torch.manual_seed(7)
    head = torch.nn.Linear(8, 1)
    head.weight.data, head.bias.data = head.weight.data.float().double(), head.bias.data.float().double()
    for name, net in (("policy", policy), ("reference", reference)):
        net.float().save_pretrained(HERE / name)
        net.double()
    out = {"value_head": {"weight": head.weight.flatten().tolist(), "bias": head.bias.tolist()}}

    responses = greedy(policy)
    mask = torch.zeros(len(PROMPTS), LENGTH)
    for row, response in enumerate(responses):
        mask[row, : len(response)] = 1
    score = torch.tensor([sum(t % 3 == 0 for t in r) / 3 - 0.1 * len(r) for r in responses])

    def value(responses):
        return head(hidden(critic, responses)[0]).squeeze(-1)

    with torch.no_grad():
        old, _ = log_probs(policy, responses)
        kl = (old - log_probs(reference, responses)[0]) * mask
        old_value = value(responses)
        rewards = -KL_COEF * kl
        for row, response in enumerate(responses):
            rewards[row, len(response) - 1] += score[row]
        v = old_value * mask
        advantage = torch.zeros_like(v)
        for row in range(len(PROMPTS)):
            next_value = next_advantage = 0.0
            for t in reversed(range(LENGTH)):
                delta = rewards[row, t] * mask[row, t] + GAMMA * next_value - v[row, t]
                next_advantage = delta + GAMMA * LAMBDA * next_advantage
                next_value = v[row, t]
                advantage[row, t] = next_advantage
        returns = advantage + v
        counted = advantage[mask.bool()]
        normal = (advantage - counted.mean()) / (counted.std() + 1e-8) * mask
    out["rollout"] = {
        "responses": responses, "reward": score.tolist(), "mean_kl": float(kl.sum(1).mean()),
        "log_prob": (old * mask).flatten().tolist(), "value": old_value.flatten().tolist(),
        "mask": mask.flatten().tolist(), "advantage": advantage.flatten().tolist(), "returns": returns.flatten().tolist(),
    }

    groups = {True: [], False: []}
    parameters = []
    for prefix, net in (("actor", policy.transformer), ("critic", critic.transformer), ("value_head", head)):
        for name, parameter in net.named_parameters():
            still = any(word in name for word in ("bias", "beta", "LayerNorm.weight"))
            groups[still].append(parameter)
            parameters.append((f"{prefix}.{name}", parameter))
    optimizer = torch.optim.AdamW(
        [{"params": groups[False], "weight_decay": DECAY}, {"params": groups[True], "weight_decay": 0.0}],
        lr=RATE, eps=EPSILON,
    )
    target_mask = torch.zeros_like(mask)
    for row, reference_text in enumerate(REFERENCES):
        target_mask[row, : len(reference_text)] = 1
    sums = {}
    for _ in range(EPOCHS):
        new, entropy = log_probs(policy, responses)
        ratio = ((new - old) * mask).exp()
        plain, clipped = normal * ratio, normal * ratio.clamp(1 - CLIP, 1 + CLIP)
        policy_loss = -average(torch.minimum(plain, clipped), mask)
        passes = ((ratio >= 1 - CLIP) & (ratio <= 1 + CLIP)) | (plain <= clipped)
        reverse_loss = -average(passes * normal * Z * (1 - new.exp()) / old.exp(), mask)
        entropy_loss = -average(entropy, mask)
        predicted = value(responses)
        near = old_value + (predicted - old_value).clamp(-VALUE_CLIP, VALUE_CLIP)
        value_loss = 0.5 * average(torch.maximum((predicted - returns) ** 2, (near - returns) ** 2), mask)
        target_loss = -TARGET_COEF * average(log_probs(policy, REFERENCES)[0], target_mask)
        loss = ALPHA * policy_loss + BETA * reverse_loss + ENT_COEF * entropy_loss + VF_COEF * value_loss + target_loss
        optimizer.zero_grad()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_([p for _, p in parameters], MAX_NORM)
        optimizer.step()
        change = (new - old) * mask
        for name, number in {
            "loss": loss, "policy_loss": policy_loss, "reverse_loss": reverse_loss, "value_loss": value_loss,
            "auxiliary_loss": target_loss, "entropy": -entropy_loss, "gradient_norm": norm,
            "approx_kl_k3": average(change.exp() - 1 - change, mask), "ratio": average(ratio, mask),
            "clip_fraction": average(((ratio - 1).abs() > CLIP).double(), mask),
        }.items():
            sums[name] = sums.get(name, 0.0) + float(number) / EPOCHS
    out["update"] = sums
    out["parameters"] = {name: [float(f"{x:.9g}") for x in p.flatten().tolist()] for name, p in parameters}
    out["prompts"], out["references"] = PROMPTS, REFERENCES
    (HERE / "language_iteration.json").write_text(json.dumps(out) + "\n")
    print({"lengths": [len(r) for r in responses], **sums})


SEED = 221

if __name__ == "__main__":
    main()
