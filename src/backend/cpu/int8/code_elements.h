#pragma once

#include <cstdint>

namespace halftone::cpu {

/// y = (a - a_zero) (b - b_zero) multiplier + zero.
struct CodeProductScale {
  int32_t a_zero, b_zero;
  float multiplier;
  int32_t zero;
};

/// Loops over codes for one instruction set, equal to their scalar meanings bit for bit.
struct CodeElementLoops {
  /// ops/code_sum.h.
  void (*add)(int16_t a_factor, int16_t b_factor, int32_t offset, int32_t shift, const uint8_t* a,
              const uint8_t* b, uint8_t* y, int64_t count);
  /// The product's code under floating requantization (ops/requantizer.h, ops/code_pairs.h).
  void (*multiply)(const CodeProductScale& scale, const uint8_t* a, const uint8_t* b, uint8_t* y,
                   int64_t count);
  /// y = table[x].
  void (*map)(const uint8_t* table, const uint8_t* x, uint8_t* y, int64_t count);
  /// y[c] = (sum of weights[t] rows[t][c] + 2^(shift - 1)) >> shift, clamped to 0..255.
  void (*blend)(const uint8_t* const* rows, const int32_t* weights, int64_t taps, int32_t shift, uint8_t* y,
                int64_t count);
  /// encode_activation() and decode_activation() (ops/storage.h).
  void (*encode)(const float* x, float scale, int32_t zero, uint8_t* y, int64_t count);
  void (*decode)(const uint8_t* x, float scale, int32_t zero, float* y, int64_t count);
  /// Where not null: y[i * channels + c] = lines[c][i] for up to 4 channels (there are 4 lines).
  void (*join)(const uint8_t* const* lines, int64_t channels, uint8_t* y, int64_t count) = nullptr;
};

extern const CodeElementLoops code_elements_avx512vnni;
extern const CodeElementLoops code_elements_avx2;
extern const CodeElementLoops code_elements_neondot;

}  // namespace halftone::cpu
