#pragma once

// Weights as stored -> f32, over a vector type V of 16 lanes, for the per-ISA sources only
// (gemm_float_loops.h says why all of it is in an unnamed namespace).

#include "backend/cpu/gemm/gemm_float.h"

namespace halftone::cpu {
namespace {

constexpr int64_t kLanes = 16;

constexpr bool is_plain(RowKind kind) {
  return kind == RowKind::f32 || kind == RowKind::f16 || kind == RowKind::bf16;
}

template <class V>
typename V::Float load_as(RowKind kind, const std::byte* from) {
  if (kind == RowKind::f32) return V::load(from);
  return kind == RowKind::f16 ? V::load_f16(from) : V::load_bf16(from);
}

/// 16 numbers of which the first `count` exist; the others are 0.
template <class V>
typename V::Float load_some(RowKind kind, const std::byte* from, int64_t count) {
  if (count >= kLanes) return load_as<V>(kind, from);
  alignas(64) std::byte padded[kLanes * sizeof(float)] = {};
  __builtin_memcpy(padded, from, static_cast<size_t>(count) * (kind == RowKind::f32 ? 4 : 2));
  return load_as<V>(kind, padded);
}

template <class V>
float load_scale(RowKind kind, const std::byte* from, int64_t index) {
  if (kind == RowKind::f32) {
    float value;
    __builtin_memcpy(&value, from + index * 4, 4);
    return value;
  }
  uint16_t bits;
  __builtin_memcpy(&bits, from + index * 2, 2);
  return kind == RowKind::f16 ? V::f16(bits) : __builtin_bit_cast(float, static_cast<uint32_t>(bits) << 16);
}

/// Eight bytes from `from` on, zeros in the place of those behind `end`.
inline uint64_t load_word(const std::byte* from, const std::byte* end) {
  uint64_t word = 0;
  if (end - from >= 8) [[likely]]
    __builtin_memcpy(&word, from, 8);
  else if (end > from)
    __builtin_memcpy(&word, from, static_cast<size_t>(end - from));
  return word;
}

/// Reads one row, a group of columns after another. kWholeBits: 4 or 8 when codes have so many bits and every
/// group begins with a byte, which is the quicker to read; 0: any.
template <class V, RowKind kKind, int kWholeBits = 0>
class RowDecoder {
 public:
  RowDecoder(const WeightRows& weights, int64_t row)
      : w_(weights),
        row_(row),
        data_(weights.data + row * weights.row_bytes),
        unpack_(weights.bits),
        table_(weights) {}

  /// The scale of a group; before its columns are read.
  void set_group(int64_t group) {
    if constexpr (is_plain(kKind)) return;
    const int64_t index = row_ * w_.scale_step + group;
    scale_ = V::broadcast(load_scale<V>(w_.scale_kind, w_.scales, index));
    if constexpr (kKind == RowKind::integers)
      offset_ = V::broadcast(static_cast<float>(w_.zeros ? w_.zeros[index] : w_.shared_zero));
    if constexpr (kKind == RowKind::minimum)
      offset_ = V::broadcast(load_scale<V>(w_.scale_kind, w_.minima, index));
  }

  /// Columns [k, k + 16). Those behind the group are anything; under kWholeBits there must be none.
  typename V::Float all(int64_t k) const {
    if constexpr (is_plain(kKind)) {
      const std::byte* from = data_ + k * (kKind == RowKind::f32 ? 4 : 2);
      __builtin_prefetch(from + kAhead);
      return load_as<V>(kKind, from);
    } else {
      if constexpr (kWholeBits != 0) {
        const std::byte* from = data_ + k * kWholeBits / 8;
        __builtin_prefetch(from + kAhead);
        return value_of(V::template whole_codes<kWholeBits>(from));
      } else {
        return any(k);
      }
    }
  }

  /// Columns [k, k + count), zeros behind them.
  typename V::Float some(int64_t k, int64_t count) const {
    if constexpr (is_plain(kKind)) {
      return load_some<V>(kKind, data_ + k * (kKind == RowKind::f32 ? 4 : 2), count);
    } else {
      alignas(64) float values[kLanes];
      V::store(values, any(k));
      return load_some<V>(RowKind::f32, reinterpret_cast<const std::byte*>(values), count);
    }
  }

 private:
  /// all() for codes.
  typename V::Float any(int64_t k) const {
    // Eight codes and the bits before them fit a word: with 8 bits a code there are none before.
    const std::byte* from = data_ + k * w_.bits / 8;
    const int64_t skip = k * w_.bits % 8;
    __builtin_prefetch(from + kAhead);
    return value_of(
        unpack_(load_word(from, w_.data_end) >> skip, load_word(from + w_.bits, w_.data_end) >> skip));
  }

  static constexpr int64_t kAhead = 1024;  ///< bytes fetched ahead

  template <class Codes>
  typename V::Float value_of(Codes codes) const {
    if constexpr (kKind == RowKind::table) {
      if constexpr (kWholeBits == 4) return V::multiply(table_.of_sixteen(codes), scale_);
      return V::multiply(table_(codes), scale_);
    } else {
      const auto value = V::to_float(codes);
      if constexpr (kKind == RowKind::minimum) return V::fma(value, scale_, offset_);
      return V::multiply(V::subtract(value, offset_), scale_);
    }
  }

  const WeightRows& w_;
  int64_t row_;
  const std::byte* data_;
  typename V::Unpacker unpack_;
  typename V::Table table_;
  typename V::Float scale_{}, offset_{};  // offset: the zero point or the minimum
};

/// RowDecoder's kWholeBits for these weights; 0 where V has no whole_codes().
template <class V, RowKind kKind>
int whole_bits(const WeightRows& w) {
  if constexpr (!is_plain(kKind) && requires { V::template whole_codes<8>(w.data); })
    if (w.bits == 8 || (w.bits == 4 && w.group % 2 == 0 && w.k % 2 == 0)) return w.bits;
  return 0;
}

/// Calls body.template operator()<kWholeBits>().
template <class V, RowKind kKind, class Body>
void with_whole_bits(const WeightRows& w, Body body) {
  const int bits = whole_bits<V, kKind>(w);
  if constexpr (!is_plain(kKind) && requires { V::template whole_codes<8>(w.data); }) {
    if (bits == 4) return body.template operator()<4>();
    if (bits == 8) return body.template operator()<8>();
  }
  body.template operator()<0>();
}

/// Columns [begin, end) of one row as f32. Writes up to 15 elements more.
template <class V, RowKind kKind, int kWholeBits>
void decode_row_of(const WeightRows& w, int64_t row, int64_t begin, int64_t end, float* out) {
  RowDecoder<V, kKind, kWholeBits> decoder(w, row);
  int64_t group = begin / w.group;
  for (int64_t k = begin; k < end; ++group) {
    const int64_t group_end = (group + 1) * w.group < end ? (group + 1) * w.group : end;
    decoder.set_group(group);
    for (; k + kLanes <= group_end; k += kLanes) V::store(out + k - begin, decoder.all(k));
    if (k < group_end) V::store(out + k - begin, decoder.some(k, group_end - k));
    k = group_end;
  }
}

template <class V, RowKind kKind>
void decode_kind(const WeightRows& w, int64_t row, int64_t begin, int64_t end, float* out) {
  with_whole_bits<V, kKind>(
      w, [&]<int kWholeBits>() { decode_row_of<V, kKind, kWholeBits>(w, row, begin, end, out); });
}

template <class V>
void decode_row(const WeightRows& w, int64_t row, int64_t begin, int64_t end, float* out) {
  switch (w.kind) {
    case RowKind::f32:
      return decode_kind<V, RowKind::f32>(w, row, begin, end, out);
    case RowKind::f16:
      return decode_kind<V, RowKind::f16>(w, row, begin, end, out);
    case RowKind::bf16:
      return decode_kind<V, RowKind::bf16>(w, row, begin, end, out);
    case RowKind::integers:
      return decode_kind<V, RowKind::integers>(w, row, begin, end, out);
    case RowKind::minimum:
      return decode_kind<V, RowKind::minimum>(w, row, begin, end, out);
    case RowKind::table:
      return decode_kind<V, RowKind::table>(w, row, begin, end, out);
  }
}

}  // namespace
}  // namespace halftone::cpu
