#include "backend/cpu/gemm/panel_words.h"

#include <cstring>

#include "backend/cpu/gemm/int_panels.h"

namespace halftone::cpu {
namespace {

/// Four words side by side; compilers know them on every processor.
using Words = uint32_t __attribute__((vector_size(16)));
constexpr int64_t kWord = 4;
/// Units that are packed together: a cache line of each row.
constexpr int64_t kTogether = kUnitBytes / kWord;

Words load(const std::byte* from) {
  Words words;
  std::memcpy(&words, from, sizeof(words));
  return words;
}

/// Words a, b, c and d of x and, from 4 on, y.
template <uint32_t a, uint32_t b, uint32_t c, uint32_t d>
Words picked(Words x, Words y) {
#if defined(__clang__)
  return __builtin_shufflevector(x, y, a, b, c, d);
#else
  return __builtin_shuffle(x, y, Words{a, b, c, d});
#endif
}

/// Exchanges the bits under `mask` with those `distance` above.
template <class Word>
Word exchanged(Word x, uint32_t mask, int distance) {
  const Word differ = (x ^ (x >> distance)) & mask;
  return x ^ differ ^ (differ << distance);
}

/// The fields of a word hold successive columns; of the same column of successive quads they stand side by
/// side.
template <int kBits, class Word>
Word by_quads(Word x) {
  if constexpr (kBits == 4) return exchanged(exchanged(x, 0x0000ff00u, 8), 0x00f000f0u, 4);
  if constexpr (kBits == 2) return exchanged(exchanged(x, 0x0000f0f0u, 12), 0x00cc00ccu, 6);
  return x;
}

/// Four units' words of four rows, to the four rows' lanes of these units.
template <int kBits>
void pack_4x4(const std::byte* rows, int64_t row_bytes, std::byte* to) {
  const Words a = by_quads<kBits>(load(rows)), b = by_quads<kBits>(load(rows + row_bytes)),
              c = by_quads<kBits>(load(rows + 2 * row_bytes)),
              d = by_quads<kBits>(load(rows + 3 * row_bytes));
  const Words low_ab = picked<0, 4, 1, 5>(a, b), low_cd = picked<0, 4, 1, 5>(c, d),
              high_ab = picked<2, 6, 3, 7>(a, b), high_cd = picked<2, 6, 3, 7>(c, d);
  const Words lanes[] = {picked<0, 1, 4, 5>(low_ab, low_cd), picked<2, 3, 6, 7>(low_ab, low_cd),
                         picked<0, 1, 4, 5>(high_ab, high_cd), picked<2, 3, 6, 7>(high_ab, high_cd)};
  for (int u = 0; u < 4; ++u) std::memcpy(to + u * kUnitBytes, &lanes[u], sizeof(Words));
}

template <int kBits>
void pack(const std::byte* rows, int64_t row_bytes, int64_t units, std::byte* to) {
  int64_t u = 0;
  for (; u + kTogether <= units; u += kTogether)
    for (int64_t row = 0; row < kPanelRows; row += 4) {
      const std::byte* from = rows + row * row_bytes + u * kWord;
      for (int64_t r = 0; r < 4; ++r) __builtin_prefetch(from + r * row_bytes + 4 * kUnitBytes);
      for (int64_t part = 0; part < kTogether; part += 4)
        pack_4x4<kBits>(from + part * kWord, row_bytes, to + (u + part) * kUnitBytes + row * kWord);
    }
  for (; u < units; ++u)
    for (int64_t row = 0; row < kPanelRows; ++row) {
      uint32_t word;
      std::memcpy(&word, rows + row * row_bytes + u * kWord, sizeof(word));
      word = by_quads<kBits>(word);
      std::memcpy(to + u * kUnitBytes + row * kWord, &word, sizeof(word));
    }
}

template <class Element>
void transpose(const std::byte* rows, int64_t count, std::byte* to) {
  const int64_t row_bytes = count * int64_t{sizeof(Element)};
  for (int64_t i = 0; i < count; ++i, rows += sizeof(Element)) {
    Element column[kPanelRows];
    for (int64_t row = 0; row < kPanelRows; ++row)
      std::memcpy(&column[row], rows + row * row_bytes, sizeof(Element));
    std::memcpy(to + i * int64_t{sizeof(column)}, column, sizeof(column));
  }
}

}  // namespace

void pack_words(const std::byte* rows, int64_t row_bytes, int64_t units, int bits, std::byte* to) {
  if (bits == 2) return pack<2>(rows, row_bytes, units, to);
  if (bits == 4) return pack<4>(rows, row_bytes, units, to);
  pack<8>(rows, row_bytes, units, to);
}

void pack_elements(const std::byte* rows, int64_t count, int64_t size, std::byte* to) {
  if (size == 1) return transpose<uint8_t>(rows, count, to);
  if (size == 2) return transpose<uint16_t>(rows, count, to);
  transpose<uint32_t>(rows, count, to);
}

}  // namespace halftone::cpu
