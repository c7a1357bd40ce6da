#pragma once

#include <optional>

#include "graph/passes/pattern.h"

namespace halftone {

/// The codes of a QuantizeLinear or DequantizeLinear of one constant scale and a constant zero point of 8
/// bits, as u8 codes (i8 ones moved by 128); nothing for any other node.
std::optional<CodeScale> linear_codes(const Graph& graph, const Node& node);

/// The codes that a floating value comes from in this run: made by DequantizeLinear of no constant, or moved
/// from such a value.
std::optional<CodeScale> source_codes(const Graph& graph, const UseMap& uses, ValueId value);

}  // namespace halftone
