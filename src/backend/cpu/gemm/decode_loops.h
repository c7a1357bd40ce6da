#pragma once

// Weights as stored -> f32, over a vector type V of 16 lanes, for the per-ISA sources only
// (gemm_float_loops.h says why all of it is in an unnamed namespace).

#include "backend/cpu/gemm/gemm_float.h"

namespace halftone::cpu {
namespace {

constexpr int64_t kLanes = 16;

template <class V>
typename V::Float load_as(RowKind kind, const std::byte* from) {
  if (kind == RowKind::f32) return V::load(from);
  return kind == RowKind::f16 ? V::load_f16(from) : V::load_bf16(from);
}

/// 16 numbers of which the first `count` exist.
template <class V>
typename V::Float load_some(RowKind kind, const std::byte* from, int64_t count) {
  if (count >= kLanes) return load_as<V>(kind, from);
  alignas(64) std::byte padded[kLanes * sizeof(float)] = {};
  __builtin_memcpy(padded, from, static_cast<size_t>(count) * (kind == RowKind::f32 ? 4 : 2));
  return load_as<V>(kind, padded);
}

/// One number, by way of a whole vector: for scales.
template <class V>
float load_one(RowKind kind, const std::byte* from, int64_t index) {
  if (kind == RowKind::f32) {
    float value;
    __builtin_memcpy(&value, from + index * 4, 4);
    return value;
  }
  uint16_t bits;
  __builtin_memcpy(&bits, from + index * 2, 2);
  return kind == RowKind::f16 ? V::f16(bits) : __builtin_bit_cast(float, static_cast<uint32_t>(bits) << 16);
}

/// The scale, zero point and minimum of one group of one row.
struct GroupParams {
  float scale, zero, minimum;
};

template <class V>
GroupParams group_params(const WeightRows& w, int64_t row, int64_t group) {
  const int64_t index = row * w.scale_step + group;
  GroupParams params{load_one<V>(w.scale_kind, w.scales, index), static_cast<float>(w.shared_zero), 0};
  if (w.zeros) params.zero = static_cast<float>(w.zeros[index]);
  if (w.kind == RowKind::minimum) params.minimum = load_one<V>(w.scale_kind, w.minima, index);
  return params;
}

/// Eight codes as the low bits of a word, from byte `from` on, reading nothing behind `end`.
inline uint64_t code_word(const std::byte* from, const std::byte* end) {
  uint64_t word = 0;
  if (end - from >= 8) [[likely]]
    __builtin_memcpy(&word, from, 8);
  else if (end > from)
    __builtin_memcpy(&word, from, static_cast<size_t>(end - from));
  return word;
}

/// 16 numbers of one group from codes that start on a byte.
template <class V>
typename V::Float decode_vector(const WeightRows& w, const std::byte* from, const GroupParams& params) {
  const auto codes =
      V::unpack_codes(code_word(from, w.data_end), code_word(from + w.bits, w.data_end), w.bits);
  const auto scale = V::broadcast(params.scale);
  if (w.kind == RowKind::table) return V::multiply(V::look_up(codes, w.table, w.bits), scale);
  const auto value = V::to_float(codes);
  if (w.kind == RowKind::minimum) return V::fma(value, scale, V::broadcast(params.minimum));
  return V::multiply(V::subtract(value, V::broadcast(params.zero)), scale);
}

/// One number, whatever the group length.
template <class V>
float decode_one(const WeightRows& w, int64_t row, int64_t k) {
  const std::byte* from = w.data + row * w.row_bytes + k * w.bits / 8;
  const uint64_t word = code_word(from, w.data_end);
  const uint64_t code = word >> (k * w.bits % 8) & ((uint64_t{1} << w.bits) - 1);
  const GroupParams params = group_params<V>(w, row, k / w.group);
  if (w.kind == RowKind::table) return w.table[code] * params.scale;
  const float value = static_cast<float>(static_cast<int32_t>(code));
  return w.kind == RowKind::minimum ? value * params.scale + params.minimum
                                    : (value - params.zero) * params.scale;
}

/// Columns [begin, end) of one row as f32, `begin` a multiple of 16. Writes up to 15 elements more than that.
template <class V>
void decode_row(const WeightRows& w, int64_t row, int64_t begin, int64_t end, float* out) {
  const std::byte* data = w.data + row * w.row_bytes;
  if (w.kind == RowKind::f32 || w.kind == RowKind::f16 || w.kind == RowKind::bf16) {
    const int64_t size = w.kind == RowKind::f32 ? 4 : 2;
    for (int64_t k = begin; k < end; k += kLanes)
      V::store(out + k - begin, load_some<V>(w.kind, data + k * size, end - k));
    return;
  }
  if (w.group % 8 != 0 && w.group < w.k) {
    for (int64_t k = begin; k < end; ++k) out[k - begin] = decode_one<V>(w, row, k);
    return;
  }
  for (int64_t k = begin; k < end;) {
    const int64_t group = k / w.group;
    const int64_t group_end = (group + 1) * w.group < end ? (group + 1) * w.group : end;
    const GroupParams params = group_params<V>(w, row, group);
    for (; k < group_end; k += kLanes)
      V::store(out + k - begin, decode_vector<V>(w, data + k * w.bits / 8, params));
    k = group_end;
  }
}

}  // namespace
}  // namespace halftone::cpu
