"""Folders of tiny random models of many families, as the hub would lay them out."""

from __future__ import annotations

import torch
import transformers
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

from fmnb.core.types import Request, message
from tests.engines import tiny

# family -> its config class, its own sizes, which path the engine must take
_GROUPED = dict(intermediate_size=128, num_key_value_heads=2, head_dim=16)
_LLAMA3 = {"rope_type": "llama3", "rope_theta": 5e3, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}
CAUSAL = {
    "opt": ("OPTConfig", dict(ffn_dim=128, word_embed_proj_dim=64), "plain"),
    "bloom": ("BloomConfig", dict(n_layer=2, n_head=4), "plain"),
    "pythia": ("GPTNeoXConfig", dict(intermediate_size=128), "plain"),
    "gpt2": ("GPT2Config", dict(n_embd=64, n_layer=2, n_head=4, n_positions=256), "plain"),
    "gpt-j": ("GPTJConfig", dict(n_embd=64, n_layer=2, n_head=4, n_positions=256, rotary_dim=8), "plain"),
    "glm": ("GlmConfig", _GROUPED | dict(pad_token_id=0), "plain"),
    "glm4": ("Glm4Config", _GROUPED | dict(pad_token_id=0), "plain"),
    "phi": ("PhiConfig", dict(intermediate_size=128), "plain"),
    "yarn": ("LlamaConfig", _GROUPED | dict(rope_parameters={"rope_type": "yarn", "rope_theta": 1e4, "factor": 4.0}), "plain"),
    "llama": ("LlamaConfig", _GROUPED | dict(attention_bias=True, mlp_bias=True), "fast"),
    "llama 3": ("LlamaConfig", _GROUPED | dict(rope_parameters=_LLAMA3 | {"original_max_position_embeddings": 64}), "fast"),
    "smollm": ("LlamaConfig", _GROUPED | dict(tie_word_embeddings=True, num_key_value_heads=4), "fast"),
    "linear": ("LlamaConfig", _GROUPED | dict(rope_parameters={"rope_type": "linear", "rope_theta": 1e4, "factor": 2.0}), "fast"),
    "mistral": ("MistralConfig", _GROUPED | dict(sliding_window=32), "fast"),
    "qwen2": ("Qwen2Config", dict(intermediate_size=128, num_key_value_heads=2), "fast"),
    "qwen3": ("Qwen3Config", _GROUPED, "fast"),
    "gemma": ("GemmaConfig", _GROUPED, "fast"),
    "gemma 2": ("Gemma2Config", _GROUPED | dict(sliding_window=32), "plain"),
    "gemma 3": (
        "Gemma3TextConfig",
        _GROUPED | dict(sliding_window=32, query_pre_attn_scalar=20, layer_types=["sliding_attention", "full_attention"]),
        "fast",
    ),
}
_WIDE = dict(d_model=64, vocab_size=len(tiny.TOKENS), eos_token_id=tiny.END, pad_token_id=0)
_T5 = _WIDE | dict(d_kv=16, d_ff=128, num_layers=2, num_heads=4, decoder_start_token_id=0, initializer_factor=1.0)
_BART = _WIDE | dict(encoder_layers=2, decoder_layers=2, encoder_attention_heads=4, decoder_attention_heads=4, encoder_ffn_dim=128)
_BART |= dict(decoder_ffn_dim=128, max_position_embeddings=128, decoder_start_token_id=tiny.END, bos_token_id=1, forced_eos_token_id=None)
SEQ2SEQ = {
    "t5": ("T5Config", _T5),
    "mt5": ("MT5Config", _T5),
    "umt5": ("UMT5Config", _T5),
    "bart": ("BartConfig", _BART),
    "bart with a first token": ("BartConfig", _BART | dict(forced_bos_token_id=7)),
    "pegasus": ("PegasusConfig", _BART),
}


def tokenizer(template: str | None = None, more: tuple[str, ...] = ()):
    """Bytes, three merges and control tokens, as a file that the library wrote."""
    core = Tokenizer(models.BPE({t: i for i, t in enumerate(tiny.TOKENS)}, [tuple(m.split(" ")) for m in tiny.MERGES]))
    core.pre_tokenizer, core.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    core.add_special_tokens([AddedToken(t, special=True) for t in (*tiny.TOKENS[-2:], *more)])
    return transformers.PreTrainedTokenizerFast(tokenizer_object=core, eos_token="<|im_end|>", chat_template=template)


def loud(made, gain: float = 2.5):
    """The model with weights that make it say many things, and norms that matter; a small `gain` makes it forgive rounding."""
    with torch.no_grad():
        for p in made.parameters():
            if p.ndim == 1:
                p.add_(torch.randn_like(p) * 0.2)
            else:
                p.normal_(0, 0.05 if p.shape[0] == len(tiny.TOKENS) else gain / p.shape[-1] ** 0.5)
    return made.eval()


def causal(path, family: str, template: str | None = None, gain: float = 2.5, **options):
    """A folder of that family; gives the model that lies in it."""
    torch.manual_seed(0)
    name, sizes, _ = CAUSAL[family]
    sizes = dict(hidden_size=64, num_hidden_layers=2, num_attention_heads=4, max_position_embeddings=256) | sizes | options
    config = getattr(transformers, name)(**(dict(vocab_size=len(tiny.TOKENS), eos_token_id=tiny.END, bos_token_id=None) | sizes))
    made = loud(transformers.AutoModelForCausalLM.from_config(config), gain)
    made.save_pretrained(path)
    tokenizer(template).save_pretrained(path)
    return made


def seq2seq(path, family: str, **options):
    """The same of an encoder-decoder."""
    torch.manual_seed(0)
    name, sizes = SEQ2SEQ[family]
    made = loud(transformers.AutoModelForSeq2SeqLM.from_config(getattr(transformers, name)(**(sizes | options))))
    made.save_pretrained(path)
    tokenizer().save_pretrained(path)
    return made


def ask(text: str, **options) -> Request:
    """A greedy request in 32-bit floats that does not end early."""
    return Request("m", (message("user", text),), **{"max_tokens": 20, "dtype": "float32", "extra": {"ignore_eos": True}, **options})


_TEXT = dict(hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2)
_TEXT |= dict(max_position_embeddings=2048, eos_token_id=tiny.END, bos_token_id=None, pad_token_id=0)
_EYES = dict(hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4, image_size=28, patch_size=14)
SEEING = ("llava", "idefics3", "paligemma")
PICTURES = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{% for p in m['content'] %}"
    "{% if p['type'] == 'image' %}IMAGE{% else %}{{ p['text'] }}{% endif %}{% endfor %}<|im_end|>\n{% endfor %}<|im_start|>assistant\n"
)


def seeing(path, family: str):
    """A folder of a model that reads images, with what prepares them; gives the model."""
    torch.manual_seed(0)
    made, *parts = {"llava": _llava, "qwen2-vl": _qwen, "idefics3": _idefics, "paligemma": _paligemma}[family]()
    loud(made).save_pretrained(path)
    for part in parts:
        part.save_pretrained(path)
    return made


def _llava():
    words = tokenizer(None, ("<image>",))
    text = transformers.LlamaConfig(vocab_size=len(words), **_TEXT)
    config = transformers.LlavaConfig(
        vision_config=transformers.CLIPVisionConfig(projection_dim=32, **_EYES),
        text_config=text,
        image_token_index=words.convert_tokens_to_ids("<image>"),
    )
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    eyes = CLIPImageProcessorPil(size={"shortest_edge": 28}, crop_size={"height": 28, "width": 28})
    processor = transformers.LlavaProcessor(
        image_processor=eyes,
        tokenizer=words,
        patch_size=14,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=PICTURES.replace("IMAGE", "<image>"),
    )
    return transformers.LlavaForConditionalGeneration(config), processor


def _qwen():
    marks = ("<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>")
    words = tokenizer(None, marks)
    start, end, image, video = words.convert_tokens_to_ids(list(marks))
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

    rope = {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [1, 1, 2]}
    config = transformers.Qwen2VLConfig(
        text_config=_TEXT | dict(vocab_size=len(words), rope_parameters=rope),
        vision_config=dict(depth=2, embed_dim=32, hidden_size=32, num_heads=2, mlp_ratio=2, patch_size=14),
        image_token_id=image,
        video_token_id=video,
        vision_start_token_id=start,
        vision_end_token_id=end,
    )
    eyes = Qwen2VLImageProcessorPil(size={"shortest_edge": 56 * 56, "longest_edge": 112 * 112})
    words.chat_template = PICTURES.replace("IMAGE", "<|vision_start|><|image_pad|><|vision_end|>")
    return transformers.Qwen2VLForConditionalGeneration(config), words, eyes  # its processor needs torchvision


def _idefics():
    words = tokenizer(None, ("<image>", "<fake_token_around_image>", "<global-img>", "<end_of_utterance>"))
    from transformers.models.idefics3.image_processing_pil_idefics3 import Idefics3ImageProcessorPil

    config = transformers.Idefics3Config(
        vision_config=_EYES | dict(model_type="idefics3_vision"),
        text_config=transformers.LlamaConfig(vocab_size=len(words), **_TEXT),
        image_token_id=words.convert_tokens_to_ids("<image>"),
        scale_factor=1,
        pad_token_id=0,
    )
    eyes = Idefics3ImageProcessorPil(do_image_splitting=False, size={"longest_edge": 28}, max_image_size={"longest_edge": 28})
    processor = transformers.Idefics3Processor(eyes, words, image_seq_len=4, chat_template=PICTURES.replace("IMAGE", "<image>"))
    return transformers.Idefics3ForConditionalGeneration(config), processor


def _paligemma():
    words = tokenizer(None, ("<image>",))
    words.bos_token = "<|im_start|>"
    from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

    eyes = SiglipImageProcessorPil(size={"height": 28, "width": 28})
    eyes.image_seq_length = 4
    config = transformers.PaliGemmaConfig(
        vision_config=transformers.SiglipVisionConfig(vision_use_head=False, **_EYES),
        text_config=transformers.GemmaConfig(vocab_size=len(words), head_dim=8, **_TEXT),
        image_token_index=words.convert_tokens_to_ids("<image>"),
        projection_dim=32,
        hidden_size=32,
    )
    return transformers.PaliGemmaForConditionalGeneration(config), transformers.PaliGemmaProcessor(eyes, words)
