#pragma once

#include <string>
#include <vector>

#include "formats/checkpoint.h"
#include "formats/safetensors.h"
#include "scheme/quantized_tensor.h"

namespace halftone {

/// The tensors that hold an encoded constant NAME: NAME.codes, and as the encoding demands NAME.scales,
/// NAME.zeros, NAME.minima, NAME.codebook, and under double quantization NAME.scales.codes,
/// NAME.scales.absmax, NAME.scales.offset. QuantizedTensor states their types and shapes.
std::vector<PlannedTensor> encoded_parts(const std::string& name, const Encoding& encoding,
                                         const Shape& shape);

/// Writes them in that order.
void write_encoded(SafetensorsWriter& writer, const std::string& name, const QuantizedTensor& tensor);

/// The constant back from a checkpoint that holds them; its numbers are of `type`. Throws InputError,
/// beginning with `where`, for a part that is missing or of another type or shape; numbers are checked when
/// the constant is loaded.
Constant encoded_constant(const Checkpoint& checkpoint, const std::string& name, const ValueType& type,
                          const Encoding& encoding, const std::string& where);

}  // namespace halftone
