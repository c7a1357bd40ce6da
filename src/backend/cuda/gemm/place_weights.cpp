#include "backend/cuda/gemm/place_weights.h"

#include <cstring>

#include "backend/cuda/gemm/weights.h"

namespace halftone::cuda {
namespace {

constexpr int kUnitWords = kUnitBytes / 4;
/// Of the four lanes that own a block's columns of an output.
constexpr int kLaneWords = 16;

/// The two numbers, or four codes, that share a word begin at `from`.
template <class T>
uint32_t word_at(const T* from) {
  uint32_t word;
  std::memcpy(&word, from, sizeof word);
  return word;
}

/// Four codes as the bytes of columns +0, +2, +1, +3.
uint32_t quad_at(const uint8_t* codes) {
  const uint32_t word = word_at(codes);
  return (word & 0xff0000ffu) | (word >> 8 & 0xff00u) | (word << 8 & 0xff0000u);
}

template <int kBits>
void place(std::span<const uint8_t> codes, int row, uint32_t* tile) {
  constexpr int kBlocks = 8 / kBits;  // of a unit
  const int h = row / 8;
  const uint8_t* quad = codes.data();
  uint32_t* lanes = tile + row % 8 * kLaneWords;
  for (size_t unit = 0; unit < codes.size() / (kBlocks * kBlockColumns); ++unit, lanes += kUnitWords)
    for (int b = 0; b < kBlocks; ++b)
      for (int t = 0; t < 4; ++t)
        for (int s = 0; s < 2; ++s, quad += 4) {
          const int word = kBits == 8 ? 2 * s + h : kBits == 4 ? 2 * b + s : b;
          const int shift = kBits == 8 ? 0 : kBits == 4 ? 4 * h : 2 * h + 4 * s;
          lanes[t * 4 + word] |= quad_at(quad) << shift;
        }
}

}  // namespace

void place_codes(std::span<const uint8_t> codes, int bits, int row, uint32_t* tile) {
  if (bits == 8)
    place<8>(codes, row, tile);
  else if (bits == 4)
    place<4>(codes, row, tile);
  else
    place<2>(codes, row, tile);
}

void place_halves(std::span<const uint16_t> halves, int row, bool split, uint32_t* tile) {
  const int step = split ? 2 * kUnitWords : kUnitWords;
  const uint16_t* pair = halves.data();
  uint32_t* lanes = tile + row % 8 * kLaneWords + row / 8;
  for (size_t block = 0; block < halves.size() / kBlockColumns; ++block, lanes += 2 * step)
    for (int t = 0; t < 4; ++t)
      for (int s = 0; s < 2; ++s)
        for (int i = 0; i < 2; ++i, pair += 2) lanes[s * step + t * 4 + 2 * i] = word_at(pair);
}

}  // namespace halftone::cuda
