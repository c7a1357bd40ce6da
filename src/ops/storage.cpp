#include "ops/storage.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fmt/format.h>
#include <vector>

namespace halftone {
namespace {

/// Seen as [batch, channels, positions]; channels-last swaps the last two.
struct Planes {
  int64_t batch, channels, positions;
};

Planes planes(const Shape& shape) {
  Planes p{shape[0], shape[1], 1};
  for (int axis = 2; axis < shape.rank(); ++axis) p.positions *= shape[axis];
  return p;
}

/// to[b, x, y] = from[b, y, x] for elements of `size` bytes.
void swap_inner(const std::byte* from, std::byte* to, int64_t batch, int64_t rows, int64_t columns,
                size_t size) {
  for (int64_t b = 0; b < batch; ++b)
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t c = 0; c < columns; ++c)
        std::memcpy(to + static_cast<size_t>((b * columns + c) * rows + r) * size,
                    from + static_cast<size_t>((b * rows + r) * columns + c) * size, size);
}

std::vector<float> as_floats(const TensorView& tensor) {
  std::vector<float> values(static_cast<size_t>(tensor.shape.elements()));
  load_floats(tensor, 0, values);
  return values;
}

}  // namespace

std::string Storage::str() const {
  std::string text = order == Order::channels_last ? "channels-last" : "";
  if (!codes) return text;
  text += text.empty() ? "" : " ";
  if (codes->wide()) return fmt::format("{}i16 * {}", text, codes->scale);
  return fmt::format("{}u8 * {} - {}", text, codes->scale, codes->zero);
}

uint8_t encode_activation(float x, const CodeScale& codes) {
  const float code = std::nearbyint(x / codes.scale) + static_cast<float>(codes.zero);
  if (std::isnan(code)) return static_cast<uint8_t>(codes.zero);
  return static_cast<uint8_t>(std::clamp(code, 0.0f, 255.0f));
}

int16_t encode_wide(float x, const CodeScale& codes) {
  const float code = std::nearbyint(x / codes.scale);
  return std::isnan(code) ? int16_t{0} : static_cast<int16_t>(std::clamp(code, -32768.0f, 32767.0f));
}

void load_stored(const TensorView& stored, const Storage& storage, const MutableTensorView& plain) {
  TensorView planar = stored;
  std::vector<std::byte> turned;
  if (storage.order == Storage::Order::channels_last) {
    const Planes p = planes(stored.shape);
    turned.resize(stored.size_bytes());
    swap_inner(stored.data, turned.data(), p.batch, p.positions, p.channels, dtype_bytes(stored.dtype));
    planar.data = turned.data();
  }
  if (!storage.codes) {
    if (planar.size_bytes() > 0) std::memcpy(plain.data, planar.data, planar.size_bytes());
    return;
  }
  std::vector<float> values(static_cast<size_t>(plain.shape.elements()));
  if (storage.wide())
    std::ranges::transform(planar.span<int16_t>(), values.begin(),
                           [&](int16_t code) { return decode_wide(code, *storage.codes); });
  else
    std::ranges::transform(planar.span<uint8_t>(), values.begin(),
                           [&](uint8_t code) { return decode_activation(code, *storage.codes); });
  store_floats(values, plain, 0);
}

void store_plain(const TensorView& plain, const Storage& storage, const MutableTensorView& stored) {
  TensorView coded = plain;
  std::vector<uint8_t> codes;
  std::vector<int16_t> wide;
  if (storage.wide()) {
    for (float x : as_floats(plain)) wide.push_back(encode_wide(x, *storage.codes));
    coded = {DType::i16, plain.shape, reinterpret_cast<const std::byte*>(wide.data())};
  } else if (storage.codes) {
    for (float x : as_floats(plain)) codes.push_back(encode_activation(x, *storage.codes));
    coded = {DType::u8, plain.shape, reinterpret_cast<const std::byte*>(codes.data())};
  }
  if (storage.order == Storage::Order::planar) {
    std::memcpy(stored.data, coded.data, coded.size_bytes());
    return;
  }
  const Planes p = planes(plain.shape);
  swap_inner(coded.data, stored.data, p.batch, p.channels, p.positions, dtype_bytes(coded.dtype));
}

}  // namespace halftone
