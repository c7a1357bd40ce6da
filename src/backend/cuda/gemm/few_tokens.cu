#include "backend/cuda/gemm/few_tokens_kernels.h"
#include "backend/cuda/gemm/power_of_two.h"
#include "backend/cuda/gemm/weight_scales.h"

namespace halftone::cuda {

/// 16-byte words that a lane has under way besides those it works on.
constexpr int kAhead = 4;

/// Sums of one group in the shape of a D fragment; `ones`: of the activations alone, in each row.
struct GroupSums {
  float products[4], ones[4];
};

/// Columns [begin, end) of the rows of A as f16 in `to`; the powers of two to take out again for rows 2t and
/// 2t + 1.
template <bool split>
DEVICE Vec2 hold_rows(const FewTokensArgs& args, int first_row, int rows, int begin, int end,
                      Shared<uint16_t> to, int stride) {
  const WeightsView& w = args.weights;
  const bool plain = w.group == w.taken && end <= w.k;
  Vec2 back{1, 1};
  for (int r = 0; r < rows; ++r) {
    const float* a = args.a + int64_t{first_row + r} * w.k;
    const auto at = [&](int p) {
      const int column = plain ? p : source_column(w, p);
      return column < 0 ? 0.0f : a[column];
    };
    int largest = 0;
    for (int p = begin + lane(); p < end; p += kWarp) {
      const int bits = magnitude_bits(at(p));
      largest = bits > largest ? bits : largest;
    }
    const HalfRange range = half_range(warp_max(largest));
    for (int p = begin + 2 * lane(); p < end; p += 2 * kWarp) {
      const Shared<uint16_t> pair = to + (r * stride + p - begin);
      const float x = at(p) * range.scale, y = at(p + 1) * range.scale;
      if (split) {
        const SplitPair both = split_pair(x, y);
        store_as<uint32_t>(pair, both.high);
        store_as<uint32_t>(pair + rows * stride, both.low);
      } else {
        store_as<uint32_t>(pair, f16x2_of(x, y));
      }
    }
    if (r == 2 * (lane() % 4)) back.x = range.back;
    if (r == 2 * (lane() % 4) + 1) back.y = range.back;
  }
  return back;
}

template <WeightKind kind>
DEVICE void few_tokens(const FewTokensArgs& args) {
  using Codes = Unpack<kind>;
  constexpr bool split = kind == WeightKind::split;
  constexpr int kColumns = Codes::kBlocks * kBlockColumns;
  constexpr int kBatch = kAhead / Codes::kWords;  // steps
  const WeightsView& w = args.weights;
  const int tile = block_x(), first_row = 8 * block_y();
  const int rows = args.out.m - first_row < 8 ? args.out.m - first_row : 8;
  const int stride = few_tokens_stride(args.round_columns);
  const int g = lane() / 4, t = lane() % 4;
  const int warp_bytes = few_tokens_warp_bytes(args.round_columns, rows, split);
  const Shared<uint16_t> held = shared_memory<uint16_t>(static_cast<size_t>(warp() * warp_bytes));

  const int steps = w.packed_k / kColumns;
  const int first = static_cast<int>(int64_t{steps} * warp() / block_warps());
  const int last = static_cast<int>(int64_t{steps} * (warp() + 1) / block_warps());
  const int round_steps = args.round_columns / kColumns;
  const Words4* codes =
      reinterpret_cast<const Words4*>(w.codes) + (int64_t{tile} * steps) * (kWarp * Codes::kWords) + lane();

  uint32_t table[8] = {};
  if constexpr (kind == WeightKind::table4) {
    UNROLL
    for (int i = 0; i < 8; ++i) table[i] = w.table[i];
  }

  // Slot i has what step first + i needs, and after that the step kBatch later.
  Words4 ahead[kAhead];
  const auto load = [&](int step, int slot) {
    UNROLL
    for (int i = slot * Codes::kWords; i < (slot + 1) * Codes::kWords; ++i)
      ahead[i] = step < last ? load_once(codes + (int64_t{step} * Codes::kWords + i % Codes::kWords) * kWarp)
                             : Words4{0, 0, 0, 0};
  };
  UNROLL
  for (int i = 0; i < kBatch; ++i) load(first + i, i);

  float total[4] = {};
  for (int round = first; round < last; round += round_steps) {
    const int round_end = round + round_steps < last ? round + round_steps : last;
    const int column0 = round * kColumns;
    sync_warp();
    const Vec2 back = hold_rows<split>(args, first_row, rows, column0, round_end * kColumns, held, stride);
    sync_warp();

    GroupSums sums{};
    int group = 0, left = w.packed_k;
    ScaleBits scales{};
    if constexpr (Codes::kScaled) {
      group = column0 / w.group;
      left = (group + 1) * w.group - column0;
      scales = load_scale_bits<kind>(w, tile, group);
    }
    const auto flush = [&] {
      UNROLL
      for (int h = 0; h < 2; ++h) {
        float scale = 1, offset = 0;
        if constexpr (Codes::kScaled) scale = scale_of(scales.scale[h], w.f32_scales);
        if constexpr (Codes::kIntegers)
          offset = w.offset_kind == OffsetKind::minima ? scale_of(scales.offset[h], w.f32_scales)
                                                       : -zero_of(w, scales.offset[h]) * scale;
        scale *= Codes::raw_scale(h);
        UNROLL
        for (int c = 0; c < 2; ++c) {
          float sum = sums.products[2 * h + c];
          if constexpr (Codes::kScaled) sum *= scale;
          if constexpr (Codes::kIntegers) sum = multiply_add(offset, sums.ones[c], sum);
          total[2 * h + c] = multiply_add(c == 0 ? back.x : back.y, sum, total[2 * h + c]);
        }
      }
      sums = {};
    };

    for (int step = round; step < round_end; step += kBatch) {
      UNROLL
      for (int i = 0; i < kBatch; ++i) {
        if (step + i >= round_end) break;
        uint32_t words[4 * Codes::kWords];
        UNROLL
        for (int j = 0; j < Codes::kWords; ++j) {
          const Words4& slot = ahead[i * Codes::kWords + j];
          words[4 * j] = slot.x;
          words[4 * j + 1] = slot.y;
          words[4 * j + 2] = slot.z;
          words[4 * j + 3] = slot.w;
        }
        load(step + i + kBatch, i);
        UNROLL
        for (int b = 0; b < Codes::kBlocks; ++b) {
          if constexpr (Codes::kScaled) {
            if (left == 0) {
              flush();
              scales = load_scale_bits<kind>(w, tile, ++group);
              left = w.group;
            }
            left -= kBlockColumns;
          }
          const int column = ((step - round + i) * Codes::kBlocks + b) * kBlockColumns + 8 * t;
          Words4 x{0, 0, 0, 0}, rest{0, 0, 0, 0};
          if (g < rows) {
            x = load_as<Words4>(held + (g * stride + column));
            if constexpr (split) rest = load_as<Words4>(held + ((rows + g) * stride + column));
          }
          UNROLL
          for (int s = 0; s < 2; ++s) {
            const uint32_t tokens[2] = {s ? x.z : x.x, s ? x.w : x.y};
            uint32_t a[4];
            Codes::fragment(words, b, s, table, a);
            mma_f16(sums.products, a, tokens);
            if constexpr (split) {
              const uint32_t tokens_rest[2] = {s ? rest.z : rest.x, s ? rest.w : rest.y};
              mma_f16(sums.products, a, tokens_rest);
              Codes::low_fragment(words, s, a);
              mma_f16(sums.products, a, tokens);
            }
            if constexpr (Codes::kIntegers) {
              const uint32_t one[4] = {0x3c003c00u, 0x3c003c00u, 0x3c003c00u, 0x3c003c00u};
              mma_f16(sums.ones, one, tokens);
            }
          }
        }
      }
    }
    flush();
  }

  sync_warp();
  const Shared<float> mine = shared_memory<float>(static_cast<size_t>(warp() * warp_bytes));
  UNROLL
  for (int i = 0; i < 4; ++i) mine[(2 * t + i % 2) * kTileRows + g + 8 * (i / 2)] = total[i];
  sync_block();
  for (int i = thread(); i < rows * kTileRows; i += block_threads()) {
    float sum = 0;
    for (int part = 0; part < block_warps(); ++part)
      sum += shared_memory<float>(static_cast<size_t>(part * warp_bytes))[i];
    const int column = tile * kTileRows + i % kTileRows;
    if (column >= w.n) continue;
    if constexpr (!Codes::kScaled) sum *= w.row_factors[column];
    store_product(args.out, first_row + i / kTileRows, column, sum);
  }
}

DEVICE_KERNEL_BOUNDED(few_tokens_split, FewTokensArgs, 256, 3) {
  few_tokens<WeightKind::split>(args);
}
DEVICE_KERNEL_BOUNDED(few_tokens_f16, FewTokensArgs, 256, 3) {
  few_tokens<WeightKind::half>(args);
}
DEVICE_KERNEL_BOUNDED(few_tokens_int8, FewTokensArgs, 256, 3) {
  few_tokens<WeightKind::int8>(args);
}
DEVICE_KERNEL_BOUNDED(few_tokens_int4, FewTokensArgs, 256, 3) {
  few_tokens<WeightKind::int4>(args);
}
DEVICE_KERNEL_BOUNDED(few_tokens_int2, FewTokensArgs, 256, 2) {
  few_tokens<WeightKind::int2>(args);
}
DEVICE_KERNEL_BOUNDED(few_tokens_table4, FewTokensArgs, 256, 3) {
  few_tokens<WeightKind::table4>(args);
}
DEVICE_KERNEL_BOUNDED(few_tokens_e4m3, FewTokensArgs, 256, 3) {
  few_tokens<WeightKind::e4m3>(args);
}
DEVICE_KERNEL_BOUNDED(few_tokens_e5m2, FewTokensArgs, 256, 3) {
  few_tokens<WeightKind::e5m2>(args);
}

}  // namespace halftone::cuda
