#include "backend/cuda/gemm/place_weights.h"

#include <gtest/gtest.h>
#include <vector>

#include "backend/cuda/gemm/weights.h"

namespace halftone::cuda {
namespace {

constexpr int kColumns = 256;

/// Owner t of a column, its step s and its place i in the quad, as WeightsView tells.
struct Place {
  int t, s, i;
};
Place place_of(int column) {
  return {column % kBlockColumns / 8, column % 8 / 4, column % 4};
}

TEST(PlaceWeights, CodesLieAsTheViewTells) {
  for (int bits : {2, 4, 8}) {
    const int unit_columns = 8 * kUnitBytes / kTileRows / bits;
    std::vector<uint32_t> tile(static_cast<size_t>(kTileRows * kColumns * bits / 32));
    const auto code_at = [&](int row, int column) {
      return static_cast<uint8_t>((row * 37 + column * 101 + column / 7) & ((1 << bits) - 1));
    };
    for (int row = 0; row < kTileRows; ++row) {
      std::vector<uint8_t> codes;
      for (int c = 0; c < kColumns; ++c) codes.push_back(code_at(row, c));
      place_codes(codes, bits, row, tile.data());
    }
    for (int row = 0; row < kTileRows; ++row)
      for (int c = 0; c < kColumns; ++c) {
        const auto [t, s, i] = place_of(c);
        const int g = row % 8, h = row / 8, block = c % unit_columns / kBlockColumns;
        const int word = bits == 8 ? 2 * s + h : bits == 4 ? 2 * block + s : block;
        const int shift = bits == 8 ? 0 : bits == 4 ? 4 * h : 2 * h + 4 * s;
        const int byte = i == 1 ? 2 : i == 2 ? 1 : i;
        const size_t at = static_cast<size_t>(c / unit_columns * (kUnitBytes / 4) + (4 * g + t) * 4 + word);
        ASSERT_EQ(tile[at] >> (8 * byte + shift) & ((1u << bits) - 1), code_at(row, c))
            << bits << " bits, row " << row << ", column " << c;
      }
  }
}

TEST(PlaceWeights, HalvesAreWordsOfTheFragment) {
  for (bool split : {false, true}) {
    const int parts = split ? 2 : 1;
    std::vector<uint16_t> tile(static_cast<size_t>(kTileRows * kColumns * parts));
    const auto words = [&](int part) {
      return reinterpret_cast<uint32_t*>(tile.data()) + part * kUnitBytes / 4;
    };
    const auto half_at = [](int part, int row, int column) {
      return static_cast<uint16_t>(part * 0x8000 + row * kColumns + column);
    };
    for (int row = 0; row < kTileRows; ++row)
      for (int part = 0; part < parts; ++part) {
        std::vector<uint16_t> halves;
        for (int c = 0; c < kColumns; ++c) halves.push_back(half_at(part, row, c));
        place_halves(halves, row, split, words(part));
      }
    for (int row = 0; row < kTileRows; ++row)
      for (int c = 0; c < kColumns; ++c)
        for (int part = 0; part < parts; ++part) {
          const auto [t, s, i] = place_of(c);
          const int unit = (c / kBlockColumns * 2 + s) * parts + part, lane = row % 8 * 4 + t;
          const int half = 2 * (row / 8 + 2 * (i / 2)) + i % 2;
          ASSERT_EQ(tile[static_cast<size_t>(unit * kUnitBytes / 2 + lane * 8 + half)], half_at(part, row, c))
              << "part " << part << ", row " << row << ", column " << c;
        }
  }
}

}  // namespace
}  // namespace halftone::cuda
