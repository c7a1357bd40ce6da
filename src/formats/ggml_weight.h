#pragma once

#include <string>

#include "formats/gguf_type.h"

namespace halftone {

/// A constant as GGUF holds it.
struct GgmlWeight {
  const GgmlType* type;
  /// Under type->encoding() for quantized types, else of type->plain; made when it is loaded.
  Constant constant;
  std::string change{};  ///< what is other than in the original: "minima rounded to f16"; empty: nothing
};

/// Numbers are rounded to `type` as ggml does it, bit for bit. Codes stay codes where a type has a place for
/// them, whatever `type` says: integers without zero points of up to 4 bits in Q4_0 and of up to 8 in Q8_0,
/// with zero points or minima of up to 4 bits in Q4_1, when their groups are made of whole blocks of 32 (a
/// scale of 128 is written four times). Other codes are decoded and rounded: to `type` where it is quantized,
/// else to Q4_0 up to 4 bits and to Q8_0 above. Rows that are no multiple of 32 long become F16. `name` is
/// for errors.
GgmlWeight ggml_weight(const Constant& constant, const GgmlType& type, const std::string& name);

/// Row `row` of a tensor under the encoding of `type` (one that is written) as the file holds it.
void pack_ggml_row(const GgmlType& type, const QuantizedTensor& weight, int64_t row,
                   std::span<std::byte> bytes);

}  // namespace halftone
