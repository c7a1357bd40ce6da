#pragma once

#include "backend/cuda/paged_attention/attention_decode_kernels.h"

namespace halftone::cuda {

/// A row, `count` of its query heads from `head` on, and the part of its tokens that a block has seen.
struct DecodePart {
  const AttentionDecodeArgs& args;
  const Sequence& sequence;
  int row, head, count;
  int parts;  ///< that see some
};

DEVICE float* decode_result(const DecodePart& part, int head) {
  const AttentionView& view = part.args.view;
  return view.result + vector_at(view.result_at, part.sequence, part.row, part.head + head);
}
/// Of the part's first head, first part.
DEVICE int64_t first_partial(const DecodePart& part) {
  const AttentionDecodeArgs& args = part.args;
  return (partial_row(args, part.sequence, part.row) * args.view.heads + part.head) * args.parts;
}

/// What the block's warps have summed becomes one sum, a part's or, where there is one part alone, the
/// result. `sums` [warps, heads, step], `tops` and `totals` [warps, heads] are in shared memory.
template <int kDim>
DEVICE void join_warps(const DecodePart& part, Shared<float> sums, Shared<float> tops, Shared<float> totals) {
  const AttentionDecodeArgs& args = part.args;
  const int64_t partial = first_partial(part) + block_x();
  for (int i = here(thread()); i < part.count * (kDim / 4); i += kDecodeThreads) {
    const int h = i / (kDim / 4), d = i % (kDim / 4) * 4;
    float top = tops[h];
    UNROLL
    for (int w = 1; w < kDecodeWarps; ++w) {
      const float other = tops[w * kDecodeHeads + h];
      top = other > top ? other : top;
    }
    Vec4 sum{0, 0, 0, 0};
    float total = 0;
    UNROLL
    for (int w = 0; w < kDecodeWarps; ++w) {
      const float share = fast_exp2(tops[w * kDecodeHeads + h] - top);
      const Vec4 of_warp = load_as<Vec4>(sums + ((w * kDecodeHeads + h) * decode_sums_step(kDim) + d));
      sum.x = multiply_add(share, of_warp.x, sum.x);
      sum.y = multiply_add(share, of_warp.y, sum.y);
      sum.z = multiply_add(share, of_warp.z, sum.z);
      sum.w = multiply_add(share, of_warp.w, sum.w);
      total = multiply_add(share, totals[w * kDecodeHeads + h], total);
    }
    if (d >= args.view.dim) continue;
    if (part.parts == 1) {
      const float by = 1 / total;
      store_wide(decode_result(part, h) + d, Vec4{sum.x * by, sum.y * by, sum.z * by, sum.w * by});
    } else {
      const int64_t at = partial + int64_t{h} * args.parts;
      store_wide(args.sums + at * args.view.dim + d, sum);
      if (d == 0) args.totals[at] = {top, total};
    }
  }
}

/// Whether this block is the last of the row's parts; then all of them can be read, and the count is 0 again
/// for the next run. For all threads of a block, after its part is written.
DEVICE bool is_last_part(const DecodePart& part, Shared<int> last) {
  sync_block();
  if (thread() == 0) {
    int* ended = part.args.ended + partial_row(part.args, part.sequence, part.row) * grid_y() + block_y();
    last[0] = atomic_count(ended) + 1 == part.parts;
    if (last[0]) *ended = 0;
  }
  sync_block();
  return last[0];
}

/// The result from the row's parts, in their order. `shares`: kDecodeHeads * kDecodeMostParts in shared
/// memory.
template <int kDim>
DEVICE void join_parts(const DecodePart& part, Shared<float> shares) {
  constexpr int kAtOnce = 8;
  const AttentionDecodeArgs& args = part.args;
  const int64_t first = first_partial(part);
  for (int h = warp(); h < part.count; h += kDecodeWarps) {
    const Vec2* of_head = args.totals + first + int64_t{h} * args.parts;
    float top = -kInfinity;
    for (int p = lane(); p < part.parts; p += kWarp) {
      const float other = load_wide<Vec2>(of_head + p).x;
      top = other > top ? other : top;
    }
    top = warp_max(top);
    float total = 0;
    for (int p = lane(); p < part.parts; p += kWarp) {
      const Vec2 of_part = load_wide<Vec2>(of_head + p);
      total = multiply_add(fast_exp2(of_part.x - top), of_part.y, total);
    }
    total = warp_sum(total);
    for (int p = lane(); p < part.parts; p += kWarp)
      shares[h * kDecodeMostParts + p] = fast_exp2(load_wide<Vec2>(of_head + p).x - top) / total;
  }
  sync_block();
  for (int i = here(thread()); i < part.count * (kDim / 4); i += kDecodeThreads) {
    const int h = i / (kDim / 4), d = i % (kDim / 4) * 4;
    if (d >= args.view.dim) continue;
    const float* from = args.sums + (first + int64_t{h} * args.parts) * args.view.dim + d;
    Vec4 sum{0, 0, 0, 0};
    for (int begin = 0; begin < part.parts; begin += kAtOnce) {
      Vec4 of_part[kAtOnce];
      UNROLL
      for (int p = 0; p < kAtOnce; ++p)
        if (begin + p < part.parts) of_part[p] = load_wide<Vec4>(from + int64_t{begin + p} * args.view.dim);
      UNROLL
      for (int p = 0; p < kAtOnce; ++p) {
        if (begin + p >= part.parts) continue;
        const float share = shares[h * kDecodeMostParts + begin + p];
        sum.x = multiply_add(share, of_part[p].x, sum.x);
        sum.y = multiply_add(share, of_part[p].y, sum.y);
        sum.z = multiply_add(share, of_part[p].z, sum.z);
        sum.w = multiply_add(share, of_part[p].w, sum.w);
      }
    }
    store_wide(decode_result(part, h) + d, sum);
  }
}

}  // namespace halftone::cuda
