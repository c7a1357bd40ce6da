#include "backend/cuda/device/device_check_kernels.h"
#include "backend/cuda/device/tf32.h"

namespace halftone::cuda {

DEVICE_KERNEL(exchange_check, ExchangeCheckArgs) {
  const float value = args.values[thread()];
  args.shuffled[thread()] = shuffle(value, lane() + 5);
  args.across[thread()] = shuffle_xor(value, 6);
  args.votes[thread()] = ballot(value > 0);
  args.warp_sums[thread()] = warp_sum(value);
  args.warp_tops[thread()] = warp_max(value);
  args.block_sums[thread()] = block_sum(value, shared_memory<float>(0));
  args.block_tops[thread()] = block_max(value, shared_memory<float>(kWarp * sizeof(float)));
}

/// 16-bit elements (row, column) and (row, column + 1), or with `down` (row + 1, column), as one word.
DEVICE uint32_t pair_of(const void* matrix, int width, int row, int column, bool down) {
  const uint16_t* at = static_cast<const uint16_t*>(matrix) + row * width + column;
  return uint32_t{at[0]} | (uint32_t{at[down ? width : 1]} << 16);
}
DEVICE uint32_t four_of(const void* matrix, int width, int row, int column, bool down) {
  const uint8_t* at = static_cast<const uint8_t*>(matrix) + row * width + column;
  uint32_t word = 0;
  for (int i = 0; i < 4; ++i) word |= uint32_t{at[i * (down ? width : 1)]} << (8 * i);
  return word;
}

template <class T>
DEVICE void place_result(T* to, const T (&d)[4], bool read, T (&out)[4]) {
  const int g = lane() / 4, t = lane() % 4;
  for (int i = 0; i < 4; ++i) {
    T* at = to + (g + 8 * (i / 2)) * 8 + 2 * t + i % 2;
    if (read)
      out[i] = *at;
    else
      *at = d[i];
  }
}

DEVICE_KERNEL(product_check, ProductCheckArgs) {
  const int g = lane() / 4, t = lane() % 4;
  if (args.kind >= 2) {
    const uint32_t a[4] = {four_of(args.a, 32, g, 4 * t, false), four_of(args.a, 32, g + 8, 4 * t, false),
                           four_of(args.a, 32, g, 4 * t + 16, false),
                           four_of(args.a, 32, g + 8, 4 * t + 16, false)};
    const uint32_t b[2] = {four_of(args.b, 8, 4 * t, g, true), four_of(args.b, 8, 4 * t + 16, g, true)};
    int d[4];
    place_result(static_cast<int*>(args.d), d, true, d);
    if (args.kind == 2)
      mma_s8(d, a, b);
    else
      mma_u8_s8(d, a, b);
    place_result(static_cast<int*>(args.d), d, false, d);
    return;
  }
  const uint32_t a[4] = {pair_of(args.a, 16, g, 2 * t, false), pair_of(args.a, 16, g + 8, 2 * t, false),
                         pair_of(args.a, 16, g, 2 * t + 8, false),
                         pair_of(args.a, 16, g + 8, 2 * t + 8, false)};
  const uint32_t b[2] = {pair_of(args.b, 8, 2 * t, g, true), pair_of(args.b, 8, 2 * t + 8, g, true)};
  float d[4];
  place_result(static_cast<float*>(args.d), d, true, d);
  if (args.kind == 0)
    mma_f16(d, a, b);
  else
    mma_bf16(d, a, b);
  place_result(static_cast<float*>(args.d), d, false, d);
}

DEVICE_KERNEL(matrix_check, MatrixCheckArgs) {
  const Shared<uint16_t> rows = shared_memory<uint16_t>(0);
  const Shared<uint16_t> own = rows + lane() * static_cast<int>(kMatrixRowBytes / 2);
  for (int i = 0; i < 8; ++i) own[i] = args.rows[8 * lane() + i];
  sync_warp();
  uint32_t plain[4], transposed[4];
  load_matrices(plain, own);
  load_matrices_transposed(transposed, own);
  for (int m = 0; m < 4; ++m) {
    args.words[4 * lane() + m] = plain[m];
    args.transposed[4 * lane() + m] = transposed[m];
  }
}

DEVICE_KERNEL(copy_check, CopyCheckArgs) {
  constexpr int kBuffers = 3;
  const auto begin = [&](int piece) {
    if (piece < args.pieces) {
      const size_t at = static_cast<size_t>(thread()) * 16;
      copy_async_16(shared_memory<uint8_t>(static_cast<size_t>(piece % kBuffers) * kCopyCheckPiece + at),
                    args.from + static_cast<size_t>(piece) * kCopyCheckPiece + at,
                    piece + 1 == args.pieces ? args.valid : 16);
    }
    commit_copies();
  };
  begin(0);
  begin(1);
  for (int piece = 0; piece < args.pieces; ++piece) {
    wait_copies<1>();
    sync_block();
    begin(piece + 2);
    // Neighbours' bytes, so that the barrier matters.
    const Shared<uint8_t> buffer =
        shared_memory<uint8_t>(static_cast<size_t>(piece % kBuffers) * kCopyCheckPiece);
    for (int i = 0; i < 16; ++i) {
      const int at = i * 64 + thread();
      args.to[static_cast<size_t>(piece) * kCopyCheckPiece + static_cast<size_t>(at)] = buffer[at];
    }
  }
  wait_copies<0>();
}

DEVICE_KERNEL(number_check, NumberCheckArgs) {
  const int i = block_x() * block_threads() + thread();
  if (i >= args.count) return;
  const uint32_t a = load_cached(args.a + i), b = args.b[i], c = args.c[i];
  const float x = float_of(a), z = float_of(b);
  const Vec2 halves = f32_of_f16x2(a), brains = f32_of_bf16x2(a);
  const Tf32Halves wide = tf32_of_f16x2(a);
  const uint32_t made[kNumberChecks] = {
      f16x2_fma(a, b, c),
      f16x2_sub(a, b),
      f16x2_mul(a, b),
      f16x2_of(x, z),
      bf16x2_of(x, z),
      bits_of(halves.x + halves.y),
      bits_of(brains.x + brains.y),
      and_or(a, b, c),
      pick_bytes(a, b, c & 0x7777u),
      static_cast<uint32_t>(dot4(a, b, static_cast<int>(c))),
      static_cast<uint32_t>(round_to_int(x)),
      bits_of(product(x, z) + float_of(c)),
      bits_of(multiply_add(x, z, float_of(c))),
      load_once(reinterpret_cast<const Words4*>(args.a + i / 4 * 4)).w,
      bits_of(fast_exp2(x)),
      bits_of(fast_reciprocal(x)),
      tf32_of(x) & 0xffffe000u,
      bits_of(float_of(wide.low) + float_of(wide.high)),
  };
  for (int k = 0; k < kNumberChecks; ++k) args.y[k * args.count + i] = made[k];
}

DEVICE_KERNEL(order_check, OrderCheckArgs) {
  if (block_x() > 0) wait_until(args.turns + block_x() - 1, 1);
  if (thread() == 0) {
    args.seen[block_x()] = atomic_add(args.sum, block_x() + 1);
    fence();
    atomic_count(args.turns + block_x());
  }
}

}  // namespace halftone::cuda
