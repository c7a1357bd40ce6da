#pragma once

#include "ops/op_schema.h"
#include "ops/paged_attention/kv_cache.h"

namespace halftone {

/// Our own operator: causal attention of several sequences, laid side by side on one axis of tokens, over a
/// paged KV cache.
///
/// Inputs:  query [tokens, num_heads * head_dim], key and value [tokens, kv_heads * head_dim] (positions
/// already applied);
///          sequences i32 [S, 3]: first token row, number of rows, tokens already in the cache;
///          blocks i32 [S, B]: the cache blocks of each sequence in order (unused entries -1);
///          cache: a KvCache state.
/// Outputs: result [tokens, num_heads * head_dim]; the cache, with the new keys and values stored at their
/// places. Attributes: num_heads, kv_heads, layer (which layer of the cache), scale (default
/// 1/sqrt(head_dim)),
///             softcap (c * tanh(score / c); 0: none), window (a token sees the last `window` ones, itself
///             counted; 0: all).
/// Row r of a sequence stands at position past + r and sees the positions up to its own. Query head h reads
/// KV head h / (num_heads / kv_heads). Keys and values are read back from the cache, so that their rounding
/// is the same for tokens of this run and of earlier ones. Position p of a sequence lies in slot p %
/// block_tokens of its block p / block_tokens. Rows of no sequence come out as zeros. The engine answers for
/// `sequences` and `blocks` being sound (an assert): in range, blocks enough, none shared between writers.
///
/// The reference sums in double. The cost counts each row against a full table of B blocks, at the default
/// KvCache::Layout (the site knows neither the past nor the cache): an upper bound that is tight for one
/// sequence decoding.
const OpSchema& paged_attention_schema();

/// The attributes, read once.
struct PagedAttentionSpec {
  int num_heads;
  int kv_heads;
  int head_dim;
  int layer;
  float scale;
  float softcap;
  int window;
};
PagedAttentionSpec paged_attention_spec(const OpSite& site);

/// One row of the `sequences` input.
struct SequenceSpan {
  int32_t first_row;
  int32_t rows;
  int32_t past;
};

}  // namespace halftone
