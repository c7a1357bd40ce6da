#include <cstring>

#include "backend/cuda/device/device.h"

namespace halftone::cuda::host {
namespace {

struct Fragments {
  uint32_t a[4];
  uint32_t b[2];
};

Fragments fragments_of(const std::byte* all, int lane) {
  return of_lane<Fragments>(all, lane);
}

}  // namespace

// Element k of A's row g lies in word 2 * (k / (K / 2)) of lane 4g + t, where the K / 2 columns of a half are
// dealt four words t of one lane each; row g + 8 one word further. B's column g likewise, one word a half.

void mma_16bit(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2], float (*to_f32)(uint16_t),
               const std::source_location& where) {
  Fragments mine;
  std::memcpy(mine.a, a, sizeof(a));
  std::memcpy(mine.b, b, sizeof(b));
  const std::byte* all = exchange(&mine, sizeof(mine), where);
  const int g = lane() / 4, t = lane() % 4;
  double sums[4] = {};
  for (int k = 0; k < 16; ++k) {
    const int half = k / 8, owner = k % 8 / 2, shift = 16 * (k % 2);
    const Fragments of_row = fragments_of(all, 4 * g + owner);
    const double top = to_f32(static_cast<uint16_t>(of_row.a[2 * half] >> shift));
    const double bottom = to_f32(static_cast<uint16_t>(of_row.a[2 * half + 1] >> shift));
    for (int column = 0; column < 2; ++column) {
      const Fragments of_column = fragments_of(all, 4 * (2 * t + column) + owner);
      const double factor = to_f32(static_cast<uint16_t>(of_column.b[half] >> shift));
      sums[column] += top * factor;
      sums[2 + column] += bottom * factor;
    }
  }
  for (int i = 0; i < 4; ++i) d[i] = static_cast<float>(d[i] + sums[i]);
}

void mma_8bit(int (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2], bool a_is_signed,
              const std::source_location& where) {
  Fragments mine;
  std::memcpy(mine.a, a, sizeof(a));
  std::memcpy(mine.b, b, sizeof(b));
  const std::byte* all = exchange(&mine, sizeof(mine), where);
  const int g = lane() / 4, t = lane() % 4;
  const auto number = [&](uint32_t word) {
    return a_is_signed ? int{static_cast<int8_t>(word)} : int{static_cast<uint8_t>(word)};
  };
  for (int k = 0; k < 32; ++k) {
    const int half = k / 16, owner = k % 16 / 4, shift = 8 * (k % 4);
    const Fragments of_row = fragments_of(all, 4 * g + owner);
    const int top = number(of_row.a[2 * half] >> shift);
    const int bottom = number(of_row.a[2 * half + 1] >> shift);
    for (int column = 0; column < 2; ++column) {
      const Fragments of_column = fragments_of(all, 4 * (2 * t + column) + owner);
      const int factor = static_cast<int8_t>(of_column.b[half] >> shift);
      d[column] += top * factor;
      d[2 + column] += bottom * factor;
    }
  }
}

void mma_tf32(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2],
              const std::source_location& where) {
  Fragments mine;
  std::memcpy(mine.a, a, sizeof(a));
  std::memcpy(mine.b, b, sizeof(b));
  const std::byte* all = exchange(&mine, sizeof(mine), where);
  const auto value = [](uint32_t bits) { return static_cast<double>(float_of(bits & 0xffffe000u)); };
  const int g = lane() / 4, t = lane() % 4;
  double sums[4] = {};
  for (int k = 0; k < 8; ++k) {
    const int half = k / 4, owner = k % 4;
    const Fragments of_row = fragments_of(all, 4 * g + owner);
    for (int column = 0; column < 2; ++column) {
      const double factor = value(fragments_of(all, 4 * (2 * t + column) + owner).b[half]);
      sums[column] += value(of_row.a[2 * half]) * factor;
      sums[2 + column] += value(of_row.a[2 * half + 1]) * factor;
    }
  }
  for (int i = 0; i < 4; ++i) d[i] = static_cast<float>(d[i] + sums[i]);
}

void load_matrices(uint32_t (&out)[4], size_t row_offset, bool transposed,
                   const std::source_location& where) {
  check_shared(row_offset, 16, false);  // alignment and bounds; whether it may be read by all follows
  const std::byte* all = exchange(&row_offset, sizeof(row_offset), where);
  const int g = lane() / 4, t = lane() % 4;
  for (int m = 0; m < 4; ++m) {
    uint16_t pair[2];
    for (int i = 0; i < 2; ++i) {
      const int row = transposed ? 2 * t + i : g;
      const int column = transposed ? g : 2 * t + i;
      const size_t at = of_lane<size_t>(all, 8 * m + row) + 2 * static_cast<size_t>(column);
      check_shared(at, 2, false);
      std::memcpy(&pair[i], shared_bytes() + at, 2);
    }
    out[m] = uint32_t{pair[0]} | (uint32_t{pair[1]} << 16);
  }
}

}  // namespace halftone::cuda::host
