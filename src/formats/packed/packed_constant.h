#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "formats/checkpoint.h"
#include "scheme/quantized_tensor.h"

namespace halftone {

/// Integers of `bits` with one scale for each `group` inputs of an output (group <= 0 or no less than
/// `inputs`: one an output).
Encoding integer_encoding(int bits, int64_t group, int64_t inputs, bool symmetric, DType scale_dtype);

/// A weight whose parts are put together when they are asked for. `where` names file and layer in errors.
Constant packed_constant(const Shape& shape, const Encoding& encoding,
                         std::function<QuantizedTensor::Parts()> unpack, std::string where);

/// codes of QuantizedTensor from a function that fills row `row`: one byte a code.
Tensor pack_rows(const Shape& shape, int bits,
                 const std::function<void(int64_t row, std::span<uint8_t> codes)>& fill);

/// The tensor MODULE + suffix, whose shape must be `shape` and its type one of `dtypes` (InputError).
const Constant& layer_part(const Checkpoint& checkpoint, const std::string& module, std::string_view suffix,
                           const Shape& shape, std::initializer_list<DType> dtypes);

/// Inputs sorted by the group that g_idx gives each, in `group`s of equal size (InputError beginning with
/// `where`); empty where that is how they come.
std::vector<int64_t> order_by_group(std::span<const int32_t> group_of, int64_t group,
                                    const std::string& where);

/// [a, b] turned to [b, a], elements of `dtype`.
Tensor transposed(const Tensor& tensor);

}  // namespace halftone
