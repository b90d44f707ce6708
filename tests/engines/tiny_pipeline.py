"""A tiny random Stable Diffusion pipeline, saved as such pipelines are: a few hundred thousand weights, pictures of noise."""

from __future__ import annotations

import json
from pathlib import Path

import diffusers
import torch
import transformers
from tokenizers import pre_tokenizers

SIZE = 32  # pixels of a side that suit it


def save(folder: Path, *, checker: bool = False, variant: str | None = None) -> Path:
    """Make it and write it to `folder`; with `checker` it has a safety checker, which flags everything."""
    torch.manual_seed(0)
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokens = [*letters, *(f"{c}</w>" for c in letters), "<|startoftext|>", "<|endoftext|>"]
    words = folder.parent / f"{folder.name}-words"
    words.mkdir(parents=True)
    (words / "vocab.json").write_text(json.dumps({t: i for i, t in enumerate(tokens)}))
    (words / "merges.txt").write_text("#version: 0.2\n")
    text = transformers.CLIPTextConfig(
        vocab_size=len(tokens), hidden_size=32, intermediate_size=37, num_hidden_layers=2, num_attention_heads=4, projection_dim=32,
        bos_token_id=len(tokens) - 2, eos_token_id=len(tokens) - 1,
    )  # fmt: skip
    pipe = diffusers.StableDiffusionPipeline(
        tokenizer=transformers.CLIPTokenizer.from_pretrained(words, model_max_length=77),
        text_encoder=transformers.CLIPTextModel(text),
        unet=diffusers.UNet2DConditionModel(
            block_out_channels=(32, 64), layers_per_block=1, sample_size=SIZE // 2, in_channels=4, out_channels=4, attention_head_dim=8,
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"), up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
            cross_attention_dim=32,
        ),
        vae=diffusers.AutoencoderKL(
            block_out_channels=[32, 64], down_block_types=["DownEncoderBlock2D"] * 2, up_block_types=["UpDecoderBlock2D"] * 2, latent_channels=4
        ),
        scheduler=diffusers.DDIMScheduler(
            beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False, set_alpha_to_one=False, steps_offset=1
        ),
        safety_checker=_checker() if checker else None,
        feature_extractor=transformers.CLIPImageProcessor(size=32, crop_size=32) if checker else None,
        requires_safety_checker=checker,
    )  # fmt: skip
    pipe.save_pretrained(folder, variant=variant)
    return folder


def _checker():
    from diffusers.pipelines.stable_diffusion import StableDiffusionSafetyChecker

    vision = dict(hidden_size=32, intermediate_size=37, num_hidden_layers=1, num_attention_heads=4, image_size=32, patch_size=8)
    config = transformers.CLIPConfig(vision_config=vision, text_config={"hidden_size": 32}, projection_dim=32)
    made = StableDiffusionSafetyChecker(config)
    with torch.no_grad():  # every picture is nearer to what is not to be shown than this allows
        made.concept_embeds_weights.fill_(-2)
        made.special_care_embeds_weights.fill_(-2)
    return made
