#!/usr/bin/env python3
"""Writes small models with random weights as PyTorch's exporters write them, for docs/exporters.md.

Usage: export_models.py OUT [--only NAME,...] [--exporter dynamo,script] [--attention sdpa,eager] [--half]

Each graph becomes OUT/NAME.EXPORTER.onnx (`.eager`, `.f16` before the ending where asked for) with its inputs in two
sizes, OUT/NAME/{0,1}/INPUT.npy. `dynamo` is torch.onnx.export(dynamo=True) at its own operator set, `script` the one
by TorchScript at 17. Needs torch, onnx, onnxscript, transformers and diffusers (tried with 2.14.1, 1.23.2, 0.7.2,
5.24.0 and 0.42.1), and no network.
"""

import argparse
import pathlib
import sys
import warnings

import numpy as np
import torch

MODELS = {}


def model(function):
    MODELS[function.__name__] = function
    return function


class Call(torch.nn.Module):
    """A model called with named inputs, giving a tuple of the tensors asked for."""

    def __init__(self, inner, call):
        super().__init__()
        self.inner, self.call = inner, call

    def forward(self, *inputs):
        return self.call(self.inner, *inputs)


class Sample:
    """What is exported: a module, its inputs in two sizes, and which axes are open: {input: {axis: name}}."""

    def __init__(self, inner, call, first, second=None, open_axes=None):
        self.module = Call(inner.eval(), call).eval()
        self.first, self.second, self.open_axes = first, second or first, open_axes or {}


def floats(*shape):
    return torch.randn(*shape)


def ids(batch, length, vocabulary=99):
    return torch.randint(3, vocabulary, (batch, length))


def padded(batch, length):
    """A mask whose later rows are shorter."""
    return torch.tensor([[1] * (length - 2 * b) + [0] * (2 * b) for b in range(batch)])


def pictures(inner, call, size=32, open_size=False, larger=None):
    larger = larger or size
    axes = {0: "batch", **({2: "height", 3: "width"} if open_size else {})}
    return Sample(inner, call, {"pixel_values": floats(2, 3, size, size)},
                  {"pixel_values": floats(3, 3, larger, larger + (larger - size))}, {"pixel_values": axes})


SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}


@model
def vit(t, attention):
    config = t.ViTConfig(**SMALL, image_size=32, patch_size=8, attn_implementation=attention)
    return pictures(t.ViTForImageClassification(config), lambda m, x: m(x).logits)


def states_and_pooled(m, x):
    made = m(x)
    return made.last_hidden_state, made.pooler_output


@model
def clip_vision(t, attention):
    config = t.CLIPVisionConfig(**SMALL, image_size=32, patch_size=8, attn_implementation=attention)
    return pictures(t.CLIPVisionModel(config), states_and_pooled)


@model
def clip_text(t, attention):
    config = t.CLIPTextConfig(**SMALL, vocab_size=99, max_position_embeddings=24, eos_token_id=2,
                              attn_implementation=attention)
    return Sample(t.CLIPTextModel(config), lambda m, x: m(x).last_hidden_state, {"input_ids": ids(2, 9)},
                  {"input_ids": ids(3, 17)}, {"input_ids": {0: "batch", 1: "length"}})


@model
def siglip_vision(t, attention):
    config = t.SiglipVisionConfig(**SMALL, image_size=32, patch_size=8, attn_implementation=attention)
    return pictures(t.SiglipVisionModel(config), states_and_pooled)


@model
def dinov2(t, attention):
    config = t.Dinov2Config(hidden_size=32, num_hidden_layers=2, num_attention_heads=4, mlp_ratio=2, image_size=32,
                            patch_size=8, attn_implementation=attention)
    return pictures(t.Dinov2Model(config), lambda m, x: m(x).last_hidden_state)


@model
def swin(t, attention):
    config = t.SwinConfig(image_size=32, patch_size=2, embed_dim=16, depths=[2, 2], num_heads=[2, 4], window_size=4,
                          attn_implementation=attention)
    return pictures(t.SwinModel(config), lambda m, x: m(x).last_hidden_state)


@model
def convnext(t, _):
    config = t.ConvNextConfig(hidden_sizes=[16, 32], depths=[2, 2], num_stages=2)
    return pictures(t.ConvNextForImageClassification(config), lambda m, x: m(x).logits, open_size=True, larger=48)


@model
def segformer(t, _):
    config = t.SegformerConfig(num_encoder_blocks=2, depths=[1, 1], sr_ratios=[4, 2], hidden_sizes=[16, 32],
                               patch_sizes=[7, 3], strides=[4, 2], num_attention_heads=[1, 2], mlp_ratios=[2, 2],
                               decoder_hidden_size=32)
    return pictures(t.SegformerForSemanticSegmentation(config), lambda m, x: m(x).logits, size=64)


@model
def detr(t, _):
    resnet = t.ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic",
                            out_features=["stage2"])
    config = t.DetrConfig(use_timm_backbone=False, backbone=None, use_pretrained_backbone=False, backbone_config=resnet,
                          d_model=32, encoder_layers=1, decoder_layers=1, encoder_attention_heads=4,
                          decoder_attention_heads=4, encoder_ffn_dim=64, decoder_ffn_dim=64, num_queries=7)
    return pictures(t.DetrForObjectDetection(config), lambda m, x: (lambda o: (o.logits, o.pred_boxes))(m(x)), size=64)


@model
def depth_anything(t, attention):
    backbone = t.Dinov2Config(hidden_size=32, num_hidden_layers=4, num_attention_heads=4, mlp_ratio=2, image_size=56,
                              patch_size=14, out_features=["stage1", "stage2", "stage3", "stage4"],
                              reshape_hidden_states=False, apply_layernorm=True, attn_implementation=attention)
    config = t.DepthAnythingConfig(backbone_config=backbone, patch_size=14, reassemble_hidden_size=32,
                                   neck_hidden_sizes=[8, 16, 24, 32], fusion_hidden_size=16, head_hidden_size=8)
    return pictures(t.DepthAnythingForDepthEstimation(config), lambda m, x: m(x).predicted_depth, size=56)


@model
def dpt(t, attention):
    config = t.DPTConfig(**{**SMALL, "num_hidden_layers": 4}, image_size=64, patch_size=16, backbone_out_indices=[0, 1, 2, 3],
                         neck_hidden_sizes=[8, 16, 24, 32], fusion_hidden_size=16, attn_implementation=attention)
    return pictures(t.DPTForDepthEstimation(config), lambda m, x: m(x).predicted_depth, size=64)


def small_sam(t, attention):
    vision = t.SamVisionConfig(hidden_size=32, num_hidden_layers=2, num_attention_heads=4, mlp_dim=64, image_size=64,
                               patch_size=8, output_channels=16, window_size=3, global_attn_indexes=[1])
    decoder = t.SamMaskDecoderConfig(hidden_size=16, mlp_dim=32, num_attention_heads=2, iou_head_hidden_dim=16)
    prompt = t.SamPromptEncoderConfig(hidden_size=16, image_size=64, patch_size=8, mask_input_channels=4)
    return t.SamModel(t.SamConfig(vision_config=vision, prompt_encoder_config=prompt, mask_decoder_config=decoder,
                                  attn_implementation=attention))


@model
def sam_encoder(t, attention):
    return pictures(small_sam(t, attention), lambda m, x: m.get_image_embeddings(x), size=64)


@model
def sam_decoder(t, attention):
    def call(m, embeddings, points, labels):
        out = m(image_embeddings=embeddings, input_points=points, input_labels=labels)
        return out.pred_masks, out.iou_scores

    return Sample(small_sam(t, attention), call,
                  {"image_embeddings": floats(1, 16, 8, 8), "input_points": torch.rand(1, 1, 2, 2) * 64,
                   "input_labels": torch.ones(1, 1, 2, dtype=torch.long)},
                  {"image_embeddings": floats(1, 16, 8, 8), "input_points": torch.rand(1, 1, 5, 2) * 64,
                   "input_labels": torch.tensor([[[1, 0, 1, 1, 0]]])},
                  {"input_points": {2: "points"}, "input_labels": {2: "points"}})


def text(inner, call, with_mask=True, vocabulary=99):
    first, second = {"input_ids": ids(2, 9, vocabulary)}, {"input_ids": ids(3, 17, vocabulary)}
    if with_mask:
        first["attention_mask"], second["attention_mask"] = padded(2, 9), padded(3, 17)
    return Sample(inner, call, first, second, {name: {0: "batch", 1: "length"} for name in first})


@model
def bert(t, attention):
    config = t.BertConfig(**SMALL, vocab_size=99, max_position_embeddings=64, attn_implementation=attention)
    return text(t.BertModel(config), lambda m, x, mask: (lambda o: (o.last_hidden_state, o.pooler_output))(
        m(x, attention_mask=mask)))


@model
def distilbert(t, attention):
    config = t.DistilBertConfig(dim=32, n_layers=2, n_heads=4, hidden_dim=64, vocab_size=99, max_position_embeddings=64,
                                attn_implementation=attention)
    return text(t.DistilBertModel(config), lambda m, x, mask: m(x, attention_mask=mask).last_hidden_state)


@model
def roberta(t, attention):
    config = t.RobertaConfig(**SMALL, vocab_size=99, max_position_embeddings=64, attn_implementation=attention)
    return text(t.RobertaModel(config), lambda m, x, mask: m(x, attention_mask=mask).last_hidden_state)


@model
def gpt2(t, attention):
    config = t.GPT2Config(n_embd=32, n_layer=2, n_head=4, vocab_size=99, n_positions=64, use_cache=False,
                          attn_implementation=attention)
    return text(t.GPT2LMHeadModel(config), lambda m, x, mask: m(x, attention_mask=mask, use_cache=False).logits)


def decoder(t, family, attention, **more):
    config = getattr(t, family + "Config")(**SMALL, num_key_value_heads=2, vocab_size=99, max_position_embeddings=64,
                                           use_cache=False, attn_implementation=attention, **more)
    return text(getattr(t, family + "ForCausalLM")(config),
                lambda m, x, mask: m(x, attention_mask=mask, use_cache=False).logits)


@model
def llama(t, attention):
    return decoder(t, "Llama", attention)


@model
def qwen2(t, attention):
    return decoder(t, "Qwen2", attention)


@model
def qwen3(t, attention):
    return decoder(t, "Qwen3", attention, head_dim=8)


def small_whisper(t, attention):
    config = t.WhisperConfig(d_model=32, encoder_layers=2, decoder_layers=2, encoder_attention_heads=4,
                             decoder_attention_heads=4, encoder_ffn_dim=64, decoder_ffn_dim=64, num_mel_bins=16,
                             max_source_positions=20, max_target_positions=24, vocab_size=99, pad_token_id=0,
                             bos_token_id=1, eos_token_id=2, decoder_start_token_id=1, use_cache=False,
                             attn_implementation=attention)
    return t.WhisperForConditionalGeneration(config)


@model
def whisper_encoder(t, attention):
    return Sample(small_whisper(t, attention).model.encoder, lambda m, x: m(x).last_hidden_state,
                  {"input_features": floats(2, 16, 40)}, {"input_features": floats(3, 16, 40)},
                  {"input_features": {0: "batch"}})


@model
def whisper_decoder(t, attention):
    def call(m, tokens, heard):
        return m.proj_out(m.model.decoder(tokens, encoder_hidden_states=heard, use_cache=False).last_hidden_state)

    return Sample(small_whisper(t, attention), call, {"input_ids": ids(2, 5), "heard": floats(2, 20, 32)},
                  {"input_ids": ids(3, 11), "heard": floats(3, 20, 32)},
                  {"input_ids": {0: "batch", 1: "length"}, "heard": {0: "batch"}})


def small_t5(t):
    return t.T5ForConditionalGeneration(t.T5Config(d_model=32, d_kv=8, d_ff=64, num_layers=2, num_heads=4, vocab_size=99,
                                                   feed_forward_proj="gated-gelu", use_cache=False))


@model
def t5_encoder(t, _):
    return text(small_t5(t).encoder, lambda m, x, mask: m(x, attention_mask=mask).last_hidden_state)


@model
def t5_decoder(t, _):
    def call(m, tokens, states, mask):
        hidden = m.decoder(tokens, encoder_hidden_states=states, encoder_attention_mask=mask, use_cache=False)
        return m.lm_head(hidden.last_hidden_state)

    return Sample(small_t5(t), call, {"input_ids": ids(2, 5), "states": floats(2, 9, 32), "mask": padded(2, 9)},
                  {"input_ids": ids(3, 11), "states": floats(3, 17, 32), "mask": padded(3, 17)},
                  {"input_ids": {0: "batch", 1: "length"}, "states": {0: "batch", 1: "heard"},
                   "mask": {0: "batch", 1: "heard"}})


@model
def sd_unet(_, __):
    import diffusers
    unet = diffusers.UNet2DConditionModel(
        sample_size=16, block_out_channels=(32, 64), layers_per_block=1, cross_attention_dim=32, attention_head_dim=4,
        norm_num_groups=8, down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"))
    return Sample(unet, lambda m, x, step, states: m(x, step, states).sample,
                  {"sample": floats(2, 4, 16, 16), "timestep": torch.tensor([7, 7]), "states": floats(2, 9, 32)},
                  {"sample": floats(3, 4, 16, 24), "timestep": torch.tensor([900, 3, 5]), "states": floats(3, 9, 32)},
                  {"sample": {0: "batch", 2: "height", 3: "width"}, "timestep": {0: "batch"}, "states": {0: "batch"}})


def small_vae():
    import diffusers
    return diffusers.AutoencoderKL(block_out_channels=(16, 32), norm_num_groups=8, latent_channels=4,
                                   down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2)


@model
def vae_encoder(_, __):
    return Sample(small_vae(), lambda m, x: m.encode(x).latent_dist.mean, {"image": floats(2, 3, 32, 32)},
                  {"image": floats(1, 3, 48, 32)}, {"image": {0: "batch", 2: "height", 3: "width"}})


@model
def vae_decoder(_, __):
    return Sample(small_vae(), lambda m, x: m.decode(x).sample, {"latent": floats(2, 4, 16, 16)},
                  {"latent": floats(1, 4, 16, 24)}, {"latent": {0: "batch", 2: "height", 3: "width"}})


@model
def dit(_, __):
    import diffusers
    inner = diffusers.DiTTransformer2DModel(num_attention_heads=4, attention_head_dim=8, in_channels=4, out_channels=8,
                                            num_layers=2, sample_size=16, num_embeds_ada_norm=50, norm_num_groups=8)
    return Sample(inner, lambda m, x, step, label: m(x, step, label).sample,
                  {"sample": floats(2, 4, 16, 16), "timestep": torch.tensor([7, 9]), "label": torch.tensor([1, 2])},
                  {"sample": floats(3, 4, 16, 16), "timestep": torch.tensor([7, 40, 1]), "label": torch.tensor([4, 2, 9])},
                  {name: {0: "batch"} for name in ("sample", "timestep", "label")})


@model
def sd3(_, __):
    import diffusers
    inner = diffusers.SD3Transformer2DModel(
        sample_size=16, patch_size=2, in_channels=4, num_layers=2, attention_head_dim=8, num_attention_heads=4,
        joint_attention_dim=32, caption_projection_dim=32, pooled_projection_dim=24, out_channels=4, pos_embed_max_size=16)
    return Sample(inner, lambda m, x, states, pooled, step: m(x, states, pooled, step).sample,
                  {"sample": floats(2, 4, 16, 16), "states": floats(2, 9, 32), "pooled": floats(2, 24),
                   "timestep": torch.tensor([7.0, 9.0])},
                  {"sample": floats(3, 4, 16, 16), "states": floats(3, 9, 32), "pooled": floats(3, 24),
                   "timestep": torch.tensor([7.0, 900.0, 1.0])},
                  {name: {0: "batch"} for name in ("sample", "states", "pooled", "timestep")})


@model
def flux(_, __):
    import diffusers
    inner = diffusers.FluxTransformer2DModel(patch_size=1, in_channels=16, num_layers=1, num_single_layers=1,
                                             attention_head_dim=16, num_attention_heads=2, joint_attention_dim=32,
                                             pooled_projection_dim=24, axes_dims_rope=(4, 6, 6))
    places = torch.zeros(16, 3)
    places[:, 1], places[:, 2] = torch.arange(16) // 4, torch.arange(16) % 4

    def call(m, x, states, pooled, step):
        return m(hidden_states=x, encoder_hidden_states=states, pooled_projections=pooled, timestep=step, img_ids=places,
                 txt_ids=torch.zeros(5, 3)).sample

    return Sample(inner, call,
                  {"hidden": floats(2, 16, 16), "states": floats(2, 5, 32), "pooled": floats(2, 24),
                   "timestep": torch.tensor([0.5, 0.9])},
                  {"hidden": floats(3, 16, 16), "states": floats(3, 5, 32), "pooled": floats(3, 24),
                   "timestep": torch.tensor([0.5, 0.9, 0.1])},
                  {name: {0: "batch"} for name in ("hidden", "states", "pooled", "timestep")})


def randomise(module):
    """Weights that let every part matter: initialisations leave biases, gates and whole layers at 0 or 1."""
    with torch.no_grad():
        for parameter in module.parameters():
            spread = 0.1 if parameter.dim() < 2 else 0.7 / parameter[0].numel() ** 0.5
            parameter.mul_(0 if parameter.dim() > 1 else 1).add_(torch.randn_like(parameter) * spread)
        for name, buffer in module.named_buffers():
            if name.endswith("running_mean"):
                buffer.normal_(0, 0.1)
            elif name.endswith("running_var"):
                buffer.uniform_(0.5, 1.5)


def write(sample, name, exporter, half, out):
    def cast(tensor):
        return tensor.half() if half and tensor.is_floating_point() else tensor

    if half:
        sample.module.half()
    inputs = tuple(cast(tensor) for tensor in sample.first.values())
    names = list(sample.first)
    path = out / f"{name}.onnx"
    if exporter == "dynamo":
        axes = tuple({axis: torch.export.Dim.DYNAMIC for axis in sample.open_axes.get(n, {})} for n in names)
        options = {"input_names": names, "dynamo": True, "external_data": False, "verbose": False}
        try:
            torch.onnx.export(sample.module, inputs, path, dynamic_shapes=(axes,), **options)
        except torch.onnx.OnnxExporterError:  # some models can't be traced with open sizes
            torch.onnx.export(sample.module, inputs, path, **options)
            sample.second = sample.first
    else:
        torch.onnx.export(sample.module, inputs, path, input_names=names, dynamo=False, opset_version=17,
                          dynamic_axes=sample.open_axes)
    for which, values in enumerate((sample.first, sample.second)):
        folder = out / name / str(which)
        folder.mkdir(parents=True, exist_ok=True)
        for key, value in values.items():
            np.save(folder / f"{key}.npy", cast(value).numpy())


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--only", default=",".join(MODELS))
    parser.add_argument("--exporter", default="dynamo,script")
    parser.add_argument("--attention", default="sdpa")
    parser.add_argument("--half", action="store_true")
    options = parser.parse_args()
    import transformers
    transformers.logging.set_verbosity_error()
    warnings.filterwarnings("ignore")
    failed = 0
    for name in options.only.split(","):
        for exporter in options.exporter.split(","):
            for attention in options.attention.split(","):
                file = f"{name}.{exporter}" + (".eager" if attention == "eager" else "") + (".f16" if options.half else "")
                torch.manual_seed(7)
                try:
                    sample = MODELS[name](transformers, attention)
                    randomise(sample.module)
                    write(sample, file, exporter, options.half, options.out)
                    print(f"{file}: written", flush=True)
                except Exception as error:  # an exporter's own failure is a result
                    failed += 1
                    lines = str(error).strip().splitlines() or [""]
                    print(f"{file}: {type(error).__name__}: {lines[0]}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
