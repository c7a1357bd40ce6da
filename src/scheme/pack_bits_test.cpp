#include <gtest/gtest.h>
#include <random>
#include <vector>

#include "base/checked.h"
#include "scheme/quantized_tensor.h"

namespace halftone {
namespace {

TEST(PackBits, RoundTripOfEveryWidthAndLength) {
  std::mt19937 random(6);
  for (int bits = 1; bits <= 8; ++bits)
    for (size_t count = 0; count < 70; ++count) {
      std::vector<uint8_t> codes(count), back(count);
      for (uint8_t& code : codes) code = static_cast<uint8_t>(random() & ((1u << bits) - 1));
      // One guard byte shows a write beyond the end.
      std::vector<std::byte> packed(ceil_div(count * static_cast<size_t>(bits), size_t{8}) + 1,
                                    std::byte{0xa5});
      const auto exact = std::span(packed).first(packed.size() - 1);
      pack_bits(codes, bits, exact);
      unpack_bits(exact, bits, back);
      EXPECT_EQ(codes, back) << bits << " bits, " << count;
      EXPECT_EQ(packed.back(), std::byte{0xa5});
    }
}

TEST(PackBits, IsALittleEndianBitStream) {
  for (int bits = 1; bits <= 8; ++bits) {
    std::vector<uint8_t> codes(19);
    for (size_t i = 0; i < codes.size(); ++i)
      codes[i] = static_cast<uint8_t>((i * 37 + 5) & ((1u << bits) - 1));
    std::vector<std::byte> packed(ceil_div(codes.size() * static_cast<size_t>(bits), size_t{8}));
    pack_bits(codes, bits, packed);
    for (size_t bit = 0; bit < packed.size() * 8; ++bit) {
      const size_t element = bit / static_cast<size_t>(bits);
      const int expected =
          element < codes.size() ? codes[element] >> (bit % static_cast<size_t>(bits)) & 1 : 0;
      EXPECT_EQ(static_cast<int>(packed[bit / 8]) >> (bit % 8) & 1, expected) << bits << " bits, bit " << bit;
    }
  }
}

}  // namespace
}  // namespace halftone
