#pragma once

#include "backend/cuda/broadcast/broadcast_kernels.h"
#include "backend/cuda/device/floats.h"

namespace halftone::cuda {

enum class Pair : int32_t {
  add,
  sub,
  mul,
  div,   ///< of integers: towards zero, x / 0 = 0
  max,   ///< NaN if either is
  min,   ///< NaN if either is
  mod,   ///< of integers: with the sign of b, x mod 0 = 0
  fmod,  ///< with the sign of a
  pow,
  p_relu,  ///< a < 0 ? a b : a
  equal,
  greater,
  greater_or_equal,
  less,
  less_or_equal,
  logical_and,
  logical_or,
  logical_xor,
};

/// y = a op b, broadcast.
template <class In, class Out>
struct PairArgs {
  In a;
  In b;
  Out y;
  Broadcast<2> at;
  Pair op;
};
using FloatPairArgs = PairArgs<Floats, FloatsOut>;
using IntPairArgs = PairArgs<const int32_t*, int32_t*>;
using LongPairArgs = PairArgs<const int64_t*, int64_t*>;
using FloatTestArgs = PairArgs<Floats, uint8_t*>;
using IntTestArgs = PairArgs<const int32_t*, uint8_t*>;
using LongTestArgs = PairArgs<const int64_t*, uint8_t*>;
using ByteTestArgs = PairArgs<const uint8_t*, uint8_t*>;

/// Up to p_relu; integers, which wrap around, up to fmod.
DECLARE_DEVICE_KERNEL(pairs_floats, FloatPairArgs);
DECLARE_DEVICE_KERNEL(pairs_i32, IntPairArgs);
DECLARE_DEVICE_KERNEL(pairs_i64, LongPairArgs);
/// equal and what follows, 1 or 0; logic on such bytes alone.
DECLARE_DEVICE_KERNEL(test_floats, FloatTestArgs);
DECLARE_DEVICE_KERNEL(test_i32, IntTestArgs);
DECLARE_DEVICE_KERNEL(test_i64, LongTestArgs);
DECLARE_DEVICE_KERNEL(test_u8, ByteTestArgs);

}  // namespace halftone::cuda
