#include "formats/gguf_type.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/error.h"
#include "core/float16.h"
#include "formats/ggml_round.h"

namespace halftone {
namespace {

uint8_t byte_at(const std::byte* bytes, size_t i) {
  return static_cast<uint8_t>(bytes[i]);
}

float half_at(const std::byte* bytes) {
  Half half;
  std::memcpy(&half.bits, bytes, sizeof(half.bits));
  return to_float(half);
}

/// 16 bytes: element j in the low nibble of byte j, element j + 16 in the high one.
void unpack_nibbles(const std::byte* bytes, std::span<uint8_t> codes) {
  for (size_t j = 0; j < 16; ++j) {
    codes[j] = byte_at(bytes, j) & 15;
    codes[j + 16] = byte_at(bytes, j) >> 4;
  }
}

void unpack_q4_0(const std::byte* bytes, const GgmlBlock& out) {
  out.scales[0] = half_at(bytes);
  unpack_nibbles(bytes + 2, out.codes);
}

void unpack_q4_1(const std::byte* bytes, const GgmlBlock& out) {
  out.scales[0] = half_at(bytes);
  out.minima[0] = half_at(bytes + 2);
  unpack_nibbles(bytes + 4, out.codes);
}

void unpack_q8_0(const std::byte* bytes, const GgmlBlock& out) {
  out.scales[0] = half_at(bytes);
  for (size_t j = 0; j < 32; ++j)
    out.codes[j] = byte_at(bytes, 2 + j) ^ 0x80;  // two's complement to offset binary
}

void store_half(float value, std::byte* bytes) {
  const Half half = to_half(value);
  std::memcpy(bytes, &half.bits, sizeof(half.bits));
}

void pack_nibbles(std::span<const uint8_t> codes, std::byte* bytes) {
  for (size_t j = 0; j < 16; ++j) bytes[j] = static_cast<std::byte>(codes[j] | codes[j + 16] << 4);
}

void pack_q4_0(const GgmlBlock& block, std::byte* bytes) {
  store_half(block.scales[0], bytes);
  pack_nibbles(block.codes, bytes + 2);
}

void pack_q4_1(const GgmlBlock& block, std::byte* bytes) {
  store_half(block.scales[0], bytes);
  store_half(block.minima[0], bytes + 2);
  pack_nibbles(block.codes, bytes + 4);
}

void pack_q8_0(const GgmlBlock& block, std::byte* bytes) {
  store_half(block.scales[0], bytes);
  for (size_t j = 0; j < 32; ++j) bytes[2 + j] = static_cast<std::byte>(block.codes[j] ^ 0x80);
}

/// Eight 6-bit scales and eight 6-bit minima in 12 bytes: the first four of each are the low six bits of
/// bytes 0..3 and 4..7, whose top two bits belong to the last four; the low four bits of those are the
/// nibbles of bytes 8..11.
void unpack_k_scales(const std::byte* bytes, const GgmlBlock& out) {
  const float d = half_at(bytes);
  const float d_minimum = half_at(bytes + 2);
  const std::byte* packed = bytes + 4;
  for (size_t g = 0; g < 8; ++g) {
    int scale = byte_at(packed, g % 4) & 63;
    int minimum = byte_at(packed, 4 + g % 4) & 63;
    if (g >= 4) {
      scale = (byte_at(packed, 4 + g) & 15) | (byte_at(packed, g - 4) >> 6 << 4);
      minimum = (byte_at(packed, 4 + g) >> 4) | (byte_at(packed, g) >> 6 << 4);
    }
    out.scales[g] = d * static_cast<float>(scale);
    out.minima[g] = -(d_minimum * static_cast<float>(minimum));
  }
}

/// Groups of 32 by twos: 32 bytes hold one in their low nibbles and the next in their high ones.
void unpack_k_nibbles(const std::byte* bytes, std::span<uint8_t> codes) {
  for (size_t i = 0; i < 256; ++i) {
    const uint8_t pair = byte_at(bytes, i / 64 * 32 + i % 32);
    codes[i] = i / 32 % 2 == 0 ? pair & 15 : pair >> 4;
  }
}

void unpack_q4_k(const std::byte* bytes, const GgmlBlock& out) {
  unpack_k_scales(bytes, out);
  unpack_k_nibbles(bytes + 16, out.codes);
}

/// The fifth bit of element l of group g is bit g of byte l.
void unpack_q5_k(const std::byte* bytes, const GgmlBlock& out) {
  unpack_k_scales(bytes, out);
  unpack_k_nibbles(bytes + 48, out.codes);
  for (size_t i = 0; i < 256; ++i)
    out.codes[i] |= static_cast<uint8_t>((byte_at(bytes, 16 + i % 32) >> (i / 32) & 1) << 4);
}

/// Halves of 128 elements, each four runs of 32: 64 bytes hold runs 0 and 1 in their low nibbles, 2 and 3 in
/// their high ones; 32 bytes hold the upper two bits of all four runs.
void unpack_q6_k(const std::byte* bytes, const GgmlBlock& out) {
  const float d = half_at(bytes + 208);
  for (size_t g = 0; g < 16; ++g)
    out.scales[g] = d * static_cast<float>(static_cast<int8_t>(byte_at(bytes, 192 + g)));
  for (size_t i = 0; i < 256; ++i) {
    const size_t half = i / 128;
    const size_t run = i / 32 % 4;
    const uint8_t low = byte_at(bytes, half * 64 + i % 64);
    const uint8_t high = byte_at(bytes, 128 + half * 32 + i % 32);
    out.codes[i] = static_cast<uint8_t>((run < 2 ? low & 15 : low >> 4) | (high >> (2 * run) & 3) << 4);
  }
}

constexpr GgmlType kTypes[] = {
    {0, "F32", 1, 4, DType::f32, ""},
    {1, "F16", 1, 2, DType::f16, ""},
    {30, "BF16", 1, 2, DType::bf16, ""},
    {2, "Q4_0", 32, 18, {}, "int4", 32, false, DType::f16, unpack_q4_0, pack_q4_0, round_q4_0},
    {3, "Q4_1", 32, 20, {}, "int4", 32, true, DType::f16, unpack_q4_1, pack_q4_1, round_q4_1},
    {8, "Q8_0", 32, 34, {}, "int8", 32, false, DType::f16, unpack_q8_0, pack_q8_0, round_q8_0},
    {12, "Q4_K", 256, 144, {}, "int4", 32, true, DType::f32, unpack_q4_k},
    {13, "Q5_K", 256, 176, {}, "int5", 32, true, DType::f32, unpack_q5_k},
    {14, "Q6_K", 256, 210, {}, "int6", 16, false, DType::f32, unpack_q6_k},
};

struct UnreadType {
  uint32_t number;
  std::string_view name;
};

constexpr UnreadType kUnreadTypes[] = {
    {6, "Q5_0"},     {7, "Q5_1"},    {9, "Q8_1"},     {10, "Q2_K"},  {11, "Q3_K"},   {15, "Q8_K"},
    {16, "IQ2_XXS"}, {17, "IQ2_XS"}, {18, "IQ3_XXS"}, {19, "IQ1_S"}, {20, "IQ4_NL"}, {21, "IQ3_S"},
    {22, "IQ2_S"},   {23, "IQ4_XS"}, {24, "I8"},      {25, "I16"},   {26, "I32"},    {27, "I64"},
    {28, "F64"},     {29, "IQ1_M"},  {34, "TQ1_0"},   {35, "TQ2_0"}, {39, "MXFP4"},
};

constexpr std::string_view kReadTypes = "F32, F16, BF16, Q4_0, Q4_1, Q8_0, Q4_K, Q5_K, Q6_K";

std::string lower_case(std::string_view text) {
  std::string lower(text);
  std::ranges::transform(lower, lower.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return lower;
}

}  // namespace

Encoding GgmlType::encoding() const {
  Encoding encoding;
  encoding.format = find_number_format(format);
  encoding.granularity = Granularity::per_group(group);
  encoding.symmetric = !real_minimum;
  encoding.real_minimum = real_minimum;
  encoding.scale_dtype = scale_dtype;
  return encoding;
}

const GgmlType& ggml_type(uint32_t number, const std::string& where) {
  for (const GgmlType& type : kTypes)
    if (type.number == number) return type;
  for (const UnreadType& type : kUnreadTypes)
    if (type.number == number)
      throw UnsupportedError("{}: type {} (number {}); Halftone reads {}", where, type.name, number,
                             kReadTypes);
  throw UnsupportedError("{}: unknown type number {}; Halftone reads {}", where, number, kReadTypes);
}

const GgmlType& ggml_type_named(std::string_view name) {
  return *std::ranges::find_if(
      kTypes, [&](const GgmlType& type) { return lower_case(type.name) == lower_case(name); });
}

std::vector<std::string> written_ggml_types() {
  std::vector<std::string> names;
  for (const GgmlType& type : kTypes)
    if (type.plain || type.round) names.push_back(lower_case(type.name));
  return names;
}

}  // namespace halftone
