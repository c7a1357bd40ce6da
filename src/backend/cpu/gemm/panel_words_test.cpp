#include "backend/cpu/gemm/panel_words.h"

#include <gtest/gtest.h>
#include <random>
#include <vector>

#include "backend/cpu/gemm/int_panels.h"
#include "scheme/quantized_tensor.h"

namespace halftone::cpu {
namespace {

std::vector<std::byte> random_bytes(size_t count) {
  std::minstd_rand random(7);
  std::vector<std::byte> bytes(count);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random() >> 8);
  return bytes;
}

TEST(PanelWords, CodesStandByQuads) {
  for (int bits : {2, 4, 8})
    for (int64_t units : {1, 3, 4, 15, 16, 17, 37}) {
      const int64_t row_bytes = units * 4, quads = 8 / bits;
      const std::vector<std::byte> rows = random_bytes(static_cast<size_t>(kPanelRows * row_bytes));
      std::vector<std::byte> expected(rows.size()), packed(rows.size());
      for (int64_t row = 0; row < kPanelRows; ++row) {
        std::vector<uint8_t> codes(static_cast<size_t>(units * quads * kQuad));
        unpack_bits(
            std::span(rows).subspan(static_cast<size_t>(row * row_bytes), static_cast<size_t>(row_bytes)),
            bits, codes);
        for (int64_t c = 0; c < units * quads * kQuad; ++c) {
          const int64_t unit = c / (quads * kQuad), quad = c / kQuad % quads, column = c % kQuad;
          expected[static_cast<size_t>(unit * kUnitBytes + row * kQuad + column)] |=
              static_cast<std::byte>(codes[static_cast<size_t>(c)] << (quad * bits));
        }
      }
      pack_words(rows.data(), row_bytes, units, bits, packed.data());
      EXPECT_EQ(packed, expected) << bits << " bits, " << units << " units";
    }
}

TEST(PanelWords, ElementsStandByPanel) {
  for (size_t size : {1, 2, 4})
    for (size_t count : {1, 2, 63}) {
      const std::vector<std::byte> rows = random_bytes(kPanelRows * count * size);
      std::vector<std::byte> packed(rows.size());
      pack_elements(rows.data(), static_cast<int64_t>(count), static_cast<int64_t>(size), packed.data());
      for (size_t row = 0; row < kPanelRows; ++row)
        for (size_t i = 0; i < count * size; ++i)
          EXPECT_EQ(packed[(i / size * kPanelRows + row) * size + i % size], rows[row * count * size + i]);
    }
}

}  // namespace
}  // namespace halftone::cpu
