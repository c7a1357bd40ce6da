#include <cstring>

#include "cost/probe_loops.h"

namespace halftone {
namespace {

uint64_t read(const std::byte* data, size_t bytes) {
  uint64_t sum = 0;
  for (size_t i = 0; i < bytes; i += sizeof(uint64_t)) {
    uint64_t word;
    std::memcpy(&word, data + i, sizeof(word));
    sum += word;
  }
  return sum;
}

constexpr int kLanes = 32;

double f32(int64_t rounds) {
  float sums[kLanes] = {};
  volatile float factor = 0.5f;
  const float x = factor;
  for (int64_t i = 0; i < rounds; ++i)
    for (int lane = 0; lane < kLanes; ++lane) sums[lane] = sums[lane] * x + x;
  volatile float sink = 0;
  for (float sum : sums) sink = sink + sum;
  return 2.0 * kLanes * static_cast<double>(rounds);
}

double int8(int64_t rounds) {
  int32_t sums[kLanes] = {};
  volatile int8_t factor = 3;
  const int32_t x = factor;
  for (int64_t i = 0; i < rounds; ++i)
    for (int lane = 0; lane < kLanes; ++lane) sums[lane] = (sums[lane] & 255) * x + x;
  volatile int32_t sink = 0;
  for (int32_t sum : sums) sink = sink + sum;
  return 2.0 * kLanes * static_cast<double>(rounds);
}

}  // namespace

const ProbeLoops probe_scalar = {read, f32, int8, nullptr};

}  // namespace halftone
