#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "ops/constant.h"

namespace halftone {

/// The codes, scales and minima of one block, as far as its type has them.
struct GgmlBlock {
  std::span<uint8_t> codes;
  std::span<float> scales;
  std::span<float> minima;
};

/// A tensor type of GGUF: how `block` elements lie in `bytes` bytes.
struct GgmlType {
  uint32_t number;
  std::string_view name;
  size_t block;
  size_t bytes;
  std::optional<DType> plain;  ///< of types that are ordinary numbers
  std::string_view format;     ///< quantized types: the number format of their codes
  int64_t group = 0;           ///< elements that share a scale
  bool real_minimum = false;   ///< value = code * scale + minimum; otherwise (code - 2^(bits-1)) * scale
  DType scale_dtype = DType::f32;
  void (*unpack)(const std::byte* bytes, const GgmlBlock& block) = nullptr;
  /// The reverse, and how ggml rounds `block` numbers to codes, scales and minima: of types that are written.
  void (*pack)(const GgmlBlock& block, std::byte* bytes) = nullptr;
  void (*round)(std::span<const float> values, const GgmlBlock& block) = nullptr;

  Encoding encoding() const;  ///< of quantized types
};

/// The type of that number. Throws UnsupportedError that begins with `where` for one that Halftone does not
/// read.
const GgmlType& ggml_type(uint32_t number, const std::string& where);

/// The type of that name, in capitals or not ("q4_0"). It must be one that is known here.
const GgmlType& ggml_type_named(std::string_view name);
/// "f32, f16, bf16, q4_0, ...": the types that are written.
std::vector<std::string> written_ggml_types();

/// How a stored tensor differs from the one it stands for.
struct GgmlTransform {
  int64_t rotary_heads = 0;  ///< its rows are heads whose halves are interleaved: row 2i + j of a head is its
                             ///< j-th half's row i (0: they are not)
  float added = 0;           ///< what was added to each element
};

/// The tensor in `bytes`, which lie inside `file`: plain numbers as they are, quantized ones as a constant
/// that carries its encoding; its codes are converted when they are asked for, row by row. `where` names file
/// and tensor in errors. Only types of plain numbers may have something added.
Constant ggml_constant(std::shared_ptr<const MappedFile> file, const GgmlType& type, const Shape& shape,
                       std::span<const std::byte> bytes, const GgmlTransform& transform, std::string where);

}  // namespace halftone
