#include "backend/cuda/gemm/few_tokens_kernels.h"
#include "backend/cuda/gemm/held_rows.h"
#include "backend/cuda/gemm/weight_stream.h"

namespace halftone::cuda {

template <WeightKind kind, ScaleForm form, bool whole>
DEVICE void few_tokens(const FewTokensArgs& args) {
  using Codes = Unpack<kind>;
  using Piece = FewPiece<kind>;
  using Stream = WeightStream<kind, form, whole>;
  constexpr bool split = kind == WeightKind::split;
  const WeightsView& w = args.weights;
  const int first_row = 8 * block_y();
  const FewProduct& product =
      args.products[args.count > 2 && block_x() >= args.products[2].first_block   ? 2
                    : args.count > 1 && block_x() >= args.products[1].first_block ? 1
                                                                                  : 0];
  const int rows = product.out.m - first_row < 8 ? product.out.m - first_row : 8;
  const int parts = 1 << args.parts_shift, part = warp() & (parts - 1);
  const int tiles_here = kFewWarps >> args.parts_shift;
  const int first_tile = (block_x() - product.first_block) * tiles_here;
  const int tile = first_tile + (warp() >> args.parts_shift);
  const int pieces = tile < tiles_of(product.out.n) ? w.packed_k / Piece::kColumns : 0;
  const int g = lane() / 4, t = lane() % 4;

  Stream stream(args, product, tile, pieces);
  UNROLL
  for (int i = 0; i < Stream::kAhead; ++i) stream.order(i, part + (i << args.parts_shift));
  wait_for_earlier_kernels();

  // Lanes of rows that are not there take the last row's place.
  const FewTokensShared at = few_tokens_shared(args, rows);
  const int stride = few_tokens_stride(args.round_columns);
  const Shared<uint16_t> held =
      shared_memory<uint16_t>(static_cast<size_t>(at.held)) + ((g < rows ? g : rows - 1) * stride + 8 * t);
  const int even_rows = few_even(rows);
  const Shared<float> held_sums =
      shared_memory<float>(static_cast<size_t>(at.sums)) + (2 * t < rows ? 2 * t : even_rows - 2);
  uint32_t table[8] = {};
  if constexpr (kind == WeightKind::table4) {
    UNROLL
    for (int i = 0; i < 8; ++i) table[i] = w.table[i];
  }

  float total[4] = {};
  for (int begin = 0; begin < w.packed_k; begin += args.round_columns) {
    const int end = begin + args.round_columns < w.packed_k ? begin + args.round_columns : w.packed_k;
    if (begin > 0) sync_block();
    hold_rows<split, Codes::kIntegers>(args, first_row, rows, begin, end, at);

    float products[4] = {}, sums[4] = {};
    const int last = pieces < end / Piece::kColumns ? pieces : end / Piece::kColumns;
    UNROLL_ONE
    for (int piece = begin / Piece::kColumns + part; piece < last;
         piece += Stream::kAhead << args.parts_shift) {
      UNROLL
      for (int i = 0; i < Stream::kAhead; ++i) {
        const int now = piece + (i << args.parts_shift);
        if (now >= last) break;
        uint32_t words[4 * Piece::kWords];
        ScaleBits scales{};
        stream.take(i, words, scales);
        const int column = now * Piece::kColumns - begin;
        const int flush_blocks = whole ? Piece::kBlocks : 1 << args.flush_shift;
        typename Stream::Factors factors{};
        UNROLL
        for (int b = 0; b < Piece::kBlocks; ++b) {
          if constexpr (form != ScaleForm::none) {
            if ((b & (flush_blocks - 1)) == 0) {  // blocks of the next scales begin
              ScaleBits bits = scales;
              if constexpr (!whole) {
                UNROLL
                for (int h = 0; h < 2; ++h) {
                  const int from = lane() - t + b;
                  bits.scale[h] = shuffle(scales.scale[h], from);
                  if constexpr (Codes::kIntegers && form == ScaleForm::any)
                    bits.offset[h] = shuffle(scales.offset[h], from);
                }
              }
              factors = stream.factors(bits);
              Vec2 ones{};
              if constexpr (Codes::kIntegers)
                ones = load_as<Vec2>(held_sums +
                                     even_rows * (whole ? column / Piece::kColumns
                                                        : (column / kBlockColumns + b) >> args.flush_shift));
              UNROLL
              for (int j = 0; j < 4; ++j) {
                const float one = j % 2 ? ones.y : ones.x;
                products[j] = factors.zero[j / 2] * one;
                if constexpr (form == ScaleForm::any)
                  sums[j] = multiply_add(factors.minimum[j / 2], one, sums[j]);
              }
            }
          }
          const uint32_t* step = words + b / Piece::kStepBlocks * (4 * Piece::kStepWords);
          const Shared<uint16_t> mine = held + (column + b * kBlockColumns);
          const Words4 x = load_as<Words4>(mine);
          [[maybe_unused]] Words4 rest{0, 0, 0, 0};
          if constexpr (split) rest = load_as<Words4>(mine + rows * stride);
          UNROLL
          for (int s = 0; s < 2; ++s) {
            const uint32_t x_of_s[2] = {s ? x.z : x.x, s ? x.w : x.y};
            uint32_t a[4];
            Codes::fragment(step, b % Piece::kStepBlocks, s, table, a);
            mma_f16(products, a, x_of_s);
            if constexpr (split) {
              const uint32_t rest_of_s[2] = {s ? rest.z : rest.x, s ? rest.w : rest.y};
              mma_f16(products, a, rest_of_s);
              Codes::low_fragment(step, s, a);
              mma_f16(products, a, x_of_s);
            }
          }
          if constexpr (form != ScaleForm::none)
            if (((b + 1) & (flush_blocks - 1)) == 0) {
              UNROLL
              for (int j = 0; j < 4; ++j) sums[j] = multiply_add(factors.scale[j / 2], products[j], sums[j]);
            }
        }
        stream.order(i, now + (Stream::kAhead << args.parts_shift));
      }
    }
    const Shared<float> backs = shared_memory<float>(static_cast<size_t>(at.backs));
    UNROLL
    for (int j = 0; j < 4; ++j)
      total[j] =
          multiply_add(backs[2 * t + j % 2 < rows ? 2 * t + j % 2 : rows - 1] * Codes::raw_scale(j / 2),
                       form == ScaleForm::none ? products[j] : sums[j], total[j]);
  }

  sync_block();
  const Shared<float> results = shared_memory<float>(static_cast<size_t>(at.held));
  UNROLL
  for (int j = 0; j < 4; ++j)
    if (2 * t + j % 2 < rows)
      results[(warp() * rows + 2 * t + j % 2) * kTileRows + g + 8 * (j / 2)] = total[j];
  sync_block();
  for (int i = thread(); i < tiles_here * rows * kTileRows; i += block_threads()) {
    const int within = i % kTileRows, which = i / kTileRows % tiles_here, row = i / kTileRows / tiles_here;
    const int column = (first_tile + which) * kTileRows + within;
    if (column >= product.out.n) continue;
    float sum = 0;
    for (int p = 0; p < parts; ++p)
      sum += results[(((which << args.parts_shift) + p) * rows + row) * kTileRows + within];
    if constexpr (form == ScaleForm::none) sum *= product.row_factors[column];
    store_product(product.out, first_row + row, column, sum);
  }
}

template <WeightKind kind>
DEVICE void few_tokens(const FewTokensArgs& args) {
  const WeightsView& w = args.weights;
  if constexpr (!Unpack<kind>::kScaled) {
    few_tokens<kind, ScaleForm::none, true>(args);
  } else {
    const bool whole = 1 << args.flush_shift == FewPiece<kind>::kBlocks;
    if (any_scales(w, whole)) {
      few_tokens<kind, ScaleForm::any, false>(args);
    } else if (!whole) {
      few_tokens<kind, ScaleForm::half, false>(args);
    } else if (w.offset_kind != OffsetKind::zeros) {
      few_tokens<kind, ScaleForm::half, true>(args);
    } else if constexpr (Unpack<kind>::kIntegers) {
      few_tokens<kind, ScaleForm::half_zeros, true>(args);
    }
  }
}

DEVICE_KERNEL_AHEAD(few_tokens_split, FewTokensArgs, 256, 2) {
  few_tokens<WeightKind::split>(args);
}
DEVICE_KERNEL_AHEAD(few_tokens_f16, FewTokensArgs, 256, 2) {
  few_tokens<WeightKind::half>(args);
}
DEVICE_KERNEL_AHEAD(few_tokens_int8, FewTokensArgs, 256, 2) {
  few_tokens<WeightKind::int8>(args);
}
DEVICE_KERNEL_AHEAD(few_tokens_int4, FewTokensArgs, 256, 2) {
  few_tokens<WeightKind::int4>(args);
}
DEVICE_KERNEL_AHEAD(few_tokens_int2, FewTokensArgs, 256, 2) {
  few_tokens<WeightKind::int2>(args);
}
DEVICE_KERNEL_AHEAD(few_tokens_table4, FewTokensArgs, 256, 2) {
  few_tokens<WeightKind::table4>(args);
}
DEVICE_KERNEL_AHEAD(few_tokens_e4m3, FewTokensArgs, 256, 2) {
  few_tokens<WeightKind::e4m3>(args);
}
DEVICE_KERNEL_AHEAD(few_tokens_e5m2, FewTokensArgs, 256, 2) {
  few_tokens<WeightKind::e5m2>(args);
}

}  // namespace halftone::cuda
