#pragma once

#include <cstdint>

namespace halftone::cpu {

/// f16 (or bf16) as f32 and back, rounded to the nearest, ties to even, for one instruction set.
struct ShortLoops {
  void (*widen_half)(const uint16_t* from, float* to, int64_t count);
  void (*widen_bfloat)(const uint16_t* from, float* to, int64_t count);
  void (*round_to_half)(const float* from, uint16_t* to, int64_t count);
  void (*round_to_bfloat)(const float* from, uint16_t* to, int64_t count);
};

extern const ShortLoops short_loops_avx2;

}  // namespace halftone::cpu
