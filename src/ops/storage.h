#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "core/tensor.h"

namespace halftone {

/// The scale of an activation whose numbers are fixed ahead: value = (code - zero) * scale. Codes are 0..255
/// (symmetric int8 has zero 128), or wide, 0..65535 of zero 32768, in memory the signed difference.
struct CodeScale {
  static constexpr uint16_t kWideZero = 32768;
  float scale = 1;
  uint16_t zero = 0;

  bool wide() const { return zero == kWideZero; }
  /// What stands for 0 in memory.
  int32_t stored_zero() const { return wide() ? 0 : zero; }
  friend bool operator==(const CodeScale&, const CodeScale&) = default;
};

/// How the bytes of an activation lie in memory. A value's type says what it stands for; shapes, axes and
/// shape rules never depend on its storage.
struct Storage {
  enum class Order : uint8_t {
    planar,         ///< row-major in the order of the shape: [N, C, spatial...]
    channels_last,  ///< [N, spatial..., C]; at least three dimensions
  };
  Order order = Order::planar;
  std::optional<CodeScale> codes;  ///< stored as u8 codes, or i16 (wide); only floating values

  bool plain() const { return order == Order::planar && !codes; }
  bool wide() const { return codes && codes->wide(); }
  friend bool operator==(const Storage&, const Storage&) = default;

  std::string str() const;  ///< "", "channels-last", "channels-last u8 * 0.0125 - 128"
};

/// Type of the elements as stored.
inline DType stored_dtype(DType dtype, const Storage& storage) {
  return storage.wide() ? DType::i16 : storage.codes ? DType::u8 : dtype;
}

/// The code nearest to x / scale + zero, half to even, clamped to 0..255; NaN gives `zero`.
uint8_t encode_activation(float x, const CodeScale& codes);
inline float decode_activation(uint8_t code, const CodeScale& codes) {
  return static_cast<float>(static_cast<int>(code) - codes.zero) * codes.scale;
}

/// The same of wide codes, as they are stored: -32768..32767, NaN gives 0.
int16_t encode_wide(float x, const CodeScale& codes);
inline float decode_wide(int16_t code, const CodeScale& codes) {
  return static_cast<float>(code) * codes.scale;
}

/// Between storages: `plain` is planar and of the value's own type, `stored` holds the same shape under
/// `storage`.
void load_stored(const TensorView& stored, const Storage& storage, const MutableTensorView& plain);
void store_plain(const TensorView& plain, const Storage& storage, const MutableTensorView& stored);

}  // namespace halftone
