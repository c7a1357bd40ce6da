#pragma once

#include "ops/op_schema.h"

namespace halftone {

/// ONNX Attention (24): softmax(cap(scale Q K^T) + mask) V for each head.
///
/// Inputs: Q [batch, heads, length, dim], K and V [batch, kv heads, kv length, dim], or the 3-D form [batch,
/// length, heads * dim] with attributes q_num_heads and kv_num_heads, or, beyond ONNX, [length, heads * dim]:
/// a batch of one on the flat axis of tokens of the LLM graphs; attn_mask, boolean (true: takes part) or
/// floating (added), broadcast to [batch, heads, length, total length], shorter along the last axis where
/// the rest is masked; past_key and past_value [batch, kv heads, past length, dim], both or neither;
/// nonpad_kv_seqlen [batch], i64, without a past: how many keys of each sequence are no padding.
/// Outputs: Y of Q's form with V's dim; optional: present_key and present_value, past and new together;
/// qk_matmul_output [batch, heads, length, total length], by qk_matmul_output_mode the scores after the
/// product (0), the cap (1), the mask (2) or the softmax (3).
/// Attributes: scale (1 / sqrt(dim)), softcap (c * tanh(score / c), before the mask; 0: none), is_causal
/// (query i sees keys up to past length + i, or nonpad_kv_seqlen - length + i), q_num_heads, kv_num_heads;
/// beyond ONNX window (query i sees no keys up to past length + i - window; 0: all).
/// softmax_precision changes nothing: the reference computes in double. A query that sees no key gives 0.
const OpSchema& attention_schema();

/// One tensor of heads in either form, [batch, heads, length, dim] however it lies.
struct HeadsExtent {
  int64_t batch, heads, length, dim;
  bool packed;  ///< the 3-D form, [batch, length, heads * dim]

  int64_t offset(int64_t b, int64_t head, int64_t position) const {
    return packed ? ((b * length + position) * heads + head) * dim
                  : ((b * heads + head) * length + position) * dim;
  }
};
/// That of input `input`; `attribute` counts the heads of the 3-D form.
HeadsExtent heads_extent(const OpSite& site, size_t input, std::string_view attribute);

}  // namespace halftone
