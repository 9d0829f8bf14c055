"""The networks in training, their optimisers, and where they have got to."""

from __future__ import annotations

import copy
from contextlib import AbstractContextManager
from pathlib import Path

import torch
from torch import Tensor, nn

from export.renderer import losses
from export.renderer.augment import Batch, Chance, augmented_batch
from export.renderer.corpus import Pairs, rows_of_step
from export.renderer.frame import HEIGHT, STYLE_SIZE, WIDTH
from export.renderer.network import MouthNet, PatchCritic, StyleEncoder, StylesSeen, finished
from export.renderer.perceptual import Lpips

RATE, CRITIC_RATE, BETAS = 4e-4, 8e-4, (0.5, 0.99)
FULL_RATE_STEPS = 1200  # from then on rates fall with the root of the step's number
MEAN_DECAY = 0.998  # of the running mean of weights, which is what ships
CRITIC_STARTS, CRITIC_FULL = 100, 600  # steps over which the critic's say grows
SIZES = {"cpu": (64, 128), "cuda": (HEIGHT, WIDTH)}  # of what is trained on at once
WEIGHTS = {
    "pixels": 10.0,
    "tone": 6.0,
    "lpips": 8.0,
    "style": 0.02,
    "deceiving": 0.4,
    "features": 8.0,
    "equivariance": 6.0,
    "lips": 10.0,
}
NAMES = (*WEIGHTS, "critic")
STORED = ("network", "mean", "encoder", "styles", "critic", "optimiser", "critic_optimiser")


class Trainer:
    """Trains on `pairs`; the step's number and the seed decide about everything that is drawn at random."""

    def __init__(self, pairs: Pairs, lpips: Path | None, *, batch: int, seed: int, device: torch.device) -> None:
        torch.manual_seed(seed)
        self.pairs, self.batch, self.seed, self.device, self.step = pairs, batch, seed, device, 0
        self.size = SIZES[device.type]
        self.rows = pairs.training_rows()
        self.row_weights = pairs.weights(self.rows)
        self.stored = {name: layer.to(device) for name, layer in pairs.layers.items()}
        self.edges = pairs.lower_edge.to(device)
        self.network, self.encoder, self.critic = (
            net().to(device, memory_format=torch.channels_last) for net in (MouthNet, StyleEncoder, PatchCritic)
        )  # with channels last a step takes a quarter less time on a CPU
        self.styles = StylesSeen().to(device)
        self.mean = copy.deepcopy(self.network).requires_grad_(False)
        self.lpips = Lpips(lpips).to(device, memory_format=torch.channels_last) if lpips else None
        learnt = [*self.network.parameters(), *self.encoder.parameters()]
        self.optimiser = torch.optim.Adam(learnt, RATE, BETAS)
        self.critic_optimiser = torch.optim.Adam(self.critic.parameters(), CRITIC_RATE, BETAS)

    def reduced(self) -> AbstractContextManager[None]:
        """Convolutions in bfloat16."""
        return torch.autocast(self.device.type, torch.bfloat16)

    def batch_of_step(self, generator: torch.Generator) -> Batch:
        rows = rows_of_step(self.rows, self.row_weights, self.batch, generator).to(self.device)
        stored = {name: layer[rows] for name, layer in self.stored.items()}
        with torch.no_grad():
            return augmented_batch(stored, self.edges[rows], generator, self.size)

    def learn(self) -> dict[str, float]:
        """One step of the critic and one of the network -> losses by name."""
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.step)
        self.set_rates()
        batch = self.batch_of_step(generator)
        chance = Chance(self.batch, generator, self.device)
        half = max(1, self.batch // 2)  # the first half has its own style, the rest one of others' drawn at random
        with self.reduced():
            mean, log_variance = self.encoder(batch.target[:half], batch.weight[:half])
        mean, log_variance = mean.float(), log_variance.float()
        style = chance.normal(1.0, STYLE_SIZE)[:, :, 0, 0]
        self.styles.update(mean)
        style = torch.cat([mean + style[:half] * (0.5 * log_variance).exp(), self.styles(style[half:])])
        with self.reduced():
            found = self.network(batch.crop, style).float()
        made = finished(batch.crop, found)
        found_losses = self.critic_step(batch, made.detach())
        parts = self.network_losses(batch, half, made)
        parts["style"] = losses.style_loss(mean, log_variance)
        parts |= self.steadiness_losses(batch, style.detach(), found, generator)
        say = losses.ramp(self.step, CRITIC_STARTS, CRITIC_FULL)
        weights = WEIGHTS | {"deceiving": say * WEIGHTS["deceiving"], "features": say * WEIGHTS["features"]}
        total = torch.stack([weights[name] * part for name, part in parts.items()]).sum()
        self.follow(self.optimiser, total, [*self.network.parameters(), *self.encoder.parameters()])
        self.update_mean()
        self.step += 1
        return {name: float(part.detach()) for name, part in parts.items()} | found_losses

    def steadiness_losses(
        self, batch: Batch, style: Tensor, found: Tensor, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """What a second look at two parts of the batch, a little changed, says of what was found at the first."""
        quarter = max(1, self.batch // 4)
        first, last = slice(0, quarter), slice(self.batch - quarter, self.batch)
        chance = Chance(quarter, generator, self.device)
        with self.reduced():
            moved = losses.equivariance_loss(self.network, batch.crop[first], style[first], found[first], chance)
            bent = losses.lips_loss(self.network, batch.part(last), style[last], found[last], chance)
        return {"equivariance": moved, "lips": bent}

    def set_rates(self) -> None:
        share = min(1.0, (FULL_RATE_STEPS / (self.step + 1)) ** 0.5)
        for optimiser, rate in ((self.optimiser, RATE), (self.critic_optimiser, CRITIC_RATE)):
            for group in optimiser.param_groups:
                group["lr"] = share * rate

    def network_losses(self, batch: Batch, half: int, made: Tensor) -> dict[str, Tensor]:
        """Of what was made: (N, 3, h, w); its first `half` pictures should be their targets."""
        first = batch.part(slice(0, half))
        parts = {"pixels": losses.pixel_loss(made[:half], first), "tone": losses.tone_loss(made, batch)}
        with self.reduced():
            if self.lpips is not None:
                parts["lpips"] = self.lpips(made[:half], first.target, first.weight).mean()
            self.critic.requires_grad_(False)
            judged = self.critic(made, batch.crop)
            with torch.no_grad():
                real = self.critic(first.target, first.crop)
            self.critic.requires_grad_(True)
        parts["deceiving"] = losses.deceiving_loss(judged[-1].float(), batch)
        parts["features"] = losses.feature_loss(real, [part[:half] for part in judged], first)
        return parts

    def critic_step(self, batch: Batch, made: Tensor) -> dict[str, float]:
        with self.reduced():
            real, fake = self.critic(batch.target, batch.crop)[-1], self.critic(made, batch.crop)[-1]
        loss = losses.critic_loss(real.float(), fake.float(), batch)
        self.follow(self.critic_optimiser, loss, list(self.critic.parameters()))
        return {"critic": float(loss.detach())}

    @staticmethod
    def follow(optimiser: torch.optim.Optimizer, loss: Tensor, parameters: list[nn.Parameter]) -> None:
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(parameters, 5.0)
        optimiser.step()

    @torch.no_grad()
    def update_mean(self) -> None:
        decay = min(MEAN_DECAY, self.step / (self.step + 10))
        for mean, value in zip(self.mean.parameters(), self.network.parameters(), strict=True):
            mean.lerp_(value, 1 - decay)

    def save(self, path: Path) -> None:
        """Writes a checkpoint; a half-written one never has its name."""
        state = {name: getattr(self, name).state_dict() for name in STORED}
        partial = path.with_suffix(".partial")
        torch.save(state | {"step": self.step}, partial)
        partial.replace(path)

    def resume(self, path: Path) -> None:
        state = torch.load(path, map_location=self.device, weights_only=True)
        for name in STORED:
            getattr(self, name).load_state_dict(state[name])
        self.step = int(state["step"])
